import type { ClusterEvents, NamedEvent } from '../core/cluster-events.ts'
import { readClaims } from '../core/peer/claims.ts'
import { text } from '../wire/message.ts'
import { describe, levelOf } from './describe.ts'
import { lastChange, quiet, sentence } from './explain.ts'
import { readRecording } from './recording.ts'
import { replay } from './replay.ts'
import type { TimelineEntry } from './timeline.ts'

/** Something that lasted. Times are Unix time in milliseconds, by the clock of the host that recorded. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
  /** A state of a group, `silent` from the last word of a peer that was called dead; of a link `down`. */
  readonly what: string
}

/** Something that happened. */
export interface Mark {
  readonly atMs: number
  readonly kind: 'decision' | 'error' | 'warn' | 'info'
  readonly text: string
}

/** What one recording tells, as it is drawn. */
export interface NodeStory {
  readonly node: string
  readonly peer: string
  readonly fromMs: number
  readonly toMs: number
  /** Around the last change of role; the whole, where none has changed. */
  readonly windowMs: readonly [fromMs: number, toMs: number]
  /** States of each group here, and what the peer said of it while it was heard. */
  readonly groups: ReadonlyMap<string, { readonly here: readonly Span[]; readonly atPeer: readonly Span[] }>
  /** When a packet of the peer came over each link, and when the link was down. */
  readonly links: ReadonlyMap<string, { readonly beatsMs: readonly number[]; readonly downs: readonly Span[] }>
  readonly marks: readonly Mark[]
}

/** Makes spans of changes. */
class Track {
  readonly spans: Span[] = []
  #what: string | undefined
  #fromMs = 0

  turn(what: string | undefined, atMs: number): void {
    if (what === this.#what) return
    if (this.#what !== undefined && atMs > this.#fromMs)
      this.spans.push({ fromMs: this.#fromMs, toMs: atMs, what: this.#what })
    this.#what = what
    this.#fromMs = atMs
  }
}

/** The track of a name, made at its first use. */
function trackOf(tracks: Map<string, Track>, name: string): Track {
  const found = tracks.get(name) ?? new Track()
  tracks.set(name, found)
  return found
}

/** Reads what one node has recorded; `parts` are the texts of its files, the oldest first. */
export function nodeStory(parts: readonly string[]): NodeStory {
  const result = replay(parts)
  const { node, peer, timeline, fromWallMs: fromMs, before, after } = result
  // What began with the last input is seen, too.
  const toMs = result.toWallMs + 1
  const here = new Map(before.groups.map(({ name, state }) => [name, started(state, fromMs)]))
  const downs = new Map(before.links.map(({ link }) => [link, new Track()]))
  const beats = new Map(before.links.map(({ link }) => [link, [] as number[]]))
  const changes = [...heardOf(parts, beats), ...timeline].sort((one, other) => one.wallMs - other.wallMs)
  const atPeer = new Map<string, Track>()
  for (const change of changes) {
    if ('claims' in change)
      for (const [group, state] of change.claims) trackOf(atPeer, group).turn(state, change.wallMs)
    else if (change.kind === 'decision') {
      const to = /^\w+ -> (\w+):/.exec(change.text)?.[1]
      here.get(change.subject ?? '')?.turn(to, change.wallMs)
    } else if (change.kind === 'event') {
      const { link } = (change.payload ?? {}) as { readonly link?: string }
      if (change.name === 'link:down' || change.name === 'link:up')
        trackOf(downs, link ?? '').turn(change.name === 'link:down' ? 'down' : undefined, change.wallMs)
      if (change.name === 'peer:dead' || change.name === 'peer:left')
        for (const track of atPeer.values()) {
          // Nobody knows what it was after its last word: it may have died with that.
          const { silentMs = 0 } = change.payload as { readonly silentMs?: number }
          track.turn('silent', change.wallMs - silentMs)
          track.turn(undefined, change.wallMs)
        }
    }
  }
  for (const track of [...here.values(), ...atPeer.values(), ...downs.values()]) track.turn(undefined, toMs)
  const last = lastChange({ timeline, after })
  const shiftMs = last ? last.last.wallMs - last.last.monoMs : 0
  return {
    node,
    peer,
    fromMs,
    toMs,
    windowMs: last
      ? [Math.max(fromMs, last.fromMonoMs + shiftMs), Math.min(toMs, last.toMonoMs + shiftMs)]
      : [fromMs, toMs],
    groups: new Map(
      [...here].map(([name, track]) => [name, { here: track.spans, atPeer: atPeer.get(name)?.spans ?? [] }]),
    ),
    links: new Map([...beats].map(([link, beatsMs]) => [link, { beatsMs, downs: downs.get(link)?.spans ?? [] }])),
    marks: timeline.flatMap(markOf),
  }
}

function started(state: string, atMs: number): Track {
  const track = new Track()
  track.turn(state, atMs)
  return track
}

/** What the peer said of its groups in each packet. Notes when packets came. */
function heardOf(
  parts: readonly string[],
  beats: Map<string, number[]>,
): { readonly wallMs: number; readonly claims: readonly (readonly [group: string, state: string])[] }[] {
  const heard = []
  for (const line of readRecording(parts)) {
    if (line.kind !== 'input' || line.input.type !== 'message') continue
    const { link, message, at } = line.input
    const ofLink = beats.get(link) ?? []
    beats.set(link, ofLink)
    ofLink.push(at.wallMs)
    const list = text(message, 'hsgrp')
    if (list === undefined) continue
    const claims = [...readClaims(list).groups].map(([group, { state, claim }]) => [group, state ?? claim] as const)
    heard.push({ wallMs: at.wallMs, claims })
  }
  return heard
}

function markOf(entry: TimelineEntry): readonly Mark[] {
  const { wallMs: atMs, kind, name, payload } = entry
  if (kind === 'decision') return [{ atMs, kind, text: sentence(entry) }]
  if (kind === 'input') return [{ atMs, kind: 'info', text: sentence(entry) }]
  if (quiet.has(name)) return []
  const event = { name: name as keyof ClusterEvents, time: '', payload: payload ?? {} } as NamedEvent
  const level = levelOf(event)
  return level === 'debug' ? [] : [{ atMs, kind: level, text: describe(event) }]
}
