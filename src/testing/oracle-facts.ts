import type { CoreEvent, GroupState } from '../core/events.ts'
import { ownershipTable } from '../core/ownership/table.ts'
import { readClaims } from '../core/peer/claims.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Effect, Input } from '../core/types.ts'
import type { OperationRequest, OperationResult } from '../roles/host.ts'
import type { Operation } from '../roles/resource-agent.ts'
import { hexOf, type Message, text } from '../wire/message.ts'
import { bookkeeping, type Circumstances } from './oracle-books.ts'
import { NodeFacts } from './oracle-node.ts'
import type { Pause } from './simulated-clock.ts'
import type { Arrival } from './simulated-network.ts'
import type { Simulation } from './simulation.ts'
import type { SimulationOptions } from './simulation-options.ts'

const changing: readonly Operation[] = ['start', 'stop']

/** Keeps the books of a simulation for the checks of the oracle. What stands here is true; the nodes only believe. */
export class Facts {
  readonly pair: Simulation
  readonly options: SimulationOptions
  readonly nodes: readonly [NodeFacts, NodeFacts]
  readonly keepaliveMs: number
  /** Bound of what the clocks may be wrong. */
  readonly driftBound: number
  /** Groups of which an agent fails or lies at the moment, so that nobody can promise where they are served. */
  readonly tainted: Set<string> = new Set()
  /** Groups of which an agent lies at the moment about stopping or cutting off. */
  readonly lied: Set<string> = new Set()
  /** A state file was lost: numbers may repeat. */
  stateLost = false
  timersLate = false
  /** Since when both run and hear each other on a link that does nothing to a packet; undefined: they do not. */
  contactMs: number | undefined
  /** What is under way: disorder, its healing, or peace, in which nothing may happen but what was asked for. */
  season: 'disorder' | 'healing' | 'peace' = 'disorder'
  /** What was done in peace: a link cut of two, all targets silent, a planned move. */
  probe: 'none' | 'link' | 'targets' | 'move' = 'none'
  /** Who serves each group, as clients see it. */
  readonly serving: Map<string, string[]> = new Map()
  readonly unservedSinceMs: Map<string, number> = new Map()
  longestGapMs = 0
  readonly #messages = new WeakMap<Uint8Array, Message>()
  readonly #sentMs = new WeakMap<Uint8Array, number>()
  #unsent: Message[] = []
  #lastFrame: Uint8Array | undefined

  constructor(pair: Simulation, options: SimulationOptions, driftBound: number) {
    this.pair = pair
    this.options = options
    this.driftBound = driftBound
    const groups = options.groups.map(({ name }) => name)
    const { keepaliveMs, deadtimeMs } = options.liveness.times
    this.keepaliveMs = keepaliveMs
    const [a, b] = options.nodes
    this.nodes = [new NodeFacts(a, groups, deadtimeMs), new NodeFacts(b, groups, deadtimeMs)]
    for (const group of groups) this.serving.set(group, [])
  }

  get nowMs(): number {
    return this.pair.nowMs
  }

  of(node: string): NodeFacts {
    return this.nodes[0].name === node ? this.nodes[0] : this.nodes[1]
  }

  other(node: string): NodeFacts {
    return this.nodes[0].name === node ? this.nodes[1] : this.nodes[0]
  }

  /** For how long both have heard each other undisturbed. */
  get togetherMs(): number {
    return this.contactMs === undefined ? 0 : this.nowMs - this.contactMs
  }

  /** Until when a node must keep a group that does not come to rest. */
  dampedUntilMs(node: NodeFacts, name: string): number {
    const { takings } = node.group(name)
    const lastMs = takings.at(-1) ?? Number.NEGATIVE_INFINITY
    const count = takings.filter((atMs) => atMs > lastMs - 599_000).length
    if (count <= 2) return Number.NEGATIVE_INFINITY
    return lastMs + this.#holdDownMs(count) * (1 - this.driftBound)
  }

  /** Whether a node may still count itself unfit for a group that failed there: the hold-down is longer where it was restless. */
  isHeldFailed({ groups }: NodeFacts, name: string): boolean {
    const group = groups.get(name)
    if (group?.state !== 'failed') return false
    const count = group.takings.filter((atMs) => atMs > group.failedAtMs - 601_000).length
    return this.nowMs < group.failedAtMs + this.#holdDownMs(count) * (1 + this.driftBound) + this.keepaliveMs
  }

