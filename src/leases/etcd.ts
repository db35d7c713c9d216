import { postJson } from '../platform/json-request.ts'
import { configurationError, HotStandbyError } from '../roles/error.ts'
import type { LeaseStore, LeaseStoreContext, LeaseStorePlugin, StoredLease, SwapResult } from '../roles/lease-store.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'

/** Options of {@link etcd}. */
export interface EtcdOptions {
  /** Addresses of the members: `https://10.0.0.5:2379`. One that does not answer gives way to the next. */
  readonly endpoints: readonly string[]
  /** What the keys begin with. @defaultValue `'hot-standby/'` */
  readonly prefix?: string | undefined
  /** User of etcd, where its authentication is switched on. */
  readonly user?: string | undefined
  /** Password of the user, or a function that returns it. */
  readonly password?: string | (() => string) | undefined
  /** Certificate of the authority that signed those of the members, as PEM text. */
  readonly ca?: string | undefined
  /** Certificate of this client, as PEM text. */
  readonly cert?: string | undefined
  /** Private key of this client, as PEM text, or a function that returns it. */
  readonly key?: string | (() => string) | undefined
}

const knownOptions: OptionTable<EtcdOptions> = {
  endpoints: 'texts',
  prefix: 'text',
  user: 'text',
  password: 'any',
  ca: 'text',
  cert: 'text',
  key: 'any',
}

/** A version is `CLUSTER.REVISION`: a store that was made anew, or another one, is never taken for the one that was read. */
const noRevision = '0'

/**
 * Leases in etcd, over its JSON gateway: version 3.4 or newer. No lease of etcd is used, only its compare-and-set: its clock and
 * the speed of its disk decide nothing.
 *
 * @throws {HotStandbyError} `HS_CONFIG` when an endpoint or an option is malformed.
 * @example
 * ```ts
 * import { etcd } from 'hot-standby'
 *
 * const lease = { store: etcd({ endpoints: ['http://10.0.0.5:2379', 'http://10.0.0.6:2379', 'http://10.0.0.7:2379'] }) }
 * ```
 */
export function etcd(options: EtcdOptions): LeaseStorePlugin {
  checkOptionNames('etcd', options, knownOptions)
  const { endpoints, prefix = 'hot-standby/', user, password } = options
  const wrong = (where: string, message: string) => configurationError([{ where, message, severity: 'error' }])
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw wrong('etcd.endpoints', "must name at least one member, as in ['http://10.0.0.5:2379']")
  for (const [index, endpoint] of endpoints.entries())
    if (!isEndpoint(endpoint))
      throw wrong(
        `etcd.endpoints[${index}]`,
        `${shownValue(endpoint)} is not an address of etcd; write http://HOST:PORT or https://HOST:PORT`,
      )
  if ((user === undefined) !== (password === undefined))
    throw wrong('etcd', 'user and password belong together; one of them is missing')
  return {
    kind: 'store',
    type: 'etcd',
    description: `etcd at ${endpoints.map((endpoint) => new URL(endpoint).host).join(', ')}`,
    settings: { endpoints, prefix, user },
    create: (context) => new EtcdStore(options, prefix, context),
  }
}

function isEndpoint(endpoint: unknown): endpoint is string {
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint)) return false
  const { protocol, username, password, pathname } = new URL(endpoint)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '' && pathname === '/'
}

interface Header {
  readonly cluster_id?: string
  readonly revision?: string
}

interface RangeAnswer {
  readonly header?: Header
  readonly kvs?: unknown
}

interface TxnAnswer {
  readonly header?: Header
  readonly succeeded?: boolean
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

class EtcdStore implements LeaseStore {
  readonly capabilities = { linearizable: true }
  readonly #options: EtcdOptions
  readonly #prefix: string
  /** The member that is asked first. */
  #first = 0
  #token: string | undefined
  #cluster: string | undefined
  /** Requests under way. */
  readonly #under = new Set<AbortController>()
  #closed = false

  constructor(options: EtcdOptions, prefix: string, { cluster }: LeaseStoreContext) {
    this.#options = options
    this.#prefix = `${prefix}${cluster}/`
  }

  async open(): Promise<void> {}

