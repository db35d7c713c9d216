/** One event for each link and reason in this time. */
const tellEveryMs = 1000
const kindsMax = 256

/** Frames that cost a signature and were not news, which one address may send at once, and how many more in a second. */
const allowanceOf = { burst: 200, perSecond: 200 }
/** What all addresses beyond their allowance share while the peer's address is not known: any of them may be its. */
const reserveOf = { burst: 2000, perSecond: 2000 }
/** Addresses that are told apart on a link; all others share one allowance, so that invented ones buy nothing. */
const addressesMax = 64
const others = ''
/** Addresses that brought news are the peer's for so long; it may send from a few. */
const trustMs = 10_000
const trustedMax = 4
/** Frames of a link that were news, kept to know them again without their signature. */
const keptMax = 256
/** The end of a frame is its signature or its seal: one that ends otherwise is another frame. */
const tailBytes = 24
/** Refusals that cost next to nothing; they are counted and use nothing up. */
const cheap: ReadonlySet<string> = new Set(['oversize', 'malformed', 'unsealed', 'version', 'replayed'])

interface Allowance {
  readonly limits: { readonly burst: number; readonly perSecond: number }
  tokens: number
  atMs: number
}

/** What is known of the senders of one link. */
class Senders {
  readonly allowances = new Map<string, Allowance>()
  /** When an address last brought something new that was believed. */
  readonly trusted = new Map<string, number>()
  readonly reserve = allowance(reserveOf, 0)
  readonly kept = new Map<string, Uint8Array>()

  knowsPeer(nowMs: number): boolean {
    for (const [address, atMs] of this.trusted) if (nowMs - atMs > trustMs) this.trusted.delete(address)
    return this.trusted.size > 0
  }

  allowanceOf(address: string): Allowance | undefined {
    return (
      this.allowances.get(address) ?? (this.allowances.size > addressesMax ? this.allowances.get(others) : undefined)
    )
  }

  trust(address: string, nowMs: number): void {
    // Deleted first: the order of the map is that of the news.
    this.trusted.delete(address)
    this.trusted.set(address, nowMs)
    if (this.trusted.size > trustedMax) forgetFirst(this.trusted)
  }

  keep(frame: Uint8Array): void {
    this.kept.set(tailOf(frame), frame.slice())
    if (this.kept.size > keptMax) forgetFirst(this.kept)
  }

  pay(address: string, nowMs: number): void {
    const source = this.allowances.has(address) || this.allowances.size < addressesMax ? address : others
    const known = this.allowances.get(source) ?? allowance(allowanceOf, nowMs)
    this.allowances.set(source, known)
    take(known, nowMs)
  }
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
 * What keeps junk and replays from costing this process its time. Senders are told apart by address, never by port. An address
 * that sends what is not news is soon not read any more; the peer's own, which is the one that brings news, always is. What is
 * turned away is counted by link and reason, and rarely told.
 */
export class IngressFilter {
  readonly #tell: (notice: DropNotice) => void
  readonly #notices = new Map<string, { count: number; nextMs: number }>()
  readonly #counts = new Map<string, Map<string, number>>()
  readonly #senders = new Map<string, Senders>()

  constructor(tell: (notice: DropNotice) => void) {
    this.#tell = tell
  }

  /** Whether bytes from there may cost the opening of a frame. */
  admits(link: string, from: string, nowMs: number): boolean {
    const senders = this.#senders.get(link)
    const address = addressOf(from)
    if (!senders || senders.trusted.has(address)) return true
    const own = senders.allowanceOf(address)
    if (own === undefined || refilled(own, nowMs).tokens >= 1) return true
    return !senders.knowsPeer(nowMs) && take(senders.reserve, nowMs)
  }

  /** Whether this very frame was news on this link a while ago; asked before its signature is looked at. */
  isRepeated(link: string, frame: Uint8Array): boolean {
    const kept = this.#senders.get(link)?.kept.get(tailOf(frame))
    return kept !== undefined && Buffer.compare(kept, frame) === 0
  }

  /** A frame from there told something new, and was believed. A frame that only carries a right signature may be a replay. */
  news(link: string, from: string, frame: Uint8Array, nowMs: number): void {
    const senders = this.#sendersOf(link)
    senders.trust(addressOf(from), nowMs)
    senders.keep(frame)
  }

  /** A frame from there was verified for nothing: it was no news. */
  stale(link: string, from: string, nowMs: number): void {
    this.#sendersOf(link).pay(addressOf(from), nowMs)
  }

  /** Bytes were not believed. */
  refused(link: string, reason: string, from: string, detail: () => string | null, nowMs: number): void {
    if (!cheap.has(reason)) this.#sendersOf(link).pay(addressOf(from), nowMs)
    this.dropped(link, reason, from, detail, nowMs)
  }

  #sendersOf(link: string): Senders {
    const senders = this.#senders.get(link) ?? new Senders()
    this.#senders.set(link, senders)
    return senders
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

/** `10.0.0.2` of `10.0.0.2:694`, `[fe80::1]` of `[fe80::1]:694`. A port is anybody's to choose. */
function addressOf(from: string): string {
  const colon = from.lastIndexOf(':')
  return colon < 0 ? from : from.slice(0, colon)
}

function tailOf(frame: Uint8Array): string {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString(
    'latin1',
    Math.max(0, frame.length - tailBytes),
  )
}

function forgetFirst(map: Map<string, unknown>): void {
  map.delete(map.keys().next().value as string)
}

function allowance(limits: Allowance['limits'], atMs: number): Allowance {
  return { limits, tokens: limits.burst, atMs }
}

function refilled(known: Allowance, nowMs: number): Allowance {
  const { burst, perSecond } = known.limits
  known.tokens = Math.min(burst, known.tokens + ((nowMs - known.atMs) * perSecond) / 1000)
  known.atMs = nowMs
  return known
}

/** Takes one; false when there was none. */
function take(known: Allowance, nowMs: number): boolean {
  const had = refilled(known, nowMs).tokens >= 1
  known.tokens = Math.max(0, known.tokens - 1)
  return had
}
