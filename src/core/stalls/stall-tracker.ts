import type { Instant } from '../../roles/time.ts'

/** The boot clock runs while the host sleeps, the monotonic one does not: by more than this they never differ otherwise. */
const suspendMs = 50
/** A wall clock that is ahead or behind by more than this at once was set, or the machine stood still without knowing it. */
const clockStepMs = 250

/** What the clocks tell at one input. */
export interface Noticed {
  /** For so long the host slept; 0 almost always. */
  readonly suspendedMs: number
  /** The wall clock jumped by so much, forth or back; 0 almost always. */
  readonly stepMs: number
}

const nothing: Noticed = { suspendedMs: 0, stepMs: 0 }

/**
 * What this process knows of its own absence: how long it did not run, whether the host slept, whether the wall clock was
 * set; and for how long it has announced to be silent.
 */
export class StallTracker {
  #last: Instant | undefined
  /** Sum of all stalls: what is subtracted from monotonic time to get the time in which this process was awake. */
  stalledMs = 0
  /** Longest stall since the last beat. */
  #longestMs = 0
  #lastMs = 0
  /** When the last stall ended that was long enough to be thought dead in. */
  wokeAtMs: number = Number.NEGATIVE_INFINITY
  /** Nothing is said before the sockets were read (S6): the first words after a long stall must not be from before it. */
  stallRecovery = false
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #pauseMs = 0

  /** Compares the clocks with those of the last input. */
  notice(at: Instant): Noticed {
    const last = this.#last
    this.#last = at
    if (last === undefined) return nothing
    const sleptMs = at.bootMs - at.monoMs - (last.bootMs - last.monoMs)
    const suspended = sleptMs > suspendMs ? sleptMs : 0
    const stepMs = at.wallMs - last.wallMs - (at.monoMs - last.monoMs) - suspended
    if (suspended === 0 && Math.abs(stepMs) <= clockStepMs) return nothing
    return { suspendedMs: suspended, stepMs: Math.abs(stepMs) > clockStepMs ? stepMs : 0 }
  }

  /** This process did not run. Monotonic time stood still too while the host slept: then there is nothing to credit. */
  stalled(stallMs: number, creditMs: number): void {
    this.stalledMs += creditMs
    this.#longestMs = Math.max(this.#longestMs, stallMs)
    this.#lastMs = stallMs
  }

  /** Longest stall since this was asked last: each beat tells it. */
  takeLongest(): number {
    const longestMs = this.#longestMs
    this.#longestMs = 0
    return longestMs
  }

  /** When what is read now came here: what waited in the sockets may have come before the stall. */
  arrivedAtMs(nowMs: number): number {
    return this.stallRecovery ? nowMs - this.#lastMs : nowMs
  }

  /** A pause was announced: until its end the peer is told a longer dead time. */
  expectPause(nowMs: number, pauseMs: number): void {
    this.#pausedUntilMs = nowMs + pauseMs
    this.#pauseMs = pauseMs
  }

  /** By how much the dead time that the peer goes by is longer than usual, at a time that may be past. */
  pauseAt(monoMs: number): number {
    return monoMs < this.#pausedUntilMs ? this.#pauseMs : 0
  }
}
