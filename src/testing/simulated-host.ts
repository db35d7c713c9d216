import type { CoreSnapshot } from '../core/core.ts'
import type { Refusal } from '../core/types.ts'
import type { Loop } from '../engine/loop.ts'
import type {
  AskRequest,
  AskResult,
  GuardRequest,
  Host,
  OperationRequest,
  OperationResult,
  PersistentState,
} from '../roles/host.ts'
import type { Instant } from '../roles/time.ts'
import type { Transport } from '../roles/transport.ts'
import type { Schedule } from './schedule.ts'
import type { SimulatedResource } from './simulated-agent.ts'
import { type Pause, SimulatedClock } from './simulated-clock.ts'
import type { SimulatedStore } from './simulated-store.ts'
import type { SimulationObserver } from './simulation-observer.ts'

const stallSliceMs = 50
const guardTakesMs = 1

/** What of a state write goes wrong: it is refused with an error, or confirmed, and lost if the host ends while the fault lasts. */
export type StateFault = 'fails' | 'lost'

/** A host of a simulation: what outlives the process, and the process itself while it runs. */
export class SimulatedHost implements Host {
  readonly name: string
  readonly clock: SimulatedClock
  readonly resources: Map<string, SimulatedResource> = new Map()
  /** The state directory. */
  saved: PersistentState = { generation: 0, peerGeneration: 0, epochCeilings: {} }
  #stateFault: StateFault | undefined
  /** What was confirmed and has not reached the disk. */
  #unwritten: PersistentState | undefined
  /** The lease store that it reaches, if any. */
  store: SimulatedStore | undefined
  /** The kernel lets pass what belongs to a group only until then, by the clock of this host; undefined: there is no guard. */
  guardedUntilMs: Map<string, number> | undefined
  loop: Loop | undefined
  view: (() => CoreSnapshot) | undefined
  transports: Transport[] = []
  frozenAtMs: number | undefined
  pause: Pause | undefined
  /** Every timer fires up to so much late. */
  timerLagMs = 0
  /** After a pause what has arrived meanwhile is read before the timers, not after them. */
  socketsFirst = false
  readonly targetsUp: Map<string, boolean> = new Map()
  readonly replies: Map<number, (refusal: Refusal | undefined) => void> = new Map()
  readonly messages: Uint8Array[] = []
  readonly #schedule: Schedule
  readonly #random: () => number
  readonly #observer: SimulationObserver | undefined
  readonly #cancels = new Map<number, (processEnds: boolean) => void>()
  #waitingRoom: (() => void)[] = []
  #timerDue = false
  #wakeMonoMs: number | null = null
  #cancelWake: () => void = () => {}
  #stallMs = 0
  #frozenAtMonoMs = 0
  #stallPlan: { effects: number; readonly forMs: number; readonly over: () => void } | undefined
  #lagMs = 0
  /** Grows with every crash: what an earlier process had arranged is then void. */
  run = 0

  constructor(name: string, schedule: Schedule, random: () => number, observer: SimulationObserver | undefined) {
    this.name = name
    this.#schedule = schedule
    this.#random = random
    this.#observer = observer
    this.clock = new SimulatedClock(schedule)
  }

  /** Runs `what` now, or after the thaw in the order of arrival; never for a process that is gone. */
  enter(what: () => void): void {
    if (this.loop === undefined) return
    if (this.frozenAtMs === undefined) what()
    else this.#waitingRoom.push(what)
  }

  /** A packet comes to this host: one that sleeps does not hear it. */
  hears(what: () => void, arrived: () => void): void {
    if (this.pause !== undefined && this.pause !== 'stopped') return
    arrived()
    this.enter(what)
  }

  freeze(pause: Pause): void {
    if (this.loop === undefined || this.frozenAtMs !== undefined) return
    this.frozenAtMs = this.#schedule.nowMs
    this.#frozenAtMonoMs = this.clock.read().monoMs
    this.pause = pause
    if (pause !== 'stopped') this.clock.stand(pause === 'halted')
    this.#observer?.paused?.(this.name, pause)
  }

