import { existsSync, linkSync, lstatSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { readPlainFile } from './durable-file.ts'
import { processCommandLine } from './process.ts'
import { randomHex } from './random.ts'

/** Where the file-system standard has the locks of devices, and where some systems have them instead. */
const directories = ['/var/lock', '/run/lock', '/var/spool/lock'] as const

/** Files that this process holds: a file with our pid that is not among them was left by an earlier process of this number. */
const held = new Set<string>()

/** Others write the pid first and link then; a file without one that is older than this was left behind. */
const unfinishedMs = 1000

/**
 * Locks a serial device as UUCP, getty, minicom and heartbeat do: a file `LCK..NAME` that holds the pid in ten digits. Both
 * the path given and the device it leads to are locked. Returns the function that gives the lock back.
 * @throws {HotStandbyError} `HS_TRANSPORT` naming the process that has the device, or why no lock can be made.
 */
export function lockDevice(path: string): () => void {
  const directory = directories.find((name) => existsSync(name)) ?? '/var/lock'
  const names = new Set([path, realpathSync(path)].map((device) => `LCK..${lockName(device)}`))
  const mine: string[] = []
  const release = (): void => {
    for (const file of mine.splice(0)) {
      rmSync(file, { force: true })
      held.delete(file)
    }
  }
  try {
    for (const name of names) {
      const file = join(directory, name)
      take(file, path)
      held.add(file)
      mine.push(file)
    }
  } catch (error) {
    release()
    if (error instanceof HotStandbyError) throw error
    const message = `${path} cannot be locked, so that no other program uses the line: ${messageOf(error)}`
    throw new HotStandbyError('HS_TRANSPORT', message, { cause: error })
  }
  return release
}

/** Heartbeat's rule (st_ttylock.c): what follows `/dev/`, letters and digits only. `/dev/pts/7` is `pts7`. */
function lockName(device: string): string {
  return device.slice('/dev/'.length).replaceAll(/[^A-Za-z0-9]/g, '')
}

function take(file: string, path: string): void {
  const draft = `${file}.${randomHex(6)}`
  writeFileSync(draft, `${String(process.pid).padStart(10)}\n`, { mode: 0o644, flag: 'wx' })
  try {
    for (let tries = 0; !link(draft, file); tries++) {
      const holder = holderOf(file)
      if (holder !== undefined || tries >= 3) throw inUse(path, file, holder)
      removeStale(file)
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Linking a finished file into place is atomic: of two takers one succeeds. */
function link(draft: string, file: string): boolean {
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Pid of the living process that holds a lock; 0 where one is just being made; undefined where nobody holds it. */
function holderOf(file: string): number | undefined {
  let text: string
  let ageMs: number
  try {
    const stat = lstatSync(file)
    // Anybody may put something of that name into the directory; what is no lock file holds nothing.
    text = stat.isFile() ? readPlainFile(file, { limitBytes: 4096, noFollow: true }).toString('latin1') : ''
    ageMs = stat.isFile() ? Date.now() - stat.mtimeMs : unfinishedMs
  } catch {
    return undefined // it was given back just now
  }
  const pid = Number(/^\s*(\d{1,10})\b/.exec(text)?.[1] ?? 0)
  if (pid < 1) return ageMs < unfinishedMs ? 0 : undefined
  if (pid === process.pid) return held.has(file) ? pid : undefined
  return exists(pid) ? pid : undefined
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Takes a dead process's lock away; when it was a living one's after all, made meanwhile, that is put back. */
function removeStale(file: string): void {
  const aside = `${file}.${randomHex(6)}`
  try {
    renameSync(file, aside)
  } catch {
    return // somebody else was quicker
  }
  if (holderOf(aside) !== undefined) link(aside, file)
  rmSync(aside, { force: true })
}

function inUse(path: string, file: string, pid: number | undefined): HotStandbyError {
  const who =
    pid === process.pid
      ? 'another link of this process'
      : pid
        ? `process ${pid} (${processCommandLine(pid)?.slice(0, 60) ?? 'unknown'})`
        : 'another process'
  return new HotStandbyError('HS_TRANSPORT', `${path} is in use by ${who}, says ${file}; a serial line has one user`)
}