  #holdDownMs(takings: number): number {
    return Math.min((this.options.holdDownMs ?? 60_000) * 2 ** Math.max(0, takings - 3), 600_000)
  }

  /** A failback that was put off by damping may come in peace. */
  get awaitsFailback(): boolean {
    return this.nodes.some((node) =>
      [...node.groups.keys()].some((name) => Number.isFinite(this.dampedUntilMs(node, name))),
    )
  }

  resources(group: string): readonly string[] {
    return this.options.groups.find(({ name }) => name === group)?.resources ?? []
  }

  isCuttable(group: string): boolean {
    return this.options.groups.find(({ name }) => name === group)?.cuttable !== false
  }

  /** Both may serve it for a moment while it changes hands, or longer where nothing can be cut off. */
  mayOverlap(group: string): boolean {
    const declared = this.options.groups.find(({ name }) => name === group)
    return declared?.cuttable === false || declared?.handover !== undefined || this.tainted.has(group)
  }

  /** Something was done to the links or the processes: is there still a clean line between two that run? */
  changed(): void {
    const [a, b] = this.nodes
    const awake = a.runs && b.runs && a.pausedSinceMs === undefined && b.pausedSinceMs === undefined
    const clean = (from: string, to: string, link: string) => {
      const { cut, held, loss, burst, tail, flip, truncate, delayMaxMs, paceMs } = this.pair.network.conditions(
        from,
        to,
        link,
      )
      return (
        !cut &&
        !held &&
        loss === 0 &&
        !burst &&
        tail === 0 &&
        flip === 0 &&
        truncate === 0 &&
        delayMaxMs < 2 &&
        paceMs === 0
      )
    }
    const links = this.pair.links.filter((link) => clean(a.name, b.name, link) && clean(b.name, a.name, link))
    if (!awake || links.length === 0) this.contactMs = undefined
    else this.contactMs ??= this.nowMs
  }

  /** Looks who serves; true when that has changed. */
  look(): boolean {
    let changed = false
    for (const [group, before] of this.serving) {
      const now = this.pair.serving(group)
      if (now.length === before.length && now[0] === before[0]) continue
      changed = true
      this.serving.set(group, now)
      const sinceMs = this.unservedSinceMs.get(group)
      if (now.length === 0) this.unservedSinceMs.set(group, this.nowMs)
      else if (sinceMs !== undefined) {
        this.longestGapMs = Math.max(this.longestGapMs, this.nowMs - sinceMs)
        this.unservedSinceMs.delete(group)
      }
    }
    return changed
  }

  paused(node: string): void {
    this.of(node).pausedSinceMs = this.nowMs
    this.changed()
  }

  resumed(node: string, forMs: number, kind: Pause): void {
    const facts = this.of(node)
    facts.pausedSinceMs = undefined
    facts.pauses = facts.pauses.filter(({ toMs }) => toMs > this.nowMs - 120_000)
    const links = this.pair.view(node)?.links ?? []
    const roundTripMs = links.reduce((most, { rttMs }) => Math.max(most, rttMs ?? 0), 0)
    facts.pauses.push({ fromMs: this.nowMs - forMs, toMs: this.nowMs, kind, roundTripMs })
    facts.resumedMs = this.nowMs
    this.changed()
  }

  /** The messages that a turn sends are sealed in their order, each once for all links. */
  effects(node: string, input: Input, effects: readonly Effect[]): void {
    this.#unsent = []
    this.#pardoned(node, input, effects)
    for (const effect of effects) if (effect.type === 'send') this.#unsent.push(effect.message)
  }

  /** A takeover that was not refused ends the counts of what it wants; what it, or a `standby`, moves is told by its events. */
  #pardoned(node: string, input: Input, effects: readonly Effect[]): void {
    if (input.type !== 'command' || input.command.name !== 'takeover') return
    const { scope } = input.command
    if (effects.some((effect) => effect.type === 'reply' && effect.refusal !== undefined)) return
    for (const { name, preferred } of this.options.groups) {
      const inScope = scope === 'all' || (scope === 'local') === (preferred === node)
      const group = this.of(node).group(name)
      const serves = group.state === 'active' && this.serving.get(name)?.includes(node)
      if (inScope && !serves) group.takings = []
    }
  }

  sent(node: string, frame: Uint8Array): void {
    if (frame === this.#lastFrame) return
    this.#lastFrame = frame
    this.#sentMs.set(frame, this.nowMs)
    const message = this.#unsent.shift()
    if (message) this.#messages.set(frame, message)
    const facts = this.of(node)
    facts.digest = (message && text(message, 'hscfg')) ?? facts.digest
    facts.framesSent++
    facts.framesInBeat++
  }

  messageOf(frame: Uint8Array): Message | undefined {
    return this.#messages.get(frame)
  }

  /** Does this packet prove that the peer lives? Only what was not seen before does. */
  arrived(node: string, arrival: Arrival, bytes: Uint8Array): void {
    if (arrival === 'damaged' || arrival === 'injected') return
    const facts = this.of(node)
    const message = facts.runs ? this.#messages.get(bytes) : undefined
    if (!message || text(message, 't')?.startsWith('NS_')) return
    const generation = hexOf(message, 'hg') ?? 0
    const seq = hexOf(message, 'seq') ?? 0
    if (generation < facts.generation) return
    if (generation > facts.generation) {
      if (text(message, 't') !== 'status') return
      facts.forgetPeer(generation)
      facts.arrivedFloor = seq - 1
    }
    if (seq <= facts.arrivedFloor || facts.arrivedSeqs.has(seq)) return
    if (seq - facts.arrivedHighest > 250) facts.arrivedFloor = seq - 1
    facts.arrivedSeqs.add(seq)
    facts.arrivedHighest = Math.max(facts.arrivedHighest, seq)
    // It proves life when it was sent, not when it came.
    if (facts.liveness !== 'left') facts.arrivedMs = Math.max(facts.arrivedMs, this.#sentMs.get(bytes) ?? this.nowMs)
  }

  input(node: string, input: Input): void {
    const facts = this.of(node)
    if (input.type === 'observation' && input.observation.reachable) facts.targetMs = this.nowMs
    if (input.type === 'command' && input.command.name === 'configure')
      facts.failsBack = input.command.config.autoFailback !== false
    if (input.type !== 'message' || facts.taking === 'injected') return
    const type = text(input.message, 't') ?? ''
    const seq = hexOf(input.message, 'seq') ?? 0
    if (type.startsWith('NS_') || facts.heardSeqs.has(seq) || hexOf(input.message, 'hg') !== facts.generation) return
    // From before the first of this run that was heard: nobody knows what it would answer.
    if (seq <= facts.arrivedFloor) return
    facts.heardSeqs.add(seq)
    facts.heardMs = this.nowMs
    if (type === 'status') facts.announcedMs = hexOf(input.message, 'dt') ?? facts.announcedMs
    if (seq >= facts.claimsSeq) facts.peerDigest = text(input.message, 'hscfg') ?? facts.peerDigest
    this.#claimed(facts, input.message, seq)
  }

  #claimed(facts: NodeFacts, message: Message, seq: number): void {
    const list = text(message, 'hsgrp')
    if (list === undefined) return
    for (const [name, { epoch }] of readClaims(list).groups) {
      const group = facts.groups.get(name)
      if (group && seq >= facts.claimsSeq) group.seenEpoch = Math.max(group.seenEpoch, epoch)
    }
    facts.claimsSeq = Math.max(facts.claimsSeq, seq)
  }

  step(node: string, { table, subject, from, row, to: led }: TableStep): void {
    if (table !== 'ownership' || row === null) return
    const group = this.of(node).groups.get(subject)
    const to = (led as GroupState | undefined) ?? ownershipTable[row]?.to ?? 'same'
    if (!group || to === 'same') return
    if (to === 'starting') group.takenFrom = from as GroupState
    group.state = to
  }

  began(node: string, request: OperationRequest): void {
    const facts = this.of(node)
    facts.operations.set(request.opId, request)
    const group = facts.group(request.group)
    if (request.operation === 'start') group.touched.add(request.resource)
    if (request.operation === 'stop') group.started.delete(request.resource)
    if (changing.includes(request.operation)) group.deceived.delete(request.resource)
    if (request.operation === 'isolate') group.mustCut = false
    if (request.operation === 'announce' && group.owes.delete('announce')) facts.kept++
  }

  ended(node: string, request: OperationRequest, result: OperationResult): void {
    const facts = this.of(node)
    facts.operations.delete(request.opId)
    if (!result.ok) return
    const group = facts.group(request.group)
    if (request.operation === 'start') group.started.add(request.resource)
    if (request.operation !== 'stop') return
    group.touched.delete(request.resource)
    if (this.pair.resource(node, request.resource).running) group.deceived.add(request.resource)
  }

  event(node: string, event: CoreEvent): void {
    const facts = this.of(node)
    const book = bookkeeping[event.name] as ((...entry: [NodeFacts, unknown, Circumstances]) => void) | undefined
    book?.(facts, event.payload, this)
  }
}
