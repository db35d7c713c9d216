import { rank } from '../authority/contest.ts'
import type { GuardContext } from '../authority/context.ts'
import type { Permissions } from '../authority/permission.ts'
import type { GroupState, Reason } from '../events.ts'
import type { Group } from '../group/group.ts'
import { daemonRestartsMs } from '../handover/heartbeat-peer.ts'
import type { PeerSituation } from '../peer/situation.ts'
import type { Timers } from '../timers.ts'
import { beats } from '../timing.ts'
import type { Trace } from '../transition-table.ts'
import type { CoreConfig, Emit, EmitEvent } from '../types.ts'
import type { Damping } from './flap-damping.ts'
import type { OwnershipAction, OwnershipEvent } from './table.ts'

/** What ownership needs and whom it tells. */
export interface OwnershipPort {
  readonly timers: Timers
  readonly effect: Emit
  readonly event: EmitEvent
  readonly trace: Trace | undefined
  /** Who may own a group, and until when. */
  readonly permissions: Permissions
  monoMs(): number
  config(): CoreConfig
  nextOpId(): number
  peer(): PeerSituation
  /** For how long the peer has served a group, as it last said; undefined: it did not say. */
  peerActiveForMs(group: string): number | undefined
  /** What authority wants to know beyond the group itself. */
  circumstances(): Pick<
    GuardContext,
    | 'peerBeats'
    | 'heardByPeer'
    | 'peerHeardUsSinceWake'
    | 'justWoke'
    | 'targetAnsweredSinceWake'
    | 'slowMs'
    | 'isolated'
    | 'onIsolated'
  > & { readonly wePoorer: boolean; readonly peerPoorer: boolean }
  /** This node is about to stop. */
  leaving(): boolean
  failsBack(): boolean
  changingHands(group: string): boolean
  handingOver(group: string): boolean
  isMaintained(group: string): boolean
  /** A group's state as the peer sees it has changed: tell it at once. */
  onChange(group: string): void
  /** The peer is there and could take the group. */
  peerCouldTake(group: string): boolean
  /** A group failed again: the dialogue lets the peer try, or answers false. */
  onBroken(group: string): boolean
  /** A daemon that should have restarted still serves a group that is served here too; false when it cannot be asked for it yet. */
  onStubborn(group: string): boolean
  /** An epoch came near its ceiling: reserve more. */
  onEpoch(): void
  /** It can neither be stopped nor cut off, and is tried again. */
  onStuck(group: string, reason: string): void
  onSilent(group: string, reason: string): void
}

/** What this node knows of one of its groups. */
export interface Owned {
  readonly group: Group
  state: GroupState
  epoch: number
  /** The highest that the peer was ever heard to claim: no ownership of ours may be below it, whatever has become of the peer. */
  peerEpoch: number
  reason: Reason
  sinceMs: number
  /** How long the state before this one lasted. */
  tookMs: number
  /** Since when the peer has said that it does not hold it; undefined while it does or nothing is known. */
  freeSinceMs: number | undefined
  failures: number
  retryAtMs: number
  unfitUntilMs: number
  /** May it return to its preferred node by itself? Not after an operator's move. */
  returnable: boolean
  /** Who wins the contest under way, as it was told. */
  contest: 'ours' | 'theirs' | undefined
  lastStallMs: number
  /** What did not stop here is to run again with the rest. */
  revives: boolean
  /** Counts the moves that nobody asked for. */
  readonly damping: Damping
}

const retryFirstMs = 1000
const retryLastMs = 30_000
const prepareEveryMs = 30_000

/** The circumstances of one row. */
export interface Acting {
  readonly name: string
  readonly owned: Owned
  readonly question: GuardContext
  /** What the operation said that led here. */
  readonly detail: string
  readonly port: OwnershipPort
  post(event: OwnershipEvent): void
}

