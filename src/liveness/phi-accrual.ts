import type { Duration } from '../roles/duration.ts'
import type { Liveness, LivenessDetector, LivenessPlugin, LivenessTimes } from '../roles/liveness-detector.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import { type DeadtimeOptions, deadtime } from './deadtime.ts'
import { judgeRules, type LivenessIssue, readDuration } from './options.ts'

/** Options of {@link phiAccrual}; the first four are those of {@link deadtime}, and the earliest times of the two verdicts. */
export interface PhiAccrualOptions extends Omit<DeadtimeOptions, 'healthMultiplier'> {
  /** Φ at which the peer is dead: a silence that is expected once in 10^Φ beats. More than warnThreshold. @defaultValue 8 */
  readonly threshold?: number | undefined
  /** Φ at which the peer is late; at least 1. @defaultValue 3 */
  readonly warnThreshold?: number | undefined
  /** Pause of the peer beyond its usual beats that makes nobody suspect it. @defaultValue half of deadtime */
  readonly acceptablePause?: Duration | undefined
  /** The deviation of the intervals is never taken for less: the beats of a quiet line are too regular. @defaultValue a quarter of keepalive */
  readonly minDeviation?: Duration | undefined
  /** About how many intervals are remembered; at least 10. @defaultValue 200 */
  readonly window?: number | undefined
  /** The peer is dead after this many of its announced dead times, whatever Φ says; 1 to 10. @defaultValue 3 */
  readonly patience?: number | undefined
}

const knownOptions: OptionTable<PhiAccrualOptions> = {
  keepalive: 'any',
  warntime: 'any',
  deadtime: 'any',
  initdead: 'any',
  threshold: 'any',
  warnThreshold: 'any',
  acceptablePause: 'any',
  minDeviation: 'any',
  window: 'any',
  patience: 'any',
}

/** What the detector is made of beside its times. */
export interface PhiSettings extends Readonly<Record<string, number>> {
  readonly threshold: number
  readonly warnThreshold: number
  readonly acceptablePauseMs: number
  readonly minDeviationMs: number
  readonly window: number
  readonly patience: number
}

/**
 * Φ accrual detector (Hayashibara, Défago, Yared, Katayama 2004, with the rules of Akka): learns how regularly the peer is
 * heard, and waits longer where the line is bad. Never `dead` before the announced dead time, always after `patience` of them.
 *
 * @example
 * ```ts
 * import { phiAccrual } from 'hot-standby'
 * const liveness = phiAccrual({ keepalive: '200ms', deadtime: '1s', threshold: 10 })
 * ```
 */
export function phiAccrual(options: PhiAccrualOptions = {}): LivenessPlugin {
  checkOptionNames('phiAccrual', options, knownOptions)
  const { keepalive, warntime, deadtime: dead, initdead } = options
  const { times, issues: found } = deadtime({ keepalive, warntime, deadtime: dead, initdead })
  const issues: LivenessIssue[] = [...found]
  const { threshold = 8, warnThreshold = 3, window = 200, patience = 3 } = options
  const settings: PhiSettings = {
    threshold,
    warnThreshold,
    acceptablePauseMs: readDuration(options.acceptablePause, 'acceptablePause', times.deadtimeMs / 2, issues),
    minDeviationMs: readDuration(options.minDeviation, 'minDeviation', times.keepaliveMs / 4, issues),
    window,
    patience,
  }
  const { acceptablePauseMs, minDeviationMs } = settings
  const longestMs = patience * times.deadtimeMs
  judgeRules(
    [
      [
        !within(warnThreshold, 1, 100),
        'warnThreshold',
        'error',
        `${String(warnThreshold)} is not a number from 1 to 100`,
      ],
      [!within(threshold, 1, 100), 'threshold', 'error', `${String(threshold)} is not a number from 1 to 100`],
      [
        threshold <= warnThreshold,
        'threshold',
        'error',
        `${threshold} is not more than warnThreshold (${warnThreshold}): the warning would come too late`,
      ],
      [
        acceptablePauseMs >= longestMs,
        'acceptablePause',
        'error',
        `${acceptablePauseMs} ms is not less than patience × deadtime (${longestMs} ms): nothing that is learned would count`,
      ],
      [minDeviationMs < 1, 'minDeviation', 'error', `${minDeviationMs} ms is too short; at least 1ms`],
      [
        minDeviationMs > times.deadtimeMs,
        'minDeviation',
        'error',
        `${minDeviationMs} ms is more than deadtime (${times.deadtimeMs} ms): nothing that is learned would count`,
      ],
      [
        !(Number.isInteger(window) && within(window, 10, 100_000)),
        'window',
        'error',
        `must be an integer from 10 to 100000, got ${shownValue(window)}`,
      ],
      [!within(patience, 1, 10), 'patience', 'error', `${String(patience)} is not a number from 1 to 10`],
    ],
    issues,
  )
  const create = (): LivenessDetector => new PhiAccrualDetector(times, settings)
  return { kind: 'liveness', type: 'phi-accrual', times, settings, patience, issues, create }
}

function within(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most
}

/** Coefficients of the logistic approximation of the normal distribution, as in Akka: Φ(y) = −log10(e / (1 + e)), e = exp(−y (b + a y²)). */
const cubic = 0.070_566
const linear = 1.5976

