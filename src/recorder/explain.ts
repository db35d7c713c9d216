import type { NamedEvent } from '../core/cluster-events.ts'
import type { EventName, GroupState } from '../core/events.ts'
import { HotStandbyError } from '../roles/error.ts'
import { printable } from '../roles/printable.ts'
import { describe } from './describe.ts'
import { Failures } from './failures.ts'
import type { Account, TimelineEntry } from './timeline.ts'

/** Told in a time line only when everything is wanted: they say how, the others what. */
export const quiet: ReadonlySet<string> = new Set<EventName>(['phase', 'group:announced', 'link:up', 'state:failed'])

/** Beginning and end of a change of role: what happened from the one to the other belongs together. */
const changes: ReadonlySet<string> = new Set<EventName>(['group:acquired', 'group:released', 'group:probation'])

/** An entry as a sentence. */
export function sentence({ kind, name, subject, text, payload }: TimelineEntry): string {
  if (kind === 'decision') return printable(`${subject}: ${text}`)
  if (kind === 'input') return printable(text)
  return describe({ name, time: '', payload: payload ?? {} } as NamedEvent)
}

/** Time of day, in UTC. */
function clock({ wallMs }: TimelineEntry): string {
  return new Date(wallMs).toISOString().slice(11)
}

/** One line of a time line: wall clock, what kind of entry, the sentence. */
function line(entry: TimelineEntry): string {
  return `${clock(entry)}  ${entry.kind.padEnd(8)}  ${sentence(entry)}`
}

/** The time line for people. */
export function timelineLines(timeline: readonly TimelineEntry[], everything = false): string[] {
  return timeline.filter(({ name, kind }) => everything || kind !== 'event' || !quiet.has(name)).map(line)
}

/** The last change of role, in plain words. */
export interface Explanation {
  /** Undefined: no role has changed. */
  readonly changedAtMs: number | undefined
  /** What holds now and why, one sentence each. */
  readonly sentences: readonly string[]
  /** What happened around the change, for people. */
  readonly timeline: readonly string[]
}

/** What may lie between a cause and the change that it led to: the peer's dead time, and a margin for our own stalls. */
const causeMaxMs = 10_000
const afterMs = 2000

/** The last change of role, the row of the table with which it began, and the time that led to it and followed. */
interface Change {
  readonly last: TimelineEntry
  readonly began: TimelineEntry
  readonly fromMonoMs: number
  readonly toMonoMs: number
}

/** The last change of role in a time line, of one group or of any. */
export function lastChange(
  { timeline, after }: Pick<Account, 'timeline' | 'after'>,
  group?: string | undefined,
): Change | undefined {
  const concerns = ({ payload }: TimelineEntry) =>
    group === undefined || (payload as { group?: string } | undefined)?.group === group
  const last = timeline.findLast((entry) => entry.kind === 'event' && changes.has(entry.name) && concerns(entry))
  if (!last) return undefined
  const { group: changed } = last.payload as { group: string }
  const began = timeline.findLast((entry) => entry.monoMs <= last.monoMs && begins(entry, changed)) ?? last
  const reachMs = Math.max(causeMaxMs, 3 * after.peer.deadtimeMs)
  const toMonoMs = Math.max(last.monoMs, began.monoMs) + afterMs
  return { last, began, fromMonoMs: began.monoMs - reachMs, toMonoMs }
}

/**
 * Explains the last change of role, of one group or of any. A {@link Replay} is an account; a running member explains itself:
 * `cluster.explain()`.
 * @throws {HotStandbyError} `HS_RECORDING` when there is no group of that name.
 */
export function explain(account: Account, group?: string | undefined): Explanation {
  const groups = account.after.groups.filter(({ name }) => group === undefined || name === group)
  if (groups.length === 0) {
    const known = account.after.groups.map(({ name }) => name).join(', ')
    throw new HotStandbyError('HS_RECORDING', `there is no group '${group}'; there are: ${known}`)
  }
  const now = [...groups.map((each) => nowSentence(account, each)), ...failureSentences(account, groups)]
  const change = lastChange(account, group)
  if (!change) {
    const since = new Date(account.fromWallMs).toISOString()
    return { changedAtMs: undefined, sentences: [...now, `No role has changed since ${since}.`], timeline: [] }
  }
  const { last, began, fromMonoMs, toMonoMs } = change
  const around = account.timeline.filter(({ monoMs }) => monoMs >= fromMonoMs && monoMs <= toMonoMs)
  const { group: changed } = last.payload as { group: string }
  return {
    changedAtMs: last.wallMs,
    sentences: [...now, ...causeSentences(began, around, changed)],
    timeline: timelineLines(around),
  }
}

