const pauseFirstMs = 1000
const pauseLastMs = 30_000

/** Counts the failures of each resource of a group within a window. */
export class Failures {
  readonly #atMs = new Map<string, readonly number[]>()

  /** Notes one; answers how many there were within the window, this one included. */
  add(name: string, monoMs: number, windowMs: number): number {
    const recent = (this.#atMs.get(name) ?? []).filter((atMs) => monoMs - atMs < windowMs)
    this.#atMs.set(name, [...recent, monoMs])
    return recent.length + 1
  }
}

/** The pause before a restart in place: none before the first one within the window, then 1 s, 2 s, 4 s, at most 30 s. */
export function restartPauseMs(count: number): number {
  return count < 2 ? 0 : Math.min(pauseFirstMs * 2 ** Math.min(count - 2, 10), pauseLastMs)
}
