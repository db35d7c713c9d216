import type { Logger } from './logger.ts'

/** What a resource can be asked to do. */
export type Operation = 'prepare' | 'start' | 'stop' | 'status' | 'announce' | 'isolate' | 'restore'

/** Circumstances of one operation. */
export interface OperationContext {
  /** Number of this ownership of the group; grows with every change of owner. With the node's name it is the fencing token. */
  readonly epoch: number
  /** Aborted when the operation's limit is over or it is no longer wanted. Whatever the agent started must then end. */
  readonly signal: AbortSignal
}

/** Answer of `status`. */
export type ResourceStatus =
  | { readonly state: 'running' }
  | { readonly state: 'stopped' }
  /** It should run and does not, or runs badly; `reason` is shown to people. */
  | { readonly state: 'failed'; readonly reason: string }
  /** It cannot be looked at just now: a question to be asked again, no failure. `reason` is shown to people. */
  | { readonly state: 'unknown'; readonly reason: string }

/**
 * Starts, stops and checks one resource. An agent owns no timers and retries nothing: order, limits, retries and monitor
 * intervals are the core's. It may hang, throw or lie; the heart goes on beating. What cannot be executed at all says so with an
 * error of code `HS_AGENT_NOT_RUNNABLE`: then nothing was begun, and what was never started need not be stopped.
 */
export interface ResourceAgent {
  /** Called once when the pair starts, before anything else: fork helpers early, check the host. Rejects when it can never work here. */
  open?(): Promise<void>
  /** Called once when the pair has stopped; idempotent. What runs goes on running. */
  close?(): Promise<void>
  /** May it start here? Asked while the peer serves and before each start after a failure. Changes nothing. Rejects with the reason. */
  prepare?(context: OperationContext): Promise<void>
  /** Starts it; resolves when it serves. Starting what runs already succeeds. */
  start(context: OperationContext): Promise<void>
  /** Stops it; resolves when it verifiably no longer serves. Stopping what does not run succeeds. */
  stop(context: OperationContext): Promise<void>
  /** How it is. `unknown` when that cannot be found out just now; a look that takes longer than its limit counts as `unknown`. */
  status(context: OperationContext): Promise<ResourceStatus>
  /** Tells the network again who serves (gratuitous ARP, unsolicited NA). */
  announce?(context: OperationContext): Promise<void>
  /** Cuts the resource off at once, in an emergency; resolves when it verifiably answers nobody. The orderly `stop` follows. */
  isolate?(context: OperationContext): Promise<void>
  /** Takes an isolation back, when it turned out that this node still owns the group. */
  restore?(context: OperationContext): Promise<void>
  /**
   * Times that the agent itself advises, known once `open` has resolved. They stand in for those that the plug-in names in
   * `defaultTimes`; what the configuration says wins. Milliseconds above 0; anything else is left aside.
   */
  advice?(): Partial<ResourceTimes>
  /** Anything worth showing in the snapshot (the path taken, a pid). Plain data. */
  inspect?(): Readonly<Record<string, unknown>>
}

/** What an agent is given by the engine. */
export interface ResourceContext {
  readonly self: string
  readonly group: string
  readonly logger: Logger
  /** Directory for this agent's own files (a generated configuration, a pid), private to this node. */
  readonly directory: string
  /** The state of the resource changed by itself: ask `status` now instead of at the next interval. */
  changed(): void
  /**
   * Writes down what was added to the host before it is added, and again when it is gone (`null`), so that a restart after a
   * crash of this process removes it. Synchronous; void after a reboot, which takes what was added with it.
   */
  remember(record: Readonly<Record<string, unknown>> | null): void
  /** What a killed predecessor of this process had written down for this resource, if anything. */
  readonly leftover: Readonly<Record<string, unknown>> | null
}

/** Limits of one resource's operations, in milliseconds. */
export interface ResourceTimes {
  readonly startMs: number
  readonly stopMs: number
  readonly statusMs: number
  /** Pause between two `status` calls; 0: never asked. */
  readonly intervalMs: number
}

/** The times that are in force: those that are written, and for the others what the agent advises. */
export function advisedTimes(
  { times, defaultTimes = [] }: Pick<ResourcePlugin, 'times' | 'defaultTimes'>,
  advice: Partial<ResourceTimes>,
): ResourceTimes {
  const followed = defaultTimes.filter((name) => Number.isFinite(advice[name]) && Number(advice[name]) > 0)
  return { ...times, ...Object.fromEntries(followed.map((name) => [name, advice[name]])) }
}

/** What `vip()`, `nginx()`, `script()`, `app()` return: data, and how to make the agent of it. */
export interface ResourcePlugin {
  readonly kind: 'resource'
  /** Which agent: `vip`, `nginx`, `script`, `app`. */
  readonly type: string
  /** Name of the resource, unique within the cluster: `vip:192.168.1.100/24`. */
  readonly name: string
  readonly times: ResourceTimes
  /** Which of `times` nobody has written: there the agent's own advice is followed, where it has any. @defaultValue none */
  readonly defaultTimes?: readonly (keyof ResourceTimes)[] | undefined
  /**
   * What the agent is made of, without the times: plain data. When a reload brings other settings under the same name, the agent
   * that runs stops the resource and the new one starts it. Left out: what runs is kept, whatever the options are.
   */
  readonly settings?: unknown
  /** Network device it needs, where one was named. */
  readonly device?: string | undefined
  /** Floating addresses it brings, for checks against what the host has. */
  readonly addresses?: readonly string[] | undefined
  /**
   * What makes a copy of it that would not stop harmless: cutting off its group's addresses (`address`: a web server), or
   * nothing but its own stop or isolation (`data`: a mounted file system). @defaultValue `'data'`
   */
  readonly exclusive?: 'address' | 'data' | undefined
  /**
   * Both nodes may have it at once for a moment: only such resources may be in a group with `handover: 'make-before-break'`.
   * @defaultValue `false`
   */
  readonly overlaps?: boolean | undefined
  /**
   * How often it is restarted in place within the window before its group moves. 0 where a restart heals nothing.
   * @defaultValue that of the group
   */
  readonly restarts?: number | undefined
  /** Which optional operations the agent has, so that the core never asks for one that is missing. */
  readonly operations: readonly Operation[]
  /** Makes the agent; touches nothing of the host. */
  create(context: ResourceContext): ResourceAgent
}
