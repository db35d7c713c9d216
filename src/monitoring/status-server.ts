import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import type { Cluster } from '../cluster/cluster.ts'
import type { Snapshot } from '../cluster/snapshot.ts'
import { describe, levelOf } from '../recorder/describe.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, shownValue } from '../roles/option-table.ts'
import { printableFields } from '../roles/printable.ts'
import { answerJson, healthOf } from './health.ts'
import { prometheusContentType, prometheusText } from './metrics.ts'
import { statusPage } from './status-page.ts'
import { verdictOf } from './verdict.ts'

/** Options of {@link statusServer}. */
export interface StatusServerOptions {
  /** TCP port; 0: one that is free. */
  readonly port: number
  /** Address to listen on. Whoever reaches it sees the state of the pair. @defaultValue `'127.0.0.1'` */
  readonly host?: string | undefined
  /** Whoever knows it may move groups: at least 16 characters. Left out: nothing can be moved. */
  readonly token?: string | undefined
}

/** A status server that listens. */
export interface StatusServer extends AsyncDisposable {
  /** Address of the page. */
  readonly url: string
  /** The port that it listens on. */
  readonly port: number
  /** Ends every connection and closes the port; idempotent. */
  close(): Promise<void>
}

const tokenMinChars = 16
/** So many connections may be open at once. */
const connectionsMax = 64
/** Bytes that may wait for a client which does not read; then it is let go. */
const unreadMaxBytes = 1_048_576
/** A snapshot serves every question for so long: however many ask, the heart is asked no more often. */
const freshMs = 100
/** Pages are told anew so often, and soon after an event. */
const periodMs = 1000
/** Newest events that a page is told when it comes. */
const eventsMax = 100
/** A request to move has no reason to be longer. */
const bodyMaxBytes = 4096

const loopback: readonly string[] = ['127.0.0.1', '::1', 'localhost']

/**
 * A web page with the live state of the pair, read-only unless a `token` is given, and its routes: `/` the page, `/events`
 * (server-sent events), `/snapshot`, `/metrics` for Prometheus, `/health/GROUP` for a load balancer. `docs/status-server.md` says more.
 * It closes when the member has stopped.
 *
 * @throws {HotStandbyError} `HS_CONFIG` for wrong options, `HS_HOST` when the port cannot be opened.
 *
 * @example
 * ```ts
 * import { type Cluster, statusServer } from 'hot-standby'
 *
 * declare const cluster: Cluster
 * const { url } = await statusServer(cluster, { port: 8008 })
 * console.log(`the state of the pair: ${url}`)
 * ```
 */
export async function statusServer(cluster: Cluster, options: StatusServerOptions): Promise<StatusServer> {
  const { port, host, token } = checked(options)
  const page = pageOf(token !== undefined)
  const fresh = freshSnapshots(cluster)
  const streams = new Streams(cluster, fresh)
  const source = { snapshot: fresh }
  const routes: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
    '/': (request, response) => {
      response.writeHead(200, page.headers).end(request.method === 'HEAD' ? undefined : page.html)
    },
    '/events': (request, response) => streams.open(request, response),
    '/snapshot': (request, response) => answerJson(request, response, 200, fresh()),
    '/metrics': (_request, response) => {
      response.writeHead(200, { 'content-type': prometheusContentType, 'cache-control': 'no-store' })
      response.end(prometheusText(source))
    },
  }
  const server = createServer((request, response) => {
    response.on('error', () => response.destroy())
    const path = pathOf(request)
    const stranger = strangerTo(host, request)
    if (stranger !== undefined) return answerJson(request, response, 403, { error: stranger })
    if (path === '/move') return void move(cluster, token, request, response)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answerJson(request, response, 405, { error: `${request.method} is not answered here; GET and HEAD are` })
    const group = /^\/health\/(.+)$/.exec(path)?.[1]
    if (group !== undefined) {
      const { status, body } = healthOf(source, group)
      return answerJson(request, response, status, body)
    }
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route) return route(request, response)
    answerJson(request, response, 404, {
      error: `no such page; there are: ${Object.keys(routes).join(', ')}, /health/GROUP`,
    })
  })
  server.maxConnections = connectionsMax
  await listen(server, port, host)
  server.on('error', () => {})
  const { port: found } = server.address() as AddressInfo
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      streams.end()
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closing
  }
  cluster.on('stopped', close)
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${found}/`,
    port: found,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The options with their defaults. */
interface Checked {
  readonly port: number
  readonly host: string
  readonly token: string | undefined
}

function checked(options: StatusServerOptions): Checked {
  checkOptionNames('statusServer', options, { port: 'number', host: 'text', token: 'text' })
  const { port, host = '127.0.0.1', token } = options
  const wrong = (where: string, message: string): never => {
    const issue = { where: `statusServer.${where}`, message, severity: 'error' } as const
    throw new HotStandbyError('HS_CONFIG', `${issue.where}: ${message}`, { issues: [issue] })
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    wrong('port', `must be a whole number from 0 to 65535, got ${shownValue(port)}`)
  if (host === '') wrong('host', "must be an address of this host, or '0.0.0.0' or '::' for all of them")
  if (token !== undefined && token.length < tokenMinChars)
    wrong(
      'token',
      `must have at least ${tokenMinChars} characters, got ${token.length}; openssl rand -hex 16 makes one`,
    )
  return { port, host, token }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const known: Readonly<Record<string, string>> = {
        EADDRINUSE: 'another process has it; choose another port',
        EADDRNOTAVAIL: 'this host has no such address',
        EACCES: 'this user may not open it; ports below 1024 are for root',
      }
      const why = known[error.code ?? ''] ?? messageOf(error)
      reject(new HotStandbyError('HS_HOST', `statusServer: ${host}, port ${port}: ${why}`, { cause: error }))
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

/** The page with headers by which a browser runs and loads nothing but what is in it. */
function pageOf(moves: boolean): { readonly html: string; readonly headers: Readonly<Record<string, string>> } {
  const { html, style, script } = statusPage(moves)
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const policy = [
    "default-src 'none'",
    `style-src ${hash(style)}`,
    `script-src ${hash(script)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    html,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
  }
}

