import { spawnSync } from 'node:child_process'
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { childOptions, findProgram, lastLines } from './process.ts'
import { randomHex } from './random.ts'

/** The file stays for good: a lock file that is removed can be held by two processes, each with its own copy of the name. */
const lockName = 'lock'

/** `open(2)` of BSD and macOS, and libuv on Windows, lock a file as they open it; Node does not name their flag. */
const openExclusively: Partial<Record<NodeJS.Platform, number>> = {
  darwin: 0x20,
  freebsd: 0x20,
  openbsd: 0x20,
  netbsd: 0x20,
  win32: 0x1000_0000,
}
const lockedErrors: readonly (string | undefined)[] = ['EAGAIN', 'EWOULDBLOCK', 'EBUSY', 'EACCES']

const flockLimitMs = 10_000
/** How long a helper of a killed predecessor may still be writing; this process waits, so it is short. */
const predecessorMs = 1000

/** A lock that is held. */
export interface DirectoryLock {
  /** The open file that it belongs to: a child that inherits it holds the lock too, until it ends. */
  readonly descriptor: number
  /** Gives it back; idempotent. */
  release(): void
}

/**
 * Locks a directory for this process. Waits up to a second for what a predecessor's helper is still writing there.
 *
 * The kernel holds the lock (`flock(2)`), and gives it back itself when this process ends in whatever way. No pid is
 * compared: a pid says nothing across containers, and in each of them the application is pid 1. A lock belongs to the open
 * file, so that the program `flock` can take it on the descriptor that it inherits from us; it ends at once.
 * @throws {HotStandbyError} `HS_STATE_DIRECTORY` naming the process that holds it, or why the directory cannot be locked.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, lockName)
  const refuse = (message: string, cause?: unknown): never => {
    throw new HotStandbyError('HS_STATE_DIRECTORY', `state directory ${directory}: ${message}`, { cause })
  }
  const exclusive = openExclusively[process.platform]
  let descriptor: number
  try {
    descriptor = openSync(path, openFlags | (exclusive ?? 0), 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (exclusive !== undefined && lockedErrors.includes(code)) return refuse(inUse(path))
    return refuse(messageOf(error), error)
  }
  try {
    if (exclusive === undefined && !takenByFlock(descriptor, isOurs(path) ? 0 : predecessorMs)) {
      return refuse(inUse(path))
    }
    noteHolder(descriptor)
  } catch (error) {
    closeSync(descriptor)
    if (error instanceof HotStandbyError) throw error
    return refuse(messageOf(error), error)
  }
  let held = true
  return {
    descriptor,
    release: () => {
      if (held) closeSync(descriptor)
      held = false
    },
  }
}

/** Two containers can have the same host name and the same pid. */
const ourselves = randomHex(8)

const openFlags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** False when another open file still holds the lock after `waitMs`. */
function takenByFlock(descriptor: number, waitMs: number): boolean {
  const flock = findProgram('flock')
  if (flock === null)
    throw new Error("cannot be locked: this host lacks the program 'flock'; install util-linux (or BusyBox)")
  // The short forms of the options: BusyBox knows no others, neither -E nor -w.
  const run = (args: readonly string[], timeout: number) =>
    spawnSync(flock, args, {
      ...childOptions(),
      stdio: ['ignore', 'ignore', 'pipe', descriptor],
      timeout,
      encoding: 'utf8',
    })
  const { status, error, stderr } = run(['-n', '3'], flockLimitMs)
  if (error) throw new Error(`cannot be locked: ${flock}: ${messageOf(error)}`)
  if (status === 0) return true
  const complaint = lastLines(stderr)
  if (status === 1 && complaint === '') return waitMs > 0 && run(['3'], waitMs).status === 0
  throw new Error(`cannot be locked: ${flock} ended with ${status}: ${complaint || 'no reason given'}`)
}

/** For the message that a second process prints; nothing is decided by it. */
function noteHolder(descriptor: number): void {
  try {
    ftruncateSync(descriptor)
    writeSync(descriptor, `${process.pid} ${hostname()} ${ourselves}\n`, 0)
  } catch {
    // A full or read-only disk: the lock itself needs no room.
  }
}

/** Who was noted to hold it. */
function notedHolder(path: string): readonly (string | undefined)[] {
  try {
    return /^(\d{1,10}) ([\w.-]{1,255}) (\w+)\n/.exec(readFileSync(path, 'latin1').slice(0, 300)) ?? []
  } catch {
    // It is locked, which is all that counts.
    return []
  }
}

const isOurs = (path: string): boolean => notedHolder(path)[3] === ourselves

function inUse(path: string): string {
  const [, pid, host] = notedHolder(path)
  const other = pid === undefined ? 'another process' : `process ${pid}${host === hostname() ? '' : ` of ${host}`}`
  return `is in use by ${isOurs(path) ? 'this process itself' : other}; each running node needs its own`
}
