import assert from 'node:assert/strict'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import type { World } from '../world.ts'
import { PAIRING_LIMITS, Pairing } from './pairing.ts'
import { otherOf } from './settings.ts'

const { noGap } = PAIRING_LIMITS

/** Who the host is, by the files of Heartbeat. */
const identityOf = async (world: World, node: NodeName): Promise<{ generation: number; uuid: string }> => {
  const read = async (file: string): Promise<string> =>
    (await world.host(node).run(['od', '-An', '-v', '-tx1', `/var/lib/heartbeat/${file}`])).stdout.replaceAll(/\s/g, '')
  const text = Buffer.from(await read('hb_generation'), 'hex').toString('latin1')
  assert.match(text, /^ *\d+\n$/, 'hb_generation')
  assert.equal(text.length, 16, 'hb_generation')
  return { generation: Number(text), uuid: await read('hb_uuid') }
}

/** The standby's host changes its software and back, beside a daemon that serves throughout. */
const playOf =
  (generationMethod: 'file' | 'time'): Play =>
  async (world) => {
    const node = 'slave'
    const pairing = await Pairing.set(world, 'stop-slave', {
      kinds: { master: 'daemon', slave: 'daemon' },
      autoFailback: true,
    })
    await pairing.stage.rewrite(node, 'ha.cf', (text) => `${text}hbgenmethod ${generationMethod}\n`)
    await pairing.act('two daemons start', () => pairing.start('master', node), ['master'], 20_000)
    const seen = [await identityOf(world, node).catch(() => undefined)]
    await pairing.act('its daemon stops', () => pairing.stop(node), ['master'], noGap, ['master'])
    await pairing.act('ours starts in its place', () => pairing.stage.join(node), ['master'], noGap, ['master'])
    seen.push(await identityOf(world, node))
    await pairing.act('ours stops', () => pairing.stage.stop(node), ['master'], noGap, ['master'])
    await pairing.act('ours starts again', () => pairing.stage.join(node), ['master'], noGap, ['master'])
    seen.push(await identityOf(world, node))
    await pairing.act('ours stops', () => pairing.stage.stop(node), ['master'], noGap, ['master'])
    await pairing.act('the daemon starts again', () => pairing.start(node), ['master'], noGap)
    if (generationMethod === 'file') seen.push(await identityOf(world, node))

    const known = seen.filter((identity) => identity !== undefined)
    const generations = known.map(({ generation }) => generation)
    const step = generationMethod === 'file' ? 1 : undefined
    for (const [index, generation] of generations.slice(1).entries()) {
      const before = generations[index] ?? 0
      assert.ok(step === undefined ? generation > before : generation === before + step, generations.join(' → '))
    }
    assert.equal(new Set(known.map(({ uuid }) => uuid)).size, 1, 'one uuid for all')
    const log = await pairing.daemon(otherOf(node)).log()
    const restarts = log.split(`Heartbeat restart on node ${node}`).length - 1
    assert.equal(restarts, 3, 'restarts that the peer has seen')
    assert.doesNotMatch(log, /replay|changed its uuid/)
    const outcome = await pairing.end('master')
    const remark = `generations ${generations.join(' → ')}, one uuid; its peer saw ${restarts} restarts and no replay`
    return { ...outcome, remarks: [remark, ...outcome.remarks] }
  }

for (const method of ['file', 'time'] as const)
  scenario(
    `change-software-${method}`,
    {
      row: `a host changes from the daemon to ours and back, hbgenmethod ${method}: its peer takes nothing for a replay`,
    },
    playOf(method),
  )
