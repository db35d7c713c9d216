import type { MessageDropReason } from '../events.ts'

const tellEveryMs = 1000
const kindsMax = 64

/** Counts messages that verified and were still not used; tells of each reason and sender at most once a second. */
export class DropCounter {
  readonly #counts = new Map<string, { count: number; nextMs: number }>()
  readonly #tell: (reason: MessageDropReason, src: string, count: number) => void

  constructor(tell: (reason: MessageDropReason, src: string, count: number) => void) {
    this.#tell = tell
  }

  add(reason: MessageDropReason, claimedSrc: string, nowMs: number): void {
    const src = claimedSrc.slice(0, 64)
    const key = `${reason} ${src}`
    const entry = this.#counts.get(key) ?? { count: 0, nextMs: Number.NEGATIVE_INFINITY }
    if (this.#counts.size >= kindsMax && !this.#counts.has(key)) this.#counts.clear()
    this.#counts.set(key, entry)
    entry.count++
    if (nowMs < entry.nextMs) return
    this.#tell(reason, src, entry.count)
    entry.count = 0
    entry.nextMs = nowMs + tellEveryMs
  }
}
