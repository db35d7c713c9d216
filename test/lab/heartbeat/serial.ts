import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { type SerialLine, serialLine } from '../world/serial-line.ts'
import { type Kinds, NODES, PAIRING_LIMITS, Pairing } from './pairing.ts'
import { BAUD } from './settings.ts'

const { noGap, planned, takeover } = PAIRING_LIMITS

/** Long enough for a node whose every link were silent to be dead. */
const PAST_DEADTIME_MS = 2500

/** Adds the line to the links of both nodes. */
const besideSerial = (pairing: Pairing, { device }: SerialLine): Promise<unknown> =>
  Promise.all(
    NODES.map((node) => pairing.stage.rewrite(node, 'ha.cf', (text) => `${text}\nbaud ${BAUD}\nserial ${device}\n`)),
  )

const alone =
  (kinds: Kinds): Play =>
  async (world) => {
    await using pairing = await Pairing.set(world, 'serial', { kinds, autoFailback: true, medium: 'serial' })
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
    await pairing.act('standby on the master', () => pairing.standby('master'), ['master', 'slave'], planned)
    await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], planned)
    await pairing.act('the master crashes', () => world.crash('master'), ['master', 'slave'], takeover, ['slave'])
    await pairing.act('the master returns', () => pairing.reboot('master'), ['slave', 'master'], planned)
    return await pairing.end('master')
  }

/** Everything that befalls a line, while the network goes on or not. Nothing of it moves the service. */
const beside =
  (kinds: Kinds, ours: NodeName): Play =>
  async (world) => {
    await using line = await serialLine(world, BAUD)
    const pairing = await Pairing.set(world, 'serial-beside', { kinds, autoFailback: true })
    await besideSerial(pairing, line)
    // Of the garbage, and of the adapter that is pulled.
    pairing.expect('frame:dropped', 'problem')
    const { stage } = pairing
    const tells = (event: string, more: number) =>
      waitFor(() => stage.count(ours, event) >= more, { what: `${ours} tells ${event}, ${more} in all` })
    const undisturbed = (what: string, work: () => Promise<unknown>) => pairing.act(what, work, ['master'], noGap)
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 20_000)
    await tells('link:up', 2)
    await undisturbed('the network is cut, the line goes on', async () => {
      await world.cut(ours, 'eth1')
      await tells('link:down', 1)
      await sleep(PAST_DEADTIME_MS)
    })
    await undisturbed('the network is back', async () => {
      await world.mend(ours, 'eth1')
      await tells('link:up', 3)
    })
    await undisturbed('the line is cut', async () => {
      line.cable.cut()
      await tells('link:down', 2)
    })
    await undisturbed('the line is back', async () => {
      line.cable.mend()
      await tells('link:up', 4)
    })
    await undisturbed('garbage and half frames come out of the line', async () => {
      for (let turn = 0; turn < 40; turn++) {
        line.cable.disturb(ours, Buffer.from(Array.from({ length: 200 }, (_, at) => (at * 89 + turn * 31) & 0xff)))
        line.cable.disturb(ours, '>>>\nt=status\nst=act')
        line.cable.disturb(ours, '>>>\nt=status\nsrc=slave\nauth=1 00\n<<<\n')
        await sleep(50)
      }
      await tells('frame:dropped', 1)
    })
    await undisturbed('our adapter is pulled', async () => {
      await line.unplug(ours)
      await tells('link:down', 3)
    })
    await undisturbed('our adapter is back', async () => {
      await line.plug(ours)
      await tells('link:up', 5)
    })
    assert.equal(stage.told(ours, 'contested'), false)
    return await pairing.end('master')
  }

const pairings: readonly { readonly suffix: string; readonly kinds: Kinds; readonly ours?: NodeName }[] = [
  { suffix: 'daemons', kinds: { master: 'daemon', slave: 'daemon' } },
  { suffix: 'our-slave', kinds: { master: 'daemon', slave: 'ours' }, ours: 'slave' },
  { suffix: 'our-master', kinds: { master: 'ours', slave: 'daemon' }, ours: 'master' },
]

for (const { suffix, kinds, ours } of pairings) {
  scenario(
    `serial-${suffix}`,
    { row: `the only link is a serial line: start, both moves, crash and return (${suffix})`, limitMs: 180_000 },
    alone(kinds),
  )
  if (ours)
    scenario(
      `serial-beside-${suffix}`,
      {
        row: `a serial line beside the network: cut, disturbed, unplugged, and the only one left (${suffix})`,
        limitMs: 180_000,
      },
      beside(kinds, ours),
    )
}
