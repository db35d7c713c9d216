/** One event for each link and reason in this time. */
const tellEveryMs = 1000
const kindsMax = 256

/** Frames that were not believed, which one source may send at once, and how many more in a second. */
const burst = 200
const perSecond = 200
/** Sources that are told apart on a link; all others share one allowance, so that invented ports buy nothing. */
const sourcesMax = 64
const others = ''

interface Allowance {
  tokens: number
  atMs: number
}

/** What is told of bytes that were dropped. */
export interface DropNotice {
  readonly link: string
  readonly reason: string
  readonly from: string
  readonly count: number
  readonly detail: string | null
}

/**
 * The door through which bytes come in: a source that sends junk is soon not read any more, so that it costs no signature;
 * the peer's own source never is. What is turned away is counted by link and reason, and rarely told.
 */
export class Gate {
  readonly #tell: (notice: DropNotice) => void
  readonly #notices = new Map<string, { count: number; nextMs: number }>()
  readonly #counts = new Map<string, Map<string, number>>()
  readonly #allowances = new Map<string, Map<string, Allowance>>()
  /** Where the last believed frame of a link came from. */
  readonly #trusted = new Map<string, string>()

  constructor(tell: (notice: DropNotice) => void) {
    this.#tell = tell
  }

  /** Whether bytes from there may cost the opening of a frame. */
  admits(link: string, from: string, nowMs: number): boolean {
    const allowances = this.#allowances.get(link)
    if (!allowances || this.#trusted.get(link) === from) return true
    const allowance = allowances.get(from) ?? (allowances.size > sourcesMax ? allowances.get(others) : undefined)
    return allowance === undefined || refilled(allowance, nowMs).tokens >= 1
  }

  /** A frame from there was believed. */
  verified(link: string, from: string): void {
    this.#trusted.set(link, from)
  }

  /** Bytes were not believed. */
  refused(link: string, reason: string, from: string, detail: () => string | null, nowMs: number): void {
    this.#pay(link, from, nowMs)
    this.dropped(link, reason, from, detail, nowMs)
  }

  #pay(link: string, from: string, nowMs: number): void {
    const allowances = this.#allowances.get(link) ?? new Map<string, Allowance>()
    this.#allowances.set(link, allowances)
    const source = allowances.has(from) || allowances.size < sourcesMax ? from : others
    const allowance = allowances.get(source) ?? { tokens: burst, atMs: nowMs }
    allowances.set(source, allowance)
    allowance.tokens = Math.max(0, refilled(allowance, nowMs).tokens - 1)
  }

  /** Counts bytes that went no further, and tells of them unless that was done a moment ago. */
  dropped(link: string, reason: string, from: string, detail: () => string | null, nowMs: number): void {
    const counts = this.#counts.get(link) ?? new Map<string, number>()
    this.#counts.set(link, counts)
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
    const key = `${link} ${reason}`
    if (this.#notices.size >= kindsMax && !this.#notices.has(key)) return
    const notice = this.#notices.get(key) ?? { count: 0, nextMs: Number.NEGATIVE_INFINITY }
    this.#notices.set(key, notice)
    notice.count++
    if (nowMs < notice.nextMs) return
    this.#tell({ link, reason, from, count: notice.count, detail: detail() })
    notice.count = 0
    notice.nextMs = nowMs + tellEveryMs
  }

  /** How many were dropped on a link since the start, by reason. */
  counts(link: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts.get(link) ?? [])
  }

  /** Frames of a link that arrived from where the peer is said to be, and were not believed. */
  junk(link: string): number {
    let sum = 0
    for (const [reason, count] of this.#counts.get(link) ?? []) if (reason !== 'foreign-address') sum += count
    return sum
  }
}

function refilled(allowance: Allowance, nowMs: number): Allowance {
  allowance.tokens = Math.min(burst, allowance.tokens + ((nowMs - allowance.atMs) * perSecond) / 1000)
  allowance.atMs = nowMs
  return allowance
}
