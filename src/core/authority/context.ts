import type { GroupState } from '../events.ts'
import type { PeerClaim } from '../peer/claims.ts'
import type { LeaseStanding } from './permission.ts'

/**
 * Everything that permits or forbids owning one group, looked at in one instant: what the guards and the rules of a
 * contest go by. Fencing will be a further entry here.
 */
export interface GuardContext {
  readonly state: GroupState
  readonly preferredHere: boolean
  readonly epoch: number
  /** Whether this node holds the lease of the group. */
  readonly lease: LeaseStanding
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
