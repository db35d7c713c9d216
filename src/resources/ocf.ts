import { pollUntil } from '../platform/poll.ts'
import { lastLines, type RunResult, runProgram } from '../platform/process.ts'
import { checkScript, mayRun } from '../platform/script-file.ts'
import { HotStandbyError, type HotStandbyErrorCode } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import {
  advisedTimes,
  type OperationContext,
  type ResourceAgent,
  type ResourceContext,
  type ResourcePlugin,
  type ResourceStatus,
  type ResourceTimes,
} from '../roles/resource-agent.ts'
import { addressOfAgent, withAddresses } from './carried.ts'
import { type OcfMetadata, ocfAdvice, ocfMetadata } from './ocf-metadata.ts'
import { defaultTimes, optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** Options of {@link ocf}. */
export interface OcfOptions extends ResourceTimeOptions {
  /** Parameters of the agent, without `OCF_RESKEY_`. Checked against what the agent says of itself. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>> | undefined
  /**
   * Name of this instance; tells several of one agent apart.
   * @defaultValue the agent's name
   */
  readonly instance?: string | undefined
  /**
   * How deep `monitor` looks (`OCF_CHECK_LEVEL`), for agents that know 10 or 20.
   * @defaultValue 0
   */
  readonly checkLevel?: number | undefined
  /**
   * Directory that holds `resource.d` and `lib`.
   * @defaultValue `'/usr/lib/ocf'`
   */
  readonly root?: string | undefined
}

const knownOptions: OptionTable<OcfOptions> = {
  ...timeOptions,
  parameters: 'map',
  instance: 'text',
  checkLevel: 'any',
  root: 'text',
}

interface Setup {
  readonly provider: string
  readonly type: string
  readonly instance: string
  readonly root: string
  readonly checkLevel: number
  readonly parameters: Readonly<Record<string, string>>
  readonly times: ResourceTimes
  readonly defaultTimes: readonly (keyof ResourceTimes)[]
}

type Action = 'start' | 'stop' | 'monitor' | 'validate-all' | 'meta-data'

/** What a return code means, and which of our codes it is (OCF Resource Agent API 1.1, "Exit Status Codes"). */
const returnCodes: Readonly<Record<number, readonly [meaning: string, code: HotStandbyErrorCode]>> = {
  1: ['it failed', 'HS_RESOURCE'],
  2: ['its parameters are wrong on this host', 'HS_CONFIG'],
  3: ['it does not know this action', 'HS_RESOURCE'],
  4: ['it lacks a permission', 'HS_HOST'],
  5: ['something it needs is not installed', 'HS_HOST'],
  6: ['its parameters are wrong', 'HS_CONFIG'],
  7: ['it is not running', 'HS_RESOURCE'],
  8: ['it runs as promoted', 'HS_RESOURCE'],
  9: ['it failed as promoted', 'HS_RESOURCE'],
}

const notRunning = 7
/** Success, promoted, and both of them degraded. */
const runningCodes = [0, 8, 190, 191]
const notKnown = 3
/** How long after a start or stop `monitor` may still tell the old state. */
const settleMs = 2000
/** Metadata of the longest agents is some 30 KiB. */
const maxMetadataBytes = 512 * 1024

/**
 * An OCF resource agent, as the package `resource-agents` brings them: `ocf('ocf:heartbeat:IPaddr2', { parameters: { ip:
 * '192.168.1.100' } })`. Only start, stop and monitor are used: no clones, no promotion.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad name or option.
 */
export function ocf(agent: string, options: OcfOptions = {}): ResourcePlugin {
  checkOptionNames('ocf', options, knownOptions)
  const [, provider, type] = /^(?:ocf:)?([\w-]+):([\w.+-]+)$/.exec(String(agent)) ?? []
  if (provider === undefined || type === undefined || type.startsWith('.'))
    throw optionError(
      'ocf',
      `'${String(agent)}' is not an agent; right is 'ocf:PROVIDER:NAME', as 'ocf:heartbeat:IPaddr2'`,
    )
  if (type === 'drbd')
    throw optionError(
      'ocf',
      `'${agent}' serves only when it is promoted, which ocf() never does; right is drbd('NAME')`,
    )
  const { instance = type, checkLevel = 0, root = '/usr/lib/ocf' } = options
  if (!/^[\w.:-]+$/.test(instance))
    throw optionError('ocf.instance', `'${instance}' has other characters than letters, digits and ._:-`)
  if (!root.startsWith('/')) throw optionError('ocf.root', `'${root}' is not an absolute path`)
  if (!Number.isInteger(checkLevel) || checkLevel < 0)
    throw optionError('ocf.checkLevel', `must be an integer >= 0, got ${shownValue(checkLevel)}`)
  const times = resourceTimes('ocf', options, {
    startTimeout: '60s',
    stopTimeout: '60s',
    statusTimeout: '30s',
    statusInterval: '10s',
  })
  const parameters = checkedParameters(options.parameters ?? {})
  const settings = { provider, type, instance, root, checkLevel, parameters }
  const open = defaultTimes(options)
  const setup: Setup = { ...settings, times, defaultTimes: open }
  const plugin: ResourcePlugin = {
    kind: 'resource',
    settings,
    type: 'ocf',
    name: `ocf:${provider}:${type}${instance === type ? '' : `:${instance}`}`,
    times,
    defaultTimes: open,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new OcfAgent(setup, context),
  }
  return withAddresses(plugin, addressOfAgent(provider, type, parameters))
}

/** Parameters as the environment takes them; booleans are `true` and `false`, which every agent understands. */
function checkedParameters(
  given: Readonly<Record<string, string | number | boolean>>,
): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(given)) {
    const where = `ocf.parameters.${name}`
    if (!/^\w+$/.test(name)) throw optionError(where, 'a name of a parameter has letters, digits and _ only')
    if (!['string', 'number', 'boolean'].includes(typeof value) || String(value).includes('\0'))
      throw optionError(where, `${JSON.stringify(value)} is neither a text nor a number nor a boolean`)
  }
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]))
}

