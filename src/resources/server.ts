import { Listener, type ListenTarget, type NetServer, placeOf } from '../platform/listener.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
} from '../roles/resource-agent.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** Options of {@link server}. */
export interface ServerOptions extends ResourceTimeOptions {
  /** Port to listen on, 0 to 65535; 0: one that the system chooses. */
  readonly port: number
  /** Address to listen on. @defaultValue every address of the host */
  readonly host?: string | undefined
  /**
   * How long a stop waits for what is being answered; what is still open then is closed. `'0s'`: not at all.
   * @defaultValue `'5s'`
   */
  readonly grace?: Duration | undefined
  /**
   * Called when a stop begins and nobody is accepted any more: tells long-lived clients to come again (a close frame of a
   * WebSocket, the last event of a stream). Its result is not waited for: the stop goes on until they have gone or `grace` is over.
   */
  readonly onDrain?: (() => unknown) | undefined
  /**
   * Tells several of them apart.
   * @defaultValue `server:` and the port, with the address before it where one is given
   */
  readonly name?: string | undefined
}

const knownOptions: OptionTable<ServerOptions> = {
  ...timeOptions,
  port: 'number',
  host: 'text',
  grace: 'any',
  onDrain: 'function',
  name: 'text',
}

/** What a stop may take beyond the grace. */
const stopMarginMs = 5000

/**
 * A server of the application (`node:http`, `https`, `http2`, `net`, `tls`) as a resource: it listens while this node serves. A stop
 * accepts nobody any more, lets what is being answered end, and after `grace` closes what is left. In an emergency everything is
 * closed at once. The application never calls `listen()` itself.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { server } from 'hot-standby'
 *
 * const web = createServer((_request, response) => response.end('hello\n'))
 * const resources = [server(web, { port: 8080, grace: '5s' })]
 * ```
 * @throws {HotStandbyError} `HS_CONFIG` for something that is no server, or a bad port, name or time.
 */
export function server(httpOrNetServer: NetServer, options: ServerOptions): ResourcePlugin {
  checkOptionNames('server', options, knownOptions)
  const given = httpOrNetServer as Partial<NetServer> | null | undefined
  if (typeof given?.listen !== 'function' || typeof given.close !== 'function' || typeof given.on !== 'function')
    throw optionError(
      'server',
      `a server of node:http, https, http2, net or tls is needed, got ${shownValue(httpOrNetServer)}`,
    )
  const { port, host, onDrain } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw optionError('server.port', `must be an integer from 0 to 65535, got ${shownValue(port)}`)
  const target = { port, host }
  const name = options.name ?? `server:${host === undefined ? port : placeOf(target)}`
  if (!/^[\w.:/[\]-]+$/.test(name))
    throw optionError('server.name', `'${name}' has other characters than letters, digits and ._:/-[]`)
  const graceMs = durationMs(options.grace ?? '5s', 'server.grace')
  const times = resourceTimes('server', options, {
    startTimeout: '10s',
    stopTimeout: `${graceMs + stopMarginMs}ms`,
    statusTimeout: '5s',
    statusInterval: '1s',
  })
  if (times.stopMs <= graceMs)
    throw optionError('server.grace', `${graceMs} ms must be shorter than stopTimeout (${times.stopMs} ms)`)
  return {
    kind: 'resource',
    type: 'server',
    name,
    settings: { ...target, graceMs },
    times,
    operations: ['prepare', 'start', 'stop', 'status', 'isolate', 'restore'],
    create: (context) => new ServerAgent(httpOrNetServer, { target, name, graceMs, onDrain, context }),
  }
}

interface Setting {
  readonly target: ListenTarget
  readonly name: string
  readonly graceMs: number
  readonly onDrain: (() => unknown) | undefined
  readonly context: ResourceContext
}

class ServerAgent implements ResourceAgent {
  readonly #setting: Setting
  readonly #listener: Listener
  readonly #server: NetServer
  /** `failed`: the last start or stop did not come to its end. */
  #state: 'stopped' | 'running' | 'isolated' | 'failed' = 'stopped'

  constructor(server: NetServer, setting: Setting) {
    const { target, name, context } = setting
    this.#setting = setting
    this.#server = server
    this.#listener = new Listener(server, target, (error) =>
      context.logger.warn({ resource: name }, `${name}: ${messageOf(error)}`),
    )
  }

  async open(): Promise<void> {
    this.#listener.attach()
    this.#server.on('close', this.#setting.context.changed)
  }

  async close(): Promise<void> {
    this.#listener.detach()
    this.#server.off('close', this.#setting.context.changed)
  }

  async prepare(): Promise<void> {
    // Whether the port is free is not tried: on one machine the peer may have it, until it stops.
    if (this.#listener.listensByItself) throw this.#listensAlready()
  }

  async start({ signal }: OperationContext): Promise<void> {
    if (this.#listener.listening) return
    if (this.#listener.listensByItself) throw this.#listensAlready()
    this.#state = 'failed'
    await this.#listener.open(signal)
    this.#state = 'running'
  }

  async stop({ signal }: OperationContext): Promise<void> {
    const { graceMs, onDrain } = this.#setting
    if (this.#state === 'stopped') return
    this.#state = 'failed'
    await this.#listener.drain(graceMs, () => void this.#call(onDrain), signal)
    this.#state = 'stopped'
  }

  async status(): Promise<ResourceStatus> {
    const { name, target } = this.#setting
    if (this.#state === 'stopped') return { state: 'stopped' }
    if (this.#state === 'isolated') return { state: 'failed', reason: `${name} was cut off` }
    if (this.#state === 'failed') return { state: 'failed', reason: `${name}: its last start or stop failed` }
    if (this.#listener.listening) return { state: 'running' }
    return { state: 'failed', reason: `${name} no longer listens on ${placeOf(target)}: something has closed it` }
  }

  async isolate(): Promise<void> {
    await this.#listener.cut()
    if (this.#state !== 'stopped') this.#state = 'isolated'
  }

  async restore({ signal }: OperationContext): Promise<void> {
    if (this.#state !== 'isolated') return
    await this.#listener.open(signal)
    this.#state = 'running'
  }

  inspect(): Readonly<Record<string, unknown>> {
    const address = this.#listener.listening ? this.#server.address() : null
    return { address, connections: this.#listener.connections }
  }

  /** What the application does for its clients must not fail the stop. */
  async #call(onDrain: (() => unknown) | undefined): Promise<void> {
    const { name, context } = this.#setting
    try {
      await onDrain?.()
    } catch (error) {
      context.logger.warn({ resource: name }, `${name}: onDrain failed: ${messageOf(error)}`)
    }
  }

  #listensAlready(): HotStandbyError {
    const { name } = this.#setting
    const message = `${name}: the server listens already; take listen() out of the application, the pair calls it`
    return new HotStandbyError('HS_RESOURCE', message)
  }
}
