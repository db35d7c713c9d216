import { closeSync, constants, openSync, statSync } from 'node:fs'
import { isatty, ReadStream } from 'node:tty'
import { lockDevice } from '../platform/device-lock.ts'
import { type LimitedReport, onceASecond } from '../platform/once-a-second.ts'
import { findProgram, lastLines, runProgram } from '../platform/process.ts'
import { configurationError, HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  FrameHint,
  Transport,
  TransportCapabilities,
  TransportContext,
  TransportPlugin,
} from '../roles/transport.ts'
import type { OptionIssue } from './endpoint.ts'
import { LineQueue } from './line-queue.ts'

/** Options of {@link serial}. */
export interface SerialOptions {
  /** Device of the line, a full path: `/dev/ttyS0`. */
  readonly device: string
  /** Speed in bits per second, the same at both ends: 1200 to 921600 as `stty` knows it. @defaultValue 19200 */
  readonly baud?: number | undefined
  /** Name of the link. @defaultValue the device, as Heartbeat has it */
  readonly link?: string | undefined
}

const knownOptions: OptionTable<SerialOptions> = {
  device: 'any',
  baud: 'any',
  link: 'any',
}

/** Heartbeat's default (`DEFAULTBAUD`). */
const defaultBaud = 19_200
const bauds = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600]

/**
 * 8N1, nothing translated, no flow control: a peer that is off must not hold back what we send. A break, which heartbeat
 * sends when it opens the line, is no byte.
 */
const settings = 'raw -echo ignbrk clocal cread cs8 -cstopb -parenb -crtscts'.split(' ')

/** Eight data bits between a start and a stop bit. */
const bitsPerByte = 10
const sttyLimitMs = 5000
const reopenFirstMs = 250
const reopenMaxMs = 5000
/** A frame that was not taken so long after it should have left: the line takes nothing. */
const stuckAfterMs = 2000
/** How long `close()` lets what waits go out. */
const farewellMs = 1000
/** What may wait for the line: of beats and dialogue what it carries in two seconds, of payloads more. */
const urgentMs = 2000
const payloadLimitBytes = 1 << 17

/**
 * A serial line between the two hosts: Heartbeat's `serial`, a null-modem cable that no network fault touches. Messages go in
 * the classic framing. A line is slow, so beats overtake the application's payloads, and a newer beat replaces one that was
 * not sent yet.
 *
 * @example
 * ```ts
 * import { serial } from 'hot-standby'
 *
 * const line = serial({ device: '/dev/ttyS0', baud: 115200 })
 * ```
 */
export function serial(options: SerialOptions): TransportPlugin {
  checkOptionNames('serial', options, knownOptions)
  const { device, baud = defaultBaud } = options
  return {
    kind: 'transport',
    type: 'serial',
    link: options.link ?? device,
    bitsPerSecond: baud,
    settings: { ...options },
    validate: () => issuesOf(options),
    create(context) {
      const issues = issuesOf(options)
      if (issues.length > 0) {
        throw configurationError(issues.map(({ path, message }) => ({ where: path, message, severity: 'error' })))
      }
      return new SerialTransport(device, baud, context)
    },
  }
}

function issuesOf({ device, baud, link }: SerialOptions): readonly OptionIssue[] {
  const issues: OptionIssue[] = []
  if (typeof device !== 'string' || !/^\/[^\0]+$/.test(device)) {
    issues.push({ path: 'device', message: `'${String(device)}' is not a full path of a device; write '/dev/ttyS0'` })
  }
  if (baud !== undefined && !bauds.includes(baud)) {
    issues.push({ path: 'baud', message: `${String(baud)} is not a speed; write one of ${bauds.join(', ')}` })
  }
  if (link !== undefined && (typeof link !== 'string' || link === '')) {
    issues.push({ path: 'link', message: 'write a name, or leave it out' })
  }
  return issues
}

