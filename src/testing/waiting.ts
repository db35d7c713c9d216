import { check } from './assert.ts'

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until the condition holds; fails after `limitMs` naming `what`. */
export async function until(
  condition: () => boolean,
  limitMs: number,
  what: string = String(condition),
): Promise<void> {
  const startMs = performance.now()
  while (!condition()) {
    check(performance.now() - startMs < limitMs, `not within ${limitMs} ms: ${what}`)
    await pause(2)
  }
}
