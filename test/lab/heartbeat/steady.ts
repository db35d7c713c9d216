import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { datagramsOf } from '../world/heartbeat.ts'
import { PAIRING_LIMITS, Pairing } from './pairing.ts'
import { NODES } from './settings.ts'

/** How much the daemon's processes may grow, kB: less than one page for each hundred datagrams of ten minutes. */
const GROWTH_KB = 128

/** After its start a daemon still fills its tables and its heap. */
const SETTLE_MS = 10_000

/** A machine that is busy with something else is not what is judged here. */
const patient = (haCf: string): string =>
  haCf.replace('warntime 900ms', 'warntime 4500ms').replace('deadtime 1000ms', 'deadtime 5000ms')

const playOf =
  (name: string, daemonOn: NodeName, minutes: number): Play =>
  async (world) => {
    const kinds = { master: 'ours', slave: 'ours', [daemonOn]: 'daemon' } as const
    const pairing = await Pairing.set(world, name, { kinds, autoFailback: true })
    for (const node of NODES) await pairing.stage.rewrite(node, 'ha.cf', patient)
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
    const daemon = pairing.daemon(daemonOn)
    await sleep(SETTLE_MS)
    const [pid, beforeKb, before] = [daemon.pid, daemon.memoryKb(), await datagramsOf(world.host(daemonOn))]
    const sinceMs = pairing.stage.client.mark()
    await sleep(minutes * 60_000)
    const report = await pairing.stage.client.report(sinceMs)
    const after = await datagramsOf(world.host(daemonOn))
    const grownKb = daemon.memoryKb() - beforeKb
    const [received, sent] = [after.received - before.received, after.sent - before.sent]
    const what = `${minutes} min beside heartbeat ${await daemon.version()}, pid ${pid}: ${received} in, ${sent} out, ${beforeKb} kB ${grownKb >= 0 ? '+' : ''}${grownKb}`
    assert.equal(daemon.pid, pid, 'the daemon is still the same')
    assert.ok(grownKb <= GROWTH_KB, `${what}: at most ${GROWTH_KB} kB are allowed`)
    // Five beats a second each way, and now and then an acknowledgement.
    const least = minutes * 60 * 4
    assert.ok(received > least && sent > least, what)
    // Nobody else served; how long an answer takes in ten minutes depends on what else this machine does.
    assert.deepEqual(
      report.servedBy.map(({ by }) => by),
      ['master'],
    )
    pairing.stage.note(what, report, PAIRING_LIMITS.planned)
    return pairing.end('master')
  }

for (const minutes of [1, 10])
  for (const daemonOn of ['master', 'slave'] as const) {
    const name = `steady-${minutes}-min-our-${daemonOn === 'master' ? 'slave' : 'master'}`
    const row = `${minutes} minutes with a daemon as ${daemonOn}: its log stays clean and its memory stays put`
    const setting = `our ${daemonOn === 'master' ? 'slave' : 'master'}, sha1, ucast, failback on`
    const ci = minutes === 1 && daemonOn === 'master'
    scenario(name, { row, setting, ci, limitMs: minutes * 60_000 + 60_000 }, playOf('start-both', daemonOn, minutes))
  }
