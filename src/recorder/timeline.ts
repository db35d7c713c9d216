import type { CoreSnapshot } from '../core/core.ts'
import type { CoreEvent } from '../core/events.ts'
import { dialogueTable } from '../core/handover/table.ts'
import { ownershipTable } from '../core/ownership/table.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Effect, Input } from '../core/types.ts'
import type { Instant } from '../roles/time.ts'

/** One entry of a time line. */
export interface TimelineEntry {
  /** Wall clock of the host that told it, Unix time in milliseconds. */
  readonly wallMs: number
  readonly monoMs: number
  /**
   * `event`: what the node told; `decision`: a row of one of the two tables that changed a state, with its reason; `input`: a
   * command or something rare that was reported to the core; `note`: an event from outside the core (a link, an agent).
   */
  readonly kind: 'event' | 'decision' | 'input' | 'note'
  /** The group of a decision, or the peer. */
  readonly subject: string | undefined
  /** Name of the event, or the table's event. */
  readonly name: string
  /** One line for people. Of an event it is made by `describe`. */
  readonly text: string
  readonly payload: object | undefined
}

/** What happened on a node, and what it knew in the end. */
export interface Account {
  readonly node: string
  readonly peer: string
  readonly timeline: readonly TimelineEntry[]
  /** Everything since then is told. */
  readonly fromWallMs: number
  readonly toWallMs: number
  readonly lastMonoMs: number
  /** What the node knew in the end. */
  readonly after: CoreSnapshot
}

/** Makes entries of a time line of what goes into a core, what it decides, and what comes out. */
export class TimelineWriter {
  readonly #tell: (entry: TimelineEntry) => void
  #at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }

  constructor(tell: (entry: TimelineEntry) => void) {
    this.#tell = tell
  }

  /** Before the step: inputs that a reader wants to see; packets and ticks are too many. */
  input(input: Input): void {
    this.#at = input.at
    const text = rare[input.type]?.(input as never)
    if (text !== undefined) this.#add({ kind: 'input', subject: undefined, name: input.type, text, payload: undefined })
  }

  /** During the step: what the core hands to its `trace`. */
  decided({ table, subject, from, on, row, to: led }: TableStep): void {
    const taken = row === null ? undefined : (table === 'ownership' ? ownershipTable : dialogueTable)[row]
    if (!taken || taken.to === 'same' || taken.to === from) return
    const { to: said, why } = taken
    const to = led ?? said
    this.#add({ kind: 'decision', subject, name: on, text: `${from} -> ${to}: ${why}`, payload: { from, to } })
  }

  /** After the step. */
  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'emit') continue
      const { name, payload } = effect.event
      this.#add({ kind: 'event', subject: undefined, name, text: '', payload })
    }
  }

  /** An event from outside the core. */
  note({ name, monoMs, payload }: CoreEvent, wallMs: number): void {
    this.#tell({ wallMs, monoMs, kind: 'note', subject: undefined, name, text: '', payload })
  }

  /** What another teller has told after the input that was the last. */
  told(entry: Omit<TimelineEntry, 'wallMs' | 'monoMs'>): void {
    this.#add(entry)
  }

  #add(entry: Omit<TimelineEntry, 'wallMs' | 'monoMs'>): void {
    const { wallMs, monoMs } = this.#at
    this.#tell({ wallMs, monoMs, ...entry })
  }
}

type Rare = { readonly [Type in Input['type']]?: (input: Extract<Input, { type: Type }>) => string | undefined }

const rare: Rare = {
  start: () => 'the process started',
  stall: ({ stallMs }) => `this process was paused for ${Math.round(stallMs)} ms`,
  changed: ({ resource }) => `${resource} reported a change by itself`,
  operation: ({ opId, result }) => (result.ok ? undefined : `operation ${opId} failed: ${result.reason}`),
  command: ({ command }) => {
    if (command.name === 'send') return undefined
    const scope = 'scope' in command ? ` ${[command.scope].flat().join(' ')}` : ''
    return `command: ${command.name}${scope}`
  },
}