const has = ({ actions }: OcfMetadata, name: string): boolean => actions.some((action) => action.name === name)

class OcfAgent implements ResourceAgent {
  readonly #setup: Setup
  readonly #path: string
  readonly #name: string
  readonly #context: ResourceContext
  #metadata: OcfMetadata | null = null
  #advice: Partial<ResourceTimes> = {}
  /** Between a start and a stop. */
  #serving = false
  /** A start was run and no stop has been verified since. */
  #touched: boolean

  constructor(setup: Setup, context: ResourceContext) {
    this.#setup = setup
    this.#path = `${setup.root}/resource.d/${setup.provider}/${setup.type}`
    this.#name = `ocf:${setup.provider}:${setup.type}`
    this.#context = context
    this.#touched = context.leftover !== null
  }

  async open(): Promise<void> {
    const metadata = await this.#describe({ epoch: 0, signal: AbortSignal.timeout(this.#setup.times.stopMs) })
    const warn = (message: string): void =>
      this.#context.logger.warn({ group: this.#context.group }, `${this.#name} ${message}`)
    const { times: advice, refused } = ocfAdvice(metadata, this.#setup.checkLevel)
    this.#advice = advice
    for (const what of refused) warn(`advises ${what}: it is left aside`)
    const { startMs, stopMs, statusMs } = this.#times
    for (const [action, limitMs, advisedMs = 0] of [
      ['start', startMs, advice.startMs],
      ['stop', stopMs, advice.stopMs],
      ['monitor', statusMs, advice.statusMs],
    ] as const)
      if (limitMs < advisedMs)
        warn(`advises ${advisedMs / 1000} s for ${action}, its limit here is ${limitMs / 1000} s`)
    if (has(metadata, 'promote'))
      warn('can be promoted; here it is started and never promoted: right for what serves without')
    const { leftover } = this.#context
    if (leftover?.['agent'] !== this.#name) return
    // As it was started: the configuration may be another one by now.
    const earlier = (leftover['parameters'] ?? this.#setup.parameters) as Readonly<Record<string, string>>
    await this.#stop({ epoch: 0, signal: AbortSignal.timeout(stopMs) }, earlier)
  }

  async prepare(context: OperationContext): Promise<void> {
    if (!has(await this.#describe(context), 'validate-all')) return
    const result = await this.#run('validate-all', context)
    if (result.exitCode !== 0 && result.exitCode !== notKnown) throw this.#failure('validate-all', result)
  }

  async start(context: OperationContext): Promise<void> {
    await this.#describe(context)
    checkScript(this.#path)
    this.#touched = true
    this.#context.remember({ agent: this.#name, parameters: this.#setup.parameters })
    const result = await this.#run('start', context)
    if (result.exitCode !== 0) throw this.#failure('start', result)
    await this.#settles('start', runningCodes, context)
    this.#serving = true
  }

  async stop(context: OperationContext): Promise<void> {
    await this.#stop(context, this.#setup.parameters)
  }

  async status(context: OperationContext): Promise<ResourceStatus> {
    const result = await this.#run('monitor', context)
    const { exitCode } = result
    if (exitCode !== null && runningCodes.includes(exitCode)) return { state: 'running' }
    if (exitCode === notRunning && !this.#serving) return { state: 'stopped' }
    return { state: 'failed', reason: this.#failure('monitor', result).message }
  }

  inspect(): Readonly<Record<string, unknown>> {
    return { agent: this.#name, path: this.#path, instance: this.#setup.instance, advice: this.#advice }
  }

  advice(): Partial<ResourceTimes> {
    return this.#advice
  }

  get #times(): ResourceTimes {
    return advisedTimes(this.#setup, this.#advice)
  }

  async #stop(context: OperationContext, parameters: Readonly<Record<string, string>>): Promise<void> {
    // An agent that may not be run cannot say that it is stopped; what it never started needs no stop.
    if (!this.#touched && !mayRun(this.#path)) return
    const result = await this.#run('stop', context, parameters)
    if (result.exitCode !== 0) throw this.#failure('stop', result)
    this.#serving = false
    await this.#settles('stop', [notRunning], context, parameters)
    this.#touched = false
    this.#context.remember(null)
  }

  /** Waits until `monitor` agrees with what was done. */
  async #settles(
    done: 'start' | 'stop',
    expected: readonly number[],
    context: OperationContext,
    parameters?: Readonly<Record<string, string>>,
  ): Promise<void> {
    let last: RunResult | undefined
    const agrees = async (): Promise<boolean> => {
      last = await this.#run('monitor', context, parameters)
      return last.exitCode !== null && expected.includes(last.exitCode)
    }
    if (await pollUntil(agrees, { signal: context.signal, limitMs: settleMs, everyMs: 100 })) return
    const found = last ? this.#failure('monitor', last).message : ''
    throw new HotStandbyError('HS_RESOURCE', `${this.#name} ${done} ended with success, yet ${found}`)
  }

  /** Metadata, read once; the parameters are checked against it. */
  async #describe(context: OperationContext): Promise<OcfMetadata> {
    if (this.#metadata) return this.#metadata
    const result = await this.#run('meta-data', context)
    if (result.exitCode !== 0) throw this.#failure('meta-data', result)
    const metadata = result.truncated ? null : ocfMetadata(result.stdout)
    if (metadata === null) {
      const begin = result.stdout.slice(0, 80)
      throw new HotStandbyError('HS_HOST', `${this.#path} meta-data printed no metadata: ${JSON.stringify(begin)}`)
    }
    this.#check(metadata)
    this.#metadata = metadata
    return metadata
  }

  #check({ parameters }: OcfMetadata): void {
    const given = Object.keys(this.#setup.parameters)
    const unknown = given.filter((name) => !parameters.has(name))
    if (unknown.length > 0) {
      const known = [...parameters.keys()].join(', ') || 'none'
      throw optionError(`ocf.parameters.${unknown[0]}`, `${this.#name} has no such parameter; it has: ${known}`)
    }
    const missing = [...parameters].filter(([name, { required }]) => required && !given.includes(name))
    if (missing.length > 0) {
      const names = missing.map(([name]) => name).join(', ')
      throw optionError('ocf.parameters', `${this.#name} needs ${names}`)
    }
  }

  async #run(
    action: Action,
    { signal }: OperationContext,
    parameters: Readonly<Record<string, string>> = this.#setup.parameters,
  ): Promise<RunResult> {
    checkScript(this.#path)
    const { root, provider, type, instance, checkLevel } = this.#setup
    const times = this.#times
    const limits: Readonly<Record<string, number>> = { start: times.startMs, stop: times.stopMs }
    const keys = Object.entries(parameters).map(([name, value]) => [`OCF_RESKEY_${name}`, value])
    const result = await runProgram({
      file: this.#path,
      args: [action],
      signal,
      // A start that nobody waits for any more could come up while the peer serves already.
      diesWithUs: action === 'start',
      maxOutputBytes: maxMetadataBytes,
      env: {
        OCF_ROOT: root,
        OCF_RA_VERSION_MAJOR: '1',
        OCF_RA_VERSION_MINOR: '1',
        OCF_RESOURCE_INSTANCE: instance,
        OCF_RESOURCE_TYPE: type,
        OCF_RESOURCE_PROVIDER: provider,
        OCF_CHECK_LEVEL: String(checkLevel),
        // An interval of 0 says that it may well be stopped (`ocf_is_probe`).
        OCF_RESKEY_CRM_meta_interval: String(action === 'monitor' && this.#serving ? times.intervalMs : 0),
        OCF_RESKEY_CRM_meta_timeout: String(limits[action] ?? times.statusMs),
        HA_CURHOST: this.#context.self,
        ...Object.fromEntries(keys),
      },
    })
    const { exitCode, stderr } = result
    this.#context.logger.debug({ agent: this.#name, action, exitCode, stderr }, `${this.#name} ${action} ended`)
    return result
  }

  #failure(action: Action, { exitCode, signal, stdout, stderr }: RunResult): HotStandbyError {
    const said = lastLines(stderr) || lastLines(stdout) || 'it printed nothing'
    const [meaning, code] = returnCodes[exitCode ?? -1] ?? ['a code that OCF does not know', 'HS_RESOURCE']
    const how = exitCode === null ? `was ended by ${signal}` : `ended with ${exitCode} (${meaning})`
    return new HotStandbyError(code, `${this.#name} ${action} ${how}: ${said}`)
  }
}
