import type { GroupState } from '../events.ts'
import type { PeerClaim } from '../peer/claims.ts'
import { beats } from '../timing.ts'

/**
 * Everything that permits or forbids owning one group, looked at in one instant. The guards below are asked *in* the rows of
 * the ownership table, never as a later veto. Leases and fencing will be further entries here.
 */
export interface GuardContext {
  readonly state: GroupState
  readonly preferredHere: boolean
  readonly epoch: number
  /** What the peer says of the group, where it has said anything. */
  readonly peerClaim: PeerClaim | undefined
  /** For how long the peer has said that it does not hold the group. */
  readonly peerFreeForMs: number
  /** The peer was heard within the last beats. */
  readonly peerBeats: boolean
  /** False when beats of the peer show that it does not hear ours: it must think us dead. */
  readonly heardByPeer: boolean
  /** The peer has heard something that we sent after our last long stall. */
  readonly peerHeardUsSinceWake: boolean
  /** This process has run for less than three beats since its last long stall: what it knows may be long past. */
  readonly justWoke: boolean
  /** A ping target has answered since then, or there are none to ask. */
  readonly targetAnsweredSinceWake: boolean
  /** What slow lines take, there and back; 0 where they are quick. */
  readonly slowMs: number
  /** This node hears neither its peer nor any ping target. */
  readonly isolated: boolean
  readonly onIsolated: 'stop' | 'continue'
  /** This node is stopping. */
  readonly leaving: boolean
  /** The group is changing hands by agreement with the peer. */
  readonly changingHands: boolean
  /** The group is served by both for a moment, as agreed: make before break. */
  readonly handingOver: boolean
  /** Maintenance: it is watched, and nothing of it is touched. */
  readonly maintained: boolean
  /** For how long a failed group may be tried again; negative before. */
  readonly retryDueForMs: number
  /** A resource of it would not stop here. */
  readonly halfStopped: boolean
  /** What would not stop is of kind `data`. */
  readonly holdsData: boolean
  /** This node holds other groups, which must not go down with this one. */
  readonly holdsOthers: boolean
  /** The peer is alive, and is to have the group. */
  readonly peerAlive: boolean
  /** It failed here and is not to count as fit before the hold-down is over. */
  readonly unfit: boolean
  /** Groups return to their preferred node by themselves, and both nodes agree about the configuration. */
  readonly failsBack: boolean
  /** The preferred node reaches fewer ping targets than the other. */
  readonly preferredIsPoorer: boolean
  /** The peer is a Heartbeat daemon. */
  readonly peerIsDaemon: boolean
  /** The contest has been told of already. */
  readonly contestKnown: boolean
  /** A contest about it is under way, whoever wins it. */
  readonly contested: boolean
  /** For how long this node has served it. */
  readonly activeForMs: number
  /** For how long the peer has, where it says so. */
  readonly peerActiveForMs: number | undefined
  readonly keepaliveMs: number
}

/** Guarantee classes (docs/safety.md). Without an arbiter nothing is guaranteed; with ping targets an isolated node notices. */
export type GuaranteeClass = 'G0' | 'G1'

export function guaranteeClass(targets: number): GuaranteeClass {
  return targets > 0 ? 'G1' : 'G0'
}

function mayTake(question: GuardContext): boolean {
  return (
    !question.maintained && !question.isolated && !question.leaving && !question.changingHands && !question.justWoke
  )
}

/** Whether what the peer has said of the group is true now, and not from before its silence or our own stall. */
function isCurrent({ peerBeats, peerHeardUsSinceWake }: GuardContext): boolean {
  return peerBeats && peerHeardUsSinceWake
}

function ourTurn(question: GuardContext): boolean {
  const { preferredHere, peerClaim, peerFreeForMs, keepaliveMs, slowMs } = question
  if (!isCurrent(question)) return false
  // A peer that does not name the group may be about to learn of it, as this node just did.
  const peerCannot = peerClaim?.state === 'failed'
  return preferredHere || peerCannot || peerFreeForMs >= beats.preferredFirst * keepaliveMs + slowMs
}

/** The same for a group that failed here: a peer that has not failed comes first; of two that have, the preferred one. */
function ourTurnAgain(question: GuardContext): boolean {
  const { preferredHere, peerClaim, peerFreeForMs, retryDueForMs, keepaliveMs, slowMs } = question
  if (!isCurrent(question)) return false
  const waitMs = beats.preferredFirst * keepaliveMs + slowMs
  if (peerClaim?.state !== 'failed') return peerFreeForMs >= 2 * waitMs && retryDueForMs >= 0
  return preferredHere ? retryDueForMs >= 0 : retryDueForMs >= waitMs && peerFreeForMs >= waitMs
}

