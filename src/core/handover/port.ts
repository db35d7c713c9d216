import type { Reason } from '../events.ts'
import type { PeerClaim } from '../peer/claims.ts'
import type { PeerView } from '../peer/membership.ts'
import type { GroupClaim } from '../peer/own-claims.ts'
import type { Timers } from '../timers.ts'
import type { Trace } from '../transition-table.ts'
import type { CoreConfig, EmitEvent, Refusal } from '../types.ts'

/** What the dialogue needs and whom it tells. */
export interface DialoguePort {
  readonly timers: Timers
  readonly event: EmitEvent
  readonly trace: Trace | undefined
  monoMs(): number
  config(): CoreConfig
  peer(): PeerView
  peerAlive(): boolean
  /** What the lines take there and back, while every one is slow; else 0. Then no move begins. */
  slowMs(): number
  send(fields: Record<string, string>): void
  beat(): void
  claim(group: string): GroupClaim | undefined
  claimsNow(): ReadonlyMap<string, GroupClaim>
  holds(group: string): boolean
  serves(group: string): boolean
  steady(): boolean
  returnable(group: string): boolean
  stuckResources(): readonly string[]
  grant(group: string, reason: Reason): void
  give(group: string, how: 'yield' | 'leave', reason: Reason): void
  /** Maintenance: the group does not move. */
  isMaintained(group: string): boolean
  /** A command clears hold-downs. */
  clearHoldDown(groups: readonly string[]): void
  reconcile(): void
  setClaims(groups: ReadonlyMap<string, PeerClaim>): void
  /** Tells the network again, and repeatedly, that this node serves them; or no more, while the peer does. */
  announce(groups: readonly string[], goesOn: boolean): void
  onSettled(): void
  onGone(): void
  /** Both nodes are well enough for a group to go home: agree, hear each other, reach as many ping targets, since 2 keepalives. */
  mayFailBack(): boolean
  /** It reaches fewer ping targets than this node. */
  peerIsPoorer(): boolean
  reply(id: number, refusal?: Refusal): void
  halt(): void
}

/** Groups on their way from one node to the other. */
export interface Move {
  readonly groups: readonly string[]
  readonly reason: Reason
  readonly beganMs: number
  readonly giving: boolean
  readonly commandId?: number | undefined
  /** A daemon's word for what it gives: it is repeated unchanged. */
  readonly hold?: string | undefined
  /** Make before break: the taker serves before the giver stops. */
  readonly overlaps: boolean
  /** What is offered once this has moved: groups that change hands in the other way. */
  readonly rest: readonly string[]
}

/** What the message that is being handled says. */
export interface Incoming {
  readonly groups: readonly string[]
  readonly reason: Reason
  readonly info: string
  readonly hold: string | undefined
  /** The peer speaks of make before break. */
  readonly overlaps: boolean
  /** In a refusal: which of our words is refused. */
  readonly refused: string | undefined
}
