import { setTimeout as sleep } from 'node:timers/promises'
import { PAIRING_LIMITS } from './pairing.ts'
import { otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned } = PAIRING_LIMITS

/** A little longer than deadping: both find the target silent, at about the same time, and soon answering again. */
const MOMENT_MS = 1900
/** ipfail has read all that was said meanwhile, and given up where it would. */
const SETTLED_MS = 5000

const tellings: readonly Telling[] = [
  {
    name: 'ipfail-both',
    row: 'both lose the ping target for a moment, again and again: the counts are equal in the end, and nothing moves',
    ci: ['our-master-on'],
    up: true,
    failback: [true],
    baseline: 'ipfail',
    settings: { ping: true },
    async tell(pairing) {
      const { world } = pairing
      for (let round = 1; round <= 6; round++) {
        const moment = async (): Promise<void> => {
          await world.cut('gateway', 'eth0')
          await sleep(MOMENT_MS + round * 40)
          await world.mend('gateway', 'eth0')
          await sleep(SETTLED_MS)
        }
        await pairing.act(`the gateway is silent for a moment, ${round}`, moment, ['master'], noGap)
      }
      return 'master'
    },
  },
  {
    name: 'ipfail',
    row: 'no ping is answered on one node: ipfail and our rule agree that the other serves, and about the way back',
    ci: ['our-slave-on', 'our-master-off'],
    up: true,
    settings: { ping: true },
    async tell(pairing) {
      const { world, settings } = pairing
      const [home, back] = settings.autoFailback
        ? (['master', ['slave', 'master']] as const)
        : (['slave', ['slave']] as const)
      const limitMs = settings.autoFailback ? planned : noGap
      await pairing.act('no ICMP on the master', () => world.dropIcmp('master'), ['master', 'slave'], planned)
      await pairing.act('ICMP on the master again', () => world.allowIcmp('master'), back, limitMs)
      const idle = otherOf(home)
      await pairing.act(`no ICMP on the ${idle}`, () => world.dropIcmp(idle), [home], noGap)
      await pairing.act(`ICMP on the ${idle} again`, () => world.allowIcmp(idle), [home], noGap)
      return home
    },
  },
]

declare(tellings)
