import { messageOf } from '../roles/error.ts'
import type { KeyRefusal, KeyRing, SealingRing, SigningRing } from '../roles/key-ring.ts'
import { attachClassic, cutClassic, decodeClassic, encodeClassic } from './classic.ts'
import { type Cut, frameError, maxFrameBytes } from './frame.ts'
import type { Message } from './message.ts'
import { attachNetstring, cutNetstring, decodeNetstring, encodeNetstring } from './netstring.ts'
import { attachSealed, cutSealed, fromLine, nonceOf, type SealedFault, sessionBytes, toLine } from './sealed.ts'

/** Why received bytes were dropped. Each has a row in `docs/wire.md`. */
export type DropReason =
  /** More bytes than a frame can have. */
  | 'oversize'
  /** No frame: not the start, cut off, or no signature where it has to be. Nothing was verified. */
  | 'malformed'
  | SealedFault
  | KeyRefusal
  /** This very frame was opened before, or so many after it that it is not known any more. */
  | 'replayed'
  /** It is from the peer and its content cannot be read: a fault or another version of a program that has our key. */
  | 'undecodable'
  /** A daemon with `traditional_compression yes`. Inflating would need a limit for every message; the pair works without. */
  | 'compressed'

/** From which run of its sender a sealed frame is, and which of that run's frames. */
export interface FrameMark {
  /** Random id of the run, 32 hexadecimal digits. */
  readonly session: string
  /** Number of the frame; none is used twice. */
  readonly sequence: number
}

/** What became of received bytes. `mark` stands with what was sealed. */
export type Opened =
  | { readonly ok: true; readonly message: Message; readonly keyId: number; readonly mark?: FrameMark }
  | { readonly ok: false; readonly reason: DropReason; readonly detail?: string | undefined }

/** Bytes to verified messages and back. */
export interface Codec {
  /** Every link needs a frame of its own: each one has a number that must not be used twice. */
  readonly numbered: boolean
  /**
   * The frame of a message, with key `keyId`, or with the active one. `sequence` numbers a sealed frame.
   * @throws {HotStandbyError} `HS_FRAME` when the message does not fit into a frame; the limits of `send()` keep it from that.
   */
  seal(message: Message, keyId?: number | undefined, sequence?: number | undefined): Uint8Array
  /**
   * Opens one received frame. Never throws; verifies before it decodes. `isNew` is asked before a key is used on a sealed
   * frame whether its number is new.
   */
  open(bytes: Uint8Array, isNew?: ((mark: FrameMark) => boolean) | undefined): Opened
}

interface Framing {
  readonly encode: (message: Message) => Uint8Array
  readonly attach: (signed: Uint8Array, auth: string) => Uint8Array
  readonly cut: (bytes: Uint8Array) => Cut | undefined
  readonly decode: (signed: Uint8Array) => Message
}

const netstring: Framing = {
  encode: encodeNetstring,
  attach: attachNetstring,
  cut: cutNetstring,
  decode: decodeNetstring,
}
const classic: Framing = { encode: encodeClassic, attach: attachClassic, cut: cutClassic, decode: decodeClassic }

/** The parser is chosen by how a frame begins, as Heartbeat does: both framings are welcome on every link. */
const framingByFirstByte = new Map([
  [0x23, netstring],
  [0x3e, classic],
])

// Made once: a flood of junk then costs no allocation.
const dropped = (reason: DropReason): Opened & { readonly ok: false } => ({ ok: false, reason })
const oversize = dropped('oversize')
const malformed = dropped('malformed')
const replayed = dropped('replayed')
const badSeal = dropped('bad-seal')
const faults: Readonly<Record<SealedFault, Opened>> = {
  malformed,
  unsealed: dropped('unsealed'),
  version: dropped('version'),
}
const compressed: Opened = {
  ok: false,
  reason: 'compressed',
  detail: 'the peer compresses its messages: set `traditional_compression no` in its ha.cf',
}

/** What a codec is made of. */
export interface CodecOptions {
  readonly ring: KeyRing
  /** `datagram`: netstring, or sealed as bytes; `stream`: classic, or sealed as a line of text. */
  readonly framing: 'datagram' | 'stream'
  /** For a ring that seals: 16 random bytes, new for every run of the process. */
  readonly session?: Uint8Array | undefined
}

/** A codec for links of one kind. */
export function createCodec({ ring, framing, session }: CodecOptions): Codec {
  return ring.protects === 'sealing' ? sealing(ring, framing, session) : signing(ring, framing)
}

function checkSize(frame: Uint8Array): Uint8Array {
  if (frame.length > maxFrameBytes) throw frameError(`a frame of ${frame.length} bytes; at most ${maxFrameBytes} fit`)
  return frame
}

/** Reads what was verified. */
function decode(read: (bytes: Uint8Array) => Message, bytes: Uint8Array, keyId: number, mark?: FrameMark): Opened {
  try {
    const message = read(bytes)
    return mark ? { ok: true, message, keyId, mark } : { ok: true, message, keyId }
  } catch (error) {
    return { ok: false, reason: 'undecodable', detail: messageOf(error) }
  }
}

function signing(ring: SigningRing, kind: CodecOptions['framing']): Codec {
  const own = kind === 'datagram' ? netstring : classic
  return {
    numbered: false,
    seal(message, keyId) {
      const signed = own.encode(message)
      return checkSize(own.attach(signed, ring.sign(signed, keyId)))
    },
    open(bytes) {
      if (bytes.length > maxFrameBytes) return oversize
      const framing = framingByFirstByte.get(bytes[0]!)
      const cut = framing?.cut(bytes)
      if (!framing || !cut) return malformed
      const verdict = ring.verify(cut.signed, cut.auth)
      if (!verdict.ok) return verdict
      const opened = decode(framing.decode, cut.signed, verdict.keyId)
      const isCompressed = opened.ok && opened.message.some(({ name }) => name === '_compression_algorithm')
      return isCompressed ? compressed : opened
    },
  }
}

function sealing(ring: SealingRing, kind: CodecOptions['framing'], session: Uint8Array | undefined): Codec {
  if (session?.length !== sessionBytes) throw frameError(`a session's id has ${sessionBytes} bytes`)
  let last = 0
  return {
    numbered: true,
    seal(message, keyId, sequence) {
      // The one mistake that would give the content away: better no frame than a nonce used twice.
      if (sequence === undefined || sequence <= last) throw frameError(`frame ${sequence} after frame ${last}`)
      last = sequence
      const nonce = nonceOf(session, sequence)
      const { head, box } = ring.seal(encodeNetstring(message), nonce, keyId)
      const frame = attachSealed(head, nonce, box)
      return checkSize(kind === 'datagram' ? frame : toLine(frame))
    },
    open(bytes, isNew) {
      if (bytes.length > maxFrameBytes) return oversize
      const frame = kind === 'datagram' ? bytes : fromLine(bytes)
      if (!frame) return malformed
      const cut = cutSealed(frame)
      if (typeof cut === 'string') return faults[cut]
      const { head, session: from, sequence, nonce, box } = cut
      const refusal = ring.admits(head)
      if (refusal) return refusal
      const mark = { session: from, sequence }
      if (isNew && !isNew(mark)) return replayed
      const content = ring.open(head, nonce, box)
      return content ? decode(decodeNetstring, content, head.keyId, mark) : badSeal
    },
  }
}
