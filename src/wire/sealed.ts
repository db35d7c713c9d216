import { fromBase64, toBase64 } from './base64.ts'
import { endOf, hasAt, textOf, utf8, Writer } from './frame.ts'

// Our own framing, for two nodes of ours (docs/wire.md):
//   0 magic "HSS"  3 version  4 cluster tag (8)  12 key id  13 sender  14 session (16)  30 sequence (8)  38 box
// The nonce is session and sequence as they stand there; every other byte of the head chooses the key. So all of it is
// authenticated without being sealed.
const magic = utf8('HSS')
const version = 1
const atTag = 4
const atKeyId = 12
const atSender = 13
const atSession = 14
const atSequence = 30
const atBox = 38

/** Bytes that authenticate a box, a code of 16 and a seal of 16: the shortest one holds nothing else. */
const sealBytes = 32

/** Bytes of a session's id. */
export const sessionBytes = 16

/** Bytes that a frame has beyond what is sealed in it. */
export const sealedOverhead: number = atBox + sealBytes

// On a line of text the frame stands in base64 between Heartbeat's markers.
const lineStart = utf8('>>>\nsealed=')
const lineStop = utf8('\n<<<\n')
const writer = new Writer()

/** A sealed frame in its parts. Nothing in it has been believed. */
export interface SealedCut {
  readonly head: { readonly keyId: number; readonly tag: Uint8Array; readonly sender: number }
  /** Id of the sender's run, 32 hexadecimal digits. */
  readonly session: string
  /** Number of this frame within its session. */
  readonly sequence: number
  readonly nonce: Uint8Array
  readonly box: Uint8Array
}

/** Why bytes are no sealed frame of this version. */
export type SealedFault = 'malformed' | 'unsealed' | 'version'

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Bytes as lower-case hexadecimal digits. */
export function hexText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at++) text += hexOfByte[bytes[at]!]
  return text
}

/** The 24 bytes of a nonce: the session's id and the number of the frame. */
export function nonceOf(session: Uint8Array, sequence: number): Uint8Array {
  const nonce = new Uint8Array(atBox - atSession)
  nonce.set(session)
  const view = new DataView(nonce.buffer)
  view.setUint32(sessionBytes, Math.floor(sequence / 0x1_0000_0000))
  view.setUint32(sessionBytes + 4, sequence >>> 0)
  return nonce
}

/** The whole frame. */
export function attachSealed(head: SealedCut['head'], nonce: Uint8Array, box: Uint8Array): Uint8Array {
  const frame = new Uint8Array(atBox + box.length)
  frame.set(magic)
  frame[magic.length] = version
  frame.set(head.tag, atTag)
  frame[atKeyId] = head.keyId
  frame[atSender] = head.sender
  frame.set(nonce, atSession)
  frame.set(box, atBox)
  return frame
}

/** Takes a frame apart; every length is fixed but that of the box, which is the rest. */
export function cutSealed(bytes: Uint8Array): SealedCut | SealedFault {
  // A frame that begins as Heartbeat's do is signed at best, and this node takes sealed ones only.
  if (bytes[0] === 0x23 || bytes[0] === 0x3e) return 'unsealed'
  if (bytes.length < sealedOverhead || !hasAt(bytes, 0, magic)) return 'malformed'
  if (bytes[magic.length] !== version) return 'version'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sequence = view.getUint32(atSequence) * 0x1_0000_0000 + view.getUint32(atSequence + 4)
  if (!Number.isSafeInteger(sequence) || sequence === 0) return 'malformed'
  return {
    head: { keyId: bytes[atKeyId]!, tag: bytes.subarray(atTag, atKeyId), sender: bytes[atSender]! },
    session: hexText(bytes.subarray(atSession, atSequence)),
    sequence,
    nonce: bytes.subarray(atSession, atBox),
    box: bytes.subarray(atBox),
  }
}

/** A frame as it travels on a line of text. */
export function toLine(frame: Uint8Array): Uint8Array {
  return writer.begin(lineStart).text(toBase64(frame)).bytes(lineStop).done()
}

/** The frame that came on a line of text; `undefined`: none did. */
export function fromLine(bytes: Uint8Array): Uint8Array | undefined {
  const end = endOf(bytes) - lineStop.length
  if (end < lineStart.length || !hasAt(bytes, 0, lineStart) || !hasAt(bytes, end, lineStop)) return undefined
  return fromBase64(textOf(bytes, lineStart.length, end))
}
