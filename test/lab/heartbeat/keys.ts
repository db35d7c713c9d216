import assert from 'node:assert/strict'
import type { NodeName } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { PAIRING_LIMITS, type Pairing } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned } = PAIRING_LIMITS

const TWO_KEYS = 'auth 1\n1 sha1 the-first-secret\n2 sha1 the-second-secret\n'

const rotate = async (pairing: Pairing, node: NodeName, key: 1 | 2) => {
  await pairing.stage.rewrite(node, 'authkeys', (text) => text.replace(/auth \d/, `auth ${key}`))
  await pairing.reload(node)
}

/** What a rotation does to two daemons: each verifies with its own active key, so both are alone, and restart when it is over. */
const splitAndMerge = async (pairing: Pairing) => {
  const { world } = pairing
  await rotate(pairing, 'master', 2)
  const split = async () => (await world.holders()).length === 2
  await waitFor(split, { what: 'both hold the address', withinMs: 15_000, everyMs: 500 })
  await rotate(pairing, 'slave', 2)
  for (const node of NODES) await pairing.restarted(node, 1)
  for (const node of NODES) await pairing.agrees(node, { master: 'master' }, 45_000)
  return 'master' as const
}

const tellings: readonly Telling[] = [
  {
    name: 'keys',
    row: 'the active key changes on one node after the other: nothing is noticed, where two daemons would both serve',
    up: false,
    failback: [true],
    ci: ['our-slave-on', 'our-master-on'],
    async tell(pairing) {
      const { ours, stage } = pairing
      for (const node of NODES) await stage.rewrite(node, 'authkeys', () => TWO_KEYS)
      await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
      if (ours === undefined) return splitAndMerge(pairing)
      const theirs = otherOf(ours)
      for (const [node, key] of [
        [theirs, 2],
        [ours, 2],
        [ours, 1],
        [theirs, 1],
      ] as const)
        await pairing.act(`the ${node} signs with key ${key}`, () => rotate(pairing, node, key), ['master'], noGap)
      assert.equal(stage.told(ours, 'peer:dead'), false, 'our node has heard every beat in time')
      assert.doesNotMatch(await pairing.daemon(theirs).log(), /is dead/, 'and so has the daemon')
      const move = () => pairing.standby('master')
      await pairing.act('standby on the master', move, ['master', 'slave'], planned)
      await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], planned)
      return 'master'
    },
  },
]

declare(tellings)
