import type { Operation } from '../../roles/resource-agent.ts'
import type { ResourceConfig } from '../types.ts'

/** How long the end of a cancelled operation is waited for before the next one on the same resource. */
export const cancelGraceMs = 2000
/** How long a cut may take. */
export const isolateMs = 2000
/** How often a stop is tried before the resource counts as stuck. */
export const stopTries = 2

/** Operations that change something: two of them on one resource must never overlap. */
export const changes: Readonly<Record<Operation, boolean>> = {
  prepare: false,
  start: true,
  stop: true,
  status: false,
  announce: false,
  isolate: true,
  restore: true,
}

/** It can be cut off at once, in an emergency. */
export function isCuttable({ operations }: ResourceConfig): boolean {
  return operations.includes('isolate')
}

/** How long an operation of a resource may take. */
export function limitOf(resource: ResourceConfig, operation: Operation): number {
  const { startMs, stopMs, statusMs } = resource.times
  const limits: Readonly<Record<Operation, number>> = {
    prepare: startMs,
    start: startMs,
    restore: startMs,
    stop: stopMs,
    isolate: isolateMs,
    status: statusMs,
    announce: statusMs,
  }
  return limits[operation]
}
