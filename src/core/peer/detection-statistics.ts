import type { MessageDropReason } from '../events.ts'
import { type VerdictQuality, Verdicts } from './verdict-statistics.ts'

/** Upper ends of the classes of own stalls, in milliseconds; the last class is everything above. */
export const stallClassesMs = [100, 250, 500, 1000, 2500, 5000] as const

/** How well the peer was judged. A mistake: it was called dead and then heard again in the same run. */
export interface PeerQuality extends VerdictQuality {
  /** How often it was late, and dead. */
  readonly late: number
  readonly dead: number
  /** Messages that verified and were not used, by reason, and messages lost for good. */
  readonly dropped: Readonly<Partial<Record<MessageDropReason | 'late', number>>>
  readonly lost: number
  /** Stalls that the peer's process tells of: how many, and the longest. */
  readonly stalls: number
  readonly longestStallMs: number
}

/** Own stalls: time in which this process did not run. */
export interface StallQuality {
  readonly count: number
  readonly totalMs: number
  readonly longestMs: number
  /** How many of them the host's sleep was. */
  readonly suspended: number
  /** How many were at most so long: one number for each of 100, 250, 500, 1000, 2500 and 5000 ms, and one for longer ones. */
  readonly histogram: readonly number[]
}

/** Quality of detection as figures. */
export interface Quality {
  readonly peer: PeerQuality
  readonly stalls: StallQuality
}

/** Counts. Judges nothing. */
export class QualityCounters {
  /** On the peer: a verdict is a death. */
  readonly peer: Verdicts = new Verdicts()
  #late = 0
  readonly #dropped: Partial<Record<MessageDropReason | 'late', number>> = {}
  #lost = 0
  #peerStalls = 0
  #longestPeerStallMs = 0
  #stalls = 0
  #stalledMs = 0
  #longestStallMs = 0
  #suspended = 0
  readonly #histogram = [...stallClassesMs.map(() => 0), 0]

  late(): void {
    this.#late++
  }

  drop(reason: MessageDropReason | 'late'): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1
  }

  lose(count: number): void {
    this.#lost += count
  }

  peerStall(stallMs: number): void {
    this.#peerStalls++
    this.#longestPeerStallMs = Math.max(this.#longestPeerStallMs, stallMs)
  }

  stall(stallMs: number, suspended: boolean): void {
    this.#stalls++
    this.#stalledMs += stallMs
    this.#longestStallMs = Math.max(this.#longestStallMs, stallMs)
    if (suspended) this.#suspended++
    const index = stallClassesMs.findIndex((limitMs) => stallMs <= limitMs)
    const at = index < 0 ? stallClassesMs.length : index
    this.#histogram[at] = (this.#histogram[at] ?? 0) + 1
  }

  view(nowMs: number): Quality {
    return {
      peer: {
        late: this.#late,
        dead: this.peer.count,
        ...this.peer.view(nowMs),
        dropped: { ...this.#dropped },
        lost: this.#lost,
        stalls: this.#peerStalls,
        longestStallMs: this.#longestPeerStallMs,
      },
      stalls: {
        count: this.#stalls,
        totalMs: Math.round(this.#stalledMs),
        longestMs: Math.round(this.#longestStallMs),
        suspended: this.#suspended,
        histogram: [...this.#histogram],
      },
    }
  }
}
