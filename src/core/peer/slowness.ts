/** A line whose frames are older than so many dead times carries no life any more, however evenly they come. */
const allowanceMax = 9
/** So many frames, sent one after the other, make a line slow. */
const framesMin = 3

/** The times by which a line is judged. */
export interface SlowTimes {
  readonly deadtimeMs: number
  readonly keepaliveMs: number
}

/**
 * Whether a line is slow (S14): frames keep coming, each after a long way. It carries words, so it is not cut; and what it takes is
 * not counted as silence of the peer. Times are monotonic.
 */
export class Slowness {
  #isSlow = false
  /** Frames that have come since the last that was not old: since when, how many, and the newest one's stamp. */
  #old: { readonly sinceMs: number; readonly count: number; readonly stampMs: number } | undefined
  /** Arrival of the last frame that was clearly older than those of a quick line. */
  #lastOldMs = Number.NEGATIVE_INFINITY
  /** Largest ages, of this dead time and the one before. */
  #largest = { beganMs: 0, ms: 0, beforeMs: 0 }

  get isSlow(): boolean {
    return this.#isSlow
  }

  /** What the line took at most of late: no silence of the peer. 0 while it is not slow. */
  allowanceMs(deadtimeMs: number): number {
    if (!this.#isSlow) return 0
    const { ms, beforeMs } = this.#largest
    return Math.min(Math.max(ms, beforeMs), allowanceMax * deadtimeMs)
  }

  /** A frame came that is `ageMs` old. Answers whether the judgement has changed. */
  heard(ageMs: number, stampMs: number, nowMs: number, { deadtimeMs, keepaliveMs }: SlowTimes): boolean {
    // Whatever is older is no word of a slow line, but of the past.
    if (ageMs > (allowanceMax + 1) * deadtimeMs) return false
    this.#note(ageMs, nowMs, deadtimeMs)
    if (ageMs > deadtimeMs / 2) this.#lastOldMs = nowMs
    if (ageMs <= deadtimeMs - 2 * keepaliveMs) this.#old = undefined
    else if (this.#old === undefined) this.#old = { sinceMs: nowMs, count: 1, stampMs }
    else if (stampMs > this.#old.stampMs) this.#old = { ...this.#old, count: this.#old.count + 1, stampMs }
    const was = this.#isSlow
    // What was held up and comes all at once is no slow line: it takes its time to be one.
    if (this.#old && this.#old.count >= framesMin && nowMs - this.#old.sinceMs >= 1.5 * keepaliveMs) this.#isSlow = true
    else if (nowMs - this.#lastOldMs >= deadtimeMs) this.#isSlow = false
    return was !== this.#isSlow
  }

  #note(ageMs: number, nowMs: number, forMs: number): void {
    const { beganMs, ms, beforeMs } = this.#largest
    const passedMs = nowMs - beganMs
    if (passedMs < forMs) this.#largest = { beganMs, ms: Math.max(ms, ageMs), beforeMs }
    else this.#largest = { beganMs: nowMs, ms: ageMs, beforeMs: passedMs < 2 * forMs ? ms : 0 }
  }
}
