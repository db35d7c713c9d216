import { type LimitedReport, onceASecond } from '../platform/once-a-second.ts'
import { HotStandbyError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import type { Transport, TransportContext, TransportPlugin } from '../roles/transport.ts'

/** Options of {@link memoryNetwork}. */
export interface MemoryNetworkOptions {
  /** Answers a number from 0 up to 1 for each frame; a seeded one makes the losses repeatable. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined
}

const knownOptions: OptionTable<MemoryNetworkOptions> = {
  random: 'function',
}

/**
 * A network inside one process and the faults it can have. Verbs act on every link, or on the one that is named.
 * The words are those of the simulator turmoil.
 */
export interface MemoryNetwork {
  /** A link of this network, for every node that uses it. @defaultValue `link` is `memory` */
  transport(link?: string): TransportPlugin
  /** Nothing passes between two nodes, either way. */
  partition(a: string, b: string, link?: string): void
  /** Ends a partition, either way. */
  repair(a: string, b: string, link?: string): void
  /** Nothing passes from one node to the other; the way back works. */
  partitionOneway(from: string, to: string, link?: string): void
  /** Ends a partition of this direction. */
  repairOneway(from: string, to: string, link?: string): void
  /** Frames between two nodes wait, either way, until `release`. */
  hold(a: string, b: string, link?: string): void
  /** Delivers what waited, in order, and ends the holding. */
  release(a: string, b: string, link?: string): void
  /** Share of the frames that get lost from now on, 0 to 1. */
  loss(probability: number): void
}

interface End {
  readonly node: string
  readonly link: string
  readonly context: TransportContext
}

interface Rule {
  readonly from: string
  readonly to: string
  /** Undefined: every link. */
  readonly link: string | undefined
}

const maxFrameBytes = 65_507

/**
 * Makes a network inside this process, for tests and for trying things out. Frames arrive whole, unchanged and in order, in a
 * microtask of their own, unless a verb of the network says otherwise.
 *
 * @example
 * ```ts
 * import { memoryNetwork } from 'hot-standby'
 *
 * const network = memoryNetwork()
 * const transports = [network.transport('eth1'), network.transport('ttyS0')]
 * network.partition('master', 'slave', 'eth1')
 * ```
 */
export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  checkOptionNames('memoryNetwork', options, knownOptions)
  return new Network(options.random ?? Math.random)
}

class Network implements MemoryNetwork {
  readonly ends: Set<End> = new Set()
  readonly #random: () => number
  #loss = 0
  #cuts: readonly Rule[] = []
  #holds: readonly Rule[] = []
  #waiting: { readonly from: End; readonly to: End; readonly frame: Uint8Array }[] = []

  constructor(random: () => number) {
    this.#random = random
  }

  transport(link = 'memory'): TransportPlugin {
    if (typeof link !== 'string')
      throw new HotStandbyError('HS_CONFIG', `transport: the name of the link must be a text, got ${shownValue(link)}`)
    return { kind: 'transport', type: 'memory', link, create: (context) => new MemoryTransport(this, link, context) }
  }

  partition(a: string, b: string, link?: string): void {
    this.partitionOneway(a, b, link)
    this.partitionOneway(b, a, link)
  }

  repair(a: string, b: string, link?: string): void {
    this.repairOneway(a, b, link)
    this.repairOneway(b, a, link)
  }

  partitionOneway(from: string, to: string, link?: string): void {
    this.#cuts = [...without(this.#cuts, from, to, link), { from, to, link }]
  }

  repairOneway(from: string, to: string, link?: string): void {
    this.#cuts = without(this.#cuts, from, to, link)
  }

  hold(a: string, b: string, link?: string): void {
    this.#holds = [...this.#holds, { from: a, to: b, link }, { from: b, to: a, link }]
  }

  release(a: string, b: string, link?: string): void {
    this.#holds = without(without(this.#holds, a, b, link), b, a, link)
    const waiting = this.#waiting
    this.#waiting = []
    for (const { from, to, frame } of waiting) this.#pass(from, to, frame)
  }

  loss(probability: number): void {
    if (!(probability >= 0 && probability <= 1)) {
      throw new HotStandbyError('HS_CONFIG', `loss: ${probability} is not a probability; write 0 to 1`)
    }
    this.#loss = probability
  }

  /** Takes a frame from one end and brings a copy to every other node of the link. */
  carry(from: End, frame: Uint8Array): void {
    for (const to of this.ends) {
      if (to.link !== from.link || to.node === from.node) continue
      if (this.#loss > 0 && this.#random() < this.#loss) continue
      this.#pass(from, to, new Uint8Array(frame))
    }
  }

  #pass(from: End, to: End, frame: Uint8Array): void {
    if (concerns(this.#cuts, from, to)) return
    if (concerns(this.#holds, from, to)) this.#waiting.push({ from, to, frame })
    else queueMicrotask(() => this.ends.has(to) && to.context.receive(frame, from.node))
  }
}

function concerns(rules: readonly Rule[], from: End, to: End): boolean {
  return rules.some(
    (rule) => rule.from === from.node && rule.to === to.node && (rule.link === undefined || rule.link === from.link),
  )
}

/** The rules less those of this direction: of one link, or of all when none is named. */
function without(rules: readonly Rule[], from: string, to: string, link: string | undefined): readonly Rule[] {
  return rules.filter((rule) => rule.from !== from || rule.to !== to || (link !== undefined && rule.link !== link))
}

function tooLarge(bytes: number): HotStandbyError {
  const message = `a frame of ${bytes} bytes is larger than the link carries (${maxFrameBytes})`
  return new HotStandbyError('HS_TRANSPORT', message)
}

class MemoryTransport implements Transport {
  readonly capabilities = { framing: 'datagram', maxFrameBytes, echoes: false } as const
  readonly #network: Network
  readonly #context: TransportContext
  readonly #end: End
  readonly #problem: LimitedReport

  constructor(network: Network, link: string, context: TransportContext) {
    this.#network = network
    this.#context = context
    this.#problem = onceASecond((error) => context.problem(error))
    this.#end = { node: context.self, link, context }
  }

  async open(): Promise<void> {
    if (this.#network.ends.has(this.#end)) throw new HotStandbyError('HS_STATE', 'the link is open already')
    this.#network.ends.add(this.#end)
  }

  send(frame: Uint8Array): void {
    if (!this.#network.ends.has(this.#end)) return
    if (frame.length <= maxFrameBytes) this.#network.carry(this.#end, frame)
    else this.#problem('EMSGSIZE', () => tooLarge(frame.length))
  }

  async close(): Promise<void> {
    this.#network.ends.delete(this.#end)
  }

  describe(): string {
    return `${this.#context.self} -> ${this.#context.peer}`
  }
}
