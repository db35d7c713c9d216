import type { Operation, ResourceStatus } from './resource-agent.ts'
import type { Instant } from './time.ts'

/** One operation of one resource, as the core asks for it. */
export interface OperationRequest {
  /** Unique within the life of this process. A late answer to an old id is ignored by the tables. */
  readonly opId: number
  readonly group: string
  readonly resource: string
  readonly operation: Operation
  readonly epoch: number
}

/** One question to something that is no resource: a lease store. Plain data. */
export interface AskRequest {
  /** Unique within the life of this process, also among the operations. */
  readonly opId: number
  readonly ref: { readonly role: 'store'; readonly name: string }
  readonly verb: 'read' | 'swap'
  /** `name` of the record; for `swap` the version that it must have, null for none, and the new value. */
  readonly args: { readonly name: string; readonly expected?: string | null; readonly value?: string }
}

/**
 * How a question ended. `read`: the record, or null. `swap`: the new version, or null where the record had another version than
 * expected. Not `ok`: no answer; a swap may have taken effect all the same.
 */
export type AskResult =
  | { readonly ok: true; readonly stored: { readonly value: string; readonly version: string } | null }
  | { readonly ok: false; readonly reason: string }

/** What the kernel lets pass from now on, and until when, on the clock that stands while this host sleeps; by group. */
export interface GuardRequest {
  readonly pass: readonly { readonly group: string; readonly untilMs: number }[]
  /** Nothing of these groups passes any more. */
  readonly close: readonly string[]
}

/** How an operation ended. */
export type OperationResult =
  | { readonly ok: true; readonly status?: ResourceStatus | undefined }
  /** `notRunnable`: it cannot be executed at all, so nothing was begun. */
  | { readonly ok: false; readonly reason: string; readonly notRunnable?: true }

/**
 * The highest epoch, and the highest stamp of maintenance, that is believed wherever one is read. Numbers of fifteen digits travel, so
 * one that was read can always be raised.
 */
export const highestNumber = 1e14

/** What a node keeps over restarts. */
export interface PersistentState {
  /** Heartbeat's `hg`: grows with every start. */
  readonly generation: number
  /** Highest generation seen of the peer. */
  readonly peerGeneration: number
  /** Per group a number that no ownership has reached yet: reserved ahead, so that no disk write stands in the takeover path. */
  readonly epochCeilings: Readonly<Record<string, number>>
}

/**
 * The world as the loop sees it: time, one timer, randomness, agents, the state file. Real time implements it in
 * `cluster/host.ts`; a simulator gives the same loop another one.
 */
export interface Host {
  /** Reads the clocks. */
  now(): Instant
  /** Milliseconds for which this process did not run, found out since the last call; 0 almost always. Asked at every entry of the loop. */
  takeStall(): number
  /** Calls `onWake` once at `monoMs` (or soon after); replaces the earlier request; `null` cancels. */
  wakeAt(monoMs: number | null): void
  /** Calls `onDrained` after one full turn in which every socket was read. */
  drain(): void
  /** Bytes nobody can guess; a simulator draws them from its seed. */
  randomBytes(count: number): Uint8Array
  /** Runs an operation and answers exactly once, never synchronously. */
  perform(request: OperationRequest, done: (result: OperationResult) => void): void
  /** Asks a lease store and answers exactly once, never synchronously. */
  ask(request: AskRequest, done: (result: AskResult) => void): void
  /** Tells the kernel guard what passes; answers exactly once, never synchronously: undefined, or why it did not work. */
  guard(change: GuardRequest, done: (failed: string | undefined) => void): void
  /** Aborts an operation or a question; its answer may still come. */
  cancel(opId: number): void
  /** Writes the state durably. */
  persist(state: PersistentState, done: (error: Error | null) => void): void
}
