import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  /** What is waited for, as it shall stand in the error: `the slave serves`. */
  readonly what: string
  /** Default 10 s. */
  readonly withinMs?: number
  /** Default 20 ms. */
  readonly everyMs?: number
  /** The state to show when it did not happen; default: what the condition gave last. */
  readonly seen?: () => unknown
}

/**
 * Waits until the condition gives something true, and returns it. A condition that throws has not been met yet.
 * Throws with the state seen last.
 */
export const waitFor = async <T>(
  condition: () => T | Promise<T>,
  { what, withinMs = 10_000, everyMs = 20, seen }: WaitOptions,
): Promise<NonNullable<T>> => {
  const untilMs = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() >= untilMs) break
    await sleep(everyMs)
  }
  const state = seen ? seen() : last
  const shown = state instanceof Error ? state.message : JSON.stringify(state)
  throw new Error(`not within ${withinMs} ms: ${what}; last seen: ${shown}`)
}
