import type { Guard } from '../authority/guarantee.ts'
import type { GroupState } from '../events.ts'

/** Everything that can happen to one group. The first five are one fact, the peer's situation, told again whenever something changed. */
export const ownershipEvents = [
  'peer-unknown',
  'peer-gone',
  'peer-free',
  'peer-holds',
  'peer-unclear',
  'grant',
  'hold-down-cleared',
  'resumed',
  'yield',
  'leave',
  'isolated',
  'stalled',
  'silence',
  'retry',
  'started',
  'start-failed',
  'stopped',
  'stop-failed',
  'cut-off',
  'cut-failed',
  'restored',
  'broken',
  'prepared',
  'unprepared',
  'permitted',
  'lease-lost',
] as const
export type OwnershipEvent = (typeof ownershipEvents)[number]

export const groupStates: readonly GroupState[] = [
  'unknown',
  'standby',
  'candidate',
  'starting',
  'active',
  'probation',
  'stopping',
  'failed',
  'stuck',
]

/** What a row has done, in the words of `ownership.ts`. */
export type OwnershipAction =
  | 'raiseEpoch'
  | 'adoptEpoch'
  | 'request'
  | 'requestRevival'
  | 'withdraw'
  | 'start'
  | 'stop'
  | 'cutAndStop'
  | 'cut'
  | 'revive'
  | 'planStop'
  | 'askPeer'
  | 'waitOn'
  | 'restore'
  | 'prepare'
  | 'contest'
  | 'reacquire'
  | 'acquired'
  | 'released'
  | 'noteFailure'
  | 'noteUnready'
  | 'planRetry'
  | 'clearFailures'
  | 'offerAway'
  | 'retryHere'
  | 'retryNow'
  | 'resume'
  | 'goSilent'

export interface OwnershipRow {
  readonly from: readonly GroupState[]
  readonly on: OwnershipEvent
  /** Asked of `authority`; rows are tried from the top, the first that holds is taken. */
  readonly when?: Guard
  /** `same`: the state stays. */
  readonly to: GroupState | 'same'
  readonly do: readonly OwnershipAction[]
  /** For people: in the diagrams, and in the answer to "why did it fail over?". */
  readonly why: string
}

const take = ['request'] as const

/**
 * Who owns a group: state × event → row, with the guard in the row. This table and the one in `handover/table.ts` are the
 * whole truth of failover. A pair that stands in neither this table nor in `ignored.ts` is impossible, and a test says so.
 */
