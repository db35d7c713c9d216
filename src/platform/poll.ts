import { HotStandbyError, messageOf } from '../roles/error.ts'

/**
 * Asks `check` until it answers true, pausing `everyMs` in between. Resolves to false when `limitMs` have passed.
 * @throws {HotStandbyError} `HS_TIMEOUT` when the signal aborts.
 */
export async function pollUntil(
  check: () => boolean | Promise<boolean>,
  { signal, limitMs, everyMs = 5 }: { signal?: AbortSignal | undefined; limitMs: number; everyMs?: number | undefined },
): Promise<boolean> {
  const startMs = performance.now()
  for (;;) {
    if (signal?.aborted) throw new HotStandbyError('HS_TIMEOUT', messageOf(signal.reason), { cause: signal.reason })
    if (await check()) return true
    if (performance.now() - startMs >= limitMs) return false
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
