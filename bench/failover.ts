import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../test/lab/wait-for.ts'
import type { Client } from '../test/lab/world/client-program.ts'
import { FLOATING, plugOf } from '../test/lab/world/layout.ts'
import { nginxConfig } from '../test/lab/world/nginx.ts'
import { World } from '../test/lab/world.ts'
import type { Figure } from './figure.ts'

type Node = 'master' | 'slave'

const nodes: readonly Node[] = ['master', 'slave']
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const rounds = 10
const keepaliveMs = 100
const deadtimeMs = 500

const other = (node: Node): Node => (node === 'master' ? 'slave' : 'master')

/** Two heartbeat lines, so that the crash is all there is to find out. */
const configuration = (mode: 'hot' | 'cold'): string =>
  [
    'name = bench',
    'nodes = master, slave',
    '[liveness]',
    `keepalive = ${keepaliveMs}ms`,
    `deadtime = ${deadtimeMs}ms`,
    'initdead = 2s',
    '[authenticator]',
    'method = sha1',
    'key = bench',
    ...(['eth0', 'eth1'] as const).flatMap((device) => [
      `[transport.${device}]`,
      'type = udp-unicast',
      `addresses.master = ${plugOf('master', device).address}`,
      `addresses.slave = ${plugOf('slave', device).address}`,
      `device = ${device}`,
    ]),
    '[group.web]',
    'preferred = master',
    `resources[] = ${FLOATING}/24/eth0`,
    `resources[] = ${mode === 'hot' ? 'nginx::hot' : 'nginx'}`,
    '',
  ].join('\n')

class Pair {
  readonly #world: World
  readonly #client: Client

  constructor(world: World, client: Client) {
    this.#world = world
    this.#client = client
  }

  argv(node: Node, ...command: readonly string[]): string[] {
    return [process.execPath, main, ...command, '--dir', '/etc/ha.d', '--node', node]
  }

  async join(node: Node): Promise<void> {
    const pair = await this.#world.startPair(node, [...this.argv(node, 'run'), '--json'])
    await waitFor(() => pair.events.some(({ event }) => event['name'] === 'peer:alive'), { what: `${node} joins` })
  }

  /** Longest gap at the client around `work`, until `node` serves. */
  async gap(work: () => Promise<unknown>, node: Node): Promise<number> {
    await sleep(1500) // everything is steady: prepared, announced
    const sinceMs = this.#client.mark()
    await work()
    await this.#client.waitForServing(node)
    await sleep(500)
    return (await this.#client.report(sinceMs)).longestGapMs
  }
}

async function withPair<T>(mode: 'hot' | 'cold', use: (pair: Pair, world: World) => Promise<T>): Promise<T> {
  const world = await World.build({ title: `bench-${mode}` })
  try {
    for (const node of nodes) {
      await nginxConfig(world.host(node), { listen: '0.0.0.0:80' })
      // Scripts of an installed Heartbeat would take the place of the built-in agents.
      await world.host(node).run(['rm', '-rf', '/etc/ha.d/resource.d'])
      await world.host(node).write('/etc/ha.d/hot-standby.ini', configuration(mode), { mode: 0o600 })
    }
    const client = await world.startClient()
    const pair = new Pair(world, client)
    await Promise.all(nodes.map((node) => pair.join(node)))
    await client.waitForServing('master')
    return await use(pair, world)
  } finally {
    await world.destroy({ keepLogs: false })
  }
}

/** Planned switches back and forth by the command. */
async function planned(mode: 'hot' | 'cold'): Promise<number[]> {
  return withPair(mode, async (pair, world) => {
    const gaps: number[] = []
    let holder: Node = 'master'
    for (let round = 0; round < rounds; round++) {
      const giver = holder
      holder = other(giver)
      gaps.push(await pair.gap(() => world.host(giver).run(pair.argv(giver, 'standby')), holder))
    }
    return gaps
  })
}

/** Crashes of the host that serves: all its cables silent, then everything killed. */
async function crashes(): Promise<number[]> {
  return withPair('hot', async (pair, world) => {
    const gaps: number[] = []
    let holder: Node = 'master'
    for (let round = 0; round < rounds; round++) {
      const victim = holder
      holder = other(victim)
      gaps.push(await pair.gap(() => world.crash(victim), holder))
      await world.restart(victim)
      await pair.join(victim)
    }
    return gaps
  })
}

/** nginx's own time to stop and to start, without any pair. */
async function nginxItself(): Promise<number[]> {
  const world = await World.build({ title: 'bench-nginx' })
  try {
    const host = world.host('master')
    await nginxConfig(host, { listen: '0.0.0.0:80' })
    await host.run(['nginx'])
    const timed = async (line: string): Promise<number> => {
      const beganMs = performance.now()
      await host.run(['sh', '-c', line])
      return performance.now() - beganMs
    }
    const values: number[] = []
    for (let round = 0; round < rounds; round++) {
      const nothing = await timed('true')
      const both = await timed('nginx -s quit; while [ -e /run/nginx.pid ]; do sleep 0.001; done; nginx')
      values.push(both - nothing)
    }
    return values
  } finally {
    await world.destroy({ keepLogs: false })
  }
}

/** What a client sees of failovers, in the laboratory (root on Linux). */
export async function failover(): Promise<Figure[]> {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') {
    console.log('failover: left out, the laboratory needs root on Linux')
    return []
  }
  const unit = 'ms'
  return [
    {
      what: `host crash (keepalive ${keepaliveMs} ms, deadtime ${deadtimeMs} ms), longest gap at the client`,
      unit,
      values: await crashes(),
      goal: `median at most ${deadtimeMs + 60} ms`,
    },
    { what: 'planned switch, nginx hot', unit, values: await planned('hot'), goal: 'median under 20 ms' },
    { what: 'nginx itself, quit and start', unit, values: await nginxItself() },
    {
      what: 'planned switch, nginx cold',
      unit,
      values: await planned('cold'),
      goal: 'median under the row above + 30 ms',
    },
  ]
}
