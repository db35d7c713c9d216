import type { Connectivity } from './authority/connectivity.ts'
import { type GuaranteeClass, guaranteeClass } from './authority/guarantee.ts'
import type { Guards } from './authority/guards.ts'
import type { LeaseView, Permissions } from './authority/permission.ts'
import type { GroupState, NodePhase, Reason } from './events.ts'
import type { Maintenance } from './ownership/maintenance.ts'
import type { Ownership } from './ownership/ownership.ts'
import type { PeerClaim } from './peer/claims.ts'
import type { Quality, QualityCounters } from './peer/detection-statistics.ts'
import type { LinkView } from './peer/links.ts'
import type { Membership, PeerView } from './peer/membership.ts'
import type { TimesInForce } from './peer/times-in-force.ts'
import type { CoreConfig } from './types.ts'

/** What a node knows and does, as plain data. */
export interface CoreSnapshot {
  readonly phase: NodePhase
  readonly guarantee: GuaranteeClass
  readonly isolated: boolean
  /**
   * A reload has announced a longer dead time, and the peer has not confirmed it: `inForceMs` and what goes with it is in force until
   * then. Null: nothing waits.
   */
  readonly pending: TimesInForce['pending']
  readonly peer: Omit<PeerView, 'groups' | 'namesAll'> & {
    readonly silentMs: number
    /** What the liveness detector has learned: `deadAfterMs`, the silence that it takes for a death now. */
    readonly detector: Readonly<Record<string, number>>
    /** What it says of each group. */
    readonly groups: Readonly<Record<string, PeerClaim>>
  }
  readonly links: readonly LinkView[]
  /** How well the peer was judged, and how often this process did not run. */
  readonly quality: Quality
  readonly targets: readonly { readonly target: string; readonly reachable: boolean | null }[]
  readonly groups: readonly {
    readonly name: string
    readonly state: GroupState
    readonly epoch: number
    readonly reason: Reason
    readonly sinceMs: number
    readonly preferred: string
    /** It is watched, and nothing of it is touched. */
    readonly maintenance: boolean
    /** How it stands with its lease; null where there are no leases. */
    readonly lease: LeaseView | null
  }[]
}

/** Whom a view is asked of. */
interface Viewed {
  readonly config: CoreConfig
  readonly pending: CoreSnapshot['pending']
  readonly monoMs: number
  readonly phase: NodePhase
  readonly membership: Membership
  readonly connectivity: Connectivity
  readonly ownership: Ownership
  readonly maintenance: Maintenance
  readonly permissions: Permissions
  readonly guards: Guards
  readonly quality: QualityCounters
}

/** What a node knows at this moment. */
export function viewOf(viewed: Viewed): CoreSnapshot {
  const {
    config,
    pending,
    monoMs,
    phase,
    membership,
    connectivity,
    ownership,
    maintenance,
    permissions,
    guards,
    quality,
  } = viewed
  const { groups, namesAll: _, ...peer } = membership.peer
  return {
    phase,
    guarantee: guaranteeClass(config, guards.failure === undefined),
    isolated: connectivity.isolated,
    pending,
    peer: {
      ...peer,
      silentMs: Math.round(membership.silentMs),
      detector: membership.detector,
      groups: Object.fromEntries(groups ?? []),
    },
    links: membership.links,
    quality: quality.view(monoMs),
    targets: connectivity.targets,
    groups: config.groups.map(({ name, preferred }) => {
      const { state, epoch } = ownership.claim(name) ?? { state: 'unknown' as const, epoch: 0 }
      const { reason, sinceMs } = ownership.view(name) ?? { reason: 'unowned' as const, sinceMs: monoMs }
      const lease = permissions.view(name)
      return { name, state, epoch, reason, sinceMs, preferred, maintenance: maintenance.isOn(name), lease }
    }),
  }
}
