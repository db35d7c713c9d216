import { type ChildProcess, spawn } from 'node:child_process'
import { HotStandbyError } from '../roles/error.ts'
import { deviceIndex } from './interfaces.ts'
import { type LimitedReport, onceASecond } from './once-a-second.ts'
import { childOptions, findProgram } from './process.ts'

/** One reply as `ping` prints it. */
export interface PingReply {
  /** Missing for packets too small to carry a time stamp. */
  readonly rttMs?: number | undefined
}

/**
 * Reads one line of `ping`; undefined when it is no reply. iputils and busybox print alike:
 * `64 bytes from 192.168.2.1: icmp_seq=1 ttl=64 time=0.036 ms` (busybox: `seq=1`). An answer from another host than the one
 * asked (`DIFFERENT ADDRESS!`) is none.
 */
export function parsePingLine(line: string): PingReply | undefined {
  const match = /^\d+ bytes from \S+ (?:icmp_)?seq=\d+(?=\s)/.exec(line)
  if (!match || line.includes('DIFFERENT ADDRESS')) return undefined
  const time = /\btime[=<](\d+(?:\.\d+)?) ms/.exec(line)?.[1]
  return { rttMs: time === undefined ? undefined : Number(time) }
}

/** What a {@link Pinger} asks, and whom it tells. */
export interface PingerOptions {
  /** Address, IPv4 or IPv6, with a zone where it is link-local. */
  readonly address: string
  /** Pause between two requests. Without root not below 200 ms: older iputils refuse less. */
  readonly intervalMs: number
  /** Device to send from; undefined: as the routes say. */
  readonly device?: string | undefined
  /** Called for every reply. Silence is never reported: the listener counts it in its own awake time. */
  onReply(reply: PingReply): void
  /** Called at most once per cause and second. */
  onProblem(error: Error): void
}

/**
 * `ping` runs under a shell that waits for the end of its input. Our death, by `kill -9` too, closes that input, and the shell
 * ends ping. The shell gives its outputs away, so that the end of ping's output means the end of ping.
 */
const guardian = '"$0" "$@" & p=$!; exec >&- 2>&-; read -r _; kill -9 "$p"; wait "$p"'

/** Where `ping` is looked for; tests put a program of their own in its place. */
export const pingProgram: { find(): string | null } = { find: () => findProgram('ping') }

/** Interval that every `ping` takes from an ordinary user. */
const unprivilegedIntervalMs = 200
const firstPauseMs = 500
const longestPauseMs = 8000
/** A `ping` that lives this long has started: bad options, missing programs and privileges end it at once. */
const settledMs = 300
const devicePauseMs = 1000

/** Long-running `ping` of one address. Restarts it when it ends. */
export class Pinger {
  readonly #options: PingerOptions
  readonly #problem: LimitedReport
  readonly #intervalMs: number
  #wanted = false
  /** `open` is over: from now on trouble is reported, not thrown. */
  #settled = false
  #child: ChildProcess | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #pauseMs = firstPauseMs
  #deviceIndex: number | undefined
  #deviceWatch: ReturnType<typeof setInterval> | undefined

  constructor(options: PingerOptions) {
    this.#options = options
    this.#problem = onceASecond((error) => options.onProblem(error))
    const shortest = process.geteuid?.() === 0 ? 0 : unprivilegedIntervalMs
    this.#intervalMs = Math.max(options.intervalMs, shortest)
  }