/** What the words of the ownership table do. */
export const actions: Readonly<Record<OwnershipAction, (acting: Acting) => void>> = {
  raiseEpoch: ({ name, owned, question, port }) => {
    const next = Math.max(owned.epoch, owned.peerEpoch, question.peerClaim?.epoch ?? 0) + 1
    owned.epoch = port.permissions.epoch(name) ?? next
    port.onEpoch()
  },
  adoptEpoch: ({ owned, question }) => {
    owned.epoch = Math.max(owned.epoch, question.peerClaim?.epoch ?? 0)
  },
  request: (acting) => request(acting, false),
  requestRevival: (acting) => request(acting, true),
  withdraw: ({ name, port }) => port.permissions.withdraw(name),
  start: (acting) => {
    begin(acting)
    const { group, epoch, revives } = acting.owned
    if (revives) group.revive(epoch)
    else group.start(epoch)
  },
  stop: (acting) => stop(acting, false),
  cutAndStop: (acting) => stop(acting, true),
  cut: ({ owned }) => owned.group.isolate(),
  revive: (acting) => {
    begin(acting)
    acting.owned.group.revive(acting.owned.epoch)
  },
  planStop: (acting) => {
    const { name, owned, detail, port } = acting
    port.onStuck(name, `${owned.group.stuck}; cut: ${detail}`)
    // Who is asked to stop is not kept waiting by a pause that has grown.
    if (port.leaving()) owned.retryAtMs = Math.min(owned.retryAtMs, port.monoMs() + retryFirstMs)
    retryLater(acting)
  },
  askPeer: (acting) => {
    const { name, owned, port } = acting
    port.event('group:probation', { group: name, epoch: owned.epoch, stallMs: Math.round(owned.lastStallMs) })
    waitForAnswer(acting)
  },
  waitOn: (acting) => waitForAnswer(acting),
  restore: ({ name, owned, port }) => {
    port.timers.clear(`probation:${name}`)
    owned.group.restore()
  },
  prepare: ({ name, owned, port, post }) => {
    owned.group.prepare()
    port.timers.set(`retry:${name}`, port.monoMs() + prepareEveryMs, () => post('retry'))
  },
  contest: (acting) => {
    const { name, owned, question, port } = acting
    const peerEpoch = question.peerClaim?.epoch ?? 0
    const { goesOn, rule } = rank(question)
    const { self, peer } = port.config()
    const contest = goesOn ? 'ours' : 'theirs'
    if (owned.contest !== contest)
      port.event('contested', { group: name, epoch: owned.epoch, peerEpoch, winner: goesOn ? self : peer, rule })
    owned.contest = contest
    if (goesOn) insist(acting, port.monoMs() + daemonRestartsMs)
    // The winner counts above both, so that the other sees it in one look whatever it knows.
    if (goesOn && peerEpoch >= owned.epoch) {
      owned.epoch = peerEpoch + 1
      owned.group.carry(owned.epoch)
      port.onEpoch()
    }
  },
  reacquire: ({ name, owned, port }) => {
    if (!owned.group.serving) return // what is being restarted is told when it runs
    owned.group.announce()
    owned.group.announceRepeatedly()
    port.event('group:acquired', { group: name, epoch: owned.epoch, reason: owned.reason, tookMs: 0 })
  },
  acquired: ({ name, owned, port }) => {
    owned.failures = 0
    owned.contest = undefined
    port.event('group:acquired', { group: name, epoch: owned.epoch, reason: owned.reason, tookMs: owned.tookMs })
  },
  released: ({ name, owned, port }) => {
    owned.contest = undefined
    const { epoch, reason, tookMs } = owned
    port.event('group:released', { group: name, epoch, reason, tookMs })
  },
  noteFailure: ({ name, owned, detail, port }) => {
    if (owned.state === 'stuck') {
      const [resource = '', ...rest] = detail.split(': ')
      port.event('group:stuck', { group: name, resource, reason: rest.join(': ') })
    }
    markUnfit(owned, port)
    reportFailure(name, detail, owned.retryAtMs - port.monoMs(), port)
  },
  noteUnready: ({ name, owned, detail, port }) => reportFailure(name, detail, pauseMs(owned), port),
  planRetry: ({ name, owned, port, post }) => {
    // What only was found unfit may be tried at once where nobody else is left: `retryAtMs` is not touched here.
    const lookAtMs = port.monoMs() + pauseMs(owned)
    if (owned.retryAtMs < port.monoMs()) owned.failures++
    port.timers.set(`retry:${name}`, Math.max(owned.unfitUntilMs, owned.retryAtMs, lookAtMs), () => post('retry'))
  },
  clearFailures: ({ name, owned, port }) => {
    owned.unfitUntilMs = 0
    owned.retryAtMs = 0
    port.timers.clear(`retry:${name}`)
  },
  offerAway: (acting) => {
    const { name, owned, detail, port } = acting
    markUnfit(owned, port)
    reportFailure(name, detail, owned.retryAtMs - port.monoMs(), port)
    port.onBroken(name)
    retryLater(acting)
  },
  retryHere: (acting) => {
    const { name, owned, port } = acting
    if (owned.group.serving) return // a start has succeeded meanwhile
    if (!port.onBroken(name)) return owned.group.retry()
    backOff(owned, port)
    retryLater(acting)
  },
  resume: (acting) => {
    if (acting.owned.group.serving) acting.owned.group.resume()
    else actions.retryHere(acting)
  },
  retryNow: ({ owned }) => {
    if (!owned.group.serving) owned.group.retry()
  },
  goSilent: ({ name, owned, detail, port }) => port.onSilent(name, `${owned.group.stuck}; cut: ${detail}`),
}

