import { pollUntil } from '../platform/poll.ts'
import { lastLines, type RunResult, runProgram } from '../platform/process.ts'
import { checkScript, mayRun } from '../platform/script-file.ts'
import { HotStandbyError, type HotStandbyErrorCode } from '../roles/error.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
  ResourceTimes,
} from '../roles/resource-agent.ts'
import { addressOfScript, withAddresses } from './carried.ts'
import { optionError, type ResourceTimeOptions, resourceTimes } from './options.ts'

/** Options of {@link script}. */
export interface ScriptOptions extends ResourceTimeOptions {
  /** Arguments before `start`, `stop` or `status`, as `Script::arg1::arg2` gives them in haresources. */
  readonly args?: readonly string[] | undefined
  /**
   * How the script says whether it runs. `'heartbeat'`: by what `status` prints. `'lsb'`: by its exit code.
   * @defaultValue `'heartbeat'`
   */
  readonly dialect?: 'heartbeat' | 'lsb' | undefined
  /** Added to its environment, which is otherwise `PATH`, `LC_ALL`, what Heartbeat gives its scripts, and the group's epoch. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** The script's word for how it is. `unknown` proves nothing, neither a start nor a stop. */
type ScriptState = { readonly state: 'running' | 'stopped' | 'dead' | 'unknown'; readonly reason: string }

/**
 * Heartbeat's rule (`we_own_resource` of its ResourceManager): standard output holds `running` or `Running` without an earlier
 * `not ` (any case), or `OK`. The exit code does not matter.
 */
export function heartbeatScriptState(output: string): 'running' | 'stopped' {
  if (/[Nn][Oo][Tt] .*[Rr]unning/s.test(output)) return 'stopped'
  return /[Rr]unning|OK/.test(output) ? 'running' : 'stopped'
}

/** Exit codes of `status` (Linux Standard Base 5.0, "Init Script Actions"). */
const lsbStates: Readonly<Record<number, ScriptState>> = {
  0: { state: 'running', reason: '' },
  1: { state: 'dead', reason: 'it is dead, and its pid file exists (exit code 1)' },
  2: { state: 'dead', reason: 'it is dead, and its lock file exists (exit code 2)' },
  3: { state: 'stopped', reason: 'it is not running (exit code 3)' },
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

/**
 * A script with `start`, `stop` and `status`: Heartbeat's resource.d or an LSB init script. What it says is checked: after a
 * start its `status` must say running, after a stop it must not. A script that has no usable `status` gets
 * `statusInterval: '0s'`; then its exit codes are believed.
 * @throws {HotStandbyError} `HS_CONFIG` for a path that is not absolute.
 */
export function script(path: string, options: ScriptOptions = {}): ResourcePlugin {
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
  /** False: the script's `status` means nothing. */
  readonly #hasStatus: boolean
  readonly #stopMs: number
  readonly #context: ResourceContext
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
    this.#hasStatus = times.intervalMs > 0
    this.#stopMs = times.stopMs
    this.#context = context
    this.#touched = context.leftover !== null
  }

  async open(): Promise<void> {
    checkScript(this.#path)
    const { leftover } = this.#context
    if (leftover?.['script'] !== this.#path) return
    await this.stop({ epoch: 0, signal: AbortSignal.timeout(this.#stopMs) })
  }

  async prepare(): Promise<void> {
    checkScript(this.#path)
  }

  async start(context: OperationContext): Promise<void> {
    checkScript(this.#path)
    if (this.#hasStatus && (await this.#state(context)).state === 'running') {
      this.#started = true
      this.#touched = true
      return
    }
    this.#touched = true
    this.#context.remember({ script: this.#path, args: this.#args })
    const result = await this.#run('start', context)
    if (result.exitCode !== 0) throw this.#failure('start', result)
    if (!(await this.#settles(context, (state) => state === 'running'))) {
      throw new HotStandbyError(
        'HS_RESOURCE',
        `${this.#path} start ended with success, yet its status does not say running; ` +
          "if it has no status, give it statusInterval: '0s'",
      )
    }
    this.#started = true
  }

  async stop(context: OperationContext): Promise<void> {
    // A script that may not be run cannot say that it is stopped; what it never started needs no stop.
    if (!this.#touched && !mayRun(this.#path)) return
    const result = await this.#run('stop', context)
    if (result.exitCode !== 0 && !this.#hasStatus) throw this.#failure('stop', result)
    // LSB: stopping what does not run is a success. Scripts that see it otherwise are believed when status agrees.
    if (!(await this.#settles(context, (state) => state === 'stopped' || state === 'dead'))) {
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
    const { state, reason } = await this.#state(context)
    if (state === 'running') return { state }
    if (state === 'stopped' && !this.#started) return { state }
    return { state: 'failed', reason: `${this.#path}: ${reason}` }
  }

  inspect(): Readonly<Record<string, unknown>> {
    return { path: this.#path, args: this.#args, dialect: this.#dialect }
  }

  async #settles(context: OperationContext, isRight: (state: ScriptState['state']) => boolean): Promise<boolean> {
    if (!this.#hasStatus) return true
    const check = async (): Promise<boolean> => isRight((await this.#state(context)).state)
    return pollUntil(check, { signal: context.signal, limitMs: settleMs, everyMs: 100 })
  }

  async #state(context: OperationContext): Promise<ScriptState> {
    const { exitCode, stdout, signal } = await this.#run('status', context)
    if (this.#dialect === 'lsb') {
      const known = exitCode === null ? undefined : lsbStates[exitCode]
      return known ?? { state: 'unknown', reason: `its status is unknown (exit code ${exitCode ?? signal})` }
    }
    const state = heartbeatScriptState(stdout)
    return { state, reason: `status printed '${lastLines(stdout, 1).slice(0, 200)}'` }
  }

  async #run(verb: 'start' | 'stop' | 'status', { signal, epoch }: OperationContext): Promise<RunResult> {
    checkScript(this.#path)
    const result = await runProgram({
      file: this.#path,
      args: [...this.#args, verb],
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
