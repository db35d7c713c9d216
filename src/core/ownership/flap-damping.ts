import type { Reason } from '../events.ts'

/** Reasons of a taking that is a sign of unrest: nobody asked for it, and somebody had the group before. */
const unrest: readonly Reason[] = ['peer-dead', 'peer-left', 'failback', 'connectivity', 'resource-failed']

const windowMs = 600_000
/** So many automatic takings within the window are borne without a pause. */
const borne = 2
/** The longest hold-down. */
const holdDownMaxMs = 600_000

/**
 * Flap damping of one group (docs/groups.md): from the third automatic taking within ten minutes on, moves that could as well
 * wait (a failback, giving up for the richer node) wait for the hold-down, which doubles with every further one, up to ten
 * minutes. Taking over from a dead peer never waits. A command ends it.
 */
export class Damping {
  #takenMs: number[] = []

  /** The group was taken. */
  taken(reason: Reason, nowMs: number): void {
    if (reason === 'command') this.clear()
    else if (unrest.includes(reason))
      this.#takenMs = [...this.#takenMs.filter((atMs) => atMs > nowMs - windowMs), nowMs]
  }

  /** An operator has decided: what was before counts no more. */
  clear(): void {
    this.#takenMs = []
  }

  /** Automatic takings within the window. */
  count(nowMs: number): number {
    return this.#takenMs.filter((atMs) => atMs > nowMs - windowMs).length
  }

  /** The hold-down as it stands: the configured one, or longer when the group does not come to rest. */
  holdDownMs(nowMs: number, configuredMs: number): number {
    const over = this.count(nowMs) - borne
    if (over <= 0) return configuredMs
    return Math.max(configuredMs, Math.min(configuredMs * 2 ** Math.min(over - 1, 30), holdDownMaxMs))
  }

  /** Until when a move that could as well wait has to; the past when it may begin. */
  heldUntilMs(configuredMs: number): number {
    const lastMs = this.#takenMs.at(-1)
    if (lastMs === undefined || this.count(lastMs) <= borne) return Number.NEGATIVE_INFINITY
    return lastMs + this.holdDownMs(lastMs, configuredMs)
  }
}
