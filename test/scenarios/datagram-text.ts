import assert from 'node:assert/strict'
import type { SigningRing } from '../../src/roles/key-ring.ts'
import { encodeClassic } from '../../src/wire/classic.ts'
import { createCodec } from '../../src/wire/codec.ts'
import type { Field, FieldType, Message } from '../../src/wire/message.ts'
import { attachNetstring, cutNetstring, decodeNetstring, encodeNetstring } from '../../src/wire/netstring.ts'

/** Written by its name alone where the value is that of the sender's last datagram. */
const STEADY: readonly string[] = ['src', 'srcuuid', 'dest', 'destuuid', 'hg', 'ttl']

/**
 * A daemon's datagrams as lines of text and back, byte by byte: the fields in their order, the signature at the end. A datagram
 * that this form cannot express stands there in hexadecimal.
 */
export class DatagramText {
  readonly #ring: SigningRing
  readonly #last = new Map<string, Field>()

  constructor(ring: SigningRing) {
    this.#ring = ring
  }

  format(datagram: Uint8Array): string {
    const memory = new Map(this.#last)
    try {
      const line = this.#format(datagram)
      const now = new Map(this.#last)
      this.#restore(memory)
      assert.deepEqual(this.parse(line), datagram)
      this.#restore(now)
      return line
    } catch {
      this.#restore(memory)
      return `hex ${Buffer.from(datagram).toString('hex')}`
    }
  }

  #restore(memory: ReadonlyMap<string, Field>): void {
    this.#last.clear()
    for (const [name, field] of memory) this.#last.set(name, field)
  }

  #format(datagram: Uint8Array): string {
    const cut = cutNetstring(datagram)
    if (!cut) throw new Error('no frame in netstring form')
    const words = decodeNetstring(cut.signed).map((field, _, fields) => this.#word(field, fields))
    return [...words, `sig=${cut.auth.replace(' ', ':')}`].join(' ')
  }

  #word(field: Field, fields: Message): string {
    const { name, type, value } = field
    if (name === 'auth' && value === this.#ring.sign(encodeClassic(fields))) return name
    const before = this.#last.get(name)
    if (STEADY.includes(name)) {
      this.#last.set(name, field)
      if (before?.type === type && Buffer.from(before.value).equals(Buffer.from(value))) return name
    }
    if (typeof value !== 'string') return `(${type})${name}=${Buffer.from(value).toString('hex')}`
    return `${name}=${/^[\w.,:/+-]+$/.test(value) ? value : JSON.stringify(value)}`
  }

  parse(line: string): Uint8Array {
    if (line.startsWith('hex ')) return Uint8Array.from(Buffer.from(line.slice(4), 'hex'))
    const words = line.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g) ?? []
    const signature = words.pop()?.replace(/^sig=/, '').replace(':', ' ')
    if (!signature) throw new Error(`no signature in: ${line}`)
    const fields: Field[] = []
    for (const word of words) fields.push(this.#field(word, fields))
    return attachNetstring(encodeNetstring(fields), signature)
  }

  #field(word: string, before: Message): Field {
    const [, type = '0', name = '', value] = /^(?:\((\d)\))?([^=]+)(?:=(.*))?$/s.exec(word) ?? []
    if (value === undefined) {
      const field = name === 'auth' ? authOf(this.#ring, before) : this.#last.get(name)
      if (!field) throw new Error(`'${name}' stands without a value and has none yet`)
      return field
    }
    const text = value.startsWith('"') ? (JSON.parse(value) as string) : value
    const bytes = type === '0' ? text : Uint8Array.from(Buffer.from(value, 'hex'))
    const field = { name, type: Number(type) as FieldType, value: bytes }
    if (STEADY.includes(name)) this.#last.set(name, field)
    return field
  }
}

/** The redundant signature inside covers what stands before it: the daemon adds it last. */
const authOf = (ring: SigningRing, before: Message): Field => ({
  name: 'auth',
  type: 0,
  value: ring.sign(encodeClassic(before)),
})

/** The message in a datagram, if its signature is right. */
export function openDatagram(ring: SigningRing, datagram: Uint8Array): Message {
  const opened = createCodec({ ring, framing: 'datagram' }).open(datagram)
  if (!opened.ok) throw new Error(`a datagram of the conversation is not believed: ${opened.reason}`)
  return opened.message
}
