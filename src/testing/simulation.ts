import { type Core, type CoreSnapshot, createCore } from '../core/core.ts'
import type { CoreEvent } from '../core/events.ts'
import type { TableStep } from '../core/transition-table.ts'
import type {
  Command,
  CoreConfig,
  Effect,
  GroupConfig,
  Reconfiguration,
  Refusal,
  ResourceConfig,
} from '../core/types.ts'
import { Loop } from '../engine/loop.ts'
import type { ResourceTimes } from '../roles/resource-agent.ts'
import { createCodec } from '../wire/codec.ts'
import { Schedule, seededRandom } from './schedule.ts'
import { SimulatedResource } from './simulated-agent.ts'
import type { Pause } from './simulated-clock.ts'
import { SimulatedHost, type StateFault } from './simulated-host.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedStore } from './simulated-store.ts'
import type { Ending } from './simulation-observer.ts'
import type { SimulationOptions } from './simulation-options.ts'

/** One thing that happened at a node, with true time. */
export interface SimulatedEvent {
  readonly atMs: number
  readonly node: string
  readonly event: CoreEvent
}

const times: ResourceTimes = { startMs: 20_000, stopMs: 20_000, statusMs: 2000, intervalMs: 1000 }

/**
 * Two nodes in virtual time around the unchanged loop and core, on the real wire format with real authentication. The same
 * seed and the same calls give the same run.
 *
 * @example
 * ```ts
 * import { deadtime } from 'hot-standby'
 * import { Simulation, simulatedRing } from 'hot-standby/testing'
 *
 * const pair = new Simulation({
 *   seed: 1,
 *   nodes: ['master', 'slave'],
 *   groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
 *   liveness: deadtime({ keepalive: '200ms', deadtime: '1s' }),
 *   ring: simulatedRing,
 * })
 * pair.start('master')
 * pair.start('slave')
 * pair.run(5000)
 * pair.crash('master')
 * pair.run(3000)
 * console.log(pair.serving('web')) // [ 'slave' ]
 * ```
 */
export class Simulation {
  readonly schedule: Schedule = new Schedule()
  readonly network: SimulatedNetwork
  /** The lease store of both nodes; it is asked only where the options name a lease. */
  readonly store: SimulatedStore
  /** Everything the nodes told, in order. */
  readonly events: SimulatedEvent[] = []
  readonly #options: SimulationOptions
  readonly #hosts: ReadonlyMap<string, SimulatedHost>
  #nextCommand = 1
  #nextBoot = 1

  constructor(options: SimulationOptions) {
    this.#options = options
    this.network = new SimulatedNetwork(this.schedule, seededRandom(options.seed))
    this.store = new SimulatedStore(this.schedule, seededRandom(options.seed + 104_729))
    const { observer } = options
    if (observer?.sent) this.network.onSent = (from, link, frame) => observer.sent?.(from, link, frame)
    this.#hosts = new Map(options.nodes.map((node) => [node, this.#makeHost(node)]))
  }

