import {
  authPattern,
  type Cut,
  checkCount,
  checkName,
  closeParenthesis,
  endOf,
  equals,
  frameError,
  hasAt,
  lineFeed,
  maxAuthBytes,
  openParenthesis,
  textOf,
  utf8,
  utf8Length,
  Writer,
} from './frame.ts'
import type { Field, FieldType, Message } from './message.ts'

// Heartbeat's framing on UDP (cl_netstring.c), whatever its `msgfmt` says:
//   ###\n <length>:(<type>)<name>=<value>, … %%%\n <length>:<id> <token>,
const start = utf8('###\n')
const stop = utf8('%%%\n')
const comma = 0x2c
const colon = 0x3a
const zero = 0x30

const writer = new Writer()

/** Longest trailer: three digits, a colon, the signature, a comma. */
const maxTrailerBytes = maxAuthBytes + 5

/**
 * The signed part of a netstring frame: everything from `###` to the line end behind `%%%`.
 * @throws {HotStandbyError} `HS_FRAME` for a field name that cannot travel, or too many fields.
 */
export function encodeNetstring(message: Message): Uint8Array {
  checkCount(message.length)
  writer.begin(start)
  for (const { name, type, value } of message) {
    const head = `(${type})${checkName(name)}=`
    const length = typeof value === 'string' ? utf8Length(value) : value.length
    writer.text(`${head.length + length}:${head}`)
    if (typeof value === 'string') writer.text(value)
    else writer.bytes(value)
    writer.text(',')
  }
  return writer.bytes(stop).done()
}

/** The whole frame. */
export function attachNetstring(signed: Uint8Array, auth: string): Uint8Array {
  return writer.begin(signed).text(`${auth.length}:${auth},`).done()
}

/**
 * Cuts a frame from its end: the trailing signature is short and holds no line end, so no length inside the unverified part
 * has to be believed (CVE-2006-3121 was such a length). `undefined`: no frame.
 */
export function cutNetstring(bytes: Uint8Array): Cut | undefined {
  const end = endOf(bytes)
  if (bytes[end - 1] !== comma || !hasAt(bytes, 0, start)) return undefined
  let border = end - 1
  const lowest = Math.max(end - maxTrailerBytes, start.length + stop.length - 1)
  while (border >= lowest && bytes[border] !== lineFeed) border--
  if (border < lowest || !hasAt(bytes, border - 3, stop)) return undefined
  const trailer = /^([1-9][0-9]{0,2}):(.*),$/.exec(textOf(bytes, border + 1, end))
  const auth = trailer?.[2]
  if (auth === undefined || auth.length !== Number(trailer?.[1]) || !authPattern.test(auth)) return undefined
  return { signed: bytes.subarray(0, border + 1), auth }
}

/**
 * The fields of a signed part whose signature was verified.
 * @throws {HotStandbyError} `HS_FRAME` saying at which byte what was expected.
 */
export function decodeNetstring(signed: Uint8Array): Message {
  const fields: Field[] = []
  const end = signed.length - stop.length
  let at = start.length
  while (at < end) {
    const first = at
    let length = 0
    for (let digit = signed[at]! - zero; digit >= 0 && digit <= 9; digit = signed[++at]! - zero) {
      length = length * 10 + digit
      if (length > signed.length) throw frameError(`byte ${first}: a field longer than its frame`)
    }
    if (at === first || signed[first] === zero || signed[at] !== colon) {
      throw frameError(`byte ${first}: expected the length of a field and a colon`)
    }
    const close = at + 1 + length
    if (close >= end || signed[close] !== comma) throw frameError(`byte ${first}: the field does not end in a comma`)
    fields.push(fieldAt(signed, at + 1, close))
    checkCount(fields.length)
    at = close + 1
  }
  checkCount(fields.length)
  return fields
}

function fieldAt(signed: Uint8Array, open: number, close: number): Field {
  const type = signed[open + 1]! - zero
  if (signed[open] !== openParenthesis || signed[open + 2] !== closeParenthesis || !(type >= 0 && type <= 5)) {
    throw frameError(`byte ${open}: expected the type of a field, (0) to (5)`)
  }
  const border = signed.indexOf(equals, open + 3)
  if (border < 0 || border >= close) throw frameError(`byte ${open}: a field without '='`)
  const name = checkName(textOf(signed, open + 3, border))
  // A copy, not a view: the packet's memory may be a pool's, and messages outlive it.
  const value = type === 0 ? textOf(signed, border + 1, close) : new Uint8Array(signed.subarray(border + 1, close))
  return { name, type: type as FieldType, value }
}
