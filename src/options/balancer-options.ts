import type { IpFamily, VrrpCommand } from './command-options.ts'

/** An address and port that clients connect to. */
export interface BalancedService {
  readonly family: IpFamily
  readonly address: string
  /** 0: every port. */
  readonly port: number
}

/** How a member of a balancer is chosen. */
export type BalancerScheduler =
  | 'rr'
  | 'wrr'
  | 'lc'
  | 'wlc'
  | 'sh'
  | 'dh'
  | 'mh'
  | 'lblc'
  | 'lblcr'
  | 'sed'
  | 'nq'
  | 'twos'

/** How packets reach the members. */
export type BalancerMethod = 'NAT' | 'DR'

/** What every check has. */
export interface BalancerCheckBase {
  /** @defaultValue `delayLoopMs` of the member */
  readonly intervalMs: number
  /** Limit of one try. @defaultValue 5000 */
  readonly timeoutMs: number
  /** Tries after a failure before the member counts as down. */
  readonly retries: number
  readonly retryDelayMs: number
  /** The first check is made at a random time up to this. */
  readonly warmupMs: number
  /** The member counts as down until the first success. */
  readonly alpha: boolean
  /** `file:line`. */
  readonly where: string
}

/** Where a check connects to, and from. */
export interface BalancerCheckTarget {
  readonly address: string
  readonly port: number
  readonly bindAddress?: string | undefined
  readonly bindPort?: number | undefined
  readonly bindInterface?: string | undefined
}

/** One URL of an HTTP check. */
export interface BalancerUrl {
  readonly path: string
  /** MD5 of the body in hexadecimal digits. */
  readonly digest?: string | undefined
  /** Accepted status codes as pairs of first and last. @defaultValue 200 to 299 */
  readonly status: readonly (readonly [number, number])[]
  /** Host header. */
  readonly virtualHost?: string | undefined
}

/** How a member is checked. */
export type BalancerCheck = BalancerCheckBase &
  (
    | ({ readonly type: 'tcp' } & BalancerCheckTarget)
    | ({
        readonly type: 'http' | 'https'
        readonly urls: readonly BalancerUrl[]
        readonly protocol: '1.0' | '1.0C' | '1.1'
        /** Server name indication is sent. */
        readonly sni: boolean
        /** All URLs are checked at once after a failure. */
        readonly fastRecovery: boolean
      } & BalancerCheckTarget)
    | ({ readonly type: 'smtp'; readonly hello?: string | undefined } & BalancerCheckTarget)
    | ({ readonly type: 'dns'; readonly queryType: string; readonly queryName: string } & BalancerCheckTarget)
    | {
        readonly type: 'command'
        readonly command: VrrpCommand
        /** Exit codes of 2 and more set the weight to the code less 2. */
        readonly dynamicWeight: boolean
      }
  )

/** A server behind the balancer. */
export interface BalancerMember {
  readonly family: IpFamily
  readonly address: string
  /** 0: the port that the client connected to. */
  readonly port: number
  /** 0: no new connections. @defaultValue 1 */
  readonly weight: number
  readonly method: BalancerMethod
  /** A member that fails gets weight 0 instead of being removed. */
  readonly inhibitOnFailure: boolean
  readonly checks: readonly BalancerCheck[]
  readonly up?: VrrpCommand | undefined
  readonly down?: VrrpCommand | undefined
  readonly where: string
}

/** A `virtual_server` block: a service and the members that serve it. */
export interface BalancerOptions {
  /** As the file writes it: `192.0.2.1 80` or `group NAME`. */
  readonly name: string
  readonly where: string
  /** Never empty; several for a group. */
  readonly services: readonly BalancedService[]
  readonly protocol: 'tcp' | 'udp'
  /** As the file says it; what stands in for it is said by a note. */
  readonly scheduler: BalancerScheduler
  /** `sh` and `mh` take the port as well. */
  readonly hashesPort: boolean
  readonly method: BalancerMethod
  /** A client stays at its member so long; undefined: it does not. */
  readonly persistence?: { readonly timeoutMs: number; readonly prefix: number } | undefined
  /** Interval of the checks. @defaultValue 60,000 */
  readonly delayLoopMs: number
  /** Sum of weights needed. @defaultValue 1 */
  readonly quorum: number
  readonly hysteresis: number
  readonly quorumUp?: VrrpCommand | undefined
  readonly quorumDown?: VrrpCommand | undefined
  /** Members are down until a check succeeds. */
  readonly alpha: boolean
  /** Down hooks run at the end as well. */
  readonly omega: boolean
  /** Stands in for all members when the quorum is lost. */
  readonly sorry?: { readonly address: string; readonly port: number; readonly inhibit: boolean } | undefined
  readonly members: readonly BalancerMember[]
}
