import { probeHttp } from '../platform/http-probe.ts'
import { withinLimit } from '../platform/limit.ts'
import { pollUntil } from '../platform/poll.ts'
import { lastLines, runProgram } from '../platform/process.ts'
import { probeTcp } from '../platform/tcp-probe.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import type { OperationContext, ResourceAgent, ResourcePlugin, ResourceStatus } from '../roles/resource-agent.ts'
import { optionError, type ResourceTimeOptions, resourceTimes } from './options.ts'

/** A look of the application's own. Well: it returns nothing or `true`. Sick: `false`, or it throws; the error's message is the reason. */
export type CheckFunction = (context: { readonly signal: AbortSignal }) => unknown

/** Options of {@link check}: exactly one of `http`, `tcp`, `command` and `probe`, and how it is judged. */
export interface CheckOptions extends Pick<ResourceTimeOptions, 'startTimeout'> {
  /** Page that must answer with 200–399: `http://127.0.0.1:8080/health`. */
  readonly http?: string | undefined
  /** `Host` header for `http`. */
  readonly host?: string | undefined
  /** Port that must accept a connection: `127.0.0.1:5432`, `[::1]:5432`. */
  readonly tcp?: string | undefined
  /** Program (full path) and arguments; exit code 0 means healthy. It is given no shell. */
  readonly command?: readonly string[] | undefined
  /** A function of the application. */
  readonly probe?: CheckFunction | undefined
  /** Pause between two looks. @defaultValue `'2s'` */
  readonly interval?: Duration | undefined
  /** A look without an answer after this time is a bad one. @defaultValue `'1s'` */
  readonly timeout?: Duration | undefined
  /** So many good looks in a row make a sick service well again. @defaultValue 2 */
  readonly rise?: number | undefined
  /** So many bad looks in a row make it sick. @defaultValue 3 */
  readonly fall?: number | undefined
  /** Looks on the standby too: where the service is sick the group does not go. False for a service that runs on the owner only. @defaultValue `true` */
  readonly standby?: boolean | undefined
}

const knownOptions: OptionTable<CheckOptions> = {
  startTimeout: 'any',
  http: 'text',
  host: 'text',
  tcp: 'text',
  command: 'texts',
  probe: 'any',
  interval: 'any',
  timeout: 'any',
  rise: 'any',
  fall: 'any',
  standby: 'boolean',
}

/** One look: why it is not well, or undefined. */
type Look = (signal: AbortSignal) => Promise<string | undefined>

const waysOf = ['http', 'tcp', 'command', 'probe'] as const

/**
 * Watches a service that the group depends on, wherever that runs: when it is sick, the group moves. It starts and stops nothing;
 * where it stands in the group says when it must be well: behind what starts the service, before the address that leads to it.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad name, way, number or time.
 * @example
 * ```ts
 * import { check, vip } from 'hot-standby'
 *
 * const resources = [check('backend', { http: 'http://127.0.0.1:8080/health', fall: 2 }), vip('192.168.1.100/24')]
 * ```
 */
export function check(name: string, options: CheckOptions): ResourcePlugin {
  checkOptionNames('check', options, knownOptions)
  if (typeof name !== 'string' || !/^[\w.:/-]+$/.test(name))
    throw optionError('check', `'${name}' is not a valid name: letters, digits and ._:/- make one`)
  const timeoutMs = durationMs(options.timeout ?? '1s', 'check.timeout')
  const { rise = 2, fall = 3, standby = true } = options
  for (const [key, value] of Object.entries({ rise, fall }))
    if (!Number.isInteger(value) || value < 1)
      throw optionError(`check.${key}`, `must be an integer >= 1, got ${shownValue(value)}`)
  const look = lookOf(options, timeoutMs)
  const interval = options.interval ?? '2s'
  const times = resourceTimes('check', options, {
    startTimeout: '10s',
    stopTimeout: '1s',
    // Its own limit ends a look; this one is for an agent that hangs.
    statusTimeout: `${timeoutMs + 1000}ms`,
    statusInterval: interval,
  })
  return {
    kind: 'resource',
    settings: options,
    type: 'check',
    name: `check:${name}`,
    times,
    overlaps: true,
    exclusive: 'address',
    // Looking again heals nothing: the group moves at once.
    restarts: 0,
    operations: [...(standby ? (['prepare'] as const) : []), 'start', 'stop', 'status'],
    create: () => new CheckAgent(look, rise, fall, times.intervalMs),
  }
}

