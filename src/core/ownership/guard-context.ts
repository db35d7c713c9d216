import type { Connectivity } from '../authority/connectivity.ts'
import type { GuardFacts } from '../authority/guard-deadline.ts'
import type { Membership } from '../peer/membership.ts'
import type { StallTracker } from '../stalls/stall-tracker.ts'
import { beats } from '../timing.ts'
import type { CoreConfig } from '../types.ts'
import type { OwnershipPort } from './actions.ts'

type Peer = Pick<
  Membership,
  'peer' | 'peerAlive' | 'hearingSinceMs' | 'echoedAtMs' | 'rttMs' | 'quietMs' | 'deafMs' | 'slowMs' | 'peerSlowMs'
>

/**
 * The peer says that it hears us: by how long it had not when it wrote its newest beat, not by how long that beat was on its way
 * (S14). Just after a silence it cannot say so yet.
 */
export function hearsUs(membership: Peer, { times }: CoreConfig, nowMs: number): boolean {
  const { kind, deadtimeMs } = membership.peer
  if (kind !== 'hot-standby' || !membership.peerAlive) return true
  const { keepaliveMs } = times
  const thereAndBackMs = membership.rttMs + membership.slowMs + membership.peerSlowMs
  if (nowMs - membership.hearingSinceMs < beats.echo * keepaliveMs + thereAndBackMs) return true
  return membership.deafMs < Math.max(times.deadtimeMs, Math.min(deadtimeMs, beats.echo * keepaliveMs))
}

/** What authority wants to know of the peer, the network and ourselves, beyond the group. */
export function circumstancesOf(
  membership: Peer,
  { wokeAtMs }: StallTracker,
  connectivity: Connectivity,
  config: CoreConfig,
  nowMs: number,
): ReturnType<OwnershipPort['circumstances']> {
  const { keepaliveMs } = config.times
  return {
    peerBeats: membership.quietMs < beats.heardLately * keepaliveMs,
    heardByPeer: hearsUs(membership, config, nowMs),
    peerHeardUsSinceWake:
      membership.peer.kind === 'hot-standby'
        ? (membership.echoedAtMs ?? Number.NEGATIVE_INFINITY) >= wokeAtMs
        : membership.hearingSinceMs >= wokeAtMs || nowMs - wokeAtMs > keepaliveMs,
    justWoke: nowMs - wokeAtMs < beats.justWoke * keepaliveMs,
    targetAnsweredSinceWake: connectivity.answeredSince(wokeAtMs),
    slowMs: membership.slowMs + membership.peerSlowMs,
    isolated: connectivity.isolated,
    onIsolated: config.onIsolated,
    wePoorer: connectivity.weArePoorer,
    peerPoorer: connectivity.peerIsPoorer,
  }
}

/** What the kernel guard goes by, beyond the group. */
export function guardFactsOf(
  membership: Peer,
  connectivity: Connectivity,
  config: CoreConfig,
  nowMs: number,
): Omit<GuardFacts, 'peerCouldTake' | 'shutForMs'> {
  const { keepaliveMs, deadtimeMs } = config.times
  const { peerAlive, quietMs, echoedAtMs, peer } = membership
  const heardLately = quietMs < beats.heardLately * keepaliveMs
  return {
    nowMs,
    keepaliveMs,
    deadtimeMs,
    peer: !peerAlive ? 'judged' : heardLately ? 'heard' : 'silent',
    echoedAtMs,
    peerIsDaemon: peer.kind === 'heartbeat',
    heardByPeer: hearsUs(membership, config, nowMs),
    isolatedStops: connectivity.isolated && config.onIsolated === 'stop',
  }
}

/** Both nodes hear each other, and reach as many ping targets, since two beats. */
export function bothStable(
  membership: Peer,
  connectivity: Connectivity,
  { times }: CoreConfig,
  nowMs: number,
): boolean {
  const stableMs = beats.settled * times.keepaliveMs
  return nowMs - membership.hearingSinceMs >= stableMs && connectivity.peerAtLeastEqualForMs() >= stableMs
}
