/**
 * The client, a process of its own inside the client's host: asks for a page every few ms, each time over a new
 * connection, whether or not earlier requests have been answered. One JSON object per line in and out:
 *
 * - in `{"id":1,"report":{"sinceMs":…,"untilMs":…,"thresholdMs":20}}`, out `{"id":1,"report":{…}}` once every request
 *   of that time is answered or given up
 * - out, unasked, `{"serving":"master","atMs":…}` when another host answers, `{"serving":null,…}` when nobody does
 *
 * Ends when its input ends.
 */
import { connect, isIPv6, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Answer, type ReportOptions, summarise } from './world/answers.ts'
import type { ClientSettings } from './world/client-program.ts'
import { nowMs } from './world/timeline.ts'

const { address, port, everyMs, timeoutMs, quietMs }: ClientSettings = JSON.parse(process.argv[2] ?? '{}')

const REQUEST = `GET / HTTP/1.1\r\nHost: ${isIPv6(address) ? `[${address}]` : address}\r\nConnection: close\r\n\r\n`
const PAGE = /^HTTP\/1\.1 200 .*\r\n\r\n.*page of ([\w-]+)/s

interface Pending {
  readonly sentMs: number
  readonly socket: Socket
  done: boolean
}

interface GuardContext {
  readonly id: number
  readonly report: Omit<ReportOptions, 'everyMs'>
}

const answers: Answer[] = []
const questions: GuardContext[] = []
/** In order of sending, so those that run out of time are at the front. */
const pending: Pending[] = []
let serving: string | null = null
let lastGoodMs = nowMs()

const write = (line: unknown): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const serves = (by: string | null, atMs: number): void => {
  if (by === serving) return
  serving = by
  write({ serving, atMs })
}

const finish = (request: Pending, servedBy: string | undefined): void => {
  if (request.done) return
  request.done = true
  request.socket.destroy()
  const doneMs = nowMs()
  answers.push({ sentMs: request.sentMs, doneMs, servedBy })
  if (servedBy === undefined) return
  lastGoodMs = doneMs
  serves(servedBy, doneMs)
}

const ask = (): void => {
  const socket = connect({ host: address, port, autoSelectFamily: false })
  const request: Pending = { sentMs: nowMs(), socket, done: false }
  pending.push(request)
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
    const page = PAGE.exec(text)
    if (page) finish(request, page[1])
  })
  socket.on('error', () => finish(request, undefined))
  socket.on('close', () => finish(request, undefined))
  socket.write(REQUEST)
}

const sweep = (atMs: number): void => {
  for (let first = pending[0]; first && (first.done || atMs - first.sentMs >= timeoutMs); first = pending[0]) {
    finish(first, undefined)
    pending.shift()
  }
  if (atMs - lastGoodMs >= quietMs) serves(null, lastGoodMs)
}

/** Answers the questions about a time of which every request is settled. */
const reply = (): void => {
  const oldestMs = pending.find(({ done }) => !done)?.sentMs ?? Number.POSITIVE_INFINITY
  for (let first = questions[0]; first && first.report.untilMs < oldestMs; first = questions[0]) {
    questions.shift()
    const { user, system } = process.cpuUsage()
    const report = summarise(answers, { ...first.report, everyMs })
    write({ id: first.id, report: { ...report, cpuMs: (user + system) / 1000 } })
  }
}

let nextMs = nowMs()
const tick = (): void => {
  const atMs = nowMs()
  const lateMs = atMs - nextMs
  sweep(atMs)
  reply()
  ask()
  // After a stall of its own the client does not make up for what it missed: it would be a burst, not a sample.
  nextMs = lateMs > everyMs * 4 ? atMs + everyMs : nextMs + everyMs
  setTimeout(tick, Math.max(0, nextMs - nowMs()))
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    questions.push(JSON.parse(line) as GuardContext)
  })
  .on('close', () => process.exit(0))
write({ serving, atMs: nowMs() })
tick()
