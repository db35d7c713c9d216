import type { Core } from '../core/core.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { CoreConfig, Effect } from '../core/types.ts'
import type { KeyRing } from '../roles/key-ring.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import type { SimulationObserver } from './simulation-observer.ts'

/** A group of a simulation, in short. */
export interface SimulatedGroup {
  readonly name: string
  readonly preferred: string
  /** Names of its resources; the first is an address that can be cut off, as in Heartbeat's files. */
  readonly resources: readonly string[]
  /** False: nothing of it can be cut off. @defaultValue true */
  readonly cuttable?: boolean | undefined
  /** Those of kind `data`. @defaultValue none, or all where nothing can be cut off */
  readonly data?: readonly string[] | undefined
  /** How it changes hands by agreement. @defaultValue it stops here before it starts there */
  readonly handover?: 'make-before-break' | undefined
  /** Restarts in place within the window before it moves. @defaultValue 1 */
  readonly restarts?: number | undefined
}

/** What a simulation is made of. */
export interface SimulationOptions {
  /** Everything random comes from it. */
  readonly seed: number
  readonly nodes: readonly [string, string]
  readonly groups: readonly SimulatedGroup[]
  readonly liveness: LivenessPlugin
  /** The keys of each node. */
  readonly ring: (node: string) => KeyRing
  readonly links?: readonly string[] | undefined
  readonly targets?: readonly string[] | undefined
  readonly autoFailback?: boolean | undefined
  readonly onIsolated?: 'stop' | 'continue' | undefined
  readonly deadpingMs?: number | undefined
  readonly holdDownMs?: number | undefined
  /** Groups are owned only with a lease of the simulated store. @defaultValue without */
  readonly lease?: { readonly ttlMs: number; readonly renewMs: number } | undefined
  /** The kernel of each host guards the groups. @defaultValue false */
  readonly guarded?: boolean | undefined
  readonly restartWindowMs?: number | undefined
  /** Period of each resource's status check. @defaultValue 1000 */
  readonly monitorMs?: number | undefined
  /** Limits of each resource's operations. @defaultValue 20 s, 20 s and 2 s */
  readonly limits?: { readonly startMs: number; readonly stopMs: number; readonly statusMs: number } | undefined
  /** Hears of every step of the two tables at every node. */
  readonly trace?: ((node: string, step: TableStep) => void) | undefined
  /** Sees everything at both nodes, for instance an `Oracle`. */
  readonly observer?: SimulationObserver | undefined
  /** Cuts a process off in the middle of its effects: of the effects of one turn those are performed that this returns. */
  readonly crashAmid?: ((node: string, effects: readonly Effect[]) => readonly Effect[]) | undefined
  /** Copies every input and effect as if it went to another thread: whatever is not plain data then throws. @defaultValue false */
  readonly copies?: boolean | undefined
  /** Stands between a node's loop and its core, once for each start: a recorder, say. */
  readonly wrap?: ((node: string, core: Core, config: CoreConfig) => Core) | undefined
  /** What of a node's configuration differs from the rest of the options. */
  readonly override?: ((node: string) => Partial<CoreConfig>) | undefined
}