  /** It goes on; in the middle of a turn only when the stall is over: the rest of the turn has its time by then. */
  thaw(): void {
    if (this.frozenAtMs === undefined || this.#lagMs > 0) return
    const forMs = this.#schedule.nowMs - this.frozenAtMs
    // As its own clock shows it, which may be off: one that stood still shows no stall.
    if (this.pause === 'stopped') this.#stallMs += this.clock.read().monoMs - this.#frozenAtMonoMs
    this.clock.go()
    this.frozenAtMs = undefined
    this.pause = undefined
    this.#observer?.resumed?.(this.name, forMs)
    this.rearm()
    const waiting = this.#waitingRoom
    this.#waitingRoom = []
    // Unless told otherwise the worst order that a real event loop has: first the timer, then what has arrived meanwhile.
    if (this.socketsFirst) for (const what of waiting.splice(0)) this.enter(what)
    if (this.#timerDue) this.#wake()
    for (const what of waiting) this.enter(what)
  }

  /** In one of its next turns, after so many effects of it, the process stands still for a while; then `over` is called. */
  planStall(effects: number, forMs: number, over: () => void): void {
    if (this.frozenAtMs === undefined && this.#stallPlan === undefined) this.#stallPlan = { effects, forMs, over }
  }

  /** How late what this turn still does reaches the world. */
  get lagMs(): number {
    return this.#lagMs
  }

  /** One effect of the turn under way is performed. */
  acts(): void {
    const plan = this.#stallPlan
    if (!plan || --plan.effects >= 0) return
    this.#stallPlan = undefined
    this.freeze('stopped')
    this.#lagMs = plan.forMs
    const { run } = this
    // The rest of the turn comes first.
    this.#schedule.at(this.#schedule.nowMs + plan.forMs + 1e-6, () => {
      if (this.run !== run) return
      plan.over()
      this.#lagMs = 0
      this.thaw()
    })
  }

  answer(id: number, refusal: Refusal | undefined): void {
    const reply = this.replies.get(id)
    if (!reply) throw new Error(`${this.name} answers command ${id}, which is not open`)
    this.replies.delete(id)
    reply(refusal)
  }

  gone(): void {
    this.run++
    // The last word of its helper.
    this.guardedUntilMs?.clear()
    this.#unwritten = undefined
    this.replies.clear()
    this.loop = undefined
    this.view = undefined
    this.frozenAtMs = undefined
    this.pause = undefined
    this.#waitingRoom = []
    this.#timerDue = false
    this.#stallMs = 0
    this.#stallPlan = undefined
    this.#lagMs = 0
    this.clock.go()
    this.#wakeMonoMs = null
    this.#cancelWake()
    for (const cancel of this.#cancels.values()) cancel(true)
    this.#cancels.clear()
  }

  now(): Instant {
    const instant = this.clock.read()
    if (this.#lagMs === 0) return instant
    const { monoMs, bootMs, wallMs } = instant
    return { monoMs: monoMs + this.#lagMs, bootMs: bootMs + this.#lagMs, wallMs }
  }

  takeStall(): number {
    const stallMs = this.#stallMs
    this.#stallMs = 0
    return stallMs > stallSliceMs ? stallMs : 0
  }

  wakeAt(monoMs: number | null): void {
    this.#wakeMonoMs = monoMs
    this.rearm()
  }

  /** The clock runs otherwise than when the timer was set. */
  rearm(): void {
    this.#cancelWake()
    if (this.#wakeMonoMs === null) return
    const dueMs = this.clock.trueMsAt(this.#wakeMonoMs)
    if (dueMs === undefined) return
    const lateMs = this.timerLagMs > 0 ? this.#random() * this.timerLagMs : 0
    this.#cancelWake = this.#schedule.at(dueMs + lateMs, () => this.#wake())
  }

  #wake(): void {
    this.#timerDue = this.frozenAtMs !== undefined
    if (!this.#timerDue) this.loop?.wake()
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.#random() * 256))
  }

  drain(): void {
    const { run } = this
    this.#schedule.at(this.#schedule.nowMs + 1, () => this.run === run && this.enter(() => this.loop?.drained()))
  }

  perform(request: OperationRequest, done: (result: OperationResult) => void): void {
    this.acts()
    const { run } = this
    // Asked for late in a stalled turn; a process that is killed meanwhile has never asked.
    if (this.#lagMs > 0)
      this.#schedule.at(this.#schedule.nowMs + this.#lagMs, () => this.run === run && this.#perform(request, done))
    else this.#perform(request, done)
  }

  #perform(request: OperationRequest, done: (result: OperationResult) => void): void {
    const resource = this.resources.get(request.resource) as SimulatedResource
    const { run } = this
    let over = false
    this.#observer?.began?.(this.name, request)
    const cancel = resource.perform(this.#schedule, request, (result) => {
      if (over || this.run !== run) return
      over = true
      this.#cancels.delete(request.opId)
      this.#observer?.ended?.(this.name, request, result)
      this.enter(() => done(result))
    })
    this.#cancels.set(request.opId, cancel)
  }

  ask(request: AskRequest, done: (result: AskResult) => void): void {
    this.acts()
    const { run } = this
    const ask = () =>
      this.store?.ask(this.name, request, (result) => this.run === run && this.enter(() => done(result)))
    // Asked late in a stalled turn.
    if (this.#lagMs > 0) this.#schedule.at(this.#schedule.nowMs + this.#lagMs, () => this.run === run && ask())
    else ask()
  }

  /** Whether the kernel lets pass what belongs to a group. It does so, and ceases to, also while the process stands still. */
  passes(group: string): boolean {
    return !this.guardedUntilMs || (this.guardedUntilMs.get(group) ?? 0) > this.clock.read().monoMs
  }

  guard({ pass, close }: GuardRequest, done: (failed: string | undefined) => void): void {
    this.acts()
    const { run } = this
    // Said late in a stalled turn: with the time that is left then.
    this.#schedule.at(this.#schedule.nowMs + this.#lagMs, () => {
      if (this.run !== run) return
      const { monoMs } = this.clock.read()
      const left = pass.map(({ group, untilMs }) => [group, untilMs - monoMs] as const)
      this.#schedule.at(this.#schedule.nowMs + guardTakesMs, () => {
        const heardMs = this.clock.read().monoMs
        if (this.run !== run) return
        for (const [group, forMs] of left) this.guardedUntilMs?.set(group, heardMs + forMs)
        for (const group of close) this.guardedUntilMs?.delete(group)
        this.enter(() => done(undefined))
      })
    })
  }

  cancel(opId: number): void {
    const cancel = () => this.#cancels.get(opId)?.(false)
    if (this.#lagMs > 0) this.#schedule.at(this.#schedule.nowMs + this.#lagMs, cancel)
    else cancel()
  }

  set stateFault(fault: StateFault | undefined) {
    this.#stateFault = fault
    if (fault !== undefined || this.#unwritten === undefined) return
    this.saved = this.#unwritten
    this.#unwritten = undefined
  }

  persist(state: PersistentState, done: (error: Error | null) => void): void {
    this.acts()
    if (this.#stateFault === 'lost') this.#unwritten = state
    else if (this.#stateFault === undefined) this.saved = state
    const error = this.#stateFault === 'fails' ? new Error('no space left on device') : null
    const { run } = this
    this.#schedule.at(this.#schedule.nowMs + this.#lagMs + 5, () => this.run === run && this.enter(() => done(error)))
  }
}
