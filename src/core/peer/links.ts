import type { EmitEvent } from '../types.ts'
import { Slowness, type SlowTimes } from './slowness.ts'
import { type VerdictQuality, Verdicts } from './verdict-statistics.ts'

/** What is known of one path to the peer. */
export interface LinkView {
  /** Name of the link. */
  readonly link: string
  /** Whether the peer is heard on it; null: not heard yet. */
  readonly up: boolean | null
  /** Frames come on it, each after nearly the dead time or more. */
  readonly slow: boolean
  /** How many of its packets were believed. */
  readonly packets: number
  /** Share of the peer's packets that did not come this way. */
  readonly lossRatio: number
  /** Round trip in milliseconds; null: not measured yet. */
  readonly rttMs: number | null
  /** How well this path was judged. */
  readonly quality: LinkQuality
}

/** How well one link was judged. A mistake: it was called down, and then no packet turned out to be lost on it. */
export interface LinkQuality extends VerdictQuality {
  /** How often it was called down. */
  readonly down: number
}

interface Link {
  readonly name: string
  readonly verdicts: Verdicts
  readonly slowness: Slowness
  up: boolean | null
  packets: number
  lastSeq: number
  expected: number
  /** In awake time, as all of it here but what the verdicts count. */
  lastHeardMs: number
  /** Monotonic: when anything came on it last, however old. */
  arrivedAtMs: number
  rttMs: number | null
}

/** A packet that came over a link: how old it surely is, and what its sender's clock showed. */
export interface Arrived {
  readonly ageMs: number
  readonly stampMs: number
}

/** The paths to the peer: what came over which, and which is down. Times are awake time; `monoMs` is monotonic. */
export class Links {
  readonly #links: ReadonlyMap<string, Link>
  readonly #event: EmitEvent

  constructor(names: readonly string[], event: EmitEvent) {
    this.#links = new Map(names.map((name) => [name, newLink(name)]))
    this.#event = event
  }

  view(monoMs: number): LinkView[] {
    return this.#all.map(({ name, up, packets, rttMs, verdicts, slowness, ...link }) => {
      const quality = { down: verdicts.count, ...verdicts.view(monoMs) }
      return {
        link: name,
        up,
        slow: slowness.isSlow,
        packets,
        lossRatio: lossRatio({ packets, ...link }),
        rttMs,
        quality,
      }
    })
  }

  get #all(): Link[] {
    return [...this.#links.values()]
  }

  /** Longest round trip; 0 when unknown. */
  get rttMs(): number {
    let rtt = 0
    for (const link of this.#links.values()) if (link.rttMs !== null) rtt = Math.max(rtt, link.rttMs)
    return rtt
  }

  /** What the quickest of the links that carry anything takes, beyond a quick line: no silence of the peer. */
  allowanceMs(monoMs: number, deadtimeMs: number): number {
    let least = Number.POSITIVE_INFINITY
    for (const { slowness, arrivedAtMs } of this.#links.values())
      if (monoMs - arrivedAtMs <= 2 * deadtimeMs) least = Math.min(least, slowness.allowanceMs(deadtimeMs))
    return least === Number.POSITIVE_INFINITY ? 0 : least
  }

  /** Judges how quick the link is by a packet that has just come; answers what of its age counts as silence. */
  timed(name: string, { ageMs, stampMs }: Arrived, monoMs: number, times: SlowTimes): number {
    const link = this.#links.get(name)
    if (!link) return ageMs
    link.arrivedAtMs = monoMs
    const changed = link.slowness.heard(ageMs, stampMs, monoMs, times)
    const allowanceMs = link.slowness.allowanceMs(times.deadtimeMs)
    if (changed && link.slowness.isSlow)
      this.#event('link:slow', {
        link: name,
        ageMs: Math.round(ageMs),
        limitMs: Math.round(times.deadtimeMs - 2 * times.keepaliveMs),
        deadtimeMs: times.deadtimeMs,
      })
    else if (changed) this.#event('link:up', { link: link.name })
    return Math.max(0, ageMs - allowanceMs)
  }

  start(now: number): void {
    for (const link of this.#links.values()) link.lastHeardMs = now
  }

  /** Any verified packet of the peer came this way, duplicates included. Answers whether the link came up by it. */
  heard(name: string, seq: number | undefined, now: number, monoMs: number): boolean {
    const link = this.#links.get(name)
    if (!link) return false
    link.packets++
    link.lastHeardMs = Math.max(link.lastHeardMs, now)
    const next = seq !== undefined && seq >= link.lastSeq && seq <= link.lastSeq + 1
    if (seq !== undefined) {
      if (link.lastSeq === 0 || seq < link.lastSeq - 1000 || seq > link.lastSeq + 1000) {
        link.expected = link.packets
      } else if (seq > link.lastSeq) link.expected += seq - link.lastSeq
      link.lastSeq = Math.max(seq, seq < link.lastSeq - 1000 ? 0 : link.lastSeq)
    }
    link.verdicts.heard(monoMs, next)
    if (link.up === true) return false
    link.up = true
    this.#event('link:up', { link: name })
    return true
  }

  /** A round trip was measured; it went over some link that is up. */
  measured(rttMs: number): void {
    for (const link of this.#links.values()) if (link.up) link.rttMs = rttMs
  }

  /** The peer has said good-bye: its silence says nothing of the links. */
  left(monoMs: number): void {
    for (const { verdicts } of this.#links.values()) verdicts.left(monoMs)
  }

  #silent(now: number, deadtimeMs: number): Link[] {
    return this.#all.filter(({ up, lastHeardMs }) => up && now >= lastHeardMs + deadtimeMs)
  }

  /** A link that was up is silent for the dead time. */
  anySilent(now: number, deadtimeMs: number): boolean {
    return this.#silent(now, deadtimeMs).length > 0
  }

  /** Says of those which are silent that they are down. */
  down(now: number, deadtimeMs: number, monoMs: number): void {
    for (const link of this.#silent(now, deadtimeMs)) {
      link.up = false
      const silentMs = Math.round(now - link.lastHeardMs)
      link.verdicts.givenUp(monoMs, silentMs)
      this.#event('link:down', { link: link.name, silentMs, lossRatio: lossRatio(link), rttMs: link.rttMs })
    }
  }

  /** When the next one will have been silent for the dead time; infinity: none is up. */
  nextCheckMs(deadtimeMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const link of this.#links.values()) if (link.up) nextMs = Math.min(nextMs, link.lastHeardMs + deadtimeMs)
    return nextMs
  }
}

function newLink(name: string): Link {
  return {
    name,
    verdicts: new Verdicts(),
    slowness: new Slowness(),
    up: null,
    packets: 0,
    lastSeq: 0,
    expected: 0,
    lastHeardMs: 0,
    arrivedAtMs: Number.NEGATIVE_INFINITY,
    rttMs: null,
  }
}

function lossRatio({ expected, packets }: Pick<Link, 'expected' | 'packets'>): number {
  if (expected <= 0) return 0
  return Math.max(0, Math.round((1 - packets / expected) * 1000) / 1000)
}
