import type { ArbiterPlugin } from '../roles/arbiter.ts'
import type { AuthenticatorPlugin } from '../roles/authenticator.ts'
import type { Duration } from '../roles/duration.ts'
import type { HotStandbyError } from '../roles/error.ts'
import type { GuardPlugin } from '../roles/guard.ts'
import type { LeaseStorePlugin } from '../roles/lease-store.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import type { Logger } from '../roles/logger.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import type { TransportPlugin } from '../roles/transport.ts'

/** Resources that move together. */
export interface GroupOptions {
  /** Name of the group: letters, digits, `.`, `_`, `-`, `/`; the same on both nodes. */
  readonly name: string
  /** The node that serves it when both can. */
  readonly preferred: string
  /**
   * Heartbeat's key of the group, the first word of its line in haresources, or several where several of its lines are one group
   * here; needed towards a daemon with `auto_failback legacy` only, which asks for groups by it.
   * @defaultValue `name`
   */
  readonly key?: string | readonly string[] | undefined
  /** Started in this order, stopped in reverse. */
  readonly resources: readonly ResourcePlugin[]
  /**
   * How it changes hands by agreement. `'make-before-break'`: the taker starts and announces it before the giver stops, so that
   * a planned switch refuses no new connection; only for groups of addresses over services that run on both hosts, and only with
   * a peer of our own kind (a Heartbeat daemon gets `'break-before-make'`). The same on both nodes.
   * @defaultValue `'break-before-make'`
   */
  readonly handover?: 'break-before-make' | 'make-before-break' | undefined
  /** How often a resource of it is restarted in place within `restartWindow` before it moves. @defaultValue that of the cluster */
  readonly restarts?: number | undefined
  /** @defaultValue that of the cluster */
  readonly restartWindow?: Duration | undefined
  /** @defaultValue that of the cluster */
  readonly holdDown?: Duration | undefined
}

