import { fileURLToPath } from 'node:url'
import { waitFor } from '../wait-for.ts'
import type { Report, ReportOptions } from './answers.ts'
import type { Host } from './host.ts'
import { FLOATING } from './layout.ts'
import type { Program } from './program.ts'
import { nowMs, type Timeline } from './timeline.ts'

/** What the client asks for. */
export interface ClientSettings {
  /** Default: the floating address. */
  readonly address: string
  /** Default 80. */
  readonly port: number
  /** Time from one request to the next; default 5 ms. */
  readonly everyMs: number
  /**
   * A request without an answer is given up after this time; default 900 ms, just before TCP asks again for what was lost: until
   * then an answer was late, afterwards something did not arrive.
   */
  readonly timeoutMs: number
  /** Without a good answer for so long, nobody serves; default 100 ms. */
  readonly quietMs: number
}

/** A report with the cost of the client itself. */
export interface ClientReport extends Report {
  /** Processor time of the client since it started. */
  readonly cpuMs: number
}

const DEFAULTS: ClientSettings = { address: FLOATING, port: 80, everyMs: 5, timeoutMs: 900, quietMs: 100 }
const PROGRAM = fileURLToPath(new URL('../client.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')

/** The client as the laboratory holds it: the only witness of who served and for how long nobody did. */
export class Client {
  /** Who answered last; `undefined` when nobody has for `quietMs`. */
  serving: string | undefined
  readonly #program: Program
  readonly #reports = new Map<number, ClientReport>()
  #lastId = 0

  private constructor(program: Program, timeline: Timeline) {
    this.#program = program
    program.onEvent(({ event }) => {
      const line = event as { serving?: string | null; atMs?: number; id?: number; report?: ClientReport }
      if (line.id !== undefined && line.report) this.#reports.set(line.id, line.report)
      if (line.serving === undefined) return
      const before = this.serving
      this.serving = line.serving ?? undefined
      if (this.serving === before) return
      timeline.add('client', this.serving ? `page of ${this.serving}` : 'no answer', line.atMs)
    })
  }

  static async start(host: Host, timeline: Timeline, settings: Partial<ClientSettings> = {}): Promise<Client> {
    // What measures goes before what is measured: otherwise a busy machine looks like an outage.
    const argv = [
      'nice',
      '-n',
      '-15',
      process.execPath,
      '--import',
      TSX,
      PROGRAM,
      JSON.stringify({ ...DEFAULTS, ...settings }),
    ]
    const program = await host.start(argv)
    const client = new Client(program, timeline)
    await waitFor(() => program.events.length > 0, { what: 'the client asks', withinMs: 30_000 })
    return client
  }

  /** A time to report from: now. */
  mark(): number {
    return nowMs()
  }

  /**
   * What it has seen since a mark, after every request of that time was answered or given up. Outages up to 20 ms are
   * not listed unless a lower threshold is asked for; `longestGapMs` says how long the longest pause was in any case.
   */
  async report(
    sinceMs: number,
    options: Partial<Pick<ReportOptions, 'untilMs' | 'thresholdMs'>> = {},
  ): Promise<ClientReport> {
    const id = ++this.#lastId
    this.#program.write(JSON.stringify({ id, report: { sinceMs, untilMs: nowMs(), thresholdMs: 20, ...options } }))
    const report = await waitFor(() => this.#reports.get(id), { what: 'the client reports', everyMs: 5 })
    this.#reports.delete(id)
    return report
  }

  /** Waits until this host serves, or with `undefined` until nobody does. */
  async waitForServing(host: string | undefined, withinMs = 10_000): Promise<void> {
    const what = host ? `${host} serves the client` : 'nobody serves the client'
    await waitFor(() => this.serving === host, { what, withinMs, everyMs: 5, seen: () => this.serving ?? 'nobody' })
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#program.endInput()
    await this.#program.ended
  }
}
