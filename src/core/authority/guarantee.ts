import { beats, isCutOff } from '../timing.ts'
import type { CoreConfig } from '../types.ts'
import { rank } from './contest.ts'
import type { GuardContext } from './context.ts'

/**
 * Guarantee classes (docs/guarantees.md). G0: nothing. G1: a node that is isolated notices it. G2: a lease, so two nodes never both
 * own a group while their clocks run at nearly the same rate and their processes run. G3: also while the process of one does not run,
 * because the kernel cuts off what it served.
 */
export type GuaranteeClass = 'G0' | 'G1' | 'G2' | 'G3'

/** `guardWorks`: where there is a guard, its last change took effect. */
export function guaranteeClass(config: GuaranteeFacts, guardWorks: boolean): GuaranteeClass {
  const { targets, lease, guarded, groups } = config
  const isCutOffByKernel = guarded && guardWorks && groups.every(({ resources }) => isCutOff(resources))
  if (lease?.class === 'G2') return isCutOffByKernel ? 'G3' : 'G2'
  return lease?.class ?? (targets.length > 0 ? 'G1' : 'G0')
}

type GuaranteeFacts = Pick<CoreConfig, 'targets' | 'lease' | 'guarded' | 'groups'>

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

/**
 * The guards, each with the sentence that stands in the diagrams. They are asked *in* the rows of the ownership table, never as a
 * later veto.
 */
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
    says: 'the peer is not alive, may take, and has the lease where there are leases',
    holds: (question) => !question.peerAlive && mayTake(question) && question.lease !== 'missing',
  },
  unfit: { says: 'it failed here', holds: (question) => question.unfit },
  leaseValid: { says: 'its lease is held and not about to end', holds: (question) => question.lease === 'valid' },
  stillMay: {
    says: 'not in maintenance, not isolated, and not leaving',
    holds: ({ maintained, isolated, leaving }) => !maintained && !isolated && !leaving,
  },
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
  | 'leaseValid'
  | 'stillMay'
