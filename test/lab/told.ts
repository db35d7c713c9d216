import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TwoHosts } from './netns.ts'
import { waitFor } from './wait-for.ts'

/** A program of this directory that runs on a host, and what it told since the last `forget`. */
export class TimelineWriter implements AsyncDisposable {
  readonly #child: ChildProcess
  #told: { event: string; text: string }[] = []

  constructor(hosts: TwoHosts, place: string, program: string, ...words: readonly string[]) {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const node = [process.execPath, '--import', 'tsx', path, ...words]
    const child = spawn('ip', ['netns', 'exec', hosts.namespace(place), ...node], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.#told.push(JSON.parse(line)))
    this.#child = child
  }

  /** The program itself: `ip netns exec` becomes what it runs. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  told(event: string, text: RegExp = /^/): boolean {
    return this.#told.some((entry) => entry.event === event && text.test(entry.text))
  }

  /** What was told of this event. */
  texts(event: string): readonly string[] {
    return this.#told.flatMap((entry) => (entry.event === event ? [entry.text] : []))
  }

  forget(): void {
    this.#told = []
  }

  /** Waits until something is told. */
  tells(event: string, text?: RegExp): Promise<unknown> {
    const what = `${event} ${text ?? ''}`
    return waitFor(() => this.told(event, text), { what, withinMs: 40_000, seen: () => this.#told.slice(-5) })
  }

  /** Ends it as a crash does. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.stdin?.end()
    await gone
  }
}
