import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Cluster } from '../cluster/cluster.ts'
import { HotStandbyError, isHotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames } from '../roles/option-table.ts'
import { printable } from '../roles/printable.ts'
import { defaultControlPath, makeControlDirectory, pathMaxBytes } from './path.ts'
import { type Answer, lineMaxBytes, lineReader, type Request, withoutPayload } from './protocol.ts'

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
/** Longest pause after what one client asked for. */
const pauseMaxMs = 1000
/** A client that takes none of what waits for it for so long is let go. */
const unreadMaxMs = 5000
/** Bytes that may wait for a client which does not read; then it is let go. */
const unreadMaxBytes = 1_048_576

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
  checkOptionNames('serveControl', options, { path: 'text' })
  const path = options.path ?? defaultControlPath(cluster.name, cluster.node)
  const sockets = new Set<Socket>()
  const inTurn = turns()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveClient(cluster, socket, inTurn)
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
      throw new HotStandbyError(
        'HS_CONTROL',
        `${path} exists and is not a socket; move it away, or choose another path`,
      )
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

/** Does what it is handed, one after the other over all clients. */
type InTurn = (work: () => Promise<void> | void) => Promise<void>

/**
 * What asks much of the processor (a snapshot, an explanation, a recording) is done for one client at a time, and then as long a
 * pause is left as it took: however many ask, half of the time stays for the heart, and it never waits for more than one of them.
 */
function turns(): InTurn {
  let last: Promise<void> = Promise.resolve()
  return (work) => {
    let tookMs = 0
    const mine = last.then(async () => {
      const beganMs = performance.now()
      try {
        await work()
      } finally {
        tookMs = performance.now() - beganMs
      }
    })
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, Math.min(Math.ceil(tookMs), pauseMaxMs)))
    last = mine.then(pause, pause)
    return mine
  }
}

function serveClient(cluster: Cluster, socket: Socket, inTurn: InTurn): void {
  const answer = (line: Answer): void => {
    if (socket.destroyed) return
    socket.write(`${JSON.stringify(line)}\n`)
    if (socket.writableLength > unreadMaxBytes) socket.destroy()
  }
  const client: Client = { cluster, socket, inTurn, answer, isSubscribed: false }
  let lines: string[] = []
  const read = lineReader((line) => lines.push(line))
  /** One request after the other; nothing more is read meanwhile, so no more than one chunk of them waits. */
  const serve = async (): Promise<void> => {
    for (const line of lines) {
      if (socket.destroyed) break
      await obey(client, line)
      if (socket.writableNeedDrain) await drained(socket)
    }
    lines = []
    socket.resume()
  }
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    const isShort = read(chunk)
    if (isShort && lines.length === 0) return
    socket.pause()
    void serve().then(() => {
      if (isShort) return
      const message = `a request has at most ${lineMaxBytes} bytes and ends with a line feed`
      answer({ id: 0, error: { code: 'HS_CONTROL', message } })
      socket.destroySoon()
    })
  })
}

interface Client {
  readonly cluster: Cluster
  readonly socket: Socket
  readonly inTurn: InTurn
  readonly answer: (line: Answer) => void
  isSubscribed: boolean
}

async function obey(client: Client, line: string): Promise<void> {
  const request = parse(line)
  if (!request) {
    client.answer({ id: 0, error: { code: 'HS_CONTROL', message: `no request: ${printable(line, 200)}` } })
    return
  }
  try {
    await perform(client, request)
  } catch (error) {
    const code = isHotStandbyError(error) ? error.code : 'HS_CONTROL'
    client.answer({ id: request.id, error: { code, message: messageOf(error) } })
  }
}

async function perform(client: Client, request: Request): Promise<void> {
  const { cluster, socket, inTurn, answer } = client
  const { id, call } = request
  if (call === 'status') return inTurn(() => answer({ id, result: cluster.snapshot() }))
  if (call === 'why') return inTurn(() => answer({ id, result: cluster.explain(request.group) }))
  if (call === 'history') return inTurn(() => answer({ id, result: cluster.history() }))
  if (call === 'record') {
    let recording = ''
    await inTurn(() => {
      recording = cluster.recording()
    })
    return sendRecording(id, recording, socket, answer)
  }
  if (call === 'events') {
    // A second subscription would only send everything twice.
    if (client.isSubscribed) return answer({ id, result: null })
    client.isSubscribed = true
    socket.once(
      'close',
      cluster.onAny((event) => answer({ event: withoutPayload(event) })),
    )
    return answer({ id, result: null })
  }
  const scope = request.scope as Parameters<Cluster['standby']>[0]
  if (call === 'maintenance') await cluster.maintenance(request.on, scope)
  else await cluster[call](scope, { by: request.by ?? 'the control socket' })
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

/** Waits until the client has read; one that does not is let go. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => socket.destroy(), unreadMaxMs)
    const done = () => {
      clearTimeout(limit)
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
  'history',
  'record',
  'why',
  'events',
] satisfies Request['call'][]
const words: readonly string[] = ['all', 'local', 'foreign']

function parse(line: string): Request | undefined {
  try {
    const value = JSON.parse(line) as { [Name in 'id' | 'call' | 'scope' | 'on' | 'group' | 'by']?: unknown } | null
    if (typeof value?.id !== 'number' || typeof value.call !== 'string' || !calls.includes(value.call)) return undefined
    const { scope } = value
    const named = Array.isArray(scope) && scope.length > 0 && scope.every((name) => typeof name === 'string')
    const isScoped = value.call === 'standby' || value.call === 'takeover' || value.call === 'maintenance'
    if (value.call === 'maintenance' && typeof value.on !== 'boolean') return undefined
    if (value.call === 'why' && !['string', 'undefined'].includes(typeof value.group)) return undefined
    if (!['string', 'undefined'].includes(typeof value.by)) return undefined
    if (isScoped && !named && !words.includes(scope as string)) return undefined
    return value as Request
  } catch {
    return undefined
  }
}

function controlError(path: string, error: unknown): HotStandbyError {
  return new HotStandbyError('HS_CONTROL', `control socket ${path}: ${messageOf(error)}`, { cause: error })
}
