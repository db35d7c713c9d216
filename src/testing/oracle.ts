import type { CoreEvent } from '../core/events.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Effect, Input } from '../core/types.ts'
import type { OperationRequest, OperationResult } from '../roles/host.ts'
import { hexOf, text } from '../wire/message.ts'
import { type Check, type Moment, oracleChecks } from './oracle-checks.ts'
import { Facts } from './oracle-facts.ts'
import type { NodeFacts } from './oracle-node.ts'
import type { Pause } from './simulated-clock.ts'
import type { Arrival } from './simulated-network.ts'
import type { Simulation } from './simulation.ts'
import type { Ending, SimulationObserver } from './simulation-observer.ts'
import type { SimulationOptions } from './simulation-options.ts'

/** A rule that was broken. */
export interface Breach {
  /** The rule, as in `oracleChecks`. */
  readonly id: string
  readonly atMs: number
  readonly text: string
}

/** What an oracle is told beside the simulation. */
export interface OracleOptions {
  /** Rules that are not checked, by id. */
  readonly without?: readonly string[] | undefined
  /** How far a clock may be off, as a ratio. @defaultValue 0 */
  readonly driftBound?: number | undefined
}

const breachesMax = 50

/**
 * Sees both nodes of a simulation and checks its rules after everything that happens. Give it to the simulation as its
 * `observer`, then tell it of the simulation with `attach`.
 *
 * @example
 * ```ts
 * import { deadtime } from 'hot-standby'
 * import { Oracle, Simulation, type SimulationOptions, simulatedRing } from 'hot-standby/testing'
 *
 * const oracle = new Oracle()
 * const options: SimulationOptions = {
 *   seed: 1,
 *   nodes: ['master', 'slave'],
 *   groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
 *   liveness: deadtime({ keepalive: '200ms', deadtime: '1s' }),
 *   ring: simulatedRing,
 *   observer: oracle,
 * }
 * const pair = new Simulation(options)
 * oracle.attach(pair, options)
 * pair.start('master')
 * pair.start('slave')
 * pair.run(60_000)
 * oracle.settled()
 * console.log(oracle.breaches) // []
 * ```
 */
export class Oracle implements SimulationObserver {
  /** The rules that were broken. */
  readonly breaches: Breach[] = []
  /** How often each rule was found to be kept or broken. */
  readonly checked: Map<string, number> = new Map()
  /** Hears of the events, for a story. */
  onEvent: ((node: string, event: CoreEvent) => void) | undefined
  readonly #byMoment = new Map<Moment['at'], Check[]>()
  readonly #driftBound: number
  #facts: Facts | undefined

  constructor({ without = [], driftBound = 0 }: OracleOptions = {}) {
    this.#driftBound = driftBound
    for (const check of oracleChecks) {
      if (without.includes(check.id)) continue
      this.checked.set(check.id, 0)
      for (const at of check.at) this.#byMoment.set(at, [...(this.#byMoment.get(at) ?? []), check])
    }
  }

  /** The simulation that this oracle observes. */
  attach(pair: Simulation, options: SimulationOptions): void {
    const facts = new Facts(pair, options, this.#driftBound)
    this.#facts = facts
    pair.schedule.after = () => {
      if (facts.look()) this.#ask({ at: 'serving' })
    }
    const beat = () => {
      for (const node of facts.nodes) if (node.runs && node.pausedSinceMs === undefined) this.#ask({ at: 'beat', node })
      pair.schedule.at(pair.nowMs + facts.keepaliveMs, beat)
    }
    pair.schedule.at(pair.nowMs, beat)
  }

  /** The books. */
  get facts(): Facts {
    if (!this.#facts) throw new Error('attach the oracle to its simulation first')
    return this.#facts
  }

  /** Links were changed from outside, in their conditions. */
  changed(): void {
    this.facts.changed()
  }

  /** Everything is healed and the time to settle is over: whoever serves now must, and nothing is open. */
  settled(): void {
    this.facts.tainted.clear()
    this.facts.lied.clear()
    this.#ask({ at: 'settled' })
  }

  /** From now on nothing may happen but what `probe` names. */
  peace(probe: Facts['probe']): void {
    const { facts } = this
    facts.season = 'peace'
    facts.probe = probe
    facts.longestGapMs = 0
    facts.unservedSinceMs.clear()
    for (const node of facts.nodes) {
      node.framesSent = 0
      node.told = 0
    }
  }

  /** Peace, of which `forMs` have passed, is over. */
  peaceOver(forMs: number): void {
    this.#ask({ at: 'peace over', forMs })
    this.facts.season = 'disorder'
    this.facts.probe = 'none'
  }

  /** Throws a packet in that must change nothing. */
  inject(node: string, link: string, bytes: Uint8Array, what: string): void {
    const { pair } = this.facts
    // What is due anyhow happens first.
    pair.wake(node)
    const before = this.#digest(node)
    pair.network.inject(node, link, bytes)
    const after = this.#digest(node)
    const changed = before === after ? undefined : `${before} became ${after}`
    this.#ask({ at: 'injected', node: this.facts.of(node), what, changed })
  }

  /** A node's message was acknowledged to it. */
  acknowledged(node: string, message: number): void {
    this.#ask({ at: 'acknowledged', node: this.facts.of(node), message })
  }

  /** What a node knows and does, without counters and times. */
  #digest(node: string): string {
    const view = this.facts.pair.view(node)
    if (!view) return 'gone'
    const { links: _, quality: _counters, peer, ...rest } = view
    const { operations } = this.facts.of(node)
    const delivered = this.facts.pair.messages(node).length
    return JSON.stringify([rest, { ...peer, silentMs: 0 }, [...operations.keys()], delivered])
  }

  #ask(moment: Moment): void {
    for (const check of this.#byMoment.get(moment.at) ?? []) {
      const verdict = check.check(this.facts, moment as never)
      if (verdict === undefined) continue
      this.checked.set(check.id, (this.checked.get(check.id) ?? 0) + 1)
      if (verdict === true || this.breaches.length >= breachesMax) continue
      this.breaches.push({ id: check.id, atMs: this.facts.nowMs, text: verdict })
    }
  }