/** By how many deviations a silence exceeds the expected one when its Φ is this: the approximation solved for y (a cubic with one real root). */
function deviationsAt(phi: number): number {
  const exponent = phi * Math.LN10 + Math.log1p(-(10 ** -phi))
  const third = Math.sqrt(linear / cubic / 3)
  return 2 * third * Math.sinh(Math.asinh((3 * exponent) / (2 * linear * third)) / 3)
}

/** The detector of {@link phiAccrual}, made of times and settings that were checked before. */
export class PhiAccrualDetector implements LivenessDetector {
  #times: LivenessTimes
  readonly #settings: PhiSettings
  readonly #deadDeviations: number
  readonly #lateDeviations: number
  #sinceMs = 0
  /** Where the interval begins that is being measured; undefined: it would say nothing. */
  #intervalFromMs: number | undefined
  #announcedMs = 0
  /** Silence after which the sender is late, and dead. */
  #lateAfterMs = Number.POSITIVE_INFINITY
  #deadAfterMs: number
  #samples = 0
  #meanMs = 0
  #variance = 0

  constructor(times: LivenessTimes, settings: PhiSettings) {
    this.#times = times
    this.#settings = settings
    this.#deadDeviations = deviationsAt(settings.threshold)
    this.#lateDeviations = deviationsAt(settings.warnThreshold)
    this.#deadAfterMs = times.initdeadMs
    this.#forget()
  }

  retime(times: LivenessTimes): void {
    this.#times = times
  }

  heard(nowMs: number, deadtimeMs: number): void {
    this.#learn(nowMs, deadtimeMs)
    this.#sinceMs = nowMs
    this.#announcedMs = deadtimeMs
    const { acceptablePauseMs, minDeviationMs, patience } = this.#settings
    const deviationMs = Math.max(minDeviationMs, Math.sqrt(this.#variance))
    // Between two beats there may be other messages: they make nobody expect the next one sooner.
    const expectedMs = Math.max(this.#meanMs, this.#times.keepaliveMs)
    const lateMs = expectedMs + this.#lateDeviations * deviationMs
    const deadMs = expectedMs + acceptablePauseMs + this.#deadDeviations * deviationMs
    const warntimeMs = (deadtimeMs * this.#times.warntimeMs) / this.#times.deadtimeMs
    // Both bounds of one are below those of the other: whatever was learned, late comes before dead.
    this.#lateAfterMs = Math.min(Math.max(lateMs, warntimeMs), patience * warntimeMs)
    this.#deadAfterMs = Math.min(Math.max(deadMs, deadtimeMs), patience * deadtimeMs)
  }

  check(nowMs: number): Liveness {
    // Sums, not differences: the same numbers as in `nextCheckMs`, so that the verdict is due at the very time it names.
    if (nowMs >= this.#sinceMs + this.#deadAfterMs) return 'dead'
    return nowMs >= this.#sinceMs + this.#lateAfterMs ? 'late' : 'alive'
  }

  nextCheckMs(nowMs: number): number {
    const lateAt = this.#sinceMs + this.#lateAfterMs
    return nowMs < lateAt && lateAt < Number.POSITIVE_INFINITY ? lateAt : this.#sinceMs + this.#deadAfterMs
  }

  stalled(): void {
    this.#intervalFromMs = undefined
  }

  inspect(): Readonly<Record<string, number>> {
    return { deadAfterMs: this.#deadAfterMs, meanMs: this.#meanMs, deviationMs: Math.sqrt(this.#variance) }
  }

  reset(nowMs: number, deadtimeMs: number): void {
    this.#sinceMs = nowMs
    this.#intervalFromMs = undefined
    this.#lateAfterMs = Number.POSITIVE_INFINITY
    this.#deadAfterMs = deadtimeMs
    this.#forget()
  }

  /** Akka's first guess: beats as often as ours, with a quarter of that as deviation, worth two intervals. */
  #forget(): void {
    this.#samples = 2
    this.#meanMs = this.#times.keepaliveMs
    this.#variance = (this.#times.keepaliveMs / 4) ** 2
  }

  /** Takes the interval that ends now into account, unless it says nothing of the line. */
  #learn(nowMs: number, deadtimeMs: number): void {
    const fromMs = this.#intervalFromMs
    const intervalMs = fromMs === undefined ? Number.NaN : nowMs - fromMs
    // A message between two beats, or what had queued up: the beat is still to come.
    if (intervalMs < this.#times.keepaliveMs / 2) return
    this.#intervalFromMs = nowMs
    // The end of an outage would teach to expect outages; across a change of the announced dead time lies an announced pause.
    const usual = this.check(nowMs) !== 'dead' && deadtimeMs === this.#announcedMs
    if (fromMs === undefined || !usual) return
    // Welford's sums while there are few intervals; later ones weigh as much as the last of a full window.
    this.#samples = Math.min(this.#samples + 1, this.#settings.window)
    const weight = 1 / this.#samples
    const offMs = intervalMs - this.#meanMs
    this.#meanMs += weight * offMs
    this.#variance = (1 - weight) * (this.#variance + weight * offMs ** 2)
  }
}