function lookOf(options: CheckOptions, timeoutMs: number): Look {
  const given = waysOf.filter((way) => options[way] !== undefined)
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none is given' : `${given.join(' and ')} are given`
    throw optionError('check', `exactly one of ${waysOf.join(', ')} says how to look; ${found}`)
  }
  const { http, tcp, command, probe, host } = options
  if (http !== undefined) return httpLook(http, host, timeoutMs)
  if (tcp !== undefined) return tcpLook(tcp, timeoutMs)
  if (command !== undefined) return commandLook(command, timeoutMs)
  if (typeof probe !== 'function') throw optionError('check.probe', `a function is needed, found ${typeof probe}`)
  return async (signal) => {
    const answer = await withinLimit((async () => probe({ signal }))(), timeoutMs)
    return answer === undefined || answer === true ? undefined : `it answered ${String(answer)}`
  }
}

function httpLook(url: string, host: string | undefined, timeoutMs: number): Look {
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:')
    throw optionError('check.http', `'${url}' is not the URL of a page; 'http://127.0.0.1:8080/health' is one`)
  return async (signal) => {
    const result = await probeHttp(url, { signal, timeoutMs, host })
    return result.ok ? undefined : result.reason
  }
}

function tcpLook(endpoint: string, timeoutMs: number): Look {
  const [, v6, name, digits] = /^(?:\[([\da-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(endpoint) ?? []
  const port = Number(digits)
  if (digits === undefined || port < 1 || port > 65_535)
    throw optionError(
      'check.tcp',
      `'${endpoint}' is not an address with a port; '127.0.0.1:5432' or '[::1]:5432' is one`,
    )
  return (signal) => probeTcp({ host: v6 ?? (name as string), port }, { signal, timeoutMs })
}

function commandLook(command: readonly string[], timeoutMs: number): Look {
  const [file, ...args] = Array.isArray(command) ? command : []
  if (typeof file !== 'string' || !file.startsWith('/'))
    throw optionError(
      'check.command',
      `a list is needed that begins with the full path of a program, found '${command}'`,
    )
  return async (signal) => {
    const { exitCode, signal: killed, stdout, stderr } = await runProgram({ file, args, signal, timeoutMs })
    if (exitCode === 0) return undefined
    return `${file} ended with ${killed ?? exitCode}: ${lastLines(stderr) || lastLines(stdout) || 'it printed nothing'}`
  }
}

class CheckAgent implements ResourceAgent {
  readonly #look: Look
  readonly #rise: number
  readonly #fall: number
  readonly #everyMs: number
  #started = false
  #isSick = false
  /** Looks in a row that contradict `#isSick`. */
  #against = 0
  #lastBad: string | undefined

  constructor(look: Look, rise: number, fall: number, everyMs: number) {
    this.#look = look
    this.#rise = rise
    this.#fall = fall
    this.#everyMs = everyMs
  }

  async prepare({ signal }: OperationContext): Promise<void> {
    const bad = await this.#ask(signal)
    if (bad !== undefined || this.#isSick) throw new HotStandbyError('HS_RESOURCE', bad ?? this.#reason())
  }

  async start({ signal }: OperationContext): Promise<void> {
    const isWell = async (): Promise<boolean> => (await this.#ask(signal)) === undefined && !this.#isSick
    try {
      // After a fall the service has to rise first; the limit of the start ends that.
      await pollUntil(isWell, {
        signal,
        limitMs: Number.POSITIVE_INFINITY,
        everyMs: Math.min(this.#everyMs || 200, 200),
      })
    } catch (error) {
      throw new HotStandbyError('HS_RESOURCE', this.#reason(), { cause: error })
    }
    this.#started = true
  }

  async stop(): Promise<void> {
    this.#started = false
  }

  async status({ signal }: OperationContext): Promise<ResourceStatus> {
    if (!this.#started) return { state: 'stopped' }
    await this.#ask(signal)
    return this.#isSick ? { state: 'failed', reason: this.#reason() } : { state: 'running' }
  }

  inspect(): Readonly<Record<string, unknown>> {
    return { state: this.#isSick ? 'sick' : 'well', lastBad: this.#lastBad ?? null }
  }

  #reason(): string {
    return this.#lastBad ?? 'no look has ended yet'
  }

  /** One look, counted. */
  async #ask(signal: AbortSignal): Promise<string | undefined> {
    let bad: string | undefined
    try {
      bad = await this.#look(signal)
    } catch (error) {
      bad = messageOf(error)
    }
    // A look that was ended from outside says nothing of the service.
    if (signal.aborted) return bad ?? messageOf(signal.reason)
    if (bad !== undefined) this.#lastBad = bad
    this.#against = (bad !== undefined) === this.#isSick ? 0 : this.#against + 1
    if (this.#against >= (this.#isSick ? this.#rise : this.#fall)) {
      this.#isSick = !this.#isSick
      this.#against = 0
    }
    return bad
  }
}
