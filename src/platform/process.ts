import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Readable } from 'node:stream'
import { longestTimerMs } from '../roles/duration.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { readPlainFile } from './durable-file.ts'
import { checkExecuted } from './trust.ts'

/** The only places in which programs are looked for, and the `PATH` they are given. */
export const programPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Absolute path of the first executable of that name in {@link programPath}, or null. */
export function findProgram(name: string): string | null {
  for (const directory of programPath.split(':')) {
    const file = join(directory, name)
    try {
      accessSync(file, constants.X_OK)
      if (statSync(file).isFile()) return file
    } catch {
      // Not here: the next directory.
    }
  }
  return null
}

/** A user as the kernel knows it. */
export interface UserIds {
  readonly uid: number
  readonly gid: number
}

/** One run of one program. */
export interface RunOptions {
  /** Absolute path. It is never looked up and never given to a shell. */
  readonly file: string
  readonly args?: readonly string[] | undefined
  /** Added to an environment that is otherwise built from nothing (`PATH`, `LC_ALL=C`). */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Limit of the run. Default: none; use it or `signal`. */
  readonly timeoutMs?: number | undefined
  /** Ends the run, with everything in its process group. */
  readonly signal?: AbortSignal | undefined
  /** Kept of each output; the rest is read and thrown away. Default: 64 KiB. */
  readonly maxOutputBytes?: number | undefined
  /** Runs as this user, without supplementary groups. */
  readonly user?: UserIds | undefined
  /**
   * When this process dies before the program has ended, by `kill -9` too, the program and all of its process group die with it.
   * For what must not go on when nobody is there any more to stop it.
   */
  readonly diesWithUs?: boolean | undefined
}

/** How a program ended. */
export interface RunResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** True when output was longer than `maxOutputBytes`. */
  readonly truncated: boolean
}

/** Time between SIGTERM and SIGKILL of a run that is to end. */
const killAfterMs = 500
/** A daemon that keeps its parent's output open must not keep the parent's run open: this long is waited after the exit. */
const pipeGraceMs = 10

/**
 * Runs the words after it while fd 3 is open at the other end; its end is SIGKILL for the whole group. A signal that ends the
 * program ends the shell too. The trap keeps the shell until the program has gone, and is not inherited by it.
 */
const lifelineScript = `trap : TERM INT HUP
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
"$@" 3<&-
status=$?
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
trap - TERM INT HUP
# 128 + SIGSTOP is an exit code like any other; the signal would stop this shell for ever.
[ $status -gt 128 ] && [ $status -ne 147 ] && kill -$((status - 128)) $$ 2>/dev/null
exit $status`

/** Options of every child: no shell, no inherited environment, no working directory in use, a process group of its own. */
export function childOptions(env: Readonly<Record<string, string>> = {}, user?: UserIds): SpawnOptions {
  return {
    cwd: '/',
    detached: true,
    env: { PATH: programPath, LC_ALL: 'C', ...env },
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  }
}

/** Why a program could not be started, as an error with its code. */
export function spawnError(file: string, error: unknown): HotStandbyError {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const exists = statSync(file, { throwIfNoEntry: false }) !== undefined
  const host: Record<string, string> = {
    ENOENT: exists ? `${file}: the interpreter named in its first line does not exist` : `${file}: no such program`,
    ENOTDIR: `${file}: no such program`,
    EACCES: `${file}: this user may not execute it`,
    EPERM: `${file}: the system does not permit to run it as that user`,
    ENOEXEC: `${file}: not a program that this host can execute`,
  }
  const known = host[code]
  if (known) return new HotStandbyError('HS_HOST', known, { cause: error })
  return new HotStandbyError('HS_RESOURCE', `${file}: cannot be started: ${messageOf(error)}`, { cause: error })
}

/** Sends a signal to a whole process group; false when it has no member left. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pgid, signal)
    return true
  } catch {
    return false
  }
}

/** Sends a signal to one process; false when there is none, or when it is not ours to signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/** Collects a stream up to a limit, and goes on reading what comes after it. */
class Collector {
  readonly #limit: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  truncated = false

