import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Act, Outcome } from './scenario.ts'
import { waitFor } from './wait-for.ts'
import type { Client, ClientReport } from './world/client-program.ts'
import type { CommandResult } from './world/command.ts'
import { configurationOf, type PairSettings, TIMES, TUTORIAL } from './world/configuration.ts'
import { nginxConfig } from './world/nginx.ts'
import type { Program } from './world/program.ts'
import type { World } from './world.ts'

export type NodeName = 'master' | 'slave'

const NODES: readonly NodeName[] = ['master', 'slave']
/** The command, as it is built. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** How long the client watches before an act. */
const EVE_MS = 200
const DIRECTORY = '/etc/ha.d'

/** What a noisy machine may add to every outage, ms. */
const MARGIN_MS = 1500

/** The longest outage that each kind of event may cause, ms. */
export const LIMITS = {
  /** Nothing: every request is answered. How late is the machine's doing, and says nothing while it is no longer than that. */
  noGap: MARGIN_MS - 1,
  /** A planned move: nginx and the address stop here and start there. */
  planned: MARGIN_MS,
  /** The peer has to fall silent for the dead time first. */
  takeover: TUTORIAL.deadtimeMs + TIMES.keepaliveMs + MARGIN_MS,
} as const

/** The rows that say something else with and without autoFailback: who serves once the master is well again. */
export const BOTH_WAYS = [
  { way: 'on', autoFailback: true, home: 'master', back: ['slave', 'master'], backMs: LIMITS.planned },
  { way: 'off', autoFailback: false, home: 'slave', back: ['slave'], backMs: LIMITS.noGap },
] as const satisfies readonly {
  readonly way: 'on' | 'off'
  readonly autoFailback: boolean
  readonly home: NodeName
  /** Who serves, in order, from the repair on. */
  readonly back: readonly NodeName[]
  readonly backMs: number
}[]

/** What the client must see of an act. */
export interface Expectation {
  /** Who serves, in order; left out where two nodes hold the address and the client's neighbour table decides. */
  readonly servedBy?: readonly NodeName[]
  /** Who serves at the end; default the last of `servedBy`. */
  readonly ends?: NodeName | 'nobody'
  /** The longest outage allowed, ms; not judged when nobody serves at the end. */
  readonly limitMs: number
  /** How long to go on watching when the end has come; default four keepalives. */
  readonly holdMs?: number
  /** How long to wait for the end; default 15 s. */
  readonly withinMs?: number
}

/** What the client saw of an act. */
export interface ActReport extends ClientReport {
  /** When it was done, on the laboratory's clock. */
  readonly actedMs: number
}

/** Since when the host that served last has served without another in between, on the laboratory's clock. */
export const settledMs = ({ servedBy }: ClientReport): number => servedBy.at(-1)?.fromMs ?? Number.POSITIVE_INFINITY

const servedByOf = ({ servedBy }: ClientReport): readonly string[] => servedBy.map(({ by }) => by)

/** The pair on its hosts, and the client that watches: what every scenario begins with. */
export class Stage {
  readonly world: World
  readonly client: Client
  readonly acts: Act[] = []

  private constructor(world: World, client: Client) {
    this.world = world
    this.client = client
  }

  /** Writes both nodes' files and starts the client; the pair does not run yet. */
  static async set(world: World, settings: Partial<PairSettings> = {}): Promise<Stage> {
    const all = { ...TUTORIAL, ...settings }
    for (const node of NODES) {
      // Where heartbeat's own scripts are installed they would be used instead of the built-in agents.
      await world.host(node).run(['rm', '-rf', DIRECTORY])
      await nginxConfig(world.host(node), { listen: '0.0.0.0:80' })
      for (const { name, text, mode } of configurationOf(node, all))
        await world.host(node).write(`${DIRECTORY}/${name}`, text, { mode })
      if (all.nginx === 'outside') await world.host(node).run(['nginx'])
    }
    const stage = new Stage(world, await world.startClient())
    if (all.sealed) await stage.makeKey(...NODES)
    return stage
  }

  /** As `set`, and the pair runs: the master serves, and both know each other. */
  static async up(world: World, settings: Partial<PairSettings> = {}): Promise<Stage> {
    const stage = await Stage.set(world, settings)
    await stage.act('both start', () => stage.start(...NODES), {
      servedBy: ['master'],
      limitMs: TUTORIAL.initdeadMs,
    })
    await waitFor(() => NODES.every((node) => stage.told(node, 'peer:alive')), { what: 'both know each other' })
    return stage
  }

  /** A new key, made by the command on the first of these hosts and copied to the others. */
  async makeKey(...nodes: readonly NodeName[]): Promise<void> {
    const [first, ...others] = nodes
    if (first === undefined) return
    const file = `${DIRECTORY}/key`
    await this.world.host(first).run(['rm', '-f', file])
    await this.world.host(first).run([process.execPath, MAIN, 'keygen', file])
    const key = await this.world.host(first).read(file)
    for (const other of others) await this.world.host(other).write(file, key, { mode: 0o600 })
  }

