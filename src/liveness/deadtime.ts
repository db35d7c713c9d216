import type { Duration } from '../roles/duration.ts'
import type { Liveness, LivenessDetector, LivenessPlugin, LivenessTimes } from '../roles/liveness-detector.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { Health } from './health.ts'
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
  /**
   * Wait longer for the peer while this node has reason to distrust itself, up to three dead times (safety rule S4, after
   * Lifeguard): after own stalls of warntime and longer, after a peer called dead that lived, and while the peer does not hear us.
   * @defaultValue false
   */
  readonly healthMultiplier?: boolean | undefined
}

const knownOptions: OptionTable<DeadtimeOptions> = {
  keepalive: 'any',
  warntime: 'any',
  deadtime: 'any',
  initdead: 'any',
  healthMultiplier: 'any',
}

/** What {@link DeadtimeDetector} is made of beside its times. */
export interface DeadtimeSettings extends Readonly<Record<string, number>> {
  /** 1: an unhealthy node waits longer. */
  readonly healthMultiplier: number
}

/** Ready-made times for {@link deadtime}; spread one and change what differs. */
export const presets: Readonly<
  Record<'fast' | 'lan' | 'wan' | 'linuxHa', Required<Omit<DeadtimeOptions, 'healthMultiplier'>>>
> = {
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
  checkOptionNames('deadtime', options, knownOptions)
  const issues: LivenessIssue[] = []
  const read = (name: Exclude<keyof DeadtimeOptions, 'healthMultiplier'>, fallbackMs: number): number =>
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
      'warning',
      `${warntimeMs} ms is not more than keepalive (${keepaliveMs} ms): every beat counts as late`,
    ],
    [
      warntimeMs >= deadtimeMs,
      'warntime',
      'warning',
      `${warntimeMs} ms is not less than deadtime (${deadtimeMs} ms): the peer is never called late before it is dead`,
    ],
    [
      initdeadMs < deadtimeMs,
      'initdead',
      'error',
      `${initdeadMs} ms is less than deadtime (${deadtimeMs} ms): a starting peer must get at least as much time as a running one`,
    ],
    [
      deadtimeMs < 1000,
      'deadtime',
      'warning',
      `${deadtimeMs} ms is below 1 s: beats leave from the main thread, so a pause of this process (garbage collection, a long loop) of that length makes the peer take over`,
    ],
  ]
  judgeRules(rules, issues)
  const plain = { kind: 'liveness', type: 'deadtime', times, issues } as const
  const { healthMultiplier = false } = options
  if (typeof healthMultiplier !== 'boolean') {
    const message = `${String(healthMultiplier)} is neither true nor false`
    issues.push({ path: 'healthMultiplier', message, severity: 'error' })
  }
  if (!healthMultiplier) return { ...plain, create: () => new DeadtimeDetector(times) }
  const settings: DeadtimeSettings = { healthMultiplier: 1 }
  return { ...plain, settings, patience: 3, create: () => new DeadtimeDetector(times, settings) }
}

/** The detector of {@link deadtime}, made of times that were checked before. */
export class DeadtimeDetector implements LivenessDetector {
  #times: LivenessTimes
  readonly #health: Health | undefined
  #sinceMs = 0
  #announcedMs: number
  #heardEver = false

  constructor(times: LivenessTimes, settings?: DeadtimeSettings) {
    this.#times = times
    this.#health = settings?.healthMultiplier === 1 ? new Health() : undefined
    this.#announcedMs = times.initdeadMs
  }

  retime(times: LivenessTimes): void {
    this.#times = times
  }

  heard(nowMs: number, deadtimeMs: number): void {
    this.#sinceMs = nowMs
    this.#announcedMs = deadtimeMs
    this.#heardEver = true
  }

  check(nowMs: number): Liveness {
    // Sums, not differences: the same numbers as in `nextCheckMs`, so that the verdict is due at the very time it names.
    if (nowMs >= this.#sinceMs + this.#deadtimeMs) return 'dead'
    return this.#heardEver && nowMs >= this.#sinceMs + this.#warntimeMs ? 'late' : 'alive'
  }

  nextCheckMs(nowMs: number): number {
    const lateAt = this.#sinceMs + this.#warntimeMs
    const deadAt = this.#sinceMs + this.#deadtimeMs
    return this.#heardEver && nowMs < lateAt && lateAt < deadAt ? lateAt : deadAt
  }

  reset(nowMs: number, deadtimeMs: number): void {
    this.#sinceMs = nowMs
    this.#announcedMs = deadtimeMs
    this.#heardEver = false
  }

  stalled(stallMs: number): void {
    if (stallMs >= this.#times.warntimeMs) this.#health?.worse()
  }

  refuted(): void {
    this.#health?.worse()
  }

  echoed(clean: boolean): void {
    if (clean) this.#health?.better()
    else this.#health?.worse()
  }

  inspect(): Readonly<Record<string, number>> {
    return { deadAfterMs: this.#deadtimeMs, ...(this.#health && { healthMultiplier: this.#health.factor }) }
  }

  /** Silence after which the sender is dead. Who never heard it has initdead to wait, however well it is. */
  get #deadtimeMs(): number {
    return this.#announcedMs * (this.#heardEver ? (this.#health?.factor ?? 1) : 1)
  }

  /** Our warntime in proportion, where the peer announces another dead time than ours. */
  get #warntimeMs(): number {
    return (this.#deadtimeMs * this.#times.warntimeMs) / this.#times.deadtimeMs
  }
}
