const signals = ['SIGTERM', 'SIGINT'] as const

/** Nothing has begun, so there is nothing to stop. */
const end = (): never => process.exit(0)

/** From now on a signal ends the process with 0. This module imports nothing, so that it is the first to run. */
export function holdSignals(): void {
  for (const signal of signals) process.on(signal, end)
}

/** The member has handlers of its own. */
export function releaseSignals(): void {
  for (const signal of signals) process.off(signal, end)
}
