import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { FLOATING } from '../world/layout.ts'

const NODES: readonly NodeName[] = ['master', 'slave']
const KEPT = '/root-resource.d'
/** Starts, says so, and never stops while /run/no-stop is there. */
const CLINGING = `#!/bin/sh
case $1 in
  start) touch /run/clinging.on ;;
  stop) [ -e /run/no-stop ] && exit 1; rm -f /run/clinging.on ;;
  status) [ -e /run/clinging.on ] && echo running || echo stopped ;;
esac
exit 0
`
const DEADTIME_MS = 4000

/** Two of ours on hosts with heartbeat's package; its own IPaddr2 holds the address beside a script. */
async function carriedPair(world: Parameters<typeof Stage.set>[0]): Promise<Stage> {
  for (const node of NODES) await world.host(node).run(['cp', '-a', '/etc/ha.d', `/var${KEPT}`])
  const stage = await Stage.set(world, { deadtimeMs: DEADTIME_MS, initdeadMs: 20_000 })
  for (const node of NODES) {
    const restore = `cp -a /var${KEPT}/resource.d /var${KEPT}/shellfuncs /etc/ha.d/ && mkdir -p /run/resource-agents`
    await world.host(node).run(['sh', '-c', restore])
    await world.host(node).write('/etc/ha.d/resource.d/clinging', CLINGING, { mode: 0o755 })
    await stage.rewrite(node, 'haresources', () => `master IPaddr2::${FLOATING}/24/eth0 clinging\n`)
  }
  await stage.start(...NODES)
  await waitFor(() => stage.told('master', 'group:acquired') && NODES.every((node) => stage.told(node, 'peer:alive')), {
    what: 'the master serves, and both know each other',
    withinMs: 60_000,
  })
  assert.deepEqual(await world.holders(), ['master'])
  return stage
}

/** The address is on no device of the master within this time, whoever put it there. */
const goneFromMaster = async ({ world }: Stage): Promise<void> =>
  void (await waitFor(
    async () => !(await world.host('master').run(['ip', '-o', 'addr'])).stdout.includes(` ${FLOATING}/`),
    { what: 'the master has no floating address', withinMs: DEADTIME_MS },
  ))

const slaveServes = async ({ world }: Stage): Promise<void> =>
  void (await waitFor(async () => (await world.holders()).join() === 'slave', {
    what: 'the slave alone has the address',
    withinMs: 30_000,
  }))

scenario(
  'carried-fatal',
  { row: "heartbeat's IPaddr2 beside a script that will not stop: after fatal no address is left on that host" },
  async (world) => {
    const stage = await carriedPair(world)
    await world.host('master').run(['touch', '/run/no-stop'])
    const { code, stderr } = await stage.command('master', 'standby')
    assert.equal(code, 1, stderr)
    await goneFromMaster(stage)
    assert.equal((await world.pair('master').ended).code, 1)
    assert.ok(stage.told('master', 'fatal'))
    await slaveServes(stage)
    await goneFromMaster(stage)
    return { acts: stage.acts, remarks: [] }
  },
)

scenario(
  'carried-killed',
  { row: "heartbeat's IPaddr2 beside a script that will not stop: after kill -9 no address is left on that host" },
  async (world) => {
    const stage = await carriedPair(world)
    await world.host('master').run(['touch', '/run/no-stop'])
    await world.killPair('master')
    await goneFromMaster(stage)
    await slaveServes(stage)
    return { acts: stage.acts, remarks: [] }
  },
)