export const ownershipTable: readonly OwnershipRow[] = [
  // Nobody owns it, or the owner is gone.
  {
    from: ['unknown', 'standby'],
    on: 'peer-gone',
    when: 'mayTake',
    to: 'candidate',
    do: take,
    why: 'the peer is dead, has left or never came: take the group over',
  },
  { from: ['unknown'], on: 'peer-gone', to: 'standby', do: ['prepare'], why: 'isolated or leaving: do not take it' },
  {
    from: ['unknown', 'standby'],
    on: 'peer-free',
    when: 'mayTakeNow',
    to: 'candidate',
    do: take,
    why: 'no node owns it, and it is this node’s turn to take it',
  },
  { from: ['unknown'], on: 'peer-free', to: 'standby', do: ['prepare'], why: 'no node owns it; the peer takes it' },
  { from: ['unknown'], on: 'peer-holds', to: 'standby', do: ['adoptEpoch', 'prepare'], why: 'the peer owns it' },
  { from: ['standby'], on: 'peer-holds', to: 'standby', do: ['adoptEpoch'], why: 'the peer owns it' },
  {
    from: ['unknown'],
    on: 'peer-unclear',
    to: 'standby',
    do: ['adoptEpoch', 'prepare'],
    why: 'the state on the peer is unclear: leave the group to the peer',
  },
  {
    from: ['standby', 'failed'],
    on: 'peer-unclear',
    to: 'same',
    do: ['adoptEpoch'],
    why: 'the state on the peer is unclear: leave the group to the peer',
  },
  {
    from: ['unknown', 'standby', 'failed'],
    on: 'grant',
    to: 'candidate',
    do: ['clearFailures', ...take],
    why: 'the peer has given it up for this node',
  },
  { from: ['standby'], on: 'prepared', to: 'standby', do: [], why: 'it could start here' },
  {
    from: ['standby'],
    on: 'unprepared',
    to: 'failed',
    do: ['noteUnready', 'planRetry'],
    why: 'it could not start here',
  },
  { from: ['standby'], on: 'retry', to: 'standby', do: ['prepare'], why: 'check again whether it could start here' },

  // Waiting for permission. Without leases it is given in the same turn, and the state is neither told nor counted.
  {
    from: ['candidate'],
    on: 'permitted',
    when: 'stillMay',
    to: 'starting',
    do: ['raiseEpoch', 'start'],
    why: 'this node may own it: take it',
  },
  {
    from: ['candidate'],
    on: 'permitted',
    to: 'standby',
    do: ['withdraw', 'prepare'],
    why: 'isolated, leaving or in maintenance by now: do not take it',
  },
  {
    from: ['candidate'],
    on: 'peer-holds',
    to: 'standby',
    do: ['withdraw', 'adoptEpoch', 'prepare'],
    why: 'the peer owns it',
  },
  {
    from: ['candidate'],
    on: 'unprepared',
    to: 'failed',
    do: ['withdraw', 'noteUnready', 'planRetry'],
    why: 'it could not start here',
  },
  {
    from: ['candidate'],
    on: 'leave',
    to: 'standby',
    do: ['withdraw'],
    why: 'this node is stopping: do not take it',
  },
  {
    from: ['candidate'],
    on: 'isolated',
    to: 'standby',
    do: ['withdraw', 'prepare'],
    why: 'isolated: do not take it',
  },

  // Taking it.
  { from: ['starting'], on: 'started', to: 'active', do: ['acquired'], why: 'everything is running' },
  {
    from: ['starting'],
    on: 'start-failed',
    to: 'failed',
    do: ['noteFailure', 'planRetry'],
    why: 'a resource did not start; what had started was stopped again',
  },
  {
    from: ['starting', 'active'],
    on: 'peer-holds',
    when: 'handingOver',
    to: 'same',
    do: [],
    why: 'make before break: both nodes have it for a moment, as agreed',
  },
  {
    from: ['starting'],
    on: 'peer-holds',
    when: 'outranked',
    to: 'stopping',
    do: ['contest', 'cutAndStop'],
    why: 'both nodes are taking it, and the peer ranks higher',
  },
  {
    from: ['starting'],
    on: 'peer-holds',
    when: 'newlyContested',
    to: 'starting',
    do: ['contest'],
    why: 'both nodes are taking it, and this node ranks higher',
  },

  // Serving it.
  {
    from: ['active'],
    on: 'peer-holds',
    when: 'outranked',
    to: 'stopping',
    do: ['contest', 'cutAndStop'],
    why: 'both nodes are active, and the peer ranks higher',
  },
  {
    from: ['active'],
    on: 'peer-holds',
    when: 'newlyContested',
    to: 'active',
    do: ['contest', 'reacquire'],
    why: 'both nodes are active, and this node ranks higher: announce again who serves',
  },
  { from: ['active'], on: 'broken', to: 'active', do: ['offerAway'], why: 'a resource failed again: let the peer try' },
  { from: ['active'], on: 'retry', when: 'maintained', to: 'same', do: [], why: 'maintenance: nothing is touched' },
  {
    from: ['active'],
    on: 'resumed',
    to: 'same',
    do: ['resume'],
    why: 'maintenance is over: check, and repair what failed',
  },
  { from: ['active'], on: 'retry', to: 'active', do: ['retryHere'], why: 'the peer cannot take it: try again here' },
  {
    from: ['active'],
    on: 'hold-down-cleared',
    to: 'active',
    do: ['retryNow'],
    why: 'an operator wants it here: do not wait for the next try',
  },
  {
    from: ['starting', 'active', 'probation'],
    on: 'lease-lost',
    to: 'stopping',
    do: ['cutAndStop'],
    why: 'the lease is about to end or belongs to another node: stop before that node can serve',
  },
  {
    from: ['starting', 'active'],
    on: 'stalled',
    when: 'leaseValid',
    to: 'same',
    do: [],
    why: 'this process was paused, and its lease is still valid: no other node can have taken it',
  },
  { from: ['active'], on: 'restored', to: 'active', do: ['clearFailures', 'reacquire'], why: 'it is serving again' },
  {
    from: ['active'],
    on: 'stalled',
    when: 'maintained',
    to: 'same',
    do: [],
    why: 'maintenance: the peer does not take over, so nothing is cut off',
  },
  {
    from: ['active'],
    on: 'stalled',
    to: 'probation',
    do: ['cut', 'askPeer'],
    why: 'this process was paused for so long that the peer may have taken over: cut off first, then ask',
  },

  // Not sure whether it is still ours.
  {
    from: ['probation'],
    on: 'peer-holds',
    when: 'outranked',
    to: 'stopping',
    do: ['stop'],
    why: 'the peer took it while this process was paused',
  },
  {
    from: ['probation'],
    on: 'peer-holds',
    when: 'peerAnsweredSinceWake',
    to: 'active',
    do: ['restore'],
    why: 'both nodes were paused and ask, and this node ranks higher',
  },
  {
    from: ['probation'],
    on: 'peer-free',
    when: 'peerAnsweredSinceWake',
    to: 'active',
    do: ['restore'],
    why: 'the peer says it has not taken it',
  },
  {
    from: ['probation'],
    on: 'silence',
    when: 'nobodyAnswers',
    to: 'probation',
    do: ['waitOn'],
    why: 'neither the peer nor a ping target has answered yet: stay cut off',
  },
  {
    from: ['probation'],
    on: 'silence',
    to: 'active',
    do: ['restore'],
    why: 'the peer does not answer, but the network does, or the policy is to continue',
  },
  {
    from: ['probation'],
    on: 'cut-failed',
    to: 'stopping',
    do: ['stop'],
    why: 'it cannot be cut off while the peer is asked: stop it',
  },
  { from: ['probation'], on: 'stalled', to: 'probation', do: ['askPeer'], why: 'paused again: ask again' },

  // Giving it up.
  {
    from: ['starting', 'active', 'probation'],
    on: 'yield',
    to: 'stopping',
    do: ['stop'],
    why: 'agreed with the peer, which takes it next',
  },
  {
    from: ['starting', 'active', 'probation'],
    on: 'leave',
    to: 'stopping',
    do: ['stop'],
    why: 'this node is stopping',
  },
  {
    from: ['starting', 'active', 'probation'],
    on: 'isolated',
    when: 'policyStops',
    to: 'stopping',
    do: ['cutAndStop'],
    why: 'neither the peer nor any ping target answers, and the policy is to stop',
  },
  { from: ['starting'], on: 'stalled', to: 'stopping', do: ['cutAndStop'], why: 'paused while taking it: start over' },
  {
    from: ['stopping'],
    on: 'stopped',
    when: 'unfit',
    to: 'failed',
    do: ['released', 'planRetry'],
    why: 'stopped after it failed here',
  },
  { from: ['stopping'], on: 'stopped', to: 'standby', do: ['released', 'prepare'], why: 'stopped, and verified' },

  // It would not stop.
  {
    from: ['starting', 'active', 'stopping'],
    on: 'stop-failed',
    to: 'stuck',
    do: ['noteFailure', 'cut'],
    why: 'a resource did not stop: keep claiming the group until it is cut off',
  },
  {
    from: ['stuck'],
    on: 'cut-off',
    to: 'failed',
    do: ['released', 'planRetry'],
    why: 'cut off: it is no longer reachable on this node',
  },
  {
    from: ['stuck'],
    on: 'cut-failed',
    when: 'lastResort',
    to: 'stuck',
    do: ['goSilent'],
    why: 'it can neither be stopped nor cut off, and the peer cannot get it in any other way',
  },
  {
    from: ['stuck'],
    on: 'cut-failed',
    to: 'stuck',
    do: ['planStop'],
    why: 'it can neither be stopped nor cut off: keep claiming it, and try again',
  },
  {
    from: ['stuck'],
    on: 'retry',
    when: 'nobodyElse',
    to: 'starting',
    do: ['raiseEpoch', 'revive'],
    why: 'the peer is not there: serve again, with what did not stop',
  },
  { from: ['stuck'], on: 'retry', to: 'stopping', do: ['stop'], why: 'try again to stop it' },
  {
    from: ['stuck'],
    on: 'leave',
    to: 'stopping',
    do: ['stop'],
    why: 'this node is stopping: do not wait for the next try',
  },

  // It cannot run here.
  {
    from: ['failed'],
    on: 'leave',
    when: 'halfStopped',
    to: 'stopping',
    do: ['stop'],
    why: 'this node is stopping: try again to stop what is only cut off',
  },
  {
    from: ['failed'],
    on: 'hold-down-cleared',
    to: 'standby',
    do: ['clearFailures'],
    why: 'an operator wants it here: no hold-down',
  },
  {
    from: ['failed'],
    on: 'peer-gone',
    when: 'mayRetry',
    to: 'candidate',
    do: ['requestRevival'],
    why: 'the peer is not there: try again here, including what did not stop and was cut off',
  },
  {
    from: ['failed'],
    on: 'peer-free',
    when: 'mayRetryNow',
    to: 'candidate',
    do: take,
    why: 'the peer does not take it either: try again here',
  },
  { from: ['failed'], on: 'peer-holds', to: 'failed', do: ['adoptEpoch'], why: 'the peer owns it' },
  { from: ['failed'], on: 'retry', to: 'failed', do: ['prepare'], why: 'check whether it could start here again' },
  { from: ['failed'], on: 'prepared', to: 'standby', do: ['clearFailures'], why: 'it could start here again' },
  { from: ['failed'], on: 'unprepared', to: 'failed', do: ['planRetry'], why: 'it still could not start here' },
]