  async read(name: string, signal: AbortSignal): Promise<StoredLease | null> {
    // Linearizable, unless asked otherwise.
    const { header, kvs } = (await this.#ask(
      'kv/range',
      { key: base64(this.#prefix + name) },
      signal,
      true,
    )) as RangeAnswer
    const cluster = this.#clusterOf(header)
    if (kvs !== undefined && !Array.isArray(kvs)) throw this.#error('it answered records that are not a list')
    const found: unknown = kvs?.[0]
    if (found === undefined) return null
    const { value = '', mod_revision: revision } = Object(found) as {
      readonly [Name in 'value' | 'mod_revision']?: unknown
    }
    if (typeof revision !== 'string' || typeof value !== 'string')
      throw this.#error('it answered a record without a revision')
    return { value: Buffer.from(value, 'base64').toString(), version: `${cluster}.${revision}` }
  }

  async swap(name: string, expected: string | null, value: string, signal: AbortSignal): Promise<SwapResult> {
    const key = base64(this.#prefix + name)
    const [cluster = '', revision = noRevision] = expected === null ? [this.#cluster] : expected.split('.')
    if (this.#cluster !== undefined && cluster !== this.#cluster) return { swapped: false }
    const compare = [{ key, target: 'MOD', result: 'EQUAL', mod_revision: revision }]
    const success = [{ requestPut: { key, value: base64(value) } }]
    const answer = (await this.#ask('kv/txn', { compare, success }, signal, false)) as TxnAnswer
    const written = this.#clusterOf(answer.header)
    if (answer.succeeded !== true) return { swapped: false }
    if (typeof answer.header?.revision !== 'string') throw this.#error('it answered a write without a revision')
    return { swapped: true, version: `${written}.${answer.header.revision}` }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const ends of this.#under) ends.abort()
  }

  /** Whose answer it is; from now on a version of another cluster is an old one. */
  #clusterOf(header: Header | undefined): string {
    if (typeof header?.cluster_id !== 'string') throw this.#error('its answer names no cluster')
    this.#cluster = header.cluster_id
    return header.cluster_id
  }

  /**
   * Asks one member. The next one only where the request surely did not reach the first, or where asking twice does no harm: a
   * write that was sent twice would refuse itself.
   */
  async #ask(path: string, body: object, signal: AbortSignal, harmless: boolean): Promise<unknown> {
    const { endpoints } = this.#options
    let reason = ''
    for (let tries = 0; tries < endpoints.length && !signal.aborted; tries++) {
      const answer = await this.#post(endpoints[this.#first] as string, path, body, signal)
      if (answer.ok) return Object(answer.body) as unknown
      reason = answer.reason
      this.#first = (this.#first + 1) % endpoints.length
      if (answer.left && !harmless) break
    }
    throw this.#error(reason || 'no answer in time')
  }

  async #post(endpoint: string, path: string, body: object, signal: AbortSignal) {
    const first = await this.#call(endpoint, path, body, signal)
    if (this.#options.user === undefined || !first.ok || !isTokenError(first)) return refused(endpoint, first)
    // The token has run out, or there is none yet; etcd refused the request and did nothing.
    const { user, password = '' } = this.#options
    const name = { name: user, password: typeof password === 'function' ? password() : password }
    const granted = await this.#call(endpoint, 'auth/authenticate', name, signal)
    if (!granted.ok || granted.status !== 200) return refused(endpoint, granted)
    this.#token = (granted.body as { token?: string } | null)?.token
    return refused(endpoint, await this.#call(endpoint, path, body, signal))
  }

  async #call(endpoint: string, path: string, body: object, signal: AbortSignal): Promise<Answer> {
    const { ca, cert, key } = this.#options
    const ends = new AbortController()
    const end = () => ends.abort()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted || this.#closed) end()
    this.#under.add(ends)
    const answer = await postJson({
      url: new URL(`/v3/${path}`, endpoint).href,
      body,
      headers: this.#token === undefined ? {} : { authorization: this.#token },
      tls: { ca, cert, key: typeof key === 'function' ? key() : key },
      signal: ends.signal,
    })
    signal.removeEventListener('abort', end)
    this.#under.delete(ends)
    return answer
  }

  #error(reason: string): HotStandbyError {
    return new HotStandbyError('HS_STORE', reason)
  }
}

type Answer = Awaited<ReturnType<typeof postJson>>

function errorText(body: unknown): string {
  const { message, error } = (body ?? {}) as { readonly message?: unknown; readonly error?: unknown }
  return String(message ?? error ?? 'no reason')
}

function isTokenError(answer: Answer): boolean {
  return (
    answer.ok && answer.status !== 200 && /auth token|user name is empty|unauthenticated/i.test(errorText(answer.body))
  )
}

/** An answer that is none of a success; etcd may have done what was asked before it failed. */
function refused(endpoint: string, answer: Answer): Answer {
  if (!answer.ok || answer.status === 200) return answer
  const reason = `${endpoint}: etcd answers ${answer.status}: ${errorText(answer.body).slice(0, 300)}`
  return { ok: false, reason, left: true }
}
