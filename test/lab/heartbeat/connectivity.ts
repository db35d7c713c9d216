import { PAIRING_LIMITS } from './pairing.ts'
import { otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned } = PAIRING_LIMITS

const tellings: readonly Telling[] = [
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
