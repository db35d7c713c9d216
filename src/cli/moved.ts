import type { Snapshot } from '../index.ts'

/** A group that a command has changed. */
interface Moved {
  readonly group: string
  readonly from: string | null
  readonly servedBy: string | null
  readonly epoch: number
  readonly maintenance: boolean
}

/** What a command has changed, for programs: an object for one line. */
export function movedOf(
  command: string,
  before: Snapshot,
  after: Snapshot,
): { readonly command: string; readonly node: string; readonly groups: readonly Moved[] } {
  const groups = after.groups.flatMap(({ name, servedBy, epoch, maintenance }) => {
    const old = before.groups.find((group) => group.name === name)
    if (old?.servedBy === servedBy && old.epoch === epoch && old.maintenance === maintenance) return []
    return [{ group: name, from: old?.servedBy ?? null, servedBy, epoch, maintenance }]
  })
  return { command, node: after.node, groups }
}

const nobody = 'nobody known'

/** What a command has changed, for people: one line. */
export function movedLine(command: string, before: Snapshot, after: Snapshot): string {
  const { groups } = movedOf(command, before, after)
  if (groups.length === 0) {
    const served = after.groups.map(({ name, servedBy, maintenance }) =>
      command === 'maintenance'
        ? `${name}: maintenance ${maintenance ? 'on' : 'off'}`
        : `${name} is served by ${servedBy ?? nobody}`,
    )
    return `nothing to do: ${served.join(', ')}`
  }
  const changed = groups.map(({ group, from, servedBy, epoch, maintenance }) =>
    command === 'maintenance'
      ? `${group}: maintenance ${maintenance ? 'on' : 'off'}`
      : `${group}: ${from ?? nobody} -> ${servedBy ?? nobody} (epoch ${epoch})`,
  )
  return changed.join(', ')
}
