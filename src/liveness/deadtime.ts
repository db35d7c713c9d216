import type { Duration } from '../roles/duration.ts'
import type { Liveness, LivenessDetector, LivenessPlugin, LivenessTimes } from '../roles/liveness-detector.ts'
import { type BrokenRule, judgeRules, type LivenessIssue, readDuration } from './options.ts'

/** Options of {@link deadtime}; names and meaning as in Heartbeat's ha.cf. */
export interface DeadtimeOptions {
  /** Interval of the beats. @defaultValue `'200ms'` */
  readonly keepalive?: Duration | undefined
  /** Silence after which the peer is called late. @defaultValue half of deadtime */
  readonly warntime?: Duration | undefined
  /** Silence after which the peer is dead; more than 2 × keepalive. @defaultValue `'1s'` */
  readonly deadtime?: Duration | undefined
  /** Silence allowed to a peer that was not heard since our own start; at least deadtime. @defaultValue 10 × deadtime, at most deadtime + 30 s */
  readonly initdead?: Duration | undefined
}

/** Ready-made times for {@link deadtime}; spread one and change what differs. */
export const presets: Readonly<Record<'fast' | 'lan' | 'wan' | 'linuxHa', Required<DeadtimeOptions>>> = {
  /** Dedicated hosts, two links. Below a dead time of 1 s the main thread's own stalls matter: a warning says so. */
  fast: { keepalive: '50ms', warntime: '150ms', deadtime: '300ms', initdead: '3s' },
  /** A quiet local network. The default. */
  lan: { keepalive: '200ms', warntime: '500ms', deadtime: '1s', initdead: '10s' },
  /** Between zones of a cloud. */
  wan: { keepalive: '1s', warntime: '2500ms', deadtime: '5s', initdead: '30s' },
  /** The numbers of Heartbeat's sample ha.cf. */
  linuxHa: { keepalive: '2s', warntime: '10s', deadtime: '30s', initdead: '120s' },
}

/**
 * Heartbeat's rule: a peer that was silent for warntime is late, one that was silent for its announced dead time is dead.
 *
 * @example
 * ```ts
 * import { deadtime, presets } from 'hot-standby'
 * const liveness = deadtime({ ...presets.lan, deadtime: '2s' })
 * ```
 */
export function deadtime(options: DeadtimeOptions = {}): LivenessPlugin {
  const issues: LivenessIssue[] = []
  const read = (name: keyof DeadtimeOptions, fallbackMs: number): number =>
    readDuration(options[name], name, fallbackMs, issues)
  const keepaliveMs = read('keepalive', 200)
  const deadtimeMs = read('deadtime', 1000)
  const warntimeMs = read('warntime', deadtimeMs / 2)
  const initdeadMs = read('initdead', Math.min(10 * deadtimeMs, deadtimeMs + 30_000))
  const times: LivenessTimes = { keepaliveMs, warntimeMs, deadtimeMs, initdeadMs }
  const rules: readonly BrokenRule[] = [
    [keepaliveMs < 1, 'keepalive', 'error', `${keepaliveMs} ms is too short; at least 1ms`],
    [
      deadtimeMs <= 2 * keepaliveMs,
      'deadtime',
      'error',
      `${deadtimeMs} ms is not more than 2 × keepalive (${2 * keepaliveMs} ms): one lost beat would be a death`,
    ],
    [
      warntimeMs <= keepaliveMs,
      'warntime',
      'error',
      `${warntimeMs} ms is not more than keepalive (${keepaliveMs} ms): every beat would be late`,
    ],
    [
      warntimeMs >= deadtimeMs,
      'warntime',
      'error',
      `${warntimeMs} ms is not less than deadtime (${deadtimeMs} ms): the warning would come too late`,
    ],
    [
      initdeadMs < deadtimeMs,
      'initdead',
      'error',
      `${initdeadMs} ms is less than deadtime (${deadtimeMs} ms): a starting peer gets at least as long as a running one`,
    ],
    [
      deadtimeMs < 1000,
      'deadtime',
      'warning',
      `${deadtimeMs} ms is below 1 s: beats leave from the main thread, so a pause of this process (garbage collection, a long loop) of that length makes the peer take over`,
    ],
  ]
  judgeRules(rules, issues)
  return { kind: 'liveness', type: 'deadtime', times, issues, create: () => new DeadtimeDetector(times) }
}

/** The detector of {@link deadtime}, made of times that were checked before. */
export class DeadtimeDetector implements LivenessDetector {
  readonly #warnRatio: number
  #sinceMs = 0
  #deadtimeMs: number
  #heardEver = false

  constructor(times: LivenessTimes) {
    this.#warnRatio = times.warntimeMs / times.deadtimeMs
    this.#deadtimeMs = times.initdeadMs
  }

  heard(nowMs: number, deadtimeMs: number): void {
    this.#sinceMs = nowMs
    this.#deadtimeMs = deadtimeMs
    this.#heardEver = true
  }

  check(nowMs: number): Liveness {
    // Sums, not differences: the same numbers as in `nextCheckMs`, so that the verdict is due at the very time it names.
    if (nowMs >= this.#sinceMs + this.#deadtimeMs) return 'dead'
    return this.#heardEver && nowMs >= this.#sinceMs + this.#warntimeMs ? 'late' : 'alive'
  }

  nextCheckMs(nowMs: number): number {
    const lateAt = this.#sinceMs + this.#warntimeMs
    return this.#heardEver && nowMs < lateAt ? lateAt : this.#sinceMs + this.#deadtimeMs
  }

  reset(nowMs: number, deadtimeMs: number): void {
    this.#sinceMs = nowMs
    this.#deadtimeMs = deadtimeMs
    this.#heardEver = false
  }

  /** Our warntime in proportion, where the peer announces another dead time than ours. */
  get #warntimeMs(): number {
    return this.#deadtimeMs * this.#warnRatio
  }
}
