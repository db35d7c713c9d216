import type { PeerClaim } from './claims.ts'

/** What is known of the peer from what it sent. */
export interface PeerView {
  /** `unheard` since our start, then as the detector judges; `left` after its good-bye until it starts again. */
  readonly liveness: 'unheard' | 'alive' | 'late' | 'dead' | 'left'
  /** It was heard since our start. */
  readonly heardEver: boolean
  readonly kind: 'unknown' | 'hot-standby' | 'heartbeat'
  /** Heartbeat's word in its `status` messages: init, up, active, dead. */
  readonly status: string
  readonly bootId: string | undefined
  readonly deadtimeMs: number
  readonly digest: string | undefined
  /** What it says of each group; undefined until it has said so in this run. */
  readonly groups: ReadonlyMap<string, PeerClaim> | undefined
  /** It has named all its groups in this run: what it does not name it does not hold. */
  readonly namesAll: boolean
  /** What it says was said lately: an answer to this run of ours shows it, or nothing it sends can be dated (a daemon). */
  readonly proven: boolean
}
