import assert from 'node:assert/strict'
import { LIMITS, type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { Heartbeat, type Hold, prepareForHeartbeat } from '../world/heartbeat.ts'
import type { World } from '../world.ts'
import { AT_START, BASELINE } from './baseline.ts'
import { complaintsOf } from './complaints.ts'

/** What runs on a host: a real daemon, or this project's command. */
export type Kind = 'daemon' | 'ours'
export type Kinds = Readonly<Record<NodeName, Kind>>

export const NODES: readonly NodeName[] = ['master', 'slave']

export const otherOf = (node: NodeName): NodeName => (node === 'master' ? 'slave' : 'master')

/** The longest outages allowed, ms: a daemon runs a script for every step, and looks at the next word 200 ms late. */
export const PAIRING_LIMITS = {
  noGap: LIMITS.noGap,
  planned: 3000,
  takeover: LIMITS.takeover + 1500,
} as const

/** A beat that is late because this machine is busy with something else is not what is judged here. */
const WARNTIME = 'warntime 900ms'

export interface PairingSettings {
  readonly kinds: Kinds
  readonly autoFailback: boolean
}

/** Says the same to either kind of node, and holds the daemon to its baseline. */
export class Pairing {
  readonly stage: Stage
  readonly kinds: Kinds
  readonly #world: World
  readonly #scenario: string
  readonly #daemons = new Map<NodeName, Heartbeat>()

  private constructor(world: World, stage: Stage, kinds: Kinds, scenario: string) {
    this.#world = world
    this.stage = stage
    this.kinds = kinds
    this.#scenario = scenario
  }

  /** Writes the same three files on both hosts; nothing runs yet. `scenario` names the entry of the baseline. */
  static async set(world: World, scenario: string, { kinds, autoFailback }: PairingSettings): Promise<Pairing> {
    const stage = await Stage.set(world, { autoFailback })
    for (const node of NODES) {
      const kept = (line: string) => !/^(?:ping|respawn|deadping|warntime) /.test(line)
      await stage.rewrite(node, 'ha.cf', (text) => text.split('\n').filter(kept).concat(WARNTIME, '').join('\n'))
      await stage.rewrite(node, 'authkeys', () => 'auth 1\n1 sha1 a-secret-of-the-laboratory\n')
      await stage.rewrite(node, 'haresources', () => `master IPaddr::${world.floating}/24/eth0 nginx\n`)
    }
    return new Pairing(world, stage, kinds, scenario)
  }

  /** As `set`; then both start, and the master serves. */
  static async up(world: World, scenario: string, settings: PairingSettings): Promise<Pairing> {
    const pairing = await Pairing.set(world, scenario, settings)
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
    return pairing
  }

  daemon(node: NodeName): Heartbeat {
    const daemon = this.#daemons.get(node)
    if (!daemon) throw new Error(`laboratory: no daemon was started on ${node}`)
    return daemon
  }

  /** Starts what belongs on these hosts, at once. */
  async start(...nodes: readonly NodeName[]): Promise<void> {
    await Promise.all(
      nodes.map(async (node) => {
        if (this.kinds[node] === 'ours') return this.stage.start(node)
        await prepareForHeartbeat(this.#world.host(node))
        this.#daemons.set(node, await Heartbeat.start(this.#world.host(node), this.#world.timeline))
      }),
    )
  }

  /** Stops a node gracefully. */
  async stop(node: NodeName): Promise<void> {
    this.#world.timeline.add(node, 'graceful stop')
    if (this.kinds[node] === 'daemon') return this.daemon(node).stop()
    assert.equal(await this.stage.stop(node), 0, `exit code of the node on ${node}`)
  }

  /** Boots a crashed host and starts what belongs there. */
  async reboot(node: NodeName): Promise<void> {
    await this.#world.restart(node)
    await this.start(node)
  }

  async standby(node: NodeName, hold: Hold = 'all'): Promise<void> {
    this.#world.timeline.add(node, `standby ${hold}`)
    if (this.kinds[node] === 'daemon') return this.daemon(node).standby(hold)
    await this.#command(node, 'standby', hold)
  }

  async takeover(node: NodeName, hold: Hold = 'all'): Promise<void> {
    this.#world.timeline.add(node, `takeover ${hold}`)
    if (this.kinds[node] === 'daemon') return this.daemon(node).takeover(hold)
    await this.#command(node, 'takeover', hold)
  }

  /** Does something; then these served the client, in this order, and both nodes agree on who holds what. */
  async act(
    what: string,
    work: () => Promise<unknown>,
    servedBy: readonly NodeName[],
    limitMs: number,
    alive: readonly NodeName[] = NODES,
  ): Promise<void> {
    await this.stage.act(what, work, { servedBy, limitMs, withinMs: 40_000, holdMs: 1500 })
    const holder = servedBy.at(-1)
    for (const node of alive) await this.#agrees(node, node === holder)
  }

  /** Exactly this host holds the address, and no daemon has complained beyond what two daemons print here. */
  async end(holder: NodeName): Promise<Awaited<ReturnType<Stage['end']>>> {
    await this.assertClean()
    return this.stage.end(holder)
  }

  async assertClean(): Promise<void> {
    const allowed = new Set([...AT_START, ...(BASELINE[this.#scenario] ?? [])])
    const logs = await Promise.all([...this.#daemons.values()].map((daemon) => daemon.log()))
    const complaints = complaintsOf(logs.join('\n')).filter((text) => !allowed.has(text))
    assert.deepEqual(complaints, [], `what a daemon complains about, beyond the baseline of ${this.#scenario}`)
  }

  /** The daemon is asked for its own word, which it says of groups it has none of too (linux-ha.md §8.1). */
  async #agrees(node: NodeName, serves: boolean): Promise<void> {
    if (this.kinds[node] === 'ours') return
    const right = node === 'master' ? ['local', 'all'] : ['all', 'foreign']
    let seen = ''
    const agreed = async (): Promise<boolean> => {
      seen = await this.daemon(node).holds()
      return seen !== '' && seen !== 'transition' && right.includes(seen) === serves
    }
    const what = `the daemon on ${node} says that it ${serves ? 'serves' : 'does not serve'}`
    await waitFor(agreed, { what, withinMs: 15_000, everyMs: 200, seen: () => seen })
  }

  async #command(node: NodeName, command: string, hold: Hold): Promise<void> {
    const { code, stderr } = await this.stage.command(node, command, hold)
    assert.equal(code, 0, `${command} ${hold} on ${node}: ${stderr}`)
  }
}
