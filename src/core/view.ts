import type { GuaranteeClass } from './authority.ts'
import type { GroupState, NodePhase, Reason } from './events.ts'
import type { LinkView, PeerView } from './membership.ts'

/** What a node knows and does, as plain data. */
export interface CoreView {
  readonly phase: NodePhase
  readonly guarantee: GuaranteeClass
  readonly isolated: boolean
  readonly peer: Omit<PeerView, 'groups'> & {
    readonly silentMs: number
    readonly groups: Readonly<Record<string, { readonly state: GroupState; readonly epoch: number }>>
  }
  readonly links: readonly LinkView[]
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
  }[]
}
