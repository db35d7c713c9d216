import type { NodePhase } from './events.ts'

/** Everything that can happen in the conversation with the peer. */
export const dialogueEvents = [
  'heard',
  'restarted',
  'report',
  'starting',
  'me',
  'other',
  'done',
  'refuse',
  'takeover',
  'peer-stops',
  'left',
  'dead',
  'initdead',
  'give',
  'want',
  'released',
  'taken',
  'expired',
  'stalled',
  'leave',
  'stopped',
  'confirmed',
] as const
export type DialogueEvent = (typeof dialogueEvents)[number]

export const nodePhases: readonly NodePhase[] = [
  'listening',
  'greeting',
  'settled',
  'offering',
  'handing',
  'handed',
  'accepting',
  'taking',
  'alone',
  'leaving',
  'left',
]

export type DialogueGuard =
  | 'canAccept'
  | 'canGive'
  | 'namesOurMove'
  | 'peerGoesFirst'
  | 'weGoFirst'
  | 'givenUp'
  | 'reportedGivenUp'
  | 'peerServesIt'

/** The guards in words, for the diagrams. */
export const dialogueGuards: Readonly<Record<DialogueGuard, string>> = {
  canAccept: 'we hold none of the groups, and none has failed here',
  canGive: 'we serve at least one of the groups',
  namesOurMove: 'the answer names the groups that we offered',
  peerGoesFirst: 'we could accept, and the peer comes first in the order of the nodes’ names',
  weGoFirst: 'the peer is of our kind, and we come first in the order of the nodes’ names',
  givenUp: 'the peer claims none of the groups any more',
  reportedGivenUp:
    'the peer is of our kind, and claims none of the groups any more (a daemon reports so before it stops them)',
  peerServesIt: 'the peer reports that it serves all of the groups',
}

export type DialogueAction =
  | 'greet'
  | 'settle'
  | 'answer'
  | 'offer'
  | 'offerWanted'
  | 'ask'
  | 'accept'
  | 'refuse'
  | 'yieldGroups'
  | 'sayDone'
  | 'grantGroups'
  | 'moveDone'
  | 'moveFailed'
  | 'forgetMove'
  | 'wishEnded'
  | 'wishFailed'
  | 'peerGone'
  | 'leaveGroups'
  | 'sayGoodbye'
  | 'halt'

export interface DialogueRow {
  readonly from: readonly NodePhase[]
  readonly on: DialogueEvent
  readonly when?: DialogueGuard
  /** `same`: the phase stays. */
  readonly to: NodePhase | 'same'
  readonly do: readonly DialogueAction[]
  readonly why: string
}

/** Phases in which a live peer is in the conversation and no node is leaving. */
const talking = ['greeting', 'settled', 'offering', 'handing', 'handed', 'accepting', 'taking'] as const

/**
 * The conversation with the peer, in Heartbeat's words (linux-ha.md §7–8): phase × event → row. `me`, `other`, `done` are the
 * three words of its standby handshake, `starting`, `takeover` (`hb_takeover`), `left` (`shutdone`) its other messages.
 */
