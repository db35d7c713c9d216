import type { Observation } from '../roles/arbiter.ts'
import type { HotStandbyErrorCode } from '../roles/error.ts'
import type {
  AskRequest,
  AskResult,
  GuardRequest,
  OperationRequest,
  OperationResult,
  PersistentState,
} from '../roles/host.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'
import type { Operation, ResourceTimes } from '../roles/resource-agent.ts'
import type { Instant } from '../roles/time.ts'
import type { Message } from '../wire/message.ts'
import type { CoreEvent, EventName, EventPayloads } from './events.ts'

/** A resource as the core knows it: a name, its limits and what it can be asked. */
export interface ResourceConfig {
  readonly name: string
  readonly times: ResourceTimes
  readonly operations: readonly Operation[]
  /** `address`: cutting the group's addresses off makes it harmless. `data`: only its own stop or isolation does. */
  readonly exclusive: 'address' | 'data'
  /** Instead of that of the group. */
  readonly restarts?: number | undefined
  /** Grows when a reload changes its settings under the same name; left out: never. One that is not what was started is outdated. */
  readonly revision?: number | undefined
}

/** A group as the core knows it: its resources in the order of their start. */
export interface GroupConfig {
  readonly name: string
  readonly preferred: string
  /** Heartbeat's key of it, or those of its lines; undefined: its name. */
  readonly key?: string | readonly string[] | undefined
  readonly resources: readonly ResourceConfig[]
  /** How it changes hands by agreement; left out: it stops here before it starts there. */
  readonly handover?: 'make-before-break' | undefined
  /** How often a resource is restarted in place within the window before the group moves; left out: once. */
  readonly restarts?: number | undefined
  /** Instead of those of the node. */
  readonly restartWindowMs?: number | undefined
  readonly holdDownMs?: number | undefined
}

/** What the core is built from. Plain data; times in milliseconds. */
export interface CoreConfig {
  readonly self: string
  readonly peer: string
  /** Heartbeat's 16-byte id of this node. */
  readonly uuid: Uint8Array
  /** Random id of this run of the process, 16 hex digits. */
  readonly bootId: string
  /** Heartbeat's generation of this run. */
  readonly generation: number
  readonly state: PersistentState
  readonly times: LivenessTimes
  readonly deadpingMs: number
  /** Id of the key this node signs or seals with once the peer accepts it. */
  readonly keyId: number
  /** Every key of the ring, as `ID:CHECK`. @defaultValue one key, `keyId` */
  readonly held?: readonly string[] | undefined
  /** Frames are sealed, so every one has a number, and a new run of the peer has to prove itself. @defaultValue false */
  readonly sealed?: boolean | undefined
  readonly groups: readonly GroupConfig[]
  readonly links: readonly string[]
  readonly targets: readonly { readonly target: string; readonly deadpingMs: number }[]
  /** `legacy`: as `true`, and a daemon is spoken to in Heartbeat's older way. */
  readonly autoFailback: boolean | 'legacy'
  readonly onIsolated: 'stop' | 'continue'
  readonly restartWindowMs: number
  readonly holdDownMs: number
  /** The kernel cuts the addresses off by itself when this process does not run. @defaultValue false */
  readonly guarded?: boolean | undefined
  /** Groups are owned only with a lease. @defaultValue without: what the peer is heard to say decides */
  readonly lease?: LeaseConfig | undefined
}

/** How groups are leased. */
export interface LeaseConfig {
  /** Name of the store, for `ask`. */
  readonly store: string
  /** Name of the cluster, under which the store keeps the records: both nodes must have the same. */
  readonly cluster: string
  readonly ttlMs: number
  readonly renewMs: number
  /** Class of what the store can promise. */
  readonly class: 'G1' | 'G2'
}

/** The part of the configuration that `reload()` may change while the pair runs; of `targets` only the times. */
export type Reconfiguration = Pick<
  CoreConfig,
  | 'times'
  | 'deadpingMs'
  | 'targets'
  | 'keyId'
  | 'held'
  | 'autoFailback'
  | 'onIsolated'
  | 'restartWindowMs'
  | 'holdDownMs'
  | 'groups'
