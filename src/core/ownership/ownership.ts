import type { GuardContext } from '../authority/context.ts'
import { guards } from '../authority/guarantee.ts'
import type { GroupState, Reason } from '../events.ts'
import { Group, type GroupOutcome } from '../group/group.ts'
import { daemonRestartsMs } from '../handover/heartbeat-peer.ts'
import { claims } from '../peer/claims.ts'
import type { GroupClaim } from '../peer/own-claims.ts'
import { type PeerSituation, type Situation, situationOf } from '../peer/situation.ts'
import { beats } from '../timing.ts'
import { indexTable } from '../transition-table.ts'
import type { GroupConfig } from '../types.ts'
import { type Acting, actions, holdDownOf, type Owned, type OwnershipPort } from './actions.ts'
import { Damping } from './flap-damping.ts'
import { type OwnershipAction, type OwnershipEvent, type OwnershipRow, ownershipTable } from './table.ts'

/** Epochs written ahead to the state directory, so that no disk write stands in the takeover path. */
const epochReserve = 16

const rowsOf = indexTable(ownershipTable)

/** After these nothing of the group answers from this host. */
const endsHere: readonly GroupOutcome[] = ['stopped', 'start-failed', 'cut-off']

/** What follows when a candidate is permitted at once. */
const permittedRow = rowsOf('candidate', 'permitted')[0]?.row as OwnershipRow

/** In these the group may be on this host; in probation nothing of it answers until it is taken up again. */
const answering: readonly GroupState[] = ['starting', 'active', 'stopping', 'probation']

/** States that a group enters for a reason. */
const moving: readonly GroupState[] = ['candidate', 'starting', 'stopping']

/** One step of a group. */
interface Step {
  readonly to: GroupState
  readonly on: OwnershipEvent | GroupOutcome
  readonly detail: string
  readonly reason: Reason | undefined
}

/** Performs the ownership table for every group. */
export class Ownership {
  readonly #port: OwnershipPort
  readonly #owned = new Map<string, Owned>()
  /** Events wait until the row under way has done everything. */
  readonly #waiting: Parameters<Ownership['post']>[] = []
  #busy = false

  constructor(port: OwnershipPort) {
    this.#port = port
    for (const group of port.config().groups) this.#add(group)
  }

