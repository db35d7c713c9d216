import type { Observation } from '../../roles/arbiter.ts'
import { decimalOf, type Message } from '../../wire/message.ts'
import type { Timers } from '../timers.ts'
import { beats } from '../timing.ts'
import type { CoreConfig, EmitEvent } from '../types.ts'

/** What connectivity needs and whom it tells. */
export interface ConnectivityPort {
  readonly timers: Timers
  readonly event: EmitEvent
  monoMs(): number
  /** Sum of this process's stalls: silence of a target counts only in awake time. */
  stalledMs(): number
  config(): CoreConfig
  peerAlive(): boolean
  /** It counts by `ipfail`. */
  peerIsDaemon(): boolean
  /** The peer said good-bye: its silence is no suspicion. */
  peerLeft(): boolean
  peerSilentMs(): number
  sendToPeer(fields: Record<string, string>): void
  /** This node is the poorer one and the delay is over; false when it cannot be done just now. */
  onPoorer(): boolean
  onIsolation(isolated: boolean): void
  /** Counts changed in a way that may allow a failback. */
  onBalance(): void
}

/**
 * ipfail reads a message a second. What it says may be older than its own next word by so much, and it hears ours so much later:
 * with a shorter keepalive a target that both lose for a moment would move the group before it could take its word back.
 */
const ipfailReadMs = 1000

interface Target {
  deadpingMs: number
  /** In awake time. */
  lastHeardMs: number
  /** Monotonic; before the first answer long ago. */
  answeredAtMs: number
  up: boolean | null
}

/**
 * Heartbeat's ping nodes with ipfail's meaning (docs/arbiters/icmp-ping.md): the nodes compare how many targets each still reaches, the
 * poorer gives its groups up after 2 × keepalive (2 s at least beside a daemon), equality cancels, and when all targets are silent for both nothing changes.
 * Beyond ipfail: a node that hears neither its peer nor any target is isolated (docs/safety.md).
 */
export class Connectivity {
  readonly #port: ConnectivityPort
  readonly #targets = new Map<string, Target>()
  #theirs: number | undefined
  #balancedSinceMs = Number.NEGATIVE_INFINITY
  #isolated = false

  constructor(port: ConnectivityPort) {
    this.#port = port
    for (const { target, deadpingMs } of port.config().targets)
      this.#targets.set(target, { deadpingMs, lastHeardMs: 0, answeredAtMs: Number.NEGATIVE_INFINITY, up: null })
  }

  get isolated(): boolean {
    return this.#isolated
  }

