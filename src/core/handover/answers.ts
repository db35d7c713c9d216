import type { Message } from '../../wire/message.ts'
import type { NodePhase, Reason } from '../events.ts'
import { claims, type PeerClaim } from '../peer/claims.ts'
import type { Refusal } from '../types.ts'
import type { DialoguePort, Move } from './port.ts'
import type { DialogueEvent } from './table.ts'
import { claimsAfterDone, overlapping, toldClaims } from './words.ts'

// What the dialogue answers when it is asked for a move, and why it does not begin one. Nothing here changes anything.

/** Those of the groups that could be given to the peer. */
export function givable(port: DialoguePort, groups: readonly string[]): string[] {
  return groups.filter((group) => port.claim(group)?.state === 'active' && !port.isMaintained(group))
}

/** Why these groups do not move, when some of them are in maintenance. */
export function whyMaintained(port: DialoguePort, groups: readonly string[]): string | undefined {
  const maintained = groups.filter((group) => port.isMaintained(group))
  return maintained.length === 0 ? undefined : `${maintained.join(', ')} is in maintenance; end the maintenance first`
}

/** Why these groups, of which we hold some, cannot be given to the peer, if so. */
export function whyNotGive(port: DialoguePort, groups: readonly string[], held: readonly string[]): string | undefined {
  const { self, peer } = port.config()
  if (held.length === 0) return `${self} holds none of: ${groups.join(', ')}`
  const unfit = held.filter((group) => port.peer().groups?.get(group)?.state === 'failed')
  const maintained = whyMaintained(port, held)
  if (maintained !== undefined) return maintained
  return unfit.length === 0 ? undefined : `${peer} reports that it cannot start: ${unfit.join(', ')}`
}

/** Why these groups cannot be taken from the peer that offers them, if so. */
export function whyNotAccept(port: DialoguePort, groups: readonly string[]): string | undefined {
  // A daemon gives a set without groups as well: it says then that it no longer stands in for us.
  if (groups.length === 0 && port.peer().kind === 'hot-standby') return 'it names no group that both nodes know'
  const { self, peer } = port.config()
  const { kind, proven } = port.peer()
  if (kind === 'hot-standby' && !proven) return `${peer} does not show that it hears ${self}`
  const slowMs = port.slowMs()
  if (slowMs > 0) return `every line to ${peer} is slow (${Math.round(slowMs)} ms there and back)`
  const held = groups.filter((group) => port.holds(group))
  if (held.length > 0) return `${held.join(', ')} is claimed here already`
  const unread = groups.filter((group) => port.peer().groups?.get(group)?.claim === 'unclear')
  if (unread.length > 0) return `${self} cannot read what ${peer} claims of ${unread.join(', ')}`
  const maintained = whyMaintained(port, groups)
  if (maintained !== undefined) return maintained
  const unfit = groups.filter((group) => port.claim(group)?.state === 'failed')
  if (unfit.length > 0) return `${unfit.join(', ')} cannot start here`
  return undefined
}

/** What the peer is told when it is refused what it asks of these groups. */
export function whyRefuse(port: DialoguePort, phase: NodePhase, groups: readonly string[]): string {
  const { self } = port.config()
  if (phase === 'leaving' || phase === 'left') return `${self} is stopping`
  if (phase !== 'settled') return `another move is under way (${phase})`
  return whyNotAccept(port, groups) ?? `${self} does not serve ${groups.join(', ')}`
}

/** Why no planned move can begin now, if so. */
export function obstacle(
  port: DialoguePort,
  phase: NodePhase,
  isWished: boolean,
  peerListens: boolean,
): Refusal | undefined {
  const { self, peer } = port.config()
  const { liveness } = port.peer()
  if (phase === 'leaving' || phase === 'left') return { code: 'HS_STATE', message: `${self} is stopping` }
  if (!port.peerAlive())
    return { code: 'HS_PEER', message: `${peer} is ${liveness === 'unheard' ? 'not heard yet' : liveness}` }
  if (phase === 'settled' && !peerListens)
    return { code: 'HS_MOVE', message: `${peer} is still settling; try again shortly` }
  const slowMs = port.slowMs()
  if (slowMs > 0) {
    const message = `every line to ${peer} is slow: a message and its answer take ${Math.round(slowMs)} ms; try again when a line is faster`
    return { code: 'HS_MOVE', message }
  }
  if (phase !== 'settled' || isWished)
    return {
      code: 'HS_MOVE',
      message: `another move is in progress (${isWished ? 'a takeover' : phase}); try again when it is over`,
    }
  return undefined
}

/** A move of ours to the peer: groups that change hands in one way; the others follow when these have moved. */
export function planMove(port: DialoguePort, groups: readonly string[], reason: Reason, commandId?: number): Move {
  const all = port.config().groups
  const overlaps = (group: string) => port.peer().kind === 'hot-standby' && overlapping(all, [group])
  const first = groups.filter(overlaps)
  const now = first.length > 0 ? first : groups
  const rest = groups.filter((group) => !now.includes(group))
  return { groups: now, reason, beganMs: port.monoMs(), giving: true, commandId, overlaps: first.length > 0, rest }
}

/** What `done` says of its sender: a daemon that was given groups says it too when it has not reported them yet. */
export function claimsOfDone(
  port: DialoguePort,
  phase: NodePhase,
  incoming: Message,
  named: readonly string[],
  daemon: { taken(named: readonly string[]): ReadonlyMap<string, PeerClaim> },
): Map<string, PeerClaim> {
  const told = toldClaims(incoming) ?? (phase === 'handed' ? daemon.taken(named) : undefined)
  return claimsAfterDone(port.peer().groups, told, phase === 'accepting' ? named : [])
}

/** Why a plan came to nothing, from what has just happened; `info` is what the peer says, `groups` are those on their way to it. */
export function causeOf(
  port: DialoguePort,
  phase: NodePhase,
  on: DialogueEvent,
  info: string | undefined,
  groups: readonly string[] = [],
): string {
  const { self, peer } = port.config()
  const { liveness } = port.peer()
  if (phase === 'leaving' || phase === 'left') return `${self} is stopping`
  if (on === 'report' || on === 'done') {
    const missing = groups.filter((group) => port.peer().groups?.get(group)?.state !== 'active')
    return `${peer} could not start ${missing.join(', ')}`
  }
  if (on === 'stalled') return `${self} was not running for too long`
  if (phase === 'greeting') return `${peer} has restarted`
  if (phase === 'accepting') return `${peer} gives groups itself at this moment`
  if (!port.peerAlive()) return `${peer} ${liveness === 'dead' ? 'died' : 'left'}`
  return info || `${peer} did not answer in time`
}

/** Whether this node claims any group. */
export function anyHeld(port: DialoguePort): boolean {
  return [...port.claimsNow().values()].some(({ state }) => claims(state))
}

/** The group has come to rest here, in whatever way. What would not stop has not, before it is verifiably cut off. */
export function isSettledHere(port: DialoguePort, group: string): boolean {
  const state = port.claim(group)?.state
  return state !== 'candidate' && state !== 'starting' && state !== 'stopping' && state !== 'stuck'
}

/** The peer serves every group, or says that it cannot. */
export function peerServesAll(port: DialoguePort): boolean {
  return port.config().groups.every(({ name }) => {
    const state = port.peer().groups?.get(name)?.state
    return state === 'active' || state === 'failed'
  })
}
