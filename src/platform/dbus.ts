import { createConnection, type Socket } from 'node:net'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { type DBusMessage, type DBusValue, decodeMessage, encodeMessage, messageLength } from './dbus-message.ts'

/** The peer's answer to a call: it failed. */
export class DBusCallError extends Error {
  /** `org.freedesktop.DBus.Error.AccessDenied`, … */
  readonly errorName: string

  constructor(errorName: string, message: string) {
    super(message)
    this.errorName = errorName
  }
}

/** The connection cannot be made, or is gone. */
export class DBusConnectionError extends Error {}

/** Where to connect to. */
export interface DBusAddress {
  /** Path of the socket. */
  readonly socket: string
  /** True for a message bus, which wants a greeting and match rules; false for a service's own socket. */
  readonly isBus: boolean
}

/** One call of a method. */
export interface DBusCall {
  readonly destination: string
  readonly path: string
  readonly interface: string
  readonly member: string
  /** Types of the arguments. @defaultValue none */
  readonly signature?: string | undefined
  readonly body?: readonly DBusValue[] | undefined
}

interface Waiting {
  resolve(body: readonly DBusValue[]): void
  reject(error: Error): void
}

const bus = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const

/** Kept of an answer of the handshake, which is some 40 bytes. */
const maxLineBytes = 1024

/**
 * A connection to a message bus or to a service's own socket. It calls methods and hears signals; it offers nothing.
 * Authentication is EXTERNAL: the kernel tells the other end who this is.
 */
export class DBusConnection {
  readonly #socket: Socket
  readonly #isBus: boolean
  readonly #waiting = new Map<number, Waiting>()
  #received: Buffer = Buffer.alloc(0)
  #serial = 0
  #lost: DBusConnectionError | null = null
  /** Hears every signal, in order. */
  onSignal: (message: DBusMessage) => void = () => {}
  /** Hears once that the connection is lost; not after `close()`. */
  onLost: (error: Error) => void = () => {}

  private constructor(socket: Socket, isBus: boolean) {
    this.#socket = socket
    this.#isBus = isBus
  }

  /**
   * Connects, authenticates and greets the bus. Rejects with {@link DBusConnectionError}, or `HS_TIMEOUT` when the signal
   * aborts first.
   */
  static async open({ socket: path, isBus }: DBusAddress, signal: AbortSignal): Promise<DBusConnection> {
    const socket = createConnection(path)
    const abort = (): void => void socket.destroy(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    try {
      signal.throwIfAborted()
      await authenticate(socket)
    } catch (error) {
      socket.destroy()
      if (signal.aborted) throw timeout(`connecting to ${path}`, signal)
      throw new DBusConnectionError(`${path}: ${messageOf(error)}`, { cause: error })
    } finally {
      signal.removeEventListener('abort', abort)
    }
    const connection = new DBusConnection(socket, isBus)
    connection.#listen(path)
    try {
      if (isBus) await connection.call({ ...bus, member: 'Hello' }, signal)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /**
   * Calls a method. Rejects with {@link DBusCallError} when it failed, {@link DBusConnectionError} when the connection is
   * lost, `HS_TIMEOUT` when the signal aborts before the answer.
   */
  call({ body = [], ...call }: DBusCall, signal?: AbortSignal): Promise<readonly DBusValue[]> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      if (signal?.aborted) return reject(timeout(`${call.member} not called`, signal))
      this.#serial += 1
      const serial = this.#serial
      const abort = (): void => {
        this.#waiting.delete(serial)
        reject(timeout(`no answer to ${call.member}`, signal as AbortSignal))
      }
      const settle = (): void => signal?.removeEventListener('abort', abort)
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.set(serial, {
        resolve(answer) {
          settle()
          resolve(answer)
        },
        reject(error) {
          settle()
          reject(error)
        },
      })
      this.#socket.write(encodeMessage({ type: 'call', serial, ...call, body }))
    })
  }

  /** Asks the bus for signals; a service's own socket brings all of them unasked. */
  async match(rule: string, signal: AbortSignal): Promise<void> {
    if (this.#isBus) await this.call({ ...bus, member: 'AddMatch', signature: 's', body: [rule] }, signal)
  }

  /** Ends it; calls that wait are rejected. Idempotent. */
  close(): void {
    this.onLost = () => {}
    this.#lose(new DBusConnectionError('the connection was closed'))
  }

  #listen(path: string): void {
    this.#socket.on('data', (chunk) => {
      try {
        this.#take(chunk)
      } catch (error) {
        this.#lose(new DBusConnectionError(`${path} sent bytes that are no D-Bus: ${messageOf(error)}`))
      }
    })
    this.#socket.on('error', (error) => this.#lose(new DBusConnectionError(`${path}: ${error.message}`)))
    this.#socket.on('close', () => this.#lose(new DBusConnectionError(`${path}: the other end closed the connection`)))
    this.#socket.resume()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    for (;;) {
      const length = messageLength(this.#received)
      if (length === null || this.#received.length < length) return

      const message = decodeMessage(this.#received.subarray(0, length))
      this.#received = this.#received.subarray(length)
      if (message) this.#dispatch(message)
      if (this.#lost) return
    }
  }

  #dispatch(message: DBusMessage): void {
    if (message.type === 'signal') return this.onSignal(message)
    const serial = message.replySerial ?? 0
    const waiting = this.#waiting.get(serial)
    this.#waiting.delete(serial)
    if (message.type === 'return') waiting?.resolve(message.body)
    if (message.type === 'error') {
      const [text] = message.body
      waiting?.reject(new DBusCallError(message.errorName as string, typeof text === 'string' ? text : ''))
    }
  }

  #lose(error: DBusConnectionError): void {
    if (this.#lost) return
    this.#lost = error
    this.#socket.destroy()
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.onLost(error)
  }
}

/** The handshake: a zero byte, who we are, and the other end's consent. */
function authenticate(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let line = ''
    const fail = (error?: Error): void => reject(error ?? new Error('the other end closed the connection'))
    const onData = (chunk: Buffer): void => {
      line += chunk.toString('latin1')
      if (!line.includes('\r\n') && line.length < maxLineBytes) return
      socket.off('data', onData).off('error', fail).off('close', fail)
      if (!line.startsWith('OK ') || !line.endsWith('\r\n')) {
        return fail(new Error(`user ${process.geteuid?.()} is not let in: ${JSON.stringify(line.slice(0, 80))}`))
      }
      // Nothing is read until the connection listens.
      socket.pause()
      resolve()
    }
    socket.on('data', onData).once('error', fail).once('close', fail)
    const user = Buffer.from(String(process.geteuid?.() ?? 0)).toString('hex')
    // At once, as sd-bus does: systemd does not look at a message that comes together with `BEGIN` until another one comes.
    socket.write(`\0AUTH EXTERNAL ${user}\r\nBEGIN\r\n`)
  })
}

function timeout(what: string, signal: AbortSignal): HotStandbyError {
  return new HotStandbyError('HS_TIMEOUT', `${what}: ${messageOf(signal.reason)}`, { cause: signal.reason })
}
