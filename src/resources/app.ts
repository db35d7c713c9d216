import { unlessAborted } from '../platform/limit.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  Operation,
  OperationContext,
  ResourceAgent,
  ResourcePlugin,
  ResourceStatus,
} from '../roles/resource-agent.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** One of the application's functions. It may be called again after it failed. */
export type AppFunction = (context: OperationContext) => void | Promise<void>

/** Options of {@link app}. */
export interface AppOptions extends ResourceTimeOptions {
  /**
   * Tells several of them apart.
   * @defaultValue `'app'`
   */
  readonly name?: string | undefined
  /** Begins to serve; resolves when it does. `epoch` is the fencing token of this ownership; `signal` says that time is up. */
  readonly start: AppFunction
  /** Ends serving; resolves when nothing is answered any more. Also called after a start that failed halfway. */
  readonly stop: AppFunction
  /** Says how it is, from time to time while it serves. Without it, it is well from its start to its stop. */
  readonly status?: ((context: OperationContext) => ResourceStatus | Promise<ResourceStatus>) | undefined
  /** May it start here? Rejects with the reason. Changes nothing. */
  readonly prepare?: AppFunction | undefined
  /** Stops answering at once, in an emergency; the orderly `stop` follows. */
  readonly isolate?: AppFunction | undefined
  /** Takes an isolation back. */
  readonly restore?: AppFunction | undefined
  /** Tells clients again who serves. */
  readonly announce?: AppFunction | undefined
}

const knownOptions: OptionTable<AppOptions> = {
  ...timeOptions,
  name: 'text',
  start: 'any',
  stop: 'any',
  status: 'any',
  prepare: 'any',
  isolate: 'any',
  restore: 'any',
  announce: 'any',
}

const optional = ['prepare', 'announce', 'isolate', 'restore'] as const

/**
 * A service inside the application: its own functions, called when this node takes the group over and when it gives it up.
 * What a function throws, rejects with, or never answers is this resource's failure only.
 *
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import { createServer } from 'node:http'
 * import { app } from 'hot-standby'
 *
 * const server = createServer((_request, response) => response.end('hello\n'))
 * const service = app({
 *   async start() {
 *     server.listen(8080)
 *     await once(server, 'listening')
 *   },
 *   stop: () =>
 *     new Promise((resolve) => {
 *       server.close(() => resolve())
 *       setTimeout(() => server.closeAllConnections(), 200)
 *     }),
 * })
 * ```
 * @throws {HotStandbyError} `HS_CONFIG` for a missing function or a bad name or time.
 */
export function app(options: AppOptions): ResourcePlugin {
  checkOptionNames('app', options, knownOptions)
  const name = options.name ?? 'app'
  if (!/^[\w.:/-]+$/.test(name))
    throw optionError('app.name', `'${name}' has other characters than letters, digits and ._:/-`)
  for (const key of ['start', 'stop', 'status', ...optional] as const) {
    const value = options[key]
    const needed = key === 'start' || key === 'stop'
    if (typeof value === 'function' || (value === undefined && !needed)) continue
    throw optionError(`app.${key}`, `a function is needed, found ${value === undefined ? 'nothing' : typeof value}`)
  }
  if (!options.isolate !== !options.restore) {
    throw optionError('app.isolate', 'isolate and restore belong together: an isolation may have to be taken back')
  }
  const operations: Operation[] = ['start', 'stop', 'status', ...optional.filter((key) => options[key])]
  const times = resourceTimes('app', options, {
    startTimeout: '30s',
    stopTimeout: '30s',
    statusTimeout: '5s',
    statusInterval: options.status ? '1s' : '0s',
  })
  return { kind: 'resource', type: 'app', name, times, operations, create: () => new AppAgent(name, options) }
}

class AppAgent implements ResourceAgent {
  readonly prepare?: ResourceAgent['start']
  readonly announce?: ResourceAgent['start']
  readonly isolate?: ResourceAgent['start']
  readonly restore?: ResourceAgent['start']
  readonly #name: string
  readonly #options: AppOptions
  /** `unknown`: a start or stop failed, or the last `status` was bad; then both functions are called again. */
  #state: 'stopped' | 'running' | 'unknown' = 'stopped'
  /** Calls that were given up but have not returned, by function: the next call of the same one waits for it. */
  readonly #pending = new Map<string, Promise<unknown>>()

  constructor(name: string, options: AppOptions) {
    this.#name = name
    this.#options = options
    for (const key of optional) {
      if (options[key]) this[key] = (context) => this.#call(key, context)
    }
  }

  async start(context: OperationContext): Promise<void> {
    if (this.#state === 'running') return
    this.#state = 'unknown'
    await this.#call('start', context)
    this.#state = 'running'
  }

  async stop(context: OperationContext): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'unknown'
    await this.#call('stop', context)
    this.#state = 'stopped'
  }

  async status(context: OperationContext): Promise<ResourceStatus> {
    if (this.#state === 'stopped' || !this.#options.status) return this.#known()
    const found = asStatus(await this.#call('status', context))
    if (found.state !== 'running' && this.#state === 'running') this.#state = 'unknown'
    return found
  }

  #known(): ResourceStatus {
    if (this.#state !== 'unknown') return { state: this.#state }
    return { state: 'failed', reason: `${this.#name}: its last start or stop failed` }
  }

  /** Calls one function, in turn after an earlier call of it, and stops waiting when the operation is over. */
  async #call(key: 'start' | 'stop' | 'status' | (typeof optional)[number], context: OperationContext): Promise<void> {
    const { signal } = context
    const what = `${key}() of ${this.#name}`
    const earlier = this.#pending.get(key)
    if (earlier !== undefined) await unlessAborted(earlier, signal, `an earlier ${what} has not returned yet`)
    const call = (async () => (this.#options[key] as AppFunction)(context))()
    const settled = call.then(
      () => {},
      () => {},
    )
    this.#pending.set(key, settled)
    void settled.then(() => {
      if (this.#pending.get(key) === settled) this.#pending.delete(key)
    })
    try {
      return await unlessAborted(call, signal, `${what} did not return in time`)
    } catch (error) {
      if (error instanceof HotStandbyError && error.code === 'HS_TIMEOUT') throw error
      throw new HotStandbyError('HS_RESOURCE', `${what} failed: ${messageOf(error)}`, { cause: error })
    }
  }
}

function asStatus(value: unknown): ResourceStatus {
  const { state, reason } = (value ?? {}) as { state?: unknown; reason?: unknown }
  if (state === 'running' || state === 'stopped') return { state }
  if (state === 'failed') return { state, reason: String(reason ?? 'no reason given') }
  return {
    state: 'failed',
    reason: `status() returned ${JSON.stringify(value)}; right is { state: 'running' | 'stopped' | 'failed' }`,
  }
}