  constructor(stream: Readable, limit: number) {
    this.#limit = limit
    stream.on('data', (chunk: Buffer) => this.#add(chunk))
    // A reset pipe is the end of the output, nothing more.
    stream.on('error', () => {})
  }

  #add(chunk: Buffer): void {
    const room = this.#limit - this.#bytes
    if (chunk.length > room) this.truncated = true
    if (room <= 0) return
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.#chunks.push(kept)
    this.#bytes += kept.length
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

/**
 * Runs a program to its end. It gets no input, an environment of `PATH` and `LC_ALL=C` plus what is given, `/` as working
 * directory and a process group of its own. What it leaves in the background lives on, unless the run is aborted: then the
 * group gets SIGTERM, after 500 ms SIGKILL, and the promise rejects when the program has gone.
 * @throws {HotStandbyError} `HS_HOST`: no such program, or no permission. `HS_TIMEOUT`: over `timeoutMs`, or aborted.
 * `HS_RESOURCE`: the system could not start it (no memory, no processes left).
 */
export function runProgram(options: RunOptions): Promise<RunResult> {
  const { file, args = [], signal, timeoutMs, maxOutputBytes = 65_536 } = options
  if (!isAbsolute(file)) {
    return Promise.reject(
      new HotStandbyError('HS_HOST', `'${file}' is not an absolute path; programs are never looked up`),
    )
  }
  if (signal?.aborted) return Promise.reject(aborted(file, signal))

  return new Promise((resolve, reject) => {
    let child: ChildProcess
    try {
      checkExecuted('program', file, options.user?.uid)
      const settings = childOptions(options.env, options.user)
      // The shell would only say 127.
      if (options.diesWithUs) accessSync(file, constants.X_OK)
      child = options.diesWithUs
        ? spawn('/bin/sh', ['-c', lifelineScript, 'sh', file, ...args], {
            ...settings,
            stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
          })
        : spawn(file, args, { ...settings, stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      reject(error instanceof HotStandbyError ? error : spawnError(file, error))
      return
    }
    const [out, err] = [child.stdout as Readable, child.stderr as Readable]
    const stdout = new Collector(out, maxOutputBytes)
    const stderr = new Collector(err, maxOutputBytes)
    let ending: HotStandbyError | null = null
    let killTimer: NodeJS.Timeout | undefined

    const end = (reason: HotStandbyError): void => {
      if (ending || child.pid === undefined) return
      ending = reason
      const { pid } = child
      signalGroup(pid, 'SIGTERM')
      killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), killAfterMs)
    }
    const limit =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => end(overLimit(file, timeoutMs)), Math.min(timeoutMs, longestTimerMs))
    const onAbort = (): void => end(aborted(file, signal as AbortSignal))
    signal?.addEventListener('abort', onAbort, { once: true })

    const settle = (finish: () => void): void => {
      clearTimeout(limit)
      clearTimeout(killTimer)
      signal?.removeEventListener('abort', onAbort)
      child.stdio[3]?.destroy()
      // Whoever still holds the pipe may go on writing; that keeps nobody waiting.
      for (const stream of [out, err]) (stream as Readable & { unref?(): void }).unref?.()
      finish()
    }

    child.once('error', (error) => {
      if (child.pid === undefined) settle(() => reject(spawnError(file, error)))
    })
    child.once('exit', (exitCode, exitSignal) => {
      if (ending) {
        const reason = ending
        // The leader has gone; what it started in its group goes too.
        signalGroup(child.pid as number, 'SIGKILL')
        settle(() => reject(reason))
        return
      }
      let settled = false
      const finish = (): void => {
        if (settled) return
        settled = true
        settle(() =>
          resolve({
            exitCode,
            signal: exitSignal,
            stdout: stdout.text(),
            stderr: stderr.text(),
            truncated: stdout.truncated || stderr.truncated,
          }),
        )
      }
      child.once('close', finish)
      // One more turn after the timer, so that a late timer does not win over output that is already there.
      setTimeout(() => setImmediate(finish), pipeGraceMs)
    })
  })
}

function overLimit(file: string, timeoutMs: number): HotStandbyError {
  return new HotStandbyError('HS_TIMEOUT', `${file} did not end within ${timeoutMs} ms and was killed`)
}

function aborted(file: string, signal: AbortSignal): HotStandbyError {
  return new HotStandbyError('HS_TIMEOUT', `${file} was ended before it was done: ${messageOf(signal.reason)}`, {
    cause: signal.reason,
  })
}

/** The last non-empty lines of a program's output, for error messages. */
export function lastLines(text: string, count = 3): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .slice(-count)
    .join('; ')
}

