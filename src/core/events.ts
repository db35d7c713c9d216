/** State of one group on one node, as shown, told to the peer and used in the ownership table. */
export type GroupState =
  | 'unknown'
  | 'standby'
  | 'candidate'
  | 'starting'
  | 'active'
  | 'probation'
  | 'stopping'
  | 'failed'
  | 'stuck'

/** Phase of this node in the conversation with its peer: the states of the dialogue table. */
export type NodePhase =
  | 'listening'
  | 'greeting'
  | 'settled'
  | 'offering'
  | 'lending'
  | 'lingering'
  | 'handing'
  | 'handed'
  | 'accepting'
  | 'taking'
  | 'joining'
  | 'joined'
  | 'alone'
  | 'leaving'
  | 'left'

/** Why a group moved, as a stable word; `docs/reasons.md` explains each. */
export type Reason =
  | 'preferred'
  | 'unowned'
  | 'peer-dead'
  | 'peer-left'
  | 'peer-never-came'
  | 'peer-failed'
  | 'command'
  | 'failback'
  | 'connectivity'
  | 'resource-failed'
  | 'contested'
  | 'isolated'
  | 'stalled'
  | 'lease-lost'
  | 'stop'
  | 'reload'

/** Payloads of all events, by name. Every payload is plain data. */
export interface EventPayloads {
  /** The conversation with the peer entered another phase. */
  phase: { readonly phase: NodePhase; readonly from: NodePhase; readonly on: string }
  /** The peer is heard: for the first time, after a restart of it, or again after it was thought dead. */
  'peer:alive': {
    readonly peer: string
    readonly how: 'first' | 'restarted' | 'returned'
    readonly kind: 'hot-standby' | 'heartbeat'
    readonly generation: number
  }
  /** Nothing was heard for longer than warntime. */
  'peer:late': {
    readonly peer: string
    readonly silentMs: number
    readonly deadtimeMs: number
    /** Own stalls since it was last heard, which do not count as its silence. */
    readonly stallCreditMs?: number | undefined
    /** The longest stall that it told of lately: then the fault may be its own. */
    readonly peerStallMs?: number | undefined
  }
  /** Nothing was heard for the dead time that the peer announced, counted in time in which this process was awake. */
  'peer:dead': {
    readonly peer: string
    readonly silentMs: number
    readonly stallCreditMs: number
    readonly deadtimeMs: number
    readonly peerStallMs?: number | undefined
  }
  /** The peer was called dead and lives, in the same run: it was not heard, or its process or this one did not run. */
  'peer:mistake': { readonly peer: string; readonly durationMs: number; readonly peerStallMs?: number | undefined }
  /**
   * Two hosts answer to this name at once, with our keys: a copied host, or two pairs with the same node names and keys on one
   * network. Of the peer the newest run is believed. Told once while it lasts.
   */
  'node:twice': { readonly node: string }
  /**
   * The peer beats, but nothing shows that what it says is said now: it does not hear this run of ours, so it never answers. Its
   * groups are left as they are: nobody takes one, and nobody gives way. Told once while it lasts, after the dead time.
   */
  'peer:unproven': { readonly peer: string; readonly forMs: number }
  /** The peer said good-bye with everything released: its silence is no suspicion. */
  'peer:left': { readonly peer: string }
  /**
   * A new run of the peer has proven itself with a number that is not above that of its last: it has lost its state directory, or
   * could not write there, and does not know which epochs it has used. Believed all the same, since the proof needs no number; only where frames are sealed.
   */
  'peer:state-lost': { readonly peer: string; readonly generation: number; readonly known: number }
  /**
   * The peer speaks a later version of our fields than this node, which understands what both have in common; told once in each run
   * of the peer. Nothing to do but to upgrade this node as well.
   */
  'peer:newer': { readonly peer: string; readonly version: number; readonly ours: number }
  /**
   * The peer says something of a group that this version cannot read: a class of claim that it does not know, an epoch or a stamp
   * beyond 10^14, or bytes that are malformed. Of a claim (`hsgrp`) this much is believed, that the peer may hold the group: nobody
   * takes it, and nobody gives way. A word of maintenance (`hsmaint`) is ignored. Told once until it can be read again; of maintenance once
   * in each run of the peer.
   */
  'claim:unreadable': {
    readonly peer: string
    readonly field: 'hsgrp' | 'hsmaint'
    readonly group: string
    readonly text: string
  }
  /**
   * The two nodes are configured differently (groups, preferred nodes, times): no automatic failback until two of ours agree. `fields`
   * names what differs; it is empty where the peer does not tell.
   */
  'config:differs': {
    readonly peer: string
    readonly fields: readonly string[]
    readonly ours: string
    readonly theirs: string
  }
  /** They agree again. */
  'config:agrees': { readonly peer: string }
  /** The peer signs with another key id than this node; nothing is blocked by it. */
  'key:differs': { readonly peer: string; readonly keyId: number }
  /** The configured key is not used yet: the peer does not say that it accepts it. Told once, until the peer does. */
  'key:waiting': { readonly peer: string; readonly keyId: number; readonly using: number }
  /** The peer accepts the configured key now, and it is used. */
  'key:active': { readonly peer: string; readonly keyId: number }
  /** The peer is heard on this link, or no longer late on it. */
  'link:up': { readonly link: string }
  /**
   * Everything that comes on this link has been on its way for longer than the dead time less two beats (`limitMs`), and yet it
   * comes: the line is slow, not cut. While every link is, the peer is given so much longer, and no planned move begins; `link:up`
   * tells of its end, when nothing older than half the dead time has come for a dead time.
   */
  'link:slow': {
    readonly link: string
    readonly ageMs: number
    readonly limitMs: number
    readonly deadtimeMs: number
  }
  /** The peer was not heard on this link for its dead time; `lossRatio` and `rttMs` are as last measured. */
  'link:down': {
    readonly link: string
    readonly silentMs: number
    readonly lossRatio: number
    readonly rttMs: number | null
  }
  /** This node is to take a group and waits for the lease: nothing of the group is touched yet. */
  'group:candidate': { readonly group: string; readonly reason: Reason }
  /**
   * The lease of a group that is served here could not be renewed in time (`expired`), or the store shows another owner (`superseded`):
   * the group is stopped before another node can have it.
   */
  'lease:lost': { readonly group: string; readonly epoch: number; readonly why: 'expired' | 'superseded' }
  /**
   * What stands in the store under the name of this group is no lease record, or one of a later version. It is left alone, and
   * nobody can own the group until it is gone. Told once while it stands there.
   */
  'lease:unreadable': { readonly group: string }
  /** The lease store did not answer, or answered with an error. Leases that are held end unless it answers in time. */
  'store:down': { readonly store: string; readonly reason: string }
  /** The lease store answers again. */
  'store:up': { readonly store: string }
  /** The kernel guard could not be changed. What it lets pass runs out; what it was told is said again. */
  'guard:down': { readonly reason: string }
  /** The kernel guard does what it is told again. */
  'guard:up': Readonly<Record<string, never>>
  /** This node begins to take a group. */
  'group:starting': { readonly group: string; readonly epoch: number; readonly reason: Reason }
  /** This node serves the group. Emitted again when a contest was won, or what had to be stopped or added runs: handlers are idempotent by epoch. */
  'group:acquired': {
    readonly group: string
    readonly epoch: number
    readonly reason: Reason
    readonly tookMs: number
  }
  /** This node begins to give a group up. */
  'group:stopping': { readonly group: string; readonly epoch: number; readonly reason: Reason }
  /** This node no longer serves the group; everything is verifiably stopped. */
  'group:released': { readonly group: string; readonly epoch: number; readonly reason: Reason; readonly tookMs: number }
  /** The group cannot run here: a start or a repeated check failed. It is tried again after the hold-down. */
  'group:failed': { readonly group: string; readonly reason: string; readonly retryInMs: number }
  /** A resource would not stop; the group is still claimed while it is being cut off. */
  'group:stuck': { readonly group: string; readonly resource: string; readonly reason: string }
  /** After a long stall of this process: cut off, and asking the peer who owns the group. */
  'group:probation': { readonly group: string; readonly epoch: number; readonly stallMs: number }
  /** The addresses of the group were announced again. */
  'group:announced': { readonly group: string; readonly epoch: number }
  /**
   * The group was taken again and again without a command: a failback, or giving it up for the better connected node, waits for
   * the hold-down. A command ends it.
   */
  'group:damped': { readonly group: string; readonly takings: number; readonly holdDownMs: number }
  /** Both nodes are active for the group; `winner` goes on, the other cuts itself off at once. */
  contested: {
    readonly group: string
    readonly epoch: number
    readonly peerEpoch: number
    readonly winner: string
    readonly rule: string
  }
  /**
   * A resource's check failed, or (`look`, told once until it is seen to run) could not be made and is made again; `action` is what
   * follows.
   */
  'resource:failed': {
    readonly group: string
    readonly resource: string
    readonly reason: string
    readonly action: 'look' | 'restart' | 'move' | 'retry' | 'none'
  }
  /** A failed resource runs again, in place. */
  'resource:restarted': { readonly group: string; readonly resource: string; readonly tookMs: number }
  /** A command asks to move groups to `to`; `by` says whose, as far as that is known. */
  'move:asked': { readonly groups: readonly string[]; readonly to: string; readonly by: string }
  /** A planned move began: the groups were offered to the other node. */
  'move:offered': { readonly groups: readonly string[]; readonly to: string; readonly reason: Reason }
  /** A planned move ended well: the other node has confirmed that it serves. */
  'move:done': { readonly groups: readonly string[]; readonly to: string; readonly tookMs: number }
  /** A planned move did not happen, or not as planned. */
  'move:failed': { readonly groups: readonly string[]; readonly to: string; readonly why: string }
  /** Maintenance of groups began or ended, by the word of an operator at `by`: they are watched, and nothing is touched. */
  maintenance: { readonly groups: readonly string[]; readonly on: boolean; readonly by: string }
  /** A ping target answers. */
  'ping:up': { readonly target: string }
  /** A ping target no longer answers: it was silent for deadping, or refused. */
  'ping:down': { readonly target: string; readonly silentMs: number }
  /** The nodes reach different numbers of ping targets; the poorer gives its groups up unless this changes in time. */
  connectivity: { readonly ours: number; readonly theirs: number; readonly giveUpInMs: number | null }
  /** Neither the peer nor any ping target is heard. */
  isolated: { readonly policy: 'stop' | 'continue' }
  /** The peer or a target is heard again. */
  connected: { readonly by: string }
  /** This process did not run for a while; the time is credited to the peer. `suspended`: the whole host slept. */
  'local:stall': { readonly stallMs: number; readonly suspended?: boolean | undefined }
  /** The wall clock was set, or this machine stood still without knowing it. Nothing is decided by it. */
  'local:clock-step': { readonly stepMs: number }
  /** The peer's process did not run for a while, as it says itself. */
  'peer:stall': { readonly peer: string; readonly stallMs: number }
  /** The devices or addresses of this host changed: the link uses `path` now, in place of `before` (`not open`: it had none). */
  'link:moved': { readonly link: string; readonly path: string; readonly before: string }
  /** Nothing was heard on this link since the start; `cause` is the likeliest one. */
  'link:silent': { readonly link: string; readonly sinceMs: number; readonly cause: string }
  /** Received bytes did not verify or could not be read; rate limited, `count` says how often since the last time. */
  'frame:dropped': {
    readonly link: string
    readonly reason: string
    readonly from: string
    readonly count: number
    readonly detail: string | null
  }
  /** Something outside the heart failed: a link, an arbiter, a listener, a logger. The heart goes on. */
  problem: { readonly where: string; readonly code: string; readonly message: string }
  /**
   * A resource of kind `data` could neither be stopped nor cut off, so it may run twice: this node, which serves nothing else, has
   * fallen silent and its addresses are removed. `reason` says which resource, and why not otherwise.
   */
  fatal: { readonly group: string; readonly reason: string }
  /** This node has left the pair; nothing follows. */
  stopped: Record<string, never>
  /** A verified message was not used; rate limited, `count` says how often since the last time. */
  'message:dropped': { readonly reason: MessageDropReason; readonly src: string; readonly count: number }
  /** Messages of the peer were lost for good. */
  'messages:lost': { readonly peer: string; readonly from: number; readonly to: number }
  /** What this node must remember could not be written; it goes on with what it has. */
  'state:failed': { readonly reason: string }
}

/** Why a message that verified was still not used. */
export type MessageDropReason =
  /** It comes from this node's own name but not from this process: two nodes are configured alike. */
  | 'own-name'
  /** The sender is no member of this pair. */
  | 'foreign-node'
  /** It belongs to an earlier run of the peer (or is replayed). */
  | 'old-generation'
  /** Sealed by a run of the peer that does not prove that it runs now: recorded packets are played back. */
  | 'unproven'
  /** It lacks a field that every message has, or the field is malformed. */
  | 'incomplete'

/** Name of an event of the core; a cluster has `message` besides. */
export type EventName = keyof EventPayloads

/** One event with its name and time. */
export type CoreEvent = {
  [Name in EventName]: { readonly name: Name; readonly monoMs: number } & { readonly payload: EventPayloads[Name] }
}[EventName]