  #makeHost(node: string): SimulatedHost {
    // A source of its own: what a node draws must not shift what befalls its packets.
    const host = new SimulatedHost(
      node,
      this.schedule,
      seededRandom(this.#options.seed + 1 + this.#options.nodes.indexOf(node)),
      this.#options.observer,
    )
    host.store = this.store
    if (this.#options.guarded) host.guardedUntilMs = new Map()
    for (const { resources } of this.#options.groups)
      for (const name of resources) host.resources.set(name, new SimulatedResource(name))
    for (const target of this.#options.targets ?? []) host.targetsUp.set(target, true)
    return host
  }

  /** Virtual time since the simulation was made. */
  get nowMs(): number {
    return this.schedule.nowMs
  }

  /** Names of the links. */
  get links(): readonly string[] {
    return this.#options.links ?? ['eth1']
  }

  #host(node: string): SimulatedHost {
    const host = this.#hosts.get(node)
    if (!host) throw new Error(`no node is named ${node}`)
    return host
  }

  #peerOf(node: string): string {
    const [first, second] = this.#options.nodes
    return node === first ? second : first
  }

  /** Lets time pass. */
  run(forMs: number): void {
    this.schedule.runUntil(this.schedule.nowMs + forMs)
  }

  /** Starts the process on a host; what a killed one left there is removed first, as the state directory has it. */
  start(node: string): void {
    const host = this.#host(node)
    if (host.loop) throw new Error(`${node} runs already`)
    for (const resource of host.resources.values()) resource.reset()
    const { observer } = this.#options
    const peer = this.#peerOf(node)
    host.saved = { ...host.saved, generation: host.saved.generation + 1 }
    const config = this.config(node)
    const core = this.#makeCore(node, config)
    const codec = createCodec({ ring: this.#options.ring(node), framing: 'datagram', session: host.randomBytes(16) })
    const links = this.links.map((link) => ({
      link,
      codec,
      transport: this.network.transport(
        link,
        { self: node, peer },
        (bytes, arrival) => {
          host.hears(
            () => {
              observer?.takes?.(node, link, arrival)
              host.loop?.receive(link, bytes, peer)
            },
            () => observer?.arrived?.(node, link, arrival, bytes),
          )
        },
        () => {
          host.acts()
          return host.lagMs
        },
      ),
    }))
    host.transports = links.map(({ transport }) => transport)
    // The simulated transports open at once; their promises say nothing more.
    for (const transport of host.transports) transport.open().catch(() => {})
    host.loop = new Loop({
      core,
      host,
      links,
      silentLinkMs: config.times.initdeadMs,
      diagnose: () => 'simulated',
      onEvent: (event) => {
        this.events.push({ atMs: this.nowMs, node, event })
        observer?.event?.(node, event)
      },
      onMessage: (payload) => host.messages.push(payload),
      onReply: (id, refusal) => host.answer(id, refusal),
      onHalt: () => this.#down(host, 'stopped'),
      onFatal: () => {
        // The guardian cuts the addresses when the process lets go of it.
        for (const resource of host.resources.values()) resource.isolated = true
        this.#down(host, 'fatal')
      },
    })
    host.view = () => core.view()
    observer?.started?.(node)
    host.loop.start()
    const { run } = host
    for (const target of this.#options.targets ?? []) this.#ping(host, target, run)
  }

  #makeCore(node: string, config: CoreConfig): Core {
    const { trace, copies, liveness, observer, crashAmid, wrap } = this.#options
    const heard = (step: TableStep) => {
      trace?.(node, step)
      observer?.step?.(node, step)
    }
    const made = createCore(config, liveness.create(), trace || observer?.step ? heard : undefined)
    const core = wrap ? wrap(node, made, config) : made
    if (!copies && !observer && !crashAmid) return core
    return {
      step: (input) => {
        observer?.input?.(node, input)
        let effects: readonly Effect[] = core.step(copies ? structuredClone(input) : input)
        if (copies) effects = structuredClone(effects)
        observer?.effects?.(node, input, effects)
        return [...(crashAmid?.(node, effects) ?? effects)]
      },
      view: () => (copies ? structuredClone(core.view()) : core.view()),
      isNew: (mark) => core.isNew(copies ? structuredClone(mark) : mark),
      news: () => core.news(),
    }
  }

  /** What the core of a node is built from. */
  config(node: string): CoreConfig {
    const host = this.#host(node)
    const peer = this.#peerOf(node)
    const options = this.#options
    const { times: liveness } = options.liveness
    const groups: GroupConfig[] = options.groups.map(
      ({ name, preferred, resources, cuttable = true, data = cuttable ? [] : resources, handover, restarts }) => ({
        name,
        preferred,
        handover,
        restarts,
        resources: resources.map((resource, index) =>
          this.resourceConfig(resource, index === 0 && cuttable, data.includes(resource) ? 'data' : 'address'),
        ),
      }),
    )
    return {
      self: node,
      peer,
      uuid: new TextEncoder().encode(node.padEnd(16, '.')).slice(0, 16),
      bootId: (this.#nextBoot++).toString(16).padStart(16, '0'),
      generation: host.saved.generation,
      state: host.saved,
      times: liveness,
      deadpingMs: options.deadpingMs ?? liveness.deadtimeMs / 2,
      keyId: options.ring(node).active,
      held: options.ring(node).held,
      sealed: options.ring(node).protects === 'sealing',
      groups,
      links: this.links,
      targets: (options.targets ?? []).map((target) => ({
        target,
        deadpingMs: options.deadpingMs ?? liveness.deadtimeMs / 2,
      })),
      autoFailback: options.autoFailback ?? false,
      onIsolated: options.onIsolated ?? 'stop',
      restartWindowMs: options.restartWindowMs ?? 60_000,
      holdDownMs: options.holdDownMs ?? 60_000,
      guarded: options.guarded,
      ...(options.lease && {
        lease: { store: 'simulated', cluster: 'simulated', class: 'G2' as const, ...options.lease },
      }),
      ...options.override?.(node),
    }
  }

  /** A resource as the core knows it; every host has one of that name from then on. `isCuttable`: as an address is. */
  resourceConfig(name: string, isCuttable = false, exclusive: ResourceConfig['exclusive'] = 'address'): ResourceConfig {
    for (const { resources } of this.#hosts.values())
      if (!resources.has(name)) resources.set(name, new SimulatedResource(name))
    return {
      name,
      times: { ...times, ...this.#options.limits, intervalMs: this.#options.monitorMs ?? times.intervalMs },
      operations: isCuttable
        ? ['prepare', 'start', 'stop', 'status', 'announce', 'isolate', 'restore']
        : ['prepare', 'start', 'stop', 'status'],
      exclusive,
    }
  }

  /** The part of it that a reload may change. */
  reconfiguration(node: string): Reconfiguration {
    const { times, targets, deadpingMs, keyId, autoFailback, onIsolated, restartWindowMs, holdDownMs, groups } =
      this.config(node)
    return { times, targets, deadpingMs, keyId, autoFailback, onIsolated, restartWindowMs, holdDownMs, groups }
  }

  #ping(host: SimulatedHost, target: string, run: number): void {
    if (host.run !== run) return
    if (host.targetsUp.get(target)) host.enter(() => host.loop?.observe({ target, reachable: true }))
    this.schedule.at(this.nowMs + this.#options.liveness.times.keepaliveMs, () => this.#ping(host, target, run))
  }

  #down(host: SimulatedHost, ending: Ending): void {
    if (!host.loop) return
    for (const transport of host.transports) transport.close().catch(() => {})
    host.gone()
    this.#options.observer?.gone?.(host.name, ending)
  }

  /** The whole host dies: process and resources. */
  crash(node: string): void {
    const host = this.#host(node)
    this.#down(host, 'crash')
    for (const resource of host.resources.values()) resource.reset()
  }

  /** Only the process dies; the guardian removes what can be cut off, everything else runs on. */
  kill(node: string): void {
    const host = this.#host(node)
    this.#down(host, 'kill')
    for (const { resources } of this.#options.groups) {
      const address = host.resources.get(resources[0] as string)
      if (address) address.running = false
    }
  }

  /** Ends the process of a node, if it runs, and starts it again after a while. */
  bounce(node: string, afterMs = 0): void {
    this.crash(node)
    this.schedule.at(this.nowMs + afterMs, () => this.isRunning(node) || this.start(node))
  }

  /**
   * Stops the process without ending it: alone, as SIGSTOP does (what it has started goes on), or with its whole host, which
   * is `suspended` (its monotonic clock stands still, its boot clock goes on) or `halted` as a virtual machine (both stand).
   */
  freeze(node: string, pause: Pause = 'stopped'): void {
    this.#host(node).freeze(pause)
  }

  /** Lets a frozen process go on: it finds out that it stood still. */
  thaw(node: string): void {
    this.#host(node).thaw()
  }

  /** In one of its next turns, after so many effects, the process stands still for so long; what the turn still does comes late. */
  stall(node: string, forMs: number, afterEffects = 0, over: () => void = () => {}): void {
    this.#host(node).planStall(afterEffects, forMs, over)
  }

  /** The clocks of a node run fast by a ratio (0.01: one percent), or slow. */
  drift(node: string, ratio: number): void {
    this.#host(node).clock.drift(ratio)
    this.#host(node).rearm()
  }

  /** Sets the wall clock of a node. */
  stepWall(node: string, ms: number): void {
    this.#host(node).clock.stepWall(ms)
  }

  /** The timers of a node fire up to so much late. */
  lateTimers(node: string, upToMs: number): void {
    this.#host(node).timerLagMs = upToMs
  }

  /** In which order a node that stood still goes on: with its sockets, or with its timers, which is the harder case and the default. */
  wakeOrder(node: string, first: 'sockets' | 'timers'): void {
    this.#host(node).socketsFirst = first === 'sockets'
  }

  /** What becomes of a node's state file from now on; undefined: it is written well. */
  stateFault(node: string, fault: StateFault | undefined): void {
    this.#host(node).stateFault = fault
  }

  /** Nothing passes between the nodes on a link, or on every link. */
  partition(link?: string): void {
    this.#each(link, (conditions) => {
      conditions.cut = true
    })
  }

  /** Ends every cut of a link, or of all. */
  repair(link?: string): void {
    this.#each(link, (conditions) => {
      conditions.cut = false
    })
  }

  /** Nothing passes from one node to the other; the way back works. */
  partitionOneway(from: string, link?: string): void {
    for (const name of link === undefined ? this.links : [link])
      this.network.conditions(from, this.#peerOf(from), name).cut = true
    this.#options.observer?.linked?.()
  }

  /** What is sent on a link, or on all, waits; `release` lets it pass, in its order. */
  hold(link?: string): void {
    this.#each(link, (conditions) => {
      conditions.held = true
    })
  }