  #add(config: GroupConfig): void {
    const port = this.#port
    const group = new Group(
      {
        timers: port.timers,
        effect: port.effect,
        event: port.event,
        monoMs: () => port.monoMs(),
        config: () => port.config(),
        nextOpId: () => port.nextOpId(),
        peerCouldTake: () => port.peerCouldTake(config.name),
        isMaintained: () => port.isMaintained(config.name),
        onOutcome: (outcome, detail) => this.#outcome(config.name, outcome, detail),
      },
      config,
    )
    this.#owned.set(config.name, {
      group,
      state: 'unknown',
      epoch: port.config().state.epochCeilings[config.name] ?? 0,
      peerEpoch: 0,
      reason: 'unowned',
      sinceMs: port.monoMs(),
      tookMs: 0,
      freeSinceMs: undefined,
      failures: 0,
      retryAtMs: 0,
      unfitUntilMs: 0,
      returnable: true,
      contest: undefined,
      lastStallMs: 0,
      revives: false,
      damping: new Damping(),
    })
  }

  /** What a group was asked has ended. Where nothing of it runs here any more, the lease is given back before anybody is told. */
  #outcome(name: string, outcome: GroupOutcome, detail: string): void {
    const tell = () => this.post(name, outcome, detail, outcome === 'cut-failed' ? 'stalled' : undefined)
    const owned = this.#owned.get(name)
    if (!owned || !endsHere.includes(outcome)) return tell()
    const { job } = owned.group
    this.#port.permissions.release(name, () => owned.group.job === job && tell())
  }

  /** Takes a changed configuration: new groups join, missing ones are given up, the others keep running. */
  configure(): void {
    const wanted = new Map(this.#port.config().groups.map((group) => [group.name, group]))
    for (const [name, config] of wanted) {
      const owned = this.#owned.get(name)
      if (owned) owned.group.configure(config)
      else this.#add(config)
    }
    for (const [name, owned] of this.#owned) {
      if (wanted.has(name)) continue
      if (claims(owned.state)) this.give(name, 'leave', 'reload')
      this.#forgetIfUnwanted(name)
    }
    this.#port.permissions.configure(this.names)
    this.reconcile()
  }

  /** A group that a reload took away is forgotten as soon as it is verifiably not served here. */
  #forgetIfUnwanted(name: string): void {
    const owned = this.#owned.get(name)
    if (!owned || claims(owned.state) || this.#port.config().groups.some((group) => group.name === name)) return
    owned.group.close()
    this.#port.timers.clear(`retry:${name}`)
    this.#owned.delete(name)
    this.#port.permissions.configure(this.names)
  }

  get names(): string[] {
    return [...this.#owned.keys()]
  }

  claim(name: string): GroupClaim | undefined {
    const owned = this.#owned.get(name)
    return owned && { state: owned.state, epoch: owned.epoch }
  }

  /** Whether anything may answer for it here: it is served, about to be, or stopping in order. */
  mayAnswer(name: string): boolean {
    const owned = this.#owned.get(name)
    return owned !== undefined && answering.includes(owned.state) && !owned.group.isCut
  }

  get claims(): Map<string, GroupClaim> {
    return new Map([...this.#owned].map(([name, { state, epoch }]) => [name, { state, epoch }]))
  }

  /** For how long each group that serves has done so, in Heartbeat's manner as a duration: `NAME:MS`, blanks between. */
  activeFor(): string | undefined {
    const nowMs = this.#port.monoMs()
    const active = [...this.#owned].filter(([, { state }]) => state === 'active')
    if (active.length === 0) return undefined
    return active.map(([name, { sinceMs }]) => `${name}:${Math.round(nowMs - sinceMs)}`).join(' ')
  }

  view(name: string): { readonly reason: Reason; readonly sinceMs: number } | undefined {
    return this.#owned.get(name)
  }

  /** Whether this node claims the group: serves it, or cannot prove that it does not. */
  holds(name: string): boolean {
    const owned = this.#owned.get(name)
    return owned !== undefined && claims(owned.state)
  }

  /** Groups that are neither coming nor going. */
  get steady(): boolean {
    const steady: readonly GroupState[] = ['standby', 'active', 'failed']
    return [...this.#owned.values()].every((owned) => steady.includes(owned.state))
  }

  get stuckResources(): string[] {
    return [...this.#owned].flatMap(([name, { group }]) =>
      group.stuck === undefined ? [] : [`${name} (${group.stuck})`],
    )
  }

  /** Whether everything of the group runs here, as far as this node knows. */
  serves(name: string): boolean {
    const owned = this.#owned.get(name)
    return owned?.state === 'active' && owned.group.serving
  }

  /** May go home by itself: serves here, prefers the peer, and did not come by an operator's word. */
  returnable(name: string): boolean {
    const owned = this.#owned.get(name)
    return owned?.returnable === true && this.serves(name) && !this.isDamped(name)
  }

  /** The group does not come to rest: what could as well wait has to. */
  isDamped(name: string): boolean {
    const owned = this.#owned.get(name)
    return owned !== undefined && owned.damping.heldUntilMs(holdDownOf(owned, this.#port)) > this.#port.monoMs()
  }

  /** The peer began anew: what an operator had moved away from it counts as fallen to us. */
  allReturnable(): void {
    for (const owned of this.#owned.values()) owned.returnable = true
  }

  /** Maintenance of these groups has ended. */
  resume(names: readonly string[]): void {
    for (const name of names) {
      const owned = this.#owned.get(name)
      // Only now is it there to be taken: the preferred node comes first, as at a start.
      if (owned) owned.freeSinceMs = undefined
      this.post(name, 'resumed', '')
    }
    this.reconcile()
  }

  /** A command clears hold-downs. */
  clearHoldDown(names: readonly string[]): void {
    for (const name of names) {
      this.#owned.get(name)?.damping.clear()
      this.post(name, 'hold-down-cleared', '')
    }
  }

  grant(name: string, reason: Reason): void {
    this.post(name, 'grant', '', reason)
  }

  give(name: string, how: 'yield' | 'leave', reason: Reason): void {
    if (reason === 'command') this.#owned.get(name)?.damping.clear()
    this.post(name, how, '', reason)
  }

  /** The lease of a group is held from now on. */
  permitted(name: string): void {
    this.post(name, 'permitted', '')
  }

  leaseLost(name: string): void {
    this.post(name, 'lease-lost', '', 'lease-lost')
  }

  /** An epoch of the group that is known to have been used. */
  epochFloor(name: string): number {
    const { epoch = 0, peerEpoch = 0 } = this.#owned.get(name) ?? {}
    return Math.max(epoch, peerEpoch, this.#port.peer().groups?.get(name)?.epoch ?? 0)
  }

  isolated(): void {
    for (const name of this.names) this.post(name, 'isolated', '', 'isolated')
  }

  stalled(stallMs: number): void {
    for (const [name, owned] of this.#owned) {
      owned.lastStallMs = stallMs
      this.post(name, 'stalled', '', 'stalled')
    }
  }

  /** Every address of these groups again; or no more, so that the neighbours stay with the node that takes them. */
  announce(names: readonly string[], goesOn: boolean): void {
    for (const name of names) {
      const group = this.#owned.get(name)?.group
      if (!goesOn) group?.announceNoMore()
      else if (group?.serving) group.announceRepeatedly()
    }
  }

  /** Every address again: another active node was met. */
  announceAll(): void {
    for (const owned of this.#owned.values()) if (owned.group.serving) owned.group.announceRepeatedly()
  }

  changed(resource: string): void {
    for (const owned of this.#owned.values()) owned.group.changed(resource)
  }

  answered(opId: number, result: Parameters<Group['answered']>[1]): void {
    for (const owned of this.#owned.values()) if (owned.group.answered(opId, result)) return
  }

  /** Tells every group where the peer stands; cheap, and done whenever something may have changed. */
  reconcile(): void {
    for (const name of this.names) this.#situation(name)
  }

  #situation(name: string): void {
    const owned = this.#owned.get(name)
    if (!owned) return
    const peer = this.#port.peer()
    const claim = peer.groups?.get(name)
    const situation = situationOf(peer, name, !this.#port.permissions.isImmediate)
    if (claim && claim.epoch > owned.peerEpoch) owned.peerEpoch = claim.epoch
    owned.freeSinceMs = situation === 'free' ? (owned.freeSinceMs ?? this.#port.monoMs()) : undefined
    if (situation === 'free' || situation === 'gone') this.#contestOver(name, owned)
    this.post(name, `peer-${situation}`, '', this.#reasonIn(situation, peer, owned))
  }

  /** Why the group moves, should it move now. */
  #reasonIn(situation: Situation, { liveness, heardEver, groups }: PeerSituation, owned: Owned): Reason | undefined {
    if (situation === 'gone') return liveness === 'left' ? 'peer-left' : heardEver ? 'peer-dead' : 'peer-never-came'
    if (situation === 'holds') return owned.state === 'probation' ? 'stalled' : 'contested'
    if (situation !== 'free') return undefined
    if (groups?.get(owned.group.config.name)?.claim === 'failed') return 'peer-failed'
    return owned.group.config.preferred === this.#port.config().self ? 'preferred' : 'unowned'
  }

  /** Whatever the other has announced meanwhile: from now on only this node is to be found. */
  #contestOver(name: string, owned: Owned): void {
    const won = owned.contest === 'ours'
    owned.contest = undefined
    this.#port.timers.clear(`contest:${name}`)
    if (!won || !owned.group.serving) return
    owned.group.announce()
    owned.group.announceRepeatedly()
    if (this.#port.peer().kind === 'heartbeat') this.#outlast(name, owned, this.#port.monoMs() + daemonRestartsMs)
  }

  /** A daemon says that it holds nothing before it stops what it holds: until it is gone its host still answers for the address. */
  #outlast(name: string, owned: Owned, untilMs: number): void {
    const { timers, config } = this.#port
    timers.set(`outlast:${name}`, this.#port.monoMs() + beats.repeat * config().times.keepaliveMs, () => {
      if (!owned.group.serving) return
      owned.group.announce()
      const { liveness } = this.#port.peer()
      const stays = liveness === 'alive' || liveness === 'late'
      if (stays && this.#port.monoMs() < untilMs) this.#outlast(name, owned, untilMs)
    })
  }

  #question(name: string, owned: Owned): GuardContext {
    const { self, times } = this.#port.config()
    const now = this.#port.circumstances()
    const preferredHere = owned.group.config.preferred === self
    const nowMs = this.#port.monoMs()
    // Written out, not spread: this is made for every packet.
    return {
      state: owned.state,
      preferredHere,
      epoch: owned.epoch,
      lease: this.#port.permissions.standing(name),
      peerClaim: this.#port.peer().groups?.get(name),
      peerFreeForMs: owned.freeSinceMs === undefined ? 0 : nowMs - owned.freeSinceMs,
      peerBeats: now.peerBeats,
      heardByPeer: now.heardByPeer,
      peerHeardUsSinceWake: now.peerHeardUsSinceWake,
      justWoke: now.justWoke,
      targetAnsweredSinceWake: now.targetAnsweredSinceWake,
      slowMs: now.slowMs,
      isolated: now.isolated,
      onIsolated: now.onIsolated,
      leaving: this.#port.leaving(),
      changingHands: this.#port.changingHands(name),
      handingOver: this.#port.handingOver(name),
      maintained: this.#port.isMaintained(name),
      retryDueForMs: nowMs - owned.retryAtMs,
      halfStopped: owned.group.stuck !== undefined,
      holdsData: owned.group.holdsData,
      holdsOthers: this.#holdsOthers(name),
      peerAlive: this.#peerAlive(),
      unfit: nowMs < owned.unfitUntilMs,
      failsBack: this.#port.failsBack(),
      preferredIsPoorer: preferredHere ? now.wePoorer : now.peerPoorer,
      peerIsDaemon: this.#port.peer().kind === 'heartbeat',
      contestKnown: owned.contest === 'ours',
      contested: owned.contest !== undefined,
      activeForMs: owned.state === 'active' ? nowMs - owned.sinceMs : 0,
      peerActiveForMs: this.#port.peerActiveForMs(name),
      keepaliveMs: times.keepaliveMs,
    }
  }

  #holdsOthers(name: string): boolean {
    for (const [other, { state }] of this.#owned) if (other !== name && state !== 'stuck' && claims(state)) return true
    return false
  }

  #peerAlive(): boolean {
    const { liveness } = this.#port.peer()
    return liveness === 'alive' || liveness === 'late'
  }

  /** Something happened to a group: the first row that fits is taken, one event after the other. */
  post(name: string, on: OwnershipEvent | GroupOutcome, detail: string, reason?: Reason): void {
    this.#waiting.push([name, on, detail, reason])
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#take(...next)
    } finally {
      this.#busy = false
    }
  }

  #take(name: string, on: OwnershipEvent | GroupOutcome, detail: string, reason?: Reason): void {
    const owned = this.#owned.get(name)
    if (!owned) return
    const from = owned.state
    const candidates = rowsOf(from, on)
    if (candidates.length === 0) {
      this.#port.trace?.({ table: 'ownership', subject: name, from, on, row: null })
      return
    }
    const question = this.#question(name, owned)
    const taken = candidates.find(({ row: { when } }) => when === undefined || guards[when].holds(question))
    // Where nobody has to be asked a candidate is permitted in the same breath.
    const then = taken?.row.to === 'candidate' && this.#port.permissions.isImmediate ? permittedRow : undefined
    const step = { table: 'ownership', subject: name, from, on, row: taken?.number ?? null } as const
    this.#port.trace?.(then ? { ...step, to: then.to } : step)
    if (!taken) return
    const { to } = then ?? taken.row
    this.#carryOut(name, owned, question, { to: to === 'same' ? from : to, on, detail, reason }, [
      ...taken.row.do,
      ...(then?.do ?? []),
    ])
  }

  #carryOut(
    name: string,
    owned: Owned,
    question: GuardContext,
    { to, on, detail, reason }: Step,
    does: readonly OwnershipAction[],
  ): void {
    const from = owned.state
    if (reason !== undefined && to !== from && moving.includes(to)) owned.reason = reason
    owned.state = to
    const changed = to !== from
    if (changed) {
      const nowMs = this.#port.monoMs()
      owned.tookMs = Math.round(nowMs - owned.sinceMs)
      owned.sinceMs = nowMs
    }
    const epochBefore = owned.epoch
    for (const action of does) actions[action](this.#acting(name, owned, question, detail))
    if (changed || owned.epoch !== epochBefore || on === 'restored') this.#port.onChange(name)
    if (!changed || (to !== 'standby' && to !== 'failed')) return
    this.#forgetIfUnwanted(name)
    this.#situation(name)
  }

  #acting(name: string, owned: Owned, question: GuardContext, detail: string): Acting {
    return { name, owned, question, detail, port: this.#port, post: (event) => this.post(name, event, '') }
  }

  /** What an earlier partner of ours may count on: a number that no ownership has reached. */
  epochCeilings(): Record<string, number> {
    const { epochCeilings } = this.#port.config().state
    const reserved = [...this.#owned].map(([name, { epoch }]) => [name, epoch + epochReserve])
    // A group that a reload took away keeps its number: it may come back.
    return { ...epochCeilings, ...Object.fromEntries(reserved) }
  }

  get needsReserve(): boolean {
    const { epochCeilings } = this.#port.config().state
    return [...this.#owned].some(([name, { epoch }]) => epoch + 2 >= (epochCeilings[name] ?? 0))
  }
}