/** The path, decoded; what cannot be decoded is no page. */
function pathOf({ url = '/' }: IncomingMessage): string {
  try {
    return decodeURIComponent(url.split('?')[0] ?? '/')
  } catch {
    return ''
  }
}

/**
 * Why a request does not belong here. On loopback a page of somebody else, whose name was made to lead to 127.0.0.1, could
 * otherwise read along in the browser of whoever sits at this host.
 */
function strangerTo(host: string, { headers }: IncomingMessage): string | undefined {
  if (!loopback.includes(host)) return undefined
  const named = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return loopback.includes(named) ? undefined : `this server is asked as localhost, not as '${printableFields(named)}'`
}

/** The same snapshot to all who ask within a moment, with nothing in it that a terminal would obey. */
function freshSnapshots(cluster: Cluster): () => Snapshot {
  let last: { readonly snapshot: Snapshot; readonly atMs: number } | undefined
  return () => {
    const nowMs = performance.now()
    if (!last || nowMs - last.atMs >= freshMs) last = { snapshot: printableFields(cluster.snapshot()), atMs: nowMs }
    return last.snapshot
  }
}

/** The pages that are open, and what they are told. */
class Streams {
  readonly #open = new Set<ServerResponse>()
  readonly #fresh: () => Snapshot
  /** As they are sent. */
  readonly #told: string[] = []
  readonly #unhear: () => void
  #timer: NodeJS.Timeout | undefined
  #dueMs = Number.POSITIVE_INFINITY

  constructor(cluster: Cluster, fresh: () => Snapshot) {
    this.#fresh = fresh
    this.#unhear = cluster.onAny((event) => {
      const { name, time } = event
      const level = levelOf(event)
      // These only say how, or are between the applications.
      if (level === 'debug') return
      const message = part('told', { time, name, level, text: describe(event) })
      this.#told.push(message)
      if (this.#told.length > eventsMax) this.#told.shift()
      this.#send(message)
      this.#plan(freshMs)
    })
  }

  open(request: IncomingMessage, response: ServerResponse): void {
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
    response.writeHead(200, headers)
    if (request.method === 'HEAD') return void response.end()
    this.#open.add(response)
    response.on('close', () => this.#open.delete(response))
    response.write(this.#state() + this.#told.join(''))
    this.#plan(periodMs)
  }

  end(): void {
    this.#unhear()
    clearTimeout(this.#timer)
    for (const response of this.#open) response.end()
    this.#open.clear()
  }

  /** A snapshot to all within so long, and again every while as long as somebody listens. */
  #plan(inMs: number): void {
    const dueMs = performance.now() + inMs
    if (this.#open.size === 0 || dueMs >= this.#dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY
      if (this.#open.size > 0) this.#send(this.#state())
      this.#plan(periodMs)
    }, inMs)
    this.#timer.unref()
  }

  #state(): string {
    const snapshot = this.#fresh()
    return part('state', { snapshot, verdict: verdictOf(snapshot) })
  }

  #send(message: string): void {
    for (const response of this.#open) {
      response.write(message)
      if (response.writableLength > unreadMaxBytes) response.destroy()
    }
  }
}

/** One server-sent event. JSON has no line ends. */
const part = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** `POST /move`, `{ "action": "standby" | "takeover", "groups": [NAME, …] }`, with the token. Answers when it is known how it went. */
async function move(
  cluster: Cluster,
  token: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refuse = (status: number, error: string): void => answerJson(request, response, status, { error })
  if (request.method !== 'POST') return refuse(405, 'a move is a POST')
  if (token === undefined) return refuse(403, 'this server is read-only: it was started without a token')
  if (!sameSecret(request.headers.authorization ?? '', `Bearer ${token}`))
    return refuse(401, 'the token is missing or wrong')
  // A form of another page cannot send this type without asking the browser, which asks us.
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    return refuse(415, 'a move is JSON: content-type application/json')
  const wanted = await readMove(request).catch(() => undefined)
  if (!wanted) return refuse(400, 'a move is {"action":"standby" or "takeover","groups":[NAME, …]}')
  try {
    await cluster[wanted.action](wanted.groups, { by: `the status page (${request.socket.remoteAddress})` })
    answerJson(request, response, 200, { done: true })
  } catch (error) {
    refuse(409, messageOf(error))
  }
}

/** Takes as long whatever is wrong. */
function sameSecret(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

async function readMove(
  request: IncomingMessage,
): Promise<{ readonly action: 'standby' | 'takeover'; readonly groups: readonly string[] } | undefined> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > bodyMaxBytes) return undefined
  }
  const { action, groups } = JSON.parse(text) as { readonly action?: unknown; readonly groups?: unknown }
  const named = Array.isArray(groups) && groups.length > 0 && groups.every((name) => typeof name === 'string')
  return named && (action === 'standby' || action === 'takeover') ? { action, groups } : undefined
}
