import { HotStandbyError } from '../roles/error.ts'

/** Largest frame: what fits into one UDP datagram over IPv4. Heartbeat cannot send more either. */
export const maxFrameBytes = 65_507

/** Most fields in one message. Heartbeat's own have fewer than twenty. */
export const maxFields = 256

/** Longest field name in bytes. */
export const maxNameBytes = 64

/** A frame in two parts. Nothing in it has been believed: neither lengths nor names. */
export interface Cut {
  /** The bytes that the signature covers. */
  readonly signed: Uint8Array
  /** The signature: id of the key, a blank, the token. */
  readonly auth: string
}

/** Bytes that matter to both framings. */
export const lineFeed = 0x0a
export const equals = 0x3d
export const openParenthesis = 0x28
export const closeParenthesis = 0x29

/** A signature as it may stand in a frame. Tokens have at most 64 characters; the bound keeps the search for it short. */
export const authPattern: RegExp = /^[0-9]{1,2} [!-~]{1,128}$/

/** Longest text that {@link authPattern} matches. */
export const maxAuthBytes = 131

const namePattern = /^[!-'*-<>-~]+$/

const encoder = new TextEncoder()
// Bytes that are no UTF-8 become U+FFFD: a Latin-1 comment in a signed beat must not cost the beat.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The UTF-8 bytes of a string. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The string of UTF-8 bytes. Nearly all fields are short ASCII, for which the loop is several times faster than the decoder. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 64) return decoder.decode(bytes.subarray(start, end))
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte >= 0x80) return decoder.decode(bytes.subarray(start, end))
    text += String.fromCharCode(byte)
  }
  return text
}

/** Number of UTF-8 bytes of a string. */
export function utf8Length(text: string): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= 0x80) return encoder.encode(text).length
  return text.length
}

/**
 * Collects the bytes of one frame after the other in memory that it keeps. ASCII is written by a loop: a call of the encoder
 * for each field would cost ten times as much.
 */
export class Writer {
  #held = new Uint8Array(1024)
  #length = 0

  /** Begins the next frame. */
  begin(bytes: Uint8Array): this {
    this.#length = 0
    return this.bytes(bytes)
  }

  /** Appends the UTF-8 bytes of a string. */
  text(text: string): this {
    this.#reserve(text.length * 3)
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code >= 0x80) {
        this.#length += encoder.encodeInto(text.slice(at), this.#held.subarray(this.#length)).written
        return this
      }
      this.#held[this.#length++] = code
    }
    return this
  }

  /** Appends bytes. */
  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#held.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** A copy of everything that was appended. */
  done(): Uint8Array {
    return this.#held.slice(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#held.length) return
    const larger = new Uint8Array(Math.max(this.#held.length * 2, this.#length + count))
    larger.set(this.#held.subarray(0, this.#length))
    this.#held = larger
  }
}

/** Whether `marker` stands at `at`. */
export function hasAt(bytes: Uint8Array, at: number, marker: Uint8Array): boolean {
  if (at < 0 || at + marker.length > bytes.length) return false
  for (let index = 0; index < marker.length; index++) if (bytes[at + index] !== marker[index]) return false
  return true
}

/** End of the frame without the NUL that a C sender may leave behind it. */
export function endOf(bytes: Uint8Array): number {
  return bytes[bytes.length - 1] === 0 ? bytes.length - 1 : bytes.length
}

/** What a frame that cannot be read or written is reported with. */
export function frameError(message: string): HotStandbyError {
  return new HotStandbyError('HS_FRAME', message)
}

/** Refuses a field name that one of the framings could not carry. */
export function checkName(name: string): string {
  if (name.length > maxNameBytes || !namePattern.test(name)) {
    const found = JSON.stringify(name.slice(0, maxNameBytes))
    throw frameError(
      `field name ${found}: 1 to ${maxNameBytes} printable characters without blank, '=' and parentheses`,
    )
  }
  return name
}

/** Refuses a message that has no field or too many. */
export function checkCount(count: number): void {
  if (count < 1 || count > maxFields) throw frameError(`a message has 1 to ${maxFields} fields, this one has ${count}`)
}