/** What /proc/PID/stat says of a process (proc(5)). */
export interface ProcessStat {
  readonly pid: number
  /** `R`, `S`, `D`, `Z`, … */
  readonly state: string
  readonly parent: number
  readonly group: number
  /** Start, in clock ticks since boot: tells two users of one pid apart. */
  readonly startTime: string
}

/** Reads /proc/PID/stat; null when there is no such process (or no /proc). */
export function processStat(pid: number): ProcessStat | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The name, field 2, may hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, parent, group] = fields
  const startTime = fields[19]
  if (state === undefined || startTime === undefined) return null
  return { pid, state, parent: Number(parent), group: Number(group), startTime }
}

/** States of what has ended already: kill(2) and /proc/PID still find it. */
const corpse = 'ZXx'

/** State letter of a process, or null when there is none. `Z` is a zombie: it has ended. */
export function processState(pid: number): string | null {
  return processStat(pid)?.state ?? null
}

/** True when the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  const state = processState(pid)
  return state !== null && !corpse.includes(state)
}

/**
 * The living processes of a group, and the children of its leader. A pid is not given away again while a group bears its number,
 * so what a killed leader left behind can still be found by it.
 */
export function processFamily(leader: number): readonly ProcessStat[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const all = pids.flatMap((pid) => processStat(Number(pid)) ?? [])
  const related = all.filter(({ pid, group, parent }) => pid === leader || group === leader || parent === leader)
  return related.filter(({ state }) => !corpse.includes(state))
}

/** Arguments of a process as it shows them, or null. */
export function processCommandLine(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return null
  }
}

/** The pid in a pid file; null when it is missing, empty or holds no pid. */
export function readPidFile(path: string): number | null {
  let text: string
  try {
    text = readPlainFile(path, { limitBytes: 4096 }).toString('utf8').slice(0, 32).trim()
  } catch {
    return null
  }
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0
  return pid > 1 ? pid : null
}

/** A process that cannot be mistaken for a later one with the same pid, nor for one of an earlier boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
  readonly bootId: string
}

/** A name of this boot of the host; empty where there is none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Identity of a living process, or null. Where there is no /proc, the pid alone must do. */
export function identityOf(pid: number): ProcessIdentity | null {
  const stat = processStat(pid)
  if (stat) return corpse.includes(stat.state) ? null : { pid, startTime: stat.startTime, bootId: bootId() }
  if (processStat(process.pid)) return null
  try {
    process.kill(pid, 0)
    return { pid, startTime: '', bootId: '' }
  } catch {
    return null
  }
}

/** Does the process that was written down still live? */
export function stillLives(identity: ProcessIdentity): boolean {
  const now = identityOf(identity.pid)
  return now !== null && now.startTime === identity.startTime && now.bootId === identity.bootId
}

/** An identity read back from a file, or null when it is none. */
export function asIdentity(value: unknown): ProcessIdentity | null {
  const { pid, startTime, bootId: boot } = (value ?? {}) as Partial<ProcessIdentity>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 1) return null
  return typeof startTime === 'string' && typeof boot === 'string' ? { pid, startTime, bootId: boot } : null
}
