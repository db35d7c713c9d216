import { PAIRING_LIMITS } from './pairing.ts'
import { NODES, otherOf } from './settings.ts'
import { declare, type Telling } from './telling.ts'

const { noGap, planned } = PAIRING_LIMITS

/** Shorter than the dead time. */
const PAUSE_MS = 600

const tellings: readonly Telling[] = [
  {
    name: 'restart-fast',
    row: "a node's processes are killed and started again before it counts as dead: the master serves at the end",
    ci: ['our-slave-on', 'our-master-on'],
    up: true,
    failback: [true],
    async tell(pairing) {
      await pairing.act('the slave is killed and started', () => pairing.restartFast('slave'), ['master'], noGap)
      await pairing.act('the master is killed and started', () => pairing.restartFast('master'), ['master'], planned)
      return 'master'
    },
  },
  {
    name: 'reload',
    row: 'a changed ha.cf is read by each node while it runs (heartbeat -r, SIGHUP): no gap',
    ci: ['our-master-on'],
    up: true,
    failback: [true],
    async tell(pairing) {
      for (const node of NODES) {
        const change = (text: string) => text.replace('warntime 900ms', 'warntime 800ms')
        await pairing.stage.rewrite(node, 'ha.cf', change)
        await pairing.act(`reload of the ${node}`, () => pairing.reload(node), ['master'], noGap)
      }
      for (const node of NODES) {
        const to = otherOf(node)
        await pairing.act(`standby on the ${node}`, () => pairing.standby(node), [node, to], planned)
      }
      return 'master'
    },
  },
  {
    name: 'late',
    row: 'a node does not run for less than the dead time, so that its beats are late: nothing moves',
    ci: ['our-slave-on'],
    up: true,
    failback: [true],
    async tell(pairing) {
      for (const node of NODES)
        await pairing.act(`the ${node} pauses`, () => pairing.pause(node, PAUSE_MS), ['master'], noGap)
      return 'master'
    },
  },
]

declare(tellings)
