import { lastLines, type RunResult } from '../platform/process.ts'

/** What one answer of `status` tells. `unknown` proves nothing, neither a start nor a stop. */
export interface ScriptState {
  readonly state: 'running' | 'stopped' | 'dead' | 'unknown'
  readonly reason: string
}

/**
 * Heartbeat's rule (`we_own_resource` of its ResourceManager): standard output holds `running` or `Running` without an earlier
 * `not ` (any case), or `OK`. The exit code does not matter.
 */
export function heartbeatScriptState(output: string): 'running' | 'stopped' {
  const not = output.search(/not /i)
  if (not >= 0 && /[Rr]unning/.test(output.slice(not + 4))) return 'stopped'
  return /[Rr]unning|OK/.test(output) ? 'running' : 'stopped'
}

/** Exit codes of `status` (Linux Standard Base 5.0, "Init Script Actions"). */
const lsbStates: Readonly<Record<number, ScriptState>> = {
  0: { state: 'running', reason: '' },
  1: { state: 'dead', reason: 'it is dead, and its pid file exists (exit code 1)' },
  2: { state: 'dead', reason: 'it is dead, and its lock file exists (exit code 2)' },
  3: { state: 'stopped', reason: 'it is not running (exit code 3)' },
}

/** The exit code alone, as the Linux Standard Base has it. */
export function lsbScriptState({ exitCode, signal }: RunResult): ScriptState {
  const known = exitCode === null ? undefined : lsbStates[exitCode]
  return known ?? { state: 'unknown', reason: `its status is unknown (exit code ${exitCode ?? signal})` }
}

/** An answer without Heartbeat's words denies when it holds one of these. */
const denials = /\b(stopped|inactive|dead|unused|not active|down)\b/i

/**
 * Learns what the answers of one script's `status` are worth. Words decide, as Heartbeat has them. Where there are none, an exit
 * code of 0 says running if the script had another answer before it was started. If the answer is the same before and after a start,
 * it says nothing: then the start and the stop are all there is to know.
 */
export class ScriptWitness {
  /** By what the script can be judged, once that is known. */
  #judgedBy: 'words' | 'code' | 'nothing' | undefined
  /** Its answer before the last start. */
  #idle: RunResult | undefined
  /** It was seen to say anything but running. */
  #canDeny = false
  readonly #hasAction: () => boolean

  /** @param hasAction Does the script's text have a `status`? */
  constructor(hasAction: () => boolean) {
    this.#hasAction = hasAction
  }

  /** Its answers say nothing. */
  get isBlind(): boolean {
    return this.#judgedBy === 'nothing'
  }

  /** It has never said anything but running, so that this says nothing. */
  get neverDenied(): boolean {
    return !this.#canDeny
  }

  /** Before a start: does it run already? Words alone tell; an exit code of 0 may be all that it ever says. */
  runsAlready(look: RunResult): boolean {
    this.#idle = look
    return this.#words(look)
  }

  /** After a start that ended with success: true, it runs or nobody can tell; false, it says that it does not, so far. */
  confirms(look: RunResult): boolean {
    if (this.#words(look)) return true
    if (look.exitCode === 0 && !this.#isAsBefore(look)) {
      this.#judgedBy = 'code'
      return true
    }
    const says = !this.#isAsBefore(look) || denies(look) || this.#isRefusal(look)
    if (!says) this.#judgedBy = 'nothing'
    return !says
  }

  /** How it is while it should run. */
  now(look: RunResult): ScriptState {
    if (this.#words(look) || this.isBlind) return { state: 'running', reason: '' }
    if (look.exitCode === 0 && this.#judgedBy !== 'words') return { state: 'running', reason: '' }
    const { stdout, exitCode, signal } = look
    const said = lastLines(stdout, 1).slice(0, 200)
    const reason = `status printed '${said}' and ended with ${exitCode === null ? signal : `exit code ${exitCode}`}`
    return { state: said === '' && isBroken(look) ? 'unknown' : 'stopped', reason }
  }

  /** After a stop: it does not say that it runs. */
  confirmsStop(look: RunResult): boolean {
    if (this.#words(look)) return false
    return this.#judgedBy !== 'code' || look.exitCode !== 0
  }

  #words(look: RunResult): boolean {
    const running = heartbeatScriptState(look.stdout) === 'running'
    if (running) this.#judgedBy = 'words'
    else this.#canDeny = true
    return running
  }

  #isAsBefore({ exitCode, signal }: RunResult): boolean {
    return this.#idle?.exitCode === exitCode && this.#idle.signal === signal
  }

  /** A code other than 0 is a denial only of a script that has a `status`. */
  #isRefusal(look: RunResult): boolean {
    if (look.exitCode === 0 || isBroken(look)) return false
    return this.#hasAction() && !/usage/i.test(look.stdout + look.stderr)
  }
}

function denies({ stdout }: RunResult): boolean {
  return /not .*running/is.test(stdout.slice(0, 4096)) || denials.test(stdout)
}

/** The script did not come to its end, or what it calls is not there (the shell's 126 and 127). */
function isBroken({ exitCode }: RunResult): boolean {
  return exitCode === null || exitCode >= 126
}
