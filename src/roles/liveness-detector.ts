/** What a detector says of somebody it listens to. */
export type Liveness = 'alive' | 'late' | 'dead'

/**
 * Judges from the times of what was heard whether the sender is alive. Pure: it is handed `now` and owns no timer.
 * `nowMs` is *awake time*: monotonic time less the stalls of this process, so silence during which we slept does not count.
 */
export interface LivenessDetector {
  /** A beat was heard. `deadtimeMs` is the dead time that its sender announces for itself (Heartbeat's `dt`), already capped. */
  heard(nowMs: number, deadtimeMs: number): void
  /**
   * The verdict at `nowMs`. Before the first `heard` it is counted from `reset`. Never `dead` before the announced dead time: a
   * sender that stood still for a shorter time goes on as if nothing had happened.
   */
  check(nowMs: number): Liveness
  /** The earliest time at which `check` may answer otherwise if nothing more is heard; Infinity when never. */
  nextCheckMs(nowMs: number): number
  /** This process stood still until now, and what was sent meanwhile arrives at once: the interval to the next beat says nothing. */
  stalled?(stallMs: number): void
  /** Its last `dead` was wrong: the sender is heard again, in the same run. */
  refuted?(): void
  /** The sender told what it last heard of us; `clean`: that was one of our newest beats. */
  echoed?(clean: boolean): void
  /** A reload changed our own times; what was learned and heard stays. */
  retime?(times: LivenessTimes): void
  /** Forgets everything; silence counts from `nowMs`, and `deadtimeMs` is waited for the first beat. */
  reset(nowMs: number, deadtimeMs: number): void
  /** Anything worth showing in the snapshot: what it has learned. Plain data. */
  inspect?(): Readonly<Record<string, number>>
}

/** Times of a pair, in milliseconds. */
export interface LivenessTimes {
  /** Interval of the beats. */
  readonly keepaliveMs: number
  /** Silence after which a node is `late`. */
  readonly warntimeMs: number
  /** Silence after which a node is `dead`. Announced to the peer, who judges us by it. */
  readonly deadtimeMs: number
  /** Silence allowed to a peer that was not heard since our own start. */
  readonly initdeadMs: number
}

/** What `deadtime()` and its like return: the times, and how to make a detector. */
export interface LivenessPlugin {
  readonly kind: 'liveness'
  readonly type: string
  readonly times: LivenessTimes
  /** Whatever else the detector is made of, as plain data: a recording carries it. */
  readonly settings?: Readonly<Record<string, number>> | undefined
  /** A silent sender is dead after so many of its announced dead times at the latest. @defaultValue 1: exactly then */
  readonly patience?: number | undefined
  /** Problems of the times' relations; all of them at once. */
  readonly issues: readonly {
    readonly path: string
    readonly message: string
    readonly severity: 'error' | 'warning'
  }[]
  /** Makes a detector for one sender. */
  create(): LivenessDetector
}