/** A program kept alive beside the pair (Heartbeat's `respawn`). */
export interface RespawnOptions {
  /** User to run as; undefined: the process's own. */
  readonly user?: string | undefined
  /** Absolute path. */
  readonly command: string
  readonly args: readonly string[]
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/**
 * The files by which a heartbeat daemon on this host keeps who it is, so that the host can change between it and this library:
 * the peer knows both by the same uuid, and each goes on counting where the other stopped.
 */
export interface HeartbeatOptions {
  /** Heartbeat's directory; nothing is done where it does not exist. */
  readonly directory: string
  /** Heartbeat's `hbgenmethod`: one more than the last, or the time; never less than one more. @defaultValue `'file'` */
  readonly generationFrom?: 'file' | 'time' | undefined
  /** Heartbeat's `uuidfrom`: kept in a file, or made of the node's name. @defaultValue `'file'` */
  readonly uuidFrom?: 'file' | 'nodename' | undefined
}

/** Options of the flight recorder (`docs/recorder.md`). */
export interface FlightRecorderOptions {
  /**
   * Bytes of memory that hold what happened last, deflated; at least 65,536, or 0: nothing is recorded, also not in the file. What
   * no longer holds the start of the process can be read, not run again. @defaultValue 1,048,576
   */
  readonly memoryBytes?: number | undefined
  /** After each change of role everything in memory is written into the state directory; so many of these files are kept. @defaultValue 4 */
  readonly keepChanges?: number | undefined
  /** Absolute path of a file that everything since the start of the process is written to while it happens. @defaultValue none */
  readonly file?: string | undefined
  /** At about this length a new file is begun, and the old one becomes `FILE.1`: together they are one recording. @defaultValue 67,108,864 */
  readonly maxBytes?: number | undefined
  /** Older files that are kept; without the first of a process the others can be read, not run again. @defaultValue 4 */
  readonly keep?: number | undefined
}

/** How groups are leased, so that two nodes never both own one (docs/leases.md). The same on both nodes. */
export interface LeaseOptions {
  /** Where the leases stand: a register with compare-and-set that both hosts reach, and that does not run on either of them. */
  readonly store: LeaseStorePlugin
  /**
   * How long a lease lasts after its last renewal. After a crash of the owner the other node waits for its end.
   * @defaultValue `'3s'`
   */
  readonly ttl?: Duration | undefined
  /** How often it is renewed. @defaultValue so that three renewals fit before the owner has to stop: 400 ms for a ttl of 3 s */
  readonly renew?: Duration | undefined
}

/** Options of a {@link Cluster}. The same object on both hosts. */
export interface ClusterOptions {
  /** Names the pair: part of the state directory's and the control socket's path. */
  readonly name: string
  /** The two members, by name. */
  readonly nodes: readonly [string, string]
  /**
   * Which of them this host is.
   * @defaultValue the host name, if it is one of `nodes`
   */
  readonly node?: string | undefined
  /** Paths to the peer; two independent ones buy more than any clever setting. */
  readonly transports: readonly TransportPlugin[]
  /** How beats are signed and verified. */
  readonly authenticator: AuthenticatorPlugin
  /**
   * Times and judge of the peer's life.
   * @defaultValue `deadtime()`: keepalive 200 ms, warntime 500 ms, deadtime 1 s, initdead 10 s
   */
  readonly liveness?: LivenessPlugin | undefined
  /**
   * Groups are owned only with a lease of a store that both nodes reach.
   * @defaultValue without: what the nodes hear of each other decides
   */
  readonly lease?: LeaseOptions | undefined
  /**
   * The kernel cuts the floating addresses off when this process does not run (docs/guards.md). The same on both nodes.
   * @defaultValue without: a frozen process, or one that hangs, leaves its addresses on the host
   */
  readonly guard?: GuardPlugin | undefined
  /**
   * The guarantee class (docs/guarantees.md) below which the member does not start: `'G1'` needs a ping target or a lease, `'G2'` a
   * lease in a store that never forgets, `'G3'` a guard as well, over groups that it can cut off.
   * @defaultValue any class will do
   */
  readonly requireGuarantee?: 'G1' | 'G2' | 'G3' | undefined
  /** Third opinions: ping nodes. */
  readonly arbiters?: readonly ArbiterPlugin[] | undefined
  /** What the pair serves. */
  readonly groups: readonly GroupOptions[]
  /**
   * Whether a group returns to its preferred node by itself when that node is back and well. `'legacy'` is Heartbeat's
   * word for a missing `auto_failback`: `true` between two of ours; with a daemon each node serves what prefers it while it
   * lives, and nothing is moved by hand.
   * @defaultValue `false`
   */
  readonly autoFailback?: boolean | 'legacy' | undefined
  /**
   * What an owner does when it hears neither its peer nor any ping target.
   * @defaultValue `'stop'`, or `'continue'` where every target is reached through the only heartbeat line
   */
  readonly onIsolated?: 'stop' | 'continue' | undefined
  /**
   * Silence after which a ping target counts as unreachable, unless the arbiter says otherwise.
   * @defaultValue the longest that lets nobody serve beside the peer: see `docs/arbiters/icmp-ping.md`
   */
  readonly deadping?: Duration | undefined
  /**
   * A resource that fails is restarted in place; the failure after so many within `restartWindow` moves its group. From the second
   * restart on there is a pause before it: 1 s, 2 s, 4 s, at most 30 s. 0: a failure moves the group at once.
   * @defaultValue 1
   */
  readonly restarts?: number | undefined
  /** The window in which failures of one resource are counted together. @defaultValue `'60s'` */
  readonly restartWindow?: Duration | undefined
  /** After a group moved because it failed here, this node does not take it back by itself for this long. @defaultValue `'60s'` */
  readonly holdDown?: Duration | undefined
  /** Where this node keeps its generation, epochs and what it added to the host. */
  readonly stateDirectory?: string | undefined
  /**
   * Shares generation and uuid with a heartbeat daemon, if this node has the name of its host, as a daemon demands.
   * @defaultValue not shared; `readHaDir` sets it for Heartbeat's three files
   */
  readonly heartbeat?: HeartbeatOptions | undefined
  /** Programs kept alive while the pair runs. */
  readonly respawn?: readonly RespawnOptions[] | undefined
  /** What the flight recorder keeps. @defaultValue 1 MiB in memory, and the last 4 changes of role in the state directory */
  readonly recorder?: FlightRecorderOptions | undefined
  /** Sees every event as a log line. @defaultValue silent */
  readonly logger?: Logger | undefined
  /** Called when a resource could neither be stopped nor cut off: the last resort, a reboot say. */
  readonly onFatal?: ((error: HotStandbyError) => void) | undefined
}
