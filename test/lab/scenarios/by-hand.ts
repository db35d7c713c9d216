import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { nginxConfig } from '../world/nginx.ts'

scenario(
  'moved-by-hand',
  { row: 'no pair: an operator moves the address with ip and arping; no request is lost for long' },
  async (world) => {
    for (const name of ['master', 'slave'] as const) {
      await nginxConfig(world.host(name), { listen: '0.0.0.0:80' })
      await world.host(name).run(['nginx'])
    }
    const address = `${world.floating}/32`
    await world.host('master').run(['ip', 'addr', 'add', address, 'dev', 'eth0'])
    const client = await world.startClient()
    await client.waitForServing('master')
    const markMs = client.mark()
    await world.host('master').run(['ip', 'addr', 'del', address, 'dev', 'eth0'])
    await world.host('slave').run(['ip', 'addr', 'add', address, 'dev', 'eth0'])
    await world.host('slave').run(['arping', '-q', '-U', '-c', '1', '-I', 'eth0', world.floating])
    await client.waitForServing('slave')
    const report = await client.report(markMs)
    const { outageMs, servedBy, interleavedMs } = report
    assert.ok(outageMs < 1000, `outage of ${outageMs} ms`)
    assert.equal(interleavedMs, 0)
    const acts = [
      { what: 'moved by hand', servedBy: servedBy.map(({ by }) => by), ms: outageMs, limitMs: 1000, isStart: false },
    ]
    return { acts, remarks: [] }
  },
)
