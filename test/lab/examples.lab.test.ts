import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { waitFor } from './wait-for.ts'
import type { Client } from './world/client-program.ts'
import { nginxConfig } from './world/nginx.ts'
import { World } from './world.ts'

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'network namespaces need root on Linux'
const nodes = ['master', 'slave'] as const

describe('examples/two-node-nginx.ts', { skip }, () => {
  let world: World
  let client: Client

  before(async () => {
    world = await World.build({ title: 'examples' })
    for (const node of nodes) {
      await nginxConfig(world.host(node), { listen: '0.0.0.0:80' })
      await world.host(node).write('/etc/ha.d/key', 'a key of the laboratory, long enough\n', { mode: 0o600 })
    }
    client = await world.startClient()
  })

  after(async () => {
    await world?.destroy({ keepLogs: false })
  })

  it('runs on two hosts, which find themselves by their names, and hands over when it is stopped', async () => {
    const argv = [process.execPath, '--import', 'tsx', 'examples/two-node-nginx.ts']
    // Here its import of 'hot-standby' means the sources, not what was built from them.
    const env = { TSX_TSCONFIG_PATH: 'tsconfig.test.json' }
    for (const node of nodes) await world.startPair(node, argv, { env })
    await client.waitForServing('master', 30_000)
    await waitFor(async () => (await world.holders()).join() === 'master', {
      what: 'the master alone holds the address',
    })
    const markMs = client.mark()
    world.pair('master').signal('SIGTERM')
    assert.equal((await world.pair('master').ended).code, 0)
    await client.waitForServing('slave')
    const { outageMs } = await client.report(markMs)
    assert.ok(outageMs < 1500, `a planned move took ${outageMs} ms`)
    await world.startPair('master', argv, { env })
    await client.waitForServing('master', 30_000)
    await world.crash('master')
    await client.waitForServing('slave')
    assert.deepEqual(await world.holders(), ['slave'])
  })
})
