import { highestNumber } from '../../roles/host.ts'
import type { GroupState } from '../events.ts'
import type { GroupClaim } from './own-claims.ts'

/**
 * What a node says of a group, in a word that every version knows. `wants`: it waits for permission to take it, and has touched
 * nothing of it yet.
 */
export type ClaimClass = 'free' | 'wants' | 'holds' | 'failed'

/** What the peer says of one group. */
export interface PeerClaim {
  /**
   * `unclear`: it cannot be read, or is of a class that this version does not know. Then nobody takes the group; but the peer
   * cannot be said to serve it either, so nobody gives way to it and no move is confirmed by it.
   */
  readonly claim: ClaimClass | 'unclear'
  /** The state behind it; null where the peer names none that this version knows: then the class is all that is known. */
  readonly state: GroupState | null
  /** 0 where it is not known. */
  readonly epoch: number
}

/** Which class each state of this version belongs to. */
const classes: Readonly<Record<GroupState, ClaimClass>> = {
  unknown: 'free',
  standby: 'free',
  candidate: 'wants',
  starting: 'holds',
  active: 'holds',
  probation: 'holds',
  stopping: 'holds',
  failed: 'failed',
  stuck: 'holds',
}

const known: readonly string[] = ['free', 'wants', 'holds', 'failed'] satisfies ClaimClass[]

/** Whether a node in this state claims the group: it serves it, may serve it, or cannot prove that it does not. */
export function claims(state: GroupState): boolean {
  return classes[state] === 'holds'
}

/** Whether a claim of the peer leaves the group to nobody else. */
export function isClaimed(claim: PeerClaim | undefined): boolean {
  return claim !== undefined && claim.claim !== 'free' && claim.claim !== 'failed'
}

/** The claim of a peer in this state. */
export function claimOf(state: GroupState, epoch: number): PeerClaim {
  return { claim: classes[state], state, epoch }
}

/** The claim of which nothing is known but that there may be one. */
export const unclear: PeerClaim = { claim: 'unclear', state: null, epoch: 0 }

/** `NAME:CLASS/STATE:EPOCH` for each group, a blank between (docs/wire.md). */
export function formatClaims(groups: Iterable<readonly [string, GroupClaim]>): string {
  return Array.from(groups, ([name, { state, epoch }]) => `${name}:${classes[state]}/${state}:${epoch}`).join(' ')
}

/** What a list of claims says. */
export interface ReadClaims {
  readonly groups: ReadonlyMap<string, PeerClaim>
  /** Entries that could not be read, by the group that they name. */
  readonly unreadable: ReadonlyMap<string, string>
  /** Every entry names its group, whatever else it says. */
  readonly named: boolean
}

/** The reverse of `formatClaims`, entry by entry. A later version may add words behind CLASS/STATE and fields behind the epoch. */
export function readClaims(list: string): ReadClaims {
  const groups = new Map<string, PeerClaim>()
  const unreadable = new Map<string, string>()
  let named = true
  for (const entry of list.split(' ')) {
    if (entry === '') continue
    const [name = '', word, epoch] = entry.split(':')
    if (name === '') {
      named = false
      continue
    }
    const claim = readClaim(word, epoch)
    groups.set(name, claim)
    if (claim.claim === 'unclear') unreadable.set(name, entry)
    else unreadable.delete(name)
  }
  return { groups, unreadable, named }
}

function readClaim(word: string | undefined, epoch: string | undefined): PeerClaim {
  const [claim = '', detail] = word?.split('/') ?? []
  if (epoch === undefined || !/^\d{1,15}$/.test(epoch) || Number(epoch) > highestNumber) return unclear
  const number = Number(epoch)
  if (detail === undefined || !known.includes(claim)) return { ...unclear, epoch: number }
  if (claim === 'failed') return claimOf('failed', number)
  const isState = Object.hasOwn(classes, detail) && classes[detail as GroupState] === claim
  return { claim: claim as ClaimClass, state: isState ? (detail as GroupState) : null, epoch: number }
}