export const dialogueTable: readonly DialogueRow[] = [
  // Meeting.
  { from: ['listening', 'alone'], on: 'heard', to: 'greeting', do: ['greet'], why: 'the peer is heard' },
  { from: ['listening'], on: 'initdead', to: 'alone', do: ['peerGone'], why: 'the peer never came within initdead' },
  {
    from: talking,
    on: 'restarted',
    to: 'greeting',
    do: ['moveFailed', 'wishFailed', 'greet'],
    why: 'the peer began a new run',
  },
  { from: ['greeting'], on: 'report', to: 'settled', do: ['settle'], why: 'each knows what the other holds' },
  { from: [...talking, 'leaving'], on: 'starting', to: 'same', do: ['answer'], why: 'the peer asks what we hold' },

  // Giving.
  { from: ['settled'], on: 'give', to: 'offering', do: ['offer'], why: 'ask the peer to take groups' },
  {
    from: ['settled'],
    on: 'takeover',
    when: 'canGive',
    to: 'offering',
    do: ['offerWanted'],
    why: 'the peer wants groups that we hold',
  },
  {
    from: [...talking, 'leaving'],
    on: 'takeover',
    to: 'same',
    do: ['refuse'],
    why: 'we hold none of them, or something else is under way',
  },
  {
    from: ['offering'],
    on: 'other',
    when: 'namesOurMove',
    to: 'handing',
    do: ['yieldGroups'],
    why: 'the peer takes them: stop here first',
  },
  {
    from: [...talking, 'leaving'],
    on: 'other',
    to: 'same',
    do: ['refuse'],
    why: 'no offer of ours waits for this answer (it came late): the peer must not wait either',
  },
  { from: ['offering'], on: 'refuse', to: 'settled', do: ['moveFailed'], why: 'the peer refused' },
  { from: ['offering'], on: 'expired', to: 'settled', do: ['moveFailed'], why: 'the peer did not answer' },
  { from: ['handing'], on: 'released', to: 'handed', do: ['sayDone'], why: 'everything is verifiably stopped here' },
  { from: ['handed'], on: 'done', to: 'settled', do: ['moveDone'], why: 'the peer has finished' },
  {
    from: ['handed'],
    on: 'report',
    when: 'peerServesIt',
    to: 'settled',
    do: ['moveDone'],
    why: 'the peer reports that it serves',
  },
  { from: ['handed'], on: 'expired', to: 'settled', do: ['moveFailed'], why: 'the peer did not finish in time' },

  // Taking.
  {
    from: ['settled', 'alone'],
    on: 'want',
    to: 'same',
    do: ['ask'],
    why: 'take what is free, ask the peer for the rest',
  },
  {
    from: ['settled'],
    on: 'me',
    when: 'canAccept',
    to: 'accepting',
    do: ['accept'],
    why: 'the peer wants to give groups that could start here',
  },
  {
    from: ['offering'],
    on: 'me',
    when: 'peerGoesFirst',
    to: 'accepting',
    do: ['moveFailed', 'accept'],
    why: 'both offer at once: the one that comes first by name goes on',
  },
  {
    from: ['offering'],
    on: 'me',
    when: 'weGoFirst',
    to: 'same',
    do: [],
    why: 'both offer at once: the peer drops its offer for ours',
  },
  {
    from: [...talking, 'leaving'],
    on: 'me',
    to: 'same',
    do: ['refuse'],
    why: 'they cannot start here, or something else is under way',
  },
  {
    from: ['accepting'],
    on: 'done',
    when: 'givenUp',
    to: 'taking',
    do: ['grantGroups'],
    why: 'the peer has stopped them and says so',
  },
  {
    from: ['accepting'],
    on: 'report',
    when: 'reportedGivenUp',
    to: 'taking',
    do: ['grantGroups'],
    why: 'the peer’s report shows that it has stopped them: its word is on the way',
  },
  {
    from: ['accepting'],
    on: 'refuse',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'the peer changed its mind',
  },
  {
    from: ['accepting'],
    on: 'expired',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'the peer did not stop them in time',
  },
  {
    from: ['taking'],
    on: 'taken',
    to: 'settled',
    do: ['sayDone', 'forgetMove', 'wishEnded'],
    why: 'they run here, or have failed here',
  },
  {
    from: ['greeting', 'settled', 'handing', 'handed', 'taking'],
    on: 'refuse',
    to: 'same',
    do: ['wishFailed'],
    why: 'the peer does not give what we asked for; a move that is decided goes on',
  },

  {
    from: ['offering'],
    on: 'stalled',
    to: 'settled',
    do: ['moveFailed'],
    why: 'this process did not run for long: the peer may have thought it dead, and the answer means nothing',
  },
  {
    from: ['accepting'],
    on: 'stalled',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'this process did not run for long: the peer may have thought it dead and kept the groups',
  },

  // Losing the peer.
  {
    from: talking,
    on: 'dead',
    to: 'alone',
    do: ['moveFailed', 'peerGone'],
    why: 'the peer was silent for its dead time',
  },
  { from: talking, on: 'left', to: 'alone', do: ['moveFailed', 'peerGone'], why: 'the peer said good-bye' },

  // Leaving.
  {
    from: ['listening', 'alone', ...talking],
    on: 'leave',
    to: 'leaving',
    do: ['moveFailed', 'wishFailed', 'leaveGroups'],
    why: 'this node is to stop',
  },
  { from: ['leaving'], on: 'stopped', to: 'left', do: ['sayGoodbye'], why: 'everything is stopped' },
  {
    from: ['left'],
    on: 'confirmed',
    to: 'left',
    do: ['halt'],
    why: 'the peer serves what we gave up, or was given long enough',
  },
  { from: ['left'], on: 'dead', to: 'left', do: ['halt'], why: 'nobody is there to wait for' },
  { from: ['left'], on: 'left', to: 'left', do: ['halt'], why: 'the peer leaves as well' },
]