/** While the other is active too, it says where the address is; so does this node, with every beat. */
function insist(acting: Acting, stubbornAtMs: number): void {
  const { name, owned, port } = acting
  port.timers.set(`contest:${name}`, port.monoMs() + beats.repeat * port.config().times.keepaliveMs, () => {
    if (owned.contest !== 'ours') return
    if (owned.group.serving) owned.group.announce()
    const { kind, groups } = port.peer()
    const stubborn = kind === 'heartbeat' && groups?.get(name)?.state === 'active' && port.monoMs() >= stubbornAtMs
    insist(acting, stubborn && port.onStubborn(name) ? port.monoMs() + daemonRestartsMs : stubbornAtMs)
  })
}

/** Asks for permission; the answer is the event `permitted`. */
function request({ name, owned, port }: Acting, revives: boolean): void {
  owned.revives = revives
  if (port.permissions.isImmediate) return
  port.timers.clear(`retry:${name}`)
  port.event('group:candidate', { group: name, reason: owned.reason })
  port.permissions.want(name)
}

function begin({ name, owned, port }: Acting): void {
  port.timers.clear(`retry:${name}`)
  owned.returnable = owned.reason !== 'command'
  port.event('group:starting', { group: name, epoch: owned.epoch, reason: owned.reason })
  damp(name, owned, port)
}

function stop({ name, owned, port }: Acting, cutFirst: boolean): void {
  port.timers.clear(`probation:${name}`)
  port.timers.clear(`retry:${name}`)
  port.event('group:stopping', { group: name, epoch: owned.epoch, reason: owned.reason })
  owned.group.stop(cutFirst)
}

/** The hold-down of this group before any damping. */
export function holdDownOf(owned: Owned, port: Pick<OwnershipPort, 'config'>): number {
  return owned.group.config.holdDownMs ?? port.config().holdDownMs
}

/** Counts this taking; tells when from now on the group is held where it is. */
function damp(name: string, owned: Owned, port: OwnershipPort): void {
  const { damping, reason } = owned
  const nowMs = port.monoMs()
  damping.taken(reason, nowMs)
  const forMs = damping.heldUntilMs(holdDownOf(owned, port)) - nowMs
  if (forMs > 0)
    port.event('group:damped', { group: name, takings: damping.count(nowMs), holdDownMs: Math.round(forMs) })
}

function waitForAnswer({ name, port, post }: Acting): void {
  const { keepaliveMs } = port.config().times
  port.timers.set(`probation:${name}`, port.monoMs() + beats.probation * keepaliveMs, () => post('silence'))
}

/** Should the peer not take it after all, it is tried again here. */
function retryLater({ name, owned, port, post }: Acting): void {
  port.timers.set(`retry:${name}`, owned.retryAtMs, () => post('retry'))
}

/** It failed here: the peer should have it, and this node does not count as fit before the hold-down is over. */
function markUnfit(owned: Owned, port: OwnershipPort): void {
  const nowMs = port.monoMs()
  owned.unfitUntilMs = nowMs + owned.damping.holdDownMs(nowMs, holdDownOf(owned, port))
  backOff(owned, port)
}

function backOff(owned: Owned, port: OwnershipPort): void {
  owned.retryAtMs = port.monoMs() + pauseMs(owned)
  owned.failures++
}

/** Pauses grow with every failure since it last ran. */
function pauseMs({ failures }: Owned): number {
  return Math.min(retryFirstMs * 2 ** Math.min(failures, 10), retryLastMs)
}

function reportFailure(name: string, reason: string, retryInMs: number, port: OwnershipPort): void {
  port.event('group:failed', { group: name, reason, retryInMs: Math.round(retryInMs) })
}
