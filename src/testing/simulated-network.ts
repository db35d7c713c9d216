import type { Transport, TransportContext } from '../roles/transport.ts'
import type { Schedule } from './schedule.ts'

/** How one direction of one link treats its packets. */
export interface LinkConditions {
  /** Nothing passes. */
  cut: boolean
  /** Everything waits, and passes in its order when this ends. */
  held: boolean
  /** Share of the packets that is lost, 0 to 1. */
  loss: number
  /** Losses in bursts (Gilbert): chance of a packet to begin one, and to end it. Within a burst nothing passes. */
  burst: { readonly begin: number; readonly end: number } | undefined
  /** Shortest way of a packet. */
  delayMinMs: number
  /** Longest way of a packet; between the two every length is as likely, so packets overtake each other. */
  delayMaxMs: number
  /** Share of the packets that take `tailMs` longer: the tail of the delays, and the packets that are overtaken. */
  tail: number
  tailMs: number
  /** A line that hands packets on no faster than one in this time: what comes faster waits behind the others. 0: at once. */
  paceMs: number
  /** Share of the packets that arrive twice. */
  duplicate: number
  /** Share of the packets of which one bit is turned over. */
  flip: number
  /** Share of the packets that are cut off somewhere. */
  truncate: number
}

/** A link on which nothing happens to a packet but 0.1 to 0.3 ms. */
export const calmConditions: Readonly<LinkConditions> = {
  cut: false,
  held: false,
  loss: 0,
  burst: undefined,
  delayMinMs: 0.1,
  delayMaxMs: 0.3,
  tail: 0,
  tailMs: 0,
  paceMs: 0,
  duplicate: 0,
  flip: 0,
  truncate: 0,
}

/** What waits longer than this behind others is dropped: the buffer of a slow line is full. */
const longestQueueMs = 20_000

/** What became of a packet on its way: `true` are those that arrived as they were sent, for the first time. */
export type Arrival = 'true' | 'again' | 'damaged' | 'injected'

/** Takes what arrives on a link. */
export type Receiver = (bytes: Uint8Array, arrival: Arrival) => void

interface Line {
  readonly conditions: LinkConditions
  readonly to: string
  inBurst: boolean
  waiting: Uint8Array[]
  /** When what is on its way has left it, at its pace. */
  freeAtMs: number
}

/** What a network counts of its own doing. */
export type NetworkFault = 'loss' | 'burst' | 'tail' | 'duplicate' | 'flip' | 'truncate' | 'cut' | 'held' | 'queue'

/** A network in virtual time: a set of links, each with conditions of its own in both directions. */
export class SimulatedNetwork {
  readonly #schedule: Schedule
  readonly #random: () => number
  readonly #receivers = new Map<string, Receiver>()
  readonly #lines = new Map<string, Line>()
  /** Sees every frame as it is sent, whatever becomes of it: for captures. */
  tap: ((from: string, link: string, frame: Uint8Array) => void) | undefined
  /** The same, for the observer of a simulation. */
  onSent: ((from: string, link: string, frame: Uint8Array) => void) | undefined
  /** How many packets each kind of fault has met. */
  readonly met: Record<NetworkFault, number> = {
    loss: 0,
    burst: 0,
    tail: 0,
    duplicate: 0,
    flip: 0,
    truncate: 0,
    cut: 0,
    held: 0,
    queue: 0,
  }

  constructor(schedule: Schedule, random: () => number) {
    this.#schedule = schedule
    this.#random = random
  }

  /** Conditions from one node to another on a link; change them in place. */
  conditions(from: string, to: string, link: string): LinkConditions {
    return this.#line(from, to, link).conditions
  }

