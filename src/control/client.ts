import { connect, type Socket } from 'node:net'
import type { Snapshot } from '../cluster/snapshot.ts'
import type { WrittenEvent } from '../core/cluster-events.ts'
import type { Explanation } from '../recorder/explain.ts'
import type { HistoryEntry } from '../recorder/history.ts'
import { HotStandbyError } from '../roles/error.ts'
import { shownValue } from '../roles/option-table.ts'
import { printable } from '../roles/printable.ts'
import { checkControlSocket } from './path.ts'
import { type Answer, lineReader, type Request, type Result } from './protocol.ts'

type Asked = Request extends infer One ? (One extends Request ? Omit<One, 'id'> : never) : never

/** Longest answer that is taken: a recording of a member with much `recorder.memory` is far below. */
const answerMaxChars = 268_435_456

/** A connection to the control socket of a running member. */
export interface ControlClient {
  /** What the member knows. */
  status(): Promise<Snapshot>
  /** As `Cluster.standby`: resolves when the peer serves. `by`: who asks, for events and history. */
  standby(scope: string | readonly string[], by?: string | undefined): Promise<void>
  /** As `Cluster.takeover`: resolves when the member serves. */
  takeover(scope: string | readonly string[], by?: string | undefined): Promise<void>
  /** As `Cluster.history`. */
  history(): Promise<readonly HistoryEntry[]>
  /** What its flight recorder holds: text for `replay()`. */
  recording(): Promise<string>
  /** As `Cluster.explain`. */
  explain(group?: string | undefined): Promise<Explanation>
  /** As `Cluster.maintenance`. */
  maintenance(on: boolean, scope: string | readonly string[]): Promise<void>
  /** Hears every event from now on; resolves when the connection has ended. */
  events(onEvent: (event: WrittenEvent) => void): Promise<void>
  /** Ends the connection; idempotent. */
  close(): void
}

/**
 * Connects to the control socket of a member.
 * @throws {HotStandbyError} `HS_CONTROL` when nobody serves the path, or somebody else than root or this user could.
 */
export async function connectControl(path: string): Promise<ControlClient> {
  if (typeof path !== 'string')
    throw new HotStandbyError('HS_CONTROL', `connectControl: the path must be a text, got ${shownValue(path)}`)
  checkControlSocket(path)
  const socket = await open(path)
  const waiting = new Map<number, { resolve(result: Result): void; reject(error: Error): void }>()
  let nextId = 1
  const parts = new Map<number, string>()
  let onEvent: (event: WrittenEvent) => void = () => {}
  let why = 'the member has ended the connection'
  const tooMuch = (): void => {
    why = `more than ${answerMaxChars} characters came as one answer`
    socket.destroy()
  }
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      const error = new HotStandbyError('HS_CONTROL', `control socket ${path}: ${why}`)
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
      resolve()
    })
  })
  const read = lineReader((line) => {
    const answer = parse(line)
    if (!answer) {
      why = `no member of hot-standby answers there: '${printable(line, 60)}'`
      return void socket.destroy()
    }
    if ('event' in answer) return onEvent(answer.event)
    if ('part' in answer) {
      const text = (parts.get(answer.id) ?? '') + answer.part
      if (text.length > answerMaxChars) return tooMuch()
      return void parts.set(answer.id, text)
    }
    const asked = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) asked?.reject(new HotStandbyError(answer.error.code, answer.error.message))
    else asked?.resolve(answer.result)
  }, answerMaxChars)
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    if (!read(chunk)) tooMuch()
  })
  const ask = (request: Asked): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(new HotStandbyError('HS_CONTROL', `control socket ${path}: ${why}`))
      const id = nextId++
      waiting.set(id, { resolve, reject })
      socket.write(`${JSON.stringify({ ...request, id })}\n`)
    })
  return {
    status: async () => (await ask({ call: 'status' })) as Snapshot,
    standby: async (scope, by) => void (await ask({ call: 'standby', scope, by })),
    takeover: async (scope, by) => void (await ask({ call: 'takeover', scope, by })),
    history: async () => (await ask({ call: 'history' })) as readonly HistoryEntry[],
    async recording() {
      const id = nextId
      await ask({ call: 'record' })
      const text = parts.get(id) ?? ''
      parts.delete(id)
      return text
    },
    explain: async (group) => (await ask({ call: 'why', group })) as Explanation,
    maintenance: async (on, scope) => void (await ask({ call: 'maintenance', on, scope })),
    async events(listener) {
      onEvent = listener
      await ask({ call: 'events' })
      await ended
    },
    close() {
      why = 'the connection was closed here'
      socket.destroy()
    },
  }
}

function parse(line: string): Answer | undefined {
  try {
    const value = JSON.parse(line) as Answer | null
    return typeof value === 'object' && value !== null && ('event' in value || 'id' in value) ? value : undefined
  } catch {
    return undefined
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const absent = 'no member serves it; is the pair running here?'
      const known: Readonly<Record<string, string>> = {
        EACCES: 'it belongs to another user',
        ENOENT: absent,
        ECONNREFUSED: absent,
      }
      const why = known[error.code ?? ''] ?? error.message
      reject(new HotStandbyError('HS_CONTROL', `control socket ${path}: ${why}`, { cause: error }))
    })
  })
}
