import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { BOTH_WAYS, LIMITS, type NodeName, Stage, settledMs } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TIMES } from '../world/configuration.ts'
import { nginxConfig } from '../world/nginx.ts'
import { signal } from '../world/processes.ts'
import type { World } from '../world.ts'

const { noGap, planned } = LIMITS

/** SIGKILL to every nginx of a host. */
const killNginx = async (world: World, node: NodeName): Promise<void> => {
  const running = () =>
    world
      .host(node)
      .processes()
      .filter(({ command, state }) => command === 'nginx' && state !== 'Z')
  const pids = running().map(({ pid }) => pid)
  assert.ok(pids.length > 0, `nginx runs on ${node}`)
  for (const pid of pids) signal(pid, 'SIGKILL')
}

for (const { way, autoFailback, home, back, backMs } of BOTH_WAYS) {
  scenario(
    `carrier-lost-failback-${way}`,
    { row: "eth0 carrier lost on master (a vip's device): failed status, planned move to slave" },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', autoFailback })
      await stage.act('eth0 is unplugged', () => world.unplug('master', 'eth0'), {
        servedBy: ['master', 'slave'],
        // Requests that the cable cut off keep nginx from stopping for its quit limit.
        limitMs: 2000 + planned,
      })
      await stage.act('eth0 is plugged in', () => world.plug('master', 'eth0'), {
        servedBy: back,
        limitMs: backMs,
        holdMs: autoFailback ? 800 : TIMES.holdDownMs + 2000,
      })
      return stage.end(home)
    },
  )

  scenario(
    `icmp-dropped-failback-${way}`,
    { row: 'ICMP dropped on master: slave within deadping + 4 keepalives, a planned move; back when counts are equal' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback })
      const report = await stage.act('iptables -A INPUT -p icmp -j DROP', () => world.dropIcmp('master'), {
        servedBy: ['master', 'slave'],
        limitMs: planned,
      })
      stage.figure('moved', settledMs(report) - report.actedMs, TIMES.deadpingMs + 4 * TIMES.keepaliveMs + planned)
      await stage.act('iptables -D INPUT -p icmp -j DROP', () => world.allowIcmp('master'), {
        servedBy: back,
        limitMs: backMs,
        holdMs: 2000,
      })
      return stage.end(home)
    },
  )

  scenario(
    `nginx-dies-failback-${way}`,
    { row: 'nginx dies on master: restarted in place; again within the window: slave; master after the hold-down' },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', autoFailback })
      await stage.act('nginx dies', () => killNginx(world, 'master'), {
        servedBy: ['master'],
        limitMs: 1000 + planned,
        holdMs: 2500,
      })
      await stage.act('nginx dies again', () => killNginx(world, 'master'), {
        servedBy: ['master', 'slave'],
        limitMs: 1000 + planned,
        holdMs: 400,
      })
      await stage.act('the hold-down is over', async () => {}, {
        servedBy: back,
        limitMs: backMs,
        holdMs: autoFailback ? 800 : TIMES.holdDownMs + 2000,
      })
      return stage.end(home)
    },
  )
}

scenario('all-targets-dead', { row: 'all ping targets dead on both: master, no change' }, async (world) => {
  const stage = await Stage.up(world)
  await stage.act('the gateway dies', () => world.crash('gateway'), {
    servedBy: ['master'],
    limitMs: noGap,
    holdMs: 3000,
  })
  await stage.act('the gateway is back', () => world.restart('gateway'), {
    servedBy: ['master'],
    limitMs: noGap,
    holdMs: 2000,
  })
  return stage.end('master')
})

scenario(
  'nginx-cannot-start',
  { row: 'a cold nginx that cannot start on the slave: the switch is refused or comes back, master serves' },
  async (world) => {
    const stage = await Stage.up(world)
    await stage.rewrite('slave', '/etc/nginx/nginx.conf', (text) =>
      text.replace('worker_processes 1', 'worker_processes one'),
    )
    const markMs = stage.client.mark()
    const { code, stderr } = await stage.command('master', 'standby')
    assert.equal(code, 1, stderr)
    assert.match(stderr, /slave/)
    await stage.client.waitForServing('master')
    stage.note('standby to a slave that cannot', await stage.client.report(markMs), 2 * planned)
    await nginxConfig(world.host('slave'), { listen: '0.0.0.0:80' })
    await waitFor(() => stage.client.serving === 'master', { what: 'the master serves' })
    return stage.end('master')
  },
)
