/** What is due when: the core's only idea of a timer. Names with times and what to do, looked through on every step. */
export class Timers {
  readonly #entries = new Map<string, { atMs: number; readonly run: () => void }>()

  /** Sets or moves `name` to `atMs`. */
  set(name: string, atMs: number, run: () => void): void {
    this.#entries.set(name, { atMs, run })
  }

  clear(name: string): void {
    this.#entries.delete(name)
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /**
   * This process did not run for `stallMs`: everything waits as much longer, so that a limit counts the time in which an
   * answer could have been taken in.
   */
  postpone(stallMs: number): void {
    for (const entry of this.#entries.values()) entry.atMs += stallMs
  }

  /** Runs what is due at `nowMs`, earliest first. What it sets anew for the same instant runs at the next call. */
  run(nowMs: number): void {
    let due: [string, { atMs: number; readonly run: () => void }][] | undefined
    for (const entry of this.#entries) {
      if (entry[1].atMs > nowMs) continue
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

  /** When the next one is due; `null` when nothing is. */
  next(): number | null {
    let next: number | null = null
    for (const { atMs } of this.#entries.values()) if (next === null || atMs < next) next = atMs
    return next
  }
}