  /** Starts the pair's process on these hosts, all at once. */
  async start(...nodes: readonly NodeName[]): Promise<void> {
    await Promise.all(nodes.map((node) => this.world.startPair(node, this.#argv(node, 'run', '--json'))))
  }

  /** Starts the pair's process on a host and waits until it knows its peer. */
  async join(node: NodeName): Promise<void> {
    await this.start(node)
    await waitFor(() => this.told(node, 'peer:alive'), { what: `${node} knows its peer` })
  }

  /** Boots a crashed host and starts its pair. */
  async reboot(node: NodeName): Promise<void> {
    await this.world.restart(node)
    await this.join(node)
  }

  /** Runs `hot-standby COMMAND …` on a host to its end. */
  async command(node: NodeName, command: string, ...operands: readonly string[]): Promise<CommandResult> {
    return this.world.host(node).run(this.#argv(node, command, ...operands), { check: false })
  }

  /** Changes a file of a node; a bare name is one of its configuration directory. */
  async rewrite(node: NodeName, file: string, change: (text: string) => string): Promise<void> {
    const path = file.startsWith('/') ? file : `${DIRECTORY}/${file}`
    const { stdout } = await this.world.host(node).run(['stat', '-c', '%a', path])
    const text = change(await this.world.host(node).read(path))
    await this.world.host(node).write(path, text, { mode: Number.parseInt(stdout, 8) })
  }

  /** SIGTERM to the pair's process; resolves with its exit code. */
  async stop(node: NodeName): Promise<number | null> {
    const pair = this.world.pair(node)
    pair.signal('SIGTERM')
    return (await pair.ended).code
  }

  /** How often the pair's process of a host, as started last, has told an event. */
  count(node: NodeName, event: string): number {
    return this.#events(this.world.pair(node)).filter((name) => name === event).length
  }

  /** How many packets the pair's process of a host has dropped on all its links, by reason, as `status --json` says. */
  async dropped(node: NodeName): Promise<Readonly<Record<string, number>>> {
    const { stdout } = await this.command(node, 'status', '--json')
    const { links } = JSON.parse(stdout) as { links: readonly { dropped: Record<string, number> }[] }
    const sum: Record<string, number> = {}
    for (const { dropped } of links)
      for (const [reason, count] of Object.entries(dropped)) sum[reason] = (sum[reason] ?? 0) + count
    return sum
  }

  told(node: NodeName, event: string): boolean {
    return this.count(node, event) > 0
  }

  /** Does something, waits for its end, and judges what the client saw meanwhile. */
  async act(what: string, work: () => Promise<unknown>, expected: Expectation): Promise<ActReport> {
    const { servedBy, ends = servedBy?.at(-1), limitMs, holdMs = 4 * TIMES.keepaliveMs, withinMs = 15_000 } = expected
    const sinceMs = this.client.mark()
    // So that whoever serves now is seen before the act, however quick that is.
    await sleep(EVE_MS)
    const actedMs = this.client.mark()
    const isStart = this.client.serving === undefined
    await work()
    await this.client.waitForServing(ends === 'nobody' ? undefined : ends, withinMs)
    await sleep(holdMs)
    const report = await this.client.report(sinceMs)
    if (servedBy) assert.deepEqual(servedByOf(report), servedBy, `who served: ${what}`)
    // A busy machine makes answers late, it loses none: the client waits for each as long as TCP does before it asks again.
    if (limitMs === LIMITS.noGap) assert.equal(report.failed, 0, `requests without an answer: ${what}`)
    this.note(what, report, ends === 'nobody' ? Number.POSITIVE_INFINITY : limitMs, isStart)
    return { ...report, actedMs }
  }

  /** Judges the longest outage of a report, and keeps it for the scenario's account. */
  note(what: string, report: ClientReport, limitMs: number, isStart = false): void {
    this.#judge({ what, servedBy: servedByOf(report), ms: report.outageMs, limitMs, isStart }, 'an outage of')
  }

  /** Judges another time that the client has seen, and keeps it for the scenario's account. */
  figure(what: string, ms: number, limitMs: number): void {
    this.#judge({ what, servedBy: [], ms, limitMs, isStart: false }, 'after')
  }

  #judge(act: Act, how: string): void {
    const { what, ms, limitMs } = act
    this.acts.push(act)
    assert.ok(ms <= limitMs, `${what}: ${how} ${ms.toFixed(0)} ms; at most ${limitMs} are allowed`)
  }

  /** Exactly these hosts hold the floating address now; closes a scenario. */
  async end(...holders: readonly NodeName[]): Promise<Outcome> {
    assert.deepEqual(await this.world.holders(), holders, 'who holds the floating address at the end')
    return { acts: this.acts, remarks: [] }
  }

  #argv(node: NodeName, command: string, ...more: readonly string[]): readonly string[] {
    return [process.execPath, MAIN, command, '--dir', DIRECTORY, '--node', node, ...more]
  }

  #events(pair: Program): readonly unknown[] {
    return pair.events.map(({ event }) => event['name'])
  }
}
