/** What is known when a look at a resource did not show that it runs. */
export interface FailedLook {
  /** `failed`: it was seen that it does not run, or runs badly. `unknown`: it could not be looked at, or no answer came in time. */
  readonly evidence: 'failed' | 'unknown'
  /** How many looks in a row have shown nothing, this one included. */
  readonly unknownLooks: number
  readonly maintained: boolean
  /** The peer is there and could take the group. */
  readonly peerCouldTake: boolean
  /** It may be restarted in place within the window once more. */
  readonly restartsLeft: boolean
}

/** What follows: look again, restart in place, let the peer try, try again here, or only tell. */
export type FailedAction = 'look' | 'restart' | 'move' | 'retry' | 'none'

/** So many looks in a row may show nothing before the peer, where it could take the group, is trusted more than a silent agent. */
export const unknownLooksMax = 3

/** What becomes of a resource that was not seen to run: the first row that holds. Only what was seen to have failed is stopped at once. */
export const failedResourceTable: readonly {
  readonly id: string
  readonly when: (look: FailedLook) => boolean
  readonly action: FailedAction
  readonly why: string
}[] = [
  { id: 'F1', when: ({ maintained }) => maintained, action: 'none', why: 'maintenance: nothing is touched' },
  {
    id: 'F2',
    when: ({ evidence, unknownLooks }) => evidence === 'unknown' && unknownLooks < unknownLooksMax,
    action: 'look',
    why: 'no answer is not a failure: check again',
  },
  {
    id: 'F3',
    when: ({ evidence, peerCouldTake }) => evidence === 'unknown' && !peerCouldTake,
    action: 'look',
    why: 'the peer cannot serve it, and it may be running: keep checking',
  },
  { id: 'F4', when: ({ restartsLeft }) => restartsLeft, action: 'restart', why: 'a restart in place is left' },
  { id: 'F5', when: ({ peerCouldTake }) => peerCouldTake, action: 'move', why: 'the peer could take the group' },
  { id: 'F6', when: () => true, action: 'retry', why: 'the peer cannot serve it: retry here' },
]

export function failedAction(look: FailedLook): FailedAction {
  return failedResourceTable.find(({ when }) => when(look))?.action ?? 'retry'
}
