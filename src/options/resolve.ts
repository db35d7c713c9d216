import { hostname } from 'node:os'
import { defaultDeadpingMs, type LeaseTimes } from '../core/timing.ts'
import { deadtime } from '../liveness/deadtime.ts'
import { defaultStateDirectory } from '../platform/state.ts'
import { durationMs } from '../roles/duration.ts'
import { configurationError, type Issue } from '../roles/error.ts'
import type { LeaseStorePlugin } from '../roles/lease-store.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import { type Logger, silentLogger } from '../roles/logger.ts'
import { checkOptions, leaseTimes, type Report } from './check-options.ts'
import { guardLogger } from './guard-logger.ts'
import type { ClusterOptions } from './options.ts'

/** Options with every default filled in and every relation checked; times in milliseconds. */
export interface Resolved extends Omit<ClusterOptions, 'holdDown' | 'restartWindow' | 'deadping' | 'lease'> {
  readonly node: string
  readonly peer: string
  readonly liveness: LivenessPlugin
  readonly arbiters: NonNullable<ClusterOptions['arbiters']>
  readonly stateDirectory: string
  readonly respawn: NonNullable<ClusterOptions['respawn']>
  /** Never throws, whatever the application's own does. */
  readonly logger: Logger
  readonly lease: (LeaseTimes & { readonly store: LeaseStorePlugin }) | undefined
  readonly deadpingMs: number
  readonly restartWindowMs: number
  readonly holdDownMs: number
  /** What was found questionable but not wrong. */
  readonly warnings: readonly Issue[]
}

/**
 * Checks options and fills in what is missing.
 * @throws {HotStandbyError} `HS_CONFIG` that lists every problem with its path.
 */
export function resolveOptions(options: ClusterOptions): Resolved {
  const issues: Issue[] = []
  const issue: Report = (where, message, severity = 'error') => void issues.push({ where, message, severity })
  if (!checkOptions(options, issue)) throw configurationError(issues)
  const { name, nodes, groups, deadping, restartWindow, holdDown } = options
  const wanted = (options.node ?? hostname()).toLowerCase()
  const [node, peer] = nodes[0].toLowerCase() === wanted ? [nodes[0], nodes[1]] : [nodes[1], nodes[0]]
  const liveness = options.liveness ?? deadtime()
  return {
    ...options,
    nodes: [nodes[0], nodes[1]],
    node,
    peer,
    transports: [...options.transports],
    groups: groups.map((group) => ({ ...group, resources: [...group.resources] })),
    liveness,
    arbiters: [...(options.arbiters ?? [])],
    lease: options.lease && { store: options.lease.store, ...leaseTimes(options.lease, groups) },
    stateDirectory: options.stateDirectory ?? defaultStateDirectory(name, node),
    respawn: options.respawn ?? [],
    logger: guardLogger(options.logger ?? silentLogger),
    deadpingMs: deadping === undefined ? defaultDeadpingMs(liveness.times, groups) : durationMs(deadping, 'deadping'),
    restartWindowMs: restartWindow === undefined ? 60_000 : durationMs(restartWindow, 'restartWindow'),
    holdDownMs: holdDown === undefined ? 60_000 : durationMs(holdDown, 'holdDown'),
    warnings: issues,
  }
}
