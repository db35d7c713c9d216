import type { NodePhase } from '../events.ts'
import { type DialogueEvent, nodePhases, talking } from './table.ts'

// What the dialogue table says nothing about, and why: together with its rows it covers every phase and event.

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
    because: 'its groups become free one by one; its good-bye follows',
  },
  {
    from: ['listening', 'alone'],
    on: ['starting', 'me', 'other', 'done', 'refuse', 'takeover', 'peer-stops'],
    because: 'it is late, from before the peer’s death or good-bye',
  },
  {
    from: ['lending', 'lingering', 'joining', 'joined'],
    on: ['done'],
    because: 'what counts is the report of the groups, which came before it or follows',
  },
  {
    from: ['greeting', 'settled', 'offering', 'handing', 'accepting', 'taking', 'leaving'],
    on: ['done'],
    because: 'late: the move it belongs to has ended; or, while accepting, it belongs to an earlier one',
  },
  {
    from: ['leaving'],
    on: ['heard', 'restarted', 'left', 'dead', 'initdead', 'refuse'],
    because: 'everything stops here first; the peer takes what becomes free',
  },
  {
    from: ['listening', 'greeting', 'settled', 'handing', 'handed', 'taking', 'alone', 'leaving', 'left'],
    on: ['stalled'],
    because: 'each group decides for itself; no agreed move is open here',
  },
  {
    from: ['left'],
    on: ['heard', 'restarted', 'initdead', 'starting', 'me', 'other', 'done', 'refuse', 'takeover', 'peer-stops'],
    because: 'this node has said good-bye and holds nothing',
  },
]

/** Phases that end with a limit when the peer does not answer. */
const waiting: readonly NodePhase[] = ['offering', 'lending', 'lingering', 'handed', 'accepting', 'joining', 'joined']

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
    from: nodePhases.filter((phase) => !['lending', 'lingering', 'handing'].includes(phase)),
    on: ['released'],
    because: 'it is the end of the phase `handing`, or of the two before it',
  },
  {
    from: nodePhases.filter((phase) => phase !== 'taking' && phase !== 'joining'),
    on: ['taken'],
    because: 'it is the end of the phase `taking`, or of `joining`',
  },
  {
    from: nodePhases.filter((phase) => !waiting.includes(phase)),
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
