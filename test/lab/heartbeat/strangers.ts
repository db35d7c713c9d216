import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { plugOf } from '../world/layout.ts'
import { PAIRING_LIMITS, type Pairing } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned } = PAIRING_LIMITS

const PROGRAM = fileURLToPath(new URL('../misfit.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
/** A daemon's dead time counts as its own only when it has said so for a while. */
const TOLD_AFTER_MS = 10_000

/** What was told of it: the reason, and how many events. */
const droppedBy = (pairing: Pairing): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  const { ours } = pairing
  if (ours === undefined) return counts
  for (const { event } of pairing.world.pair(ours).events) {
    if (event['name'] !== 'frame:dropped' && event['name'] !== 'message:dropped') continue
    const { reason } = event['payload'] as { reason: string }
    counts[reason] = (counts[reason] ?? 0) + 1
  }
  return counts
}

const tellings: readonly Telling[] = [
  {
    name: 'strangers',
    row: 'what a misconfigured node sends to a node of ours: one event for each burst, and nothing changes',
    up: true,
    failback: [true],
    baseline: 'start-both',
    ci: ['our-slave-on'],
    async tell(pairing) {
      const { world, ours = 'slave' } = pairing
      pairing.expect('frame:dropped', 'message:dropped')
      const words = [plugOf(ours, 'eth1').address, '694', ours, otherOf(ours), 'a-secret-of-the-laboratory']
      const stranger = async () => {
        // From the daemon's address, so that the link's own filter lets it through, and to our node alone.
        const program = await world.host(otherOf(ours)).start([process.execPath, '--import', TSX, PROGRAM, ...words])
        assert.equal((await program.ended).code, 0)
      }
      await pairing.act('a stranger sends', stranger, ['master'], noGap)
      assert.deepEqual(
        droppedBy(pairing),
        {
          'bad-signature': 1,
          'own-name': 1,
          'foreign-node': 1,
          'old-generation': 1,
          compressed: 1,
          malformed: 1,
        },
        'one event for each burst of 50',
      )
      return 'master'
    },
  },
  {
    name: 'times-differ',
    row: 'the daemon has another dead time: told once, and it counts for itself',
    up: false,
    failback: [true],
    baseline: 'crash-master',
    ci: ['our-master-on'],
    async tell(pairing) {
      const { stage, ours = 'slave' } = pairing
      pairing.expect('config:differs')
      const theirs = otherOf(ours)
      await stage.rewrite(theirs, 'ha.cf', (text) => text.replace('deadtime 1000ms', 'deadtime 2000ms'))
      await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
      await pairing.act('10 s pass', () => sleep(TOLD_AFTER_MS), ['master'], noGap)
      assert.equal(stage.count(ours, 'config:differs'), 1)
      await pairing.act('standby on the master', () => pairing.standby('master'), ['master', 'slave'], planned)
      await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], planned)
      return 'master'
    },
  },
]

declare(tellings)
