import { readHaDir } from '../config/read-ha-dir.ts'
import type { ClusterEvents, EventPayload, NamedEvent } from '../core/cluster-events.ts'
import type { CoreEvent } from '../core/events.ts'
import type { Command, Scope } from '../core/types.ts'
import { abortable } from '../engine/abortable.ts'
import { cleanUp } from '../engine/clean-up.ts'
import { Counters } from '../engine/counters.ts'
import { Engine, refusalError } from '../engine/engine.ts'
import { NewestWins } from '../engine/newest-wins.ts'
import { lineRefusal } from '../engine/open-link.ts'
import type { ClusterOptions, GroupOptions } from '../options/options.ts'
import { promisesOf } from '../options/promises.ts'
import { refuseRestarts } from '../options/reload-rules.ts'
import { type Resolved, resolveOptions } from '../options/resolve.ts'
import { warnOfWeakMethod } from '../options/weak-methods.ts'
import { isoNow } from '../platform/clocks.ts'
import { refuseOtherRuntimes } from '../platform/runtime.ts'
import { describe, levelOf } from '../recorder/describe.ts'
import { type Explanation, explain } from '../recorder/explain.ts'
import { Failures, Warnings } from '../recorder/failures.ts'
import type { HistoryEntry } from '../recorder/history.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { HotStandbyError, type Issue, isHotStandbyError, messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { shownValue } from '../roles/option-table.ts'
import { type EventIterator, GuardedEmitter, stateError } from './emitter.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'

/** Options of every call that takes a while. */
export interface CallOptions {
  /** Ends the waiting, not what was begun; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of a planned move. */
export interface MoveOptions extends CallOptions {
  /** Who asks for it, for events and history: a name, at most 200 characters. @defaultValue `'the application'` */
  readonly by?: string | undefined
}

/** Largest payload of {@link Cluster.send}: with its header it still fits into one datagram. */
export const maxPayloadBytes = 60_000

/** Longest name of who asks for a move. */
const byMaxChars = 200

type Life = 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'

interface Waiting {
  resolve(): void
  reject(error: unknown): void
}

/**
 * One member of a high-availability pair: it keeps in touch with the other one, owns groups of resources, gives them away
 * and takes them over.
 *
 * What it does **not** guarantee: without a third opinion, two nodes that cannot hear each other cannot know whether the
 * other one is dead, so a cut of every link makes both serve until they hear each other again (see `docs/guarantees.md`).
 *
 * @example
 * ```ts
 * import { app, Cluster, sha256, udpUnicast } from 'hot-standby'
 *
 * await using cluster = new Cluster({
 *   name: 'jobs',
 *   nodes: ['one', 'two'],
 *   node: 'one',
 *   transports: [udpUnicast({ addresses: { one: '127.0.0.1:7001', two: '127.0.0.1:7002' } })],
 *   authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
 *   groups: [{ name: 'jobs', preferred: 'one', resources: [app({ start() {}, stop() {} })] }],
 * })
 * cluster.on('group:acquired', ({ group, epoch }) => console.log(`we serve ${group} now (${epoch})`))
 * await cluster.start()
 * ```
 */
export class Cluster implements AsyncDisposable {
  readonly #emitter: GuardedEmitter
  readonly #failures = new Failures()
  readonly #counters = new Counters()
  readonly #warnings = new Warnings()
  readonly #waiting = new Map<number, Waiting>()
  #options: ClusterOptions
  #resolved: Resolved
  #engine: Engine | undefined
  #life: Life = 'new'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  readonly #stopStarting = new AbortController()
  readonly #changes = new NewestWins()
  /** What the newest reload wants, until it has come to its end. */
  #newest: ClusterOptions | undefined
  /** That of the options that are in force, also after a reload. */
  readonly #logger: Logger = {
    debug: (fields, message) => this.#resolved.logger.debug(fields, message),
    info: (fields, message) => this.#resolved.logger.info(fields, message),
    warn: (fields, message) => this.#resolved.logger.warn(fields, message),
    error: (fields, message) => this.#resolved.logger.error(fields, message),
  }
  #nextCommand = 1

