import type { Transport, TransportContext } from '../roles/transport.ts'
import type { Schedule } from './schedule.ts'

/** How one direction of one link treats its packets. */
export interface LinkConditions {
  /** Nothing passes. */
  cut: boolean
  /** Share of the packets that is lost, 0 to 1. */
  loss: number
  /** Shortest way of a packet. */
  delayMinMs: number
  /** Longest way of a packet; between the two every length is as likely, so packets overtake each other. */
  delayMaxMs: number
}

/** Takes what arrives on a link. */
export type Receiver = (bytes: Uint8Array) => void

/** A network in virtual time: a set of links, each with conditions of its own in both directions. */
export class SimulatedNetwork {
  readonly #schedule: Schedule
  readonly #random: () => number
  readonly #receivers = new Map<string, Receiver>()
  readonly #conditions = new Map<string, LinkConditions>()
  /** Sees every frame as it is sent, whatever becomes of it: for captures. */
  tap: ((from: string, link: string, frame: Uint8Array) => void) | undefined

  constructor(schedule: Schedule, random: () => number) {
    this.#schedule = schedule
    this.#random = random
  }

  /** Conditions from one node to another on a link; change them in place. */
  conditions(from: string, to: string, link: string): LinkConditions {
    const key = `${from} ${to} ${link}`
    let conditions = this.#conditions.get(key)
    if (!conditions) {
      conditions = { cut: false, loss: 0, delayMinMs: 0.1, delayMaxMs: 0.3 }
      this.#conditions.set(key, conditions)
    }
    return conditions
  }

  /** The end of a link at one node; what arrives goes to `receive` until `close`. */
  transport(link: string, context: Pick<TransportContext, 'self' | 'peer'>, receive: Receiver): Transport {
    const { self, peer } = context
    const own = `${self} ${link}`
    return {
      capabilities: { framing: 'datagram', maxFrameBytes: 65_507, echoes: false },
      open: () => {
        this.#receivers.set(own, receive)
        return Promise.resolve()
      },
      send: (frame) => this.#carry(self, peer, link, frame),
      close: () => {
        if (this.#receivers.get(own) === receive) this.#receivers.delete(own)
        return Promise.resolve()
      },
      describe: () => `simulated ${link}: ${self} -> ${peer}`,
    }
  }

  /** Lets bytes arrive at a node on a link now, whoever sent them. */
  inject(to: string, link: string, bytes: Uint8Array): void {
    this.#receivers.get(`${to} ${link}`)?.(bytes)
  }

  #carry(from: string, to: string, link: string, frame: Uint8Array): void {
    this.tap?.(from, link, frame)
    const { cut, loss, delayMinMs, delayMaxMs } = this.conditions(from, to, link)
    if (cut || (loss > 0 && this.#random() < loss)) return
    const delayMs = delayMinMs + this.#random() * (delayMaxMs - delayMinMs)
    this.#schedule.at(this.#schedule.nowMs + delayMs, () => this.#receivers.get(`${to} ${link}`)?.(frame))
  }
}
