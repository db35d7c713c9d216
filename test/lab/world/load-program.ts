import { fileURLToPath } from 'node:url'
import { waitFor } from '../wait-for.ts'
import type { Host } from './host.ts'
import type { Verdict } from './load-verdict.ts'
import type { Program } from './program.ts'

/** What the load asks for. */
export interface LoadSettings {
  readonly address: string
  readonly port: number
  /** Short requests, each over a new connection. */
  readonly perSecond: number
  /** Connections that ask every 50 ms. */
  readonly keepAlives: number
  /** Connections that download slowly for as long as they may. */
  readonly downloads: number
  /** A request without an answer is given up after this time. */
  readonly giveUpMs: number
}

/** What became of it. */
export interface LoadSummary extends Verdict {
  readonly lastedMs: number
  readonly neighbourChanges: number
  readonly brokenKeepAlives: number
  readonly brokenDownloads: number
}

const PROGRAM = fileURLToPath(new URL('../load.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')

/** The load as the laboratory holds it. */
export class Load {
  readonly #program: Program

  private constructor(program: Program) {
    this.#program = program
  }

  static async start(host: Host, settings: LoadSettings): Promise<Load> {
    // So many connections in a minute: all ports, and none is kept from the next one.
    await host.run(['sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65535'])
    const nice = ['nice', '-n', '-10', process.execPath, '--import', TSX, PROGRAM]
    const program = await host.start([...nice, JSON.stringify(settings)])
    await waitFor(() => program.events.length > 0, { what: 'the load runs', withinMs: 30_000 })
    return new Load(program)
  }

  /** Ends it when every request is settled. */
  async stop(): Promise<LoadSummary> {
    this.#program.write(JSON.stringify({ stop: true }))
    const found = () => this.#program.events.find(({ event }) => 'summary' in event)?.event['summary']
    return (await waitFor(found, { what: 'the load reports', withinMs: 30_000 })) as LoadSummary
  }
}
