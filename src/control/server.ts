import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Cluster } from '../cluster/cluster.ts'
import { HotStandbyError, isHotStandbyError, messageOf } from '../roles/error.ts'
import { defaultControlPath, makeControlDirectory, pathMaxBytes } from './path.ts'
import { type Answer, lineMaxBytes, lineReader, printable, type Request } from './protocol.ts'

/** Options of {@link serveControl}. */
export interface ControlOptions {
  /** Path of the socket. @defaultValue made from the cluster's and the node's name */
  readonly path?: string | undefined
}

/** A control socket that is being served. */
export interface ControlServer extends AsyncDisposable {
  /** Path of the socket. */
  readonly path: string
  /** Closes the socket and every connection; idempotent. */
  close(): Promise<void>
}

/** A recording is sent in parts of so many characters, each when the one before was taken. */
const partChars = 32_768
/** So many may be connected at once; who comes later is let go. */
const clientsMax = 64
/** Bytes that may wait for a client which does not read; then it is let go. */
const unreadMaxBytes = 4_194_304

/**
 * Serves the control socket of a member: `hot-standby status`, `standby`, `takeover` and `events` then work for it, also when
 * it is embedded in an application. Mode 0600: only this user and root get in. It closes when the member has stopped.
 *
 * @throws {HotStandbyError} `HS_CONTROL` when another process serves the path, or it cannot be made.
 *
 * @example
 * ```ts
 * import { type Cluster, serveControl } from 'hot-standby'
 *
 * declare const cluster: Cluster
 * const control = await serveControl(cluster)
 * console.log(`hot-standby status --control ${control.path}`)
 * ```
 */
export async function serveControl(cluster: Cluster, options: ControlOptions = {}): Promise<ControlServer> {
  const path = options.path ?? defaultControlPath(cluster.name, cluster.node)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveClient(cluster, socket)
  })
  server.maxConnections = clientsMax
  await makeWay(path)
  await listen(server, path)
  // A connection that cannot be accepted (no file descriptor is left, say) is the client's trouble, not the heart's.
  server.on('error', () => {})
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
    return closing
  }
  cluster.on('stopped', close)
  return { path, close, [Symbol.asyncDispose]: close }
}

/** Removes the socket of a process that is gone; one that answers is left alone. */
async function makeWay(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > pathMaxBytes) {
    const message = `control socket ${path}: ${bytes} bytes are too long, a socket's path has at most ${pathMaxBytes}`
    throw new HotStandbyError('HS_CONTROL', message)
  }
  try {
    makeControlDirectory(path)
    if (!lstatSync(path).isSocket())
      throw new HotStandbyError('HS_CONTROL', `${path} is there and is no socket; move it away, or choose another path`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw isHotStandbyError(error) ? error : controlError(path, error)
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (alive) throw new HotStandbyError('HS_CONTROL', `${path} is served by another process; this node runs already?`)
  unlinkSync(path)
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(controlError(path, error))
    server.once('error', onError)
    // The socket file is made while listen() runs; it must never be open to others, not even for a moment.
    const umask = process.umask(0o177)
    try {
      server.listen(path, () => {
        server.off('error', onError)
        chmodSync(path, 0o600)
        resolve()
      })
    } finally {
      process.umask(umask)
    }
  })
}

function serveClient(cluster: Cluster, socket: Socket): void {
  const answer = (line: Answer): void => {
    if (socket.destroyed) return
    socket.write(`${JSON.stringify(line)}\n`)
    if (socket.writableLength > unreadMaxBytes) socket.destroy()
  }
  const read = lineReader((line) => {
    const request = parse(line)
    if (!request) return answer({ id: 0, error: { code: 'HS_CONTROL', message: `no request: ${line.slice(0, 200)}` } })
    perform(cluster, request, socket, answer).catch((error: unknown) => {
      const code = isHotStandbyError(error) ? error.code : 'HS_CONTROL'
      answer({ id: request.id, error: { code, message: messageOf(error) } })
    })
  })
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    if (read(chunk)) return
    const message = `a request has at most ${lineMaxBytes} bytes and ends with a line feed`
    answer({ id: 0, error: { code: 'HS_CONTROL', message } })
    socket.destroySoon()
  })
}

async function perform(
  cluster: Cluster,
  request: Request,
  socket: Socket,
  answer: (line: Answer) => void,
): Promise<void> {
  const { id, call } = request
  if (call === 'status') return answer({ id, result: cluster.snapshot() })
  if (call === 'why') return answer({ id, result: cluster.explain(request.group) })
  if (call === 'record') return sendRecording(id, cluster.recording(), socket, answer)
  if (call === 'events') {
    socket.once(
      'close',
      cluster.onAny((event) => answer({ event: printable(event) })),
    )
    return answer({ id, result: null })
  }
  const scope = request.scope as Parameters<Cluster['standby']>[0]
  if (call === 'maintenance') await cluster.maintenance(request.on, scope)
  else await cluster[call](scope)
  answer({ id, result: null })
}

/** Never more than a part waits in memory for a slow reader. */
async function sendRecording(
  id: number,
  recording: string,
  socket: Socket,
  answer: (line: Answer) => void,
): Promise<void> {
  for (let at = 0; at < recording.length && !socket.destroyed; at += partChars) {
    answer({ id, part: recording.slice(at, at + partChars) })
    if (socket.writableNeedDrain) await drained(socket)
  }
  answer({ id, result: null })
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

const calls: readonly string[] = [
  'status',
  'standby',
  'takeover',
  'maintenance',
  'record',
  'why',
  'events',
] satisfies Request['call'][]
const words: readonly string[] = ['all', 'local', 'foreign']

function parse(line: string): Request | undefined {
  try {
    const value = JSON.parse(line) as { [Name in 'id' | 'call' | 'scope' | 'on' | 'group']?: unknown } | null
    if (typeof value?.id !== 'number' || typeof value.call !== 'string' || !calls.includes(value.call)) return undefined
    const { scope } = value
    const named = Array.isArray(scope) && scope.length > 0 && scope.every((name) => typeof name === 'string')
    const isScoped = value.call === 'standby' || value.call === 'takeover' || value.call === 'maintenance'
    if (value.call === 'maintenance' && typeof value.on !== 'boolean') return undefined
    if (value.call === 'why' && !['string', 'undefined'].includes(typeof value.group)) return undefined
    if (isScoped && !named && !words.includes(scope as string)) return undefined
    return value as Request
  } catch {
    return undefined
  }
}

function controlError(path: string, error: unknown): HotStandbyError {
  return new HotStandbyError('HS_CONTROL', `control socket ${path}: ${messageOf(error)}`, { cause: error })
}
