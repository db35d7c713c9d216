import { type Message, text } from '../../wire/message.ts'
import { claimOf, claims, isClaimed, type PeerClaim } from '../peer/claims.ts'
import { type GroupClaim, holdCovers, type RscHold } from '../peer/own-claims.ts'
import type { CoreConfig } from '../types.ts'

// A real Heartbeat daemon as peer: what it says of its groups, and what it must be told of ours (docs/daemon.md). It knows two
// sets, one for each node's haresources lines, where ours know groups; and a set that is empty is held by somebody too.

type Pair = Pick<CoreConfig, 'self' | 'peer' | 'groups'>

/** What the daemon has said of itself in this run. */
export interface DaemonWord {
  /** Its word for what it holds. */
  readonly hold: string
  /** Its groups have come to rest: it ignores a standby request, with a warning in its log, while they have not. */
  readonly stable: boolean
  /** It was stable before in this run: from then on every set is somebody's. */
  readonly everStable: boolean
}

/** The daemon's word after one more `resource` report. */
export function daemonWord(before: DaemonWord | undefined, incoming: Message): DaemonWord {
  const stable = text(incoming, 'isstable') === '1'
  return { hold: text(incoming, 'rsc_hold') ?? 'none', stable, everStable: stable || (before?.everStable ?? false) }
}

/**
 * What the daemon's report says of each group. Before it gives groups up it already reports without them (`standby`,
 * `shutdown`), while its scripts still run: they are free when it says `done`, or good-bye. Their epoch is counted by us: it
 * grows when the daemon took over.
 */
export function daemonClaims(
  { peer, groups }: Pair,
  incoming: Message,
  before: ReadonlyMap<string, PeerClaim> | undefined,
  ours: (group: string) => GroupClaim | undefined,
  everStable = true,
): Map<string, PeerClaim> {
  const hold = text(incoming, 'rsc_hold')
  const gives = text(incoming, 'info') === 'standby' || text(incoming, 'info') === 'shutdown'
  return new Map(
    groups.map(({ name, preferred }): [string, PeerClaim] => {
      const was = before?.get(name)
      const claimed = isClaimed(was) ? was : undefined
      // What prefers it and is not held here it takes as soon as it comes to rest for the first time, and may be taking already.
      if (
        !everStable &&
        preferred === peer &&
        !holdCovers(hold, peer, preferred) &&
        !claims(ours(name)?.state ?? 'unknown')
      )
        return [name, claimed ?? claimOf('starting', takenByDaemon(was, ours(name)).epoch)]
      if (!holdCovers(hold, peer, preferred))
        return [name, claimOf(claimed && gives ? 'stopping' : 'standby', was?.epoch ?? ours(name)?.epoch ?? 0)]
      return [name, claimed ? claimOf('active', claimed.epoch) : takenByDaemon(was, ours(name))]
    }),
  )
}

/** A daemon has taken a group over: it knows no epochs, so we count for it. */
export function takenByDaemon(was: PeerClaim | undefined, ours: GroupClaim | undefined): PeerClaim {
  return claimOf('active', Math.max(was?.epoch ?? 0, ours?.epoch ?? 0) + 1)
}

/**
 * Heartbeat's word for what we hold, as a daemon wants to hear it. A set without groups goes with the daemon's own word: what
 * it does not claim is ours. Its own empty set it claims by itself when it first becomes stable; ours we claim at once.
 */
export function rscHold(
  { self, peer, groups }: Pair,
  holds: (group: string) => boolean,
  word: DaemonWord | undefined,
): RscHold {
  const holdsSet = (preferred: string): boolean => {
    const set = groups.filter((group) => group.preferred === preferred)
    // Of our own groups every one, of the daemon's any: it must not start what still runs here.
    if (set.length > 0)
      return preferred === self ? set.every(({ name }) => holds(name)) : set.some(({ name }) => holds(name))
    return !holdCovers(word?.hold, peer, preferred) && (preferred === self || word?.everStable === true)
  }
  const local = holdsSet(self)
  const foreign = holdsSet(peer)
  return local && foreign ? 'all' : local ? 'local' : foreign ? 'foreign' : 'none'
}
