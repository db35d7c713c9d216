import { readIncluded } from '../platform/config-include.ts'
import { probeHttp } from '../platform/http-probe.ts'
import { pollUntil } from '../platform/poll.ts'
import { findProgram } from '../platform/process.ts'
import { createShellHelper, quote, type ShellHelper, type ShellResult } from '../platform/shell-helper.ts'
import { hasUnit } from '../platform/systemd-unit.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
  ResourceTimes,
} from '../roles/resource-agent.ts'
import { configFault, faultLines, lacksAddress, nginxBuild, topLevelDirectives, under } from './nginx-config.ts'
import { NginxMaster } from './nginx-master.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'
import { systemd } from './systemd.ts'

/** Options of {@link nginx}. */
export interface NginxOptions extends ResourceTimeOptions {
  /**
   * `'hot'`: nginx runs on both nodes all the time, a takeover only looks whether it is well. `'cold'`: it is started at
   * takeover and stopped when the group is given up.
   * @defaultValue `'hot'`; `nginx` in a haresources file is `'cold'`
   */
  readonly mode?: 'hot' | 'cold' | undefined
  /**
   * Absolute path of the program.
   * @defaultValue the first `nginx` in the system's usual places
   */
  readonly binary?: string | undefined
  /**
   * Absolute path of the configuration. It also says which nginx is meant: the one in its `pid` file.
   * @defaultValue the one built into the program, `/etc/nginx/nginx.conf` mostly
   */
  readonly config?: string | undefined
  /** Further arguments of nginx, `-g` or `-p` say. */
  readonly args?: readonly string[] | undefined
  /**
   * Page (`http:` only) that must answer with a status of 200–399 when nginx has been started, and whenever it is checked.
   * Without it nginx counts as well while its master lives.
   */
  readonly url?: string | undefined
  /** `Host` header for `url`. */
  readonly host?: string | undefined
  /** Text that the page of `url` must contain. */
  readonly expect?: string | undefined
  /**
   * At takeover, an nginx that runs already reads its configuration anew, so that it sees what came with the group.
   * @defaultValue `false`
   */
  readonly reload?: boolean | undefined
  /**
   * The systemd unit that runs nginx: started and stopped by its jobs, its end noticed at once. `'none'`: nginx is run directly.
   * @defaultValue `'nginx.service'` where systemd has it and neither `binary`, `config` nor `args` is given; else `'none'`
   */
  readonly unit?: string | undefined
  /**
   * How long requests in progress may take when nginx is stopped; `'0s'`: no time.
   * @defaultValue `'2s'`
   */
  readonly quitTimeout?: Duration | undefined
}

const knownOptions: OptionTable<NginxOptions> = {
  ...timeOptions,
  mode: 'any',
  binary: 'text',
  config: 'text',
  args: 'texts',
  url: 'text',
  host: 'text',
  expect: 'any',
  reload: 'boolean',
  unit: 'text',
  quitTimeout: 'any',
}

interface Setup {
  readonly mode: 'hot' | 'cold'
  readonly binary: string | undefined
  readonly config: string | undefined
  readonly args: readonly string[]
  readonly url: string | undefined
  readonly host: string | undefined
  readonly expect: string | undefined
  readonly reload: boolean
  /** Undefined: looked for when the pair starts. */
  readonly unit: string | undefined
  readonly quitMs: number
  readonly times: ResourceTimes
}

/** In place of a unit: without one. */
const directly = 'none'
/** What Debian, Red Hat and nginx's own packages call it. */
const packagedUnit = 'nginx.service'

/** What `open` found out about this host's nginx. */
interface Installed {
  readonly binary: string
  readonly config: string
  /** Arguments of every call: the configuration and the user's own. */
  readonly args: readonly string[]
  readonly master: NginxMaster
}

/**
 * The nginx of one configuration. Which one that is says the `pid` directive of the configuration, never a process name:
 * another nginx on the host is left alone. The configuration is tested beforehand, while the peer still serves.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad option.
 */
