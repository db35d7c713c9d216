import type { NamedEvent } from '../core/cluster-events.ts'

/** The last failure of a resource, or of a whole group. */
export interface Failure {
  readonly group: string
  /** Undefined: the group as a whole. */
  readonly resource: string | undefined
  /** What was said. */
  readonly reason: string
  /** When, in ISO 8601. */
  readonly time: string
  /** When it is looked at or tried again by itself, in ISO 8601; null where no such time is set. */
  readonly nextTry: string | null
}

/** Remembers what failed last, by resource and group. */
export class Failures {
  readonly #last = new Map<string, Failure>()

  note({ name, time, payload }: NamedEvent): void {
    if (name === 'resource:failed' || name === 'group:stuck') {
      const { group, resource, reason } = payload
      this.#put(`${group}\n${resource}`, { group, resource, reason, time, nextTry: null })
    } else if (name === 'group:failed') {
      const { group, reason, retryInMs } = payload
      const nextTry = new Date(Date.parse(time) + retryInMs).toISOString()
      this.#put(group, { group, resource: undefined, reason, time, nextTry })
    } else if (name === 'group:acquired') {
      const { group } = payload
      const failed = this.#last.get(group)
      if (failed) this.#last.set(group, { ...failed, nextTry: null })
    }
  }

  /** The newest last. */
  list(): readonly Failure[] {
    return [...this.#last.values()]
  }

  /** What failed last of these groups since a moment, or is waited for since before it, in words; undefined: nothing. */
  sentence(groups: readonly string[], sinceMs: number): string | undefined {
    const found = this.list().filter(
      ({ group, time, nextTry }) => groups.includes(group) && (Date.parse(time) >= sinceMs || nextTry !== null),
    )
    if (found.length === 0) return undefined
    const words = found.map(({ group, resource, reason, time, nextTry }) => {
      const what = resource === undefined ? group : `${resource} of ${group}`
      return `${what}, at ${time}: ${reason}${nextTry === null ? '' : ` (next try ${nextTry})`}`
    })
    return `last failure of ${words.join('; of ')}`
  }

  #put(key: string, failure: Failure): void {
    this.#last.delete(key)
    this.#last.set(key, failure)
  }
}

/** What somebody must hear of even where nobody listens. */
const grave: ReadonlySet<string> = new Set<NamedEvent['name']>(['fatal', 'group:failed', 'group:stuck'])

/** Says the grave things to the process, each once, of a member that has neither a logger nor a listener for them. */
export class Warnings {
  readonly #told = new Set<string>()

  tell({ name, payload }: NamedEvent, text: string): void {
    if (!grave.has(name)) return
    const { group } = payload as { readonly group?: string }
    const once = `${name} ${group}`
    if (this.#told.has(once)) return
    this.#told.add(once)
    process.emitWarning(text, { type: 'HotStandbyWarning', code: name })
  }
}
