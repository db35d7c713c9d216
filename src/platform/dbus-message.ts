/** Messages of D-Bus as bytes (D-Bus Specification 0.43, "Type System" and "Message Protocol"). */

/**
 * A value as it is read and written: strings, object paths and signatures are strings, 64-bit integers bigints, structs and
 * arrays arrays, dictionaries maps. A variant is read as the value it holds and written as a {@link Variant}.
 */
export type DBusValue =
  | string
  | number
  | bigint
  | boolean
  | readonly DBusValue[]
  | ReadonlyMap<DBusValue, DBusValue>
  | Variant

/** A value with its own signature, to be written. */
export interface Variant {
  readonly signature: string
  readonly value: DBusValue
}

/** One message. Fields that a message of its type does not have are absent. */
export interface DBusMessage {
  readonly type: 'call' | 'return' | 'error' | 'signal'
  readonly serial: number
  readonly path?: string | undefined
  readonly interface?: string | undefined
  readonly member?: string | undefined
  readonly errorName?: string | undefined
  readonly replySerial?: number | undefined
  readonly destination?: string | undefined
  readonly sender?: string | undefined
  /** Types of the body. */
  readonly signature?: string | undefined
  readonly body: readonly DBusValue[]
}

/** Bytes that are no message: the connection cannot be read any further. */
export class DBusFormatError extends Error {}

/** The standard allows 128 MiB; a unit's properties are some 10 KiB. */
export const maxMessageBytes: number = 4 * 1024 * 1024

const types = ['call', 'return', 'error', 'signal'] as const

/** Header fields by their code: name and type; unknown ones are to be ignored. */
const fields: Readonly<Record<number, readonly [keyof DBusMessage, string]>> = {
  1: ['path', 'o'],
  2: ['interface', 's'],
  3: ['member', 's'],
  4: ['errorName', 's'],
  5: ['replySerial', 'u'],
  6: ['destination', 's'],
  7: ['sender', 's'],
  8: ['signature', 'g'],
}

/** What a message of each type must have. */
const required: Readonly<Record<DBusMessage['type'], readonly (keyof DBusMessage)[]>> = {
  call: ['path', 'member'],
  return: ['replySerial'],
  error: ['replySerial', 'errorName'],
  signal: ['path', 'interface', 'member'],
}

const fixedHeaderBytes = 16
/** Containers in containers; the standard allows 64. */
const maxDepth = 64

/** Alignment of each type's first byte. */
const alignment: Readonly<Record<string, number>> = {
  ...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, s: 4, o: 4, a: 4, h: 4 },
  ...{ x: 8, t: 8, d: 8, '(': 8, '{': 8 },
}

const basicTypes = 'ybnqiuxtdsogh'
const objectPath = /^\/$|^(?:\/[A-Za-z0-9_]+)+$/

/** Length of the one complete type that begins at `at`. */
function typeLength(signature: string, at: number, depth = 0): number {
  const letter = signature[at] ?? ''
  const wrong = (): DBusFormatError => new DBusFormatError(`'${signature}' is not a signature of D-Bus`)
  if (depth > maxDepth) throw wrong()
  if (letter === 'v' || (letter !== '' && basicTypes.includes(letter))) return 1
  if (letter === 'a') {
    if (signature[at + 1] !== '{') return 1 + typeLength(signature, at + 1, depth + 1)
    const key = signature[at + 2] ?? ''
    if (key === '' || !basicTypes.includes(key)) throw wrong()
    const value = typeLength(signature, at + 3, depth + 1)
    if (signature[at + 3 + value] !== '}') throw wrong()
    return 4 + value
  }
  if (letter !== '(') throw wrong()
  let end = at + 1
  while (signature[end] !== ')') end += typeLength(signature, end, depth + 1)
  if (end === at + 1) throw wrong()
  return end + 1 - at
}

/** The complete types of a signature: `sa(uo)` has `s` and `a(uo)`. Throws for one that is none. */
export function completeTypes(signature: string): string[] {
  if (signature.length > 255) throw new DBusFormatError('a signature has more than 255 characters')
  const found: string[] = []
  for (let at = 0; at < signature.length; ) {
    const type = signature.slice(at, at + typeLength(signature, at))
    found.push(type)
    at += type.length
  }
  return found
}

class Reader {
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #little: boolean
  at: number

