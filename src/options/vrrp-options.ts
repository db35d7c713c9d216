import type { BalancerOptions } from './balancer-options.ts'
import type { IpFamily, VrrpCommand, VrrpUser } from './command-options.ts'

export type { IpFamily, VrrpCommand, VrrpUser }

/** An address that follows the state MASTER. */
export interface VrrpAddress {
  readonly family: IpFamily
  readonly address: string
  /** Prefix length. @defaultValue 32 or 128 */
  readonly prefix: number
  readonly interface: string
  /** Broadcast address; undefined: none is set. `brd +` and `brd -` are computed already. */
  readonly broadcast?: string | undefined
  /** As `ip address` prints it: `global`, `site`, `link`, `host`, `nowhere` or a number. */
  readonly scope: string
  /** IPv4 only. */
  readonly label?: string | undefined
  /** True: preferred lifetime 0, so that the address is no source of connections; keepalived's default for an IPv6 /128. */
  readonly deprecated: boolean
  /** `file:line`. */
  readonly where: string
}

/** A route that follows the state MASTER. */
export interface VrrpRoute {
  readonly family: IpFamily
  /** `blackhole`, `unreachable`, `prohibit`, `throw` or, with next hop or device, `unicast`. */
  readonly type: 'unicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'
  /** Destination with prefix length; `0.0.0.0/0` or `::/0` for a default route. */
  readonly destination: string
  readonly via?: string | undefined
  readonly interface?: string | undefined
  /** Preferred source address. */
  readonly source?: string | undefined
  readonly table?: string | undefined
  readonly metric?: number | undefined
  readonly scope?: string | undefined
  readonly protocol?: string | undefined
  readonly mtu?: number | undefined
  readonly onlink: boolean
  /** `file:line`. */
  readonly where: string
}

/** What something that is tracked does to the priority. */
export interface VrrpTrack {
  /** Name of the interface, script, file or process. */
  readonly name: string
  /**
   * 0: failing means FAULT. Above 0: added while it is well. Below 0: subtracted while it fails. Of a file: times the number in it,
   * and with 0 any number other than 0 means FAULT.
   */
  readonly weight: number
  /** Well and failing, or plus and minus, change places. */
  readonly reverse: boolean
  /** `file:line`. */
  readonly where: string
}

/** What an instance or a sync group tracks. */
export interface VrrpTracks {
  readonly interfaces: readonly VrrpTrack[]
  readonly scripts: readonly VrrpTrack[]
  readonly files: readonly VrrpTrack[]
  readonly processes: readonly VrrpTrack[]
}

/** Hooks of an instance or a sync group. */
export interface VrrpHooks {
  readonly master?: VrrpCommand | undefined
  readonly backup?: VrrpCommand | undefined
  readonly fault?: VrrpCommand | undefined
  readonly stop?: VrrpCommand | undefined
  /** After any of the others, with four more arguments: `INSTANCE` or `GROUP`, the name, the state, the priority. */
  readonly any?: VrrpCommand | undefined
  /** When a master hears a lower priority; instances only. */
  readonly masterRxLowerPri?: VrrpCommand | undefined
  /** After the instance was removed by a reload. */
  readonly deleted?: VrrpCommand | undefined
  /** A removed instance is told as `DELETED` instead of `FAULT`. */
  readonly tellsDeleted: boolean
}

/** When gratuitous ARP (IPv4) and unsolicited neighbour advertisements (IPv6) are sent. */
export interface VrrpAnnouncements {
  /** From becoming master to the second burst; 0: no second burst. @defaultValue 5000 */
  readonly delayMs: number
  /** Frames per address and burst; 0: none. @defaultValue 5 */
  readonly repeat: number
  /** Interval of bursts while master; 0: none. @defaultValue 0 */
  readonly refreshMs: number
  /** @defaultValue 1 */
  readonly refreshRepeat: number
  /** The same two after a lower priority was heard. @defaultValue `delayMs` */
  readonly lowerPriorityDelayMs: number
  /** @defaultValue `repeat` */
  readonly lowerPriorityRepeat: number
  /** Pause between two frames of ARP on an interface; 0: none. */
  readonly arpIntervalMs: number
  /** Pause between two neighbour advertisements on an interface; 0: none. */
  readonly neighbourIntervalMs: number
}

/** One address that adverts are sent to and, with `checkSource`, accepted from. */
export interface VrrpPeer {
  readonly address: string
  /** TTL or hop limit a received advert must have, at least and at most; undefined: not checked. */
  readonly minTtl?: number | undefined
  readonly maxTtl?: number | undefined
}

