import type { PersistentState } from '../roles/host.ts'
import type { Timers } from './timers.ts'
import type { Emit, EmitEvent } from './types.ts'

/** What could not be written is tried again so much later. */
const retryMs = 1000

/** What the keeper needs and whom it tells. */
export interface StateKeeperPort {
  readonly timers: Timers
  readonly effect: Emit
  readonly event: EmitEvent
  monoMs(): number
  /** What must be remembered now. */
  state(): PersistentState
}

/**
 * Has the state written, again and again until it is: a generation or an epoch that was used and is not remembered would be
 * used a second time by the next run.
 */
export class StateKeeper {
  readonly #port: StateKeeperPort
  #failing = false

  constructor(port: StateKeeperPort) {
    this.#port = port
  }

  save(): void {
    this.#port.effect({ type: 'persist', state: this.#port.state() })
  }

  /** The answer to a `persist`. */
  answered(failed: string | undefined): void {
    const { timers, event, monoMs } = this.#port
    if (failed === undefined) timers.clear('state')
    else {
      if (!this.#failing) event('state:failed', { reason: failed })
      timers.set('state', monoMs() + retryMs, () => this.save())
    }
    this.#failing = failed !== undefined
  }
}
