import type { GroupState } from '../events.ts'

/** What a node knows of one of its own groups. */
export interface GroupClaim {
  readonly state: GroupState
  readonly epoch: number
}

/** The highest version of our fields that this program speaks (docs/wire.md). Two nodes speak the lower of theirs. */
export const speaksUpTo = 1

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
