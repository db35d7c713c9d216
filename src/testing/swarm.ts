import { dialogueIdle } from '../core/handover/ignored.ts'
import { ownershipIdle } from '../core/ownership/ignored.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { OperationRequest } from '../roles/host.ts'
import type { Operation } from '../roles/resource-agent.ts'
import { FaultWorld } from './fault-world.ts'
import { faults, slowFaults } from './faults.ts'
import { type Breach, Oracle } from './oracle.ts'
import { seededRandom } from './schedule.ts'
import { calmConditions } from './simulated-network.ts'
import { simulatedRing } from './simulated-ring.ts'
import { Simulation } from './simulation.ts'
import type { SimulationOptions } from './simulation-options.ts'
import {
  calmMs,
  type Plan,
  type PlannedFault,
  type Probe,
  peaceMs,
  settleMs,
  swarmHoldDownMs,
  swarmLimits,
  swarmLiveness,
  swarmMonitorMs,
  swarmRestartWindowMs,
} from './swarm-plan.ts'

/** How a plan is played. */
export interface PlayOptions {
  /** Rules of the oracle that are not checked. */
  readonly without?: readonly string[] | undefined
  /** Tells the whole story: rows, operations and frames too. @defaultValue events and faults only */
  readonly trace?: boolean | undefined
  /** Inputs and effects are copied as if to another thread. @defaultValue false */
  readonly copies?: boolean | undefined
}

/** What came of a plan. */
export interface Played {
  readonly seed: number
  readonly clusterMs: number
  /** Rules that were broken; empty when all is well. */
  readonly breaches: readonly Breach[]
  /** How often each rule was found to be kept or broken. */
  readonly checked: ReadonlyMap<string, number>
  /** How often each kind of fault was injected; those of single packets count packets. */
  readonly faults: ReadonlyMap<string, number>
  /** How often each row was taken, as `ownership 3`. */
  readonly rows: ReadonlyMap<string, number>
  /** What was done to the pair, and what it told, in order. */
  readonly story: readonly string[]
  /** Over everything that was sent, told and done, with its time: equal for equal runs. */
  readonly digest: string
}

const driftBound = 0.011

/** Plays one plan: disorder, then everything is healed and the pair must settle, then peace; and so on. */
class Swarm {
  readonly #plan: Plan
  readonly #oracle: Oracle
  readonly #options: SimulationOptions
  readonly #pair: Simulation
  readonly #world: FaultWorld
  readonly #story: string[] = []
  readonly #trace: boolean
  readonly #faults = new Map<string, number>()
  readonly #rows = new Map<string, number>()
  readonly #breaches: Breach[] = []
  readonly #ending = new Map<PlannedFault, () => void>()
  #digest = 0x811c9dc5

