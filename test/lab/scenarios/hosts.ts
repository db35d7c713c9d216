import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { BOTH_WAYS, LIMITS, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TIMES } from '../world/configuration.ts'

const { noGap, planned, takeover } = LIMITS

for (const { way, autoFailback, home, back, backMs } of BOTH_WAYS) {
  scenario(
    `master-crashes-failback-${way}`,
    { row: "master's host crashes: slave within deadtime + keepalive; afterwards as autoFailback says" },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      await stage.act('the master crashes', () => world.crash('master'), {
        servedBy: ['master', 'slave'],
        limitMs: takeover,
      })
      await stage.act('the master is back', () => stage.reboot('master'), { servedBy: back, limitMs: backMs })
      return stage.end(home)
    },
  )

  scenario(
    `pair-killed-failback-${way}`,
    { row: 'kill -9 of the pair on master: its guardian removes the address within 50 ms; slave within deadtime' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      const { servedBy, actedMs } = await stage.act('kill -9 of the pair', () => world.killPair('master'), {
        servedBy: ['master', 'slave'],
        limitMs: takeover,
      })
      stage.figure('until the guardian had cut', (servedBy[0]?.untilMs ?? actedMs) - actedMs, 50 + noGap)
      assert.deepEqual(await world.holders(), ['slave'], 'the guardian has removed the address')
      await stage.act('the pair is started again', () => stage.join('master'), { servedBy: back, limitMs: backMs })
      return stage.end(home)
    },
  )

  scenario(
    `master-frozen-failback-${way}`,
    { row: 'master frozen, then thawed: slave within deadtime; the thawed master isolates at once, answers nobody' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      await stage.act('the master is frozen', () => world.freeze('master'), {
        servedBy: ['master', 'slave'],
        limitMs: takeover,
      })
      await stage.act('the master is thawed', () => world.thaw('master'), {
        servedBy: back,
        limitMs: backMs,
        holdMs: autoFailback ? 800 : 3000,
      })
      return stage.end(home)
    },
  )
}

scenario('slave-crashes', { row: "slave's host crashes: master, no gap" }, async (world) => {
  const stage = await Stage.up(world)
  await stage.act('the slave crashes', () => world.crash('slave'), {
    servedBy: ['master'],
    limitMs: noGap,
    holdMs: 2000,
  })
  await stage.act('the slave is back', () => stage.reboot('slave'), { servedBy: ['master'], limitMs: noGap })
  return stage.end('master')
})

scenario(
  'leftovers',
  { row: 'a pair killed together with its guardian: the next start removes what it had left before it joins' },
  async (world) => {
    const stage = await Stage.up(world, { autoFailback: false })
    const nginxOf = () =>
      world
        .host('master')
        .processes()
        .filter(({ command }) => command === 'nginx')
    await stage.act(
      'kill -9 of the pair and its helpers',
      async () => {
        // Frozen first, so that no guardian can do its work before it is killed too.
        await world.freeze('master')
        const others = world
          .host('master')
          .processes()
          .filter(({ command }) => command !== 'nginx')
        for (const { pid } of others) process.kill(pid, 'SIGKILL')
        await world.thaw('master')
      },
      // The orphaned nginx and address answer until the slave announces the address as its own.
      { servedBy: ['master', 'slave'], limitMs: takeover },
    )
    assert.deepEqual(await world.holders(), ['master', 'slave'], 'the address is left on the master')
    assert.ok(nginxOf().length > 0, 'nginx is left on the master')
    // Both have just answered the question for the holders: the client may ask the orphan until the slave announces again.
    await stage.act('the pair is started again', () => stage.join('master'), { ends: 'slave', limitMs: noGap })
    assert.deepEqual(nginxOf(), [], 'a cold nginx does not run on the standby')
    return stage.end('slave')
  },
)

scenario(
  'both-start',
  { row: 'both start together: master, as soon as both agree; not deadtime, not 10 s' },
  async (world) => {
    const stage = await Stage.set(world, { deadtimeMs: 15_000, initdeadMs: 30_000 })
    await stage.act('both start', () => stage.start('master', 'slave'), { servedBy: ['master'], limitMs: 10_000 })
    return stage.end('master')
  },
)

for (const { way, autoFailback, home, back, backMs } of BOTH_WAYS) {
  scenario(
    `slave-starts-alone-failback-${way}`,
    { row: 'slave starts alone: slave after initdead; with autoFailback the master when it comes' },
    async (world) => {
      const initdeadMs = 3000
      const stage = await Stage.set(world, { autoFailback, initdeadMs })
      const report = await stage.act('the slave starts alone', () => stage.start('slave'), {
        servedBy: ['slave'],
        limitMs: initdeadMs + 3 * planned,
      })
      assert.ok(report.outageMs >= initdeadMs, `it served after ${report.outageMs} ms, before initdead`)
      await stage.act('the master comes', () => stage.join('master'), { servedBy: back, limitMs: backMs })
      return stage.end(home)
    },
  )

  scenario(
    `master-stops-failback-${way}`,
    { row: 'graceful stop of master: slave before master exits, exit code 0, no deadtime to wait' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      const report = await stage.act(
        'SIGTERM to the master',
        async () => assert.equal(await stage.stop('master'), 0, 'exit code'),
        { servedBy: ['master', 'slave'], limitMs: planned },
      )
      const { atMs } = await world.pair('master').ended
      const takenMs = report.servedBy[1]?.fromMs ?? Number.POSITIVE_INFINITY
      assert.ok(takenMs < atMs, 'the slave served before the master ended')
      await stage.act('the master is started again', () => stage.join('master'), { servedBy: back, limitMs: backMs })
      return stage.end(home)
    },
  )
}

scenario(
  'standby-stops',
  { row: 'graceful stop of the standby, and of the last node: exit code 0, nothing is left on the hosts' },
  async (world) => {
    const stage = await Stage.up(world)
    await stage.act('SIGTERM to the slave', async () => assert.equal(await stage.stop('slave'), 0, 'exit code'), {
      servedBy: ['master'],
      limitMs: noGap,
      holdMs: 3 * TIMES.keepaliveMs,
    })
    await stage.act('SIGTERM to the master', async () => assert.equal(await stage.stop('master'), 0, 'exit code'), {
      servedBy: ['master'],
      ends: 'nobody',
      limitMs: 0,
    })
    for (const node of ['master', 'slave'] as const)
      await waitFor(() => world.host(node).processes().length === 0, {
        what: `nothing runs on ${node}`,
        seen: () => world.host(node).processes(),
      })
    return stage.end()
  },
)
