import type { BalancedService, BalancerMethod, BalancerScheduler } from '../../options/balancer-options.ts'
import type { IpFamily } from '../../options/command-options.ts'
import type { CheckDraft, Timing } from './check-rows.ts'
import type { CommandDraft } from './commands.ts'
import type { FileDraft } from './drafts.ts'

/** A `virtual_server`, while it is read. */
export interface ServerDraft extends Timing {
  readonly name: string
  readonly where: string
  readonly file: FileDraft
  readonly services: readonly BalancedService[]
  /** `fwmark`, which is refused. */
  readonly isMark: boolean
  protocol?: 'tcp' | 'udp'
  scheduler?: BalancerScheduler
  hashesPort: boolean
  method?: BalancerMethod
  methodWhere?: string
  persistenceMs?: number
  persistencePrefix?: number
  quorum: number
  hysteresis: number
  weight: number
  up?: CommandDraft | undefined
  down?: CommandDraft | undefined
  omega: boolean
  inhibit: boolean
  sorry?: { address: string; port: number; family: IpFamily; inhibit: boolean }
  virtualHost?: string
  readonly members: MemberDraft[]
}

/** A `real_server`, while it is read. */
export interface MemberDraft extends Timing {
  readonly where: string
  readonly server: ServerDraft
  readonly family: IpFamily
  readonly address: string
  readonly port: number
  weight?: number
  method?: BalancerMethod
  inhibit?: boolean
  up?: CommandDraft | undefined
  down?: CommandDraft | undefined
  virtualHost?: string
  readonly checks: CheckDraft[]
}
