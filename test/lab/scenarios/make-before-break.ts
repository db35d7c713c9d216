import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { scenario } from '../scenario.ts'
import { type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { FLOATING } from '../world/layout.ts'
import { Load } from '../world/load-program.ts'
import { nowMs } from '../world/timeline.ts'

/** CI plays the short one; by its name the whole is played. */
const PLAYS = [
  { name: 'make-before-break-short', switches: 10, requests: 10_000, onlyByName: false },
  { name: 'make-before-break', switches: 100, requests: 100_000, onlyByName: true },
] as const

const PER_SECOND = 1000
const KEPT = 5
const LONG = 3

for (const { name, switches, requests, onlyByName } of PLAYS) {
  scenario(
    name,
    {
      row: `${switches} planned switches under ${PER_SECOND} requests/s: no new connection is refused`,
      limitMs: 120_000 + switches * 3000,
      onlyByName,
    },
    async (world) => {
      const stage = await Stage.up(world, { source: 'ini', nginx: 'outside', handover: 'make-before-break' })
      await stage.client.stop()
      const load = await Load.start(world.host('client'), {
        address: FLOATING,
        port: 80,
        perSecond: PER_SECOND,
        keepAlives: KEPT,
        downloads: LONG,
        giveUpMs: 5000,
      })
      const startMs = nowMs()
      let owner: NodeName = 'master'
      for (let count = 1; count <= switches; count++) {
        await sleep(Math.max(0, startMs + ((count - 1) * requests * 1000) / PER_SECOND / switches - nowMs()))
        const { code, stderr } = await stage.command(owner, 'standby')
        assert.equal(code, 0, `switch ${count} from ${owner}: ${stderr}`)
        owner = owner === 'master' ? 'slave' : 'master'
      }
      // The last one by a stop of the owner, as for an upgrade of its host.
      assert.equal(await stage.stop(owner), 0, 'exit code')
      owner = owner === 'master' ? 'slave' : 'master'
      const needMs = ((requests + PER_SECOND) * 1000) / PER_SECOND
      await sleep(Math.max(1000, startMs + needMs - nowMs()))
      const summary = await load.stop()
      const shown = (value: unknown) =>
        typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value)
      const lines = Object.entries(summary).map(([what, value]) => `${what} ${shown(value)}`)
      console.log(`       ${lines.join(', ')}`)
      assert.ok(summary.requests >= requests, `${summary.requests} requests were made`)
      assert.ok(summary.neighbourChanges > switches, 'the client saw every switch')
      assert.equal(summary.refused, 0, 'new connections that were refused')
      assert.equal(summary.otherwise, 0, 'requests that failed though no neighbour entry changed')
      await waitFor(async () => (await world.holders()).join() === owner, { what: 'one host holds the address' })
      for (const node of ['master', 'slave'] as const) assert.equal(stage.count(node, 'contested'), 0, node)
      return { acts: stage.acts, remarks: [] }
    },
  )
}
