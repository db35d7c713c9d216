import type { CoreSnapshot } from '../core/core.ts'
import type { CoreEvent } from '../core/events.ts'
import { payloadType } from '../core/peer/application-messages.ts'
import type { CoreConfig, Happening, Input, Mark } from '../core/types.ts'
import { digestOfBytes, digestText } from '../options/digest.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'
import { printableJson } from '../roles/printable.ts'
import type { Instant } from '../roles/time.ts'
import { fromBase64, toBase64 } from '../wire/base64.ts'
import { type Field, type Message, text } from '../wire/message.ts'
import type { TimelineEntry } from './timeline.ts'

/** Format of a recording; another number is another format. */
export const recordingFormat = 2

/** First line of a segment: everything that the core began with, and where this segment goes on. */
export interface RecordingHead {
  readonly recording: typeof recordingFormat
  /** Version of the library that recorded. */
  readonly library: string
  readonly config: CoreConfig
  /** Which detector judged, so that a replay makes the same one. */
  readonly liveness: { readonly type: string; readonly times: LivenessTimes; readonly settings?: object | undefined }
  /** The segment that it goes on from; null: it begins with the process. */
  readonly continues: Continued | null
}

/** A segment goes on where another ended. */
export interface Continued {
  /** Number of this segment; the first of a process has 0 and continues none. */
  readonly segment: number
  /** Digest at the end of the segment before. */
  readonly digest: string
  /** What the node knew then: for people. A core cannot begin with it. */
  readonly view: CoreSnapshot
}

/** What the core told and decided in the step of the input before: for readers of a recording that begins in the middle. */
export type ToldLine = Pick<TimelineEntry, 'kind' | 'subject' | 'name' | 'text' | 'payload'>

/** One line of a recording, taken apart. */
export type RecordedLine =
  | { readonly kind: 'head'; readonly head: RecordingHead }
  | { readonly kind: 'input'; readonly input: Input; readonly digest: string; readonly body: string }
  /** An event that did not come from the core: of the loop, a link, an agent. */
  | { readonly kind: 'note'; readonly event: CoreEvent; readonly wallMs: number }
  | { readonly kind: 'told'; readonly told: ToldLine }
  /** What the node knows in the end of a recording that begins in the middle. */
  | { readonly kind: 'view'; readonly view: CoreSnapshot }

/** Where a line is. */
export interface Place {
  /** Index of the text that it is in, of those that were given. */
  readonly part: number
  /** Its number there, from 1. */
  readonly line: number
}

/** Monotonic time is counted in these steps (1/1024 ms): sums of them are exact, so a difference is enough. */
const stepsPerMs = 1024
/** Kinds of messages that are remembered, so that the next of a kind is written as a difference. */
const kindsMax = 64
/** Messages of this type carry bytes of the application, or text that a daemon has made of them. */
const isApplication = (type: string | undefined): boolean => type === payloadType

/** Length and hash of bytes: all that a recording keeps of an application's message. */
function tagOf(bytes: Uint8Array): string {
  return `${bytes.length}:${digestText(digestOfBytes(0, bytes))}`
}

/** Bytes of the same length, without the content. */
function fromTag(tag: string): Uint8Array {
  return new Uint8Array(Number.parseInt(tag, 10))
}

/** Bytes that are no secret and no message: the node's uuid, and random bytes, which travel as challenges in the open. */
const open: ReadonlySet<string> = new Set(['uuid', 'bytes'])

/** JSON, with what JSON cannot say: bytes, and the infinities. Bytes of the application are told by length and hash alone. */
function replacer(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as Readonly<Record<string, unknown>>)[key] // a Buffer has put itself into other words already
  if (raw instanceof Uint8Array)
    return open.has(key) ? { $bytes: toBase64(Uint8Array.from(raw)) } : { $tag: tagOf(raw) }
  if (typeof raw === 'number' && !Number.isFinite(raw)) return { $number: String(raw) }
  return value
}

function json(value: unknown): string {
  return printableJson(value, replacer)
}

function reviver(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { $tag, $bytes, $number } = value as Record<string, unknown>
  if (typeof $tag === 'string') return fromTag($tag)
  if (typeof $bytes === 'string') return fromBase64($bytes) ?? new Uint8Array()
  if (typeof $number === 'string') return Number($number)
  return value
}

