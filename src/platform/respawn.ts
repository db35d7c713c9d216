import { type ChildProcess, spawn } from 'node:child_process'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { pollUntil } from './poll.ts'
import {
  asIdentity,
  childOptions,
  identityOf,
  type ProcessIdentity,
  signalGroup,
  spawnError,
  stillLives,
  type UserIds,
} from './process.ts'
import { checkExecuted } from './trust.ts'
import { lookUpUser } from './user.ts'

/** A program to keep alive. */
export interface RespawnProgram {
  readonly user?: string | undefined
  /** Absolute path. */
  readonly command: string
  readonly args: readonly string[]
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** What happens to a kept program. */
export type RespawnEvent =
  | { readonly type: 'started'; readonly command: string; readonly pid: number }
  | {
      readonly type: 'exited'
      readonly command: string
      readonly exitCode: number | null
      readonly signal: string | null
      readonly restarting: boolean
    }
  /** It will not be started again: it exited with 100, died too often too fast, or cannot be started at all. */
  | { readonly type: 'given-up'; readonly command: string; readonly reason: string }

/** Circumstances of {@link respawn}. The limits are Heartbeat's; tests shorten them. */
export interface RespawnContext {
  /** Environment of the programs (`HA_…`), added to `PATH` and `LC_ALL`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  onEvent(event: RespawnEvent): void
  /** Writes down what runs, so that a restart after a crash ends it; see `leftover`. */
  remember?(record: Readonly<Record<string, unknown>> | null): void
  /** What a killed predecessor had written down: those programs are ended first, so that none runs twice. */
  readonly leftover?: Readonly<Record<string, unknown>> | null | undefined
  /** A program that lived shorter died fast. Default 30 s. */
  readonly fastDeathMs?: number | undefined
  /** Time between SIGTERM and SIGKILL at the stop. Default 5 s. */
  readonly killAfterMs?: number | undefined
}

/** Exit code by which a program says that it does not want to be started again (Heartbeat: ipfail in legacy mode). */
const exitForGood = 100
/** More fast deaths than this in a row, and a program is given up. */
const maxFastDeaths = 10
/** Keeps a program that dies at once from taking the processor; ten deaths still take only a second. */
const restartDelayMs = 100

/**
 * Keeps programs alive as Heartbeat's `respawn` does: started in order; restarted when they end, unless with exit code 100
 * or after more than ten lives shorter than 30 s in a row. `stop()` ends them in reverse order. Trouble is an event, never
 * an exception.
 */
export async function respawn(
  programs: readonly RespawnProgram[],
  context: RespawnContext,
): Promise<{ stop(): Promise<void> }> {
  const killAfterMs = context.killAfterMs ?? 5000
  const leftover = context.leftover?.['processes']
  if (Array.isArray(leftover))
    await endProcesses(
      leftover.flatMap((entry) => asIdentity(entry) ?? []),
      killAfterMs,
    )

  const kept = programs.map((program) => new KeptProgram(program, context, () => rememberAll()))
  const rememberAll = (): void => {
    const processes = kept.flatMap((program) => program.identity ?? [])
    context.remember?.(processes.length === 0 ? null : { processes })
  }
  for (const program of kept) await program.start()
  rememberAll()
  return {
    async stop() {
      for (const program of kept.toReversed()) await program.stop(killAfterMs)
      rememberAll()
    },
  }
}

async function endProcesses(identities: readonly ProcessIdentity[], killAfterMs: number): Promise<void> {
  for (const identity of identities) {
    if (!stillLives(identity)) continue
    signalGroup(identity.pid, 'SIGTERM')
    if (await pollUntil(() => !stillLives(identity), { limitMs: killAfterMs, everyMs: 20 })) continue
    signalGroup(identity.pid, 'SIGKILL')
    await pollUntil(() => !stillLives(identity), { limitMs: killAfterMs, everyMs: 20 })
  }
}

class KeptProgram {
  readonly #program: RespawnProgram
  readonly #context: RespawnContext
  readonly #onChange: () => void
  #user: UserIds | undefined
  #child: ChildProcess | null = null
  #startedMs = 0
  #fastDeaths = 0
  #stopping = false
  #restart: NodeJS.Timeout | undefined
  identity: ProcessIdentity | null = null

  constructor(program: RespawnProgram, context: RespawnContext, onChange: () => void) {
    this.#program = program
    this.#context = context
    this.#onChange = onChange
  }

  async start(): Promise<void> {
    const { user } = this.#program
    try {
      if (user !== undefined) this.#user = await otherUser(user)
    } catch (error) {
      this.#giveUp(messageOf(error))
      return
    }
    this.#spawn()
  }

  async stop(killAfterMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    const child = this.#child
    if (!child?.pid) return
    const { pid } = child
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
    })
    signalGroup(pid, 'SIGTERM')
    const kill = setTimeout(() => signalGroup(pid, 'SIGKILL'), killAfterMs)
    await gone
    clearTimeout(kill)
  }

  #spawn(): void {
    const { command, args } = this.#program
    this.#startedMs = performance.now()
    let child: ChildProcess
    try {
      checkExecuted('program', command, this.#user?.uid)
      child = spawn(command, args, {
        ...childOptions({ ...this.#context.env, ...this.#program.env }, this.#user),
        stdio: 'ignore',
      })
    } catch (error) {
      this.#giveUp(messageOf(error instanceof HotStandbyError ? error : spawnError(command, error)))
      return
    }
    child.once('error', (error) => {
      if (child.pid === undefined) this.#giveUp(messageOf(spawnError(command, error)))
    })
    if (child.pid === undefined) return
    this.#child = child
    this.identity = identityOf(child.pid)
    child.once('exit', (exitCode, signal) => this.#exited(exitCode, signal))
    this.#emit({ type: 'started', command, pid: child.pid })
  }

  #exited(exitCode: number | null, signal: string | null): void {
    const { command } = this.#program
    const fastDeathMs = this.#context.fastDeathMs ?? 30_000
    this.#child = null
    this.identity = null
    this.#fastDeaths = performance.now() - this.#startedMs < fastDeathMs ? this.#fastDeaths + 1 : 0
    const reason = this.#reasonToEnd(exitCode, fastDeathMs)
    const restarting = !this.#stopping && reason === null
    this.#emit({ type: 'exited', command, exitCode, signal, restarting })
    if (this.#stopping) return
    if (reason !== null) {
      this.#giveUp(reason)
      this.#onChange()
      return
    }
    this.#restart = setTimeout(() => {
      this.#spawn()
      this.#onChange()
    }, restartDelayMs)
  }

  #reasonToEnd(exitCode: number | null, fastDeathMs: number): string | null {
    if (exitCode === exitForGood) return `it exited with ${exitForGood}: it does not want to run`
    if (this.#fastDeaths <= maxFastDeaths) return null
    return `it died ${this.#fastDeaths} times in a row within ${fastDeathMs} ms of its start`
  }

  #giveUp(reason: string): void {
    this.#emit({ type: 'given-up', command: this.#program.command, reason })
  }

  #emit(event: RespawnEvent): void {
    this.#context.onEvent(event)
  }
}

/** Undefined when the process is that user already: then nothing has to be changed, and no privilege is needed. */
async function otherUser(name: string): Promise<UserIds | undefined> {
  const ids = await lookUpUser(name)
  return ids.uid === process.getuid?.() ? undefined : ids
}
