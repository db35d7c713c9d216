import type { AskRequest, AskResult } from '../../roles/host.ts'
import type { Timers } from '../timers.ts'
import { leaseBudgetMs } from '../timing.ts'
import type { CoreConfig, Emit, EmitEvent, LeaseConfig } from '../types.ts'
import { Lease, type LeaseLoss } from './lease.ts'

/** What permissions need and whom they tell. */
export interface PermissionPort {
  readonly timers: Timers
  readonly effect: Emit
  readonly event: EmitEvent
  monoMs(): number
  absoluteMs(): number
  config(): CoreConfig
  nextOpId(): number
  /** An epoch of the group that is known to have been used. */
  epochFloor(group: string): number
  /** The peer is late or gone. */
  inHurry(): boolean
  onGranted(group: string): void
  onLost(group: string, why: LeaseLoss): void
}

/** How a group stands with its lease: `none`: there are no leases; `valid`: it is held, and not to be given up yet. */
export type LeaseStanding = 'none' | 'valid' | 'missing'

/** What a node shows of the lease of a group. */
export interface LeaseView {
  /** Who holds it, as the store said last; null: nobody, or the store has not answered yet. */
  readonly holder: string | null
  readonly epoch: number
  /** Until when this node may serve by it, in milliseconds from now; null: it does not hold it. */
  readonly endsInMs: number | null
}

/**
 * May this node own a group, and until when? Without leases the answer is always yes, at once; what the peer is heard to say
 * then decides alone. With leases it is the store's: it may take its time, and it ends.
 */
export class Permissions {
  readonly #port: PermissionPort
  readonly #leases = new Map<string, Lease>()
  /** Questions under way. */
  readonly #asked = new Map<number, (result: AskResult) => void>()
  #failure: string | undefined

  constructor(port: PermissionPort) {
    this.#port = port
  }

  /** Nobody has to be asked. */
  get isImmediate(): boolean {
    return this.#config === undefined
  }

  get #config(): LeaseConfig | undefined {
    return this.#port.config().lease
  }

  /** Watches the records of these groups from now on, and of no others. */
  configure(groups: readonly string[]): void {
    if (this.#config === undefined) return
    for (const group of groups) if (!this.#leases.has(group)) this.#open(group)
    for (const [group, lease] of this.#leases) {
      if (groups.includes(group)) continue
      lease.close()
      this.#leases.delete(group)
    }
  }

  #open(group: string): void {
    const { timers, event, absoluteMs, epochFloor, inHurry, onGranted, onLost, config } = this.#port
    const { self, bootId } = config()
    const lease = new Lease({
      timers,
      event,
      group,
      self,
      run: bootId,
      absoluteMs,
      times: () => this.#config as LeaseConfig,
      budgetMs: () => leaseBudgetMs(config().groups.find(({ name }) => name === group)?.resources ?? []),
      epochFloor: () => epochFloor(group),
      inHurry,
      ask: (verb, args, done) => this.#ask(verb, { name: group, ...args }, done),
      heard: (failure) => this.#heard(failure),
      onGranted: () => onGranted(group),
      onLost: (why) => onLost(group, why),
    })
    this.#leases.set(group, lease)
    lease.start()
  }

  #ask(verb: AskRequest['verb'], args: AskRequest['args'], done: (result: AskResult) => void): void {
    const { store, renewMs } = this.#config as LeaseConfig
    const { timers, effect, monoMs, nextOpId } = this.#port
    const opId = nextOpId()
    this.#asked.set(opId, done)
    effect({ type: 'ask', request: { opId, ref: { role: 'store', name: store }, verb, args } })
    timers.set(`ask:${opId}`, monoMs() + renewMs, () => {
      effect({ type: 'cancel', opId })
      this.answered(opId, { ok: false, reason: `it did not answer within ${renewMs} ms` })
    })
  }

  answered(opId: number, result: AskResult): void {
    const done = this.#asked.get(opId)
    this.#asked.delete(opId)
    this.#port.timers.clear(`ask:${opId}`)
    done?.(result)
  }

  #heard(failure: string | undefined): void {
    const { store } = this.#config as LeaseConfig
    const was = this.#failure
    this.#failure = failure
    if (failure !== undefined && was === undefined) this.#port.event('store:down', { store, reason: failure })
    if (failure === undefined && was !== undefined) this.#port.event('store:up', { store })
  }

  want(group: string): void {
    this.#leases.get(group)?.want()
  }

  withdraw(group: string): void {
    this.#leases.get(group)?.withdraw()
  }

  /** Nothing of the group runs here any more; `done` follows at once where there is nothing to give back. */
  release(group: string, done: () => void): void {
    const lease = this.#leases.get(group)
    if (lease) lease.release(done)
    else done()
  }

  standing(group: string): LeaseStanding {
    if (this.#config === undefined) return 'none'
    return this.#leases.get(group)?.valid ? 'valid' : 'missing'
  }

  /** The epoch under which a group is leased; undefined: without leases the node counts by itself. */
  epoch(group: string): number | undefined {
    return this.#config && this.#leases.get(group)?.epoch
  }

  /** How long this node still has the lease of a group; null: not at all; undefined: there are no leases. */
  leftMs(group: string): number | null | undefined {
    if (this.#config === undefined) return undefined
    const untilMs = this.#leases.get(group)?.untilMs
    return untilMs === undefined ? null : untilMs - this.#port.absoluteMs()
  }

  view(group: string): LeaseView | null {
    const lease = this.#leases.get(group)
    if (!lease) return null
    const { holder, epoch } = lease
    const leftMs = this.leftMs(group) ?? null
    return { holder, epoch, endsInMs: leftMs === null ? null : Math.max(0, Math.round(leftMs)) }
  }
}
