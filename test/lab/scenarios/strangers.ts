import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { scenario } from '../scenario.ts'
import { LIMITS, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TIMES, TUTORIAL } from '../world/configuration.ts'
import { plugOf } from '../world/layout.ts'
import type { Program } from '../world/program.ts'
import type { World } from '../world.ts'

const { noGap, planned, takeover } = LIMITS
const PROGRAM = fileURLToPath(new URL('../stranger.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
/** The broadcast address of the heartbeat network. */
const EVERYBODY = '192.168.2.255'
const BEYOND = '192.168.1.1'

/** A third host on the heartbeat line: the gateway. */
const startStranger = async (world: World): Promise<Program> => {
  const stranger = await world.host('gateway').start([process.execPath, '--import', TSX, PROGRAM])
  await waitFor(() => stranger.events.length > 0, { what: 'the stranger listens' })
  return stranger
}

scenario(
  'wrong-key-then-right',
  { row: 'a node started with another key: it is not believed and says why; the right key and SIGHUP bring it back' },
  async (world) => {
    const stage = await Stage.up(world, { source: 'ini', sealed: true, ping: BEYOND })
    const right = await world.host('slave').read('/etc/ha.d/key')
    await stage.act(
      'the slave comes back with another key',
      async () => {
        await stage.stop('slave')
        await stage.makeKey('slave')
        await stage.start('slave')
        const said = (): boolean =>
          stage.told('slave', 'frame:dropped') &&
          stage.told('master', 'frame:dropped') &&
          !stage.told('slave', 'peer:alive')
        await waitFor(said, { what: 'both say that they hear something they do not believe' })
      },
      { servedBy: ['master'], limitMs: noGap },
    )
    assert.ok(((await stage.dropped('slave'))['other-cluster'] ?? 0) > 0)
    await stage.act(
      'the right key, and SIGHUP',
      async () => {
        await world.host('slave').write('/etc/ha.d/key', right, { mode: 0o600 })
        world.pair('slave').signal('SIGHUP')
        await waitFor(() => stage.told('slave', 'peer:alive'), { what: 'the slave knows its peer' })
      },
      { servedBy: ['master'], limitMs: noGap },
    )
    return stage.end('master')
  },
)

scenario(
  'captures-replayed',
  { row: 'a third host plays back all it has heard: a dead node stays dead, a restarted one believes nothing of it' },
  async (world) => {
    const stage = await Stage.set(world, { source: 'ini', sealed: true, broadcast: true, ping: BEYOND })
    const stranger = await startStranger(world)
    await stage.act('both start', () => stage.start('master', 'slave'), {
      servedBy: ['master'],
      limitMs: TUTORIAL.initdeadMs,
    })
    await sleep(10 * TIMES.keepaliveMs)
    stranger.write(`replay ${EVERYBODY}`)
    await stage.act('a third host replays', () => sleep(1000), { servedBy: ['master'], limitMs: noGap })
    const played = stranger.events.at(-1)?.event['frames']
    assert.ok(Number(played) > 20, `it has heard ${played} frames`)
    await stage.act('the master crashes; its frames go on', () => world.crash('master'), {
      servedBy: ['master', 'slave'],
      limitMs: takeover,
    })
    const { replayed = 0 } = await stage.dropped('slave')
    assert.ok(replayed > 0, 'the slave counts what is played back')
    await stage.act('the slave is stopped', () => stage.stop('slave'), { ends: 'nobody', limitMs: planned })
    await stage.act('and started: the same frames', () => stage.start('slave'), {
      servedBy: ['slave'],
      // Believing the master's frames it would not serve at all while they last; how fast the process starts is not the question.
      limitMs: 2 * TUTORIAL.initdeadMs,
      withinMs: 30_000,
    })
    assert.ok(!stage.told('slave', 'peer:alive'), 'it believes no frame of a run that does not prove itself')
    assert.ok(((await stage.dropped('slave'))['replayed'] ?? 0) > 0, 'and counts what comes again')
    stranger.write('stop')
    return stage.end('slave')
  },
)

for (const sealed of [true, false])
  scenario(
    `flood-from-a-third-host-${sealed ? 'sealed' : 'signed'}`,
    {
      row: 'a third host sends junk as fast as it can (at most 80,000 packets a second) to both heartbeat ports: nobody dies, nobody moves',
    },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', sealed, ping: BEYOND })
      const stranger = await startStranger(world)
      const targets = (['master', 'slave'] as const).map((node) => plugOf(node, 'eth1').address)
      await stage.act(
        'the flood',
        async () => {
          stranger.write(`flood 80000 ${targets.join(' ')}`)
          await sleep(5000)
          stranger.write('stop')
        },
        { servedBy: ['master'], limitMs: planned },
      )
      await waitFor(() => stranger.events.length > 1, { what: 'the stranger says how much it sent' })
      for (const node of ['master', 'slave'] as const) {
        assert.equal(stage.count(node, 'peer:dead'), 0, `${node} thought its peer dead`)
        const dropped = await stage.dropped(node)
        // Where the socket is connected, the kernel has dropped all of it.
        if (sealed) assert.deepEqual(dropped, {}, node)
        else assert.ok((dropped['foreign-address'] ?? 0) > 0, node)
      }
      const { acts, remarks } = await stage.end('master')
      const rate = stranger.events.at(-1)?.event['perSecond']
      return { acts, remarks: [...remarks, `${rate} junk packets a second were sent`] }
    },
  )

scenario(
  'flood-from-the-peers-address',
  {
    row: "a third host forges the peer's very address and port, and sends 10,000 packets of junk a second: all are read, nobody dies, nobody moves",
  },
  async (world) => {
    const stage = await Stage.up(world, { source: 'ini', ping: BEYOND, deadtimeMs: 2000 })
    const [master, slave] = [plugOf('master', 'eth1'), plugOf('slave', 'eth1')]
    // It answers no question for that address: the slave keeps its traffic.
    const forge = [
      'echo 8 > /proc/sys/net/ipv4/conf/all/arp_ignore',
      `ip addr add ${slave.address}/32 dev eth1`,
      `ip neigh replace ${master.address} lladdr ${master.mac} dev eth1`,
    ]
    await world.host('gateway').run(['sh', '-ec', forge.join('\n')])
    const stranger = await startStranger(world)
    stranger.write(`as ${slave.address}`)
    await stage.act(
      'the flood',
      async () => {
        stranger.write(`flood 10000 ${master.address}`)
        await sleep(5000)
        stranger.write('stop')
        await waitFor(() => stranger.events.length > 1, { what: 'the stranger says how much it sent' })
      },
      { servedBy: ['master'], limitMs: planned },
    )
    assert.equal(stage.count('master', 'peer:dead'), 0, 'the master thought its peer dead')
    const { malformed = 0, flood = 0 } = await stage.dropped('master')
    assert.ok(malformed > 10_000, `the master has read ${malformed} packets of the flood`)
    assert.equal(flood, 0, 'the address of the peer is never held off')
    const { acts, remarks } = await stage.end('master')
    return { acts, remarks: [...remarks, `${malformed} junk packets from the peer's address were read`] }
  },
)
