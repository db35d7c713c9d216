import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Report, summarise } from '../lab/world/answers.ts'
import { nowMs } from '../lab/world/timeline.ts'
import type { Entry, Witness } from './play.ts'

const EVERY_MS = 5
/** A request without an answer is given up after this time. */
const TIMEOUT_MS = 150
/** Without a good answer for so long, nobody serves. */
const QUIET_MS = 100
const THRESHOLD_MS = 20
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
const PAGE = /^HTTP\/1\.1 200 .*\r\n\r\n.*page of (\w+)/s

/** Asks for the page every 5 ms over new connections, as the laboratory's client does, from this process. */
export class LoopbackClient implements Witness {
  serving: string | undefined
  readonly #port: number
  readonly #onEntry: (entry: Entry) => void
  readonly #answers: Answer[] = []
  readonly #sockets = new Set<Socket>()
  readonly #timer: NodeJS.Timeout
  #lastGoodMs = nowMs()

  constructor(port: number, onEntry: (entry: Entry) => void) {
    this.#port = port
    this.#onEntry = onEntry
    this.#timer = setInterval(() => this.#ask(), EVERY_MS)
  }

  mark(): number {
    return nowMs()
  }

  async report(sinceMs: number): Promise<Report> {
    const untilMs = nowMs()
    // Every request of that time is answered or given up by then.
    await sleep(TIMEOUT_MS + 10 * EVERY_MS)
    return summarise(this.#answers, { sinceMs, untilMs, thresholdMs: THRESHOLD_MS, everyMs: EVERY_MS })
  }

  close(): void {
    clearInterval(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
  }

  #ask(): void {
    const sentMs = nowMs()
    const socket = connect({ host: '127.0.0.1', port: this.#port })
    this.#sockets.add(socket)
    let text = ''
    let servedBy: string | undefined
    socket.setEncoding('latin1').setTimeout(TIMEOUT_MS, () => socket.destroy())
    socket.on('data', (chunk: string) => {
      text += chunk
      servedBy ??= PAGE.exec(text)?.[1]
      if (servedBy !== undefined) socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#answered({ sentMs, doneMs: nowMs(), servedBy })
    })
    socket.write(REQUEST)
  }

  #answered(answer: Answer): void {
    const { servedBy, doneMs } = answer
    this.#answers.push(answer)
    if (servedBy !== undefined) this.#lastGoodMs = doneMs
    else if (doneMs - this.#lastGoodMs < QUIET_MS) return
    if (servedBy === this.serving) return
    this.serving = servedBy
    const atMs = servedBy === undefined ? this.#lastGoodMs : doneMs
    this.#onEntry({ atMs, who: 'client', what: servedBy === undefined ? 'no answer' : `page of ${servedBy}` })
  }
}
