import { badValue, quoted } from './problems.ts'

/** The words for what `hot-standby run` does when a resource can neither be stopped nor cut off. */
const words = ['exit', 'none', 'reboot'] as const

/**
 * Checks what `onFatal` says: `exit` (ends with code 1), `none` (stays, silent), `reboot` (restarts the host at once, as a
 * heartbeat daemon does), or the full path of a program.
 * @throws {HotStandbyError} `HS_CONFIG` for anything else.
 */
export function checkFatalAction(action: string): string {
  if (words.some((word) => word === action) || /^\/\S+$/.test(action)) return action
  throw badValue(`must be one of ${words.join(', ')} or the full path of a program, got ${quoted(action)}`)
}
