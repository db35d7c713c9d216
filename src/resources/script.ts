import { pollUntil } from '../platform/poll.ts'
import { lastLines, type RunResult, runProgram } from '../platform/process.ts'
import { checkScript, scriptOutlook } from '../platform/script-file.ts'
import { HotStandbyError, type HotStandbyErrorCode, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
  ResourceTimes,
} from '../roles/resource-agent.ts'
import { addressOfScript, withAddresses } from './carried.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'
import { lsbScriptState, ScriptWitness } from './script-witness.ts'

/** Options of {@link script}. */
export interface ScriptOptions extends ResourceTimeOptions {
  /** Arguments before `start`, `stop` or `status`, as `Script::arg1::arg2` gives them in haresources. */
  readonly args?: readonly string[] | undefined
  /**
   * How the script says whether it runs. `'heartbeat'`: by what `status` prints and, where that says nothing, by its exit code if
   * that differs from the one before the start. `'lsb'`: by its exit code alone.
   * @defaultValue `'heartbeat'`
   */
  readonly dialect?: 'heartbeat' | 'lsb' | undefined
  /** Added to its environment, which is otherwise `PATH`, `LC_ALL`, what Heartbeat gives its scripts, and the group's epoch. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

const knownOptions: OptionTable<ScriptOptions> = {
  ...timeOptions,
  args: 'texts',
  dialect: 'any',
  env: 'map',
}

/** Exit codes of every other action (Linux Standard Base 5.0, "Init Script Actions"). */
const lsbCodes: Readonly<Record<number, readonly [meaning: string, code: HotStandbyErrorCode]>> = {
  1: ['it failed', 'HS_RESOURCE'],
  2: ['its arguments are wrong', 'HS_CONFIG'],
  3: ['it does not know this action', 'HS_RESOURCE'],
  4: ['it lacks a permission', 'HS_HOST'],
  5: ['its program is not installed', 'HS_HOST'],
  6: ['its program is not configured', 'HS_HOST'],
  7: ['its program is not running', 'HS_RESOURCE'],
}

/** How long after an exit code of 0 `status` may still tell the old state: daemons take a moment to come and to go. */
const settleMs = 2000
/** The same for a script that was never seen to say anything but running. */
const doubtMs = 10_000
/** One look after a stop may take so long. */
const lookAfterStopMs = 5000

/**
 * A script with `start`, `stop` and `status`: Heartbeat's resource.d or an LSB init script. What it says is checked: after a
 * start its `status` must not deny, after a stop it must not say running. A script whose `status` says nothing is found out; its
 * exit codes are believed then. With `statusInterval: '0s'` it is never asked.
 * @throws {HotStandbyError} `HS_CONFIG` for a path that is not absolute.
 */
export function script(path: string, options: ScriptOptions = {}): ResourcePlugin {
  checkOptionNames('script', options, knownOptions)
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw optionError('script', `'${path}' is not an absolute path`)
  const args = [...(options.args ?? [])]
  const dialect = options.dialect ?? 'heartbeat'
  if (dialect !== 'heartbeat' && dialect !== 'lsb') {
    throw optionError('script.dialect', `'${String(dialect)}' is neither 'heartbeat' nor 'lsb'`)
  }
  const file = path.slice(path.lastIndexOf('/') + 1)
  const times = resourceTimes('script', options, {
    startTimeout: '60s',
    stopTimeout: '60s',
    statusTimeout: '20s',
    statusInterval: '10s',
  })
  const plugin: ResourcePlugin = {
    kind: 'resource',
    settings: { path, args, dialect, env: options.env },
    type: 'script',
    name: `script:${[file, ...args].join('::')}`,
    times,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new ScriptAgent(path, args, dialect, { ...options.env }, times, context),
  }
  return withAddresses(plugin, addressOfScript(file, args))
}

class ScriptAgent implements ResourceAgent {
  readonly #path: string
  readonly #args: readonly string[]
  readonly #dialect: 'heartbeat' | 'lsb'
  readonly #env: Readonly<Record<string, string>>
  readonly #times: ResourceTimes
  readonly #context: ResourceContext
  readonly #witness: ScriptWitness
  /** What was last asked of it with success; all there is to tell without a `status`. */
  #started = false
  /** A start was run, or found done, and no stop has been verified since. */
  #touched: boolean

  constructor(
    path: string,
    args: readonly string[],
    dialect: 'heartbeat' | 'lsb',
    env: Readonly<Record<string, string>>,
    times: ResourceTimes,
    context: ResourceContext,
  ) {
    this.#path = path
    this.#args = args
    this.#dialect = dialect
    this.#env = env
    this.#times = times
    this.#context = context
    this.#touched = context.leftover !== null
    this.#witness = new ScriptWitness(() => scriptOutlook(path).status !== 'absent')
  }

