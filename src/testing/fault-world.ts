import type { Command } from '../core/types.ts'
import type { Oracle } from './oracle.ts'
import type { Facts } from './oracle-facts.ts'
import { payloadOf } from './payload.ts'
import type { LinkConditions } from './simulated-network.ts'
import type { Simulation } from './simulation.ts'
import type { SimulatedGroup, SimulationOptions } from './simulation-options.ts'

/** A frame as an eavesdropper has written it down. */
export interface Captured {
  readonly from: string
  readonly link: string
  readonly frame: Uint8Array
  /** Which run of its sender it is from. */
  readonly run: number
}

const capturedMax = 400

/** What a fault has to work with. Everything random in it comes from its own seed, so that leaving another one out changes nothing here. */
export class FaultWorld {
  readonly pair: Simulation
  readonly options: SimulationOptions
  readonly oracle: Oracle
  readonly say: (text: string) => void
  readonly count: (kind: string) => void
  readonly captured: Captured[] = []
  readonly runs: Map<string, number> = new Map()
  #random: () => number = () => 0
  #sent = 0

  constructor(
    pair: Simulation,
    options: SimulationOptions,
    oracle: Oracle,
    say: (text: string) => void,
    count: (kind: string) => void,
  ) {
    this.pair = pair
    this.options = options
    this.oracle = oracle
    this.say = say
    this.count = count
    pair.network.tap = (from, link, frame) => {
      const entry = { from, link, frame, run: this.runs.get(from) ?? 0 }
      // A ring: old ones stay here and there, so that earlier runs are still known.
      if (this.captured.length < capturedMax) this.captured.push(entry)
      else this.captured[Math.floor(pair.nowMs * 7) % capturedMax] = entry
    }
  }

  /** The fault that is about to begin draws from this. */
  use(random: () => number): void {
    this.#random = random
  }

  get facts(): Facts {
    return this.oracle.facts
  }

  get groups(): readonly SimulatedGroup[] {
    return this.options.groups
  }

  get nodes(): readonly [string, string] {
    return this.options.nodes
  }

  random(): number {
    return this.#random()
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  between(low: number, high: number): number {
    return low + this.#random() * (high - low)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  node(): string {
    return this.pick(this.nodes)
  }

  other(node: string): string {
    return node === this.nodes[0] ? this.nodes[1] : this.nodes[0]
  }

  later(afterMs: number, what: () => void): void {
    this.pair.schedule.at(this.pair.nowMs + afterMs, what)
  }

  start(node: string): void {
    if (this.pair.isRunning(node)) return
    this.runs.set(node, (this.runs.get(node) ?? 0) + 1)
    this.say(`start ${node}`)
    this.pair.start(node)
  }

  /** Changes links, one or all, in one direction or both; the returned function changes them back. */
  lines(
    change: Partial<LinkConditions>,
    which: { link?: string | undefined; from?: string | undefined } = {},
  ): () => void {
    const links = which.link === undefined ? this.pair.links : [which.link]
    const senders = which.from === undefined ? this.nodes : [which.from]
    const undo: (() => void)[] = []
    for (const link of links)
      for (const from of senders) {
        const conditions = this.pair.network.conditions(from, this.other(from), link)
        const before = Object.fromEntries(
          Object.keys(change).map((key) => [key, conditions[key as keyof LinkConditions]]),
        )
        Object.assign(conditions, change)
        undo.push(() => Object.assign(conditions, before))
      }
    this.oracle.changed()
    return () => {
      for (const back of undo) back()
      this.pair.network.release()
      this.oracle.changed()
    }
  }

  command(node: string, command: Command, label: string): void {
    if (!this.pair.isRunning(node)) return
    this.say(label)
    this.pair.command(node, command, (refusal) => this.say(`${label}: ${refusal ? refusal.message : 'done'}`))
  }

  send(node: string, count: number): void {
    if (!this.pair.isRunning(node)) return
    const run = 2 * (this.runs.get(node) ?? 0) + this.nodes.indexOf(node)
    for (let index = 0; index < count; index++) {
      const number = ++this.#sent
      this.pair.command(node, { name: 'send', payload: payloadOf(run, number) }, (refusal) => {
        if (!refusal) this.oracle.acknowledged(node, number)
      })
    }
  }
}
