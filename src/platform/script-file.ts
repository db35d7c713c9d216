import { accessSync, constants, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { HotStandbyError } from '../roles/error.ts'

/**
 * Refuses a script that somebody with fewer rights could change: it and every directory above it must belong to root (or,
 * without root, to root or this user) and be writable by nobody else; a sticky directory such as /tmp will do. Same rule as
 * keepalived's `enable_script_security`.
 * @throws {HotStandbyError} `HS_HOST`.
 */
export function checkScript(path: string): void {
  const refuse = (message: string): never => {
    throw new HotStandbyError('HS_HOST', `script ${path}: ${message}`)
  }
  if (!isAbsolute(path)) refuse('is not an absolute path')
  let real = ''
  try {
    real = realpathSync(path)
  } catch {
    refuse('does not exist')
  }
  const stat = statSync(real)
  if (!stat.isFile()) refuse('is not a regular file')
  const self = process.geteuid?.() ?? stat.uid
  const changeable = writableByOthers(stat, self)
  if (changeable) refuse(`${changeable}; whoever can write it would run programs as user ${self}`)
  for (let directory = dirname(real); ; directory = dirname(directory)) {
    const above = statSync(directory)
    const problem = above.mode & 0o1000 ? null : writableByOthers(above, self)
    if (problem) refuse(`its directory ${directory} ${problem}; whoever can write there could replace it`)
    if (directory === dirname(directory)) break
  }
  try {
    accessSync(real, constants.X_OK)
  } catch {
    refuse(`is not executable (mode ${octal(stat)}); run chmod 755 ${path}`)
  }
}

function writableByOthers(stat: Stats, self: number): string | null {
  if (stat.uid !== 0 && stat.uid !== self) return `belongs to user ${stat.uid}`
  return stat.mode & 0o022 ? `has mode ${octal(stat)}` : null
}

function octal(stat: Stats): string {
  return (stat.mode & 0o7777).toString(8).padStart(4, '0')
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