  /** Starts. Rejects with `HS_HOST` when ping is missing or may not ping; without a route it resolves and tries on. */
  async open(): Promise<void> {
    if (this.#wanted) return
    this.#wanted = true
    const { address, intervalMs } = this.#options
    if (this.#intervalMs !== intervalMs) {
      const message = `${address} is asked every ${this.#intervalMs} ms instead of ${intervalMs} ms: less needs root`
      this.#problem('interval', () => new HotStandbyError('HS_HOST', message))
    }
    const ended = this.#start()
    const settled = new Promise<void>((resolve) => {
      this.#timer = setTimeout(resolve, settledMs)
    })
    const first = await Promise.race([ended, settled])
    clearTimeout(this.#timer)
    const hopeless = first && hostError(first)
    if (hopeless) {
      this.#wanted = false
      throw hopeless
    }
    this.#settled = this.#wanted
    if (this.#wanted) this.#watchDevice()
    this.#keepAlive(ended)
  }

  /** Stops; resolves when ping has ended. Idempotent. */
  async close(): Promise<void> {
    this.#wanted = false
    this.#settled = false
    clearTimeout(this.#timer)
    clearInterval(this.#deviceWatch)
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
    child.stdin?.end()
    await gone
  }

  #arguments(): readonly string[] {
    const { address, device } = this.#options
    return ['-n', '-i', (this.#intervalMs / 1000).toFixed(3), ...(device === undefined ? [] : ['-I', device]), address]
  }

  /**
   * Bound to a device that was taken away, ping goes on, deaf and without a word, and never finds the one that replaces it
   * (a restart of the network makes VLANs and tunnels anew). Measured with iputils 20221126.
   */
  #watchDevice(): void {
    const { device, address } = this.#options
    if (device === undefined) return
    this.#deviceWatch = setInterval(() => {
      const index = deviceIndex(device)
      if (index === undefined || index === this.#deviceIndex) return
      this.#deviceIndex = index
      this.#problem('device', () => new HotStandbyError('HS_HOST', `ping ${address}: device ${device} was made anew`))
      this.#child?.stdin?.end()
    }, devicePauseMs)
  }

  #start(): Promise<PingEnd> {
    this.#deviceIndex = this.#options.device === undefined ? undefined : deviceIndex(this.#options.device)
    // A session of its own, as every child: an interrupt typed at our terminal must not reach ping before us.
    const child = spawn('/bin/sh', ['-c', guardian, pingProgram.find() ?? 'ping', ...this.#arguments()], {
      ...childOptions(),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    let complaint = ''
    child.stdin.on('error', () => {})
    eachLine(child.stdout, (line) => this.#line(line))
    eachLine(child.stderr, (line) => {
      if (complaint.length < 300) complaint += complaint === '' ? line : `; ${line}`
      if (this.#child === child) this.#complained(line)
    })
    // Ping has ended: let the shell end too and tell how.
    child.stdout.on('close', () => child.stdin.end())
    child.once('exit', (_code, signal) => {
      // Somebody killed the shell: without the reader of its output ping ends at its next line.
      if (signal !== null) for (const stream of [child.stdout, child.stderr]) stream.destroy()
    })
    return new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, complaint: error.message }))
      child.once('close', (code) => resolve({ code, complaint }))
    })
  }

  #line(line: string): void {
    const reply = this.#wanted ? parsePingLine(line) : undefined
    if (!reply) return
    this.#pauseMs = firstPauseMs
    this.#options.onReply(reply)
  }

  #complained(line: string): void {
    if (!this.#settled) return
    this.#problem('ping', () => new HotStandbyError('HS_HOST', `ping ${this.#options.address}: ${line}`))
  }

  #keepAlive(ended: Promise<PingEnd>): void {
    void ended.then((end) => this.#again(end))
  }

  #again({ code, complaint }: PingEnd): void {
    if (!this.#wanted) return
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    const how = complaint || (code === null ? 'it was killed' : `it ended with status ${code}`)
    const message = `ping ${this.#options.address}: ${how}; again in ${pauseMs} ms`
    this.#problem('end', () => new HotStandbyError('HS_HOST', message))
    this.#timer = setTimeout(() => this.#keepAlive(this.#start()), pauseMs)
  }
}

interface PingEnd {
  readonly code: number | null
  /** First lines on its standard error. */
  readonly complaint: string
}

/** The error of an end that no waiting will mend. */
function hostError({ code, complaint }: PingEnd): HotStandbyError | undefined {
  if (code === 127) {
    return new HotStandbyError('HS_HOST', "the program 'ping' is missing; install it (Debian: iputils-ping)")
  }
  if (/not permitted|permission denied|lacking privilege|cap_net_raw/i.test(complaint)) {
    const right = 'run as root, give the service the ambient capability CAP_NET_RAW, or set net.ipv4.ping_group_range'
    return new HotStandbyError('HS_HOST', `ping may not send ICMP here (${complaint}); ${right}`)
  }
  return undefined
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = (lines.pop() ?? '').slice(0, 1000)
    for (const line of lines) take(line)
  })
}
