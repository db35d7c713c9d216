import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { waitFor } from '../wait-for.ts'
import { childrenOf, signal } from './processes.ts'
import { nowMs } from './timeline.ts'

/** How a program ended: its code, 128 + the signal's number where a signal ended it. */
export interface Ending {
  readonly code: number | null
  readonly atMs: number
}

/** One line that a program wrote as JSON, with the time of its arrival on the laboratory's clock. */
export interface EventLine {
  readonly atMs: number
  readonly event: Readonly<Record<string, unknown>>
}

const parse = (line: string): Readonly<Record<string, unknown>> | undefined => {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** A program that runs in a host. Its lines go to the host's log file; those that are JSON objects are kept as events. */
export class Program {
  readonly argv: readonly string[]
  /** The program's own pid as this machine sees it; inside its host it has another. 0 when it ended at once. */
  pid = 0
  /** Every line of its standard output that is a JSON object. */
  readonly events: EventLine[] = []
  /** Resolves when it has ended. Its last lines may come a moment later: what it started may hold its output open. */
  readonly ended: Promise<Ending>
  #ending: Ending | undefined
  readonly #child: ChildProcess
  readonly #listeners: ((line: EventLine) => void)[] = []

  private constructor(argv: readonly string[], child: ChildProcess) {
    this.argv = argv
    this.#child = child
    child.stdin?.on('error', () => {})
    this.ended = once(child, 'exit').then(([code]) => {
      this.#ending = { code: code as number | null, atMs: nowMs() }
      return this.#ending
    })
  }

  /**
   * Starts `enter argv`, where `enter` leads into a host and stays as the program's parent; resolves when the program's
   * own pid is known.
   */
  static async start(
    enter: readonly string[],
    argv: readonly string[],
    env: NodeJS.ProcessEnv,
    logFile: string,
  ): Promise<Program> {
    const [first = '', ...rest] = [...enter, ...argv]
    const child = spawn(first, rest, { env, stdio: 'pipe' })
    const program = new Program(argv, child)
    const name = argv.find((word) => !word.startsWith('-')) ?? ''
    appendFileSync(logFile, `--- start: ${argv.join(' ')}\n`)
    const read = (stream: Readable, mark: string, heard?: (line: string) => void): void => {
      createInterface({ input: stream }).on('line', (line) => {
        appendFileSync(logFile, `${(nowMs() / 1000).toFixed(3)} ${mark} ${line}\n`)
        heard?.(line)
      })
    }
    read(child.stdout, 'out', (line) => program.#heard(line))
    read(child.stderr, 'err')
    await waitFor(
      () => {
        program.pid = program.#inner() ?? 0
        return program.pid > 0 || !program.running
      },
      { what: `the process of '${name}' exists`, everyMs: 2 },
    )
    return program
  }

  get running(): boolean {
    return this.#ending === undefined
  }

  /** Hears every event from now on. */
  onEvent(listener: (line: EventLine) => void): void {
    this.#listeners.push(listener)
  }

  /** Writes a line to its standard input. */
  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Closes its standard input. */
  endInput(): void {
    this.#child.stdin?.end()
  }

  /** Sends a signal to this program only, not to its children. `false` when it is gone. */
  signal(name: NodeJS.Signals): boolean {
    return this.running && signal(this.pid, name)
  }

  #heard(line: string): void {
    const event = parse(line)
    if (!event) return
    const entry = { atMs: nowMs(), event }
    this.events.push(entry)
    for (const listener of this.#listeners) listener(entry)
  }

  /** The wrapper's only child. Until the wrapper has executed the shell it is `nsenter`, which has no children. */
  #inner(): number | undefined {
    return childrenOf(this.#child.pid ?? 0)[0]
  }
}
