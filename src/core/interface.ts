import type { CoreSnapshot } from './snapshot.ts'
import type { Effect, Input, Mark } from './types.ts'

/** A pure state machine: the same inputs always give the same effects. */
export interface Core {
  step(input: Input): Effect[]
  view(): CoreSnapshot
  /** Whether a sealed frame is worth being opened: not seen before. Changes nothing. */
  isNew(mark: Mark): boolean
  /** How many messages so far were the peer's and newer than all that had come over their link: what no replay can be. */
  news(): number
}
