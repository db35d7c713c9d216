import { fromBase64, toBase64 } from './base64.ts'
import {
  authPattern,
  type Cut,
  checkCount,
  checkName,
  endOf,
  frameError,
  hasAt,
  lineFeed,
  maxFields,
  textOf,
  utf8,
  Writer,
} from './frame.ts'
import type { Field, FieldType, Message } from './message.ts'

// Heartbeat's framing on serial lines, accepted on UDP too (cl_msg.c, string2msg):
//   >>>\n  name=value\n | (<type>)name=value\n …  auth=<id> <token>\n  <<<\n
// Binary values are base64. The signature covers the lines of all fields except `auth`, without the markers.
const start = utf8('>>>\n')
const stop = utf8('<<<\n')
const authLine = utf8('auth=')
const nothing = new Uint8Array()
const carriageReturn = 0x0d

const writer = new Writer()

/**
 * The signed part of a classic frame: one line for each field except `auth`.
 * @throws {HotStandbyError} `HS_FRAME` for a name or value that would break the lines, or too many fields.
 */
export function encodeClassic(message: Message): Uint8Array {
  checkCount(message.length)
  writer.begin(nothing)
  for (const field of message) if (field.name !== 'auth') writeLine(field)
  return writer.done()
}

function writeLine({ name, type, value }: Field): void {
  writer.text(type === 0 ? `${checkName(name)}=` : `(${type})${checkName(name)}=`)
  if (typeof value !== 'string' && type === 1) writer.text(toBase64(value))
  else if (breaksLines(value)) {
    throw frameError(`field ${name}: line ends and NUL cannot travel in Heartbeat's classic form; send bytes instead`)
  } else if (typeof value === 'string') writer.text(value)
  else writer.bytes(value)
  writer.text('\n')
}

function breaksLines(value: string | Uint8Array): boolean {
  return [lineFeed, carriageReturn, 0].some((byte) =>
    typeof value === 'string' ? value.includes(String.fromCharCode(byte)) : value.includes(byte),
  )
}

/** The whole frame. */
export function attachClassic(signed: Uint8Array, auth: string): Uint8Array {
  return writer.begin(start).bytes(signed).text(`auth=${auth}\n`).bytes(stop).done()
}

/**
 * Cuts a frame. The `auth` line may stand anywhere, but once; line ends at the start of a line are skipped, as Heartbeat
 * does. `undefined`: no frame.
 */
export function cutClassic(bytes: Uint8Array): Cut | undefined {
  const end = endOf(bytes) - stop.length
  if (end < start.length || !hasAt(bytes, 0, start) || !hasAt(bytes, end, stop)) return undefined
  const signed = new Uint8Array(end - start.length)
  let length = 0
  let lines = 0
  let auth: string | undefined
  let at = start.length
  while (at < end) {
    if (bytes[at] === lineFeed || bytes[at] === carriageReturn) {
      at++
      continue
    }
    const next = bytes.indexOf(lineFeed, at) + 1
    if (next > end || ++lines > maxFields + 1) return undefined
    if (hasAt(bytes, at, authLine)) {
      if (auth !== undefined || next - at > 256) return undefined
      auth = textOf(bytes, at + authLine.length, next - 1)
    } else {
      signed.set(bytes.subarray(at, next), length)
      length += next - at
    }
    at = next
  }
  if (auth === undefined || !authPattern.test(auth)) return undefined
  return { signed: signed.subarray(0, length), auth }
}

/**
 * The fields of a signed part whose signature was verified.
 * @throws {HotStandbyError} `HS_FRAME` naming the line and what was expected.
 */
export function decodeClassic(signed: Uint8Array): Message {
  const fields: Field[] = []
  let at = 0
  while (at < signed.length) {
    const end = signed.indexOf(lineFeed, at)
    if (end < 0) throw frameError(`line ${fields.length + 1} is not ended`)
    fields.push(fieldOf(textOf(signed, at, end), signed.subarray(at, end), fields.length + 1))
    checkCount(fields.length)
    at = end + 1
  }
  checkCount(fields.length)
  return fields
}

function fieldOf(line: string, raw: Uint8Array, number: number): Field {
  const match = /^(?:\(([0-5])\))?([^=]*)=/.exec(line)
  if (!match) throw frameError(`line ${number}: expected name=value or (type)name=value`)
  const name = checkName(match[2]!)
  const type = Number(match[1] ?? 0) as FieldType
  const head = match[0].length
  if (type === 0) return { name, type, value: line.slice(head) }
  // The head is ASCII (a name with other letters was refused), so it has as many bytes as characters.
  if (type !== 1) return { name, type, value: new Uint8Array(raw.subarray(head)) }
  const value = fromBase64(line.slice(head))
  if (!value) throw frameError(`line ${number}: the value of ${name} is no base64`)
  return { name, type, value }
}
