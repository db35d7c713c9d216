import type { NodePhase } from './events.ts'
import type { Maintenance } from './ownership/maintenance.ts'
import type { Ownership } from './ownership/ownership.ts'
import { formatClaims } from './peer/claims.ts'
import type { ConfigDigest } from './peer/config-digest.ts'
import type { Keys } from './peer/keys.ts'
import type { Membership } from './peer/membership.ts'
import type { Messenger } from './peer/messenger.ts'
import { speaksUpTo } from './peer/own-claims.ts'
import type { StallTracker } from './stalls/stall-tracker.ts'
import type { CoreConfig } from './types.ts'

/** What a beat tells of. */
export interface BeatParts {
  readonly config: CoreConfig
  /** The dead time that the peer is to go by, any pause aside. */
  readonly deadtimeMs: number
  readonly phase: NodePhase
  readonly messenger: Messenger
  readonly ownership: Ownership
  readonly configDigest: ConfigDigest
  readonly keys: Keys
  readonly maintenance: Maintenance
  readonly stallTracker: StallTracker
  readonly membership: Membership
}

/** What this version can do that another may not: make before break, maintenance, and the age of frames. Sent for versions to come; nobody reads it yet. */
const features = 'overlap maintenance age'

/** The fields of one `status` message: Heartbeat's, and ours (docs/wire.md). */
export function statusFields(parts: BeatParts, nowMs: number): Record<string, string | undefined> {
  const { config, deadtimeMs, phase, messenger, ownership, configDigest, keys, maintenance, stallTracker, membership } =
    parts
  const heard = messenger.highestHeard
  return {
    t: 'status',
    st: phase === 'listening' ? 'up' : 'active',
    dt: Math.round(deadtimeMs + stallTracker.pauseAt(nowMs)).toString(16),
    protocol: '1',
    hs: String(speaksUpTo),
    hsf: features,
    hsboot: config.bootId,
    hsgrp: formatClaims(ownership.claims),
    hsall: '1',
    hsecho: heard > 0 ? `${heard.toString(16)}:${Math.round(nowMs - messenger.highestHeardAtMs)}` : undefined,
    hsrun: heard > 0 ? membership.peer.bootId : undefined,
    hsslow: membership.slowMs > 0 ? String(Math.round(membership.slowMs)) : undefined,
    hsstall: String(Math.round(stallTracker.takeLongest())),
    hscfg: configDigest.digest,
    hscfgs: configDigest.parts,
    hsfor: membership.metLongAgo ? undefined : ownership.activeFor(), // settles a contest of equal epochs
    hskeys: keys.advertisement,
    hsmaint: maintenance.format(),
  }
}
