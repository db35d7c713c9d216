import { checkProgram } from './trust.ts'

/**
 * Refuses a script that is not executable, or that somebody with fewer rights could change: see `distrust`.
 * @throws {HotStandbyError} `HS_HOST`.
 */
export function checkScript(path: string): void {
  checkProgram('script', path)
}

/** Would `checkScript` let it pass? */
export function mayRun(path: string): boolean {
  try {
    checkScript(path)
    return true
  } catch {
    return false
  }
}
