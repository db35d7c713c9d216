import type { Logger } from './logger.ts'

/** A value of the store and the version it has. A version is what the store calls it: a revision, a counter, the name of a file. */
export interface StoredLease {
  readonly value: string
  readonly version: string
}

/** How a conditional write ended. `conflict`: the record has another version than expected; nothing was written. */
export type SwapResult = { readonly swapped: true; readonly version: string } | { readonly swapped: false }

/** What a store promises; it decides which guarantee class a lease in it can have. */
export interface LeaseStoreCapabilities {
  /**
   * Two writes that expect the same version never both succeed, and one that succeeded is never lost, also when the store restarts
   * or fails over. False: the store can at most give class G1.
   */
  readonly linearizable: boolean
  /** What an operator should know: why it is not linearizable, or under which condition it is. */
  readonly note?: string | undefined
}

/** What a store is given by the engine. */
export interface LeaseStoreContext {
  /** Name of the cluster: both nodes of a pair have the same one, two pairs that share a store have different ones. */
  readonly cluster: string
  readonly logger: Logger
  /** The store cannot work as it should. Called at most once per cause and second. */
  problem(error: Error): void
}

/**
 * A register with compare-and-set that a lease lives in: etcd, PostgreSQL, a directory that both hosts mount. It needs no clock: who
 * waits for a lease to end watches the version for a time of its own. Every call ends at the latest when `signal` aborts;
 * a swap that was aborted may still take effect, and the caller knows it.
 */
export interface LeaseStore {
  readonly capabilities: LeaseStoreCapabilities
  /** Prepares the store. Rejects with `HS_STORE` only when it can never work here; a store that is down now is no such case. */
  open(): Promise<void>
  /** The record of `name`; null: there is none. Rejects with `HS_STORE` when the store does not answer. */
  read(name: string, signal: AbortSignal): Promise<StoredLease | null>
  /** Writes `value` if the record of `name` has the version `expected`; null: if there is none. One atomic step of the store. */
  swap(name: string, expected: string | null, value: string, signal: AbortSignal): Promise<SwapResult>
  /** Ends every connection and child process; idempotent. */
  close(): Promise<void>
}

/** What `etcd`, `postgres`, `sharedDirectory` return: data, and how to make the store of it. */
export interface LeaseStorePlugin {
  readonly kind: 'store'
  /** Which store: `etcd`, `postgres`, `shared-directory`, `memory`. */
  readonly type: string
  /** For people: where it is, without secrets, as in `etcd at 10.0.0.5:2379`. */
  readonly description: string
  /** What the store is made of: plain data without secrets. A reload that changes it is refused. @defaultValue nothing */
  readonly settings?: unknown
  /** Makes the store; opens nothing. */
  create(context: LeaseStoreContext): LeaseStore
}
