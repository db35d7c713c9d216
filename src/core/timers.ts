import type { Instant } from '../roles/time.ts'

interface Entry {
  atMs: number
  /** By the clock that no stall postpones. */
  readonly absolute: boolean
  readonly run: () => void
}

/** What is due when: the core's only idea of a timer. Names with times and what to do, looked through on every step. */
export class Timers {
  readonly #entries = new Map<string, Entry>()

  /** Sets or moves `name` to `atMs`, in awake time. */
  set(name: string, atMs: number, run: () => void): void {
    this.#entries.set(name, { atMs, absolute: false, run })
  }

  /** Sets or moves `name` to `atMs` of absolute time: no stall postpones it. */
  setAbsolute(name: string, atMs: number, run: () => void): void {
    this.#entries.set(name, { atMs, absolute: true, run })
  }

  clear(name: string): void {
    this.#entries.delete(name)
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /**
   * This process did not run for `stallMs`: everything in awake time waits as much longer, so that a limit counts the time in
   * which an answer could have been taken in.
   */
  postpone(stallMs: number): void {
    for (const entry of this.#entries.values()) if (!entry.absolute) entry.atMs += stallMs
  }

  /** Runs what is due in absolute time: first of all in every turn, before anything else is believed or done. */
  runAbsolute(absoluteMs: number): void {
    this.#run((entry) => entry.absolute && entry.atMs <= absoluteMs)
  }

  /** Runs what is due in awake time, earliest first. What it sets anew for the same instant runs at the next call. */
  run(awakeMs: number): void {
    this.#run((entry) => !entry.absolute && entry.atMs <= awakeMs)
  }

  #run(isDue: (entry: Entry) => boolean): void {
    let due: [string, Entry][] | undefined
    for (const entry of this.#entries) {
      if (!isDue(entry[1])) continue
      due ??= []
      due.push(entry)
    }
    if (due === undefined) return
    due.sort((a, b) => a[1].atMs - b[1].atMs)
    for (const [name, entry] of due) {
      if (this.#entries.get(name) !== entry) continue // an earlier one of this turn cleared or moved it
      this.#entries.delete(name)
      entry.run()
    }
  }

  /** When the next one is due in awake time, which absolute time is ahead of by `aheadMs`; `null` when nothing is. */
  next(aheadMs = 0): number | null {
    let next: number | null = null
    for (const { atMs, absolute } of this.#entries.values()) {
      const dueMs = absolute ? atMs - aheadMs : atMs
      if (next === null || dueMs < next) next = dueMs
    }
    return next
  }
}

/**
 * Time that nothing leaves out, in milliseconds since it was first read: by whichever clock has counted more. The monotonic one
 * stands still while the host sleeps, the other is read in steps.
 */
export class AbsoluteClock {
  #origin: Instant | undefined

  read(at: Instant): number {
    this.#origin ??= at
    return Math.max(at.monoMs - this.#origin.monoMs, at.bootMs - this.#origin.bootMs)
  }
}
