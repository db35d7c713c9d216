import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs'
import { isAbsolute, join, resolve, sep } from 'node:path'
import { HotStandbyError, type HotStandbyErrorCode, messageOf } from '../roles/error.ts'

/** As the kernel has it: more links than that are a circle. */
const linksMax = 40

/**
 * Why `path` must not be executed or believed with the rights of user `as`: somebody else could change it, or put another file in
 * its place. Undefined: nobody could. Every link is followed as the kernel follows it; the file, each directory and each link on
 * the way must belong to root or to `as` and be writable by nobody else. A group that has no other member is nobody else, and a
 * directory with the sticky bit, such as /tmp, will do for what belongs to root or `as`.
 * @throws what `lstat` throws when something on the way is missing.
 */
export function distrust(path: string, as: number = self()): string | undefined {
  const rest = resolve(path).split(sep).filter(Boolean)
  let at: string = sep
  let shared = false
  let links = 0
  for (;;) {
    const stat = lstatSync(at)
    const isLink = stat.isSymbolicLink()
    const where =
      at === resolve(path) ? '' : `${isLink ? 'the link' : stat.isDirectory() ? 'its directory' : 'the file'} ${at} `
    const isForeign = stat.uid !== 0 && stat.uid !== as
    // The owner of a link cannot change it where the directory is not his; in a sticky directory he can.
    if (isForeign && (!isLink || shared))
      return `${where}belongs to user ${stat.uid}, who could change it; run chown ${isLink ? '-h ' : ''}root ${at}`
    const writers = isLink ? undefined : writersOf(stat, as)
    const sticky = stat.isDirectory() && (stat.mode & 0o1000) !== 0
    if (writers !== undefined && !sticky) {
      const right = stat.mode & 0o002 ? 'go-w' : 'g-w'
      return `${where}has mode ${octal(stat)}, so that ${writers} could change it; run chmod ${right} ${at}`
    }
    shared = writers !== undefined
    if (isLink) {
      if (++links > linksMax) return `${at} leads in a circle of links`
      const target = readlinkSync(at)
      rest.unshift(...resolve(at, '..', target).split(sep).filter(Boolean))
      at = sep
      shared = false
      continue
    }
    const next = rest.shift()
    if (next === undefined) return undefined
    at = join(at, next)
  }
}

/** Who besides root and `as` may write; undefined: nobody. */
function writersOf(stat: Stats, as: number): string | undefined {
  if (stat.mode & 0o002) return 'everybody'
  if (!(stat.mode & 0o020) || stat.gid === 0) return undefined
  const members = membersOf(stat.gid, as)
  if (members === undefined) return `group ${stat.gid}`
  return members.length === 0 ? undefined : `group ${stat.gid} (${members.slice(0, 3).join(', ')})`
}

/** The users of a group of this host, without root and `as`; undefined where the host's files do not know the group. */
function membersOf(gid: number, as: number): string[] | undefined {
  try {
    const rows = (file: string) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    const group = rows('/etc/group').find(([, , id]) => id === String(gid))
    if (!group) return undefined
    const users = rows('/etc/passwd')
    const trusted = users.flatMap(([name = '', , uid]) => (uid === '0' || uid === String(as) ? [name] : []))
    const primary = users.flatMap(([name = '', , , id]) => (id === String(gid) ? [name] : []))
    const listed = (group[3] ?? '').split(',').filter(Boolean)
    return [...new Set([...primary, ...listed])].filter((name) => !trusted.includes(name))
  } catch {
    return undefined
  }
}

/**
 * Refuses a path that somebody with fewer rights could change, see {@link distrust}.
 * @throws {HotStandbyError} `code`, saying what was found, where, and what would mend it.
 */
