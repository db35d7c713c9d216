/** How good verdicts of one kind were since this process began (figures after Chen, Toueg and Aguilera). */
export interface VerdictQuality {
  /** How often a verdict was wrong: what had been given up had worked all the time. */
  readonly mistakes: number
  /** T_M: how long those verdicts stood, together and at most. */
  readonly mistakeMs: number
  readonly longestMistakeMs: number
  /** T_D: silence at the last verdict, and at most; null before the first. */
  readonly detectionMs: number | null
  readonly longestDetectionMs: number | null
  /** For how long a mistake could be made: it was listened to and counted as working, or was wrongly given up. */
  readonly exposureMs: number
  /** P_A: share of that time in which the judgement was right; null before anything was heard. */
  readonly accuracy: number | null
  /** λ_M: mistakes per hour; without any, what is below it with 95 % (rule of three). Null before anything was heard. */
  readonly mistakesPerHour: number | null
  readonly mistakesPerHourIsBound: boolean
}

/** Counts verdicts on the peer, or on one link. Judges nothing. */
export class Verdicts {
  #count = 0
  #mistakes = 0
  #mistakeMs = 0
  #longestMistakeMs = 0
  #detectionMs: number | null = null
  #longestDetectionMs: number | null = null
  #exposureMs = 0
  /** Since when a mistake can be made; undefined while it is given up, or was not heard yet. */
  #exposedSinceMs: number | undefined
  #givenUpAtMs: number | undefined

  /** How many verdicts there were. */
  get count(): number {
    return this.#count
  }

  /** It is given up after so much silence. */
  givenUp(nowMs: number, silentMs: number): void {
    this.#count++
    this.#detectionMs = silentMs
    this.#longestDetectionMs = Math.max(this.#longestDetectionMs ?? 0, silentMs)
    this.#endExposure(nowMs)
    this.#givenUpAtMs = nowMs
  }

  /** It ended by itself, as was said: nothing to be wrong about. */
  left(nowMs: number): void {
    this.#endExposure(nowMs)
    this.#givenUpAtMs = undefined
  }

  /** It is heard; `lived`: it had worked all the time. Answers how long the wrong verdict stood; undefined when there was none. */
  heard(nowMs: number, lived: boolean): number | undefined {
    const givenUpAtMs = this.#givenUpAtMs
    this.#givenUpAtMs = undefined
    this.#exposedSinceMs ??= nowMs
    if (givenUpAtMs === undefined || !lived) return undefined
    const durationMs = nowMs - givenUpAtMs
    this.#mistakes++
    this.#mistakeMs += durationMs
    this.#longestMistakeMs = Math.max(this.#longestMistakeMs, durationMs)
    this.#exposureMs += durationMs
    return durationMs
  }

  #endExposure(nowMs: number): void {
    if (this.#exposedSinceMs !== undefined) this.#exposureMs += nowMs - this.#exposedSinceMs
    this.#exposedSinceMs = undefined
  }

  view(nowMs: number): VerdictQuality {
    const exposedMs = this.#exposureMs + (this.#exposedSinceMs === undefined ? 0 : nowMs - this.#exposedSinceMs)
    const known = exposedMs > 0
    const hours = exposedMs / 3_600_000
    return {
      mistakes: this.#mistakes,
      mistakeMs: Math.round(this.#mistakeMs),
      longestMistakeMs: Math.round(this.#longestMistakeMs),
      detectionMs: this.#detectionMs,
      longestDetectionMs: this.#longestDetectionMs,
      exposureMs: Math.round(exposedMs),
      accuracy: known ? 1 - this.#mistakeMs / exposedMs : null,
      mistakesPerHour: known ? Math.max(this.#mistakes, this.#mistakes === 0 ? 3 : 0) / hours : null,
      mistakesPerHourIsBound: this.#mistakes === 0,
    }
  }
}