const beginnings: readonly string[] = ['candidate', 'starting', 'stopping', 'probation'] satisfies GroupState[]

/** The row of the table with which a change of role began. */
function begins({ kind, subject, payload }: TimelineEntry, group: string): boolean {
  return kind === 'decision' && subject === group && beginnings.includes((payload as { to: string }).to)
}

function nowSentence(
  { node, peer, after, timeline, lastMonoMs, toWallMs }: Account,
  group: Account['after']['groups'][number],
): string {
  const theirs = after.peer.groups[group.name]
  // As it was told; counted back from now it would be another millisecond with every question.
  const came = timeline.findLast(({ subject, monoMs }) => subject === group.name && monoMs === group.sinceMs)
  const sinceWall = new Date(came?.wallMs ?? toWallMs - (lastMonoMs - group.sinceMs)).toISOString()
  const alive = after.peer.liveness === 'alive' || after.peer.liveness === 'late'
  const other =
    alive && theirs !== undefined
      ? `${peer} says that it is ${theirs.state ?? theirs.claim} there`
      : `${peer} is ${after.peer.liveness}`
  return `${group.name} is ${group.state} on ${node} since ${sinceWall} (epoch ${group.epoch}); ${other}.`
}

/** What failed last, of each resource, and when it is tried again: also where nothing has changed for it. */
function failureSentences({ timeline, toWallMs }: Account, groups: Account['after']['groups']): string[] {
  const failures = new Failures()
  for (const { kind, name, wallMs, payload } of timeline)
    if (kind === 'event')
      failures.note({ name, time: new Date(wallMs).toISOString(), payload: payload ?? {} } as NamedEvent)
  return failures
    .list()
    .filter(({ group }) => groups.some(({ name }) => name === group))
    .map(({ group, resource, reason, time, nextTry }) => {
      const what = resource === undefined ? group : `${resource} of ${group}`
      const again = nextTry === null || Date.parse(nextTry) < toWallMs ? '' : ` Next try: ${nextTry}.`
      return printable(`The last failure of ${what}, at ${time}: ${reason}.${again}`)
    })
}

/** Why it came to that: the row, and what was told then and just before, the latest first; so also whose fault it was. */
function causeSentences(began: TimelineEntry, around: readonly TimelineEntry[], group: string): string[] {
  const before = around.filter(({ monoMs, payload }) => monoMs <= began.monoMs && tellsOf(payload, group))
  const told = causes
    .flatMap((name) => before.findLast((entry) => entry.name === name) ?? [])
    .sort((one, other) => other.monoMs - one.monoMs)
  return [
    `At ${clock(began)}: ${group} ${began.text}.`,
    ...told.map((entry) => {
      const when = entry.monoMs === began.monoMs ? 'At that moment' : `Before that, at ${clock(entry)}`
      return `${when}: ${sentence(entry)}.`
    }),
  ]
}

/** Told of this group, of several with it among them, or of none. */
function tellsOf(payload: object | undefined, group: string): boolean {
  const { group: one, groups } = (payload ?? {}) as { group?: string; groups?: readonly string[] }
  return one === undefined && groups === undefined ? true : one === group || groups?.includes(group) === true
}

/** What may have led to a change; of what was told at one moment, the likeliest first. */
const causes: readonly string[] = [
  'move:asked',
  'command',
  'group:candidate',
  'group:starting',
  'lease:lost',
  'group:stopping',
  'group:probation',
  'peer:dead',
  'peer:left',
  'local:stall',
  'peer:stall',
  'resource:failed',
  'group:failed',
  'isolated',
  'connectivity',
  'contested',
  'move:offered',
  'link:down',
  'store:down',
] satisfies (EventName | 'command')[]
