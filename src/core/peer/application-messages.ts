import { bytes, hexOf, type Message, text } from '../../wire/message.ts'
import type { Emit } from '../types.ts'
import type { PeerView } from './membership.ts'

/** Type of the messages that carry the application's payloads. */
export const payloadType = 'hs-message'
/** Under this name a program signs on to a heartbeat daemon to exchange messages with our application. */
export const clientName = 'hot-standby'

/** Payloads on their way at once; more wait here, and beyond the second number they are refused. */
const inFlightMax = 100
const queueMax = 1000

interface Payload {
  readonly commandId: number
  readonly payload: Uint8Array
}

/** What the application's messages need of the sequence under them. */
export interface ApplicationPort {
  readonly peer: string
  readonly bootId: string
  readonly effect: Emit
  peerBootId(): string | undefined
  peerKind(): PeerView['kind']
  /** The peer has shown that it counts the messages of this run: from then on it misses none without asking for it. */
  heardByPeer(): boolean
  /** Sends within the sequence; returns the number. */
  send(fields: Readonly<Record<string, string | Uint8Array | undefined>>): number
  /** The message with this number must not arrive any more. */
  forget(seq: number): void
}

/**
 * The application's messages: acknowledged, never twice, and in order, because one that was received waits until everything
 * that its sender sent before it has come or is known to be lost. A daemon leaves the order to the library of its clients,
 * which goes by `oseq`.
 */
export class ApplicationMessages {
  readonly #port: ApplicationPort
  readonly #queue: Payload[] = []
  readonly #inFlight = new Map<number, number>() // sequence number → command
  /** Grows when messages were given up: the receiver may hold some of them back still, and must not deliver them later. */
  #stream = 1
  #nextOrder = 1
  /** The first message to a client that knows none yet: until it has arrived it goes alone, for the client drops what it overtakes. */
  #openedBy: number | undefined
  #opened = false
  #peerStream = 0
  readonly #early = new Map<number, Uint8Array>() // by sequence number

  constructor(port: ApplicationPort) {
    this.#port = port
  }

  /** Queues a payload; the command is answered when the peer has acknowledged it. */
  send(commandId: number, payload: Uint8Array): void {
    if (this.#queue.length >= queueMax)
      return this.#refuse(
        commandId,
        `${queueMax} messages are already waiting; await earlier ones before you send more`,
      )
    this.#queue.push({ commandId, payload })
    this.flush()
  }

  /** Whether a payload waits for its acknowledgement. */
  get pending(): boolean {
    return this.#inFlight.size + this.#queue.length > 0
  }

  /** Sends what may be on its way now. */
  flush(): void {
    while (this.#queue.length > 0 && this.#inFlight.size < this.#window()) {
      const { commandId, payload } = this.#queue.shift() as Payload
      this.#inFlight.set(this.#send(payload), commandId)
    }
  }

  #window(): number {
    if (!this.#port.heardByPeer()) return 0
    return this.#opened || this.#port.peerKind() !== 'heartbeat' ? inFlightMax : 1
  }

  #send(payload: Uint8Array): number {
    const seq = this.#port.send({
      t: payloadType,
      dest: this.#port.peer,
      from_id: clientName,
      to_id: clientName,
      client_gen: '0',
      oseq: (this.#nextOrder++).toString(16),
      stream: this.#stream.toString(16),
      to: this.#port.peerBootId(),
      payload,
    })
    this.#openedBy ??= seq
    return seq
  }

  /** The peer has everything up to this sequence number. */
  acknowledged(upTo: number): void {
    for (const [seq, commandId] of this.#inFlight) {
      if (seq > upTo) break
      if (seq === this.#openedBy) this.#opened = true
      this.#inFlight.delete(seq)
      this.#port.effect({ type: 'reply', id: commandId })
    }
    this.flush()
  }

  /** A message can no longer be sent again: if it carried a payload that was not acknowledged, that never will be. */
  forgotten(seq: number, why: string): void {
    const commandId = this.#inFlight.get(seq)
    if (commandId === undefined) return
    this.#inFlight.delete(seq)
    this.#refuse(commandId, why)
  }

  /** The peer is gone: nobody will acknowledge what is on its way. */
  fail(why: string): void {
    // What was given up must not arrive later, when the peer asks for what it has missed.
    for (const seq of this.#inFlight.keys()) this.#port.forget(seq)
    const ids = [...this.#inFlight.values(), ...this.#queue.map((entry) => entry.commandId)]
    this.#inFlight.clear()
    this.#queue.length = 0
    this.#stream++
    this.#nextOrder = 1
    this.#reopen()
    for (const id of ids) this.#refuse(id, why)
  }

  #reopen(): void {
    this.#opened = false
    this.#openedBy = undefined
  }

  #refuse(id: number, message: string): void {
    this.#port.effect({ type: 'reply', id, refusal: { code: 'HS_MESSAGE', message } })
  }

  /** The peer's run has begun anew. */
  forgetPeer(): void {
    this.#peerStream = 0
    this.#early.clear()
  }

  /** Hears every new message of the peer to this node. */
  receive(seq: number, type: string, incoming: Message): void {
    if (type === payloadType) this.#sortIn(seq, incoming)
    // The daemon's client has signed on again: it knows nothing of what was sent before.
    if (type === 'hbapi-clstat' && text(incoming, 'from_id') === clientName && text(incoming, 'st') === 'join')
      this.#reopen()
  }

  #sortIn(seq: number, incoming: Message): void {
    const payload = bytes(incoming, 'payload') ?? utf8(text(incoming, 'payload'))
    const to = text(incoming, 'to')
    const stream = hexOf(incoming, 'stream') ?? this.#peerStream
    if (payload === undefined || stream < this.#peerStream) return
    if (to !== undefined && to !== this.#port.bootId) return // meant for an earlier run of this node
    if ((text(incoming, 'to_id') ?? clientName) !== clientName) return // between other clients of two daemons
    if (stream > this.#peerStream) this.#early.clear()
    this.#peerStream = stream
    this.#early.set(seq, payload)
  }

  /** Delivers, in order, what nothing is missing before; true when there was something. */
  release(contiguous: number): boolean {
    const due = [...this.#early.keys()].filter((seq) => seq <= contiguous).sort((a, b) => a - b)
    for (const seq of due) {
      this.#port.effect({ type: 'deliver', payload: this.#early.get(seq) as Uint8Array })
      this.#early.delete(seq)
    }
    return due.length > 0
  }
}

function utf8(string: string | undefined): Uint8Array | undefined {
  return string === undefined ? undefined : new TextEncoder().encode(string)
}