/** How adverts travel. */
export type VrrpTransmission =
  | {
      readonly mode: 'multicast'
      /** @defaultValue `224.0.0.18` or `ff02::12` */
      readonly group: string
    }
  | {
      readonly mode: 'unicast'
      /** Never empty. */
      readonly peers: readonly VrrpPeer[]
      /** @defaultValue 255 for IPv4, 64 for IPv6, as keepalived sends */
      readonly ttl: number
      /** Adverts of strangers are dropped. @defaultValue false */
      readonly checkSource: boolean
      /**
       * Which pseudo-header v3 over IPv4 sums: with the peer's address (`new`), with 224.0.0.18 (`old`, before 1.3.7), or the one that
       * the peer uses (`detect`). @defaultValue `detect`
       */
      readonly checksum: 'detect' | 'old' | 'new'
    }

/** How adverts are authenticated. */
export type VrrpAuthentication =
  | {
      /** v2 only: 8 bytes in clear. */
      readonly type: 'PASS'
      /** At most 8 bytes of UTF-8, to be padded with zeros. */
      readonly key: string
    }
  | {
      /** v2 only: protocol 51, HMAC-MD5. */
      readonly type: 'AH'
      readonly key: string
    }
  | {
      /** keepalived 2.4.0 and newer. */
      readonly type: 'HMAC'
      /** By id, 1 to 255; 32 to 64 bytes each. */
      readonly keys: readonly { readonly id: number; readonly key: Uint8Array }[]
      /** Id of the key that signs. */
      readonly activeKey: number
      readonly antiReplay: 'time' | 'monotonic'
      /** How old an advert may be with `antiReplay: 'time'`. */
      readonly windowMs: number
      readonly mode: 'enforce' | 'permissive' | 'receive-only'
    }

/** A virtual router. */
export interface VrrpInstanceOptions {
  readonly name: string
  /** `file:line` of its block. */
  readonly where: string
  /** Virtual router id, 1 to 255. */
  readonly vrid: number
  readonly version: 2 | 3
  /** Family of the adverts and of the advertised addresses. */
  readonly family: IpFamily
  /** Adverts leave here, and addresses without an interface of their own are set here. */
  readonly interface: string
  /** What the file says. */
  readonly wantedState: 'MASTER' | 'BACKUP'
  /** What the instance begins as: in a sync group and in strict mode always BACKUP. */
  readonly startState: 'MASTER' | 'BACKUP'
  /** 1 to 255; 255 is the owner of the addresses, which nothing that is tracked moves. */
  readonly priority: number
  /** v2: whole seconds; v3: 10 to 40,950. */
  readonly advertMs: number
  /** Adverts missed until the master is down, plus skew. @defaultValue 3 */
  readonly downTimerAdverts: number
  /** Source address of adverts; undefined: the first address of the interface (IPv6: its link-local address). */
  readonly source?: string | undefined
  /** FAULT while `source` is not there. */
  readonly trackSource: boolean
  readonly transmission: VrrpTransmission
  readonly authentication?: VrrpAuthentication | undefined
  /** Advertised, in this order; never empty. */
  readonly addresses: readonly VrrpAddress[]
  /** Held like the others and not advertised; either family. */
  readonly excluded: readonly VrrpAddress[]
  readonly routes: readonly VrrpRoute[]
  /** False: `nopreempt`. */
  readonly preempt: boolean
  /** From seeing a lower master, or from the start, to taking over from it. */
  readonly preemptDelayMs: number
  /** FAULT while the interface is down. */
  readonly trackPrimary: boolean
  readonly tracks: VrrpTracks
  readonly hooks: VrrpHooks
  /** Priority changes are told through the FIFO. */
  readonly notifiesPriority: boolean
  readonly announcements: VrrpAnnouncements
  /** A master that hears a lower priority stays silent, as the RFCs want. @defaultValue false: it sends an advert at once */
  readonly lowerPriorityNoAdvert: boolean
  /** A master that hears a higher priority sends an advert before it steps down. @defaultValue false */
  readonly higherPrioritySendAdvert: boolean
  /** The address list of an advert is not compared again when it comes from the same sender. @defaultValue false */
  readonly skipCheckAdvertAddresses: boolean
  /** v3 over IPv4: adverts are sent with the checksum over the message only (RFC 9568; keepalived 2.2.8 and newer). @defaultValue false */
  readonly checksumAsV2: boolean
  /** The address lives on a macvlan with the virtual router's MAC address; undefined: on the interface itself. */
  readonly vmac?: VrrpVmac | undefined
  /** Name of its sync group. */
  readonly group?: string | undefined
}

