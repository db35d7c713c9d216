/** Reports an error unless the same cause was reported within the last second. Building the text waits until it is needed. */
export type LimitedReport = (cause: string, error: () => Error) => void

/**
 * Keeps a repeating failure from flooding whoever listens: each cause passes at most once per second of monotonic time.
 * Causes are few fixed words (`ENETUNREACH`, `send`), never text from outside, so the memory stays small.
 */
export function onceASecond(report: (error: Error) => void): LimitedReport {
  const lastMs = new Map<string, number>()
  return (cause, error) => {
    const nowMs = performance.now()
    if (nowMs - (lastMs.get(cause) ?? Number.NEGATIVE_INFINITY) < 1000) return
    lastMs.set(cause, nowMs)
    report(error())
  }
}
