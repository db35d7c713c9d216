import type { Instant } from '../roles/time.ts'
import type { Schedule } from './schedule.ts'

/** How a process comes to stand still: stopped alone (SIGSTOP), or together with its host, which then hears nothing either. */
export type Pause = 'stopped' | 'suspended' | 'halted'

/** Unix time at which every simulation begins. */
const beginWallMs = 1_700_000_000_000

/**
 * The clocks of one simulated host against true time: they may run too fast or too slow, stand still while the host sleeps, and
 * the wall clock may be set.
 */
export class SimulatedClock {
  readonly #schedule: Schedule
  #rate = 1
  #sinceMs = 0
  #monoMs = 0
  #bootMs = 0
  #standing: 'boot goes on' | 'both stand' | undefined
  #wallAheadMs = 0

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /** Reads the three clocks of the host. */
  read(): Instant {
    const passedMs = (this.#schedule.nowMs - this.#sinceMs) * this.#rate
    const monoMs = this.#monoMs + (this.#standing ? 0 : passedMs)
    const bootMs = this.#bootMs + (this.#standing === 'both stand' ? 0 : passedMs)
    return { monoMs, bootMs, wallMs: beginWallMs + bootMs + this.#wallAheadMs }
  }

  /** True time at which the monotonic clock will show `monoMs`; undefined while it stands. */
  trueMsAt(monoMs: number): number | undefined {
    if (this.#standing) return undefined
    if (this.#sinceMs === 0 && this.#rate === 1) return monoMs
    // Rounded up: at that time it must not show less.
    return this.#sinceMs + (monoMs - this.#monoMs) / this.#rate + 1e-6
  }

  /** From now on the clocks run fast by `ratio` (0.01: one percent), or slow when it is negative. */
  drift(ratio: number): void {
    this.#settle()
    this.#rate = 1 + ratio
  }

  /** Sets the wall clock forward or back; nothing that decides may notice. */
  stepWall(ms: number): void {
    this.#wallAheadMs += ms
  }

  /** The host sleeps: the monotonic clock stands still, and in a halted virtual machine (`frozen`) every other one too. */
  stand(frozen: boolean): void {
    this.#settle()
    this.#standing = frozen ? 'both stand' : 'boot goes on'
  }

  /** The host is awake again. */
  go(): void {
    this.#settle()
    this.#standing = undefined
  }

  #settle(): void {
    const { monoMs, bootMs } = this.read()
    this.#monoMs = monoMs
    this.#bootMs = bootMs
    this.#sinceMs = this.#schedule.nowMs
  }
}
