import type { Instant } from '../../roles/time.ts'
import { bytes, decimalOf, type Fields, hexOf, type Message, message, text } from '../../wire/message.ts'
import type { MessageDropReason } from '../events.ts'
import type { Timers } from '../timers.ts'
import type { Emit } from '../types.ts'
import { ApplicationMessages } from './application-messages.ts'
import type { PeerView } from './membership.ts'

// Heartbeat's constants (heartbeat.h, hb_rexmit.c): what a daemon expects of its peer.
const historyMax = 500
const gapMax = 250
const ackEvery = 10
const rexmitFirstMs = 60 // its own datagrams leave out of order: wait 50 ms at least before asking
const rexmitAgainMs = 250
const rexmitBatch = 50
const resendPauseMs = 100 // the request comes once over each link

interface Sent {
  readonly message: Message
  readonly at: Instant
  resentAtMs: number
}

/** What the messenger tells the rest of the core. */
export interface MessengerPort {
  readonly self: string
  readonly peer: string
  readonly uuid: Uint8Array
  readonly bootId: string
  readonly generation: number
  readonly timers: Timers
  readonly effect: Emit
  now(): Instant
  /** When the message that is being handled has come at the latest; what was read just after a stall may be as old as that. */
  arrivedAtMs(): number
  peerBootId(): string | undefined
  peerKind(): PeerView['kind']
  /** The peer says in this run of its that it has heard this node. */
  peerEchoes(): boolean
  dropped(reason: MessageDropReason, src: string, incoming: Message): void
  lost(from: number, to: number): void
  /** A run that has proven itself counts no higher than the one that was `known`. */
  stateLost(generation: number, known: number): void
}

/** What came of one received message. */
export type Received =
  | { readonly kind: 'fresh'; readonly type: string; readonly restarted: boolean }
  /** Seen before on another link, or sent again: proof of life of the link, nothing more. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'dropped' }

/**
 * Sequence numbers both ways: generation, duplicates, replay, gaps and retransmission as Heartbeat has them (hb_rexmit.c), and on
 * top of them the application's messages.
 */
export class Messenger {
  readonly #port: MessengerPort
  #seq = 0
  readonly #history = new Map<number, Sent>()
  #ackedSeq = 0

  #peerGeneration: number
  #peerGenerationIsLive = false
  /** A new run of the peer has proven itself: its generation is what its next status says, whatever was remembered. */
  #expectsRun = false
  #highest = 0
  #highestAtMs = 0
  readonly #missing = new Map<number, number>() // sequence number → when to ask for it

  /** Up to where the peer has been told that nothing is missing. */
  #toldContiguous = 0
  /** A daemon's run has acknowledged something: it counts our messages. */
  #ackHeard = false
  readonly #application: ApplicationMessages

