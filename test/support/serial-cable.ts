import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often a line with a speed passes on what its speed allows. */
const TICK_MS = 10

/** One end: a pseudo-terminal that socat holds, whose other side is a pipe to this process. */
interface Port {
  readonly socat: ChildProcess
  /** The terminal is kept open here: otherwise socat would take the end of whoever uses it for the end of the line. */
  readonly held: number
}

/**
 * A null-modem cable between two pseudo-terminals, and everything that happens to such a cable. A pseudo-terminal has no
 * speed of its own: bytes pass as fast as they come, or as fast as `bitsPerSecond` says (8N1).
 */
export class SerialCable<End extends string> implements AsyncDisposable {
  readonly #ends: readonly [End, End]
  readonly #folder: string
  readonly #bytesPerTick: number | undefined
  readonly #ports = new Map<End, Port>()
  readonly #waiting = new Map<End, Buffer>()
  readonly #sent = new Map<End, number>()
  readonly #clock: NodeJS.Timeout | undefined
  #cut = false

  constructor(ends: readonly [End, End], bitsPerSecond?: number) {
    this.#ends = ends
    this.#folder = mkdtempSync(join(tmpdir(), 'hot-standby-line-'))
    this.#bytesPerTick = bitsPerSecond === undefined ? undefined : Math.ceil((bitsPerSecond / 10) * (TICK_MS / 1000))
    if (bitsPerSecond !== undefined) this.#clock = setInterval(() => this.#tick(), TICK_MS)
  }

  static async lay<End extends string>(ends: readonly [End, End], bitsPerSecond?: number): Promise<SerialCable<End>> {
    const cable = new SerialCable(ends, bitsPerSecond)
    for (const end of ends) await cable.plug(end)
    return cable
  }

  /** A path of the device; it leads to another terminal after each `plug`. */
  device(end: End): string {
    return join(this.#folder, end)
  }

  /** Bytes that came out of the device of an end, whether or not they arrived. */
  sent(end: End): number {
    return this.#sent.get(end) ?? 0
  }

  /** Plugs an end in: its device is there. Resolves to the terminal's own name. */
  async plug(end: End): Promise<string> {
    // A device that nobody has open hears nothing; a terminal would echo what it hears.
    const terminal = `PTY,raw,echo=0,link=${this.device(end)}`
    const socat = spawn('socat', ['-b', '65536', terminal, 'STDIO'], { stdio: 'pipe' })
    socat.stdin.on('error', () => {})
    let path: string | undefined
    for (let tries = 0; path === undefined; tries++) {
      if (tries > 500) throw new Error(`socat has made no terminal for ${end}`)
      await sleep(10)
      path = this.#target(end)
    }
    this.#ports.set(end, { socat, held: openSync(path, constants.O_RDWR | constants.O_NOCTTY) })
    socat.stdout.on('data', (bytes: Buffer) => this.#pass(end, bytes))
    return path
  }

  /** Takes an end away together with its device, as when a USB adapter is pulled: who has it open gets a hang-up. */
  async unplug(end: End): Promise<void> {
    const port = this.#ports.get(end)
    if (!port) return
    this.#ports.delete(end)
    const ended = port.socat.exitCode === null && port.socat.signalCode === null ? once(port.socat, 'exit') : undefined
    closeSync(port.held)
    port.socat.kill('SIGKILL')
    await ended
    rmSync(this.device(end), { force: true })
  }

  /** Nothing passes any more, and nobody is told: the cable is pulled between the two devices. */
  cut(): void {
    this.#cut = true
  }

  mend(): void {
    this.#cut = false
  }

  /** The device of an end takes nothing any more, and says nothing. */
  stop(end: End): void {
    this.#ports.get(end)?.socat.kill('SIGSTOP')
  }

  go(end: End): void {
    this.#ports.get(end)?.socat.kill('SIGCONT')
  }

  /** Lets bytes arrive at an end that nobody has sent. */
  disturb(end: End, bytes: Uint8Array | string): void {
    this.#ports.get(end)?.socat.stdin?.write(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#clock)
    for (const end of this.#ends) await this.unplug(end)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #target(end: End): string | undefined {
    try {
      return readlinkSync(this.device(end))
    } catch {
      return undefined
    }
  }

  #pass(from: End, bytes: Buffer): void {
    this.#sent.set(from, this.sent(from) + bytes.length)
    if (this.#cut) return
    const to = from === this.#ends[0] ? this.#ends[1] : this.#ends[0]
    if (this.#clock) this.#waiting.set(to, Buffer.concat([this.#waiting.get(to) ?? Buffer.alloc(0), bytes]))
    else this.disturb(to, bytes)
  }

  #tick(): void {
    for (const [to, bytes] of this.#waiting) {
      this.disturb(to, bytes.subarray(0, this.#bytesPerTick))
      const rest = bytes.subarray(this.#bytesPerTick)
      if (rest.length === 0) this.#waiting.delete(to)
      else this.#waiting.set(to, rest)
    }
  }
}
