import { beats, guardHeldMs, guardMarginMs } from '../timing.ts'

/** What decides until when an address may answer, without a lease. Times in awake monotonic milliseconds. */
export interface GuardFacts {
  readonly nowMs: number
  readonly keepaliveMs: number
  /** The dead time by which the peer may go: the smaller of what was announced and what it has confirmed. */
  readonly deadtimeMs: number
  /** The peer's liveness: `heard` lately, `silent` and not judged yet, or `judged`: dead, left, or it never came. */
  readonly peer: 'heard' | 'silent' | 'judged'
  /** When the newest of our messages that the peer says it has was sent; undefined: it has said nothing of the kind. */
  readonly echoedAtMs: number | undefined
  /** The peer is a Heartbeat daemon: it never says what it has heard. */
  readonly peerIsDaemon: boolean
  readonly heardByPeer: boolean
  /** The peer could take the group now, by its own word. */
  readonly peerCouldTake: boolean
  /** So long the group has been cut off here because the peer could take it; 0: it is not. */
  readonly shutForMs: number
  /** This node hears nobody, and is to stop then. */
  readonly isolatedStops: boolean
}

/**
 * Until when this node surely is not thought dead, or has decided that nobody else serves: the later of the two. Null: the
 * address is to be cut off. It is never the guard that ends a service of a node whose peer is dead, has left, or never came.
 */
export function guardDeadlineMs(facts: GuardFacts): number | null {
  if (facts.isolatedStops) return null
  return Math.max(provenUntilMs(facts), decidedUntilMs(facts))
}

/** What the peer has heard was not sent later than it was heard: so long it cannot take the group. */
function provenUntilMs({ echoedAtMs, deadtimeMs }: GuardFacts): number {
  return echoedAtMs === undefined ? Number.NEGATIVE_INFINITY : echoedAtMs + guardHeldMs(deadtimeMs)
}

/** This process runs, and has looked: renewed by every turn, at least once in every keepalive. */
function decidedUntilMs(facts: GuardFacts): number {
  const { nowMs, keepaliveMs, deadtimeMs, peer } = facts
  if (peer === 'judged') return nowMs + guardHeldMs(deadtimeMs)
  // Its dead time counts from our last beat, which is younger than one keepalive.
  if (peer === 'heard' && facts.peerIsDaemon) return nowMs + guardHeldMs(deadtimeMs) - keepaliveMs
  const isAboutToTake = peer === 'heard' && !facts.heardByPeer && facts.peerCouldTake
  if (isAboutToTake && facts.shutForMs < beats.leftAlone * keepaliveMs) return Number.NEGATIVE_INFINITY
  return nowMs + beats.guard * keepaliveMs
}

/** From the end of a lease: the guard may be late by as much. */
export const leaseGuardMs = (leftMs: number): number => leftMs - guardMarginMs
