import type { Timers } from '../timers.ts'

/** Announcements after a takeover, in milliseconds after it; then one a minute for the neighbours that slept. */
const announceAfterMs = [100, 500, 1000, 2000, 5000, 10_000] as const
const announceEveryMs = 60_000

/** Plans the repeated announcements of one group: now that it serves, again soon, then once a minute. */
export class Announcements {
  readonly #port: { readonly timers: Timers; monoMs(): number }
  readonly #key: string

  constructor(port: { readonly timers: Timers; monoMs(): number }, group: string) {
    this.#port = port
    this.#key = `announce:${group}`
  }

  begin(announce: () => void): void {
    const beganMs = this.#port.monoMs()
    const plan = (round: number) => {
      const atMs = beganMs + (announceAfterMs[round] ?? 0)
      const nextMs = round < announceAfterMs.length ? atMs : this.#port.monoMs() + announceEveryMs
      this.#port.timers.set(this.#key, nextMs, () => {
        announce()
        plan(round + 1)
      })
    }
    plan(0)
  }

  end(): void {
    this.#port.timers.clear(this.#key)
  }
}
