import { type Message, text } from '../../wire/message.ts'
import type { Reason } from '../events.ts'
import { claimOf, formatClaims, type PeerClaim, readClaims } from '../peer/claims.ts'
import { type GroupClaim, holdCovers, type RscHold } from '../peer/own-claims.ts'
import type { CoreConfig, GroupConfig, Refusal, Scope } from '../types.ts'
import type { DialogueEvent } from './table.ts'

// The conversation's words: Heartbeat's `rsc_hold` (local, foreign, all; said from one node's view) and our `hsgrp`, to sets of
// groups and back (docs/daemon.md). Nothing here knows a phase.

type Pair = Pick<CoreConfig, 'self' | 'peer' | 'groups'>

const askEvents: ReadonlyMap<string | undefined, DialogueEvent> = new Map<string, DialogueEvent>([
  ['me', 'me'],
  ['other', 'other'],
  ['done', 'done'],
])

const messageEvents: ReadonlyMap<string, (incoming: Message) => DialogueEvent | undefined> = new Map<
  string,
  (incoming: Message) => DialogueEvent | undefined
>([
  ['starting', () => 'starting'],
  ['resource', (incoming) => (text(incoming, 'info') === 'shutdown' ? 'peer-stops' : 'report')],
  ['ask_resources', (incoming) => askEvents.get(text(incoming, 'info'))],
  ['hb_takeover', () => 'takeover'],
  ['hs-refuse', () => 'refuse'],
])

/** Which event of the dialogue table a message is; undefined when it is no part of the conversation. */
export function dialogueEventOf(type: string, incoming: Message): DialogueEvent | undefined {
  return messageEvents.get(type)?.(incoming)
}

/**
 * Groups that a message of the peer names: ours by name, Heartbeat's by its word. `weGive`: a move of ours is under way, so
 * that `other` and `done` repeat the word from our own view; `me` is said from the peer's, as is the wish of `hb_takeover`.
 */
export function namedGroups(pair: Pair, incoming: Message, event: DialogueEvent, weGive: boolean): string[] {
  const { groups: list } = readClaims(text(incoming, 'hsgrp') ?? '')
  if (list.size > 0) return [...list.keys()].filter((name) => pair.groups.some((group) => group.name === name))
  const view = event === 'me' || event === 'takeover' || !weGive ? pair.peer : pair.self
  const hold = text(incoming, 'rsc_hold')
  return pair.groups.filter(({ preferred }) => holdCovers(hold, view, preferred)).map(({ name }) => name)
}

/** Heartbeat's word for the groups of a move or a wish, from the view of `node`. */
export function holdOfMove(node: string, groups: readonly GroupConfig[], named: readonly string[]): string {
  const moved = groups.filter(({ name }) => named.includes(name))
  const own = moved.some(({ preferred }) => preferred === node)
  const others = moved.some(({ preferred }) => preferred !== node)
  return own && others ? 'all' : own ? 'local' : 'foreign'
}

/** The field of `me` and `other` by which make before break is agreed, and its word. */
export const overlapField = 'hshow'
export const overlapWord = 'make-before-break'

/** Whether all of these groups may run on both nodes while they change hands. */
export function overlapping(groups: readonly GroupConfig[], names: readonly string[]): boolean {
  return names.every((name) => groups.find((group) => group.name === name)?.handover === 'make-before-break')
}

/** Why the peer offers: ours says so, a daemon does not. */
export function reasonOf(incoming: Message): Reason {
  const why = text(incoming, 'hswhy')
  return why === 'failback' || why === 'connectivity' || why === 'resource-failed' ? why : 'command'
}

/** The claims that a message states about single groups, where it does. */
export function toldClaims(incoming: Message): ReadonlyMap<string, PeerClaim> | undefined {
  const { groups: told } = readClaims(text(incoming, 'hsgrp') ?? '')
  return told.size > 0 ? told : undefined
}

/** What is known of the peer's claims once it has said `done`. A daemon's says only that it no longer holds what it gave. */
export function claimsAfterDone(
  known: ReadonlyMap<string, PeerClaim> | undefined,
  told: ReadonlyMap<string, PeerClaim> | undefined,
  given: readonly string[],
): Map<string, PeerClaim> {
  const free = given.map((name): [string, PeerClaim] => [name, claimOf('standby', known?.get(name)?.epoch ?? 0)])
  return new Map([...(known ?? []), ...(told ?? free)])
}

/** The fields of our `resource` report. `info` marks Heartbeat's two unstable ones. */
export function reportFields(
  claimed: ReadonlyMap<string, GroupClaim>,
  steady: boolean,
  hold: RscHold,
  info?: 'standby' | 'shutdown',
): Record<string, string> {
  return {
    t: 'resource',
    rsc_hold: hold,
    rtype: 'full',
    isstable: info === undefined && steady ? '1' : '0',
    ...(info === undefined ? {} : { info }),
    hsgrp: formatClaims(claimed),
  }
}

/** The groups that a command means, or why it means none. */
export function inScope({ self, groups }: Pair, scope: Scope): readonly string[] | Refusal {
  if (typeof scope !== 'string') {
    const unknown = scope.filter((name) => !groups.some((group) => group.name === name))
    if (unknown.length === 0 && scope.length > 0) return [...new Set(scope)]
    const known = groups.map((group) => group.name).join(', ')
    const message = unknown.length > 0 ? `no group is named ${unknown.join(', ')}` : 'no group was named'
    return { code: 'HS_MOVE', message: `${message}; known groups: ${known}` }
  }
  const wanted = groups.filter(({ preferred }) => scope === 'all' || (preferred === self) === (scope === 'local'))
  if (wanted.length > 0) return wanted.map((group) => group.name)
  return { code: 'HS_MOVE', message: `no group is '${scope}' on ${self}` }
}

export function isRefusal(value: readonly string[] | Refusal): value is Refusal {
  return 'code' in value
}

/** How the sender stands to these groups, as it is told in a message about them. */
export function claimsOf(port: { claim(group: string): GroupClaim | undefined }, groups: readonly string[]): string {
  return formatClaims(groups.map((name) => [name, port.claim(name) ?? { state: 'unknown', epoch: 0 }]))
}

const slackMs = 5000

/** How long starting or stopping these groups may take: the limits of all their resources, and time for the messages. */
export function limitOfGroups(
  groups: readonly GroupConfig[],
  names: readonly string[],
  kind: 'startMs' | 'stopMs',
): number {
  return groups
    .filter(({ name }) => names.includes(name))
    .flatMap(({ resources }) => resources)
    .reduce((sum, { times }) => sum + times[kind], slackMs)
}
