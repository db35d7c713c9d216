import { type Play, scenario } from '../scenario.ts'
import { type SerialLine, serialLine } from '../world/serial-line.ts'
import { type Kinds, NODES, PAIRING_LIMITS, Pairing } from './pairing.ts'

const { planned, takeover } = PAIRING_LIMITS

/** Speed of the line, and of the terminals behind it: what leaves a host takes as long as on a real one. */
const BAUD = 38_400

/** Lets the line replace every other link. */
const overSerial = (pairing: Pairing, { device }: SerialLine): Promise<unknown> =>
  Promise.all(
    NODES.map((node) =>
      pairing.stage.rewrite(node, 'ha.cf', (text) =>
        text
          .split('\n')
          .filter((line) => !/^(?:ucast|bcast|mcast|udpport) /.test(line))
          .concat(`baud ${BAUD}`, `serial ${device}`, '')
          .join('\n'),
      ),
    ),
  )

const playOf =
  (kinds: Kinds): Play =>
  async (world) => {
    await using line = await serialLine(world, BAUD)
    const pairing = await Pairing.set(world, 'serial', { kinds, autoFailback: true })
    await overSerial(pairing, line)
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
    await pairing.act('standby on the master', () => pairing.standby('master'), ['master', 'slave'], planned)
    await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], planned)
    await pairing.act('the master crashes', () => world.crash('master'), ['master', 'slave'], takeover, ['slave'])
    await pairing.act('the master returns', () => pairing.reboot('master'), ['slave', 'master'], planned)
    return await pairing.end('master')
  }

scenario(
  'serial-daemons',
  { row: 'two daemons whose only link is a serial line', limitMs: 180_000 },
  playOf({ master: 'daemon', slave: 'daemon' }),
)
