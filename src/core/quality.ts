import type { MessageDropReason } from './events.ts'

/** Upper ends of the classes of own stalls, in milliseconds; the last class is everything above. */
export const stallClassesMs = [100, 250, 500, 1000, 2500, 5000] as const

/** How well the peer was judged, since this process began (safety figures after Chen, Toueg and Aguilera). */
export interface PeerQuality {
  /** How often it was late, and dead. */
  readonly late: number
  readonly dead: number
  /** How often it was called dead and then heard again in the same run: it lived, and was not heard or did not run. */
  readonly mistakes: number
  /** How long those verdicts stood, together and at most. */
  readonly mistakeMs: number
  readonly longestMistakeMs: number
  /** T_D: silence at the last verdict, and at most; null before the first. */
  readonly detectionMs: number | null
  readonly longestDetectionMs: number | null
  /** How long the peer was listened to and counted as alive or was wrongly called dead: what the two figures below refer to. */
  readonly exposureMs: number
  /** P_A: share of that time in which the judgement was right; null before the peer was heard. */
  readonly accuracy: number | null
  /** λ_M: mistakes per hour; without any, what is below it with 95 % (rule of three). Null before the peer was heard. */
  readonly mistakesPerHour: number | null
  readonly mistakesPerHourIsBound: boolean
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
  #late = 0
  #dead = 0
  #mistakes = 0
  #mistakeMs = 0
  #longestMistakeMs = 0
  #detectionMs: number | null = null
  #longestDetectionMs: number | null = null
  #exposureMs = 0
  /** Since when the peer is exposed to mistakes; undefined while it is gone for good, or was not heard yet. */
  #exposedSinceMs: number | undefined
  #deadSinceMs: number | undefined
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

  dead(nowMs: number, silentMs: number): void {
    this.#dead++
    this.#detectionMs = silentMs
    this.#longestDetectionMs = Math.max(this.#longestDetectionMs ?? 0, silentMs)
    this.#endExposure(nowMs)
    this.#deadSinceMs = nowMs
  }

  /** It said good-bye. */
  left(nowMs: number): void {
    this.#endExposure(nowMs)
    this.#deadSinceMs = undefined
  }

  /** It is heard. Answers how long it was wrongly called dead; undefined when it was not. */
  heard(nowMs: number, sameRun: boolean): number | undefined {
    const deadSinceMs = this.#deadSinceMs
    this.#deadSinceMs = undefined
    this.#exposedSinceMs ??= nowMs
    if (deadSinceMs === undefined || !sameRun) return undefined
    const durationMs = nowMs - deadSinceMs
    this.#mistakes++
    this.#mistakeMs += durationMs
    this.#longestMistakeMs = Math.max(this.#longestMistakeMs, durationMs)
    this.#exposureMs += durationMs
    return durationMs
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

  #endExposure(nowMs: number): void {
    if (this.#exposedSinceMs !== undefined) this.#exposureMs += nowMs - this.#exposedSinceMs
    this.#exposedSinceMs = undefined
  }

  view(nowMs: number): Quality {
    const exposedMs = this.#exposureMs + (this.#exposedSinceMs === undefined ? 0 : nowMs - this.#exposedSinceMs)
    const known = exposedMs > 0
    const hours = exposedMs / 3_600_000
    return {
      peer: {
        late: this.#late,
        dead: this.#dead,
        mistakes: this.#mistakes,
        mistakeMs: Math.round(this.#mistakeMs),
        longestMistakeMs: Math.round(this.#longestMistakeMs),
        detectionMs: this.#detectionMs,
        longestDetectionMs: this.#longestDetectionMs,
        exposureMs: Math.round(exposedMs),
        accuracy: known ? 1 - this.#mistakeMs / exposedMs : null,
        mistakesPerHour: known ? Math.max(this.#mistakes, this.#mistakes === 0 ? 3 : 0) / hours : null,
        mistakesPerHourIsBound: this.#mistakes === 0,
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
