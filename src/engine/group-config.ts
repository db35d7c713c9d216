import type { GroupConfig } from '../core/types.ts'
import type { Resolved } from '../options/resolve.ts'
import { durationMs } from '../roles/duration.ts'
import { advisedTimes } from '../roles/resource-agent.ts'
import type { Agents } from './agents.ts'

/**
 * A group as the core knows it. `restarts` is the pair's own, for groups that say nothing else; the agents tell which settings of
 * a resource these are, and which times they advise.
 */
export function groupConfig(
  group: Resolved['groups'][number],
  restarts: number | undefined,
  agents: Pick<Agents, 'advice' | 'revision'>,
): GroupConfig {
  const { name, preferred, key, resources, handover, restartWindow, holdDown } = group
  return {
    name,
    preferred,
    key,
    ...(handover === 'make-before-break' ? { handover } : {}),
    restarts: group.restarts ?? restarts,
    restartWindowMs: restartWindow && durationMs(restartWindow, 'restartWindow'),
    holdDownMs: holdDown && durationMs(holdDown, 'holdDown'),
    resources: resources.map((resource) => ({
      name: resource.name,
      times: advisedTimes(resource, agents.advice(resource.name)),
      operations: resource.operations,
      exclusive: resource.exclusive ?? 'data',
      restarts: resource.restarts,
      revision: agents.revision(resource.name),
    })),
  }
}

/** The addresses that come and go with each group, whichever resource brings them. */
export function addressesByGroup(groups: Resolved['groups']): ReadonlyMap<string, readonly string[]> {
  return new Map(groups.map(({ name, resources }) => [name, resources.flatMap(({ addresses = [] }) => addresses)]))
}

/** The same, of all groups. */
export function floatingAddresses(groups: Resolved['groups']): readonly string[] {
  return [...addressesByGroup(groups).values()].flat()
}
