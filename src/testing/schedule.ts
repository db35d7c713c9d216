/** A seeded source of random numbers (mulberry32): the same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

interface Entry {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

/** Virtual time: what is to happen when, in order of time and then of arrangement (a binary heap). */
export class Schedule {
  readonly #heap: Entry[] = []
  #order = 0
  #nowMs = 0
  /** Called after everything that has happened: an oracle looks then. */
  after: (() => void) | undefined

  /** True time in milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Arranges `run` for `atMs` (not before now); the returned function takes it back. */
  at(atMs: number, run: () => void): () => void {
    const entry: Entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run }
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(entry, heap[parent] as Entry)) break
      heap[index] = heap[parent] as Entry
      index = parent
    }
    heap[index] = entry
    return () => {
      entry.run = null
    }
  }

  /** Runs everything that is due until `untilMs`, then stands there. */
  runUntil(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      this.#nowMs = next.atMs
      if (next.run === null) continue
      next.run()
      this.after?.()
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Entry
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++
      if (!before(heap[child] as Entry, last)) break
      heap[index] = heap[child] as Entry
      index = child
    }
    heap[index] = last
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
