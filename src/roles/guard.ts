import type { Logger } from './logger.ts'

/** Traffic of one address passes for so long from now on, and then no more unless it is said again. */
export interface Pass {
  readonly address: string
  readonly forMs: number
}

/** One change of what passes. */
export interface GuardChange {
  readonly pass: readonly Pass[]
  /** Traffic of these addresses passes no more, from now on. */
  readonly close: readonly string[]
}

/**
 * A dead-man's switch in the kernel: what belongs to a guarded address passes only while this process says so again and again. A
 * process that is frozen, hangs or is killed says nothing, so its host stops answering without its help.
 */
export interface Guard {
  /** Sets the switch up, with nothing that passes. Rejects with `HS_HOST` when it cannot work here. */
  open(): Promise<void>
  /** Guards these addresses from now on, and no others. What is guarded and has no pass is cut off. */
  hold(addresses: readonly string[]): Promise<void>
  /** Changes what passes, all of it at once. Rejects with `HS_HOST` when that did not work; then what was in force runs out. */
  apply(change: GuardChange): Promise<void>
  /** Takes the switch away: everything passes. Idempotent. */
  close(): Promise<void>
}

/** What a guard is given by the engine. */
export interface GuardContext {
  readonly cluster: string
  readonly node: string
  readonly logger: Logger
}

/** What `nftGuard` returns: data, and how to make the guard of it. */
export interface GuardPlugin {
  readonly kind: 'guard'
  /** Which guard: `nft`. */
  readonly type: string
  /** Makes the guard; touches nothing of the host. */
  create(context: GuardContext): Guard
}
