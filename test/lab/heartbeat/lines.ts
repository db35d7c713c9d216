import assert from 'node:assert/strict'
import type { NodeName } from '../stage.ts'
import { PAIRING_LIMITS } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned, takeover } = PAIRING_LIMITS

/** Two daemons restart both when they meet again. */
const BASELINE_MS = 30_000

const tellings: readonly Telling[] = [
  {
    name: 'merge',
    row: 'the only line is cut, so that both serve, and mended: exactly one serves, and the daemon restarts itself',
    ci: ['our-slave-on', 'our-master-off'],
    up: true,
    async tell(pairing) {
      const { stage, world, settings, ours } = pairing
      await stage.act('the only line is cut', () => world.cut('master', 'eth1'), { ends: 'slave', limitMs: takeover })
      assert.deepEqual(await world.holders(), NODES, 'two nodes that hear nothing cannot be told apart')
      pairing.expect('contested')
      const home: NodeName = settings.autoFailback ? 'master' : (ours ?? 'master')
      const sinceMs = stage.client.mark()
      await world.mend('master', 'eth1')
      for (const node of NODES) if (pairing.kinds[node] === 'daemon') await pairing.restarted(node, 1)
      for (const node of NODES) await pairing.agrees(node, { master: home }, 45_000)
      await stage.client.waitForServing(home)
      const report = await stage.client.report(sinceMs)
      stage.note('the line is mended', report, ours ? planned : BASELINE_MS)
      // From here on as ever: it can be moved to and fro.
      const away = otherOf(home)
      await pairing.act(`standby on the ${home}`, () => pairing.standby(home), [home, away], planned)
      await pairing.act(`takeover on the ${home}`, () => pairing.takeover(home), [away, home], planned)
      return home
    },
  },
  {
    name: 'one-of-two-lines',
    row: 'one of two lines is cut and mended: no gap',
    up: true,
    failback: [true],
    settings: { links: 2 },
    async tell(pairing) {
      const { world } = pairing
      await pairing.act('eth1 is cut', () => world.cut('master', 'eth1'), ['master'], noGap)
      await pairing.act('eth1 is mended', () => world.mend('master', 'eth1'), ['master'], noGap)
      return 'master'
    },
  },
]

declare(tellings)
