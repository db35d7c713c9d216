import { beats } from '../timing.ts'

/** `hsecho`: the newest message of ours that the peer has, and how long it has had it. */
export interface Echo {
  readonly seq: number
  readonly ageMs: number
}

/** Reads `SEQ:AGE`. */
export function parseEcho(echo: string | undefined): Echo | undefined {
  const match = echo === undefined ? null : /^([0-9a-f]{1,13}):(\d{1,12})$/.exec(echo)
  return match ? { seq: Number.parseInt(match[1] as string, 16), ageMs: Number(match[2]) } : undefined
}

/** A message of a peer that was called dead. `ageMs`: the time since we sent what it answers, less what it says it waited. */
export interface Belated {
  readonly seq: number
  readonly ageMs: number | undefined
  readonly monoMs: number
}

/**
 * Tells messages of a peer thought dead that prove life in the past only (S11): what was sent before something that had been
 * heard by then, or answers nothing that we sent within the dead time. What was held up in the network comes all at once; a
 * living peer goes on.
 */
export class PastMessages {
  #highestAtDeath = 0
  /** Since when only messages come that were sent long ago. */
  #sinceMs: number | undefined

  died(highestHeard: number): void {
    this.#highestAtDeath = highestHeard
    this.#sinceMs = undefined
  }

  isPast({ seq, ageMs, monoMs }: Belated, deadtimeMs: number, keepaliveMs: number): boolean {
    if (seq <= this.#highestAtDeath) return true
    if (ageMs === undefined) return this.#sinceMs !== undefined
    if (ageMs <= deadtimeMs) return false
    this.#sinceMs ??= monoMs
    return monoMs - this.#sinceMs < beats.heldUp * keepaliveMs
  }
}
