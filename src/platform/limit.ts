import { longestTimerMs } from '../roles/duration.ts'
import { HotStandbyError } from '../roles/error.ts'

/**
 * Waits for `work`, but not longer than `limitMs`; what was begun goes on.
 * @throws {HotStandbyError} `HS_TIMEOUT` when the time is over.
 */
export async function withinLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    const message = `not finished after ${limitMs} ms`
    timer = setTimeout(() => reject(new HotStandbyError('HS_TIMEOUT', message)), Math.min(limitMs, longestTimerMs))
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waits for `work`, or until the signal aborts; what was begun goes on.
 * @throws {HotStandbyError} `HS_TIMEOUT` with `message` when the signal aborts first.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new HotStandbyError('HS_TIMEOUT', message, { cause: signal.reason }))
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