/** Pairs in which nothing is to be done, each with its reason. */
export const dialogueIdle: readonly {
  readonly from: readonly NodePhase[]
  readonly on: readonly DialogueEvent[]
  readonly because: string
}[] = [
  {
    from: nodePhases,
    on: ['report'],
    because: 'what the peer holds is compared group by group in the ownership table',
  },
  {
    from: [...talking, 'leaving'],
    on: ['peer-stops'],
    because: 'its groups come free one by one; its good-bye follows',
  },
  {
    from: ['listening', 'alone'],
    on: ['starting', 'me', 'other', 'done', 'refuse', 'takeover', 'peer-stops'],
    because: 'it is from before the peer’s death or good-bye, and late',
  },
  {
    from: ['greeting', 'settled', 'offering', 'handing', 'accepting', 'taking', 'leaving'],
    on: ['done'],
    because: 'late: the move it belongs to has ended; or, while accepting, it belongs to an earlier one',
  },
  {
    from: ['leaving'],
    on: ['heard', 'restarted', 'left', 'dead', 'initdead', 'refuse'],
    because: 'first everything stops here; whatever the peer does, it takes what is free',
  },
  {
    from: ['listening', 'greeting', 'settled', 'handing', 'handed', 'taking', 'alone', 'leaving', 'left'],
    on: ['stalled'],
    because: 'each group looks after itself; nothing that was agreed is open here',
  },
  {
    from: ['left'],
    on: ['heard', 'restarted', 'initdead', 'starting', 'me', 'other', 'done', 'refuse', 'takeover', 'peer-stops'],
    because: 'this node has said good-bye and holds nothing',
  },
]

/** Pairs that cannot occur, each with the reason: what raises the event does so in the other phases only. */
export const dialogueImpossible: readonly {
  readonly from: readonly NodePhase[]
  readonly on: readonly DialogueEvent[]
  readonly because: string
}[] = [
  { from: talking, on: ['heard', 'initdead'], because: 'the peer has been heard already' },
  { from: ['alone'], on: ['initdead'], because: 'the verdict comes once, before the first word of the peer' },
  {
    from: ['listening', 'alone'],
    on: ['restarted', 'left', 'dead'],
    because: 'a peer that is not there is `heard` first',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'settled'),
    on: ['give'],
    because: 'a move is offered in the phase `settled` only',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'settled' && phase !== 'alone'),
    on: ['want'],
    because: 'the command is refused with the reason before',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'handing'),
    on: ['released'],
    because: 'it is the end of the phase `handing`',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'taking'),
    on: ['taken'],
    because: 'it is the end of the phase `taking`',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'offering' && phase !== 'handed' && phase !== 'accepting'),
    on: ['expired'],
    because: 'the limit ends with the phase; while groups start and stop, their operations have limits of their own',
  },
  { from: ['leaving', 'left'], on: ['leave'], because: 'a node leaves once' },
  {
    from: nodePhases.filter((phase) => phase !== 'leaving'),
    on: ['stopped'],
    because: 'it is the end of the phase `leaving`',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'left'),
    on: ['confirmed'],
    because: 'it is the end of the phase `left`',
  },
]