export function nginx(options: NginxOptions = {}): ResourcePlugin {
  checkOptionNames('nginx', options, knownOptions)
  const { mode = 'hot', binary, config, url, host, expect, reload = false, args = [] } = options
  if (mode !== 'hot' && mode !== 'cold')
    throw optionError('nginx.mode', `'${String(mode)}' is neither 'hot' nor 'cold'`)
  for (const [name, path] of Object.entries({ binary, config })) {
    if (path !== undefined && !path.startsWith('/'))
      throw optionError(`nginx.${name}`, `'${path}' is not an absolute path`)
  }
  if (url !== undefined && !/^http:\/\/./.test(url))
    throw optionError('nginx.url', `'${url}' does not begin with http://`)
  if (expect !== undefined && (url === undefined || typeof expect !== 'string' || expect === ''))
    throw optionError('nginx.expect', "it is a text that the page of 'url' holds; give both")
  const own = [binary, config, options.args].some((value) => value !== undefined)
  const unit = options.unit ?? (own ? directly : undefined)
  // The name is checked where it belongs.
  if (unit !== undefined && unit !== directly) systemd(unit)
  const quitMs = durationMs(options.quitTimeout ?? '2s', 'nginx.quitTimeout')
  const times = resourceTimes('nginx', options, {
    startTimeout: '10s',
    // Enough for SIGQUIT, SIGTERM and SIGKILL in turn.
    stopTimeout: `${quitMs + 5000}ms`,
    statusTimeout: '5s',
    statusInterval: '1s',
  })
  const settings = { mode, binary, config, args: [...args], url, host, expect, reload, unit, quitMs }
  const setup: Setup = { ...settings, times }
  return {
    kind: 'resource',
    settings,
    type: 'nginx',
    exclusive: 'address',
    name: config === undefined ? 'nginx' : `nginx:${config}`,
    times,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new NginxAgent(setup, context),
  }
}

class NginxAgent implements ResourceAgent {
  readonly #setup: Setup
  readonly #context: ResourceContext
  /** Started early: a takeover must not wait until a large process has forked. */
  readonly #shell: ShellHelper = createShellHelper()
  #installed: Installed | null = null
  /** The agent of the unit that runs nginx, where one does. */
  #unit: ResourceAgent | null = null
  /** Between a start and a stop. A hot nginx runs without it, too. */
  #serving = false

  constructor(setup: Setup, context: ResourceContext) {
    this.#setup = setup
    this.#context = context
  }

