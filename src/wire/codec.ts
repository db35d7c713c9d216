import { messageOf } from '../roles/error.ts'
import type { KeyRing, SignatureRefusal } from '../roles/key-ring.ts'
import { attachClassic, cutClassic, decodeClassic, encodeClassic } from './classic.ts'
import { type Cut, frameError, maxFrameBytes } from './frame.ts'
import type { Message } from './message.ts'
import { attachNetstring, cutNetstring, decodeNetstring, encodeNetstring } from './netstring.ts'

/** Why received bytes were dropped. Each has a row in `docs/wire.md`. */
export type DropReason =
  /** More bytes than a frame can have. */
  | 'oversize'
  /** No frame: neither of the two start markers, cut off, or no signature where it has to be. Nothing was verified. */
  | 'malformed'
  | SignatureRefusal
  /** The signature is right and the content cannot be read: a fault or another version of a program that has our key. */
  | 'undecodable'
  /** A daemon with `traditional_compression yes`. Inflating would need a limit for every message; the pair works without. */
  | 'compressed'

/** What became of received bytes. */
export type Opened =
  | { readonly ok: true; readonly message: Message; readonly keyId: number }
  | { readonly ok: false; readonly reason: DropReason; readonly detail?: string | undefined }

/** Bytes to verified messages and back. */
export interface Codec {
  /**
   * The frame of a message, signed with key `keyId`, or with the active one.
   * @throws {HotStandbyError} `HS_FRAME` when the message does not fit into a frame; the limits of `send()` keep it from that.
   */
  seal(message: Message, keyId?: number | undefined): Uint8Array
  /** Opens one received frame of either framing. Never throws; verifies before it decodes. */
  open(bytes: Uint8Array): Opened
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
const oversize: Opened = { ok: false, reason: 'oversize' }
const malformed: Opened = { ok: false, reason: 'malformed' }
const compressed: Opened = {
  ok: false,
  reason: 'compressed',
  detail: 'the peer compresses its messages: set `traditional_compression no` in its ha.cf',
}

/** A codec for links of one kind: `datagram` seals in the netstring form, `stream` in the classic one. */
export function createCodec(options: { readonly ring: KeyRing; readonly framing: 'datagram' | 'stream' }): Codec {
  const { ring } = options
  const own = options.framing === 'datagram' ? netstring : classic
  return {
    seal(message, keyId) {
      const signed = own.encode(message)
      const frame = own.attach(signed, ring.sign(signed, keyId))
      if (frame.length > maxFrameBytes)
        throw frameError(`a frame of ${frame.length} bytes; at most ${maxFrameBytes} fit`)
      return frame
    },

    open(bytes) {
      if (bytes.length > maxFrameBytes) return oversize
      const framing = framingByFirstByte.get(bytes[0]!)
      const cut = framing?.cut(bytes)
      if (!framing || !cut) return malformed
      const verdict = ring.verify(cut.signed, cut.auth)
      if (!verdict.ok) return verdict
      try {
        const message = framing.decode(cut.signed)
        if (message.some(({ name }) => name === '_compression_algorithm')) return compressed
        return { ok: true, message, keyId: verdict.keyId }
      } catch (error) {
        return { ok: false, reason: 'undecodable', detail: messageOf(error) }
      }
    },
  }
}