type Time = number | readonly [monoMs: number, bootMs: number, wallMs: number]
/** A value as it is written: text as it is, bytes as base64, what is the application's as length and hash. */
function written({ name, value }: Field, application: boolean): string {
  const bytes = application && name === 'payload' && typeof value === 'string' ? new TextEncoder().encode(value) : value
  if (typeof bytes === 'string') return printableJson(bytes)
  return application && name !== 'srcuuid' ? `{"$tag":"${tagOf(bytes)}"}` : `"${toBase64(bytes)}"`
}

function read(type: Field['type'], value: string | Uint8Array): Field['value'] {
  if (type === 0) return typeof value === 'string' ? value : '-'.repeat(value.length)
  return typeof value === 'string' ? (fromBase64(value) ?? new Uint8Array()) : value
}

function sameValue(one: Field['value'], other: Field['value']): boolean {
  if (one === other) return true
  if (typeof one === 'string' || typeof other === 'string' || one.length !== other.length) return false
  return one.every((byte, index) => byte === other[index])
}

/** What writer and reader of one segment both remember: times and messages are written as differences. */
class Memory {
  monoMs = 0
  bootMs = 0
  wallMs = 0
  session = ''
  readonly #messages = new Map<string, Message>()

  last(link: string, type: string): Message | undefined {
    return this.#messages.get(`${link} ${type}`)
  }

  remember(link: string, type: string, message: Message): void {
    const kind = `${link} ${type}`
    if (this.#messages.size >= kindsMax && !this.#messages.has(kind)) this.#messages.clear()
    this.#messages.set(kind, message)
  }
}

/** Writes the lines of one segment. Application payloads become length and hash; keys are in no input. */
export class SegmentWriter {
  readonly #memory = new Memory()

  head(head: RecordingHead): string {
    return `${json(head)}\n`
  }