  constructor(port: MessengerPort, peerGeneration: number) {
    this.#port = port
    this.#peerGeneration = peerGeneration
    this.#application = new ApplicationMessages({
      peer: port.peer,
      bootId: port.bootId,
      effect: port.effect,
      peerBootId: () => port.peerBootId(),
      peerKind: () => port.peerKind(),
      heardByPeer: () => (port.peerKind() === 'heartbeat' ? this.#ackHeard : port.peerEchoes()),
      send: (fields) => this.send(fields),
      forget: (seq) => this.#history.delete(seq),
    })
  }

  /** Messages of the application, both ways. */
  get application(): ApplicationMessages {
    return this.#application
  }

  get peerGeneration(): number {
    return this.#peerGeneration
  }

  /** The peer has every message up to this number. */
  get ackedSeq(): number {
    return this.#ackedSeq
  }

  /** Newest sequence number heard of the peer. */
  get highestHeard(): number {
    return this.#highest
  }

  /** When it was heard first. */
  get highestHeardAtMs(): number {
    return this.#highestAtMs
  }

  /** When the message with this sequence number was sent; undefined when it is no longer known. */
  sentAt(seq: number): Instant | undefined {
    return this.#history.get(seq)?.at
  }

  /** Sends a message within the sequence; it is kept until the peer has acknowledged it. */
  send(fields: Fields): number {
    const seq = ++this.#seq
    const sent = message(fields, this.#header(), { seq: seq.toString(16) })
    this.#history.set(seq, { message: sent, at: this.#port.now(), resentAtMs: Number.NEGATIVE_INFINITY })
    if (this.#history.size > historyMax) this.#forgetOldest()
    this.#port.effect({ type: 'send', message: sent })
    return seq
  }

  #forgetOldest(): void {
    const oldest = this.#history.keys().next().value as number
    this.#history.delete(oldest)
    this.#application.forgotten(oldest, `the peer did not acknowledge the message within ${historyMax} others`)
  }

  /** Sends one of Heartbeat's `NS_` messages, which stand outside the sequence. */
  #sendOutside(fields: Record<string, string>): void {
    this.#port.effect({ type: 'send', message: message(fields, { dest: this.#port.peer }, this.#header()) })
  }

  #header(): Record<string, string | Uint8Array> {
    return {
      src: this.#port.self,
      srcuuid: this.#port.uuid,
      hg: this.#port.generation.toString(16),
      ts: Math.floor(this.#port.now().wallMs / 1000).toString(16),
      ttl: '3',
    }
  }

  /** A new run of the peer has proven itself. */
  expectRun(): void {
    this.#expectsRun = true
  }

  /** Sorts one verified message in. Only `fresh` ones go further. */
  receive(incoming: Message): Received {
    const src = text(incoming, 't') === undefined ? undefined : text(incoming, 'src')?.toLowerCase()
    const type = text(incoming, 't') ?? ''
    if (src === undefined) return this.#drop('incomplete', '?', incoming)
    if (src === this.#port.self.toLowerCase()) return this.#own(incoming)
    if (src !== this.#port.peer.toLowerCase()) return this.#drop('foreign-node', src, incoming)

    const generation = hexOf(incoming, 'hg')
    if (generation === undefined) return this.#drop('incomplete', src, incoming)
    if (generation < this.#peerGeneration && !this.#expectsRun) return this.#drop('old-generation', src, incoming)
    if (type.startsWith('NS_')) {
      // Outside the sequence nothing but the generation tells old from new: before this run of the peer is known, nothing is believed.
      const isLive = this.#peerGenerationIsLive && !this.#expectsRun
      if (!isLive || generation !== this.#peerGeneration) return { kind: 'dropped' }
      this.#outside(type, incoming)
      return { kind: 'duplicate' }
    }
    const seq = hexOf(incoming, 'seq')
    if (seq === undefined || seq < 1) return this.#drop('incomplete', src, incoming)

    const restarted = this.#peerGenerationIsLive && (this.#expectsRun || generation > this.#peerGeneration)
    if (restarted || !this.#peerGenerationIsLive) {
      // Heartbeat learns a generation from status messages only; so a late reordered message of the new run cannot hide them.
      if (type !== 'status') return { kind: 'dropped' }
      const known = this.#peerGeneration
      if (this.#expectsRun && (generation < known || (restarted && generation === known)))
        this.#port.stateLost(generation, known)
      this.#peerGeneration = generation
      this.#peerGenerationIsLive = true
      this.#expectsRun = false
      this.#forgetPeer(seq)
      if (restarted) this.#application.fail('the peer restarted before it acknowledged the message')
    } else if (!this.#track(seq)) return { kind: 'duplicate' }

    const dest = text(incoming, 'dest')
    const isToUs = dest === undefined || dest.toLowerCase() === this.#port.self.toLowerCase()
    if (isToUs) this.#application.receive(seq, type, incoming)
    this.#settle()
    return isToUs ? { kind: 'fresh', type, restarted } : { kind: 'dropped' }
  }

  #own(incoming: Message): Received {
    // A broadcast comes back to its sender. Another node that calls itself by our name has another uuid or run.
    const uuid = bytes(incoming, 'srcuuid')
    const sameUuid = uuid === undefined || uuid.every((byte, index) => byte === this.#port.uuid[index])
    if (!sameUuid || hexOf(incoming, 'hg') !== this.#port.generation)
      this.#port.dropped('own-name', this.#port.self, incoming)
    return { kind: 'dropped' }
  }

  #drop(reason: MessageDropReason, src: string, incoming: Message): Received {
    this.#port.dropped(reason, src, incoming)
    return { kind: 'dropped' }
  }

  #forgetPeer(seq: number): void {
    this.#highest = seq
    this.#highestAtMs = this.#port.arrivedAtMs()
    this.#missing.clear()
    this.#port.timers.clear('rexmit')
    this.#toldContiguous = 0
    this.#ackHeard = false
    this.#application.forgetPeer()
  }

  /** Sorts a sequence number in; false when it was seen before. */
  #track(seq: number): boolean {
    if (seq > this.#highest) {
      const { monoMs } = this.#port.now()
      if (seq - this.#highest > gapMax) {
        // As Heartbeat does it: a flood of requests would help nobody.
        this.#port.lost(this.#highest + 1, seq - 1)
        this.#missing.clear()
      } else {
        for (let gap = this.#highest + 1; gap < seq; gap++) this.#missing.set(gap, monoMs + rexmitFirstMs)
      }
      this.#highest = seq
      this.#highestAtMs = this.#port.arrivedAtMs()
      this.#planRexmit()
      return true
    }
    if (!this.#missing.delete(seq)) return false
    this.#planRexmit()
    return true
  }

  #planRexmit(): void {
    let next = Number.POSITIVE_INFINITY
    for (const at of this.#missing.values()) next = Math.min(next, at)
    if (next === Number.POSITIVE_INFINITY) this.#port.timers.clear('rexmit')
    else this.#port.timers.set('rexmit', next, () => this.#requestMissing())
  }

  #requestMissing(): void {
    const { monoMs } = this.#port.now()
    let asked = 0
    for (const [seq, at] of this.#missing) {
      if (at > monoMs || asked === rexmitBatch) continue
      asked++
      this.#missing.set(seq, monoMs + rexmitAgainMs)
      // Decimal here, hexadecimal everywhere else: that is how the daemon has it.
      this.#sendOutside({ t: 'NS_rexmit', firstseq: String(seq), lastseq: String(seq) })
    }
    this.#planRexmit()
  }

  /** The peer is dead or has left: it is not asked for anything until it is heard again. */
  stopAsking(): void {
    this.#port.timers.clear('rexmit')
  }

  /**
   * Up to where nothing is missing, the application's messages are delivered and the peer may clear its history: it hears so at
   * every tenth number, also when that is reached because a gap closes, and at once when something was delivered.
   */
  #settle(): void {
    let contiguous = this.#highest
    for (const missing of this.#missing.keys()) contiguous = Math.min(contiguous, missing - 1)
    const delivered = this.#application.release(contiguous)
    const passed = Math.floor(contiguous / ackEvery) > Math.floor(this.#toldContiguous / ackEvery)
    if (!passed && !delivered) return
    this.#toldContiguous = contiguous
    this.#sendOutside({ t: 'NS_ackmsg', ackseq: contiguous.toString(16) })
  }

  #outside(type: string, incoming: Message): void {
    const dest = text(incoming, 'dest')
    if (dest !== undefined && dest.toLowerCase() !== this.#port.self.toLowerCase()) return
    outsideTable.get(type)?.(this, incoming)
  }

  /** @internal */
  onAck(incoming: Message): void {
    const acked = hexOf(incoming, 'ackseq')
    if (acked === undefined || acked > this.#seq || acked <= this.#ackedSeq) return
    this.#ackedSeq = acked
    this.#ackHeard = true
    this.#application.acknowledged(acked)
  }

  /** @internal */
  onRexmit(incoming: Message): void {
    const first = decimalOf(incoming, 'firstseq')
    const last = decimalOf(incoming, 'lastseq')
    if (first === undefined || last === undefined || last < first) return
    const { monoMs } = this.#port.now()
    for (let seq = first; seq <= Math.min(last, first + rexmitBatch - 1); seq++) {
      const sent = this.#history.get(seq)
      if (sent && monoMs - sent.resentAtMs >= resendPauseMs) {
        sent.resentAtMs = monoMs
        this.#port.effect({ type: 'send', message: sent.message })
      } else if (!sent && seq <= this.#seq) {
        this.#sendOutside({ t: 'NS_nak_rexmit', firstseq: seq.toString(16), info: 'seqno not found' })
      }
    }
  }

  /** @internal */
  onNak(incoming: Message): void {
    const seq = hexOf(incoming, 'firstseq')
    if (seq === undefined || !this.#missing.delete(seq)) return
    this.#port.lost(seq, seq)
    this.#planRexmit()
    this.#settle()
  }
}

const outsideTable: ReadonlyMap<string, (messenger: Messenger, incoming: Message) => void> = new Map<
  string,
  (messenger: Messenger, incoming: Message) => void
>([
  ['NS_ackmsg', (messenger, incoming) => messenger.onAck(incoming)],
  ['NS_rexmit', (messenger, incoming) => messenger.onRexmit(incoming)],
  ['NS_nak_rexmit', (messenger, incoming) => messenger.onNak(incoming)],
])
