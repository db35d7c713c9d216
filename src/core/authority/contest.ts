import { beats } from '../timing.ts'
import type { GuardContext } from './context.ts'

/** One rule by which a contest between two active nodes is settled. */
export interface ContestRule {
  readonly id: string
  /** The sentence of the event `contested`. */
  readonly says: string
  /** Whether the rule applies. */
  readonly when: (context: GuardContext) => boolean
  /** Whether this node keeps the group. */
  readonly goesOn: (context: GuardContext) => boolean
  /** Why it stands here. */
  readonly because: string
}

/**
 * Who of two active nodes goes on: the first rule that applies. Both nodes ask the same table about each other, so for every pair
 * of views exactly one of them goes on; where the two may have measured differently, the next exchange leaves the measure out.
 */
export const contestTable: readonly ContestRule[] = [
  {
    id: 'giving-up',
    says: 'the peer is giving it up',
    when: ({ peerClaim }) => peerClaim?.state === 'stopping' || peerClaim?.state === 'stuck',
    goesOn: () => true,
    because: 'It has decided already; giving way as well would leave nobody.',
  },
  {
    id: 'paused',
    says: 'the node that was paused and asks gives way',
    when: ({ state, peerClaim }) => (state === 'probation') !== (peerClaim?.state === 'probation'),
    goesOn: ({ state }) => state !== 'probation',
    because: 'It is cut off already, and the other one serves.',
  },
  {
    id: 'lease',
    says: 'the lease decides: the higher epoch has it',
    when: ({ lease, epoch, peerClaim }) => lease !== 'none' && (peerClaim?.epoch ?? 0) !== epoch,
    goesOn: ({ epoch, peerClaim }) => epoch > (peerClaim?.epoch ?? 0),
    because: 'The store gave the higher epoch later, and the older owner had to stop before (L5).',
  },
  {
    id: 'daemon',
    says: 'a daemon that meets another active node gives up and restarts',
    when: ({ peerIsDaemon }) => peerIsDaemon,
    goesOn: () => true,
    because: 'Giving way to it would end the service on both (docs/daemon.md).',
  },
  {
    id: 'unheard',
    says: 'the peer does not hear this node',
    when: ({ heardByPeer }) => !heardByPeer,
    goesOn: () => false,
    because: 'The peer cannot learn of the contest, so only this node can end it.',
  },
  {
    id: 'preferred',
    says: 'the preferred node wins',
    when: ({ failsBack, preferredIsPoorer }) => failsBack && !preferredIsPoorer,
    goesOn: ({ preferredHere }) => preferredHere,
    because: 'The group would return to it anyway: one move instead of two.',
  },
  {
    id: 'epoch',
    says: 'the higher epoch wins',
    when: ({ epoch, peerClaim }) => (peerClaim?.epoch ?? 0) !== epoch,
    goesOn: ({ epoch, peerClaim }) => epoch > (peerClaim?.epoch ?? 0),
    because: 'The owner with the higher epoch is the newer one, and stores refuse the older.',
  },
  {
    id: 'longer',
    says: 'equal epochs: the node that has served longer wins',
    when: (context) => longerActive(context) !== undefined,
    goesOn: (context) => longerActive(context) === true,
    because: 'Clients have found it.',
  },
  {
    id: 'tie',
    says: 'equal epochs: the preferred node wins',
    when: () => true,
    goesOn: ({ preferredHere }) => preferredHere,
    because: 'Both nodes know it, and it is one of them.',
  },
]

/** By which rule a contest between two active nodes is settled, and whether this node goes on. */
export function rank(context: GuardContext): { readonly goesOn: boolean; readonly rule: string } {
  const rule = contestTable.find(({ when }) => when(context)) as ContestRule
  return { goesOn: rule.goesOn(context), rule: rule.says }
}

/**
 * Whether this node has served for clearly longer than the peer; undefined when nobody has. Both measure a little differently:
 * within two beats, and what the line takes, it is a draw, and when both have thought themselves the winner, the next look leaves it out.
 */
function longerActive(context: GuardContext): boolean | undefined {
  const { state, contested, activeForMs, peerActiveForMs, keepaliveMs, slowMs } = context
  if (contested || state !== 'active' || peerActiveForMs === undefined) return undefined
  const ahead = activeForMs - peerActiveForMs
  return Math.abs(ahead) <= beats.tie * keepaliveMs + slowMs ? undefined : ahead > 0
}
