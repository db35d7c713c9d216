import type { Logger } from './logger.ts'

/** What an observing arbiter reports. Absence of reports is judged by the core with `deadping`, in awake time. */
export interface Observation {
  /** Name of the target, unique among the arbiters. */
  readonly target: string
  /** True: it answered just now. False: it is known not to answer (a refusal, not mere silence). */
  readonly reachable: boolean
  /** Round trip in milliseconds, where known. */
  readonly rttMs?: number | undefined
}

/** What an arbiter is given by the engine. */
export interface ArbiterContext {
  /** How often to ask the target: the pair's keepalive. */
  readonly intervalMs: number
  readonly logger: Logger
  /** Reports an answer, or a refusal, of the target. */
  observe(observation: Observation): void
  /** The arbiter itself cannot work (a missing program, a privilege). Called at most once per cause and second. */
  problem(error: Error): void
}

/** A third opinion. This shape only observes; comparing with the peer and what follows live in `core/connectivity`. */
export interface Arbiter {
  /** Starts asking. Rejects with `HS_HOST` when it can never work here. */
  open(): Promise<void>
  /** Stops asking; idempotent. */
  close(): Promise<void>
}

/** What `icmpPing` and `pingGroup` return: data, and how to make the arbiter of it. */
export interface ArbiterPlugin {
  readonly kind: 'arbiter'
  readonly type: string
  /** Name of the target: the address, or the group's name. */
  readonly target: string
  /** Addresses asked; used at start to see through which device they are reached. */
  readonly addresses: readonly string[]
  /** Silence after which the target counts as unreachable; undefined: the pair's default. */
  readonly deadpingMs?: number | undefined
  /** What else the arbiter is made of: plain data. A reload that changes it is refused. @defaultValue nothing */
  readonly settings?: unknown
  /** Makes the arbiter; opens nothing. */
  create(context: ArbiterContext): Arbiter
}
