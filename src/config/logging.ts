import { type ClosableLogger, combineLoggers, createFileLogger, createSyslogLogger } from '../platform/syslog.ts'
import type { HotStandbyError } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import type { LoggingOptions } from './ha-cf-draft.ts'

/**
 * The loggers that the log directives of a configuration ask for, together with `also`. What cannot be written is told to
 * `onProblem` and stops nothing.
 */
export function openLoggers(
  { file, debugFile, facility, debug }: LoggingOptions,
  also: readonly Logger[],
  onProblem: (error: HotStandbyError) => void,
): { readonly logger: Logger; close(): Promise<void> } {
  const opened: ClosableLogger[] = []
  if (file !== undefined) opened.push(createFileLogger(file, { onProblem }))
  if (debugFile !== undefined) opened.push(createFileLogger(debugFile, { debug: true, onProblem }))
  if (facility !== undefined) opened.push(createSyslogLogger(facility, { debug: debug > 0, onProblem }))
  return {
    logger: combineLoggers(...opened, ...also),
    async close() {
      for (const logger of opened) await logger.close()
    },
  }
}