  constructor(plan: Plan, { without, trace = false, copies }: PlayOptions) {
    this.#plan = plan
    this.#trace = trace
    this.#oracle = new Oracle({ without, driftBound })
    this.#options = {
      seed: plan.seed,
      nodes: ['master', 'slave'],
      groups: plan.groups,
      liveness: swarmLiveness,
      ring: simulatedRing,
      links: plan.links,
      targets: plan.targets,
      autoFailback: plan.autoFailback,
      onIsolated: plan.onIsolated,
      holdDownMs: swarmHoldDownMs,
      restartWindowMs: swarmRestartWindowMs,
      limits: swarmLimits,
      monitorMs: swarmMonitorMs,
      copies,
      observer: this.#oracle,
      trace: (node, step) => this.#step(node, step),
    }
    this.#pair = new Simulation(this.#options)
    this.#oracle.attach(this.#pair, this.#options)
    this.#oracle.onEvent = (node, event) =>
      this.#tell(`${node.padEnd(6)} ${event.name} ${JSON.stringify(event.payload)}`)
    const count = (kind: string) => this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1)
    this.#world = new FaultWorld(this.#pair, this.#options, this.#oracle, (text) => this.#tell(`-- ${text}`), count)
    this.#observeMore()
  }

  play(): Played {
    try {
      for (const node of this.#options.nodes) this.#world.start(node)
      for (const fault of this.#plan.faults) this.#pair.schedule.at(fault.atMs, () => this.#begin(fault))
      for (const round of this.#plan.rounds) {
        this.#pair.run(round.healMs - this.#pair.nowMs)
        this.#heal()
        this.#pair.run(settleMs)
        this.#oracle.settled()
        for (const probe of round.probes) this.#peace(probe)
        this.#oracle.facts.stateLost = false
      }
    } catch (error) {
      this.#broken('THROWN', String((error as Error).stack))
    }
    for (const [kind, times] of Object.entries(this.#pair.network.met)) this.#faults.set(`packet ${kind}`, times)
    return {
      seed: this.#plan.seed,
      clusterMs: this.#pair.nowMs,
      breaches: [...this.#oracle.breaches, ...this.#breaches],
      checked: this.#oracle.checked,
      faults: this.#faults,
      rows: this.#rows,
      story: this.#story,
      digest: this.#digest.toString(16).padStart(8, '0'),
    }
  }

  #broken(id: string, text: string): void {
    if (!this.#breaches.some((breach) => breach.text === text))
      this.#breaches.push({ id, atMs: this.#pair.nowMs, text })
  }

  #begin(planned: PlannedFault): void {
    const fault = [...faults, ...slowFaults].find(({ kind }) => kind === planned.kind)
    if (!fault) throw new Error(`no fault is called ${planned.kind}`)
    this.#world.use(seededRandom(planned.seed))
    const told = this.#story.length
    const over = fault.begin(this.#world)
    // What says nothing did nothing: there was no such link, or the node did not run.
    if (over || this.#story.length > told || fault.upToMs === 0) this.#world.count(fault.kind)
    this.#oracle.changed()
    if (!over) return
    this.#ending.set(planned, over)
    this.#pair.schedule.at(this.#pair.nowMs + planned.forMs, () => this.#end(planned))
  }

  #end(planned: PlannedFault): void {
    const over = this.#ending.get(planned)
    if (!this.#ending.delete(planned) || !over) return
    if (this.#trace) this.#tell(`-- the end of ${planned.kind} (${planned.index})`)
    over()
    this.#oracle.changed()
  }

  #heal(): void {
    this.#tell('-- everything is healed')
    for (const planned of [...this.#ending.keys()]) this.#end(planned)
    const [a, b] = this.#options.nodes
    for (const link of this.#pair.links)
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const)
        Object.assign(this.#pair.network.conditions(from, to, link), calmConditions)
    this.#pair.network.release()
    for (const node of this.#options.nodes) {
      this.#pair.thaw(node)
      this.#pair.drift(node, 0)
      this.#pair.lateTimers(node, 0)
      this.#pair.stateFault(node, undefined)
      for (const target of this.#plan.targets) this.#pair.setTarget(node, target, true)
      for (const { resources } of this.#plan.groups)
        for (const name of resources) {
          const { behaviour } = this.#pair.resource(node, name)
          for (const operation of Object.keys(behaviour)) behaviour[operation as Operation] = {}
        }
    }
    this.#oracle.facts.timersLate = false
    this.#oracle.facts.season = 'healing'
    this.#oracle.changed()
    // Whoever is leaving at this moment is started when it has left.
    for (let afterMs = 0; afterMs <= 30_000; afterMs += 1000)
      this.#world.later(afterMs, () => {
        for (const node of this.#options.nodes) this.#world.start(node)
      })
  }

  #peace(probe: Probe): void {
    this.#tell(`-- peace: ${probe}`)
    const undo = this.#probe(probe)
    this.#pair.run(peaceMs[probe])
    this.#oracle.peaceOver(peaceMs[probe])
    undo()
    this.#pair.run(calmMs)
  }

  #probe(probe: Probe): () => void {
    this.#world.use(seededRandom(this.#plan.seed + this.#pair.nowMs))
    this.#oracle.peace(probe)
    if (probe === 'link') return this.#world.lines({ cut: true }, { link: this.#world.pick(this.#pair.links) })
    if (probe === 'targets') {
      const all = (answers: boolean) => {
        for (const node of this.#options.nodes)
          for (const target of this.#plan.targets) this.#pair.setTarget(node, target, answers)
      }
      all(false)
      return () => all(true)
    }
    if (probe === 'move') {
      const node = this.#world.node()
      this.#world.command(node, { name: 'standby', scope: 'all' }, `standby ${node}`)
    }
    return () => {}
  }

  #step(node: string, { table, from, on, row, subject }: TableStep): void {
    if (this.#trace) this.#tell(`${node.padEnd(6)}   ${table} of ${subject}: ${from} × ${on} -> row ${row}`)
    if (row !== null) {
      const key = `${table} ${row}`
      this.#rows.set(key, (this.#rows.get(key) ?? 0) + 1)
      return
    }
    const idle: readonly { readonly from: readonly string[]; readonly on: readonly string[] }[] =
      table === 'dialogue' ? dialogueIdle : ownershipIdle
    if (idle.some((entry) => entry.from.includes(from) && entry.on.includes(on))) return
    this.#broken('TABLE', `${table}: ${from} × ${on}: neither a row nor declared idle`)
  }

  /** Operations, frames and times go into the digest; with `trace` into the story too. */
  #observeMore(): void {
    const { began, sent } = this.#oracle
    this.#oracle.began = (node: string, request: OperationRequest) => {
      began.call(this.#oracle, node, request)
      const text = `${node.padEnd(6)}   ${request.operation} ${request.resource} (epoch ${request.epoch})`
      if (this.#trace) this.#tell(text)
      else this.#mix(`${this.#pair.nowMs} ${text}`)
    }
    this.#oracle.sent = (node: string, link: string, frame: Uint8Array) => {
      sent.call(this.#oracle, node, link, frame)
      this.#mixBytes(frame)
    }
  }

  #tell(text: string): void {
    const line = `${this.#pair.nowMs.toFixed(1).padStart(10)} ${text}`
    this.#story.push(line)
    this.#mix(line)
  }

  #mix(text: string): void {
    let digest = this.#digest
    for (let at = 0; at < text.length; at++) digest = Math.imul(digest ^ text.charCodeAt(at), 0x01000193) >>> 0
    this.#digest = digest
  }

  #mixBytes(bytes: Uint8Array): void {
    let digest = Math.imul(this.#digest ^ Math.round(this.#pair.nowMs * 1000), 0x01000193) >>> 0
    for (let at = 0; at < bytes.length; at++) digest = Math.imul(digest ^ (bytes[at] as number), 0x01000193) >>> 0
    this.#digest = digest
  }
}

/** Plays a plan. The same plan gives the same run, byte for byte. */
export function play(plan: Plan, options: PlayOptions = {}): Played {
  return new Swarm(plan, options).play()
}
