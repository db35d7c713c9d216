import type { CoreEvent, EventName } from '../core/events.ts'
import type { Core } from '../core/step.ts'
import type { Effect, Input } from '../core/types.ts'
import type { Instant } from '../roles/time.ts'
import { digestOf, digestText } from './digest.ts'
import { type RecordingHead, SegmentWriter } from './recording.ts'

/** Where a recording goes besides memory; must neither throw nor wait. */
export interface RecordingSink {
  /** It would like a new segment to begin: its file is as long as it may be. */
  readonly full: boolean
  /** Part of a recording. `begins`: it starts with a head, so a file begins here. */
  write(text: string, begins: boolean): void
  /** Nothing more may follow for a while: write down what waits. */
  flush(): void
}

/** What a recorder is built from. */
export interface RecorderParts {
  /** What the core was built from. */
  readonly head: Omit<RecordingHead, 'recording' | 'saved'>
  /** Bytes kept in memory. */
  readonly memoryBytes: number
  readonly sink?: RecordingSink | undefined
  /** A role has changed, and what followed is recorded as well: a moment to keep everything that is in memory. */
  readonly onRoleChange?: ((event: CoreEvent) => void) | undefined
}

/** Text is put away as bytes in pieces of this size: many short strings would cost a multiple. */
const pieceBytes = 16_384
/** What has happened is in the file after so long at the latest. */
const flushEveryMs = 1000
/** A change of role is kept together with what followed for so long. */
const aftermathMs = 3000

/** After these a recording is worth keeping. */
const roleChanges: ReadonlySet<EventName> = new Set<EventName>([
  'group:acquired',
  'group:released',
  'group:stuck',
  'group:probation',
  'contested',
])

interface Segment {
  readonly writer: SegmentWriter
  readonly pieces: Uint8Array[]
  /** Not put away yet. */
  text: string
  bytes: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Keeps what the core was told, and a digest of what it did: enough to run it again elsewhere. */
export class Recorder {
  readonly #parts: RecorderParts
  readonly #segments: Segment[] = []
  #digest = 0
  #lastAt: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #flushAtMs = 0
  #roleChange: CoreEvent | undefined
  /** Nothing more is kept: memory is full, and no moment has come at which a new segment could begin. */
  #full = false

  constructor(parts: RecorderParts) {
    this.#parts = parts
    this.#begin(null)
  }

  /** The same core; every step of it is kept. */
  wrap(core: Core): Core {
    return {
      step: (input) => {
        const effects = core.step(input)
        this.#take(input, effects)
        return effects
      },
      view: () => core.view(),
      isNew: (mark) => core.isNew(mark),
    }
  }

  /** Something that did not come from the core is told as well. */
  note(event: CoreEvent): void {
    if (!this.#full) this.#add(this.#segment.writer.note(event, { ...this.#lastAt, monoMs: event.monoMs }))
  }

  /** Wall clock of the last input. */
  get lastWallMs(): number {
    return this.#lastAt.wallMs
  }

  /** Everything that is kept, as text. */
  recording(): string {
    return this.#segments
      .map(({ pieces, text }) => pieces.map((piece) => decoder.decode(piece)).join('') + text)
      .join('')
  }

  /** The node ends: what waits is kept now. */
  close(): void {
    this.#keepRoleChange(Number.POSITIVE_INFINITY)
    this.#parts.sink?.flush()
  }

  get #segment(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment
  }

  #begin(saved: unknown): void {
    const writer = new SegmentWriter()
    this.#segments.push({ writer, pieces: [], text: '', bytes: 0 })
    this.#digest = 0
    this.#full = false
    this.#add(writer.head({ recording: 1, ...this.#parts.head, saved }), true)
  }

  #take(input: Input, effects: readonly Effect[]): void {
    this.#lastAt = input.at
    if (!this.#full) this.#write(input, effects)
    for (const effect of effects)
      if (effect.type === 'emit' && roleChanges.has(effect.event.name)) this.#roleChange ??= effect.event
    const { monoMs } = input.at
    this.#keepRoleChange(monoMs)
    if (monoMs < this.#flushAtMs) return
    this.#flushAtMs = monoMs + flushEveryMs
    this.#parts.sink?.flush()
  }

  #write(input: Input, effects: readonly Effect[]): void {
    const body = this.#segment.writer.input(input)
    // Each digest goes on from the last: a line that is missing or altered is found as well as an effect that differs.
    this.#digest = digestOf(digestOf(this.#digest, body), effects)
    this.#add(`[${body},"${digestText(this.#digest)}"]\n`)
    if (this.#segment.bytes < this.#parts.memoryBytes) return
    const message = 'recorder.memoryBytes are full: what followed is not recorded'
    const payload = { where: 'recorder', code: 'HS_RECORDING', message }
    this.note({ name: 'problem', monoMs: input.at.monoMs, payload })
    this.#full = true
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
    segment.bytes += text.length
    this.#parts.sink?.write(text, begins)
    if (segment.text.length < pieceBytes) return
    segment.pieces.push(encoder.encode(segment.text))
    segment.text = ''
  }
}