  #line(from: string, to: string, link: string): Line {
    const key = `${from} ${to} ${link}`
    let line = this.#lines.get(key)
    if (!line) {
      line = { conditions: { ...calmConditions }, to: `${to} ${link}`, inBurst: false, waiting: [], freeAtMs: 0 }
      this.#lines.set(key, line)
    }
    return line
  }

  /** The end of a link at one node; what arrives goes to `receive` until `close`. `lagMs` says how late a stalled sender is. */
  transport(
    link: string,
    context: Pick<TransportContext, 'self' | 'peer'>,
    receive: Receiver,
    lagMs: () => number = () => 0,
  ): Transport {
    const { self, peer } = context
    const own = `${self} ${link}`
    const line = this.#line(self, peer, link)
    return {
      capabilities: { framing: 'datagram', maxFrameBytes: 65_507, echoes: false },
      open: () => {
        this.#receivers.set(own, receive)
        return Promise.resolve()
      },
      send: (frame) => {
        this.tap?.(self, link, frame)
        this.onSent?.(self, link, frame)
        const late = lagMs()
        if (late > 0) this.#schedule.at(this.#schedule.nowMs + late, () => this.#carry(line, frame))
        else this.#carry(line, frame)
      },
      close: () => {
        if (this.#receivers.get(own) === receive) this.#receivers.delete(own)
        return Promise.resolve()
      },
      describe: () => `simulated ${link}: ${self} -> ${peer}`,
    }
  }

  /** Lets bytes arrive at a node on a link now, whoever sent them. */
  inject(to: string, link: string, bytes: Uint8Array): void {
    this.#receivers.get(`${to} ${link}`)?.(bytes, 'injected')
  }

  /** Ends the waiting of everything that was held and is held no longer, and forgets bursts. */
  release(): void {
    for (const line of this.#lines.values()) {
      if (line.conditions.burst === undefined) line.inBurst = false
      if (line.conditions.held) continue
      for (const frame of line.waiting.splice(0)) this.#carry(line, frame)
    }
  }

  #carry(line: Line, frame: Uint8Array): void {
    const { conditions } = line
    if (conditions.held) {
      this.met.held++
      // A buffer somewhere on the way is full in the end.
      if (line.waiting.length < 1000) line.waiting.push(frame)
      return
    }
    if (conditions.cut) {
      this.met.cut++
      return
    }
    if (conditions.loss > 0 && this.#random() < conditions.loss) {
      this.met.loss++
      return
    }
    if (conditions.burst && this.#lostInBurst(line, conditions.burst)) {
      this.met.burst++
      return
    }
    if (conditions.paceMs > 0) return this.#queue(line, frame)
    this.#travel(line, frame, 'true')
    if (!this.#happens('duplicate', conditions.duplicate)) return
    this.#travel(line, frame, 'again')
  }

  /** Behind everything that is on its way, at the pace of the line. */
  #queue(line: Line, frame: Uint8Array): void {
    const { nowMs } = this.#schedule
    this.met.queue++
    line.freeAtMs = Math.max(line.freeAtMs, nowMs) + line.conditions.paceMs
    if (line.freeAtMs - nowMs > longestQueueMs) line.freeAtMs -= line.conditions.paceMs
    else this.#schedule.at(line.freeAtMs, () => this.#travel(line, frame, 'true'))
  }

  #travel(line: Line, frame: Uint8Array, arrival: Arrival): void {
    const { delayMinMs, delayMaxMs, tail, tailMs, flip, truncate } = line.conditions
    let delayMs = delayMinMs + this.#random() * (delayMaxMs - delayMinMs)
    if (this.#happens('tail', tail)) delayMs += this.#random() * tailMs
    let bytes = frame
    if (this.#happens('flip', flip)) bytes = this.#flipped(bytes)
    if (this.#happens('truncate', truncate)) bytes = bytes.slice(0, Math.floor(this.#random() * bytes.length))
    const how = bytes === frame ? arrival : 'damaged'
    this.#schedule.at(this.#schedule.nowMs + delayMs, () => this.#receivers.get(line.to)?.(bytes, how))
  }

  #happens(fault: NetworkFault, share: number): boolean {
    const happens = share > 0 && this.#random() < share
    if (happens) this.met[fault]++
    return happens
  }

  #flipped(frame: Uint8Array): Uint8Array {
    const bytes = frame.slice()
    const bit = Math.floor(this.#random() * bytes.length * 8)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return bytes
  }

  #lostInBurst(line: Line, burst: { readonly begin: number; readonly end: number }): boolean {
    line.inBurst = line.inBurst ? this.#random() >= burst.end : this.#random() < burst.begin
    return line.inBurst
  }
}
