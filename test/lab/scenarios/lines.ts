import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { scenario } from '../scenario.ts'
import { BOTH_WAYS, LIMITS, type NodeName, Stage, settledMs } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TIMES } from '../world/configuration.ts'
import { plugOf } from '../world/layout.ts'
import type { World } from '../world.ts'

const { noGap, planned, takeover } = LIMITS
/** A service that both nodes offer is settled within two keepalives of the merge; the rest is the machine's noise. */
const merge = 2 * TIMES.keepaliveMs + planned

/** The gateway's address on the service network: both nodes reach it whatever happens to the heartbeat line. */
const BEYOND = '192.168.1.1'

/** Two nodes that both served hear each other again: within two keepalives only this one does. */
const mended = async (stage: Stage, what: string, home: NodeName): Promise<void> => {
  const report = await stage.act(what, () => stage.world.mend('master', 'eth1'), {
    ends: home,
    limitMs: merge,
    holdMs: 1500,
  })
  stage.figure('settled after the merge', Math.max(0, settledMs(report) - report.actedMs), merge)
}

scenario(
  'one-of-two-lines-cut',
  { row: 'one of two heartbeat links cut: master, no gap, link:down' },
  async (world) => {
    const stage = await Stage.up(world, { links: ['eth1', 'eth0'], ping: BEYOND })
    await stage.act('eth1 is cut', () => world.cut('master', 'eth1'), {
      servedBy: ['master'],
      limitMs: noGap,
      holdMs: 2500,
    })
    assert.deepEqual([stage.count('master', 'link:down'), stage.count('slave', 'link:down')], [1, 1])
    await stage.act('eth1 is mended', () => world.mend('master', 'eth1'), { servedBy: ['master'], limitMs: noGap })
    return stage.end('master')
  },
)

const ofSlave = (world: World, ...words: readonly string[]) => world.host('slave').run(['ip', ...words])

/** The slave hears its peer by eth1 again: the line carries the pair once the other one is cut. */
const carriesAlone = async (stage: Stage): Promise<void> => {
  await stage.act('the other line is cut', () => stage.world.cut('slave', 'eth0'), {
    servedBy: ['master'],
    limitMs: noGap,
    holdMs: 3 * twoLines.deadtimeMs,
  })
  assert.equal(stage.count('slave', 'peer:dead'), 0, 'the slave heard its peer all the time')
}

/** A busy machine must not look like a dead node. */
const twoLines = { links: ['eth1', 'eth0'], ping: '192.168.2.1', deadtimeMs: 4000 } as const

scenario(
  'line-address-removed',
  { row: "the address of one line's device is removed and another comes: told, the line goes by the new one, no gap" },
  async (world) => {
    const stage = await Stage.up(world, { ...twoLines, source: 'ini', broadcast: true })
    const { address } = plugOf('slave', 'eth1')
    const other = address.replace(/\d+$/, '88')
    await stage.act('the address is removed', () => ofSlave(world, 'addr', 'del', `${address}/24`, 'dev', 'eth1'), {
      servedBy: ['master'],
      limitMs: noGap,
      holdMs: 2 * twoLines.deadtimeMs,
    })
    await waitFor(() => stage.told('slave', 'link:down'), { what: 'the slave tells that the line is down' })
    await stage.act(
      'another address comes',
      () => ofSlave(world, 'addr', 'add', `${other}/24`, 'broadcast', '+', 'dev', 'eth1'),
      { servedBy: ['master'], limitMs: noGap, holdMs: twoLines.deadtimeMs },
    )
    await waitFor(() => stage.told('slave', 'link:moved') && stage.count('slave', 'link:up') >= 3, {
      what: 'the slave tells that the line goes by another address, and that it is up again',
    })
    return stage.end('master')
  },
)

scenario(
  'line-device-late',
  { row: "one line's device is missing when the slave starts, and appears later: told, the line is used, no gap" },
  async (world) => {
    const stage = await Stage.set(world, { ...twoLines, source: 'ini' })
    for (const words of ['set eth1 down', 'set eth1 name late']) await ofSlave(world, 'link', ...words.split(' '))
    await stage.act('both start', () => stage.start('master', 'slave'), {
      servedBy: ['master'],
      limitMs: Number.POSITIVE_INFINITY,
      withinMs: 40_000,
    })
    await waitFor(() => stage.told('slave', 'peer:alive'), { what: 'the slave hears the master by the other line' })
    await waitFor(() => stage.told('slave', 'problem'), { what: 'the slave tells that the device is missing' })
    await stage.act(
      'the device appears',
      async () => {
        for (const words of ['set late name eth1', 'set eth1 up']) await ofSlave(world, 'link', ...words.split(' '))
      },
      { servedBy: ['master'], limitMs: noGap, holdMs: 2000 },
    )
    await waitFor(() => stage.told('slave', 'link:moved') && stage.count('slave', 'link:up') >= 2, {
      what: 'the slave tells that the line is open and up',
    })
    await carriesAlone(stage)
    return stage.end('master')
  },
)

