import { isClaimed, type PeerClaim } from './claims.ts'

/** Where the peer stands, as far as it is known. */
export interface PeerSituation {
  readonly liveness: 'unheard' | 'alive' | 'late' | 'dead' | 'left'
  /** It was heard since our start. */
  readonly heardEver: boolean
  readonly kind: 'unknown' | 'hot-standby' | 'heartbeat'
  /** What it says of each group; undefined until it has said so in this run. */
  readonly groups: ReadonlyMap<string, PeerClaim> | undefined
  /** It has named all its groups: what it does not name it does not hold. */
  readonly namesAll: boolean
  /** What it says was said lately: an answer to this run of ours shows it, or nothing it sends can be dated (a daemon). */
  readonly proven: boolean
}

/**
 * What the peer is to one group: `gone`: it is dead, has left or never came; `unclear`: it leaves the group to nobody, and cannot
 * be said to hold it; `unknown`: it has said nothing yet, or nothing that is known to be said now.
 */
export type Situation = 'unknown' | 'gone' | 'free' | 'holds' | 'unclear'

const isThere = { unheard: false, alive: true, late: true, dead: false, left: false } as const

/** What the peer is to a group. */
export function situationOf(peer: PeerSituation, group: string, leased: boolean): Situation {
  if (!isThere[peer.liveness]) return peer.liveness === 'unheard' ? 'unknown' : 'gone'
  if (peer.groups === undefined || !peer.proven) return 'unknown'
  const claim = peer.groups.get(group)
  if (claim === undefined) return peer.namesAll ? 'free' : 'unclear'
  if (!isClaimed(claim)) return 'free'
  // It waits for the same lease, and only one of the two gets it.
  if (claim.claim === 'wants' && leased) return 'free'
  return claim.claim === 'holds' ? 'holds' : 'unclear'
}
