import { believedDeadtimeMs, carefulDeadpingMs, overlapMs } from '../timing.ts'
import type { GroupConfig, Reconfiguration, ResourceConfig } from '../types.ts'

/** So many beats are remembered while a dead time waits to be confirmed; the peer echoes one of the newest. */
const beatsMax = 500

/** A configuration whose dead time the peer may go by still. */
interface Earlier {
  readonly config: Reconfiguration
  readonly version: number
}

/**
 * What of a reload is in force (S16). The peer goes by the dead time that it has heard last, which may be an earlier one. So what
 * this node allows itself (keepalive, deadping, stop limits, the stall after which it may have been thought dead) is the most
 * careful of the wanted configuration and every earlier one with a shorter dead time, until an echo shows that the peer knows
 * better. A shorter dead time needs no waiting: what goes with it is in force in the turn that announces it.
 */
export class TimesInForce {
  #wanted: Reconfiguration
  #version = 0
  #earlier: readonly Earlier[] = []
  /** Which configuration each of the last beats announced. */
  readonly #announced = new Map<number, number>()
  /** The shortest since both nodes last agreed: a starting peer waits for its own. */
  #initdeadMs: number
  #inForce: Reconfiguration

  constructor(config: Reconfiguration) {
    this.#wanted = config
    this.#initdeadMs = config.times.initdeadMs
    this.#inForce = config
  }

  /** As it is configured; its dead time is the one that is announced. */
  get wanted(): Reconfiguration {
    return this.#wanted
  }

  /** What this node goes by. */
  get inForce(): Reconfiguration {
    return this.#inForce
  }

  /** The dead time that waits for the peer, and what is gone by until then; null: none does. */
  get pending(): { readonly deadtimeMs: number; readonly inForceMs: number } | null {
    if (this.#earlier.length === 0) return null
    return { deadtimeMs: this.#wanted.times.deadtimeMs, inForceMs: this.#inForce.times.deadtimeMs }
  }

  /** Something more careful than the configuration is in force. */
  get isCareful(): boolean {
    return this.#earlier.length > 0 || this.#initdeadMs < this.#wanted.times.initdeadMs
  }

  configure(wanted: Reconfiguration): void {
    const before = { config: this.#wanted, version: this.#version }
    const { deadtimeMs, initdeadMs } = wanted.times
    this.#earlier = [...this.#earlier, before].filter(({ config }) => config.times.deadtimeMs < deadtimeMs)
    this.#initdeadMs = Math.min(this.#initdeadMs, initdeadMs)
    this.#wanted = wanted
    this.#version++
    this.#reckon()
  }

  /** A beat with this number announces the wanted dead time. */
  announced(seq: number): void {
    if (this.#earlier.length === 0) return
    this.#announced.set(seq, this.#version)
    if (this.#announced.size > beatsMax) this.#announced.delete(this.#announced.keys().next().value as number)
  }

  /**
   * The peer says what it has: its newest message of ours, and (a daemon) up to where it has all of them. It believes in a dead time
   * only up to a multiple of its own. True when something else is in force by it.
   */
  heard(peer: { readonly echoedSeq: number; readonly ackedSeq: number; readonly deadtimeMs: number }): boolean {
    if (this.#earlier.length === 0) return false
    if (this.#wanted.times.deadtimeMs > believedDeadtimeMs(peer.deadtimeMs)) {
      // What was announced until now is cut there; only a later beat can be taken as it is.
      this.#announced.clear()
      return false
    }
    let known = this.#announced.get(peer.echoedSeq)
    for (const [seq, version] of this.#announced) if (seq <= peer.ackedSeq) known = Math.max(known ?? 0, version)
    if (known === undefined) return false
    const since = known
    return this.#drop(({ version }) => version < since)
  }

  /** Nobody is left who could go by an earlier dead time: a new run of the peer hears the newest first. */
  peerLeft(): boolean {
    return this.#drop(() => true)
  }

  /** Both nodes have the same configuration, and so the same initdead. */
  agreed(): boolean {
    if (this.#initdeadMs === this.#wanted.times.initdeadMs) return false
    this.#initdeadMs = this.#wanted.times.initdeadMs
    this.#reckon()
    return true
  }

  #drop(known: (earlier: Earlier) => boolean): boolean {
    const left = this.#earlier.filter((earlier) => !known(earlier))
    if (left.length === this.#earlier.length) return false
    this.#earlier = left
    if (left.length === 0) this.#announced.clear()
    this.#reckon()
    return true
  }

  #reckon(): void {
    const times = { ...this.#wanted.times, initdeadMs: this.#initdeadMs }
    const first: Reconfiguration = { ...this.#wanted, times }
    this.#inForce = this.#earlier.reduce((careful, { config }) => theMoreCareful(careful, config, this.#wanted), first)
  }
}

/** Of what goes with a shorter dead time and what goes with the wanted one, the smaller of each. */
function theMoreCareful(careful: Reconfiguration, earlier: Reconfiguration, wanted: Reconfiguration): Reconfiguration {
  const times = {
    ...careful.times,
    keepaliveMs: Math.min(careful.times.keepaliveMs, earlier.times.keepaliveMs),
    deadtimeMs: Math.min(careful.times.deadtimeMs, earlier.times.deadtimeMs),
  }
  const groups = careful.groups.map((group) => withShorterStops(group, earlier.groups))
  // Where a group has got a resource more, its stop takes longer than before, and the silence must be shorter by as much.
  const overlap = (config: Reconfiguration) => overlapMs(config.times, config.deadpingMs, config.groups)
  const longestMs = carefulDeadpingMs(
    { ...times, deadtimeMs: earlier.times.deadtimeMs },
    groups,
    Math.max(overlap(earlier), overlap(wanted)),
  )
  const before = new Map(earlier.targets.map(({ target, deadpingMs }) => [target, deadpingMs]))
  const atMost = (ms: number, earlierMs = ms) => Math.min(ms, earlierMs, longestMs)
  return {
    ...careful,
    times,
    groups,
    deadpingMs: atMost(careful.deadpingMs, earlier.deadpingMs),
    targets: careful.targets.map((each) => ({ ...each, deadpingMs: atMost(each.deadpingMs, before.get(each.target)) })),
  }
}

function withShorterStops(group: GroupConfig, earlier: readonly GroupConfig[]): GroupConfig {
  const before = earlier.find(({ name }) => name === group.name)?.resources ?? []
  const shorter = (resource: ResourceConfig): ResourceConfig => {
    const stopMs = before.find(({ name }) => name === resource.name)?.times.stopMs ?? resource.times.stopMs
    return stopMs < resource.times.stopMs ? { ...resource, times: { ...resource.times, stopMs } } : resource
  }
  return { ...group, resources: group.resources.map(shorter) }
}