for (const { way, autoFailback, home, back } of BOTH_WAYS) {
  scenario(
    `only-line-cut-failback-${way}`,
    { row: 'only heartbeat line cut, both reach a target: both serve, contested when they hear each other again' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback, ping: BEYOND })
      await stage.act('the only line is cut', () => world.cut('master', 'eth1'), { ends: 'slave', limitMs: planned })
      assert.deepEqual(await world.holders(), ['master', 'slave'], 'two nodes that hear nothing cannot be told apart')
      await mended(stage, 'the line is mended', home)
      assert.ok(stage.told('master', 'contested') && stage.told('slave', 'contested'), 'both say that it was contested')
      return stage.end(home)
    },
  )

  scenario(
    `own-cable-cut-stop-failback-${way}`,
    { row: "master's own heartbeat cable cut, target behind it, onIsolated stop: slave; nobody serves twice" },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', autoFailback, onIsolated: 'stop' })
      await stage.act("the master's cable is cut", () => world.cut('master', 'eth1'), {
        servedBy: ['master', 'slave'],
        limitMs: takeover,
      })
      assert.deepEqual(await world.holders(), ['slave'], 'the isolated master has let go')
      await stage.act('the cable is mended', () => world.mend('master', 'eth1'), {
        servedBy: back,
        limitMs: planned,
        holdMs: 2500,
      })
      return stage.end(home)
    },
  )

  scenario(
    `own-cable-cut-continue-failback-${way}`,
    { row: "master's own heartbeat cable cut, target behind it, onIsolated continue (default there): both, stated" },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      await stage.act("the master's cable is cut", () => world.cut('master', 'eth1'), {
        ends: 'slave',
        limitMs: planned,
      })
      assert.deepEqual(await world.holders(), ['master', 'slave'])
      assert.ok(stage.told('master', 'isolated'), 'the master says that it is isolated and goes on')
      await mended(stage, 'the cable is mended', home)
      return stage.end(home)
    },
  )
}

scenario(
  'heartbeat-switch-dies-continue',
  { row: 'heartbeat switch dies, every target behind it, onIsolated continue (default there): master, no gap' },
  async (world) => {
    const stage = await Stage.up(world, { autoFailback: false })
    await stage.act('the switch dies', () => world.switchOff('heartbeat'), {
      servedBy: ['master'],
      limitMs: noGap,
      holdMs: 2500,
    })
    assert.deepEqual(await world.holders(), ['master'], 'an isolated standby takes nothing')
    await stage.act('the switch is back', () => world.switchOn('heartbeat'), {
      servedBy: ['master'],
      limitMs: noGap,
      holdMs: 2500,
    })
    return stage.end('master')
  },
)

for (const { way, autoFailback } of BOTH_WAYS) {
  scenario(
    `heartbeat-switch-dies-stop-failback-${way}`,
    { row: 'heartbeat switch dies, every target behind it, onIsolated stop: nobody; master when it is back' },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', autoFailback, onIsolated: 'stop' })
      await stage.act('the switch dies', () => world.switchOff('heartbeat'), {
        servedBy: ['master'],
        ends: 'nobody',
        limitMs: 0,
        holdMs: 2000,
      })
      assert.deepEqual(await world.holders(), [])
      await stage.act('the switch is back', () => world.switchOn('heartbeat'), {
        servedBy: ['master'],
        limitMs: merge + planned,
      })
      return stage.end('master')
    },
  )
}

for (const [direction, what] of [
  ['in', 'the master hears nothing, but is heard'],
  ['out', 'the master is not heard, but hears'],
] as const) {
  scenario(
    `one-way-cut-${direction}`,
    { row: `one direction of the only line cut (${what}): once it is mended exactly one node serves` },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback: true, ping: BEYOND })
      await world.cutOneway('master', 'eth1', direction)
      const markMs = stage.client.mark()
      await sleep(4000)
      const during = await stage.client.report(markMs)
      stage.note(`${direction} cut`, during, takeover)
      assert.equal((await world.holders()).length, 1, 'whoever hears knows, and gives way to the one who does not')
      const serving = stage.client.serving as NodeName
      await stage.act('mended', () => world.mend('master', 'eth1'), {
        servedBy: serving === 'master' ? ['master'] : ['slave', 'master'],
        limitMs: merge,
        holdMs: 1500,
      })
      return stage.end('master')
    },
  )
}
