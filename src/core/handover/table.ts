import type { NodePhase } from '../events.ts'

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
  'lending',
  'lingering',
  'handing',
  'handed',
  'accepting',
  'taking',
  'joining',
  'joined',
  'alone',
  'leaving',
  'left',
]

export type DialogueGuard =
  | 'canJoin'
  | 'canAccept'
  | 'canGive'
  | 'peerJoins'
  | 'namesOurMove'
  | 'peerGoesFirst'
  | 'offersCrossed'
  | 'weGoFirst'
  | 'givenUp'
  | 'reportedGivenUp'
  | 'peerServesIt'
  | 'peerCannot'
  | 'runsHere'
  | 'refusesOurAnswer'

/** The guards in words, for the diagrams. */
export const dialogueGuards: Readonly<Record<DialogueGuard, string>> = {
  canJoin: 'both nodes have them as make-before-break, this node holds none of them, and none has failed here',
  canAccept: 'this node holds none of the groups, and none has failed here',
  canGive: 'this node serves at least one of the groups',
  peerJoins: 'the answer names the groups that this node offered, and the peer serves them before this node stops',
  namesOurMove: 'the answer names the groups that this node offered',
  peerGoesFirst: 'this node could accept, and the peer is a daemon or its name comes first',
  offersCrossed: 'the daemon answers the offer that this node dropped in favour of the daemon’s',
  weGoFirst: 'the peer is not a daemon, and the name of this node comes first',
  givenUp: 'the peer no longer claims any of the groups',
  reportedGivenUp:
    'the peer is of our kind, and claims none of the groups any more (a daemon reports so before it stops them)',
  peerServesIt: 'the peer reports that it serves all of the groups',
  peerCannot: 'the peer reports that one of the groups cannot run there',
  runsHere: 'all of the groups run here',
  refusesOurAnswer: 'what is refused is this node’s answer to the offer',
}

export type DialogueAction =
  | 'greet'
  | 'settle'
  | 'answer'
  | 'offer'
  | 'offerWanted'
  | 'ask'
  | 'accept'
  | 'join'
  | 'stopAnnouncing'
  | 'overlapUntilStarted'
  | 'overlapBriefly'
  | 'awaitRelease'
  | 'announce'
  | 'refuse'
  | 'yieldGroups'
  | 'resumeOffer'
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
export const talking = [
  'greeting',
  'settled',
  'offering',
  'lending',
  'lingering',
  'handing',
  'handed',
  'accepting',
  'taking',
  'joining',
  'joined',
] as const

