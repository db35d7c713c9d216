import type { Loop } from '../cluster/loop.ts'
import type { CoreView } from '../core/step.ts'
import type { Refusal } from '../core/types.ts'
import type { Host, PersistentState } from '../roles/host.ts'
import type { Instant } from '../roles/time.ts'
import type { Transport } from '../roles/transport.ts'
import type { Schedule } from './schedule.ts'
import type { SimulatedResource } from './simulated-agent.ts'

const stallSliceMs = 50

/** A host of a simulation: what outlives the process, and the process itself while it runs. */
export class SimulatedHost implements Host {
  readonly name: string
  readonly resources: Map<string, SimulatedResource> = new Map()
  /** The state directory. */
  saved: PersistentState = { generation: 0, peerGeneration: 0, epochCeilings: {} }
  loop: Loop | undefined
  view: (() => CoreView) | undefined
  transports: Transport[] = []
  frozenAtMs: number | undefined
  readonly targetsUp: Map<string, boolean> = new Map()
  readonly replies: Map<number, (refusal: Refusal | undefined) => void> = new Map()
  readonly messages: Uint8Array[] = []
  readonly #schedule: Schedule
  readonly #random: () => number
  readonly #cancels = new Map<number, () => void>()
  #waitingRoom: (() => void)[] = []
  #timerDue = false
  #cancelWake: () => void = () => {}
  #stallMs = 0
  /** Grows with every crash: what an earlier process had arranged is then void. */
  run = 0

  constructor(name: string, schedule: Schedule, random: () => number) {
    this.name = name
    this.#schedule = schedule
    this.#random = random
  }

  /** Runs `what` now, or after the thaw in the order of arrival; never for a process that is gone. */
  enter(what: () => void): void {
    if (this.loop === undefined) return
    if (this.frozenAtMs === undefined) what()
    else this.#waitingRoom.push(what)
  }

  thaw(): void {
    if (this.frozenAtMs === undefined) return
    this.#stallMs += this.#schedule.nowMs - this.frozenAtMs
    this.frozenAtMs = undefined
    const waiting = this.#waitingRoom
    this.#waitingRoom = []
    // The worst order that a real event loop has: first the timer, then what has arrived meanwhile.
    if (this.#timerDue) this.#wake()
    for (const what of waiting) this.enter(what)
  }

  answer(id: number, refusal: Refusal | undefined): void {
    const reply = this.replies.get(id)
    if (!reply) throw new Error(`${this.name} answers command ${id}, which is not open`)
    this.replies.delete(id)
    reply(refusal)
  }

  gone(): void {
    this.run++
    this.replies.clear()
    this.loop = undefined
    this.view = undefined
    this.frozenAtMs = undefined
    this.#waitingRoom = []
    this.#timerDue = false
    this.#stallMs = 0
    this.#cancelWake()
    for (const cancel of this.#cancels.values()) cancel()
    this.#cancels.clear()
  }

  now(): Instant {
    const monoMs = this.#schedule.nowMs
    return { monoMs, bootMs: monoMs, wallMs: 1_700_000_000_000 + monoMs }
  }

  takeStall(): number {
    const stallMs = this.#stallMs
    this.#stallMs = 0
    return stallMs > stallSliceMs ? stallMs : 0
  }

  wakeAt(monoMs: number | null): void {
    this.#cancelWake()
    if (monoMs === null) return
    this.#cancelWake = this.#schedule.at(monoMs, () => this.#wake())
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

  perform(request: Parameters<Host['perform']>[0], done: Parameters<Host['perform']>[1]): void {
    const resource = this.resources.get(request.resource) as SimulatedResource
    const { run } = this
    let over = false
    const cancel = resource.perform(this.#schedule, request, (result) => {
      if (over || this.run !== run) return
      over = true
      this.#cancels.delete(request.opId)
      this.enter(() => done(result))
    })
    this.#cancels.set(request.opId, cancel)
  }

  cancel(opId: number): void {
    this.#cancels.get(opId)?.()
  }

  persist(state: PersistentState, done: (error: Error | null) => void): void {
    this.saved = state
    const { run } = this
    this.#schedule.at(this.#schedule.nowMs + 5, () => this.run === run && this.enter(() => done(null)))
  }
}
