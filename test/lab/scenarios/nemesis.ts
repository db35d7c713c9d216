import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../../src/testing/schedule.ts'
import { type Play, scenario } from '../scenario.ts'
import { type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { signal } from '../world/processes.ts'

/** A fault, and how it is taken back. */
interface Fault {
  readonly name: string
  readonly begin: () => Promise<unknown>
  readonly end: () => Promise<unknown>
}

const ROUNDS = 10
/** How long the pair may take after the last repair: deadtime, hold-down, limits of operations, a failback. */
const SETTLE_MS = 30_000

const nothing = async (): Promise<void> => {}

/** What can befall the process or the host of a node. */
const hostFaults = (stage: Stage, node: NodeName): readonly Fault[] => {
  const { world } = stage
  const command = (name: string): Fault => ({ name, begin: () => stage.command(node, name), end: nothing })
  return [
    { name: 'crash', begin: () => world.crash(node), end: () => world.restart(node).then(() => stage.start(node)) },
    { name: 'kill -9', begin: () => world.killPair(node), end: () => stage.start(node) },
    { name: 'stop', begin: () => stage.stop(node), end: () => stage.start(node) },
    { name: 'freeze', begin: () => world.freeze(node), end: () => world.thaw(node) },
    {
      name: 'nginx killed',
      begin: async () => {
        const running = world.host(node).processes()
        for (const { pid, command } of running) if (command === 'nginx') signal(pid, 'SIGKILL')
      },
      end: nothing,
    },
    command('standby'),
    command('takeover'),
  ]
}

/** What can befall its lines. */
const lineFaults = ({ world }: Stage, node: NodeName): readonly Fault[] =>
  (['eth0', 'eth1'] as const).flatMap((device) => {
    const mend = () => world.mend(node, device)
    return [
      { name: `${device} cut`, begin: () => world.cut(node, device), end: mend },
      { name: `${device} hears nothing`, begin: () => world.cutOneway(node, device, 'in'), end: mend },
      { name: `${device} is not heard`, begin: () => world.cutOneway(node, device, 'out'), end: mend },
      { name: `${device} loses a third`, begin: () => world.lose(node, device, 33), end: mend },
      { name: `${device} unplugged`, begin: () => world.unplug(node, device), end: () => world.plug(node, device) },
    ]
  })

const networkFaults = (stage: Stage, node: NodeName): readonly Fault[] => [
  ...lineFaults(stage, node),
  icmpFault(stage, node),
  icmpFault(stage, node),
]

/** The tutorial's rule; a host that boots anew meanwhile has lost it. */
const icmpFault = ({ world }: Stage, node: NodeName): Fault => {
  let host: number | undefined
  return {
    name: 'ICMP dropped',
    async begin() {
      if (!world.host(node).isOn) return
      host = world.host(node).init
      await world.dropIcmp(node)
    },
    async end() {
      if (world.host(node).isOn && world.host(node).init === host) await world.allowIcmp(node)
    },
  }
}

const playOf =
  (seed: number): Play =>
  async (world) => {
    const random = seededRandom(seed)
    const below = (limit: number) => Math.floor(random() * limit)
    const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
    const autoFailback = random() < 0.5
    const stage = await Stage.up(world, {
      source: pick(['ha.cf', 'ini']),
      links: pick([['eth1'], ['eth1', 'eth0']]),
      ping: pick(['192.168.1.1', '192.168.2.1']),
      nginx: pick(['hot', 'cold']),
      autoFailback,
    })
    const nodes = ['master', 'slave'] as const
    for (let round = 0; round < ROUNDS; round++) {
      const chosen = [
        ...(random() < 0.7 ? [pick(hostFaults(stage, pick(nodes)))] : []),
        ...(random() < 0.7 ? [pick(networkFaults(stage, pick(nodes)))] : []),
      ]
      for (const fault of chosen) {
        await fault.begin()
        await sleep(below(600))
      }
      await sleep(below(2500))
      if (random() < 0.5) chosen.reverse()
      for (const fault of chosen) {
        await fault.end()
        await sleep(below(600))
      }
      await sleep(below(2000))
    }
    world.timeline.add('lab', 'everything is mended')
    for (const node of nodes) if (!world.pair(node).running) await stage.start(node)
    const home = autoFailback ? ['master'] : nodes
    let holders: readonly string[] = []
    const settled = async (): Promise<boolean> => {
      holders = await world.holders()
      return holders.length === 1 && home.some((node) => node === holders[0]) && stage.client.serving === holders[0]
    }
    await waitFor(settled, { what: `one of ${home.join(', ')} serves`, withinMs: SETTLE_MS, seen: () => holders })
    const [holder] = holders as readonly [NodeName]
    await stage.act(`afterwards (seed ${seed})`, nothing, { servedBy: [holder], limitMs: 300, holdMs: 3000 })
    for (const node of nodes) assert.equal(world.pair(node).running, true, `the pair's process on ${node} lives`)
    return stage.end(holder)
  }

/** `NEMESIS=17,18 npm run lab -- nemesis-17 nemesis-18` plays others. */
const seeds = (process.env['NEMESIS'] ?? '1,2').split(',').map(Number)

for (const seed of seeds)
  scenario(
    `nemesis-${seed}`,
    {
      row: 'ten rounds of faults drawn at random; once everything is mended exactly one node serves',
      limitMs: 240_000,
    },
    playOf(seed),
  )