  /** Number of targets that answer. A target not yet judged counts as answering, so that a start is no alarm. */
  get ours(): number {
    let count = 0
    for (const target of this.#targets.values()) if (target.up !== false) count++
    return count
  }

  /** Whether a target has answered after `sinceMs`; also true when there are none to ask. */
  answeredSince(sinceMs: number): boolean {
    if (this.#targets.size === 0) return true
    for (const { answeredAtMs } of this.#targets.values()) if (answeredAtMs > sinceMs) return true
    return false
  }

  get theirs(): number | undefined {
    return this.#theirs
  }

  get targets(): { target: string; reachable: boolean | null }[] {
    return [...this.#targets].map(([target, { up }]) => ({ target, reachable: up }))
  }

  /** Whether the peer has reached at least as many targets as we for so long. */
  peerAtLeastEqualForMs(): number {
    return Math.max(0, this.#port.monoMs() - this.#balancedSinceMs)
  }

  get weArePoorer(): boolean {
    return this.#theirs !== undefined && this.#targets.size > 0 && this.ours < this.#theirs
  }

  start(): void {
    for (const [name, target] of this.#targets) {
      target.lastHeardMs = this.#awake()
      this.#watch(name)
    }
  }

  /** Other times count at once, also for a silence that goes on already; the targets themselves stay. */
  configure(): void {
    for (const { target: name, deadpingMs } of this.#port.config().targets) {
      const target = this.#targets.get(name)
      if (!target || target.deadpingMs === deadpingMs) continue
      target.deadpingMs = deadpingMs
      if (target.up !== false) this.#watch(name)
    }
    this.reconsiderIsolation()
  }

  #awake(): number {
    return this.#port.monoMs() - this.#port.stalledMs()
  }

  /** A target answered, or is known not to. */
  observe({ target: name, reachable }: Observation): void {
    const target = this.#targets.get(name)
    if (!target) return
    if (reachable) {
      target.lastHeardMs = this.#awake()
      target.answeredAtMs = this.#port.monoMs()
    }
    this.#set(name, reachable)
    if (reachable) this.#watch(name)
  }

  #watch(name: string): void {
    const target = this.#targets.get(name)
    if (!target) return
    const dueMs = target.lastHeardMs + target.deadpingMs + this.#port.stalledMs()
    this.#port.timers.set(`ping:${name}`, dueMs, () => this.#set(name, false))
  }

  #set(name: string, up: boolean): void {
    const target = this.#targets.get(name)
    if (!target || target.up === up) return
    const counted = target.up !== false
    target.up = up
    if (up) this.#port.event('ping:up', { target: name })
    else this.#port.event('ping:down', { target: name, silentMs: Math.round(this.#awake() - target.lastHeardMs) })
    if (counted !== up) {
      this.#tell()
      this.#compare()
    }
    this.reconsiderIsolation()
  }

  /** Called when the peer is settled: it learns our count. */
  greet(): void {
    this.#tell()
  }

  /** The peer is gone or begins anew: what it counted is no longer known. */
  forgetPeer(): void {
    this.#theirs = undefined
    this.#port.timers.clear('giveup')
    this.#port.timers.clear('ipfail')
  }

  #tell(): void {
    if (this.#targets.size > 0 && this.#port.peerAlive()) this.#send('num_ping_nodes', { num_ping: String(this.ours) })
  }

  #send(type: string, fields: Record<string, string> = {}): void {
    this.#port.sendToPeer({ t: type, ...fields, from_id: 'ipfail', to_id: 'ipfail', client_gen: '1' })
  }

  /** One of ipfail's messages; false when it is none. */
  receive(type: string, incoming: Message): boolean {
    const handler = ipfail.get(type)
    if (!handler) return false
    if (this.#targets.size > 0) handler(this, incoming)
    return true
  }

  /** @internal */
  onCount(incoming: Message): void {
    const said = decimalOf(incoming, 'num_ping')
    if (said === undefined) return
    // A peer that counts others too, or one more than there are, does not make a node poor that reaches all it knows.
    const theirs = Math.min(said, this.#targets.size)
    this.#theirs = theirs
    this.#port.timers.clear('ipfail')
    // Whatever the answer, the other knows ours by it: what we told before may have been dropped with a run or a silence.
    if (theirs < this.ours) this.#answerThePoorer()
    else if (theirs === this.ours) this.#send('abort_giveup')
    else this.#tell()
    this.#compare()
  }

  /** A daemon gives up by this word 2 × keepalive later, whatever we say meanwhile: it is said when our own count has settled. */
  #answerThePoorer(): void {
    if (!this.#port.peerIsDaemon()) return this.#send('you_are_dead')
    this.#port.timers.set('ipfail', this.#port.monoMs() + ipfailReadMs, () => {
      if (this.peerIsPoorer && this.#port.peerAlive()) this.#send('you_are_dead')
    })
  }

  /** @internal */
  onYouAreDead(): void {
    // Every count is answered, so the last word holds: what is known may be from before a word that was lost.
    if (this.weArePoorer) return this.#compare()
    // Where every target answers there is none that it could reach more: it answered an older count of ours.
    if (this.ours >= this.#targets.size) return this.#tell()
    this.#theirs = this.ours + 1
    this.#compare()
  }

  /** @internal */
  onAbort(): void {
    this.#theirs = this.ours
    this.#compare()
  }

  get peerIsPoorer(): boolean {
    return this.#theirs !== undefined && this.#theirs < this.ours
  }

  #compare(): void {
    const theirs = this.#theirs
    if (theirs === undefined) return
    if (!this.peerIsPoorer && this.#balancedSinceMs === Number.POSITIVE_INFINITY)
      this.#balancedSinceMs = this.#port.monoMs()
    if (this.peerIsPoorer) this.#balancedSinceMs = Number.POSITIVE_INFINITY
    if (this.weArePoorer) this.#planGiveUp(theirs)
    else {
      if (this.#port.timers.has('giveup'))
        this.#port.event('connectivity', { ours: this.ours, theirs, giveUpInMs: null })
      this.#port.timers.clear('giveup')
      this.#port.onBalance()
    }
  }

  #planGiveUp(theirs: number): void {
    if (this.#port.timers.has('giveup')) return
    const { keepaliveMs } = this.#port.config().times
    const giveUpInMs = beats.giveUp * (this.#port.peerIsDaemon() ? Math.max(keepaliveMs, ipfailReadMs) : keepaliveMs)
    this.#port.event('connectivity', { ours: this.ours, theirs, giveUpInMs })
    this.#port.timers.set('giveup', this.#port.monoMs() + giveUpInMs, () => this.#giveUp())
  }

  #giveUp(): void {
    if (!this.weArePoorer || !this.#port.peerAlive()) return
    if (this.#port.onPoorer()) return
    this.#port.timers.set('giveup', this.#port.monoMs() + beats.repeat * this.#port.config().times.keepaliveMs, () =>
      this.#giveUp(),
    )
  }

  /** Looks at peer and targets anew. Silence of the peer as long as deadping is enough: a holder must be gone before the peer takes over. */
  reconsiderIsolation(): void {
    const { deadpingMs } = this.#port.config()
    const anyTarget = [...this.#targets.values()].some((target) => target.up !== false)
    const suspicious = this.#targets.size > 0 && !anyTarget && !this.#port.peerLeft()
    const silentMs = this.#port.peerSilentMs()
    const isolated = suspicious && (!this.#port.peerAlive() || silentMs >= deadpingMs)
    if (suspicious && !isolated)
      this.#port.timers.set('isolation', this.#port.monoMs() + deadpingMs - silentMs, () => this.reconsiderIsolation())
    else this.#port.timers.clear('isolation')
    if (isolated || this.#port.peerAlive()) this.#port.timers.clear('connected')
    if (isolated === this.#isolated) return
    if (isolated || this.#port.peerAlive()) return this.#setIsolated(isolated)
    // A target alone does not say what the peer did meanwhile: first give its next beat the time to arrive.
    if (this.#port.timers.has('connected')) return
    const listenMs = beats.listen * this.#port.config().times.keepaliveMs
    this.#port.timers.set('connected', this.#port.monoMs() + listenMs, () => this.#setIsolated(false))
  }

  #setIsolated(isolated: boolean): void {
    this.#isolated = isolated
    if (isolated) this.#port.event('isolated', { policy: this.#port.config().onIsolated })
    else this.#port.event('connected', { by: this.#port.peerAlive() ? 'peer' : 'target' })
    this.#port.onIsolation(isolated)
  }
}

const ipfail: ReadonlyMap<string, (connectivity: Connectivity, incoming: Message) => void> = new Map<
  string,
  (connectivity: Connectivity, incoming: Message) => void
>([
  ['num_ping_nodes', (connectivity, incoming) => connectivity.onCount(incoming)],
  ['you_are_dead', (connectivity) => connectivity.onYouAreDead()],
  ['abort_giveup', (connectivity) => connectivity.onAbort()],
])
