import type { Core } from '../core/core.ts'
import type { CoreEvent } from '../core/events.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Instant } from '../roles/time.ts'
import { lastChange, quiet } from './explain.ts'
import { type Account, type TimelineEntry, TimelineWriter } from './timeline.ts'

/** Text of so many characters is kept. */
const chronicleMaxChars = 262_144

/**
 * What a running member has told, with the reasons of its decisions: a bounded time line. The oldest goes first, but the last
 * change of role of each group never.
 */
export class TimelineStore {
  readonly #node: string
  readonly #peer: string
  readonly #maxChars: number
  /** As JSON: an entry takes as much room as it has characters. */
  #entries: string[] = []
  #chars = 0
  #core: Core | undefined
  #at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #fromWallMs: number | undefined
  readonly #timelineWriter = new TimelineWriter((entry) => this.#add(entry))

  constructor(node: string, peer: string, maxChars: number = chronicleMaxChars) {
    this.#node = node
    this.#peer = peer
    this.#maxChars = maxChars
  }

  /** For the core's `trace`. */
  readonly decided = (step: TableStep): void => this.#timelineWriter.decided(step)

  /** The same core; what every step of it tells is kept. */
  wrap(core: Core): Core {
    this.#core = core
    return {
      step: (input) => {
        this.#at = input.at
        this.#fromWallMs ??= input.at.wallMs
        this.#timelineWriter.input(input)
        const effects = core.step(input)
        this.#timelineWriter.effects(effects)
        return effects
      },
      view: () => core.view(),
      isNew: (mark) => core.isNew(mark),
      news: () => core.news(),
    }
  }

  /** Something that did not come from the core is told as well. */
  note(event: CoreEvent): void {
    this.#timelineWriter.note(event, this.#at.wallMs)
  }

  /** What has happened until now; undefined before there is a core. */
  get account(): Account | undefined {
    return this.#core && this.#accountOf(this.#core, this.#timeline())
  }

  #accountOf(core: Core, timeline: readonly TimelineEntry[]): Account {
    return {
      node: this.#node,
      peer: this.#peer,
      timeline,
      fromWallMs: this.#fromWallMs ?? this.#at.wallMs,
      toWallMs: this.#at.wallMs,
      lastMonoMs: this.#at.monoMs,
      after: core.view(),
    }
  }

  #timeline(): TimelineEntry[] {
    return this.#entries.map((entry) => JSON.parse(entry) as TimelineEntry)
  }

  /** What an application says to its peer changes no role, and is nobody's business. */
  #add(entry: TimelineEntry): void {
    if (quiet.has(entry.name) || entry.name === 'message') return
    const text = JSON.stringify(entry)
    this.#entries.push(text)
    this.#chars += text.length
    if (this.#chars > this.#maxChars) this.#trim()
  }

  /** Half of it is enough for what is new. Of the older the changes of role stay, and of what led to them as much as has room. */
  #trim(): void {
    const timeline = this.#timeline()
    const account = this.#core && this.#accountOf(this.#core, timeline)
    const changes = account ? account.after.groups.flatMap(({ name }) => lastChange(account, name) ?? []) : []
    const pinned = new Set(changes.flatMap(({ began, last }) => [began, last]))
    const belongs = ({ monoMs }: TimelineEntry) =>
      changes.some(({ fromMonoMs, toMonoMs }) => monoMs >= fromMonoMs && monoMs <= toMonoMs)
    let left = this.#maxChars / 2
    let leftOlder = this.#maxChars / 4
    const kept = this.#entries.toReversed().filter((text, fromEnd) => {
      const entry = timeline[timeline.length - 1 - fromEnd] as TimelineEntry
      if (left > 0) left -= text.length
      else if (!pinned.has(entry)) {
        if (!belongs(entry) || leftOlder < text.length) return false
        leftOlder -= text.length
      }
      return true
    })
    this.#entries = kept.reverse()
    this.#chars = this.#entries.reduce((chars, { length }) => chars + length, 0)
  }
}
