import type { GroupState } from '../events.ts'
import { groupStates, type OwnershipEvent } from './table.ts'

// What the ownership table says nothing about, and why: together with its rows it covers every state and event.

/** Pairs in which nothing is to be done, each with its reason. */
export const ownershipIdle: readonly {
  readonly from: readonly GroupState[]
  readonly on: readonly OwnershipEvent[]
  readonly because: string
}[] = [
  {
    from: groupStates,
    on: ['peer-unknown', 'peer-gone', 'peer-free', 'peer-holds', 'peer-unclear'],
    because: 'the situation is reported again and again; where no row holds, it changes nothing',
  },
  {
    from: ['candidate', 'starting', 'active', 'probation', 'stopping', 'stuck'],
    on: ['grant'],
    because: 'this node has it, is just taking it, or is still giving it up',
  },
  {
    from: ['unknown', 'standby', 'candidate', 'starting', 'probation', 'stopping', 'stuck'],
    on: ['hold-down-cleared'],
    because: 'there is no pause that could be cut short',
  },
  {
    from: ['unknown', 'standby', 'failed', 'stopping'],
    on: ['yield', 'leave'],
    because: 'this node does not have it, or is already giving it up',
  },
  {
    from: ['candidate'],
    on: ['yield', 'stalled', 'prepared'],
    because: 'nothing of it runs here; the lease decides, whatever the time',
  },
  {
    from: ['stopping', 'stuck'],
    on: ['lease-lost'],
    because: 'it is being given up already, and is kept from others for as long as the store lets it',
  },
  { from: ['stuck'], on: ['yield'], because: 'it is given up as soon as it stops' },
  {
    from: ['unknown', 'standby', 'failed', 'stopping', 'stuck'],
    on: ['isolated', 'stalled'],
    because: 'it does not run here, or is already being stopped',
  },
  {
    from: ['starting', 'active', 'probation'],
    on: ['isolated'],
    because: 'the policy is to continue, or the group is in maintenance',
  },
  {
    from: groupStates.filter((state) => state !== 'active'),
    on: ['resumed'],
    because: 'nothing runs that would need repair; the situation of the peer is reported separately',
  },
  { from: ['probation'], on: ['retry', 'cut-off'], because: 'the peer must answer first' },
]

/**
 * Pairs that cannot occur, each with the reason. An operation's outcome reaches the table only while the job that asked for it
 * is still the group's latest, and every row that leaves a state begins another job or has ended its own.
 */
export const ownershipImpossible: readonly {
  readonly from: readonly GroupState[]
  readonly on: readonly OwnershipEvent[]
  readonly because: string
}[] = [
  { from: except('candidate'), on: ['permitted'], because: 'only a candidate waits for permission' },
  {
    from: except('starting', 'active', 'probation', 'stopping', 'stuck'),
    on: ['lease-lost'],
    because: 'a lease is held only while something of the group may run here',
  },
  { from: except('starting'), on: ['started', 'start-failed'], because: 'a start belongs to the state `starting`' },
  { from: except('stopping'), on: ['stopped'], because: 'a stop belongs to the state `stopping`' },
  {
    from: except('starting', 'active', 'stopping'),
    on: ['stop-failed'],
    because: 'nothing is stopped in the other states',
  },
  {
    from: except('probation', 'stuck'),
    on: ['cut-off', 'cut-failed'],
    because: 'a cut is reported in the states that wait for it',
  },
  { from: except('active'), on: ['restored', 'broken'], because: 'resources are watched while they serve' },
  {
    from: except('unknown', 'standby', 'candidate', 'failed'),
    on: ['prepared', 'unprepared'],
    because: 'every other state began with another job',
  },
  {
    from: ['unknown'],
    on: ['prepared', 'unprepared'],
    because: 'nothing is asked before the peer’s situation is known',
  },
  { from: except('probation'), on: ['silence'], because: 'the question ends with the state' },
  {
    from: except('standby', 'failed', 'active', 'probation', 'stuck'),
    on: ['retry'],
    because: 'starting and stopping clear the timer',
  },
]

function except(...states: readonly GroupState[]): GroupState[] {
  return groupStates.filter((state) => !states.includes(state))
}
