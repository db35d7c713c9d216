import type { NamedEvent } from '../core/cluster-events.ts'
import type { EventName } from '../core/events.ts'
import { describe } from './describe.ts'

/** One line of what a member has lived through, over its restarts too. Plain data. */
export interface HistoryEntry {
  /** When, in ISO 8601, by the clock of this host. */
  readonly time: string
  /** Name of the event that it was, or `started`: a run of the member began. */
  readonly event: string
  /** Which groups it concerns; none: the member or the peer as a whole. */
  readonly groups: readonly string[]
  /** What happened, for people. */
  readonly text: string
}

/** So many entries are kept, the newest; a file of them stays small enough to be written anew each time. */
const entriesMax = 200

/** What is worth to be remembered for months: who served when, why, who asked for it, and what stood in the way. */
const kept: ReadonlySet<string> = new Set<EventName>([
  'group:starting',
  'group:acquired',
  'group:stopping',
  'group:released',
  'group:failed',
  'group:stuck',
  'contested',
  'move:asked',
  'move:failed',
  'maintenance',
  'peer:dead',
  'peer:mistake',
  'isolated',
  'fatal',
])

/** Keeps the last moves of a member, and hands all of them on whenever one was added. */
export class History {
  readonly #entries: HistoryEntry[]
  readonly #keep: (entries: readonly HistoryEntry[]) => void

  /** `earlier` is what an earlier run has kept: whatever of it is no entry is left out. */
  constructor(earlier: readonly unknown[], keep: (entries: readonly HistoryEntry[]) => void) {
    this.#entries = earlier.filter(isEntry).slice(-entriesMax)
    this.#keep = keep
  }

  note(event: NamedEvent): void {
    if (!kept.has(event.name)) return
    const { group, groups } = event.payload as { readonly group?: string; readonly groups?: readonly string[] }
    this.add({
      time: event.time,
      event: event.name,
      groups: groups ?? (group === undefined ? [] : [group]),
      text: describe(event),
    })
  }

  add(entry: HistoryEntry): void {
    this.#entries.push(entry)
    if (this.#entries.length > entriesMax) this.#entries.shift()
    this.#keep(this.#entries)
  }

  /** The newest last. */
  list(): readonly HistoryEntry[] {
    return [...this.#entries]
  }
}

function isEntry(value: unknown): value is HistoryEntry {
  if (typeof value !== 'object' || value === null) return false
  const { time, event, groups, text } = value as Partial<Record<keyof HistoryEntry, unknown>>
  const texts = [time, event, text].every((part) => typeof part === 'string')
  return texts && Array.isArray(groups) && groups.every((name) => typeof name === 'string')
}