  async open(): Promise<void> {
    checkScript(this.#path)
    const { leftover } = this.#context
    if (leftover?.['script'] !== this.#path) return
    await this.stop({ epoch: 0, signal: AbortSignal.timeout(this.#times.stopMs) })
  }

  async prepare(): Promise<void> {
    this.#command()
  }

  async start(context: OperationContext): Promise<void> {
    this.#command()
    if (this.#hasStatus && (await this.#runsAlready(context))) {
      this.#started = true
      this.#touched = true
      return
    }
    this.#touched = true
    this.#context.remember({ script: this.#path, args: this.#args })
    const result = await this.#run('start', context)
    if (result.exitCode !== 0) throw this.#failure('start', result)
    if (!(await this.#settles(context, settleMs, (look) => this.#confirms(look)))) {
      throw new HotStandbyError(
        'HS_RESOURCE',
        `${this.#path} start ended with success, yet its status does not say running; ` +
          "mend its status, or give it statusInterval: '0s' if it has none",
      )
    }
    this.#started = true
    if (this.#witness.isBlind) {
      this.#context.logger.info(
        { script: this.#path },
        `status of ${this.#path} says nothing: the exit codes of its start and stop are believed`,
      )
    }
  }

  async stop(context: OperationContext): Promise<void> {
    // A script that cannot be run cannot say that it is stopped; what it never started needs no stop.
    if (!this.#touched && !this.#isRunnable()) return
    const result = await this.#run('stop', context)
    if (!(await this.#isStopped(result, context))) {
      throw result.exitCode === 0
        ? new HotStandbyError('HS_RESOURCE', `${this.#path} stop ended with success, yet it still runs by its status`)
        : this.#failure('stop', result)
    }
    this.#started = false
    this.#touched = false
    this.#context.remember(null)
  }

  async status(context: OperationContext): Promise<ResourceStatus> {
    if (!this.#hasStatus) return { state: this.#started ? 'running' : 'stopped' }
    if (!this.#started) return this.#idleStatus(context)
    let look: RunResult
    try {
      look = await this.#run('status', context)
    } catch (error) {
      if (context.signal.aborted) throw error
      return { state: 'unknown', reason: messageOf(error) }
    }
    const { state, reason } = this.#dialect === 'lsb' ? lsbScriptState(look) : this.#witness.now(look)
    if (state === 'running') return { state }
    return { state: state === 'unknown' ? state : 'failed', reason: `${this.#path}: ${reason}` }
  }

  inspect(): Readonly<Record<string, unknown>> {
    const blind = this.#witness.isBlind ? { status: 'says nothing' } : {}
    return { path: this.#path, args: this.#args, dialect: this.#dialect, ...blind }
  }

  /** False: the script's `status` means nothing, as its options say. */
  get #hasStatus(): boolean {
    return this.#times.intervalMs > 0
  }

  async #idleStatus(context: OperationContext): Promise<ResourceStatus> {
    const look = await this.#run('status', context)
    if (this.#dialect === 'heartbeat') return { state: this.#witness.runsAlready(look) ? 'running' : 'stopped' }
    const { state, reason } = lsbScriptState(look)
    if (state === 'running' || state === 'stopped') return { state }
    return { state: state === 'unknown' ? state : 'failed', reason: `${this.#path}: ${reason}` }
  }

  async #runsAlready(context: OperationContext): Promise<boolean> {
    const look = await this.#look(context, this.#times.statusMs)
    return this.#dialect === 'lsb' ? lsbScriptState(look).state === 'running' : this.#witness.runsAlready(look)
  }

  #confirms(look: RunResult): boolean {
    return this.#dialect === 'lsb' ? lsbScriptState(look).state === 'running' : this.#witness.confirms(look)
  }

  /** LSB: stopping what does not run is a success. Scripts that see it otherwise are believed when status agrees. */
  async #isStopped(result: RunResult, context: OperationContext): Promise<boolean> {
    const succeeded = result.exitCode === 0
    if (!this.#hasStatus) return succeeded
    // Heartbeat would take it for stopped. What was started and would not stop could then run twice.
    if (this.#witness.isBlind) return succeeded || !this.#started
    const isDown = (look: RunResult): boolean => {
      if (this.#dialect === 'heartbeat') return this.#witness.confirmsStop(look)
      return ['stopped', 'dead'].includes(lsbScriptState(look).state)
    }
    const doubtful = this.#dialect === 'heartbeat' && succeeded && this.#witness.neverDenied
    const limitMs = doubtful ? Math.min(doubtMs, this.#times.stopMs / 2) : settleMs
    try {
      if (await this.#settles(context, limitMs, isDown, Math.min(lookAfterStopMs, this.#times.stopMs / 4))) return true
    } catch (error) {
      if (context.signal.aborted || !succeeded) throw error
      this.#warn(`cannot be looked at after its stop, which ended with success and is believed: ${messageOf(error)}`)
      return true
    }
    if (!doubtful || !this.#witness.neverDenied) return false
    this.#warn('has never said anything but running; its stop ended with success and is believed, as by Heartbeat')
    return true
  }

  #warn(message: string): void {
    this.#context.logger.warn({ script: this.#path }, `${this.#path} ${message}`)
  }

  async #settles(
    context: OperationContext,
    limitMs: number,
    isRight: (look: RunResult) => boolean,
    lookMs = this.#times.statusMs,
  ): Promise<boolean> {
    if (!this.#hasStatus) return true
    const check = async (): Promise<boolean> => isRight(await this.#look(context, lookMs))
    return pollUntil(check, { signal: context.signal, limitMs, everyMs: 100 })
  }

  /** One `status` with a limit of its own: a look that hangs must not use up the time of a start or a stop. */
  async #look({ epoch, signal }: OperationContext, limitMs: number): Promise<RunResult> {
    const limit = AbortSignal.timeout(Math.ceil(limitMs))
    return this.#run('status', { epoch, signal: AbortSignal.any([signal, limit]) })
  }

  /**
   * What comes before the script's path when it is run.
   * @throws {HotStandbyError} `HS_AGENT_NOT_RUNNABLE`: it cannot be executed, so nothing of it was begun.
   */
  #command(): readonly string[] {
    try {
      checkScript(this.#path)
    } catch (error) {
      throw new HotStandbyError('HS_AGENT_NOT_RUNNABLE', messageOf(error), { cause: error })
    }
    const { prefix, problem } = scriptOutlook(this.#path)
    if (problem === undefined) return prefix
    throw new HotStandbyError('HS_AGENT_NOT_RUNNABLE', `script ${this.#path} cannot be executed: ${problem}`)
  }

  #isRunnable(): boolean {
    try {
      this.#command()
      return true
    } catch {
      return false
    }
  }

  /** As `#command`; what was begun and cannot be executed any more is not to be taken for never begun. */
  #runnable(): readonly string[] {
    try {
      return this.#command()
    } catch (error) {
      if (!this.#touched) throw error
      throw new HotStandbyError('HS_HOST', messageOf(error), { cause: error })
    }
  }

  async #run(verb: 'start' | 'stop' | 'status', { signal, epoch }: OperationContext): Promise<RunResult> {
    const [file, ...before] = [...this.#runnable(), this.#path]
    const result = await runProgram({
      file: file as string,
      args: [...before, ...this.#args, verb],
      signal,
      // A start that nobody waits for any more could come up while the peer serves already.
      diesWithUs: verb === 'start',
      // What Heartbeat's ResourceManager gives its scripts; the epoch is ours.
      env: {
        // Debian's resource.d takes `status` for the OCF monitor, and that of Delay sleeps half a minute unless told otherwise.
        OCF_RESKEY_mondelay: '0',
        ...this.#env,
        HA_CURHOST: this.#context.self,
        HA_DIR: '/etc/ha.d',
        HA_FUNCS: '/etc/ha.d/shellfuncs',
        HOT_STANDBY_GROUP: this.#context.group,
        HOT_STANDBY_EPOCH: String(epoch),
      },
    })
    const { exitCode, stdout, stderr } = result
    this.#context.logger.debug({ script: this.#path, verb, exitCode, stdout, stderr }, `${this.#path} ${verb} ended`)
    return result
  }

  #failure(verb: string, { exitCode, signal, stdout, stderr }: RunResult): HotStandbyError {
    const said = lastLines(stderr) || lastLines(stdout) || 'it printed nothing'
    const known = this.#dialect === 'lsb' && exitCode !== null ? lsbCodes[exitCode] : undefined
    const [meaning, code] = known ?? ['', 'HS_RESOURCE' as const]
    const ended = `ended with exit code ${exitCode}${meaning === '' ? '' : ` (${meaning})`}`
    const how = exitCode === null ? `was ended by ${signal}` : ended
    return new HotStandbyError(code, `${this.#path} ${[...this.#args, verb].join(' ')} ${how}: ${said}`)
  }
}
