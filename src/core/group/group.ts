import type { OperationResult } from '../../roles/host.ts'
import type { Operation } from '../../roles/resource-agent.ts'
import type { Timers } from '../timers.ts'
import type { CoreConfig, Emit, EmitEvent, GroupConfig, ResourceConfig } from '../types.ts'
import { Announcements } from './announcements.ts'
import { failedAction } from './failed-resource.ts'
import { Failures, restartPauseMs } from './failures.ts'
import { cancelGraceMs, changes, isCuttable, isolateMs, limitOf, stopTries } from './limits.ts'
import { outdated, withTimesOf } from './reload-diff.ts'

/** What a group tells the ownership table about the end of what it was asked. */
export type GroupOutcome =
  | 'started'
  | 'start-failed'
  | 'stopped'
  | 'stop-failed'
  | 'cut-off'
  | 'cut-failed'
  | 'restored'
  | 'broken'
  | 'prepared'
  | 'unprepared'

/** What a group needs and whom it tells. */
export interface GroupPort {
  readonly timers: Timers
  readonly effect: Emit
  readonly event: EmitEvent
  monoMs(): number
  config(): CoreConfig
  nextOpId(): number
  /** The peer is there and could take the group. */
  peerCouldTake(): boolean
  /** Maintenance: what fails is told, and nothing is touched. */
  isMaintained(): boolean
  onOutcome(outcome: GroupOutcome, detail: string): void
}

interface Running {
  readonly resource: ResourceConfig
  readonly operation: Operation
  /** Why its end is awaited, once it is no longer wanted. */
  cancelled: string | undefined
  done: (result: Answer) => void
}

/** What an operation came to; `late`: it was not finished within its limit, and says nothing of the resource. */
type Answer = OperationResult & { readonly late?: true }

/**
 * The operations of one group: order of start and reverse of stop, deadlines, the restart in place, monitors and repeated
 * announcements. What they mean for ownership is not decided here.
 */
export class Group {
  readonly #port: GroupPort
  #config: GroupConfig
  #epoch = 0
  /** Everything a start was tried of and no stop has verified since, in the order of the starts. */
  readonly #touched = new Map<string, ResourceConfig>()
  /** Those of them whose start came to its end, and no stop was tried since: a start that was given up may have done anything. */
  readonly #started = new Set<string>()
  /** Those of which a start may have done something: it was executed, and no stop has been verified since. */
  readonly #executed = new Set<string>()
  /** How many looks in a row have shown nothing. */
  readonly #unknown = new Map<string, number>()
  #stuck: { readonly name: string; readonly reason: string } | undefined
  readonly #running = new Map<number, Running>()
  /** Grows with every new job; what an abandoned job was about to do next is then not done. */
  #job = 0
  #serving = false
  /** From the moment in which it is to be cut off, until it is to answer again. */
  #isCut = false
  readonly #failures = new Failures()
  readonly #announcements: Announcements
  /** What is known to have failed while nothing may be touched: told once. */
  readonly #toldFailed = new Set<string>()

  constructor(port: GroupPort, config: GroupConfig) {
    this.#port = port
    this.#config = config
    this.#announcements = new Announcements(port, config.name)
  }

