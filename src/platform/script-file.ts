import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs'
import { messageOf } from '../roles/error.ts'
import { findProgram } from './process.ts'
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

/** What a script's file says of it before it is run. */
export interface ScriptOutlook {
  /** What comes before its path when it is run: a file without `#!` is the shell's, as it is for a shell that calls it. */
  readonly prefix: readonly string[]
  /** Why it cannot be executed on this host, and what to do; undefined: it can. */
  readonly problem?: string | undefined
  /**
   * Whether its text has an action `status`. `unclear`: it is no text, or hands its action on to another program.
   */
  readonly status: 'named' | 'absent' | 'unclear'
  /** There is nothing in it to be done. */
  readonly empty: boolean
}

/** So much of a script is looked at. */
const outlookBytes = 262_144

/** Reads how a script will fare: its interpreter, its line ends, its `status`. Runs nothing. */
export function scriptOutlook(path: string): ScriptOutlook {
  let head: Buffer
  try {
    head = readHead(path)
  } catch (error) {
    return { prefix: [], problem: `it cannot be read: ${messageOf(error)}`, status: 'unclear', empty: false }
  }
  const text = head.toString('latin1')
  if (text.startsWith('#!')) return { prefix: [], empty: false, ...interpreterProblem(path, text), ...statusIn(text) }
  if (text.startsWith('\x7fELF')) return { prefix: [], status: 'unclear', empty: false }
  // As bash tells a script from a binary: a NUL before the first line ends.
  if (text.split('\n', 1)[0]?.includes('\0')) {
    return { prefix: [], problem: 'it is neither a program nor a script', status: 'unclear', empty: false }
  }
  return { prefix: ['/bin/sh'], empty: text.trim() === '', ...statusIn(text) }
}

function readHead(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const buffer = Buffer.alloc(outlookBytes)
    return buffer.subarray(0, readSync(file, buffer, 0, outlookBytes, 0))
  } finally {
    closeSync(file)
  }
}

function interpreterProblem(path: string, text: string): { problem?: string } {
  const [line = ''] = text.slice(2).split('\n', 1)
  if (line.endsWith('\r')) {
    return { problem: `its lines end with CR LF, so its interpreter is not found; run sed -i 's/\\r$//' ${path}` }
  }
  const [interpreter = '', ...words] = line.trim().split(/[ \t]+/)
  const lacks = (name: string) => ({
    problem: `its interpreter ${name} is not installed; install it or change its first line`,
  })
  if (!existsSync(interpreter)) return lacks(interpreter === '' ? 'has no name and' : interpreter)
  const [program] = words
  const isLookedUp = interpreter.endsWith('/env') && program !== undefined && /^[\w.+-]*$/.test(program)
  return isLookedUp && !program.startsWith('-') && findProgram(program) === null ? lacks(program) : {}
}

/** Words by which a script may hand its action on, and Debian's interpreter that brings the actions itself. */
const handsOn =
  /^#!.*init-d-script|^[^#\n]*(\$@|\$\*|\b(exec|eval|source)\b|^\s*\.\s|systemctl|["\s]\$\{?1\}?"?\s*(;|$))/m

function statusIn(text: string): Pick<ScriptOutlook, 'status'> {
  const code = text.replaceAll(/^[ \t]*#(?!!).*$/gm, '')
  // A usage line names it only where the script knows it.
  if (/\bstatus\b|\bmonitor\b/i.test(code)) return { status: 'named' }
  return { status: handsOn.test(code) ? 'unclear' : 'absent' }
}

/** The systemd unit of that name that this host has, as `NAME.service`; undefined: it has none. */
export function systemdUnit(name: string): string | undefined {
  const unit = name.endsWith('.service') ? name : `${name}.service`
  const places = ['/etc/systemd/system', '/run/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']
  return places.some((place) => existsSync(`${place}/${unit}`)) ? unit : undefined
}
