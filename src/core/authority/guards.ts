import { guardRenewMs } from '../timing.ts'
import type { CoreConfig, Emit, EmitEvent } from '../types.ts'
import { type GuardFacts, guardDeadlineMs, leaseGuardMs } from './guard-deadline.ts'

/** What guards need and whom they tell. */
export interface GuardsPort {
  readonly effect: Emit
  readonly event: EmitEvent
  config(): CoreConfig
  /** Whether anything may answer for the group here. */
  mayAnswer(group: string): boolean
  /** How long this node still has the lease of a group; null: not at all; undefined: there are no leases. */
  leaseLeftMs(group: string): number | null | undefined
  peerCouldTake(group: string): boolean
  facts(): Omit<GuardFacts, 'peerCouldTake' | 'shutForMs'>
}

/**
 * Keeps the kernel's dead-man's switch from running out while this node may own a group, and says so no longer when it may not.
 * A turn that does not come renews nothing.
 */
export class Guards {
  readonly #port: GuardsPort
  /** Until when each group passes, as it was last said. */
  readonly #untilMs = new Map<string, number>()
  #failure: string | undefined
  #againMs = Number.NEGATIVE_INFINITY

  constructor(port: GuardsPort) {
    this.#port = port
  }

  /** What was asked last did not work, and why. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Asked at the end of every turn; says something only when it must. */
  renew(): void {
    const { guarded, groups } = this.#port.config()
    if (!guarded) return
    const facts = this.#port.facts()
    // What does not work is tried again with the next beat.
    if (facts.nowMs < this.#againMs) return
    const wanted = groups.map(({ name }) => ({ name, untilMs: this.#deadlineMs(name, facts) }))
    const close = wanted.filter(({ name, untilMs }) => this.#isOpen(name, facts.nowMs) && !(untilMs > facts.nowMs))
    const stale = wanted.filter(({ name, untilMs }) => untilMs > facts.nowMs && this.#isDue(name, untilMs, facts))
    if (close.length === 0 && stale.length === 0) return
    // What passes is renewed all at once, so that one renewal serves every group.
    const pass = stale.length === 0 ? [] : wanted.filter(({ untilMs }) => untilMs > facts.nowMs)
    for (const { name, untilMs } of pass) this.#untilMs.set(name, untilMs)
    for (const { name } of close) this.#untilMs.set(name, facts.nowMs)
    this.#port.effect({
      type: 'guard',
      pass: pass.map(({ name, untilMs }) => ({ group: name, untilMs })),
      close: close.map(({ name }) => name),
    })
  }

  /** How the last change of the switch ended. */
  answered(failure: string | undefined): void {
    if (failure !== undefined && this.#failure === undefined) this.#port.event('guard:down', { reason: failure })
    if (failure === undefined && this.#failure !== undefined) this.#port.event('guard:up', {})
    this.#failure = failure
    // Nobody knows what is in force: it is said again in the next turn.
    if (failure === undefined) return
    this.#untilMs.clear()
    this.#againMs = this.#port.facts().nowMs + this.#port.config().times.keepaliveMs
  }

  #isOpen(group: string, nowMs: number): boolean {
    return (this.#untilMs.get(group) ?? never) > nowMs
  }

  /** It is worth a renewal: what was said last is about to end, or ends much earlier. */
  #isDue(group: string, untilMs: number, { nowMs, keepaliveMs, deadtimeMs }: GuardFacts | FactsOfNode): boolean {
    const saidMs = this.#untilMs.get(group) ?? never
    return untilMs - saidMs >= guardRenewMs({ keepaliveMs, deadtimeMs }, saidMs - nowMs)
  }

  #deadlineMs(group: string, facts: FactsOfNode): number {
    if (!this.#port.mayAnswer(group)) return never
    const leftMs = this.#port.leaseLeftMs(group)
    if (leftMs === null) return never
    if (leftMs !== undefined) return facts.nowMs + leaseGuardMs(leftMs)
    const shutForMs = Math.max(0, facts.nowMs - (this.#untilMs.get(group) ?? facts.nowMs))
    const peerCouldTake = this.#port.peerCouldTake(group)
    return guardDeadlineMs({ ...facts, peerCouldTake, shutForMs }) ?? never
  }
}

const never = Number.NEGATIVE_INFINITY

type FactsOfNode = ReturnType<GuardsPort['facts']>
