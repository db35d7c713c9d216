import type { GroupState } from './events.ts'

/** What a node says of one group. */
export interface GroupClaim {
  readonly state: GroupState
  readonly epoch: number
}

/** States in which a node claims a group: it serves it, may serve it, or cannot prove that it does not. */
const claiming: Readonly<Record<GroupState, boolean>> = {
  unknown: false,
  standby: false,
  starting: true,
  active: true,
  probation: true,
  stopping: true,
  failed: false,
  stuck: true,
}

export function claims(state: GroupState): boolean {
  return claiming[state]
}

/** `NAME:STATE:EPOCH` for each group, a blank between (architecture.md §7). */
export function formatGroups(groups: Iterable<readonly [string, GroupClaim]>): string {
  return Array.from(groups, ([name, { state, epoch }]) => `${name}:${state}:${epoch}`).join(' ')
}

/** The reverse; undefined when any entry is malformed, since half a report is worse than none. */
export function parseGroups(list: string): Map<string, GroupClaim> | undefined {
  const groups = new Map<string, GroupClaim>()
  for (const entry of list.split(' ').filter((part) => part !== '')) {
    const match = /^([^: ]+):([a-z]+):(\d{1,15})$/.exec(entry)
    if (!match || !Object.hasOwn(claiming, match[2] as string)) return undefined
    groups.set(match[1] as string, { state: match[2] as GroupState, epoch: Number(match[3]) })
  }
  return groups
}

/** `NAME:MS` for each group, a blank between; what is malformed is left out, for it only settles a draw. */
export function parseDurations(list: string): Map<string, number> {
  const durations = new Map<string, number>()
  for (const entry of list.split(' ')) {
    const match = /^([^: ]+):(\d{1,12})$/.exec(entry)
    if (match) durations.set(match[1] as string, Number(match[2]))
  }
  return durations
}

/** Heartbeat's word for what a node holds: `local` are the groups that prefer it, `foreign` the other's. */
export type RscHold = 'none' | 'local' | 'foreign' | 'all'

/** Whether `hold`, said of a node, covers a group that prefers `preferred`. */
export function holdCovers(hold: string | undefined, node: string, preferred: string): boolean {
  return hold === 'all' || hold === (preferred === node ? 'local' : 'foreign')
}

/** Eight hex digits over what both nodes must agree on: groups, preferred nodes, times (FNV-1a; it detects mistakes, not malice). */
export function digestOf(value: unknown): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(JSON.stringify(value))) {
    hash ^= byte
    hash = Math.imul(hash, 0x01000193) >>> 0
  }
  return hash.toString(16).padStart(8, '0')
}
