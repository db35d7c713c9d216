import type { Age } from './dating.ts'

/** What the peer says is believed up to this age, in dead times. */
const provenWithin = 10

/** Whether what this run of the peer says is said now, as far as its newest message shows (S13). */
export class Proof {
  /** It stamps what it sends. */
  #stamps = false
  /** Since when nothing shows it; whether that was told. */
  #missing: { readonly sinceMs: number; readonly told: boolean } | undefined

  /** A new run. */
  reset(): void {
    this.#stamps = false
    this.#missing = undefined
  }

  /** Takes a message in, of a known age or without a stamp. Undefined: it shows nothing either way. */
  judge(age: Age | undefined, nowMs: number, deadtimeMs: number): boolean | undefined {
    if (age === undefined) return this.#stamps ? undefined : true
    this.#stamps = true
    const proven = age.nominalMs <= provenWithin * deadtimeMs
    if (proven) this.#missing = undefined
    else this.#missing ??= { sinceMs: nowMs, told: false }
    return proven
  }

  /** For how long it has been missing, once that is worth telling; then not again. */
  missingForMs(nowMs: number, deadtimeMs: number): number | undefined {
    if (this.#missing === undefined || this.#missing.told) return undefined
    const forMs = nowMs - this.#missing.sinceMs
    if (forMs < deadtimeMs) return undefined
    this.#missing = { ...this.#missing, told: true }
    return forMs
  }
}
