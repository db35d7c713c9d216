import type { Logger } from '../roles/logger.ts'
import { printable, printableFields } from '../roles/printable.ts'

/** A logger that harms nobody, whatever the application's own does: throw, or answer a promise that rejects. */
export function guardLogger(logger: Logger): Logger {
  const guarded =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const result: unknown = logger[level](printableFields(fields), printable(message))
        if (result instanceof Promise) result.catch(() => {})
      } catch {
        // There is nowhere left to tell it.
      }
    }
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}
