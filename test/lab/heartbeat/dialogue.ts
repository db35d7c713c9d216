import { PAIRING_LIMITS } from './pairing.ts'
import { NODES, otherOf, type PairingSettings } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned, takeover } = PAIRING_LIMITS

/** Where the group is once both nodes are well again, and how it got there from the slave. */
const homeward = ({ autoFailback }: PairingSettings) =>
  autoFailback
    ? { home: 'master' as const, back: ['slave', 'master'] as const, backMs: planned }
    : { home: 'slave' as const, back: ['slave'] as const, backMs: noGap }

const tellings: readonly Telling[] = [
  {
    name: 'start-both',
    row: 'both start at once: the master serves',
    ci: ['our-master-on'],
    up: true,
    tell: async () => 'master',
  },
  {
    name: 'start-master-first',
    row: 'the master starts alone and serves; the slave joins without a gap',
    up: false,
    async tell(pairing) {
      await pairing.act('the master starts', () => pairing.start('master'), ['master'], 20_000, ['master'])
      await pairing.act('the slave joins', () => pairing.start('slave'), ['master'], noGap)
      return 'master'
    },
  },
  {
    name: 'start-slave-first',
    row: 'the slave starts alone and serves; when the master joins, autoFailback decides',
    ci: ['our-slave-off', 'our-master-on'],
    up: false,
    async tell(pairing) {
      const { home, back, backMs } = homeward(pairing.settings)
      await pairing.act('the slave starts', () => pairing.start('slave'), ['slave'], 20_000, ['slave'])
      await pairing.act('the master joins', () => pairing.start('master'), back, backMs)
      return home
    },
  },
  {
    name: 'stop-master',
    row: 'graceful stop of the master: the slave serves; the master starts again',
    ci: ['our-slave-on', 'our-master-off'],
    up: true,
    async tell(pairing) {
      const { home, back, backMs } = homeward(pairing.settings)
      await pairing.act('the master stops', () => pairing.stop('master'), ['master', 'slave'], planned, ['slave'])
      await pairing.act('the master starts', () => pairing.start('master'), back, backMs)
      return home
    },
  },
  {
    name: 'stop-slave',
    row: 'graceful stop of the slave, and its return: no gap',
    up: true,
    async tell(pairing) {
      await pairing.act('the slave stops', () => pairing.stop('slave'), ['master'], noGap, ['master'])
      await pairing.act('the slave starts', () => pairing.start('slave'), ['master'], noGap)
      return 'master'
    },
  },
  {
    name: 'crash-master',
    row: "the master's host crashes: the slave serves; the master returns",
    up: true,
    async tell(pairing) {
      const { home, back, backMs } = homeward(pairing.settings)
      await pairing.act('the master crashes', () => pairing.world.crash('master'), ['master', 'slave'], takeover, [
        'slave',
      ])
      await pairing.act('the master returns', () => pairing.reboot('master'), back, backMs)
      return home
    },
  },
  {
    name: 'crash-slave',
    row: "the slave's host crashes and returns: no gap",
    up: true,
    async tell(pairing) {
      await pairing.act('the slave crashes', () => pairing.world.crash('slave'), ['master'], noGap, ['master'])
      await pairing.act('the slave returns', () => pairing.reboot('slave'), ['master'], noGap)
      return 'master'
    },
  },
  ...(['standby', 'takeover'] as const).map(
    (command): Telling => ({
      name: command,
      row: `the slave serves after ${command}, and the master again after another`,
      up: true,
      async tell(pairing) {
        for (const from of NODES) {
          const to = otherOf(from)
          const node = command === 'standby' ? from : to
          await pairing.act(`${command} on the ${node}`, () => pairing[command](node), [from, to], planned)
        }
        return 'master'
      },
    }),
  ),
]

declare(tellings)