  get config(): GroupConfig {
    return this.#config
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** While it serves, what is outdated stops and what is new starts, each in its place; what stays runs on, with the new times. */
  configure(config: GroupConfig): void {
    this.#config = config
    for (const [name, touched] of this.#touched) this.#touched.set(name, withTimesOf(touched, config.resources))
    if (this.#serving) this.#adapt()
  }

  /** Maintenance has ended: look at everything now, and do what was left undone. */
  resume(): void {
    this.#toldFailed.clear()
    this.#adapt()
    for (const resource of this.#serving ? this.#touched.values() : []) this.#check(resource)
  }

  #adapt(): void {
    const { resources } = this.#config
    const gone = outdated([...this.#touched.values()], this.#started, resources)
    const isNew = resources.some(({ name }) => !this.#touched.has(name))
    if ((gone.length === 0 && !isNew) || this.#port.isMaintained()) return
    const job = this.#newJob()
    this.#whenIdle(job, () => this.#restart(gone, job, () => this.#serveThen('restored')))
  }

  /** Stops these, in reverse, then starts everything that does not run. */
  #restart(resources: readonly ResourceConfig[], job: number, done: () => void): void {
    this.#stopThese(resources, job, (stuck) => {
      if (stuck !== null) return this.#outcome('stop-failed', stuck)
      this.#startMissing(job, (failure) => {
        if (failure !== null) return this.#outcome('broken', failure)
        done()
      })
    })
  }

  /** The group is no longer ours to care for: nothing of it is under way afterwards. */
  close(): void {
    this.#newJob()
  }

  /** This ownership carries a higher number from now on. */
  carry(epoch: number): void {
    this.#epoch = epoch
  }

  /** Starts every resource in order; `started`, or `start-failed` after what was started is stopped again. */
  start(epoch: number): void {
    const job = this.#newJob()
    this.#isCut = false
    this.#epoch = epoch
    this.#startAnew(job, (failure) => {
      if (failure === null) return this.#serveThen('started')
      this.#stopAll(job, (stuck) =>
        stuck === null ? this.#outcome('start-failed', failure) : this.#outcome('stop-failed', stuck),
      )
    })
  }

  /** Tries once more what failed while it served: `restored` or `broken`. */
  retry(): void {
    const job = this.#newJob()
    this.#startAnew(job, (failure) =>
      failure === null ? this.#serveThen('restored') : this.#outcome('broken', failure),
    )
  }

  /** Stops what was started, in reverse; `stopped` or `stop-failed`. `cutFirst`: everything that can be is cut off at once before. */
  stop(cutFirst: boolean): void {
    const job = this.#newJob()
    const inOrder = () =>
      this.#whenIdle(job, () =>
        this.#stopAll(job, (stuck) =>
          stuck === null ? this.#outcome('stopped', '') : this.#outcome('stop-failed', stuck),
        ),
      )
    if (cutFirst) this.#cut(job, inOrder)
    else inOrder()
  }

  /** Cuts the service off at once, without waiting for anything; `cut-off` when it is verified, else `cut-failed`. */
  isolate(): void {
    const job = this.#newJob()
    this.#cut(job, (failure) =>
      failure === null ? this.#outcome('cut-off', '') : this.#outcome('cut-failed', failure),
    )
  }

  /** Starts everything again without a stop before, for nobody else can serve it: what would not stop may run on. */
  revive(epoch: number): void {
    const job = this.#newJob()
    this.#isCut = false
    this.#epoch = epoch
    this.#stuck = undefined
    const touched = this.#config.resources.filter(({ name }) => this.#touched.has(name))
    const begun = (failure: string | null): void => {
      if (failure === null) return this.#serveThen('started')
      this.#stopAll(job, (stuck) =>
        stuck === null ? this.#outcome('start-failed', failure) : this.#outcome('stop-failed', stuck),
      )
    }
    this.#whenIdle(job, () =>
      this.#sequence(touched, 'start', job, (failure) => {
        if (failure !== null) return begun(failure)
        for (const { name } of touched) this.#started.add(name)
        this.#startMissing(job, begun)
      }),
    )
  }

  #stopped(name: string): void {
    this.#touched.delete(name)
    this.#executed.delete(name)
    if (this.#stuck?.name === name) this.#stuck = undefined
  }

  /** Cuts off what can be; then says what still answers, if anything. */
  #cut(job: number, done: (failure: string | null) => void): void {
    this.#isCut = true
    const touched = [...this.#touched.values()]
    const cutters = touched.filter(isCuttable)
    // Without its address a service reaches nobody; data stays in use, also below what would not stop.
    const open = touched.find(
      (resource) =>
        !isCuttable(resource) && (cutters.length === 0 || (this.#stuck !== undefined && resource.exclusive === 'data')),
    )
    let failure = open === undefined ? null : `${open.name}: it has nothing that could be cut off`
    let left = cutters.length
    if (left === 0) return done(failure)
    for (const resource of cutters)
      this.#perform(resource, 'isolate', isolateMs, (result) => {
        if (job !== this.#job) return
        if (!result.ok) failure ??= `${resource.name}: ${result.reason}`
        if (--left === 0) done(failure)
      })
  }

  /** Takes an isolation back; `restored` or, when it fails, `broken`. */
  restore(): void {
    const job = this.#newJob()
    this.#isCut = false
    const resources = [...this.#touched.values()].filter(({ operations }) => operations.includes('restore'))
    this.#whenIdle(job, () =>
      this.#sequence(resources, 'restore', job, (failure) =>
        failure === null ? this.#serveThen('restored') : this.#outcome('broken', failure),
      ),
    )
  }

  /** Asks whether the group could start here; `prepared` or `unprepared`. What would not stop must stop first. */
  prepare(): void {
    const job = this.#newJob()
    const resources = this.#config.resources.filter((resource) => resource.operations.includes('prepare'))
    this.#whenIdle(job, () =>
      this.#stopAll(job, (stuck) => {
        if (stuck !== null) return this.#outcome('unprepared', stuck)
        this.#sequence(resources, 'prepare', job, (failure) =>
          failure === null ? this.#outcome('prepared', '') : this.#outcome('unprepared', failure),
        )
      }),
    )
  }

  /** Tells the network again who serves, now and repeatedly. */
  announce(): void {
    const resources = this.#config.resources.filter((resource) => resource.operations.includes('announce'))
    if (resources.length === 0) return
    for (const resource of resources) this.#perform(resource, 'announce', resource.times.statusMs, () => {})
    this.#port.event('group:announced', { group: this.#config.name, epoch: this.#epoch })
  }

  /** Says again, and on the usual schedule, who serves. */
  announceRepeatedly(): void {
    this.#announcements.begin(() => this.announce())
  }

  announceNoMore(): void {
    this.#announcements.end()
  }

  /** From now on the resources are watched and announced. */
  #serve(): void {
    this.#serving = true
    // Started at run time or again: the order of the stop is that of the configuration.
    const rank = ({ name }: ResourceConfig) => this.#config.resources.findIndex((resource) => resource.name === name)
    const touched = [...this.#touched.values()].sort((a, b) => rank(a) - rank(b))
    this.#touched.clear()
    for (const resource of touched) this.#touched.set(resource.name, resource)
    for (const resource of this.#touched.values()) this.#watch(resource)
    this.announceRepeatedly()
    this.#adapt()
  }

  #serveThen(outcome: GroupOutcome): void {
    this.#serve()
    this.#outcome(outcome, '')
  }

  /** The resource that would not stop, and why, until it did. */
  get stuck(): string | undefined {
    return this.#stuck && `${this.#stuck.name}: ${this.#stuck.reason}`
  }

  /** Something of it, which would not stop or stands below what would not, may write where its copy on the peer writes. */
  get holdsData(): boolean {
    return [...this.#touched.values()].some(({ exclusive }) => exclusive === 'data')
  }

  /** Grows with everything that the group is asked: what it answers to an earlier job is no longer true. */
  get job(): number {
    return this.#job
  }

  get serving(): boolean {
    return this.#serving
  }

  /** A resource reported a change by itself, or its interval is over: look now. */
  changed(name: string): void {
    const resource = this.#config.resources.find((entry) => entry.name === name)
    if (resource && this.#serving) this.#check(resource)
  }

  /** The answer of an operation; late answers of abandoned ones find nothing here. */
  answered(opId: number, result: OperationResult): boolean {
    const running = this.#running.get(opId)
    if (!running) return false
    const { cancelled } = running
    this.#end(opId, cancelled === undefined ? result : { ok: false, reason: cancelled, late: true })
    return true
  }

  #end(opId: number, result: Answer): void {
    const running = this.#running.get(opId)
    this.#running.delete(opId)
    this.#port.timers.clear(`op:${opId}`)
    running?.done(result)
  }

  #outcome(outcome: GroupOutcome, detail: string): void {
    this.#port.onOutcome(outcome, detail)
  }

  /** Ends everything that was under way; what an abandoned job would have done next is not done. */
  #newJob(): number {
    this.#job++
    this.#serving = false
    for (const { name } of [...this.#config.resources, ...this.#touched.values()])
      this.#port.timers.clear(`monitor:${name}`)
    this.#port.timers.clear(`restart:${this.#config.name}`)
    this.#announcements.end()
    for (const opId of this.#running.keys()) this.#cancel(opId, 'no longer wanted')
    return this.#job
  }

  /** An operation that changes something gets its grace to end: two of them must never overlap. */
  #cancel(opId: number, why: string): void {
    const running = this.#running.get(opId)
    if (!running || running.cancelled !== undefined) return
    running.cancelled = why
    this.#port.effect({ type: 'cancel', opId })
    const giveUp = () => this.#end(opId, { ok: false, reason: why, late: true })
    if (changes[running.operation]) this.#port.timers.set(`op:${opId}`, this.#port.monoMs() + cancelGraceMs, giveUp)
    else giveUp()
  }

  /** Goes on once nothing that was cancelled can still be at work, or has had its grace. */
  #whenIdle(job: number, next: () => void): void {
    const pending = [...this.#running.values()].filter(({ operation }) => changes[operation])
    let left = pending.length
    if (left === 0) return next()
    for (const running of pending)
      running.done = () => {
        if (--left === 0 && job === this.#job) next()
      }
  }

  #perform(resource: ResourceConfig, operation: Operation, limitMs: number, done: (result: Answer) => void): void {
    const opId = this.#port.nextOpId()
    this.#running.set(opId, { resource, operation, cancelled: undefined, done })
    const request = { opId, group: this.#config.name, resource: resource.name, operation, epoch: this.#epoch }
    this.#port.effect({ type: 'perform', request })
    this.#port.timers.set(`op:${opId}`, this.#port.monoMs() + limitMs, () =>
      this.#cancel(opId, `${operation} was not finished within ${limitMs} ms`),
    )
  }

  /** One operation on each of the resources, one after the other, until one fails. */
  #sequence(
    resources: readonly ResourceConfig[],
    operation: Operation,
    job: number,
    done: (failure: string | null) => void,
    index = 0,
  ): void {
    const resource = resources[index]
    if (!resource) return done(null)
    this.#perform(resource, operation, limitOf(resource, operation), (result) => {
      if (job !== this.#job) return
      if (!result.ok) return done(`${resource.name}: ${result.reason}`)
      this.#sequence(resources, operation, job, done, index + 1)
    })
  }

  /** Starts everything; before that it stops what an earlier job left half done. */
  #startAnew(job: number, done: (failure: string | null) => void): void {
    this.#whenIdle(job, () =>
      this.#stopAll(job, (stuck) => {
        if (stuck !== null) return this.#outcome('stop-failed', stuck)
        this.#startMissing(job, done)
      }),
    )
  }

  /** Starts, in their order, what is configured and was not started. */
  #startMissing(job: number, done: (failure: string | null) => void): void {
    const resource = this.#config.resources.find(({ name }) => !this.#touched.has(name))
    if (!resource) return done(null)
    const { name } = resource
    const before = this.#executed.has(name)
    this.#touched.set(name, resource)
    this.#executed.add(name)
    this.#perform(resource, 'start', resource.times.startMs, (result) => {
      // What was never executed was never started, and needs no stop.
      if (!result.ok && result.notRunnable && !before) this.#stopped(name)
      if (job !== this.#job) return
      if (result.ok) {
        this.#started.add(resource.name)
        this.#startMissing(job, done)
      } else done(`${resource.name}: ${result.reason}`)
    })
  }

  /** Stops in reverse what was started, down to the one at `first`; answers with the one that would not stop. */
  #stopAll(job: number, done: (stuck: string | null) => void): void {
    this.#stopThese([...this.#touched.values()], job, done)
  }

  #stopThese(list: readonly ResourceConfig[], job: number, done: (stuck: string | null) => void): void {
    const resources = [...list].reverse()
    const next = (index: number, tries: number): void => {
      const resource = resources[index]
      if (!resource) return done(null)
      this.#started.delete(resource.name)
      this.#perform(resource, 'stop', resource.times.stopMs, (result) => {
        if (job !== this.#job) return
        if (result.ok || (result.notRunnable && !this.#executed.has(resource.name))) {
          this.#stopped(resource.name)
          return next(index + 1, 0)
        }
        if (tries + 1 < stopTries) return next(index, tries + 1)
        this.#stuck = { name: resource.name, reason: result.reason }
        done(`${resource.name}: ${result.reason}`)
      })
    }
    next(0, 0)
  }

  #watch({ name, times, operations }: ResourceConfig): void {
    if (times.intervalMs === 0 || !operations.includes('status')) return
    this.#port.timers.set(`monitor:${name}`, this.#port.monoMs() + times.intervalMs, () => this.changed(name))
  }

  #check(resource: ResourceConfig): void {
    for (const { resource: busy, operation } of this.#running.values())
      if (busy.name === resource.name && operation === 'status') return
    const job = this.#job
    this.#port.timers.clear(`monitor:${resource.name}`)
    this.#perform(resource, 'status', resource.times.statusMs, (result) => {
      if (job !== this.#job || !this.#serving) return
      const look = lookOf(result)
      if (look !== null) return this.#failed(resource, look)
      this.#toldFailed.delete(resource.name)
      this.#unknown.delete(resource.name)
      this.#watch(resource)
    })
  }

  /** What the table of failed resources says is done; what is only looked at again, or left alone, is told once. */
  #failed(resource: ResourceConfig, { evidence, reason }: Look): void {
    const monoMs = this.#port.monoMs()
    const { name } = resource
    const { name: group, restarts: limit = 1, restartWindowMs = this.#port.config().restartWindowMs } = this.#config
    const unknownLooks = evidence === 'unknown' ? (this.#unknown.get(name) ?? 0) + 1 : 0
    this.#unknown.set(name, unknownLooks)
    const count = this.#failures.count(name, monoMs, restartWindowMs) + 1
    const action = failedAction({
      evidence,
      unknownLooks,
      maintained: this.#port.isMaintained(),
      peerCouldTake: this.#port.peerCouldTake(),
      restartsLeft: count <= (resource.restarts ?? limit),
    })
    const waits = action === 'none' || action === 'look'
    if (!waits || !this.#toldFailed.has(name))
      this.#port.event('resource:failed', { group, resource: name, reason, action })
    if (waits) {
      this.#toldFailed.add(name)
      return this.#watch(resource)
    }
    this.#toldFailed.delete(name)
    this.#unknown.delete(name)
    this.#failures.add(name, monoMs, restartWindowMs)
    const again = action !== 'restart'
    const job = this.#newJob()
    if (again) return this.#outcome('broken', `${resource.name}: ${reason}`)
    const restart = () => {
      const first = [...this.#touched.keys()].indexOf(resource.name)
      this.#restart([...this.#touched.values()].slice(first), job, () => {
        const tookMs = Math.round(this.#port.monoMs() - monoMs)
        this.#port.event('resource:restarted', { group, resource: resource.name, tookMs })
        this.#serve()
      })
    }
    const pauseMs = restartPauseMs(count)
    if (pauseMs === 0) return this.#whenIdle(job, restart)
    this.#port.timers.set(`restart:${group}`, monoMs + pauseMs, () => this.#whenIdle(job, restart))
  }
}

/** A look that did not show that the resource runs. */
interface Look {
  readonly evidence: 'failed' | 'unknown'
  readonly reason: string
}

/** Null when it was seen to run. */
function lookOf(result: Answer): Look | null {
  if (!result.ok) return { evidence: result.late ? 'unknown' : 'failed', reason: result.reason }
  const { status = { state: 'running' } } = result
  if (status.state === 'running') return null
  if (status.state === 'stopped') return { evidence: 'failed', reason: 'it is not running' }
  return { evidence: status.state, reason: status.reason }
}