/** The open line: its terminal, and how to give its lock back. */
interface Line {
  readonly stream: ReadStream
  readonly unlock: () => void
}

/** Why a device cannot be opened. */
const openCauses: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such device on this host',
  EACCES: "this user may not use it; it belongs to a group, 'dialout' mostly",
  EPERM: 'this user may not use it',
  EBUSY: 'another program has it for itself alone',
  EIO: 'there is no hardware behind it',
  ENXIO: 'there is no hardware behind it',
  ENODEV: 'there is no hardware behind it',
}

class SerialTransport implements Transport {
  readonly capabilities: TransportCapabilities
  readonly #device: string
  readonly #baud: number
  readonly #context: TransportContext
  readonly #problem: LimitedReport
  readonly #queue: LineQueue
  #opened = false
  #line: Line | undefined
  #opening: Promise<void> | undefined
  #triedMs = 0
  #pauseMs = reopenFirstMs
  /** The frame on its way: when the line will have carried it, and whether the kernel has taken it. */
  #sending: { readonly untilMs: number; taken: boolean } | undefined
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void) | undefined

  constructor(device: string, baud: number, context: TransportContext) {
    this.#device = device
    this.#baud = baud
    this.#context = context
    this.#problem = onceASecond((error) => context.problem(error))
    this.#queue = new LineQueue({ urgent: (baud / bitsPerByte) * (urgentMs / 1000), payload: payloadLimitBytes })
    this.capabilities = { framing: 'stream', maxFrameBytes: 65_507, bitsPerSecond: baud, echoes: false }
  }

  async open(): Promise<void> {
    if (this.#opened) throw new HotStandbyError('HS_STATE', 'the link is open already; close it first')
    this.#opened = true
    try {
      await this.#openLine()
    } catch (error) {
      this.#opened = false
      throw error
    }
  }

  send(frame: Uint8Array, hint?: FrameHint | undefined): void {
    if (!this.#opened) return
    if (frame.length > this.capabilities.maxFrameBytes) {
      return this.#failed('EMSGSIZE', `a frame of ${frame.length} bytes is larger than the link carries`)
    }
    if (!this.#line) return this.#reopen()
    if (this.#isStuck()) {
      this.#queue.clear()
      return this.#failed('stuck', 'the line takes nothing: what is sent is dropped')
    }
    this.#queue.push(frame, hint)
    const dropped = this.#queue.takeDropped()
    if (dropped > 0) this.#failed('slow', `more is to be sent than ${this.#baud} bit/s carry; frames are dropped`)
    this.#pump()
  }

  async close(): Promise<void> {
    if (!this.#opened) return
    this.#opened = false
    await this.#opening?.catch(() => {})
    if (this.#line && !this.#isStuck()) await this.#farewell()
    this.#lose()
  }

  describe(): string {
    return `${this.#device} at ${this.#baud} baud`
  }

  /** What waits may still leave, the good-bye above all. */
  async #farewell(): Promise<void> {
    if (this.#queue.isEmpty && !this.#sending) return
    let limit: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#idle = resolve
      limit = setTimeout(resolve, farewellMs)
    })
    clearTimeout(limit)
    this.#idle = undefined
  }

  async #openLine(): Promise<void> {
    this.#triedMs = performance.now()
    const device = this.#device
    const stats = statSync(device, { throwIfNoEntry: false })
    if (!stats) throw this.#openError('ENOENT')
    if (!stats.isCharacterDevice()) throw this.#openError('', 'it is not a device')
    const unlock = lockDevice(device)
    let fd: number | undefined
    try {
      fd = this.#openFile()
      if (!isatty(fd)) throw this.#openError('', 'it is not a serial line')
      await this.#configure()
      const stream = new ReadStream(fd)
      fd = undefined // the stream's now
      this.#use({ stream, unlock })
    } catch (error) {
      if (fd !== undefined) closeSync(fd)
      unlock()
      throw error
    }
  }

  /** Without waiting for a carrier, and without becoming the terminal of this process. */
  #openFile(): number {
    try {
      return openSync(this.#device, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
    } catch (error) {
      throw this.#openError((error as NodeJS.ErrnoException).code ?? '', messageOf(error), error)
    }
  }

  async #configure(): Promise<void> {
    const file = findProgram('stty')
    if (!file) throw new HotStandbyError('HS_HOST', "there is no program 'stty' (it is part of coreutils)")
    const args = ['-F', this.#device, String(this.#baud), ...settings]
    const { exitCode, stderr } = await runProgram({ file, args, timeoutMs: sttyLimitMs })
    if (exitCode !== 0) throw this.#openError('', lastLines(stderr) || `stty ended with ${exitCode}`)
  }

  #use(line: Line): void {
    if (!this.#opened) {
      // Closed meanwhile.
      line.stream.destroy()
      return line.unlock()
    }
    const { stream } = line
    this.#line = line
    this.#context.restarted?.()
    stream.on('data', (bytes: Buffer) => {
      if (!this.#opened || this.#line !== line) return
      this.#pauseMs = reopenFirstMs
      this.#context.receive(bytes, this.#device)
    })
    // A device that is gone ends its stream; some drivers answer EIO instead.
    for (const event of ['end', 'close'] as const) stream.on(event, () => this.#gone(line, 'it was unplugged'))
    stream.on('error', (error) => this.#gone(line, messageOf(error), error))
  }

  #gone(line: Line, why: string, cause?: unknown): void {
    if (this.#line !== line) return
    this.#lose()
    if (this.#opened) this.#failed('gone', `the device is gone: ${why}; it is opened again when it returns`, cause)
  }

  /** Nothing is held of a dead line: neither what waited, nor its lock. */
  #lose(): void {
    const line = this.#line
    this.#line = undefined
    this.#queue.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sending = undefined
    this.#idle?.()
    line?.stream.destroy()
    line?.unlock()
  }

  /** The caller sends a beat every keepalive: that is the clock of the attempts. */
  #reopen(): void {
    if (this.#opening || performance.now() - this.#triedMs < this.#pauseMs) return
    this.#pauseMs = Math.min(2 * this.#pauseMs, reopenMaxMs)
    this.#opening = this.#openLine()
      .catch((error: unknown) => this.#problem('open', () => error as Error))
      .finally(() => {
        this.#opening = undefined
      })
  }

  #isStuck(): boolean {
    const sending = this.#sending
    return sending !== undefined && !sending.taken && performance.now() > sending.untilMs + stuckAfterMs
  }

  /** One frame after the other, each when the line must have carried the one before: what is in the kernel overtakes nothing. */
  #pump(): void {
    const line = this.#line
    if (!line || this.#sending) return
    const frame = this.#queue.next()
    if (!frame) return this.#idle?.()
    const takesMs = (frame.length * bitsPerByte * 1000) / this.#baud
    const sending = { untilMs: performance.now() + takesMs, taken: false }
    this.#sending = sending
    line.stream.write(frame, (error) => {
      if (this.#sending !== sending) return
      if (error) return this.#gone(line, messageOf(error), error)
      sending.taken = true
      this.#timer = setTimeout(() => this.#carried(sending), Math.max(0, sending.untilMs - performance.now()))
    })
  }

  #carried(sending: object): void {
    if (this.#sending !== sending) return
    this.#sending = undefined
    this.#pump()
  }

  #failed(cause: string, text: string, error?: unknown): void {
    this.#problem(cause, () => new HotStandbyError('HS_TRANSPORT', `${this.#device}: ${text}`, { cause: error }))
  }

  #openError(code: string, otherwise = code, cause?: unknown): HotStandbyError {
    return new HotStandbyError('HS_TRANSPORT', `${this.#device}: ${openCauses[code] ?? otherwise}`, { cause })
  }
}
