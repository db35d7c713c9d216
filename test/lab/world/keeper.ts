import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { MARKER } from './processes.ts'

/**
 * A process that holds namespaces open. It ends when its standard input closes, so the kernel takes everything down
 * however the run ends: by its own clean-up, by Ctrl-C, by an uncaught exception or by SIGKILL.
 */
export class Keeper {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.#closed = once(child, 'close')
    // Writing to a keeper that is gone is no news: its exit is awaited.
    child.stdin?.on('error', () => {})
  }

  /** Starts the program and waits until it has said `ready`; it must then hold on until its input ends. */
  static async start(run: string, argv: readonly string[]): Promise<Keeper> {
    const [program = '', ...args] = argv
    const child = spawn(program, args, { env: { ...process.env, [MARKER]: run }, stdio: 'pipe' })
    const keeper = new Keeper(child)
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const ready = once(child.stdout, 'data')
    const failed = keeper.#closed.then(() => {
      throw new Error(`laboratory: '${argv.join(' ').slice(0, 80)}…' ended before it was ready: ${said.trim()}`)
    })
    await Promise.race([ready, failed])
    // From here on its end is expected.
    failed.catch(() => {})
    return keeper
  }

  /** Ends it, and waits until it is gone. */
  async release(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Resolves when it is gone, whoever ended it. */
  async gone(): Promise<void> {
    await this.#closed
  }
}
