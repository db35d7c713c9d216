import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from '../scenario.ts'
import { LIMITS, type NodeName, type Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import type { Client } from '../world/client-program.ts'
import { datagramsOf, Heartbeat, type Hold, prepareForHeartbeat } from '../world/heartbeat.ts'
import { signal } from '../world/processes.ts'
import type { Program } from '../world/program.ts'
import { type SerialLine, serialLine } from '../world/serial-line.ts'
import type { World } from '../world.ts'
import { AT_START, BASELINE, WHEN_BUSY } from './baseline.ts'
import { complaintsOf } from './complaints.ts'
import { BAUD, type Kinds, NODES, otherOf, type PairingSettings, SECOND, USUAL, writeFiles } from './settings.ts'

export { type Kinds, NODES } from './settings.ts'

/** The longest outages allowed, ms: a daemon runs a script for every step, and looks at the next word 200 ms late. */
export const PAIRING_LIMITS = {
  noGap: LIMITS.noGap,
  planned: 3000,
  takeover: LIMITS.takeover + 1500,
} as const

/** Events of ours by which a scenario has failed, whatever the client saw, unless it asks for them. */
const TROUBLE: readonly string[] = [
  'problem',
  'fatal',
  'state:failed',
  'frame:dropped',
  'message:dropped',
  'messages:lost',
  'config:differs',
  'contested',
  'group:failed',
  'group:stuck',
  'resource:failed',
  'move:failed',
]

/** Who serves each group: the master's at the floating address, and where there are two the slave's at the second. */
export interface Holders {
  readonly master: NodeName
  readonly slave?: NodeName
}

/** Who served, in order. */
type Runs = readonly NodeName[]

const holdersOf = (end: NodeName | Holders): Holders => (typeof end === 'string' ? { master: end } : end)

/** Says the same to either kind of node, and holds the daemon to its baseline and our node to its events. */
export class Pairing implements AsyncDisposable {
  readonly stage: Stage
  readonly kinds: Kinds
  readonly settings: PairingSettings
  readonly world: World
  readonly #scenario: string
  readonly #second: Client | undefined
  readonly #line: SerialLine | undefined
  readonly #daemons = new Map<NodeName, Heartbeat>()
  /** Pids of the daemons that ran on each host, in order. */
  readonly #pids = new Map<NodeName, number[]>()
  readonly #runs: { readonly node: NodeName; readonly program: Program }[] = []
  readonly #expectedTrouble = new Set<string>()

  private constructor(
    world: World,
    stage: Stage,
    settings: PairingSettings,
    scenario: string,
    second: Client | undefined,
    line: SerialLine | undefined,
  ) {
    this.#line = line
    this.world = world
    this.stage = stage
    this.settings = settings
    this.kinds = settings.kinds
    this.#scenario = scenario
    this.#second = second
  }

  /** Writes both nodes' files; nothing runs yet. `scenario` names the entry of the baseline. */
  static async set(
    world: World,
    scenario: string,
    chosen: Pick<PairingSettings, 'kinds' | 'autoFailback'> & Partial<PairingSettings>,
  ): Promise<Pairing> {
    const settings = { ...USUAL, ...chosen }
    const stage = await writeFiles(world, settings)
    const second = settings.groups === 'two' ? await world.startClient({ address: SECOND }) : undefined
    const line = settings.medium === 'serial' ? await serialLine(world, BAUD) : undefined
    const pairing = new Pairing(world, stage, settings, scenario, second, line)
    for (const node of NODES) await pairing.#startNginx(node)
    return pairing
  }

  /** As `set`; then both start, and each node serves what prefers it. */
  static async up(...words: Parameters<typeof Pairing.set>): Promise<Pairing> {
    const pairing = await Pairing.set(...words)
    const slave = pairing.#second ? (['slave'] as const) : undefined
    try {
      await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000, NODES, slave)
    } catch (error) {
      await pairing[Symbol.asyncDispose]()
      throw error
    }
    return pairing
  }

  /** A serial line has to end before its hosts do. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line?.[Symbol.asyncDispose]()
  }

  /** The node that runs our program; undefined where two daemons play the baseline. */
  get ours(): NodeName | undefined {
    return NODES.find((node) => this.kinds[node] === 'ours')
  }

  daemon(node: NodeName): Heartbeat {
    const daemon = this.#daemons.get(node)
    if (!daemon) throw new Error(`laboratory: no daemon was started on ${node}`)
    return daemon
  }

  /** This scenario is about what these events tell of. */
  expect(...events: readonly string[]): void {
    for (const event of events) this.#expectedTrouble.add(event)
  }

  /** Starts what belongs on these hosts, at once. */
  async start(...nodes: readonly NodeName[]): Promise<void> {
    await Promise.all(
      nodes.map(async (node) => {
        if (this.kinds[node] === 'ours') {
          if (this.settings.packaged) await prepareForHeartbeat(this.world.host(node))
          await this.stage.start(node)
          this.#runs.push({ node, program: this.world.pair(node) })
          return
        }
        await prepareForHeartbeat(this.world.host(node))
        this.#adopt(node, await Heartbeat.start(this.world.host(node), this.world.timeline))
      }),
    )
  }

  /** Stops a node gracefully. */
  async stop(node: NodeName): Promise<void> {
    this.world.timeline.add(node, 'graceful stop')
    if (this.kinds[node] === 'daemon') return this.daemon(node).stop()
    assert.equal(await this.stage.stop(node), 0, `exit code of the node on ${node}`)
  }

  /** Kills a node's own processes, and starts it again at once: what it served goes on running meanwhile. */
  async restartFast(node: NodeName): Promise<void> {
    if (this.kinds[node] === 'daemon') await this.daemon(node).kill()
    else {
      await this.world.killPair(node)
      await this.world.pair(node).ended
    }
    await this.start(node)
  }

  /** Lets a node's own processes rest for a while; the service goes on. */
  async pause(node: NodeName, ms: number): Promise<void> {
    const pids =
      this.kinds[node] === 'daemon'
        ? this.daemon(node)
            .processes()
            .map(({ pid }) => pid)
        : [this.world.pair(node).pid]
    for (const pid of pids) signal(pid, 'SIGSTOP')
    await sleep(ms)
    for (const pid of pids) signal(pid, 'SIGCONT')
  }

  /** Boots a crashed host and starts what belongs there. */
  async reboot(node: NodeName): Promise<void> {
    await this.world.restart(node)
    await this.#startNginx(node)
    await this.start(node)
  }

  /** Waits until a daemon has executed itself again, so often since the first start, and has joined. */
  async restarted(node: NodeName, times: number): Promise<void> {
    const started = async () => (await this.daemon(node).log()).split('Configuration validated').length - 1
    const what = `the daemon on ${node} has restarted`
    await waitFor(async () => (await started()) > times && (await this.daemon(node).holds()) !== '', {
      what,
      withinMs: 40_000,
      everyMs: 200,
    })
  }

  /** Makes a node read its files anew: `heartbeat -r`, or SIGHUP to ours. */
  async reload(node: NodeName): Promise<void> {
    this.world.timeline.add(node, 'reload')
    if (this.kinds[node] === 'daemon') {
      await this.daemon(node).reload()
      return
    }
    this.world.pair(node).signal('SIGHUP')
  }

  async standby(node: NodeName, hold: Hold = 'all'): Promise<void> {
    this.world.timeline.add(node, `standby ${hold}`)
    if (this.kinds[node] === 'daemon') return this.daemon(node).standby(hold)
    await this.#command(node, 'standby', hold)
  }

  async takeover(node: NodeName, hold: Hold = 'all'): Promise<void> {
    this.world.timeline.add(node, `takeover ${hold}`)
    if (this.kinds[node] === 'daemon') return this.daemon(node).takeover(hold)
    await this.#command(node, 'takeover', hold)
  }

  /** A move by hand that auto_failback legacy does not know: both nodes refuse it with the reason. */
  async refused(node: NodeName, command: 'standby' | 'takeover'): Promise<void> {
    if (this.kinds[node] === 'ours') {
      const { code, stderr } = await this.stage.command(node, command, 'all')
      assert.equal(code, 1, `exit code of ${command} on ${node}`)
      assert.match(stderr, /auto_failback legacy/)
      return
    }
    const said = async () => (await this.daemon(node).log()).split('only implemented when nice_failback on').length
    const before = await said()
    await this.daemon(node)[command]('all')
    const what = `the daemon on ${node} refuses ${command}`
    // Its hb_takeover asks the other, which refuses by itself where it is a daemon too.
    if (command === 'standby')
      await waitFor(async () => (await said()) > before, { what, withinMs: 10_000, everyMs: 200 })
  }

  /**
   * Does something; then these served the client, in this order, and both nodes agree on who holds what. `second` says
   * the same of the second group, where there is one.
   */
  async act(
    what: string,
    work: () => Promise<unknown>,
    servedBy: Runs,
    limitMs: number,
    alive: readonly NodeName[] = NODES,
    second?: Runs,
  ): Promise<void> {
    const sinceMs = this.#second?.mark() ?? 0
    const isStart = this.#second?.serving === undefined
    const withinMs = 40_000
    const both = async () => {
      await work()
      if (second) await this.#second?.waitForServing(second.at(-1), withinMs)
    }
    await this.stage.act(what, both, { servedBy, limitMs, withinMs, holdMs: 1500 })
    if (this.#second && second) {
      const report = await this.#second.report(sinceMs)
      assert.deepEqual(
        report.servedBy.map(({ by }) => by),
        second,
        `who served the second group: ${what}`,
      )
      this.stage.note(`… the second group`, report, limitMs, isStart)
    }
    const end: Holders = {
      master: servedBy.at(-1) as NodeName,
      ...(second ? { slave: second.at(-1) as NodeName } : {}),
    }
    for (const node of alive) await this.agrees(node, end)
  }

  /** Exactly these hosts hold the addresses, no daemon has complained beyond what two daemons print here, and ours says the same. */
  async end(end: NodeName | Holders): Promise<Outcome> {
    const holders = holdersOf(end)
    const complained = await this.assertClean()
    const told = this.#assertOurWord()
    const { acts } = await this.stage.end(holders.master)
    if (holders.slave)
      assert.deepEqual(await this.world.holders(SECOND), [holders.slave], 'who holds the second address')
    const daemons = await Promise.all([...this.#daemons.keys()].map((node) => this.#identify(node)))
    return { acts, remarks: [`client: ok; log: ok, ${complained}; events: ok, ${told}`, ...daemons] }
  }

  async assertClean(): Promise<string> {
    const allowed = new Set([...AT_START, ...WHEN_BUSY, ...(BASELINE[this.#scenario] ?? [])])
    const logs = await Promise.all([...this.#daemons.values()].map((daemon) => daemon.log()))
    const complaints = complaintsOf(logs.join('\n'))
    const further = complaints.filter((text) => !allowed.has(text))
    assert.deepEqual(further, [], `what a daemon complains about, beyond the baseline of ${this.#scenario}`)
    return `${complaints.length} kinds of complaint, all of the baseline`
  }

  /** Waits until a node says of itself that it holds this. */
  async agrees(node: NodeName, holders: Holders, withinMs = 15_000): Promise<void> {
    if (this.kinds[node] === 'ours') return this.#oursAgrees(node, holders, withinMs)
    const right = this.#rightWords(node, holders)
    let seen = ''
    const agreed = async (): Promise<boolean> => {
      seen = await this.daemon(node).holds()
      return right.includes(seen)
    }
    const what = `the daemon on ${node} says ${right.join(' or ')}`
    await waitFor(agreed, { what, withinMs, everyMs: 200, seen: () => seen })
  }

  /** The daemon is asked for its own word, which it says of groups it has none of too (docs/daemon.md). */
  #rightWords(node: NodeName, holders: Holders): readonly string[] {
    if (this.settings.autoFailback === 'legacy') return ['none']
    if (holders.slave) {
      const local = holders[node] === node
      const foreign = holders[otherOf(node)] === node
      return [local && foreign ? 'all' : local ? 'local' : foreign ? 'foreign' : 'none']
    }
    const serving = node === 'master' ? ['local', 'all'] : ['all', 'foreign']
    const words = ['none', 'local', 'foreign', 'all']
    const right = words.filter((word) => serving.includes(word) === (holders.master === node))
    // With msgfmt netstring a daemon never hears that its own mach_down has ended.
    return this.settings.format === 'netstring' ? [...right, 'transition'] : right
  }

  async #oursAgrees(node: NodeName, holders: Holders, withinMs: number): Promise<void> {
    const right = JSON.stringify(Object.values(holders))
    let seen = ''
    const agreed = async (): Promise<boolean> => {
      const { stdout } = await this.stage.command(node, 'status', '--json')
      if (!stdout.startsWith('{')) return false
      const { groups } = JSON.parse(stdout) as { groups: readonly { servedBy: string | null }[] }
      seen = JSON.stringify(groups.map(({ servedBy }) => servedBy))
      return seen === right
    }
    const what = `our node on ${node} says that ${right} serve`
    await waitFor(agreed, { what, withinMs, everyMs: 300, seen: () => seen })
  }

  #assertOurWord(): string {
    const events = this.#runs.flatMap(({ program }) => program.events.map(({ event }) => event))
    const isTrouble = (name: unknown) => TROUBLE.includes(String(name)) && !this.#expectedTrouble.has(String(name))
    const trouble = events.filter(({ name }) => isTrouble(name))
    assert.deepEqual(trouble, [], 'what our node told of trouble')
    return this.ours ? `${events.length} of our ${this.ours}, none of trouble` : 'none, two daemons'
  }

  #adopt(node: NodeName, daemon: Heartbeat): void {
    this.#daemons.set(node, daemon)
    this.#pids.set(node, [...(this.#pids.get(node) ?? []), daemon.pid ?? 0])
  }

  async #identify(node: NodeName): Promise<string> {
    const { received, sent } = await datagramsOf(this.world.host(node))
    const line = this.#line?.cable
    const [lineIn = 0, lineOut = 0] = [line?.sent(otherOf(node)), line?.sent(node)]
    assert.ok(received + lineIn > 0 && sent + lineOut > 0, `nothing has come from the daemon on ${node}, or to it`)
    const version = await this.daemon(node).version()
    const serial = line ? `, ${lineIn} bytes in over the serial line, ${lineOut} out` : ''
    return `heartbeat ${version} on ${node}, pid ${this.#pids.get(node)?.join(', ')}: ${received} datagrams in, ${sent} out${serial}`
  }

  async #startNginx(node: NodeName): Promise<void> {
    if (this.settings.groups === 'two') await this.world.host(node).start(['nginx', '-g', 'daemon off;'])
  }

  async #command(node: NodeName, command: string, hold: Hold): Promise<void> {
    const { code, stderr } = await this.stage.command(node, command, hold)
    assert.equal(code, 0, `${command} ${hold} on ${node}: ${stderr}`)
  }
}