  /** Ends every holding of a link, or of all. */
  release(link?: string): void {
    this.#each(link, (conditions) => {
      conditions.held = false
    })
    this.network.release()
  }

  #each(link: string | undefined, change: (conditions: ReturnType<SimulatedNetwork['conditions']>) => void): void {
    const [a, b] = this.#options.nodes
    for (const name of link === undefined ? this.links : [link]) {
      change(this.network.conditions(a, b, name))
      change(this.network.conditions(b, a, name))
    }
    this.#options.observer?.linked?.()
  }

  /** Whether a ping target answers a node. */
  setTarget(node: string, target: string, answers: boolean): void {
    this.#host(node).targetsUp.set(target, answers)
  }

  /** Wakes a node's loop now, as a timer or a signal would. */
  wake(node: string): void {
    const host = this.#host(node)
    host.enter(() => host.loop?.wake())
  }

  /** An arbiter of a node reports on a target, truly or not. */
  observe(node: string, target: string, reachable: boolean): void {
    const host = this.#host(node)
    host.enter(() => host.loop?.observe({ target, reachable }))
  }

  /** A resource of a node, to see what it does and to make it fail. */
  resource(node: string, name: string): SimulatedResource {
    const resource = this.#host(node).resources.get(name)
    if (!resource) throw new Error(`${node} has no resource named ${name}`)
    return resource
  }

  /** Whether the process of a node runs, frozen or not. */
  isRunning(node: string): boolean {
    return this.#host(node).loop !== undefined
  }

  /** What a node knows; undefined while its process is gone. */
  view(node: string): CoreSnapshot | undefined {
    return this.#host(node).view?.()
  }

  /** Commands of a node's present process that were not answered yet. */
  unanswered(node: string): number {
    return this.#host(node).replies.size
  }

  /** Whether the process of a node is stopped. */
  isFrozen(node: string): boolean {
    return this.#host(node).frozenAtMs !== undefined
  }

  /** Messages of the application that arrived at a node. */
  messages(node: string): readonly Uint8Array[] {
    return this.#host(node).messages
  }

  /** Gives a command; the callback hears the refusal, or nothing when it was fulfilled. */
  command(node: string, command: Command, done: (refusal: Refusal | undefined) => void = () => {}): void {
    const host = this.#host(node)
    if (!host.loop) throw new Error(`${node} does not run`)
    const id = this.#nextCommand++
    host.replies.set(id, done)
    host.enter(() => host.loop?.command(id, command))
  }

  /** The nodes that serve a group, as a client would find out: every resource of it runs and none is cut off. */
  serving(group: string): string[] {
    const resources = this.#options.groups.find(({ name }) => name === group)?.resources ?? []
    return this.#options.nodes
      .map((node) => this.#host(node))
      .filter((host) => host.passes(group) && resources.every((name) => host.resources.get(name)?.serves ?? false))
      .map(({ name }) => name)
  }
}