export function checkTrusted(
  what: string,
  path: string,
  { as = self(), code = 'HS_HOST' }: { as?: number | undefined; code?: HotStandbyErrorCode } = {},
): void {
  let problem: string | undefined
  try {
    problem = distrust(path, as)
  } catch (error) {
    // Whoever opens it says that it is not there.
    if (isAbsence(error)) return
    problem = messageOf(error)
  }
  if (problem !== undefined) throw new HotStandbyError(code, `${what} ${path}: ${problem}`)
}

/**
 * Where a file that this process writes really lies. A link of another user on the way could lead to any file of this host, and a
 * file that somebody else has put into a directory of everybody's would show him what is written to it.
 * @throws {Error} saying which of them stands in the way.
 */
export function placeOfOwn(path: string): string {
  const rest = resolve(path).split(sep).filter(Boolean)
  let at: string = sep
  let directory = lstatSync(at)
  for (let links = 0; ; ) {
    const next = rest.shift()
    if (next === undefined) return at
    const place = join(at, next)
    const stat = lstatSync(place, { throwIfNoEntry: false })
    if (!stat) return join(place, ...rest)
    const isForeign = stat.uid !== 0 && stat.uid !== self()
    if (stat.isSymbolicLink()) {
      if (isForeign) throw new Error(`${place} is a link of user ${stat.uid}; links of others are not followed`)
      if (++links > linksMax) throw new Error(`${place} leads in a circle of links`)
      rest.unshift(...resolve(at, readlinkSync(place)).split(sep).filter(Boolean))
      at = sep
      directory = lstatSync(at)
      continue
    }
    if (stat.isFile() && isForeign && directory.mode & 0o002)
      throw new Error(`${place} belongs to user ${stat.uid}, in a directory of everybody's; nothing is written to it`)
    at = place
    directory = stat
  }
}

/** As many interpreters as the kernel follows: one may be a script itself. */
const interpretersMax = 4

/**
 * Refuses a program that must not be run as user `as`: somebody with fewer rights could change it, or the interpreter that its
 * first line names. Says nothing of whether it is there.
 * @throws {HotStandbyError} `HS_HOST`.
 */
export function checkExecuted(what: string, path: string, as?: number | undefined): void {
  checkTrusted(what, path, { as })
  let at = path
  for (let depth = 0; depth < interpretersMax; depth++) {
    const interpreter = interpreterOf(at)
    if (interpreter === undefined) return
    checkTrusted(`${what} ${path}: its interpreter`, interpreter, { as })
    at = interpreter
  }
}

/** What the kernel runs in the place of a file that begins with `#!`; undefined where it runs the file itself. */
function interpreterOf(path: string): string | undefined {
  const head = Buffer.alloc(256)
  let length = 0
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      length = readSync(file, head, 0, head.length, 0)
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined // Whoever runs it says why that cannot be.
  }
  const found = /^#![ \t]*([^\s\0]+)/.exec(head.toString('latin1', 0, length))?.[1]
  // As the kernel has it: from the working directory, which is / for whatever is run here.
  return found === undefined ? undefined : resolve(sep, found)
}

/**
 * Refuses a program that must not be run as user `as`: not there, not a file, not executable, or open to somebody with fewer
 * rights, as its interpreter may be.
 * @throws {HotStandbyError} `HS_HOST`.
 */
export function checkProgram(what: string, path: string, as?: number | undefined): void {
  const refuse = (message: string): never => {
    throw new HotStandbyError('HS_HOST', `${what} ${path}: ${message}`)
  }
  if (!isAbsolute(path)) refuse('is not an absolute path')
  checkExecuted(what, path, as)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) refuse('does not exist')
  if (!stat?.isFile()) refuse('is not a regular file')
  try {
    accessSync(path, constants.X_OK)
  } catch {
    refuse(`is not executable (mode ${octal(statSync(path))}); run chmod 755 ${path}`)
  }
}

function self(): number {
  return process.geteuid?.() ?? 0
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function octal(stat: Stats): string {
  return (stat.mode & 0o7777).toString(8).padStart(4, '0')
}
