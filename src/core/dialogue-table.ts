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
  canJoin: 'both nodes have them as make-before-break, we hold none of them, and none has failed here',
  canAccept: 'we hold none of the groups, and none has failed here',
  canGive: 'we serve at least one of the groups',
  peerJoins: 'the answer names the groups that we offered, and the peer serves them before we stop',
  namesOurMove: 'the answer names the groups that we offered',
  peerGoesFirst: 'we could accept, and the peer is a daemon or comes first in the order of the nodes’ names',
  offersCrossed: 'the daemon answers the offer that we have dropped for its own',
  weGoFirst: 'the peer is of our kind, and we come first in the order of the nodes’ names',
  givenUp: 'the peer claims none of the groups any more',
  reportedGivenUp:
    'the peer is of our kind, and claims none of the groups any more (a daemon reports so before it stops them)',
  peerServesIt: 'the peer reports that it serves all of the groups',
  peerCannot: 'the peer reports that one of the groups cannot run there',
  runsHere: 'all of the groups run here',
  refusesOurAnswer: 'it is our answer to the offer that is refused',
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
  | 'hush'
  | 'lend'
  | 'linger'
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
    when: 'peerJoins',
    to: 'lending',
    do: ['hush', 'lend'],
    why: 'the peer starts them beside us: go on serving until it does',
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
    why: 'the daemon had taken our offer first, and ignores its own: it must not wait for ours in vain',
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
  {
    from: ['lending'],
    on: 'report',
    when: 'peerServesIt',
    to: 'lingering',
    do: ['linger'],
    why: 'the peer serves them and announces them: answer on until its announcement has arrived everywhere',
  },
  {
    from: ['lending', 'lingering'],
    on: 'report',
    when: 'peerCannot',
    to: 'settled',
    do: ['moveFailed'],
    why: 'the peer could not start them, or lost them again: go on here',
  },
  {
    from: ['lingering'],
    on: 'expired',
    to: 'handing',
    do: ['yieldGroups'],
    why: 'every neighbour knows: now stop here',
  },
  { from: ['lending'], on: 'expired', to: 'settled', do: ['moveFailed'], why: 'the peer did not start them in time' },
  {
    from: ['lending', 'lingering'],
    on: 'released',
    to: 'handed',
    do: ['sayDone'],
    why: 'they stopped here for another reason: the peer goes on alone',
  },
  { from: ['handing'], on: 'released', to: 'handed', do: ['sayDone'], why: 'everything is verifiably stopped here' },
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
    why: 'the peer wants to give groups that may run on both for a moment: start them beside it',
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
    why: 'both offer at once: a daemon, or the one that comes first by name, goes on',
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
    do: ['sayDone', 'wishEnded', 'forgetMove'],
    why: 'they run here, or have failed here and are verifiably gone',
  },
  {
    from: ['joining'],
    on: 'taken',
    when: 'runsHere',
    to: 'joined',
    do: ['awaitRelease'],
    why: 'they run here, beside the peer’s: it may stop now',
  },
  {
    from: ['joining'],
    on: 'taken',
    to: 'settled',
    do: ['sayDone', 'wishEnded', 'forgetMove'],
    why: 'they could not start here: the peer goes on serving',
  },
  {
    from: ['joining'],
    on: 'report',
    when: 'reportedGivenUp',
    to: 'taking',
    do: [],
    why: 'the peer had to stop them before they ran here: go on alone',
  },
  {
    from: ['joined'],
    on: 'report',
    when: 'reportedGivenUp',
    to: 'settled',
    do: ['sayDone', 'announce', 'forgetMove'],
    why: 'the peer has stopped them: say once more who serves, and that it is done',
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
    why: 'the offer had ended before our answer came: the rules for two active nodes decide',
  },
  {
    from: ['greeting', 'settled', 'lending', 'lingering', 'handing', 'handed', 'taking', 'joining', 'joined'],
    on: 'refuse',
    to: 'same',
    do: ['wishFailed'],
    why: 'the peer does not give what we asked for; a move that is decided goes on',
  },

  {
    from: ['offering', 'lending', 'lingering'],
    on: 'stalled',
    to: 'settled',
    do: ['moveFailed'],
    why: 'this process did not run for long: the peer may have thought it dead, and its answer means nothing any more',
  },
  {
    from: ['accepting', 'joining', 'joined'],
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