/** By which rule a contest between two active nodes is settled, and whether this node goes on. */
export function rank(question: GuardContext): { readonly goesOn: boolean; readonly rule: string } {
  const { state, peerClaim, epoch, heardByPeer, failsBack, preferredHere, preferredIsPoorer, peerIsDaemon } = question
  const peerState = peerClaim?.state
  if (peerState === 'stopping' || peerState === 'stuck') return { goesOn: true, rule: 'the peer is giving it up' }
  if ((state === 'probation') !== (peerState === 'probation'))
    return { goesOn: state !== 'probation', rule: 'the node that was paused and asks gives way' }
  // Giving way to it would end the service on both (docs/daemon.md).
  if (peerIsDaemon) return { goesOn: true, rule: 'a daemon that meets another active node gives up and restarts' }
  if (!heardByPeer) return { goesOn: false, rule: 'the peer does not hear this node' }
  if (failsBack && !preferredIsPoorer) return { goesOn: preferredHere, rule: 'the preferred node wins' }
  const peerEpoch = peerClaim?.epoch ?? 0
  if (peerEpoch !== epoch) return { goesOn: epoch > peerEpoch, rule: 'the higher epoch wins' }
  const longer = longerActive(question)
  if (longer !== undefined) return { goesOn: longer, rule: 'equal epochs: the node that has served longer wins' }
  return { goesOn: preferredHere, rule: 'equal epochs: the preferred node wins' }
}

/**
 * Whether this node has served for clearly longer than the peer; undefined when nobody has. Both measure a little differently:
 * within two beats, and what the line takes, it is a draw, and when both have thought themselves the winner, the next look leaves it out.
 */
function longerActive({
  contested,
  activeForMs,
  peerActiveForMs,
  keepaliveMs,
  slowMs,
}: GuardContext): boolean | undefined {
  if (contested || activeForMs === 0 || peerActiveForMs === undefined) return undefined
  const ahead = activeForMs - peerActiveForMs
  return Math.abs(ahead) <= beats.tie * keepaliveMs + slowMs ? undefined : ahead > 0
}

/** The guards, each with the sentence that stands in the diagrams. */
export const guards: Readonly<
  Record<Guard, { readonly says: string; readonly holds: (question: GuardContext) => boolean }>
> = {
  mayTake: {
    says: 'not in maintenance, not isolated, not leaving, not changing hands by agreement, and not just resumed after a long pause',
    holds: mayTake,
  },
  mayTakeNow: {
    says: 'may take, the peer’s report is current, and preferred here or the peer cannot or does not take it',
    holds: (question) => mayTake(question) && ourTurn(question),
  },
  mayRetry: {
    says: 'may take, and a retry is due',
    holds: (question) => mayTake(question) && question.retryDueForMs >= 0,
  },
  mayRetryNow: {
    says: 'may take, the peer’s report is current, a retry is due, and the peer failed as well or does not take it',
    holds: (question) => mayTake(question) && ourTurnAgain(question),
  },
  handingOver: {
    says: 'it changes hands by make-before-break at this moment',
    holds: (question) => question.handingOver,
  },
  outranked: { says: 'the peer ranks higher', holds: (question) => !rank(question).goesOn },
  policyStops: {
    says: "isolated, onIsolated is 'stop', and no maintenance",
    holds: (question) => question.isolated && question.onIsolated === 'stop' && !question.maintained,
  },
  peerAnsweredSinceWake: {
    says: 'the peer has answered since the pause',
    holds: (question) => question.peerHeardUsSinceWake,
  },
  nobodyAnswers: {
    says: "no ping target has answered since the pause, and onIsolated is 'stop'",
    holds: (question) => !question.targetAnsweredSinceWake && question.onIsolated === 'stop',
  },
  newlyContested: { says: 'it was not reported yet', holds: (question) => !question.contestKnown },
  maintained: { says: 'in maintenance', holds: (question) => question.maintained },
  halfStopped: { says: 'one of its resources did not stop here', holds: (question) => question.halfStopped },
  lastResort: {
    says: 'no other group is held here, and this node is stopping, or something that did not stop is of kind data and the peer is alive',
    holds: ({ holdsOthers, leaving, holdsData, peerAlive }) => !holdsOthers && (leaving || (holdsData && peerAlive)),
  },
  nobodyElse: {
    says: 'the peer is not alive, and may take',
    holds: (question) => !question.peerAlive && mayTake(question),
  },
  unfit: { says: 'it failed here', holds: (question) => question.unfit },
}

export type Guard =
  | 'mayTake'
  | 'mayTakeNow'
  | 'mayRetry'
  | 'mayRetryNow'
  | 'handingOver'
  | 'outranked'
  | 'policyStops'
  | 'peerAnsweredSinceWake'
  | 'nobodyAnswers'
  | 'newlyContested'
  | 'maintained'
  | 'halfStopped'
  | 'lastResort'
  | 'nobodyElse'
  | 'unfit'
