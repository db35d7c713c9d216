import type { Instant } from '../../roles/time.ts'
import type { Connectivity } from '../authority/connectivity.ts'
import type { QualityCounters } from '../peer/detection-statistics.ts'
import type { Membership } from '../peer/membership.ts'
import type { Timers } from '../timers.ts'
import { thoughtDeadAfterMs } from '../timing.ts'
import type { CoreConfig, Emit, EmitEvent } from '../types.ts'
import type { StallTracker } from './stall-tracker.ts'

/** What waking up needs and whom it tells. */
export interface StallRecoveryPort {
  readonly timers: Timers
  readonly stallTracker: StallTracker
  readonly quality: QualityCounters
  readonly membership: Membership
  readonly connectivity: Connectivity
  readonly effect: Emit
  readonly event: EmitEvent
  now(): Instant
  config(): CoreConfig
  /** What may no longer be ours is cut off. */
  stalled(stallMs: number): void
  /** Says where this node stands, and then what had to wait. */
  speak(): void
}

/**
 * The order of waking (S6): first whatever may no longer be ours is cut off, then the sockets are read, and only then is
 * anything said. A sleep of the host is a stall like any other (S7).
 */
export class StallRecovery {
  readonly #port: StallRecoveryPort

  constructor(port: StallRecoveryPort) {
    this.#port = port
  }

  /** Looks at the clocks before anything else is done. */
  notice(): void {
    const { suspendedMs, stepMs } = this.#port.stallTracker.notice(this.#port.now())
    if (suspendedMs > 0) this.stalled(suspendedMs, true)
    // The wall clock decides nothing. But by it people find out that a machine stood still without knowing it.
    if (stepMs !== 0) this.#port.event('local:clock-step', { stepMs: Math.round(stepMs) })
  }

  /** This process did not run. */
  stalled(stallMs: number, suspended: boolean): void {
    const { timers, stallTracker, quality, membership, connectivity, effect, event } = this.#port
    const { monoMs } = this.#port.now()
    // While the host sleeps, monotonic time stands still as well: nothing waits longer for it, and no silence was counted.
    const creditMs = suspended ? 0 : stallMs
    const pauseMs = stallTracker.pauseAt(monoMs - creditMs)
    quality.stall(stallMs, suspended)
    stallTracker.stalled(stallMs, creditMs)
    timers.postpone(creditMs)
    membership.stalled(stallMs, creditMs)
    connectivity.reconsiderIsolation()
    const { times } = this.#port.config()
    if (stallMs < times.keepaliveMs) return
    // Lost beats and a short stall add up to what a long one does: the peer may have taken over, and has said so by now. That
    // waits in the sockets, and must be read before this node says that it still serves.
    stallTracker.stallRecovery = true
    if (stallMs >= thoughtDeadAfterMs(times, pauseMs, membership.peerAlive)) {
      stallTracker.wokeAtMs = monoMs
      this.#port.stalled(stallMs)
    }
    effect({ type: 'drain' })
    event('local:stall', { stallMs: Math.round(stallMs), ...(suspended ? { suspended } : {}) })
  }

  /** Every socket was read. */
  drained(): void {
    const { stallTracker, membership } = this.#port
    membership.drained()
    if (!stallTracker.stallRecovery) return
    stallTracker.stallRecovery = false
    this.#port.speak()
  }
}
