import { dialogueIdle } from '../../src/core/dialogue-silence.ts'
import { ownershipIdle } from '../../src/core/ownership-silence.ts'
import type { TableStep } from '../../src/core/table.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { Operation } from '../../src/roles/resource-agent.ts'
import { seededRandom } from '../../src/testing/schedule.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { type SimulatedGroup, Simulation } from '../../src/testing/simulation.ts'

/** What became of one seed: nothing wrong when `problems` is empty. */
export interface SwarmResult {
  readonly seed: number
  readonly problems: readonly string[]
  /** What was done to the pair, and what it told, in order. */
  readonly story: readonly string[]
  readonly steps: ReadonlySet<string>
}

const nodes = ['master', 'slave'] as const
type Node = (typeof nodes)[number]

const deadtimeMs = 1000
const keepaliveMs = 200
const chaosMs = 60_000
/** Everything that may still be on its way when the last fault has healed: limits of operations, hold-down, pauses, failback. */
const settleMs = 90_000
const quietMs = 15_000

/** One seed's life: faults drawn at random, then everything is healed and the pair must settle. */
class Swarm {
  readonly #random: () => number
  readonly #pair: Simulation
  readonly #groups: SimulatedGroup[]
  readonly #story: string[] = []
  readonly #problems: string[] = []
  readonly #steps = new Set<string>()
  readonly #enabled: readonly string[]
  #shown = 0
  /** When a node could last be missed by the other for another reason than the other's own pauses. */
  readonly #missableMs: Record<Node, number> = { master: 0, slave: 0 }
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
    this.#random = seededRandom(seed * 7919 + 17)
    const count = 1 + this.#below(3)
    this.#groups = Array.from({ length: count }, (_, index) => ({
      name: `group-${index}`,
      preferred: this.#pick(nodes),
      resources: [`address-${index}`, `service-${index}`],
      cuttable: this.#random() < 0.9,
      handover: index % 2 === seed % 2 ? 'make-before-break' : undefined,
    }))
    this.#pair = new Simulation({
      seed,
      nodes,
      groups: this.#groups,
      liveness: deadtime({ keepalive: `${keepaliveMs}ms`, deadtime: `${deadtimeMs}ms`, initdead: '4s' }),
      ring: simulatedRing,
      links: this.#random() < 0.5 ? ['eth1'] : ['eth1', 'eth2'],
      targets: this.#random() < 0.5 ? [] : ['gateway'],
      autoFailback: this.#random() < 0.5,
      onIsolated: this.#random() < 0.5 ? 'stop' : 'continue',
      holdDownMs: 5000,
      restartWindowMs: 10_000,
      copies: seed % 10 === 0,
      trace: (node, step) => this.#step(node as Node, step),
    })
    // Swarm testing: each run has only some of the faults, so that rare combinations are not drowned by common ones.
    this.#enabled = Object.keys(this.#faults).filter(() => this.#random() < 0.45)
  }

  run(): SwarmResult {
    try {
      for (const node of nodes) this.#pair.start(node)
      this.#watch()
      while (this.#pair.nowMs < chaosMs) {
        this.#pair.run(this.#below(this.#random() < 0.5 ? 400 : 4000))
        const name = this.#enabled.length > 0 ? this.#pick(this.#enabled) : undefined
        if (name !== undefined) this.#faults[name]?.(this.#pick(nodes))
      }
      this.#heal()
      this.#pair.run(settleMs)
      this.#judge()
    } catch (error) {
      this.#problems.push(String((error as Error).stack))
    }
    this.#tell()
    return { seed: this.#seed, problems: this.#problems, story: this.#story, steps: this.#steps }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T
  }

  #say(text: string): void {
    this.#tell()
    this.#story.push(`${this.#pair.nowMs.toFixed(1).padStart(9)} -- ${text}`)
  }

  readonly #faults: Readonly<Record<string, (node: Node) => void>> = {
    crash: (node) => this.#end(node, 'crash'),
    kill: (node) => this.#end(node, 'kill'),
    freeze: (node) => {
      if (!this.#pair.isRunning(node) || this.#pair.isFrozen(node)) return
      this.#say(`freeze ${node}`)
      this.#pair.freeze(node)
      this.#later(this.#below(this.#random() < 0.5 ? 900 : 6000), () => {
        if (!this.#pair.isFrozen(node)) return
        this.#missableMs[node] = this.#pair.nowMs
        this.#say(`thaw ${node}`)
        this.#pair.thaw(node)
      })
    },
    cut: (node) => {
      const link = this.#random() < 0.5 ? undefined : this.#pick(this.#pair.links)
      if (this.#random() < 0.5) {
        this.#say(`cut ${link ?? 'all links'}`)
        this.#pair.partition(link)
      } else {
        this.#say(`cut ${link ?? 'all links'} from ${node}`)
        this.#pair.partitionOneway(node, link)
      }
      this.#later(this.#below(5000), () => {
        this.#say('mend')
        this.#pair.repair()
      })
    },
    loss: () => {
      const loss = this.#random() * 0.5
      this.#say(`loss ${loss.toFixed(2)}`)
      this.#lines((line) => Object.assign(line, { loss, delayMaxMs: this.#random() * 60 }))
      this.#later(this.#below(8000), () => this.#calm())
    },
    ping: (node) => this.#ping(node),
    break: (node) => {
      const name = this.#resource()
      this.#say(`break ${name} on ${node}`)
      this.#pair.resource(node, name).running = false
    },
    behave: (node) => {
      const name = this.#resource()
      const operation = this.#pick<Operation>(['prepare', 'start', 'start', 'stop', 'status', 'isolate', 'restore'])
      const how = this.#pick([{ fails: 'it fails' }, { tookMs: 1500 }, { tookMs: Number.POSITIVE_INFINITY }])
      this.#say(`${operation} of ${name} on ${node}: ${JSON.stringify(how)}`)
      const { behaviour } = this.#pair.resource(node, name)
      behaviour[operation] = how
      this.#later(this.#below(15_000), () => {
        behaviour[operation] = {}
      })
    },
    standby: (node) => this.#command(node, 'standby'),
    takeover: (node) => this.#command(node, 'takeover'),
    stop: (node) => {
      if (!this.#pair.isRunning(node)) return
      this.#say(`stop ${node}`)
      this.#pair.command(node, { name: 'stop' })
      this.#later(this.#below(8000), () => this.#start(node))
    },
    send: (node) => {
      if (!this.#pair.isRunning(node)) return
      for (let index = 0; index < 20; index++) this.#pair.command(node, { name: 'send', payload: Uint8Array.of(index) })
    },
  }

  #later(afterMs: number, what: () => void): void {
    this.#pair.schedule.at(this.#pair.nowMs + afterMs, what)
  }

  #resource(): string {
    return this.#pick(this.#groups.flatMap(({ resources }) => resources))
  }

  #end(node: Node, how: 'crash' | 'kill'): void {
    if (!this.#pair.isRunning(node)) return
    this.#say(`${how} ${node}`)
    this.#pair[how](node)
    this.#later(this.#below(this.#random() < 0.3 ? 500 : 8000), () => this.#start(node))
  }

  #start(node: Node): void {
    if (this.#pair.isRunning(node)) return
    this.#say(`start ${node}`)
    this.#pair.start(node)
  }

  #ping(node: Node): void {
    this.#say(`no ping answers at ${node}`)
    this.#pair.setTarget(node, 'gateway', false)
    this.#later(this.#below(6000), () => this.#pair.setTarget(node, 'gateway', true))
  }

  #command(node: Node, name: 'standby' | 'takeover'): void {
    if (!this.#pair.isRunning(node)) return
    const scope = this.#pick(['all', 'local', 'foreign'] as const)
    this.#say(`${name} ${node} ${scope}`)
    this.#pair.command(node, { name, scope }, (refusal) => {
      this.#say(`${name} ${node} ${scope}: ${refusal ? refusal.message : 'done'}`)
    })
  }

  #lines(change: (line: ReturnType<Simulation['network']['conditions']>) => void): void {
    for (const link of this.#pair.links)
      for (const [from, to] of [nodes, [...nodes].reverse() as [Node, Node]])
        change(this.#pair.network.conditions(from, to, link))
  }

  #calm(): void {
    this.#lines((line) => Object.assign(line, { loss: 0, delayMinMs: 0.1, delayMaxMs: 0.3 }))
  }

  #heal(): void {
    this.#say('heal')
    this.#pair.repair()
    this.#calm()
    for (const node of nodes) {
      this.#pair.thaw(node)
      this.#pair.setTarget(node, 'gateway', true)
      for (const { resources } of this.#groups)
        for (const name of resources) {
          const { behaviour } = this.#pair.resource(node, name)
          for (const operation of Object.keys(behaviour)) behaviour[operation as Operation] = {}
        }
    }
    // Whoever is leaving at this moment is started when it has left.
    for (const afterMs of [0, 12_000, 24_000])
      this.#later(afterMs, () => {
        for (const node of nodes) this.#start(node)
      })
  }

  /** Every 20 ms: since when could each node be missed by a healthy other one? */
  #watch(): void {
    for (const node of nodes) {
      const other = nodes.find((name) => name !== node) as Node
      const line = (link: string) => this.#pair.network.conditions(node, other, link)
      const heard = this.#pair.links.some(
        (link) => !line(link).cut && line(link).loss === 0 && line(link).delayMaxMs < 1,
      )
      if (!heard || !this.#pair.isRunning(node) || this.#pair.isFrozen(node)) this.#missableMs[node] = this.#pair.nowMs
    }
    this.#tell()
    this.#watchForBoth()
    this.#later(20, () => this.#watch())
  }

  /** Two that hear each other must not serve at once, unless something cannot be cut off. */
  #watchForBoth(): void {
    if (this.#enabled.includes('behave') || this.#togetherMs() < 4 * keepaliveMs) return
    for (const { name, cuttable, handover } of this.#groups)
      if (handover === 'make-before-break' && this.#overlaps()) continue
      else if (cuttable !== false && this.#pair.serving(name).length > 1)
        this.#problems.push(`${name} is served by both at ${this.#pair.nowMs.toFixed(0)} although they hear each other`)
  }

  /** A move by make-before-break is under way: it alone is exempt from I12. */
  #overlaps(): boolean {
    const overlapping: readonly (string | undefined)[] = ['lending', 'handing', 'joining', 'joined']
    return nodes.some((node) => overlapping.includes(this.#pair.view(node)?.phase))
  }

  #tell(): void {
    const { events } = this.#pair
    for (; this.#shown < events.length; this.#shown++) {
      const { atMs, node, event } = events[this.#shown] as (typeof events)[number]
      this.#story.push(
        `${atMs.toFixed(1).padStart(9)} ${node.padEnd(6)} ${event.name} ${JSON.stringify(event.payload)}`,
      )
      if (event.name !== 'peer:dead') continue
      // I10: a node that beats on a line that carries must not be thought dead because of the other's own pauses.
      const peer = nodes.find((name) => name !== node) as Node
      const neededMs = event.payload.silentMs + event.payload.stallCreditMs + keepaliveMs
      if (atMs - this.#missableMs[peer] > neededMs + 50)
        this.#problems.push(`${node} thought ${peer} dead at ${atMs}, which was there since ${this.#missableMs[peer]}`)
    }
  }

  /** Both nodes have been there, with a line that carries both ways, for so long. */
  #togetherMs(): number {
    return this.#pair.nowMs - Math.max(...nodes.map((node) => this.#missableMs[node]))
  }

  #step(node: Node, { table, from, on, row, subject }: TableStep): void {
    const overlaps = this.#groups.find(({ name }) => name === subject)?.handover === 'make-before-break'
    if (table === 'ownership' && on === 'grant' && row !== null && !overlaps && this.#togetherMs() > 2 * deadtimeMs)
      if (this.#pair.serving(subject).some((name) => name !== node))
        this.#problems.push(
          `${node} was granted ${subject} at ${this.#pair.nowMs.toFixed(1)} while the other served it`,
        )
    const pair = `${table}: ${from} × ${on}`
    this.#steps.add(`${pair} ${row}`)
    if (row !== null) return
    const idle: readonly { readonly from: readonly string[]; readonly on: readonly string[] }[] =
      table === 'dialogue' ? dialogueIdle : ownershipIdle
    if (idle.some((entry) => entry.from.includes(from) && entry.on.includes(on))) return
    const problem = `${pair}: neither a row nor declared idle`
    if (!this.#problems.includes(problem)) this.#problems.push(problem)
  }

  /** Everything is healed and time has passed. */
  #judge(): void {
    for (const { name } of this.#groups) {
      const serving = this.#pair.serving(name)
      if (serving.length !== 1) this.#problems.push(`${name} is served by ${serving.join(' and ') || 'nobody'}`)
    }
    for (const node of nodes) {
      const view = this.#pair.view(node)
      if (!view) {
        this.#problems.push(`${node} does not run`)
        continue
      }
      if (view.phase !== 'settled') this.#problems.push(`${node} is ${view.phase}`)
      for (const { name, state } of view.groups)
        if (state !== 'active' && state !== 'standby') this.#problems.push(`${name} is ${state} on ${node}`)
      if (this.#pair.unanswered(node) > 0) this.#problems.push(`${node} owes ${this.#pair.unanswered(node)} answers`)
      for (const { resources } of this.#groups)
        for (const name of resources)
          if (this.#pair.resource(node, name).overlaps > 0)
            this.#problems.push(`operations of ${name} overlapped on ${node}`)
    }
    const sinceMs = this.#pair.nowMs - quietMs
    for (const { atMs, node, event } of this.#pair.events)
      if (atMs > sinceMs && event.name !== 'group:announced')
        this.#problems.push(`${node} tells ${event.name} at ${atMs.toFixed(0)}, long after everything was healed`)
  }
}

/** Plays one seed. The same seed gives the same run. */
export function playSeed(seed: number): SwarmResult {
  return new Swarm(seed).run()
}
