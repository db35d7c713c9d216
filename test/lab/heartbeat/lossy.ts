import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { datagramsOf } from '../world/heartbeat.ts'
import type { Program } from '../world/program.ts'
import type { World } from '../world.ts'
import { Pairing } from './pairing.ts'
import { type Kinds, NODES, otherOf } from './settings.ts'

/** Share of the packets that is lost on the heartbeat line in each direction, percent. */
const LOSS = 20
/** From one message of each application to its next. */
const EVERY_MS = 250
/** Five beats and four messages a second, as many acknowledgements, and what is asked for and sent again: more is a storm. */
const STORM = 25
/** Nothing is lost on the service line, so a pause is this machine's; a death would last longer than this. */
const UNSERVED_MS = 2500
/** Events of our own that say nothing of a loss but that beats are late. */
const QUIET: readonly string[] = ['peer:late', 'peer:stall', 'local:stall', 'phase', 'group:announced']

const APPLICATION = fileURLToPath(new URL('../application.host.ts', import.meta.url))
const CLIENT = fileURLToPath(new URL('../daemon-client.py', import.meta.url))
const TSX = import.meta.resolve('tsx')

/** The applications at both ends, which count what they send and write what they get. */
class Applications {
  readonly #programs: Readonly<Record<NodeName, Program>>
  #sent = 0

  private constructor(programs: Readonly<Record<NodeName, Program>>) {
    this.#programs = programs
  }

  static async signOn(world: World, kinds: Kinds): Promise<Applications> {
    const at = async (node: NodeName): Promise<Program> => {
      if (kinds[node] === 'ours') return world.pair(node)
      const client = await world.host(node).start(['/usr/bin/python3', '-u', CLIENT, otherOf(node)])
      await waitFor(() => client.events.length > 0, { what: `the client of the daemon on ${node}`, withinMs: 40_000 })
      return client
    }
    const [master, slave] = [await at('master'), await at('slave')]
    return new Applications({ master, slave })
  }

  /** Both send the next number. */
  send(): void {
    for (const node of NODES) this.#programs[node].write(String(this.#sent))
    this.#sent++
  }

  /** Everything that was sent has arrived once and in order at both, and was acknowledged where our node has sent it. */
  async assertComplete(kinds: Kinds): Promise<number> {
    const all = Array.from({ length: this.#sent }, (_, number) => String(number))
    for (const node of NODES) {
      const got = () => this.#told(node, 'message')
      await waitFor(() => got().at(-1) === all.at(-1), {
        what: `the last message has arrived at the ${node}`,
        withinMs: 30_000,
        everyMs: 100,
        seen: () => all.filter((number) => !got().includes(number)),
      })
      // Between two daemons the library drops what is overtaken by the very first message that it sees.
      const first = kinds[otherOf(node)] === 'daemon' && kinds[node] === 'daemon' ? all.indexOf(got()[0] ?? '') : 0
      assert.ok(first >= 0 && first < 10, `${first} messages are missing at the beginning, at the ${node}`)
      assert.deepEqual(got(), all.slice(first), `what arrived at the ${node}`)
      assert.deepEqual(this.#told(node, 'refused'), [], `what the ${node} could not send`)
      if (kinds[node] === 'ours') {
        const acknowledged = () => this.#told(node, 'acknowledged').length
        const what = `all messages of the ${node} are acknowledged`
        await waitFor(() => acknowledged() === all.length, { what, withinMs: 30_000, everyMs: 100, seen: acknowledged })
      }
    }
    return all.length
  }

  #told(node: NodeName, what: string): readonly string[] {
    return this.#programs[node].events.flatMap(({ event }) => (typeof event[what] === 'string' ? event[what] : []))
  }
}

/** Our nodes run as applications, not as the command: they have something to say to each other. */
const startAll = async (world: World, pairing: Pairing): Promise<void> => {
  await Promise.all(
    NODES.map(async (node) => {
      if (pairing.kinds[node] === 'daemon') return pairing.start(node)
      await world.startPair(node, [process.execPath, '--import', TSX, APPLICATION, node])
    }),
  )
}

const eventsOf = (world: World, kinds: Kinds): readonly string[] =>
  NODES.filter((node) => kinds[node] === 'ours').flatMap((node) =>
    world.pair(node).events.flatMap(({ event: { name } }) => {
      return typeof name === 'string' && !QUIET.includes(name) ? `${node} ${name}` : []
    }),
  )

const playOf =
  (kinds: Kinds, minutes: number): Play =>
  async (world) => {
    const pairing = await Pairing.set(world, 'lossy', { kinds, autoFailback: true })
    for (const node of NODES)
      await pairing.stage.rewrite(node, 'ha.cf', (text) => {
        const lines = text.split('\n').filter((line) => !/^(?:deadtime|warntime) /.test(line))
        return [...lines, 'deadtime 5', 'warntime 4', 'apiauth hot-standby uid=root', ''].join('\n')
      })
    await pairing.act('both start', () => startAll(world, pairing), ['master'], 20_000)
    const applications = await Applications.signOn(world, kinds)
    const before = eventsOf(world, kinds).length
    const counted = await Promise.all(NODES.map((node) => datagramsOf(world.host(node))))

    const sinceMs = pairing.stage.client.mark()
    await world.lose('slave', 'eth1', LOSS)
    for (const untilMs = performance.now() + minutes * 60_000; performance.now() < untilMs; ) {
      applications.send()
      await sleep(EVERY_MS)
    }
    const count = await applications.assertComplete(kinds)
    const report = await pairing.stage.client.report(sinceMs)
    await world.mend('slave', 'eth1')

    assert.deepEqual(eventsOf(world, kinds).slice(before), [], 'what our nodes told while packets were lost')
    const remarks: string[] = []
    for (const [index, node] of NODES.entries()) {
      const { sent } = await datagramsOf(world.host(node))
      const perSecond = Math.round((sent - (counted[index]?.sent ?? 0)) / (minutes * 60))
      remarks.push(`${count} messages from the ${node}, and ${perSecond} packets in a second`)
      assert.ok(perSecond <= STORM, `${remarks.at(-1)}: at most ${STORM} are allowed`)
    }
    assert.deepEqual(
      report.servedBy.map(({ by }) => by),
      ['master'],
      'who served while packets were lost',
    )
    pairing.stage.note(`${minutes} min with ${LOSS} % lost each way`, report, UNSERVED_MS)
    const outcome = await pairing.end('master')
    return { ...outcome, remarks: [...remarks, ...outcome.remarks] }
  }

const pairings = {
  daemons: { master: 'daemon', slave: 'daemon' },
  'our-slave': { master: 'daemon', slave: 'ours' },
  'our-master': { master: 'ours', slave: 'daemon' },
  ours: { master: 'ours', slave: 'ours' },
} as const satisfies Record<string, Kinds>

for (const minutes of [1, 10])
  for (const [suffix, kinds] of Object.entries(pairings))
    scenario(
      `lossy-${minutes}-min-${suffix}`,
      {
        row: `${minutes} minutes with ${LOSS} % of the packets lost: every message arrives once and in order, nobody dies (${suffix})`,
        setting: `${suffix.replace('-', ' ')}, sha1, ucast, failback on`,
        ci: minutes === 1 && suffix === 'our-slave',
        limitMs: minutes * 60_000 + 120_000,
      },
      playOf(kinds, minutes),
    )
