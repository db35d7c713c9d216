const pauseFirstMs = 1000
const pauseLastMs = 30_000

/** Counts the failures of each resource of a group within a window. */
export class Failures {
  readonly #atMs = new Map<string, readonly number[]>()

  /** How many there were within the window. */
  count(name: string, monoMs: number, windowMs: number): number {
    return this.#recent(name, monoMs, windowMs).length
  }

  /** Notes one. */
  add(name: string, monoMs: number, windowMs: number): void {
    this.#atMs.set(name, [...this.#recent(name, monoMs, windowMs), monoMs])
  }

  #recent(name: string, monoMs: number, windowMs: number): readonly number[] {
    return (this.#atMs.get(name) ?? []).filter((atMs) => monoMs - atMs < windowMs)
  }
}

/** The pause before a restart in place: none before the first one within the window, then 1 s, 2 s, 4 s, at most 30 s. */
export function restartPauseMs(count: number): number {
  return count < 2 ? 0 : Math.min(pauseFirstMs * 2 ** Math.min(count - 2, 10), pauseLastMs)
}
