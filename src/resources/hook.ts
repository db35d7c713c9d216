import { unlessAborted, withinLimit } from '../platform/limit.ts'
import { lastLines, runProgram } from '../platform/process.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
} from '../roles/resource-agent.ts'
import { optionError, type ResourceTimeOptions, resourceTimes } from './options.ts'

/** What a hook's function is told. */
export interface HookContext extends OperationContext {
  /** The group that starts or stops. */
  readonly group: string
  /** This node. */
  readonly node: string
}

/**
 * What is run: a function that is waited for, or a program (full path) with its arguments, which finds `HS_GROUP`, `HS_NODE` and
 * `HS_EPOCH` in its environment and must end with 0.
 */
export type HookAction = ((context: HookContext) => unknown) | readonly string[]

/** Options of {@link hook}. */
export interface HookOptions extends Pick<ResourceTimeOptions, 'startTimeout' | 'stopTimeout'> {
  /** Run when the group's start comes to its place. */
  readonly start?: HookAction | undefined
  /** Run when the group's stop comes back to its place. */
  readonly stop?: HookAction | undefined
  /** False: a failing `start` is only told in the log. True: the group does not start here, and the peer tries. @defaultValue `true` */
  readonly required?: boolean | undefined
}

const knownOptions: OptionTable<HookOptions> = {
  startTimeout: 'any',
  stopTimeout: 'any',
  start: 'any',
  stop: 'any',
  required: 'boolean',
}

/**
 * Something to be done in the course of a group's start and stop, at the place where it stands in the list: first for *before the
 * start* and *after the stop*, last for *after the start* and *before the stop*. The group waits for it, within its limit.
 * A failing or late `stop` never holds the group: it is told in the log, and the stop goes on.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad name, action or time.
 * @example
 * ```ts
 * import { hook, vip } from 'hot-standby'
 *
 * const resources = [
 *   hook('database', { start: ({ epoch }) => console.log(`promote with ${epoch}`) }),
 *   vip('192.168.1.100/24'),
 *   hook('pager', { start: ['/usr/local/bin/notify', 'served here'], stop: ['/usr/local/bin/notify', 'gone'], required: false }),
 * ]
 * ```
 */
export function hook(name: string, options: HookOptions): ResourcePlugin {
  checkOptionNames('hook', options, knownOptions)
  if (typeof name !== 'string' || !/^[\w.:/-]+$/.test(name))
    throw optionError('hook', `'${name}' is not a valid name: letters, digits and ._:/- make one`)
  if (options.start === undefined && options.stop === undefined)
    throw optionError('hook', 'neither start nor stop is given: there is nothing to do')
  for (const key of ['start', 'stop'] as const) {
    const action = options[key]
    const isProgram = Array.isArray(action) && typeof action[0] === 'string' && action[0].startsWith('/')
    if (action !== undefined && typeof action !== 'function' && !isProgram)
      throw optionError(`hook.${key}`, 'a function is needed, or a list that begins with the full path of a program')
  }
  const times = resourceTimes('hook', options, {
    startTimeout: '10s',
    stopTimeout: '10s',
    statusTimeout: '1s',
    statusInterval: '0s',
  })
  return {
    kind: 'resource',
    type: 'hook',
    name: `hook:${name}`,
    // The stop ends itself in time, so that it is never taken for a service that would not stop.
    times: { ...times, stopMs: times.stopMs + 1000 },
    exclusive: 'address',
    operations: ['start', 'stop', 'status'],
    create: (context) => new HookAgent(options, times.stopMs, context),
  }
}

class HookAgent implements ResourceAgent {
  readonly #options: HookOptions
  readonly #stopMs: number
  readonly #context: ResourceContext
  #state: 'stopped' | 'begun' | 'running' = 'stopped'

  constructor(options: HookOptions, stopMs: number, context: ResourceContext) {
    this.#options = options
    this.#stopMs = stopMs
    this.#context = context
  }

  async start(context: OperationContext): Promise<void> {
    if (this.#state === 'running') return
    this.#state = 'begun'
    try {
      await this.#run('start', context)
    } catch (error) {
      if (this.#options.required !== false || context.signal.aborted) throw error
      this.#warn('start', error)
    }
    this.#state = 'running'
  }

  async stop(context: OperationContext): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    try {
      await withinLimit(this.#run('stop', context), this.#stopMs)
    } catch (error) {
      this.#warn('stop', error)
    }
  }

  async status(): Promise<ResourceStatus> {
    const state = this.#state
    return state === 'begun' ? { state: 'failed', reason: 'its start has failed' } : { state }
  }

  #warn(what: 'start' | 'stop', error: unknown): void {
    const { group, logger } = this.#context
    logger.warn(
      { group, hook: what, reason: messageOf(error) },
      `a hook failed and is passed over: ${messageOf(error)}`,
    )
  }

  async #run(what: 'start' | 'stop', context: OperationContext): Promise<void> {
    const action = this.#options[what]
    const { group, self: node } = this.#context
    const { epoch, signal } = context
    if (action === undefined) return
    if (typeof action === 'function') {
      const work = (async () => action({ group, node, epoch, signal }))()
      await unlessAborted(work, signal, `${what} did not return in time`)
      return
    }
    const [file = '', ...args] = action
    const env = { HS_GROUP: group, HS_NODE: node, HS_EPOCH: String(epoch) }
    const { exitCode, signal: killed, stdout, stderr } = await runProgram({ file, args, env, signal })
    if (exitCode !== 0) {
      const said = lastLines(stderr) || lastLines(stdout) || 'it printed nothing'
      throw new HotStandbyError('HS_RESOURCE', `${file} ended with ${killed ?? exitCode}: ${said}`)
    }
  }
}