/**
 * The conversation with the peer, in Heartbeat's words (docs/daemon.md): phase × event → row. `me`, `other`, `done` are the
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
  { from: ['greeting'], on: 'report', to: 'settled', do: ['settle'], why: 'each node knows what the other holds' },
  {
    from: [...talking, 'leaving'],
    on: 'starting',
    to: 'same',
    do: ['answer'],
    why: 'the peer asks what this node holds',
  },

  // Giving.
  { from: ['settled'], on: 'give', to: 'offering', do: ['offer'], why: 'ask the peer to take groups' },
  {
    from: ['settled'],
    on: 'takeover',
    when: 'canGive',
    to: 'offering',
    do: ['offerWanted'],
    why: 'the peer wants groups that this node holds',
  },
  {
    from: [...talking, 'leaving'],
    on: 'takeover',
    to: 'same',
    do: ['refuse'],
    why: 'this node holds none of them, or another move is in progress',
  },
  {
    from: ['offering'],
    on: 'other',
    when: 'peerJoins',
    to: 'lending',
    do: ['stopAnnouncing', 'overlapUntilStarted'],
    why: 'the peer starts them while they run here: keep serving until it has',
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
    from: ['accepting'],
    on: 'other',
    when: 'offersCrossed',
    to: 'handing',
    do: ['resumeOffer', 'yieldGroups'],
    why: 'the daemon accepted the offer of this node first and ignores its own: do not let it wait in vain',
  },
  {
    from: [...talking, 'leaving'],
    on: 'other',
    to: 'same',
    do: ['refuse'],
    why: 'no offer of this node waits for this answer (it came late): do not let the peer wait either',
  },
  { from: ['offering'], on: 'refuse', to: 'settled', do: ['moveFailed'], why: 'the peer refused' },
  { from: ['offering'], on: 'expired', to: 'settled', do: ['moveFailed'], why: 'the peer did not answer' },
  {
    from: ['lending'],
    on: 'report',
    when: 'peerServesIt',
    to: 'lingering',
    do: ['overlapBriefly'],
    why: 'the peer serves and announces them: keep answering until its announcement has arrived everywhere',
  },
  {
    from: ['lending', 'lingering'],
    on: 'report',
    when: 'peerCannot',
    to: 'settled',
    do: ['moveFailed'],
    why: 'the peer could not start them, or lost them again: keep serving here',
  },
  {
    from: ['lingering'],
    on: 'expired',
    to: 'handing',
    do: ['yieldGroups'],
    why: 'every neighbour knows by now: stop here',
  },
  { from: ['lending'], on: 'expired', to: 'settled', do: ['moveFailed'], why: 'the peer did not start them in time' },
  {
    from: ['lending', 'lingering'],
    on: 'released',
    to: 'handed',
    do: ['sayDone'],
    why: 'they stopped here for another reason: the peer continues alone',
  },
  { from: ['handing'], on: 'released', to: 'handed', do: ['sayDone'], why: 'everything is stopped here, and verified' },
  {
    from: ['handed'],
    on: 'done',
    when: 'peerServesIt',
    to: 'settled',
    do: ['moveDone'],
    why: 'the peer has finished',
  },
  {
    from: ['handed'],
    on: 'done',
    to: 'settled',
    do: ['moveFailed'],
    why: 'the peer has finished, and does not serve all of them',
  },
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
    when: 'canJoin',
    to: 'joining',
    do: ['join'],
    why: 'the peer offers groups that may run on both nodes for a moment: start them while they run there',
  },
  {
    from: ['settled'],
    on: 'me',
    when: 'canAccept',
    to: 'accepting',
    do: ['accept'],
    why: 'the peer offers groups that could start here',
  },
  {
    from: ['offering'],
    on: 'me',
    when: 'peerGoesFirst',
    to: 'accepting',
    do: ['moveFailed', 'accept'],
    why: 'both nodes offer at once: the offer of the daemon, or of the node whose name comes first, counts',
  },
  {
    from: ['offering'],
    on: 'me',
    when: 'weGoFirst',
    to: 'same',
    do: [],
    why: 'both nodes offer at once: the peer drops its offer',
  },
  {
    from: [...talking, 'leaving'],
    on: 'me',
    to: 'same',
    do: ['refuse'],
    why: 'they cannot start here, or another move is in progress',
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
    why: 'the peer’s report shows that it has stopped them: its message is on the way',
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
    do: ['sayDone', 'wishEnded', 'forgetMove'],
    why: 'they run here, or have failed here and are verified to be stopped',
  },
  {
    from: ['joining'],
    on: 'taken',
    when: 'runsHere',
    to: 'joined',
    do: ['awaitRelease'],
    why: 'they run here as well: the peer may stop now',
  },
  {
    from: ['joining'],
    on: 'taken',
    to: 'settled',
    do: ['sayDone', 'wishEnded', 'forgetMove'],
    why: 'they could not start here: the peer keeps serving',
  },
  {
    from: ['joining'],
    on: 'report',
    when: 'reportedGivenUp',
    to: 'taking',
    do: [],
    why: 'the peer had to stop them before they ran here: continue alone',
  },
  {
    from: ['joined'],
    on: 'report',
    when: 'reportedGivenUp',
    to: 'settled',
    do: ['sayDone', 'announce', 'forgetMove'],
    why: 'the peer has stopped them: announce again who serves, and confirm',
  },
  {
    from: ['joining', 'joined'],
    on: 'expired',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'the peer did not stop them in time: the rules for two active nodes decide',
  },
  {
    from: ['joining', 'joined'],
    on: 'refuse',
    when: 'refusesOurAnswer',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'the offer had ended before the answer arrived: the rules for two active nodes decide',
  },
  {
    from: ['greeting', 'settled', 'lending', 'lingering', 'handing', 'handed', 'taking', 'joining', 'joined'],
    on: 'refuse',
    to: 'same',
    do: ['wishFailed'],
    why: 'the peer does not give what was asked for; a move that is decided continues',
  },

  {
    from: ['offering', 'lending', 'lingering'],
    on: 'stalled',
    to: 'settled',
    do: ['moveFailed'],
    why: 'this process was paused for long: the peer may have considered it dead, and its answer no longer counts',
  },
  {
    from: ['accepting', 'joining', 'joined'],
    on: 'stalled',
    to: 'settled',
    do: ['forgetMove', 'wishFailed'],
    why: 'this process was paused for long: the peer may have considered it dead and kept the groups',
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
    why: 'this node is stopping',
  },
  { from: ['leaving'], on: 'stopped', to: 'left', do: ['sayGoodbye'], why: 'everything is stopped' },
  {
    from: ['left'],
    on: 'confirmed',
    to: 'left',
    do: ['halt'],
    why: 'the peer serves what this node gave up, or has had long enough',
  },
  { from: ['left'], on: 'dead', to: 'left', do: ['halt'], why: 'there is no peer to wait for' },
  { from: ['left'], on: 'left', to: 'left', do: ['halt'], why: 'the peer leaves as well' },
]