  started(node: string): void {
    const { nowMs, options } = this.facts
    if (this.facts.stateLost) this.facts.of(node).forget()
    this.facts.of(node).begin(nowMs, this.facts.other(node).announcedMs, options.autoFailback ?? false)
    this.facts.changed()
  }

  gone(node: string, ending: Ending): void {
    const facts = this.facts.of(node)
    this.#ask({ at: 'gone', node: facts, ending })
    facts.end()
    this.facts.changed()
  }

  paused(node: string, pause: Pause): void {
    this.facts.paused(node)
    this.facts.of(node).pauseKind = pause
  }

  resumed(node: string, forMs: number): void {
    const facts = this.facts.of(node)
    this.facts.resumed(node, forMs, facts.pauseKind)
    facts.servedAtWake = []
    if (facts.pauseKind !== 'stopped') return
    this.facts.look()
    facts.servedAtWake = [...facts.groups]
      .filter(([group, { state }]) => state === 'active' && this.facts.serving.get(group)?.includes(node))
      .map(([group]) => group)
  }

  linked(): void {
    this.facts.changed()
  }

  arrived(node: string, _link: string, arrival: Arrival, bytes: Uint8Array): void {
    this.facts.arrived(node, arrival, bytes)
  }

  takes(node: string, _link: string, arrival: Arrival): void {
    this.facts.of(node).taking = arrival
  }

  sent(node: string, _link: string, frame: Uint8Array): void {
    this.facts.sent(node, frame)
  }

  input(node: string, input: Input): void {
    const facts = this.facts.of(node)
    this.#ask({ at: 'input', node: facts, input })
    facts.believedBefore = this.#isPast(facts, input) ? this.#believed(node) : undefined
    this.facts.input(node, input)
  }

  #isPast(facts: NodeFacts, input: Input): boolean {
    if (input.type !== 'message' || facts.taking === 'injected') return false
    const { message } = input
    if (text(message, 'hsgrp') === undefined || hexOf(message, 'hg') !== facts.generation) return false
    return (hexOf(message, 'seq') ?? 0) < facts.claimsSeq
  }

  #believed(node: string): string {
    return JSON.stringify(this.facts.pair.view(node)?.peer.groups)
  }

  effects(node: string, input: Input, effects: readonly Effect[]): void {
    const facts = this.facts.of(node)
    this.facts.effects(node, input, effects)
    facts.believedAfter = facts.believedBefore === undefined ? undefined : this.#believed(node)
    // What comes late may leave the peer late.
    if (facts.liveness === 'late' && input.type === 'message')
      if (this.facts.pair.view(node)?.peer.liveness === 'alive') facts.liveness = 'alive'
    this.#ask({ at: 'effects', node: facts, input, effects })
    facts.believedBefore = undefined
    if (input.type === 'stall') facts.servedAtWake = []
    if (input.type === 'message') facts.taking = undefined
  }

  step(node: string, step: TableStep): void {
    this.facts.step(node, step)
  }

  event(node: string, event: CoreEvent): void {
    const facts = this.facts.of(node)
    facts.livenessBefore = facts.liveness
    for (const [name, { seenEpoch }] of facts.groups) facts.seenBefore.set(name, seenEpoch)
    this.facts.event(node, event)
    if (!event.name.startsWith('group:')) facts.told++
    this.#ask({ at: 'event', node: facts, event })
    this.onEvent?.(node, event)
  }

  began(node: string, request: OperationRequest): void {
    const facts = this.facts.of(node)
    if (request.operation === 'start') facts.touchedBefore = new Set(facts.group(request.group).touched)
    this.facts.began(node, request)
    this.#ask({ at: 'began', node: facts, request })
  }

  ended(node: string, request: OperationRequest, result: OperationResult): void {
    this.facts.ended(node, request, result)
    this.#ask({ at: 'ended', node: this.facts.of(node), request, result })
  }
}