  /** The line without its digest. */
  input({ at, ...happening }: Input): string {
    const time = this.#time(at)
    if (happening.type !== 'message') {
      const { type, ...rest } = happening
      return `"${type}",${time}${Object.keys(rest).length === 0 ? '' : `,${json(rest)}`}`
    }
    const { link, keyId, message, mark } = happening
    const type = text(message, 't') ?? ''
    const fields = fieldsText(this.#memory.last(link, type), message, isApplication(type))
    this.#memory.remember(link, type, message)
    return `"message",${time},${printableJson(link)},${keyId},${printableJson(type)},[${fields}]${mark ? `,${this.#mark(mark)}` : ''}`
  }

  /** The number of a sealed frame, and its session where that is another than before. */
  #mark({ session, sequence }: Mark): string {
    if (session === this.#memory.session) return String(sequence)
    this.#memory.session = session
    return json([session, sequence])
  }

  note({ name, payload }: CoreEvent, at: Instant): string {
    return `["note",${this.#time(at)},${json({ name, payload })}]\n`
  }

  told({ kind, subject, name, text, payload }: ToldLine): string {
    return `["told",${json({ kind, subject, name, text, payload })}]\n`
  }

  view(view: CoreSnapshot): string {
    return `["view",${json(view)}]\n`
  }

  #time({ monoMs, bootMs, wallMs }: Instant): string {
    const memory = this.#memory
    const steps = (monoMs - memory.monoMs) * stepsPerMs
    const wall = wallMs - memory.wallMs
    const exact =
      Number.isInteger(steps) &&
      memory.monoMs + steps / stepsPerMs === monoMs &&
      monoMs + (memory.bootMs - memory.monoMs) === bootMs &&
      Number.isInteger(wall) &&
      memory.wallMs + wall === wallMs
    Object.assign(memory, { monoMs, bootMs, wallMs })
    return exact ? `${steps},${wall}` : `[${monoMs},${bootMs},${wallMs}],0`
  }
}

/** Only what changed, as a flat list of positions and values; every field where the messages are built differently. */
function fieldsText(last: Message | undefined, message: Message, application: boolean): string {
  let text = ''
  for (let index = 0; index < message.length; index++) {
    const field = message[index] as Field
    const before = last?.[index]
    if (!before || last?.length !== message.length || before.name !== field.name || before.type !== field.type)
      return message.map((each) => `[${printableJson(each.name)},${each.type},${written(each, application)}]`).join(',')
    if (sameValue(before.value, field.value)) continue
    text += `${text === '' ? '' : ','}${index},${written(field, application)}`
  }
  return text
}

/** Reads a recording line by line, in one or several parts; says which line is none. */
export function* readRecording(parts: readonly string[]): Generator<RecordedLine & Place> {
  let memory: Memory | undefined
  for (const [part, text] of parts.entries()) {
    let line = 0
    for (const written of linesOf(text)) {
      line++
      if (written === '') continue
      try {
        const value = JSON.parse(written, reviver) as unknown
        if (!Array.isArray(value)) {
          memory = new Memory()
          yield { kind: 'head', head: checkedHead(value), part, line }
        } else if (memory === undefined) throw new Error('it does not begin with a head')
        else yield { ...readLine(written, value, memory), part, line }
      } catch (error) {
        throw recordingError({ part, line }, `no line of a recording: ${messageOf(error)}`, parts.length)
      }
    }
  }
}

/** One after the other: a recording may be as long as a string can be. */
function* linesOf(text: string): Generator<string> {
  for (let begin = 0; begin < text.length; ) {
    const end = text.indexOf('\n', begin)
    yield text.slice(begin, end < 0 ? text.length : end)
    begin = end < 0 ? text.length : end + 1
  }
}

/** What is wrong with a recording, and where. */
export function recordingError({ part, line }: Place, message: string, parts: number): HotStandbyError {
  return new HotStandbyError('HS_RECORDING', `${parts > 1 ? `file ${part + 1}, ` : ''}line ${line}: ${message}`)
}

function checkedHead(value: unknown): RecordingHead {
  const head = value as Partial<RecordingHead> | null
  if (typeof head !== 'object' || head?.recording === undefined) throw new Error('it has no head')
  if (head.recording !== recordingFormat)
    throw new Error(`it has format ${head.recording}, this version reads ${recordingFormat}`)
  if (typeof head.config !== 'object' || typeof head.liveness !== 'object' || head.continues === undefined)
    throw new Error('its head is not complete')
  return head as RecordingHead
}

function readLine(written: string, value: readonly unknown[], memory: Memory): RecordedLine {
  if (value[0] === 'told') return { kind: 'told', told: value[1] as ToldLine }
  if (value[0] === 'view') return { kind: 'view', view: value[1] as CoreSnapshot }
  const [type, time, wall, ...rest] = value as [string, Time, number, ...unknown[]]
  if (typeof type !== 'string' || typeof wall !== 'number') throw new Error('it has no type or no time')
  const at = timeOf(time, wall, memory)
  if (type === 'note')
    return { kind: 'note', event: { ...(rest[0] as object), monoMs: at.monoMs } as CoreEvent, wallMs: at.wallMs }
  const digest = rest.pop()
  if (typeof digest !== 'string') throw new Error('it has no digest')
  const body = written.slice(1, written.lastIndexOf(','))
  return { kind: 'input', input: { ...happeningOf(type, rest, memory), at }, digest, body }
}

function timeOf(time: Time, wall: number, memory: Memory): Instant {
  const monoMs = typeof time === 'number' ? memory.monoMs + time / stepsPerMs : time[0]
  const bootMs = typeof time === 'number' ? monoMs + (memory.bootMs - memory.monoMs) : time[1]
  const wallMs = typeof time === 'number' ? memory.wallMs + wall : time[2]
  const at = { monoMs, bootMs, wallMs }
  if (!Number.isFinite(at.monoMs + at.bootMs + at.wallMs)) throw new Error('its time is none')
  Object.assign(memory, at)
  return at
}

function happeningOf(type: string, rest: readonly unknown[], memory: Memory): Happening {
  if (type !== 'message') return { type, ...(rest[0] as object | undefined) } as Happening
  const [link, keyId, kind, list, mark] = rest as [string, number, string, readonly unknown[], WrittenMark?]
  const message = Array.isArray(list[0]) ? list.map(wholeField) : changed(memory.last(link, kind), list)
  memory.remember(link, kind, message)
  if (mark === undefined) return { type, link, keyId, message }
  if (typeof mark !== 'number') memory.session = mark[0]
  const sequence = typeof mark === 'number' ? mark : mark[1]
  return { type, link, keyId, message, mark: { session: memory.session, sequence } }
}

type WrittenMark = number | readonly [session: string, sequence: number]

function wholeField(written: unknown): Field {
  const [name, type, value] = written as [string, Field['type'], string | Uint8Array]
  return { name, type, value: read(type, value) }
}

/** The last message of a kind with what differs in the next one. */
function changed(last: Message | undefined, list: readonly unknown[]): Field[] {
  const fields = [...(last ?? [])]
  for (let index = 0; index < list.length; index += 2) {
    const field = fields[list[index] as number]
    if (!field) throw new Error('it differs from a message that is not there')
    const value = read(field.type, list[index + 1] as string | Uint8Array)
    fields[list[index] as number] = { ...field, value }
  }
  return fields
}