  /**
   * Checks the options; nothing is opened yet.
   * @throws {HotStandbyError} `HS_CONFIG` that lists every problem with its path.
   */
  constructor(options: ClusterOptions) {
    this.#resolved = resolveOptions(options)
    this.#options = { ...options }
    this.#emitter = new GuardedEmitter((name, error) => {
      // A listener of `problem` that fails itself would tell itself for ever: that one is only logged.
      const message = `a listener of '${name}' failed: ${messageOf(error)}`
      if (name === 'problem') this.#log('error', { listener: name }, message)
      else this.#problem(`listener ${name}`, error)
    })
  }

  /**
   * A member configured by Heartbeat's three files, or by `hot-standby.ini`, in a directory.
   * @param dir - `/etc/ha.d`, say
   * @param overrides - options that win over the files
   * @throws {HotStandbyError} `HS_CONFIG` that lists every problem with file and line.
   */
  static fromHaDir(dir: string, overrides: Partial<ClusterOptions> = {}): Cluster {
    return new Cluster({ ...readHaDir(dir), ...overrides })
  }

  /**
   * Removes from this host what a killed member has left there, as its next start would: addresses it had added, programs it
   * had started. Does nothing when a member runs (`HS_STATE_DIRECTORY`).
   */
  static async cleanUp(options: ClusterOptions): Promise<void> {
    await cleanUp(resolveOptions(options))
  }

  /** Name of the pair. */
  get name(): string {
    return this.#resolved.name
  }

  /** Which member this is. */
  get node(): string {
    return this.#resolved.node
  }

  /** Name of the other member. */
  get peer(): string {
    return this.#resolved.peer
  }

  /** What the options can guarantee, and the relations of times behind it, with their numbers: a sentence each. */
  get promises(): readonly string[] {
    return promisesOf(this.#resolved)
  }

  /** What was found questionable in the options, though not wrong. */
  get warnings(): readonly Issue[] {
    return this.#resolved.warnings
  }

  /**
   * Opens links, agents and arbiters, removes what a killed predecessor left on the host, and begins to beat. Resolves when
   * this node takes part; who serves is told by events. Rejects with the reason (`HS_TRANSPORT`, `HS_KEY`,
   * `HS_STATE_DIRECTORY`, `HS_RESOURCE`, `HS_HOST`) and leaves nothing behind.
   */
  start({ signal }: CallOptions = {}): Promise<void> {
    if (this.#life !== 'new') {
      if (this.#starting && (this.#life === 'starting' || this.#life === 'running')) return this.#starting
      return Promise.reject(stateError(`the cluster is ${this.#life}; make a new one to start again`))
    }
    this.#starting = this.#start(signal)
    return this.#starting
  }

  async #start(userSignal?: AbortSignal): Promise<void> {
    this.#life = 'starting'
    for (const { where, message } of this.#resolved.warnings) this.#log('warn', { where }, `${where}: ${message}`)
    warnOfWeakMethod(this.#resolved)
    const { signal: stopped } = this.#stopStarting
    const signal = userSignal ? AbortSignal.any([userSignal, stopped]) : stopped
    try {
      signal.throwIfAborted()
      refuseOtherRuntimes()
      const engine = new Engine(
        { ...this.#resolved, logger: this.#logger },
        {
          onEvent: (event) => this.#onEvent(event),
          onMessage: (payload) => this.#tell({ name: 'message', time: isoNow(), payload: { payload } }),
          onReply: (id, refusal) => {
            const waiting = this.#waiting.get(id)
            this.#waiting.delete(id)
            if (refusal) waiting?.reject(refusalError(refusal))
            else waiting?.resolve()
          },
          onHalt: () => {},
          onFatal: (group, reason) => this.#onFatal(group, reason),
        },
      )
      this.#engine = engine
      await engine.open(signal)
      this.#life = 'running'
    } catch (error) {
      this.#life = 'failed'
      this.#engine = undefined
      this.#emitter.end()
      throw error
    }
  }

  /**
   * Gives everything up in order, tells the peer and waits for a moment that it serves; then closes everything. Idempotent.
   * While the member is starting, it ends that: `start()` then rejects with `HS_STATE`.
   * Rejects with `HS_STOP_FAILED`, after everything is closed, when a resource would not stop and had to be cut off.
   */
  stop({ signal }: CallOptions = {}): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    this.#stopping ??= this.#stop()
    return abortable(this.#stopping, signal)
  }

  async #stop(): Promise<void> {
    if (this.#life === 'new') {
      this.#life = 'stopped'
      this.#emitter.end()
      return
    }
    this.#stopStarting.abort(stateError('the cluster was stopped while it was starting'))
    this.#changes.end(stateError('the cluster was stopped during the reload'))
    try {
      await this.#starting
    } catch {
      return // it never ran; `start()` has told why
    }
    const engine = this.#engine
    if (this.#life !== 'running') return engine?.close()
    await this.#giveFirst()
    this.#life = 'stopping'
    try {
      await this.#command({ name: 'stop' })
    } finally {
      this.#failWaiting('the cluster is stopped')
      await engine?.close()
      this.#life = 'stopped'
      this.#tell({ name: 'stopped', time: isoNow(), payload: {} })
      this.#emitter.end()
    }
  }

  /** What may run on both nodes for a moment is given away before anything stops; where that cannot be, the stop goes on without it. */
  async #giveFirst(): Promise<void> {
    const groups = this.#resolved.groups.filter(({ handover }) => handover === 'make-before-break')
    const scope = groups.map(({ name }) => name).filter((name) => this.#serves(name))
    if (scope.length > 0) await this.#command({ name: 'standby', scope }).catch(() => {})
  }

  #serves(group: string): boolean {
    return this.#engine?.core.view().groups.some(({ name, state }) => name === group && state === 'active') ?? false
  }

  /** `await using` stops the member at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Gives groups to the peer: all, those that prefer this node (`local`), those that prefer the other (`foreign`), or by name.
   * Resolves when the peer has confirmed that it serves them; rejects with `HS_PEER` or `HS_MOVE` and the reason.
   */
  standby(scope: Scope = 'all', options: MoveOptions = {}): Promise<void> {
    return this.#move('standby', scope, options)
  }

  /** Takes groups from the peer; as {@link Cluster.standby}, asked from the other side. Resolves when this node serves them. */
  takeover(scope: Scope = 'all', options: MoveOptions = {}): Promise<void> {
    return this.#move('takeover', scope, options)
  }

  /**
   * Maintenance of groups: they are watched and nothing is touched: no start, no stop, no move, on both nodes. The peer is told. What
   * fails is an event; when maintenance ends, it is looked at and mended. `stop()` still stops everything. See `docs/groups.md`.
   * Rejects with `HS_MOVE` for a group that does not exist.
   */
  maintenance(on: boolean, scope: Scope = 'all', { signal }: CallOptions = {}): Promise<void> {
    if (typeof on !== 'boolean') {
      const message = `maintenance: '${String(on)}' is neither true nor false`
      return Promise.reject(new HotStandbyError('HS_MOVE', message))
    }
    return this.#scoped({ name: 'maintenance', on, scope }, signal)
  }

  async #move(name: 'standby' | 'takeover', scope: Scope, { signal, by }: MoveOptions): Promise<void> {
    if (by !== undefined && (typeof by !== 'string' || by.length > byMaxChars)) {
      const message = `${name}: 'by' must be a text of at most ${byMaxChars} characters, got ${shownValue(by)}`
      throw new HotStandbyError('HS_MOVE', message)
    }
    const groups = this.#groupsOf(scope)
    const to = name === 'standby' ? this.peer : this.node
    if (groups.length > 0 && this.#life === 'running' && !signal?.aborted)
      this.#engine?.loop.tell('move:asked', { groups, to, by: by ?? 'the application' })
    const beganMs = Date.parse(isoNow())
    try {
      await this.#scoped({ name, scope }, signal)
    } catch (error) {
      if (!isHotStandbyError(error) || error.code !== 'HS_MOVE') throw error
      const why = this.#failures.sentence(groups, beganMs)
      throw why === undefined ? error : new HotStandbyError('HS_MOVE', `${error.message}; ${why}`, { cause: error })
    }
  }

  /** The groups that a scope means; none, where it means none: that is refused elsewhere. */
  #groupsOf(scope: Scope): readonly string[] {
    const { groups, node } = this.#resolved
    const wanted = groups.filter(({ name, preferred }) =>
      typeof scope === 'string'
        ? scope === 'all' || (preferred === node ? 'local' : 'foreign') === scope
        : Array.isArray(scope) && scope.includes(name),
    )
    return wanted.map(({ name }) => name)
  }

  #scoped(command: Extract<Command, { scope: Scope }>, signal: AbortSignal | undefined): Promise<void> {
    const { name, scope } = command
    // A bare group name is a likely slip, and no type check keeps a user of JavaScript from it.
    const named = Array.isArray(scope) && scope.every((group) => typeof group === 'string')
    if (!named && scope !== 'all' && scope !== 'local' && scope !== 'foreign') {
      const message = `${name}: '${String(scope)}' is neither 'all', 'local', 'foreign' nor a list of group names`
      return Promise.reject(new HotStandbyError('HS_MOVE', message))
    }
    return this.#command(command, signal)
  }

  /**
   * Announces that this process will not run for up to `duration` (a snapshot of the machine, a long computation): until
   * then, counted from now, the peer waits as much longer before it takes over. Resolves when the peer has taken that in;
   * only then begin. At most three dead times. A peer that is a heartbeat daemon waits too.
   * Rejects with `HS_PEER` when there is no peer, it does not answer, or the pause is too long; with `HS_CONFIG` for what is no length of time.
   * @param duration - with a unit, `'5s'`
   */
  async expectPause(duration: Duration, options: CallOptions = {}): Promise<void> {
    const pauseMs = durationMs(duration, 'expectPause')
    await this.#command({ name: 'expectPause', pauseMs }, options.signal)
  }

  /**
   * Sends a message to the peer's application: reliable, in order, at most 60,000 bytes. Resolves when the peer has
   * acknowledged it (a Heartbeat daemon does so once in ten messages, for a program that has signed on to it as `hot-standby`:
   * docs/wire.md); rejects with `HS_PEER` or `HS_MESSAGE`.
   */
  send(payload: Uint8Array | string, options: CallOptions = {}): Promise<void> {
    if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
      const message = `a message is a string or a Uint8Array, not ${typeof payload}`
      return Promise.reject(new HotStandbyError('HS_MESSAGE', message))
    }
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : Uint8Array.from(payload)
    const refusal = this.#whyNotSend(bytes.byteLength)
    if (refusal) return Promise.reject(new HotStandbyError('HS_MESSAGE', refusal))
    return this.#command({ name: 'send', payload: bytes }, options.signal)
  }

  #whyNotSend(bytes: number): string | undefined {
    if (bytes > maxPayloadBytes) return `${bytes} bytes are too many; a message has at most ${maxPayloadBytes}`
    return this.#engine && lineRefusal(this.#engine.links, this.#engine.core.view(), this.#resolved, bytes)
  }

  /**
   * Takes changed options while everything runs on: keys, times, groups and resources, failback and hold-down. Groups that are
   * new join, groups that are gone are given up; in a group that runs, new resources start in their place and those that are gone
   * stop. A resource whose options are others under the same name is stopped and started anew, and everything behind it too; other
   * times alone are taken as they are. What has functions as options (`app`, `hook`) is kept: give it another name to change it.
   * Rejects with `HS_CONFIG`, and changes nothing, when the options are wrong or change what needs a restart (names, links).
   * When each option comes into force is said in `docs/reload.md`.
   *
   * While the member starts, a reload waits for that and comes into force behind it. One reload runs at a time and the newest one wins: a call that is overtaken by a later one rejects with `HS_SUPERSEDED`, and
   * its options never come into force. `stop()` ends a reload at once; it then rejects with `HS_STATE`.
   */
  async reload(options: ClusterOptions): Promise<void> {
    if (this.#life !== 'starting') this.#running()
    const next = resolveOptions({ ...options, node: options.node ?? this.#resolved.node })
    refuseRestarts(this.#resolved, next)
    this.#newest = options
    const done = this.#changes.run(async (signal) => {
      await abortable(this.#starting ?? Promise.resolve(), signal)
      const config = await this.#running().reload(next, signal)
      this.#resolved = next
      this.#options = options
      await this.#command({ name: 'configure', config })
      this.#tellPending()
    })
    await done.finally(() => {
      if (this.#newest === options) this.#newest = undefined
    })
  }

  /** The reload has succeeded, but what goes with a longer dead time waits for the peer. */
  #tellPending(): void {
    const pending = this.#engine?.core.view().pending
    if (!pending) return
    const message =
      `${this.peer} has not confirmed the new dead time of ${pending.deadtimeMs} ms yet; until then this node goes by ` +
      `${pending.inForceMs} ms and the shorter times that belong to it`
    this.#log('info', { ...pending }, message)
  }

  /**
   * What the flight recorder holds: text for {@link replay}. It has neither keys nor the content of messages.
   * @throws {HotStandbyError} `HS_STATE` when the member was not started, or records nothing.
   */
  recording(): string {
    const recording = this.#engine?.recording
    if (recording === undefined)
      throw stateError('nothing is recorded: it was not started, or recorder.memoryBytes is 0')
    return recording
  }

  /**
   * Why the role of a group, or of any, has changed last, however long that is ago, with a time line of what led to it. It does
   * not depend on what the flight recorder still holds.
   * @throws {HotStandbyError} `HS_STATE` when the member was not started, `HS_RECORDING` when there is no group of that name.
   */
  explain(group?: string | undefined): Explanation {
    const account = this.#engine?.account
    if (account === undefined) throw stateError('there is nothing to explain: it was not started')
    return explain(account, group)
  }

  /**
   * Who served what since when, why, who asked for it and what failed, over restarts of this member too: its last 200 entries, the
   * newest last. Empty before the member has started. It is kept in the state directory, and nothing waits for that.
   */
  history(): readonly HistoryEntry[] {
    return this.#engine?.history?.list() ?? []
  }

  /**
   * Other groups and resources while everything else stays: {@link Cluster.reload} with these. Call it on both nodes. In a group that
   * runs here, what is new starts in its place, what is gone stops, what has other options starts anew, and what stays is not touched.
   * All other options are those of the newest reload, also of one that is still under way.
   */
  async setGroups(groups: readonly GroupOptions[]): Promise<void> {
    await this.reload({ ...(this.#newest ?? this.#options), groups })
  }

  /** Everything this node knows, as plain frozen data. */
  snapshot(): Snapshot {
    return takeSnapshot(this.#resolved, this.#life, this.#engine, this.#failures.list(), this.#counters)
  }

  /**
   * Hears an event; the returned function ends that. A listener that throws or rejects harms nobody.
   * @throws {HotStandbyError} `HS_CONFIG` for a name that is no event, with the one that was probably meant.
   */
  on<Name extends keyof ClusterEvents>(name: Name, listener: (...args: ClusterEvents[Name]) => unknown): () => void {
    return this.#emitter.on(name, listener)
  }

  /** Hears every event with its name, by which its payload is known; the returned function ends that. */
  onAny(listener: (event: NamedEvent) => unknown): () => void {
    return this.#emitter.onAny(listener)
  }

  /**
   * The next event of a name. Rejects with the signal's reason when that is aborted first, with `HS_STATE` when the cluster stops.
   * @throws {HotStandbyError} `HS_CONFIG` for a name that is no event, and for a listener: `on()` takes one.
   */
  once<Name extends keyof ClusterEvents>(name: Name, options: CallOptions = {}): Promise<EventPayload<Name>> {
    return this.#emitter.once(name, options)
  }

  /**
   * Every event of a name from now on, or, without a name, every event with its name, for `for await`; ends when the signal is
   * aborted or the cluster has stopped. A slow reader loses the oldest beyond 1,000.
   */
  events<Name extends keyof ClusterEvents>(name: Name, options?: CallOptions): EventIterator<EventPayload<Name>>
  events(options?: CallOptions): EventIterator<NamedEvent>
  events(
    first: keyof ClusterEvents | CallOptions = {},
    options: CallOptions = {},
  ): EventIterator<EventPayload<keyof ClusterEvents>> | EventIterator<NamedEvent> {
    return typeof first === 'object' ? this.#emitter.allEvents(first) : this.#emitter.events(first, options)
  }

  /** @internal A turn of the core, now: false when none can be. While it stops in order, it lives as well. */
  turn(): boolean {
    return this.#engine?.loop?.turn() ?? false
  }

  #running(): Engine {
    if (this.#life === 'running' && this.#engine) return this.#engine
    throw stateError(`the cluster is ${this.#life === 'new' ? 'not started' : this.#life}`)
  }

  /** Hands a command to the core. The signal ends the waiting; one that is aborted already lets nothing begin. */
  #command(command: Command, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const engine = this.#engine
    if (!engine || (this.#life !== 'running' && command.name !== 'stop'))
      return Promise.reject(stateError(`the cluster is ${this.#life === 'new' ? 'not started' : this.#life}`))
    const answered = new Promise<void>((resolve, reject) => {
      const id = this.#nextCommand++
      this.#waiting.set(id, { resolve, reject })
      engine.loop.command(id, command)
    })
    return abortable(answered, signal)
  }

  #onEvent({ name, payload }: CoreEvent): void {
    this.#tell({ name, time: isoNow(), payload } as NamedEvent)
  }

  #tell(event: NamedEvent): void {
    this.#log(levelOf(event), { event: event.name, ...event.payload }, describe(event))
    this.#failures.note(event)
    this.#counters.note(event)
    this.#engine?.history?.note(event)
    if (this.#options.logger === undefined && !this.#emitter.hears(event.name))
      this.#warnings.tell(event, `${this.name}, ${this.node}: ${describe(event)}`)
    this.#emitter.emit({ cluster: this.name, node: this.node }, event)
  }

  #problem(where: string, error: unknown): void {
    this.#tell({ name: 'problem', time: isoNow(), payload: { where, code: 'HS_HOST', message: messageOf(error) } })
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    this.#resolved.logger[level](fields, message)
  }

  #failWaiting(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(stateError(why))
    this.#waiting.clear()
  }

  /** The last resort: nothing is sent any more, closing the agents lets their guardians cut what they hold. */
  #onFatal(group: string, reason: string): void {
    const error = new HotStandbyError('HS_STOP_FAILED', `${group} can neither be stopped nor cut off: ${reason}`)
    this.#life = 'failed'
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#emitter.end()
    const tell = () => {
      try {
        this.#resolved.onFatal?.(error)
      } catch (thrown) {
        this.#problem('onFatal', thrown)
      }
    }
    void (this.#engine?.close() ?? Promise.resolve()).then(tell)
  }
}
