import type { NodeName } from '../stage.ts'
import { PAIRING_LIMITS, type Pairing } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned, takeover } = PAIRING_LIMITS

type Word = readonly [command: 'standby' | 'takeover', node: NodeName, hold: 'all' | 'local' | 'foreign']

/** Each word with what then moves: the master's group, the slave's group. It begins and ends with each at home. */
const words: readonly (readonly [...Word, master: readonly NodeName[], slave: readonly NodeName[]])[] = [
  ['standby', 'master', 'local', ['master', 'slave'], ['slave']],
  ['takeover', 'master', 'local', ['slave', 'master'], ['slave']],
  ['standby', 'slave', 'local', ['master'], ['slave', 'master']],
  ['standby', 'master', 'foreign', ['master'], ['master', 'slave']],
  ['takeover', 'slave', 'foreign', ['master', 'slave'], ['slave']],
  ['standby', 'slave', 'foreign', ['slave', 'master'], ['slave']],
  ['takeover', 'master', 'foreign', ['master'], ['slave', 'master']],
  ['takeover', 'slave', 'local', ['master'], ['master', 'slave']],
  ['standby', 'master', 'all', ['master', 'slave'], ['slave']],
  ['takeover', 'master', 'all', ['slave', 'master'], ['slave', 'master']],
  ['standby', 'master', 'foreign', ['master'], ['master', 'slave']],
]

const home = { master: 'master', slave: 'slave' } as const

const tellings: readonly Telling[] = [
  {
    name: 'groups-by-hand',
    row: 'a group on each node: standby and takeover of all, local and foreign, said by either node',
    ci: ['our-slave-on'],
    up: true,
    settings: { groups: 'two' },
    async tell(pairing) {
      for (const [command, node, hold, master, slave] of words)
        await pairing.act(
          `${command} ${hold} on the ${node}`,
          () => pairing[command](node, hold),
          master,
          planned,
          NODES,
          slave,
        )
      return home
    },
  },
  {
    name: 'groups-crash',
    row: 'a group on each node: either host crashes and returns, and the other serves both groups meanwhile',
    ci: ['our-slave-on'],
    up: true,
    settings: { groups: 'two' },
    async tell(pairing) {
      await crashAndReturn(pairing, 'master')
      return crashAndReturn(pairing, 'slave')
    },
  },
  {
    name: 'groups-stop',
    row: 'a group on each node: graceful stop of either, and its return',
    ci: ['our-master-off'],
    up: true,
    settings: { groups: 'two' },
    async tell(pairing) {
      for (const node of NODES) {
        const other = otherOf(node)
        const moves = (group: NodeName) => (group === node ? [node, other] : [other])
        const comes = (group: NodeName) => (group === node ? [other, node] : [other])
        const [stops, starts] = [`the ${node} stops`, `the ${node} starts`]
        await pairing.act(stops, () => pairing.stop(node), moves('master'), planned, [other], moves('slave'))
        if (pairing.settings.autoFailback)
          await pairing.act(starts, () => pairing.start(node), comes('master'), planned, NODES, comes('slave'))
        else {
          await pairing.act(starts, () => pairing.start(node), [other], noGap, NODES, [other])
          const what = `standby foreign on the ${other}`
          await pairing.act(
            what,
            () => pairing.standby(other, 'foreign'),
            comes('master'),
            planned,
            NODES,
            comes('slave'),
          )
        }
      }
      return home
    },
  },
]

/** The other serves both groups; with failback the returning node has its own again, without it is given it by hand. */
const crashAndReturn = async (pairing: Pairing, node: NodeName) => {
  const other = otherOf(node)
  const moves = (group: NodeName) => (group === node ? [node, other] : [other])
  const comes = (group: NodeName) => (group === node ? [other, node] : [other])
  const crash = () => pairing.world.crash(node)
  const returns = () => pairing.reboot(node)
  await pairing.act(`the ${node} crashes`, crash, moves('master'), takeover, [other], moves('slave'))
  const what = `the ${node} returns`
  if (pairing.settings.autoFailback) await pairing.act(what, returns, comes('master'), planned, NODES, comes('slave'))
  else {
    await pairing.act(what, returns, [other], noGap, NODES, [other])
    const standby = () => pairing.standby(other, 'foreign')
    await pairing.act(`standby foreign on the ${other}`, standby, comes('master'), planned, NODES, comes('slave'))
  }
  return home
}

declare(tellings)
