/**
 * The load, a process of its own inside the client's host: short requests at a fixed rate, each over a new connection;
 * some keep-alive connections that ask again and again; some long downloads. It also watches the host's neighbour
 * entry of the address, so that a connection which was open when that entry changed is told from any other.
 *
 * - first line out: `{"loading":true}` when the first page has come
 * - in `{"stop":true}`, out `{"summary":{…}}` when every request is settled; then it ends
 */
import { execFileSync, spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { LoadSettings, LoadSummary } from './world/load-program.ts'
import { type Ending, judge, type ShortRequest } from './world/load-verdict.ts'
import { nowMs } from './world/timeline.ts'

const settings: LoadSettings = JSON.parse(process.argv[2] ?? '{}')
const { address, port, perSecond, keepAlives, downloads, giveUpMs } = settings

const request = (path: string, connection: 'close' | 'keep-alive'): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${address}\r\nConnection: ${connection}\r\n\r\n`
const PAGE = /^HTTP\/1\.1 200 .*\r\n\r\n.*page of ([\w-]+)/s

const write = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const ENTRY = new RegExp(`^\\[([-0-9T:.]+)\\] ?${address.replaceAll('.', '\\.')} .*lladdr ([0-9a-f:]+)`)

/** Every change of the neighbour entry: when, and to which hardware address. */
const changes: { readonly atMs: number; readonly mac: string }[] = []
const shown = execFileSync('ip', ['neigh', 'show', address, 'dev', 'eth0'], { encoding: 'utf8' })
let macNow = / lladdr ([0-9a-f:]+)/.exec(shown)?.[1]
const watch = spawn('ip', ['-ts', 'monitor', 'neigh', 'dev', 'eth0'], { stdio: ['ignore', 'pipe', 'inherit'] })
createInterface({ input: watch.stdout }).on('line', (line) => {
  const [, time = '', mac] = ENTRY.exec(line) ?? []
  if (mac === undefined || mac === macNow) return
  macNow = mac
  // The stamp is local time to the microsecond.
  changes.push({ atMs: nowMs() - (Date.now() - Date.parse(time)), mac })
})

const short: ShortRequest[] = []
let open = 0
let stopping = false
let sent = 0

/** One short request over a connection of its own. */
const ask = (): void => {
  const sentMs = nowMs()
  const socket = connect({ host: address, port, autoSelectFamily: false })
  let text = ''
  let ending: Ending = 'closed'
  let servedBy: string | undefined
  let connectedMs: number | undefined
  open++
  sent++
  const limit = setTimeout(() => {
    ending = 'timeout'
    socket.destroy()
  }, giveUpMs)
  socket.setEncoding('latin1')
  socket.on('connect', () => {
    connectedMs = nowMs()
    socket.write(request('/', 'close'))
  })
  socket.on('data', (chunk: string) => {
    text += chunk
    servedBy ??= PAGE.exec(text)?.[1]
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    ending = error.code === 'ECONNREFUSED' ? 'refused' : connectedMs === undefined ? 'unreachable' : 'reset'
  })
  socket.on('close', () => {
    clearTimeout(limit)
    open--
    if (short.length === 0 && servedBy !== undefined) write({ loading: true })
    short.push({ sentMs, doneMs: nowMs(), connectedMs, ending: servedBy === undefined ? ending : 'answered' })
  })
}

/** A connection that is held open and opened anew whenever it breaks; counts how often that is. */
const hold = (path: string, everyMs: number): { readonly broken: () => number; stop(): void } => {
  let broken = 0
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  const begin = (): void => {
    let unanswered = 0
    const own = connect({ host: address, port, autoSelectFamily: false })
    socket = own
    // A host that lost the address can send no more, and tells nobody: silence is all that the client has.
    own.setTimeout(everyMs > 0 ? 0 : 1000, () => own.destroy())
    own.on('data', () => {
      unanswered = 0
    })
    own.on('error', () => {})
    own.on('close', () => {
      clearInterval(timer)
      if (stopping) return
      broken++
      setTimeout(begin, 10)
    })
    own.write(request(path, 'keep-alive'))
    if (everyMs > 0) {
      timer = setInterval(() => {
        // Nothing has come for twenty turns: a user's client would have given up as well.
        if (++unanswered > 20) own.destroy()
        else own.write(request(path, 'keep-alive'))
      }, everyMs)
    }
  }
  begin()
  return {
    broken: () => broken,
    stop() {
      clearInterval(timer)
      socket?.destroy()
    },
  }
}

const kept = Array.from({ length: keepAlives }, () => hold('/', 50))
const long = Array.from({ length: downloads }, () => hold('/long', 0))
const startMs = nowMs()
const beat = setInterval(() => {
  // The rate is kept over the whole time: what a busy machine delayed is asked for at once.
  const due = Math.floor(((nowMs() - startMs) * perSecond) / 1000)
  for (let left = Math.min(due - sent, perSecond / 10); left > 0; left--) ask()
}, 1)

const finish = async (): Promise<void> => {
  const lastedMs = nowMs() - startMs
  stopping = true
  clearInterval(beat)
  while (open > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  for (const each of [...kept, ...long]) each.stop()
  watch.kill()
  const brokenOf = (held: typeof kept): number => held.reduce((sum, each) => sum + each.broken(), 0)
  const changesMs = changes.map(({ atMs }) => atMs)
  const summary: LoadSummary = {
    ...judge(short, changesMs),
    lastedMs,
    neighbourChanges: changesMs.length,
    brokenKeepAlives: brokenOf(kept),
    brokenDownloads: brokenOf(long),
  }
  write({ summary })
  process.exit(0)
}

createInterface({ input: process.stdin })
  .on('line', () => void finish())
  .on('close', () => process.exit(0))
