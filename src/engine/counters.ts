import type { NamedEvent } from '../core/cluster-events.ts'
import type { Reason } from '../core/events.ts'

/** How often each event was told, by name; one that never was is absent. */
export type EventCounts = Readonly<Partial<Record<NamedEvent['name'], number>>>

/** What has happened to a group on this node since the member was made. */
export interface GroupCounts {
  /** How often this node came to serve it, by reason. */
  readonly takings: Readonly<Partial<Record<Reason, number>>>
  /** How long it took the last time, in milliseconds; null before the first. */
  readonly lastTakingMs: number | null
  /** How often a check of each resource failed; one that never did is absent. */
  readonly resourceFailures: Readonly<Record<string, number>>
}

/** Counts what is told. Judges nothing. */
export class Counters {
  readonly #events = new Map<NamedEvent['name'], number>()
  readonly #takings = new Map<string, Map<Reason, number>>()
  readonly #lastTakingMs = new Map<string, number>()
  readonly #failures = new Map<string, Map<string, number>>()

  note({ name, payload }: NamedEvent): void {
    add(this.#events, name)
    if (name === 'group:acquired') {
      const { group, reason, tookMs } = payload
      add(inner(this.#takings, group), reason)
      this.#lastTakingMs.set(group, tookMs)
    } else if (name === 'resource:failed') {
      const { group, resource, action } = payload
      // A check that could not be made says nothing of the resource.
      if (action !== 'look') add(inner(this.#failures, group), resource)
    }
  }

  get events(): EventCounts {
    return Object.fromEntries(this.#events)
  }

  group(name: string): GroupCounts {
    return {
      takings: Object.fromEntries(this.#takings.get(name) ?? []),
      lastTakingMs: this.#lastTakingMs.get(name) ?? null,
      resourceFailures: Object.fromEntries(this.#failures.get(name) ?? []),
    }
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function inner<Key>(outer: Map<string, Map<Key, number>>, name: string): Map<Key, number> {
  const found = outer.get(name) ?? new Map<Key, number>()
  outer.set(name, found)
  return found
}