>

/** Which groups a command means: everything, those preferring this node, those preferring the other, or by name. */
export type Scope = 'all' | 'local' | 'foreign' | readonly string[]

/** From which run of the peer a sealed frame is, and which of that run's frames. */
export interface Mark {
  readonly session: string
  readonly sequence: number
}

/** What the application asks of a running node. */
export type Command =
  | { readonly name: 'standby' | 'takeover'; readonly scope: Scope }
  | { readonly name: 'maintenance'; readonly on: boolean; readonly scope: Scope }
  | { readonly name: 'stop' }
  | { readonly name: 'send'; readonly payload: Uint8Array }
  /** This process will not run for a while: the peer is to wait longer. */
  | { readonly name: 'expectPause'; readonly pauseMs: number }
  | { readonly name: 'configure'; readonly config: Reconfiguration }

/** Everything that can happen to a node. */
export type Happening =
  | { readonly type: 'start' }
  /** `mark` stands with what was sealed. */
  | {
      readonly type: 'message'
      readonly link: string
      readonly message: Message
      readonly keyId: number
      readonly mark?: Mark | undefined
    }
  | { readonly type: 'tick' }
  | { readonly type: 'drained' }
  | { readonly type: 'operation'; readonly opId: number; readonly result: OperationResult }
  | { readonly type: 'answer'; readonly opId: number; readonly result: AskResult }
  /** How the last change of the guard ended. */
  | { readonly type: 'guarded'; readonly failed?: string | undefined }
  | { readonly type: 'observation'; readonly observation: Observation }
  | { readonly type: 'changed'; readonly resource: string }
  | { readonly type: 'persisted'; readonly failed?: string | undefined }
  | { readonly type: 'stall'; readonly stallMs: number }
  /** What `askRandom` asked for. */
  | { readonly type: 'random'; readonly bytes: Uint8Array }
  | { readonly type: 'command'; readonly id: number; readonly command: Command }

/** One input of the core: what happened, and when. */
export type Input = Happening & { readonly at: Instant }

/** Why a command was not fulfilled. */
export interface Refusal {
  readonly code: HotStandbyErrorCode
  readonly message: string
}

/** Everything a node can do to the world. Plain data; the loop performs it, and what comes of it is the next input. */
export type Effect =
  /** Over every link, with key `keyId` or the active one. `sequence` numbers the sealed frame of the first link, and so on. */
  | {
      readonly type: 'send'
      readonly message: Message
      readonly keyId?: number | undefined
      readonly sequence?: number | undefined
    }
  | { readonly type: 'wakeAt'; readonly monoMs: number | null }
  | { readonly type: 'drain' }
  | { readonly type: 'perform'; readonly request: OperationRequest }
  /** A lease store is asked; its answer is the input `answer`. */
  | { readonly type: 'ask'; readonly request: AskRequest }
  /** What the kernel lets pass from now on, and for how long; how that ended is the input `guarded`. */
  | ({ readonly type: 'guard' } & GuardRequest)
  | { readonly type: 'cancel'; readonly opId: number }
  | { readonly type: 'persist'; readonly state: PersistentState }
  /** Bytes nobody can guess are wanted; they come back as the input `random`. */
  | { readonly type: 'askRandom'; readonly count: number }
  | { readonly type: 'deliver'; readonly payload: Uint8Array }
  | { readonly type: 'emit'; readonly event: CoreEvent }
  | { readonly type: 'reply'; readonly id: number; readonly refusal?: Refusal | undefined }
  /** The node has left: nothing more is sent. */
  | { readonly type: 'halt' }
  /** A resource could neither be stopped nor cut off: fall silent at once. */
  | { readonly type: 'fatal'; readonly group: string; readonly reason: string }

/** Where the modules of the core put what they want done, in order. */
export type Emit = (effect: Effect) => void

/** How the modules of the core tell the application. */
export type EmitEvent = <Name extends EventName>(name: Name, payload: EventPayloads[Name]) => void
