import { once } from 'node:events'
import type { Server as NetServer, Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { HotStandbyError } from '../roles/error.ts'
import { unlessAborted } from './limit.ts'

/** A server of `node:net`, `tls`, `http`, `https` or `http2`: all of them are this class. */
export type { NetServer }

/** Where it listens. */
export interface ListenTarget {
  readonly port: number
  readonly host: string | undefined
}

/** So long the first request of a connection may be on its way. */
const unusedMs = 500

/** What some servers have beside what `net` knows. */
interface MaybeHttp {
  closeIdleConnections?(): void
}
/** A session of HTTP/2. */
interface Session extends NodeJS.EventEmitter {
  close(): void
}
interface Response extends NodeJS.EventEmitter {
  readonly headersSent: boolean
  readonly stream?: unknown
  setHeader(name: string, value: string): void
}

/** One server of the application: it listens and stops listening when it is told, and every connection to it is known. */
export class Listener {
  readonly #server: NetServer
  readonly #target: ListenTarget
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<Session>()
  readonly #responses = new Set<Response>()
  /** We have called `listen()` and not `close()` since. */
  #opened = false
  /** From the begin of a drain or a cut until it listens again. */
  #draining = false
  /** The end of the last `close()`. */
  #closed: Promise<void> = Promise.resolve()
  /** To be called when the last connection has gone. */
  #whenEmpty: (() => void)[] = []
  readonly #attached: readonly (readonly [event: string, run: (...args: never[]) => void])[]

  constructor(server: NetServer, target: ListenTarget, onError: (error: Error) => void) {
    this.#server = server
    this.#target = target
    this.#attached = [
      ['connection', (socket: Socket) => this.#keep(this.#sockets, socket)],
      ['session', (session: Session) => this.#keep(this.#sessions, session)],
      ['request', (_request: unknown, response: Response) => this.#requested(response)],
      // Without a listener one connection that cannot be accepted would end the process. A `listen()` that fails says so itself.
      ['error', (error: Error) => this.#server.listening && onError(error)],
    ]
  }

  /** Begins to know what happens on the server, before the application does. */
  attach(): void {
    for (const [event, run] of this.#attached) this.#server.prependListener(event, run as () => void)
  }

  detach(): void {
    for (const [event, run] of this.#attached) this.#server.off(event, run as () => void)
  }

  /** It listens, and by our word. */
  get listening(): boolean {
    return this.#opened && this.#server.listening
  }

  /** It listens though we have not asked it to. */
  get listensByItself(): boolean {
    return !this.#opened && this.#server.listening
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** Listens; resolves when it does. */
  async open(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#closed, signal, 'its connections of before are still open')
    signal.throwIfAborted()
    const end = new AbortController()
    const listens = once(this.#server, 'listening', { signal: end.signal })
    listens.catch(() => {})
    try {
      this.#draining = false
      this.#opened = true
      this.#server.listen(this.#target)
      await unlessAborted(listens, signal, `it does not listen yet on ${placeOf(this.#target)}`)
    } catch (error) {
      this.#opened = false
      // A name that is looked up for long: it may come to listen when nobody wants that any more.
      if (signal.aborted && !this.#server.listening)
        this.#server.once('listening', () => this.#opened || this.#server.close())
      else if (signal.aborted) this.#close()
      throw listenError(error, this.#target)
    } finally {
      end.abort()
    }
  }

  /**
   * Accepts nobody any more, lets what is being answered end, and closes what is still open after `graceMs`, or when the signal
   * aborts. Resolves when no connection is left. `onDrain` is called in between and not waited for.
   */
  async drain(graceMs: number, onDrain: () => void, signal: AbortSignal): Promise<void> {
    // Whoever waits to be accepted when it is closed is refused by the system: they are accepted first.
    for (let turn = 0; turn < 2 && this.listening; turn++) await setImmediate()
    this.#close()
    for (const response of this.#responses) askToClose(response)
    for (const session of this.#sessions) session.close()
    this.#closeIdle()
    const cut = (): void => this.#destroy()
    const timers = [setTimeout(cut, graceMs), setTimeout(() => this.#closeUnused(), unusedMs)]
    if (signal.aborted) cut()
    signal.addEventListener('abort', cut, { once: true })
    if (this.#sockets.size > 0) onDrain()
    await this.#closed
    for (const timer of timers) clearTimeout(timer)
    signal.removeEventListener('abort', cut)
    signal.throwIfAborted()
  }

  /** Accepts nobody and closes every connection, at once. */
  async cut(): Promise<void> {
    this.#close()
    this.#destroy()
    await this.#closed
  }

  #keep<Kept extends NodeJS.EventEmitter>(set: Set<Kept>, item: Kept): void {
    set.add(item)
    item.once('close', () => {
      set.delete(item)
      this.#tellEmpty()
    })
  }

  #tellEmpty(): void {
    if (this.#sockets.size > 0) return
    for (const tell of this.#whenEmpty.splice(0)) tell()
  }

  #requested(response: Response): void {
    this.#keep(this.#responses, response)
    if (this.#draining) askToClose(response)
    // Its connection counts as idle only after this event.
    response.once('close', () => void setImmediate().then(() => this.#draining && this.#closeIdle()))
  }

  #closeIdle(): void {
    ;(this.#server as MaybeHttp).closeIdleConnections?.()
  }

  /** A browser opens connections in advance; for Node these are not idle until their first request has come. */
  #closeUnused(): void {
    if ((this.#server as MaybeHttp).closeIdleConnections === undefined) return
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
  }

  #destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** From here on nobody is accepted; `#closed` resolves when nobody is left. */
  #close(): void {
    this.#draining = true
    this.#opened = false
    const empty = new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
    this.#tellEmpty()
    // Where somebody else has closed it, the connections of before are there all the same.
    const closed = this.#server.listening ? new Promise<void>((done) => this.#server.close(() => done())) : this.#closed
    this.#closed = Promise.all([empty, closed]).then(() => {})
  }
}

/** The client is told that its connection takes no further request. HTTP/2 has no such field: there the session says it. */
function askToClose(response: Response): void {
  if (!response.headersSent && response.stream === undefined) response.setHeader('Connection', 'close')
}

export function placeOf({ port, host }: ListenTarget): string {
  if (host === undefined) return `port ${port}`
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** What is to be done about it, by the code of the system. */
const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program, or another part of this one, listens there',
  EADDRNOTAVAIL: 'no device of this host has the address; a floating address must stand before the server in its group',
  EACCES: 'a port below 1024 needs CAP_NET_BIND_SERVICE',
  ENOTFOUND: 'the name is not known here; write an address',
  ERR_SERVER_ALREADY_LISTEN: 'the application has called listen() itself; leave that to the pair',
}

function listenError(error: unknown, target: ListenTarget): unknown {
  const { code } = (error ?? {}) as { code?: string }
  const why = code === undefined || !Object.hasOwn(advice, code) ? undefined : advice[code]
  if (why === undefined) return error
  return new HotStandbyError('HS_RESOURCE', `cannot listen on ${placeOf(target)} (${code}): ${why}`, { cause: error })
}
