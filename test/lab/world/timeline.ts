/** The clock of the laboratory: CLOCK_MONOTONIC in ms. It is one clock for all processes and namespaces of a machine. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Something that happened, `atMs` on the laboratory's clock. */
export interface TimelineEntry {
  readonly atMs: number
  /** A host, `client` for what the client sees, or `lab` for what was done to the world. */
  readonly who: string
  readonly what: string
}

/** What was done and what followed, in the order in which it became known. */
export class Timeline {
  readonly entries: TimelineEntry[] = []
  readonly #startMs = nowMs()
  readonly #listener: ((entry: TimelineEntry) => void) | undefined

  /** The listener hears every entry as it comes: a live display. */
  constructor(listener?: (entry: TimelineEntry) => void) {
    this.#listener = listener
  }

  add(who: string, what: string, atMs: number = nowMs()): void {
    const entry = { atMs, who, what }
    this.entries.push(entry)
    this.#listener?.(entry)
  }

  /** Time since the world was built, ms. */
  offsetMs(atMs: number): number {
    return atMs - this.#startMs
  }

  /** For a report: one line each, with seconds since the world was built. */
  toString(): string {
    const line = ({ atMs, who, what }: TimelineEntry): string =>
      `${(this.offsetMs(atMs) / 1000).toFixed(3).padStart(9)} s  ${who.padEnd(8)} ${what}`
    return [...this.entries]
      .sort((a, b) => a.atMs - b.atMs)
      .map(line)
      .join('\n')
  }
}
