import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { seededRandom } from '../../src/testing/schedule.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const nodes = ['master', 'slave'] as const
type Node = (typeof nodes)[number]

/** `SEED=17` plays that one alone. */
const single = process.env['SEED']
const seeds = single === undefined ? Array.from({ length: 60 }, (_, index) => index + 1) : [Number(single)]

/** A kind of pair: its times, in milliseconds. */
const paces = [
  { keepalive: '200ms', deadtime: '1s', initdead: '4s' },
  { keepalive: '50ms', deadtime: '300ms', warntime: '150ms', initdead: '2s' },
  { keepalive: '1s', deadtime: '10s', initdead: '20s' },
] as const

/** A pair with a guard and without a lease: what befalls its processes never lets both answer, and the standby's fate is none of the owner's. */
class GuardedPair {
  readonly #random: () => number
  readonly pair: Simulation
  readonly problems: string[] = []
  #story: string[] = []
  /** The owner may not fall silent now. */
  #mustServe = false
  readonly #deadtimeMs: number

  constructor(seed: number) {
    this.#random = seededRandom(seed * 7919 + 3)
    const liveness = deadtime(this.pick(paces))
    this.#deadtimeMs = liveness.times.deadtimeMs
    this.pair = new Simulation({
      seed,
      nodes,
      groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
      liveness,
      ring: simulatedRing,
      autoFailback: this.#random() < 0.5,
      holdDownMs: 5000,
      guarded: true,
    })
    for (const node of nodes) this.pair.drift(node, (this.#random() - 0.5) * 0.019)
    this.#watch()
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  #watch(): void {
    const { pair } = this
    const serving = pair.serving('web')
    if (serving.length > 1) this.#problem('both answer')
    if (serving.length === 0 && this.#mustServe) this.#problem('the owner does not answer')
    pair.schedule.at(pair.nowMs + Math.min(4, this.#deadtimeMs / 100), () => this.#watch())
  }

  #problem(what: string): void {
    const text = `${this.pair.nowMs.toFixed(0)}: ${what}; ${this.#story.join(', ')}`
    if (this.problems.length < 3) this.problems.push(text)
  }

  /** Long enough for a verdict, and at times for less. */
  #aWhile(): number {
    return this.below(this.#deadtimeMs * (this.#random() < 0.5 ? 1 : 6))
  }

  readonly #faults: Readonly<Record<string, (node: Node, forMs: number) => void>> = {
    freeze: (node, forMs) => {
      this.pair.freeze(node)
      this.pair.run(forMs)
      this.pair.thaw(node)
    },
    kill: (node, forMs) => {
      this.pair.kill(node)
      this.pair.run(forMs)
      this.pair.start(node)
    },
    crash: (node, forMs) => {
      this.pair.crash(node)
      this.pair.run(forMs)
      this.pair.start(node)
    },
    stop: (node, forMs) => {
      this.pair.command(node, { name: 'stop' })
      this.pair.run(forMs + 2000)
      if (!this.pair.isRunning(node)) this.pair.start(node)
    },
  }

  /** One thing at a time befalls one node, and both find to each other again. */
  play(): void {
    for (const node of nodes) this.pair.start(node)
    this.pair.run(3 * this.#deadtimeMs + 3000)
    for (let count = 0; count < 14; count++) {
      const [owner] = this.pair.serving('web')
      const node = this.pick(nodes)
      const kind = this.pick(Object.keys(this.#faults))
      const forMs = this.#aWhile()
      this.#story = [...this.#story.slice(-4), `${this.pair.nowMs.toFixed(0)} ${kind} ${node} ${forMs}`]
      this.#mustServe = owner !== undefined && owner !== node
      this.#faults[kind]?.(node, forMs)
      this.pair.run(this.#deadtimeMs)
      this.#mustServe = false
      this.pair.run(8 * this.#deadtimeMs + 5000)
    }
    if (this.pair.serving('web').length !== 1) this.#problem(`${this.pair.serving('web').length} serve in the end`)
  }
}

it(`a guarded pair: a frozen owner answers no more when its peer serves, and a healthy one always does (${seeds.length} seeds)`, () => {
  for (const seed of seeds) {
    const pair = new GuardedPair(seed)
    pair.play()
    assert.deepEqual(pair.problems, [], `SEED=${seed}`)
  }
})