  constructor(bytes: Buffer, at: number, little: boolean) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = at
    this.#little = little
  }

  read(type: string, depth = 0): DBusValue {
    if (depth > maxDepth) throw new DBusFormatError(`more than ${maxDepth} containers in each other`)
    const letter = type[0] as string
    this.align(alignment[letter] as number)
    const number = this.#numbers[letter]
    if (number) {
      const [size, get] = number
      return get(this.#take(size))
    }
    if (letter === 'b') return this.#boolean()
    if (letter === 'g') return this.#text(this.#view.getUint8(this.#take(1)))
    if (letter === 's' || letter === 'o') return this.#string(letter)
    if (letter === 'v') return this.#variant(depth)
    if (letter === 'a') return this.#array(type.slice(1), depth)
    return completeTypes(type.slice(1, -1)).map((member) => this.read(member, depth + 1))
  }

  /** Skips the padding, which must be of zeros. */
  align(to: number): void {
    const padding = -this.at & (to - 1)
    const begin = this.#take(padding)
    if (this.#bytes.subarray(begin, begin + padding).some((byte) => byte !== 0))
      throw new DBusFormatError(`the padding at byte ${begin} is not zero`)
  }

  readonly #numbers: Readonly<Record<string, readonly [size: number, get: (at: number) => number | bigint]>> = {
    y: [1, (at) => this.#view.getUint8(at)],
    n: [2, (at) => this.#view.getInt16(at, this.#little)],
    q: [2, (at) => this.#view.getUint16(at, this.#little)],
    i: [4, (at) => this.#view.getInt32(at, this.#little)],
    u: [4, (at) => this.#view.getUint32(at, this.#little)],
    h: [4, (at) => this.#view.getUint32(at, this.#little)],
    x: [8, (at) => this.#view.getBigInt64(at, this.#little)],
    t: [8, (at) => this.#view.getBigUint64(at, this.#little)],
    d: [8, (at) => this.#view.getFloat64(at, this.#little)],
  }

  #take(size: number): number {
    const begin = this.at
    if (size > this.#bytes.length - begin)
      throw new DBusFormatError(`byte ${begin}: ${size} bytes announced, ${this.#bytes.length - begin} left`)
    this.at += size
    return begin
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), this.#little)
  }

  #boolean(): boolean {
    const value = this.#uint32()
    if (value > 1) throw new DBusFormatError(`a boolean is ${value}`)
    return value === 1
  }

  #text(length: number): string {
    const begin = this.#take(length + 1)
    if (this.#bytes[begin + length] !== 0)
      throw new DBusFormatError(`the string at byte ${begin} does not end with zero`)
    return this.#bytes.toString('utf8', begin, begin + length)
  }

  #string(letter: 's' | 'o'): string {
    const text = this.#text(this.#uint32())
    if (letter === 'o' && !objectPath.test(text))
      throw new DBusFormatError(`'${text.slice(0, 80)}' is not an object path`)
    return text
  }

  #variant(depth: number): DBusValue {
    const signature = this.read('g') as string
    const [type, ...more] = completeTypes(signature)
    if (type === undefined || more.length > 0) throw new DBusFormatError(`a variant has the signature '${signature}'`)
    return this.read(type, depth + 1)
  }

  #array(element: string, depth: number): DBusValue {
    const length = this.#uint32()
    this.align(alignment[element[0] as string] as number)
    const end = this.at + length
    if (end > this.#bytes.length) throw new DBusFormatError(`an array of ${length} bytes leaves its message`)
    const items: DBusValue[] = []
    const pairs = new Map<DBusValue, DBusValue>()
    const [key, value] = element[0] === '{' ? [element[1] as string, element.slice(2, -1)] : []
    while (this.at < end) {
      if (key === undefined) items.push(this.read(element, depth + 1))
      else {
        this.align(8)
        const name = this.read(key, depth + 1)
        pairs.set(name, this.read(value as string, depth + 1))
      }
    }
    if (this.at !== end) throw new DBusFormatError('an array ends in the middle of an element')
    return key === undefined ? items : pairs
  }
}

class Writer {
  readonly #parts: Buffer[] = []
  length = 0

  write(type: string, value: DBusValue): void {
    const letter = type[0] as string
    this.align(alignment[letter] as number)
    if (letter === 'y') this.#push(Buffer.of(value as number))
    else if (letter === 'u') this.uint32(value as number)
    else if (letter === 'b') this.uint32(value ? 1 : 0)
    else if (letter === 's' || letter === 'o') this.#text(value as string, 4)
    else if (letter === 'g') this.#text(value as string, 1)
    else if (letter === 'v') {
      const { signature, value: held } = value as Variant
      this.write('g', signature)
      this.write(signature, held)
    } else if (letter === 'a') this.#array(type.slice(1), value)
    else if (letter === '(') this.#struct(completeTypes(type.slice(1, -1)), value as readonly DBusValue[])
    else throw new DBusFormatError(`values of type '${type}' are never written`)
  }

  uint32(value: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    this.#push(bytes)
  }

  align(to: number): void {
    this.#push(Buffer.alloc(-this.length & (to - 1)))
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #push(bytes: Buffer): void {
    this.#parts.push(bytes)
    this.length += bytes.length
  }

  #text(text: string, lengthBytes: 1 | 4): void {
    const bytes = Buffer.from(`${text}\0`)
    if (lengthBytes === 1) this.#push(Buffer.of(bytes.length - 1))
    else this.uint32(bytes.length - 1)
    this.#push(bytes)
  }

  #struct(members: readonly string[], values: readonly DBusValue[]): void {
    for (const [index, member] of members.entries()) this.write(member, values[index] as DBusValue)
  }

  #array(element: string, value: DBusValue): void {
    const length = Buffer.alloc(4)
    this.#push(length)
    // The padding before the first element is there even in an empty array, and does not count.
    this.align(alignment[element[0] as string] as number)
    const begin = this.length
    if (element[0] === '{') {
      for (const pair of value as ReadonlyMap<DBusValue, DBusValue>) {
        this.align(8)
        this.#struct([element[1] as string, element.slice(2, -1)], pair)
      }
    } else {
      for (const item of value as readonly DBusValue[]) this.write(element, item)
    }
    length.writeUInt32LE(this.length - begin)
  }
}

/** A message as bytes, little-endian. */
export function encodeMessage(message: DBusMessage): Buffer {
  const body = new Writer()
  for (const [index, type] of completeTypes(message.signature ?? '').entries()) {
    body.write(type, message.body[index] as DBusValue)
  }
  const header = new Writer()
  for (const byte of [0x6c, types.indexOf(message.type) + 1, 0, 1]) header.write('y', byte)
  header.uint32(body.length)
  header.uint32(message.serial)
  const present = Object.entries(fields).flatMap(([code, [name, signature]]) => {
    const value = message[name] as DBusValue | undefined
    return value === undefined ? [] : [[Number(code), { signature, value }] as const]
  })
  header.write('a(yv)', present)
  header.align(8)
  return Buffer.concat([header.bytes(), body.bytes()])
}

/**
 * Length of the message that begins these bytes; null while too few have come to tell. Throws {@link DBusFormatError} for
 * bytes that are no message, and for one over {@link maxMessageBytes}.
 */
export function messageLength(bytes: Buffer): number | null {
  if (bytes.length < fixedHeaderBytes) return null
  const little = isLittleEndian(bytes)
  if (bytes[3] !== 1) throw new DBusFormatError(`version ${bytes[3]} of the protocol; known is 1`)
  const uint32 = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  const length = ((fixedHeaderBytes + uint32(12) + 7) & ~7) + uint32(4)
  // Also where the addition above has overflown.
  if (uint32(12) > maxMessageBytes || uint32(4) > maxMessageBytes || length > maxMessageBytes)
    throw new DBusFormatError(`a message of more than ${maxMessageBytes} bytes`)
  return length
}

function isLittleEndian(bytes: Buffer): boolean {
  if (bytes[0] === 0x6c) return true
  if (bytes[0] === 0x42) return false
  throw new DBusFormatError(`byte order ${bytes[0]}; known are 'l' and 'B'`)
}

/** Reads one whole message; null for a type that later versions may add. Throws {@link DBusFormatError}. */
export function decodeMessage(bytes: Buffer): DBusMessage | null {
  const reader = new Reader(bytes, 4, isLittleEndian(bytes))
  const bodyBytes = reader.read('u') as number
  const serial = reader.read('u') as number
  const found: Record<string, DBusValue> = {}
  for (const entry of reader.read('a(yv)') as readonly (readonly [number, DBusValue])[]) {
    const field = fields[entry[0]]
    if (!field) continue
    const [name, signature] = field
    if (typeof entry[1] !== (signature === 'u' ? 'number' : 'string'))
      throw new DBusFormatError(`the header field ${name} is not of type ${signature}`)
    found[name] = entry[1]
  }
  reader.align(8)
  if (reader.at + bodyBytes !== bytes.length) throw new DBusFormatError('header and body do not fill the message')
  const body = completeTypes((found['signature'] as string | undefined) ?? '').map((type) => reader.read(type))
  if (reader.at !== bytes.length) throw new DBusFormatError('the body is longer than its signature says')
  const type = types[(bytes[1] as number) - 1]
  if (type === undefined) {
    if (bytes[1] === 0) throw new DBusFormatError('a message of type 0')
    return null
  }
  const message: DBusMessage = { ...found, type, serial, body }
  const lacking = required[type].filter((name) => message[name] === undefined)
  if (lacking.length > 0) throw new DBusFormatError(`a ${type} without ${lacking.join(' and ')}`)
  return message
}
