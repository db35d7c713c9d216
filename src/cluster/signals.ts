import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type { Cluster } from './cluster.ts'

/** Options of {@link handleSignals}. */
export interface HandleSignalsOptions {
  /** The signals that end the member in order. @defaultValue `['SIGTERM', 'SIGINT']` */
  readonly signals?: readonly NodeJS.Signals[] | undefined
  /**
   * Called when the member has ended, with the error of a stop that failed.
   * @defaultValue ends the process: with code 0, or 1 after the error was written to standard error
   */
  readonly onStopped?: ((error: Error | undefined) => void) | undefined
}

const knownOptions: OptionTable<HandleSignalsOptions> = {
  signals: 'texts',
  onStopped: 'function',
}

const endProcess = (error: Error | undefined): void => {
  if (error) console.error(`hot-standby: ${error.message}`)
  process.exit(error ? 1 : 0)
}

/**
 * Makes a deploy a handover instead of a crash: the first SIGTERM or SIGINT stops the cluster, which releases everything in order
 * and lets the peer serve, and then ends the process. Further signals change nothing meanwhile: `npm` passes a Ctrl-C on that the
 * terminal has sent as well. Answers how to take the handlers away.
 *
 * @throws {HotStandbyError} `HS_CONFIG` for an unknown option.
 *
 * @example
 * ```ts
 * import { Cluster, handleSignals, readHaDir } from 'hot-standby'
 *
 * const cluster = new Cluster(readHaDir('/etc/ha.d'))
 * handleSignals(cluster)
 * await cluster.start()
 * ```
 */
export function handleSignals(cluster: Pick<Cluster, 'stop'>, options: HandleSignalsOptions = {}): () => void {
  checkOptionNames('handleSignals', options, knownOptions)
  const { signals = ['SIGTERM', 'SIGINT'], onStopped = endProcess } = options
  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    cluster.stop().then(
      () => onStopped(undefined),
      (error: Error) => onStopped(error),
    )
  }
  for (const signal of signals) process.on(signal, stop)
  return () => {
    for (const signal of signals) process.off(signal, stop)
  }
}