  async open(): Promise<void> {
    this.#shell.open()
    const context = { epoch: 0, signal: AbortSignal.timeout(this.#setup.times.startMs) }
    const unit = await this.#unitName(context.signal)
    const installed = await this.#install(unit !== directly)
    await this.#endLeftover(context, unit)
    if (unit !== directly) {
      this.#unit = this.#agentOf(unit)
      return this.#unit.open?.()
    }
    if (installed.master.find()) {
      if (this.#setup.mode === 'cold')
        this.#warn('nginx runs already, though nobody here started it; is its unit enabled?')
      return
    }
    if (this.#setup.mode === 'cold') return
    // A broken configuration may be mended while the pair runs: `prepare` and `start` try again and tell the reason.
    await this.#launch(context).catch((error) => this.#warn(messageOf(error)))
  }

  async close(): Promise<void> {
    await this.#unit?.close?.()
    await this.#shell.close()
  }

  async prepare(context: OperationContext): Promise<void> {
    const { master } = await this.#install()
    await this.#checkConfiguration(context)
    if (this.#unit) return this.#unit.prepare?.(context)
    if (this.#setup.mode === 'hot' && !master.find()) await this.#launch(context)
  }

  async start(context: OperationContext): Promise<void> {
    const { master } = await this.#install()
    const launched = !master.find()
    try {
      if (this.#unit)
        await this.#unit.start(context).catch(async (error) => {
          // systemd knows only that it failed; what is wrong with the configuration, nginx tells.
          if (!context.signal.aborted) await this.#checkConfiguration(context)
          throw error
        })
      else if (launched) await this.#launch(context)
      if (!launched && this.#setup.reload)
        await master.reload({ signal: context.signal, limitMs: this.#setup.times.startMs })
      await this.#answers(context)
    } catch (error) {
      // What this start began must not come up later, when nobody waits for it any more, nor be taken for a running one.
      if (launched && this.#setup.mode === 'cold') {
        const signal = AbortSignal.timeout(this.#setup.times.stopMs)
        await this.#end({ signal, epoch: context.epoch }, 0).catch((failure) => this.#warn(messageOf(failure)))
      }
      throw error
    }
    this.#serving = true
  }

  async stop(context: OperationContext): Promise<void> {
    if (this.#setup.mode === 'cold') await this.#end(context, this.#setup.quitMs)
    else await this.#unit?.stop(context)
    this.#serving = false
  }

  async status(context: OperationContext): Promise<ResourceStatus> {
    const { master, config } = await this.#install()
    if (!this.#serving && this.#setup.mode === 'hot') return { state: 'stopped' }
    if (this.#unit) {
      const found = await this.#unit.status(context)
      if (found.state !== 'running') return found
    } else if (!master.find()) {
      if (!this.#serving) return { state: 'stopped' }
      return { state: 'failed', reason: `no nginx runs with ${config} (pid file ${master.pidFile})` }
    }
    const { url } = this.#setup
    if (url === undefined || !this.#serving) return { state: 'running' }
    const answer = await probeHttp(url, this.#probe(context.signal))
    return answer.ok ? { state: 'running' } : { state: 'failed', reason: answer.reason }
  }

  inspect(): Readonly<Record<string, unknown>> {
    const { mode } = this.#setup
    if (!this.#installed) return { mode }
    const { binary, config, master } = this.#installed
    const unit = this.#unit?.inspect?.() ?? null
    return { mode, binary, config, pidFile: master.pidFile, pid: master.find()?.pid ?? null, unit }
  }

  async #checkConfiguration({ signal }: OperationContext): Promise<void> {
    const { binary, args, config } = await this.#install()
    const { status, output } = await this.#run([binary, '-t', ...args], signal)
    const fault = configFault(status, output)
    if (fault !== null) throw new HotStandbyError('HS_RESOURCE', `nginx refuses its configuration ${config}: ${fault}`)
  }

  /** Stops a cold one, with this time for requests in progress, and takes back what was written down. */
  async #end(context: OperationContext, quitMs: number): Promise<void> {
    const { master } = await this.#install()
    const { signal } = context
    const unit = this.#unit
    if (unit) return master.stopBy(() => unit.stop(context), { signal, quitMs })
    await master.stop({ signal, quitMs })
    this.#context.remember(null)
  }

  /** The unit that runs nginx here, or `none`. */
  async #unitName(signal: AbortSignal): Promise<string> {
    const { unit } = this.#setup
    if (unit !== undefined) return unit
    return (await hasUnit(packagedUnit, signal)) ? packagedUnit : directly
  }

  #agentOf(unit: string): ResourceAgent {
    const { mode, times } = this.#setup
    const limits = { startTimeout: `${times.startMs}ms`, stopTimeout: `${times.stopMs}ms` } as const
    return systemd(unit, { mode, ...limits }).create(this.#context)
  }

  /** Which program, configuration and pid file it is about. Found once; throws `HS_HOST` while something is missing. */
  async #install(hasParent = false): Promise<Installed> {
    if (this.#installed) return this.#installed
    const binary = this.#setup.binary ?? findProgram('nginx')
    if (!binary)
      throw new HotStandbyError('HS_HOST', 'nginx is not installed on this host; name its path as nginx.binary')
    const version = await this.#run([binary, '-V'], AbortSignal.timeout(10_000))
    if (version.status !== 0) throw new HotStandbyError('HS_HOST', `${binary} -V failed: ${version.output.trim()}`)
    const build = nginxBuild(version.output)
    const config = this.#setup.config ?? build.config
    const [text] = readIncluded(config)
    if (text === undefined)
      throw new HotStandbyError('HS_HOST', `nginx configuration ${config} does not exist or cannot be read`)

    const prefix = this.#argument('-p') ?? build.prefix
    const directives = [...topLevelDirectives(`${this.#argument('-g') ?? ''};`), ...withIncludes(text, config)]
    if (!hasParent && directives.some(({ name, args }) => name === 'daemon' && args[0] === 'off')) {
      throw new HotStandbyError(
        'HS_HOST',
        `${config} says 'daemon off': such an nginx needs a parent that stays; take the line out`,
      )
    }
    const named = directives.find(({ name }) => name === 'pid')?.args[0]
    const pidFile = named === undefined ? build.pidFile : under(prefix, named)
    const master = new NginxMaster(pidFile, config, config === build.config)
    this.#installed = { binary, config, args: ['-c', config, ...this.#setup.args], master }
    return this.#installed
  }

  /**
   * Runs nginx with its output in a file: a daemon that logs to stderr keeps what it was given, and must keep neither the
   * helper's pipe open nor die of it when this process has ended.
   */
  #run(words: readonly string[], signal: AbortSignal, how: 'run' | 'runWhileHere' = 'run'): Promise<ShellResult> {
    const file = quote(`${this.#context.directory}/nginx.out`)
    const command = words.map(quote).join(' ')
    return this.#shell[how](`${command} >${file} 2>&1; status=$?; tail -c 8192 ${file}; exit $status`, signal)
  }

  /** Value of one of the user's own arguments. */
  #argument(flag: string): string | undefined {
    const at = this.#setup.args.indexOf(flag)
    return at === -1 ? undefined : this.#setup.args[at + 1]
  }

  async #launch({ signal }: OperationContext): Promise<void> {
    const { binary, args, config, master } = await this.#install()
    await master.endOrphans(signal)
    if (this.#setup.mode === 'cold') {
      this.#context.remember({ config, pidFile: master.pidFile })
    }
    const { status, output } = await this.#run([binary, ...args], signal, 'runWhileHere')
    if (status !== 0) throw this.#startFailure(output)
    // nginx returns when its sockets listen, and writes its pid file a moment later.
    const { startMs } = this.#setup.times
    if (await pollUntil(() => master.find() !== null, { signal, limitMs: startMs, everyMs: 1 })) return
    const detail = `nginx started with ${config}, but no master of it is in ${master.pidFile}`
    throw new HotStandbyError('HS_RESOURCE', `${detail}: ${faultLines(output).join('; ') || 'it printed nothing'}`)
  }

  #startFailure(output: string): HotStandbyError {
    const hint =
      this.#setup.mode === 'hot'
        ? 'a hot nginx runs before the address is here: set net.ipv4.ip_nonlocal_bind=1 (net.ipv6.ip_nonlocal_bind=1), or listen on every address'
        : 'declare the address before nginx in its group'
    const text = faultLines(output).join('; ') || 'it printed nothing'
    return new HotStandbyError('HS_RESOURCE', `nginx did not start: ${text}${lacksAddress(output) ? `; ${hint}` : ''}`)
  }

  /** Waits until the page answers, where one is given. */
  async #answers({ signal }: OperationContext): Promise<void> {
    const { url, times } = this.#setup
    if (url === undefined) return
    let reason = ''
    const ask = async (): Promise<boolean> => {
      const answer = await probeHttp(url, this.#probe(signal))
      if (!answer.ok) reason = answer.reason
      return answer.ok
    }
    const well = await pollUntil(ask, { signal, limitMs: times.startMs, everyMs: 2 }).catch((error) => {
      throw new HotStandbyError('HS_TIMEOUT', `nginx runs, but ${reason || messageOf(error)}`, { cause: error })
    })
    if (!well) throw new HotStandbyError('HS_RESOURCE', `nginx runs, but ${reason}`)
  }

  #probe(signal: AbortSignal): NonNullable<Parameters<typeof probeHttp>[1]> {
    const { times, host, expect } = this.#setup
    return { signal, timeoutMs: times.statusMs, host, expect }
  }

  /** Ends a cold nginx that a killed predecessor of this process had started; the agent of the unit `now` does so itself. */
  async #endLeftover({ signal }: OperationContext, now: string): Promise<void> {
    const { leftover } = this.#context
    const { config, pidFile, unit } = leftover ?? {}
    if (leftover === null || unit === now) return
    const cold = this.#setup.mode === 'cold'
    if (cold && typeof unit === 'string') {
      const earlier = this.#agentOf(unit)
      await earlier.open?.()
      await earlier.close?.()
    } else if (cold && typeof config === 'string' && typeof pidFile === 'string') {
      this.#warn('stopping the nginx that an earlier, killed process had started')
      // It was started with its configuration named, as all that this agent starts.
      await new NginxMaster(pidFile, config, false).stop({ signal, quitMs: this.#setup.quitMs })
    }
    this.#context.remember(null)
  }

  #warn(message: string): void {
    this.#context.logger.warn({ group: this.#context.group, config: this.#installed?.config }, message)
  }
}

/** Directives of the configuration and of the files that it includes outside of every block. */
function withIncludes(text: string, config: string): ReturnType<typeof topLevelDirectives> {
  const directory = config.slice(0, config.lastIndexOf('/'))
  return topLevelDirectives(text).flatMap((directive) => {
    const [pattern] = directive.args
    if (directive.name !== 'include' || pattern === undefined) return [directive]
    return readIncluded(under(directory, pattern)).flatMap(topLevelDirectives)
  })
}
