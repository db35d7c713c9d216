import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Core } from '../core/core.ts'
import type { CoreEvent, EventName } from '../core/events.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Effect, Input } from '../core/types.ts'
import { digestOf, digestText } from '../options/digest.ts'
import type { Instant } from '../roles/time.ts'
import { type Continued, type RecordingHead, recordingFormat, SegmentWriter } from './recording.ts'
import { type TimelineEntry, TimelineWriter } from './timeline.ts'

/** Where a recording goes besides memory; must neither throw nor wait. */
export interface RecordingSink {
  /** It would like a new segment to begin: its file is as long as it may be. */
  readonly full: boolean
  /** Part of a recording. `begins`: it starts with a head, so a file may begin here. */
  write(text: string, begins: boolean): void
  /** Nothing more may follow for a while: write down what waits. */
  flush(): void
}

/** What a recorder is built from. */
export interface RecorderParts {
  /** What the core was built from. */
  readonly head: Omit<RecordingHead, 'recording' | 'continues'>
  /** Bytes kept in memory, deflated: the newest. */
  readonly memoryBytes: number
  readonly sink?: RecordingSink | undefined
  /** A role has changed, and what followed is recorded as well: a moment to keep everything that is in memory. */
  readonly onRoleChange?: ((event: CoreEvent) => void) | undefined
  /** Memory was full for the first time: from now on it begins in the middle, and can be read but not run again. */
  readonly onFull?: (() => void) | undefined
}

/**
 * Text is put away deflated, in pieces of this size: many short strings would cost a multiple, and memory lasts 3.5 times as long.
 * One takes about half a millisecond, once in some hundred packets.
 */
const pieceChars = 16_384
/** What has happened is in the file after so long at the latest. */
const flushEveryMs = 1000
/** A change of role is kept together with what followed for so long. */
const aftermathMs = 3000

/** Memory holds so many segments; the oldest of them goes whole. */
const segmentsInMemory = 4

/** After these a recording is worth keeping. */
const roleChanges: ReadonlySet<EventName> = new Set<EventName>([
  'group:acquired',
  'group:released',
  'group:stuck',
  'group:probation',
  'contested',
])

interface Segment {
  readonly number: number
  readonly writer: SegmentWriter
  readonly pieces: Uint8Array[]
  /** Of the pieces together. */
  piecesBytes: number
  /** Not put away yet. */
  text: string
}

const bytesOf = ({ piecesBytes, text }: Segment): number => piecesBytes + text.length
const textOf = ({ pieces, text }: Segment): string =>
  Buffer.concat(pieces.map((piece) => inflateRawSync(piece))).toString() + text

/**
 * Keeps what the core was told, and a digest of what it did: enough to run it again elsewhere, from the start of the process. When
 * memory is full the oldest goes; of the rest it is told what it meant, since a core cannot begin in the middle.
 */
export class Recorder {
  readonly #parts: RecorderParts
  readonly #segments: Segment[] = []
  readonly #timelineWriter = new TimelineWriter((entry) => this.#told.push(entry))
  /** Of the step that runs: written after its input. */
  readonly #told: TimelineEntry[] = []
  #core: Core | undefined
  #digest = 0
  #lastAt: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #flushAtMs = 0
  #roleChange: CoreEvent | undefined

  constructor(parts: RecorderParts) {
    this.#parts = parts
    this.#begin(0, null)
  }

  /** For the core's `trace`. */
  readonly decided = (step: TableStep): void => this.#timelineWriter.decided(step)

  /** The same core; every step of it is kept. */
  wrap(core: Core): Core {
    this.#core = core
    return {
      step: (input) => {
        const effects = core.step(input)
        this.#take(core, input, effects)
        return effects
      },
      view: () => core.view(),
      isNew: (mark) => core.isNew(mark),
      news: () => core.news(),
    }
  }

  /** Something that did not come from the core is told as well. */
  note(event: CoreEvent): void {
    this.#add(this.#segment.writer.note(event, { ...this.#lastAt, monoMs: event.monoMs }))
  }

  /** Wall clock of the last input. */
  get lastWallMs(): number {
    return this.#lastAt.wallMs
  }

  /** Everything that is kept, as text. */
  recording(): string {
    const text = this.#segments.map(textOf).join('')
    const inTheMiddle = this.#segments[0]?.number !== 0
    return inTheMiddle && this.#core ? text + this.#segment.writer.view(this.#core.view()) : text
  }

  /** The node ends: what waits is kept now. */
  close(): void {
    this.#keepRoleChange(Number.POSITIVE_INFINITY)
    this.#parts.sink?.flush()
  }

  get #segment(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment
  }

  #begin(number: number, continues: Continued | null): void {
    const writer = new SegmentWriter()
    this.#segments.push({ number, writer, pieces: [], piecesBytes: 0, text: '' })
    this.#add(writer.head({ recording: recordingFormat, ...this.#parts.head, continues }), true)
  }

  #take(core: Core, input: Input, effects: readonly Effect[]): void {
    this.#lastAt = input.at
    this.#write(core, input, effects)
    for (const effect of effects)
      if (effect.type === 'emit' && roleChanges.has(effect.event.name)) this.#roleChange ??= effect.event
    const { monoMs } = input.at
    this.#keepRoleChange(monoMs)
    if (monoMs < this.#flushAtMs) return
    this.#flushAtMs = monoMs + flushEveryMs
    this.#parts.sink?.flush()
  }

  #write(core: Core, input: Input, effects: readonly Effect[]): void {
    const { writer } = this.#segment
    const body = writer.input(input)
    // Each digest goes on from the last: a line that is missing or altered is found as well as an effect that differs.
    this.#digest = digestOf(digestOf(this.#digest, body), effects)
    this.#add(`[${body},"${digestText(this.#digest)}"]\n`)
    this.#timelineWriter.effects(effects)
    for (const entry of this.#told.splice(0)) this.#add(writer.told(entry))
    const { number } = this.#segment
    if (bytesOf(this.#segment) < this.#parts.memoryBytes / segmentsInMemory && !this.#parts.sink?.full) return
    this.#begin(number + 1, { segment: number + 1, digest: digestText(this.#digest), view: core.view() })
    this.#forget()
  }

  /** The oldest goes, a segment at a time. */
  #forget(): void {
    const inMemory = () => this.#segments.reduce((sum, segment) => sum + bytesOf(segment), 0)
    while (this.#segments.length > 1 && inMemory() > this.#parts.memoryBytes) {
      if (this.#segments.shift()?.number === 0) this.#parts.onFull?.()
    }
  }

  #keepRoleChange(monoMs: number): void {
    const change = this.#roleChange
    if (!change || monoMs < change.monoMs + aftermathMs) return
    this.#roleChange = undefined
    this.#parts.onRoleChange?.(change)
  }

  #add(text: string, begins = false): void {
    const segment = this.#segment
    segment.text += text
    this.#parts.sink?.write(text, begins)
    if (segment.text.length < pieceChars) return
    const piece = deflateRawSync(segment.text)
    segment.pieces.push(piece)
    segment.piecesBytes += piece.length
    segment.text = ''
  }
}