/** The macvlan of an instance. */
export interface VrrpVmac {
  /** @defaultValue `vrrp.VRID` */
  readonly name: string
  /** `00:00:5e:00:01:VRID` (IPv4) or `00:00:5e:00:02:VRID` (IPv6), unless the file names another. */
  readonly mac: string
  /** Adverts leave from the interface below. */
  readonly transmitsFromBase: boolean
}

/** Instances that change state together. */
export interface VrrpSyncGroupOptions {
  readonly name: string
  readonly where: string
  /** Names of its instances; never empty. */
  readonly members: readonly string[]
  readonly tracks: VrrpTracks
  readonly hooks: VrrpHooks
  readonly notifiesPriority: boolean
  /** The members' own weights count. @defaultValue false: only those of the group do */
  readonly memberWeights: boolean
}

/** A check that runs again and again; its exit code counts. */
export interface VrrpScriptOptions {
  readonly name: string
  readonly command: VrrpCommand
  /** @defaultValue 1000 */
  readonly intervalMs: number
  /** Then it is killed and has failed. @defaultValue `intervalMs` */
  readonly timeoutMs: number
  /** Successes, failures in a row that count. @defaultValue 1 */
  readonly rise: number
  readonly fall: number
  /** Counts as failed until it has succeeded `rise` times. @defaultValue false */
  readonly initFail: boolean
}

/** A file with a number in it. */
export interface VrrpFileOptions {
  readonly name: string
  readonly path: string
  /** Written when the file is missing; undefined: nothing is written. */
  readonly initValue?: number | undefined
  /** Written at start even if the file is there. */
  readonly overwrite: boolean
  readonly where: string
}

/** Processes that are counted. */
export interface VrrpProcessOptions {
  readonly name: string
  /** Name of the process, or its path with `fullCommand`. */
  readonly process: string
  /** Its arguments; undefined: not compared. */
  readonly parameters?: readonly string[] | undefined
  /** How they are compared. */
  readonly match: 'exact' | 'initial' | 'partial'
  readonly fullCommand: boolean
  /** As many at least, and at most (undefined: any number). @defaultValue 1 */
  readonly quorum: number
  readonly quorumMax?: number | undefined
  /** The change must last so long. @defaultValue 0 */
  readonly forkDelayMs: number
  readonly terminateDelayMs: number
  readonly where: string
}

/** A named pipe that events are written to, and who reads it. */
export interface VrrpFifoOptions {
  readonly path: string
  readonly user?: VrrpUser | undefined
  /** Is given the path as its last argument. */
  readonly script?: VrrpCommand | undefined
}

/** What holds for all instances. */
export interface VrrpGlobals {
  /** `router_id`. @defaultValue the host name */
  readonly routerId: string
  /** Instances begin so long after the start. @defaultValue 0 */
  readonly startupDelayMs: number
  /** Interfaces that do not exist are waited for in FAULT. @defaultValue false: a start with one missing is refused */
  readonly dynamicInterfaces: boolean
  /** Of `vrrp_notify_fifo`. */
  readonly notifyFifo?: VrrpFifoOptions | undefined
  /** Of `notify_fifo`: instances, groups and servers. */
  readonly allFifo?: VrrpFifoOptions | undefined
  /** Of `lvs_notify_fifo`: servers. */
  readonly balancerFifo?: VrrpFifoOptions | undefined
  /** Adverts of ids that no instance has are told. @defaultValue false */
  readonly logUnknownVrids: boolean
  /** Run before anything else, and after everything has stopped. */
  readonly startup?: { readonly command: VrrpCommand; readonly timeoutMs: number } | undefined
  readonly shutdown?: { readonly command: VrrpCommand; readonly timeoutMs: number } | undefined
}

/**
 * What a `keepalived.conf` means: checked, every default of keepalived filled in, every time in milliseconds. Plain data; the order of
 * all lists is that of the file.
 */
export interface VrrpOptions {
  readonly globals: VrrpGlobals
  readonly instances: readonly VrrpInstanceOptions[]
  readonly groups: readonly VrrpSyncGroupOptions[]
  /** Those that an instance or group tracks. */
  readonly scripts: readonly VrrpScriptOptions[]
  readonly files: readonly VrrpFileOptions[]
  readonly processes: readonly VrrpProcessOptions[]
  /** How long an interface must be down or up before it counts. @defaultValue 0 */
  readonly interfaceDelays: readonly { readonly interface: string; readonly downMs: number; readonly upMs: number }[]
  /** `virtual_server` blocks. */
  readonly balancers: readonly BalancerOptions[]
}
