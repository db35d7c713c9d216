import { PAIRING_LIMITS, type Pairing } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned, takeover } = PAIRING_LIMITS

/** A daemon takes over only when a node that said good-bye has been silent for its dead time; it beats on for 2 s after that. */
const afterGoodbye = takeover + 3000

const refusals = async (pairing: Pairing) => {
  pairing.expect('move:failed')
  const words = [
    ['standby', 'master'],
    ['standby', 'slave'],
    ['takeover', 'slave'],
  ] as const
  for (const [command, node] of words)
    await pairing.act(`${command} on the ${node}: refused`, () => pairing.refused(node, command), ['master'], noGap)
}

const tellings: readonly Telling[] = [
  {
    name: 'legacy-by-hand',
    row: 'auto_failback legacy: standby and takeover are refused on both sides, with the reason',
    ci: ['our-master-legacy'],
    up: true,
    failback: ['legacy'],
    async tell(pairing) {
      await refusals(pairing)
      return 'master'
    },
  },
  {
    name: 'legacy',
    row: 'auto_failback legacy: a group is with the node it prefers while that lives; crash, return, stop and start of either',
    ci: ['our-slave-legacy'],
    up: true,
    failback: ['legacy'],
    async tell(pairing) {
      const { world } = pairing
      const away = ['master', 'slave'] as const
      const back = ['slave', 'master'] as const
      await pairing.act('the master crashes', () => world.crash('master'), away, takeover, ['slave'])
      await pairing.act('the master returns', () => pairing.reboot('master'), back, planned)
      await pairing.act('the master stops', () => pairing.stop('master'), away, afterGoodbye, ['slave'])
      await pairing.act('the master starts', () => pairing.start('master'), back, planned)
      await pairing.act('the slave stops', () => pairing.stop('slave'), ['master'], noGap, ['master'])
      await pairing.act('the slave starts', () => pairing.start('slave'), ['master'], noGap)
      return 'master'
    },
  },
  {
    name: 'legacy-groups',
    row: 'auto_failback legacy with a group on each node: either host crashes and returns',
    ci: ['our-master-legacy'],
    up: true,
    failback: ['legacy'],
    settings: { groups: 'two' },
    async tell(pairing) {
      for (const node of NODES) {
        const other = otherOf(node)
        const moves = NODES.map((group) => (group === node ? [node, other] : [other]))
        const comes = NODES.map((group) => (group === node ? [other, node] : [other]))
        const crash = () => pairing.world.crash(node)
        await pairing.act(`the ${node} crashes`, crash, moves[0] ?? [], takeover, [other], moves[1])
        await pairing.act(`the ${node} returns`, () => pairing.reboot(node), comes[0] ?? [], planned, NODES, comes[1])
      }
      return { master: 'master', slave: 'slave' }
    },
  },
]

declare(tellings)
