/** How far the clocks of two nodes may drift apart: each at most one percent. */
export const driftRatio = 0.02
/** Stamps and ages travel in whole milliseconds. */
const roundingMs = 2
/** So many stalls of this process are remembered. */
const stallsMax = 16

/** When a frame was sent, as far as it can be known without a clock that both nodes share. */
export interface Age {
  /** It is surely as old as this. */
  readonly atLeastMs: number
  /** It is surely no older; infinity: nothing is known. */
  readonly atMostMs: number
  /** The same as if no clock drifted: what a peer that has long not heard this node is still told apart by. */
  readonly nominalMs: number
}

/** What is known of one frame. */
export interface Stamped {
  /** Our boot clock: the monotonic one that runs while the host sleeps. */
  readonly nowMs: number
  /** The sender's, when this copy left. */
  readonly stampMs: number
  /**
   * The frame left at the latest so long after a message of ours as it says to have known that message: its whole way there and back,
   * for the frame that says so. Undefined: it does not say, or nobody knows any more when that message was sent.
   */
  readonly roundTripMs?: number | undefined
}

interface Bound {
  readonly ms: number
  readonly atMs: number
}

/**
 * How old the frames of one run of the peer are (S13). The difference between our clock at a frame's arrival and its stamp is the
 * difference of the two clocks plus the frame's way. The smallest one seen bounds the clocks' difference from above: what a frame
 * has beyond it, it has waited. A round trip bounds it from below. Both bounds give way as the clocks may drift.
 */
export class Dating {
  /** The difference of the clocks is at most this. */
  #most: Bound | undefined
  /** And at least this. */
  #least: Bound | undefined
  #stalls: { readonly fromMs: number; readonly toMs: number }[] = []

  /** A new run of the peer: its clock may be another host's. */
  reset(): void {
    this.#most = undefined
    this.#least = undefined
  }

  /** This process did not run: what came meanwhile waited for us, not on the line. */
  stalled(fromMs: number, toMs: number): void {
    if (toMs <= fromMs) return
    this.#stalls.push({ fromMs, toMs })
    if (this.#stalls.length > stallsMax) this.#stalls.shift()
  }

  /** Takes a frame in and dates it. `trustedMs`: a round trip within it shows that one of the clocks stood still, where it contradicts what was known. */
  date({ nowMs, stampMs, roundTripMs }: Stamped, trustedMs: number): Age {
    const differenceMs = nowMs - stampMs
    let most = this.#mostAt(nowMs)
    let least = this.#leastAt(nowMs)
    // Faster than light: our clock stood still, or the peer's was ahead of what it shows now.
    if (differenceMs < least - roundingMs) least = Number.NEGATIVE_INFINITY
    if (roundTripMs !== undefined && roundTripMs >= -roundingMs) {
      const bound = differenceMs - Math.max(0, roundTripMs)
      if (bound <= most + roundingMs) least = Math.max(least, bound)
      else if (roundTripMs <= trustedMs) {
        most = Number.POSITIVE_INFINITY
        least = bound
      }
    }
    most = Math.min(most, differenceMs)
    this.#most = { ms: most, atMs: nowMs }
    if (least !== this.#leastAt(nowMs))
      this.#least = least === Number.NEGATIVE_INFINITY ? undefined : { ms: least, atMs: nowMs }
    const waitedMs = differenceMs - most - roundingMs
    return {
      atLeastMs: Math.max(0, waitedMs - this.#stalledMs(nowMs - waitedMs, nowMs)),
      atMostMs: differenceMs - least + roundingMs,
      nominalMs: this.#least === undefined ? Number.POSITIVE_INFINITY : differenceMs - this.#least.ms,
    }
  }

  #mostAt(nowMs: number): number {
    return this.#most === undefined ? Number.POSITIVE_INFINITY : this.#most.ms + driftRatio * (nowMs - this.#most.atMs)
  }

  #leastAt(nowMs: number): number {
    return this.#least === undefined
      ? Number.NEGATIVE_INFINITY
      : this.#least.ms - driftRatio * (nowMs - this.#least.atMs)
  }

  #stalledMs(fromMs: number, toMs: number): number {
    let sum = 0
    for (const stall of this.#stalls) sum += Math.max(0, Math.min(toMs, stall.toMs) - Math.max(fromMs, stall.fromMs))
    return sum
  }
}
