import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type AppOptions,
  Cluster,
  deadtime,
  isHotStandbyError,
  type MemoryNetwork,
  memoryNetwork,
  type TransportPlugin,
} from '../../src/index.ts'
import { memberOptions, startPair, stateOf, until } from '../support/pair.ts'

/** A link of a memory network that says of itself that it is slow. */
function slow(plugin: TransportPlugin, bitsPerSecond: number): TransportPlugin {
  return {
    ...plugin,
    bitsPerSecond,
    create(context) {
      const transport = plugin.create(context)
      return {
        capabilities: { ...transport.capabilities, bitsPerSecond },
        open: () => transport.open(),
        send: (frame) => transport.send(frame),
        close: () => transport.close(),
        describe: () => transport.describe(),
      }
    },
  }
}

/** At keepalive 50 ms a beat with the extra fields does not fit into half of it, and one without them fits. */
const SPEED = 115_200

function pairOver(
  t: { after(run: () => unknown): void },
  links: (network: MemoryNetwork) => readonly TransportPlugin[],
  agent: Partial<AppOptions> = {},
) {
  const network = memoryNetwork()
  const liveness = deadtime({ keepalive: '50ms', deadtime: '600ms', initdead: '2s' })
  const make = (node: 'one' | 'two') =>
    new Cluster(memberOptions(t, node, links(network), { liveness, autoFailback: true, agent }))
  const [one, two] = [make('one'), make('two')]
  t.after(() => Promise.allSettled([one.stop(), two.stop()]))
  const told: string[] = []
  for (const member of [one, two])
    member.onAny(({ name, payload }) => told.push(`${member.snapshot().node} ${name} ${JSON.stringify(payload)}`))
  const kinds = () => [one, two].map((member) => member.snapshot().peer.kind).join(' ')
  return { network, one, two, kinds, told }
}

/** As with a daemon, a move is asked for only while both have come to rest. */
async function settled(move: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await move()
    } catch (error) {
      if (!(isHotStandbyError(error) && /still settling/.test(error.message)) || tries > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

describe('two of ours over a slow line alone', () => {
  test('speak as daemons do: start, both moves, failback, the death of either', async (t) => {
    const { network, one, two, kinds, told } = pairOver(t, (net) => [slow(net.transport('tty'), SPEED)])
    assert.match(one.warnings.map(({ message }) => message).join(), /the extra fields are left out/)
    await startPair(one, two)
    assert.equal(kinds(), 'heartbeat heartbeat')
    await until(
      'both have come to rest',
      () => one.snapshot().phase === 'settled' && two.snapshot().phase === 'settled',
    )
    await settled(() => one.standby())
    assert.deepEqual([stateOf(one), stateOf(two)], ['standby', 'active'])
    await settled(() => one.takeover())
    assert.deepEqual([stateOf(one), stateOf(two)], ['active', 'standby'])
    network.partition('one', 'two')
    await until('two has taken over', () => stateOf(two) === 'active')
    network.repair('one', 'two')
    await until('one of them gives up', () => [one, two].filter((member) => stateOf(member) === 'active').length === 1)
    assert.deepEqual(
      told.filter((line) => / (problem|messages:lost|message:dropped|frame:dropped|move:failed) /.test(line)),
      [],
    )
  })

  test('refuse a message that would hold up the beats, with the arithmetic, and carry a small one', async (t) => {
    const { one, two } = pairOver(t, (net) => [slow(net.transport('tty'), SPEED)])
    await startPair(one, two)
    const heard = two.once('message')
    await assert.rejects(one.send('x'.repeat(2000)), (error) => {
      assert.ok(isHotStandbyError(error) && error.code === 'HS_MESSAGE', String(error))
      assert.match(
        error.message,
        /2000 bytes are too many .* × 10 bits \/ 115200 bit\/s = \d+ ms, longer than keepalive/,
      )
      return true
    })
    await one.send('small')
    assert.equal(Buffer.from((await heard).payload).toString(), 'small')
  })
})

describe('two of ours over a fast link and a slow line', () => {
  test('know each other by the fast one, go on by the slow one, and know each other again', async (t) => {
    const { network, one, two, kinds, told } = pairOver(t, (net) => [
      net.transport('eth1'),
      slow(net.transport('tty'), SPEED),
    ])
    await startPair(one, two)
    assert.equal(kinds(), 'hot-standby hot-standby')
    network.partition('one', 'two', 'eth1')
    await until('both speak as to a daemon', () => kinds() === 'heartbeat heartbeat')
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.deepEqual([stateOf(one), stateOf(two)], ['active', 'standby'], 'nothing moves')
    await until('a move is possible', () => one.snapshot().phase === 'settled' && two.snapshot().phase === 'settled')
    await settled(() => one.standby())
    assert.deepEqual([stateOf(one), stateOf(two)], ['standby', 'active'])
    network.repair('one', 'two', 'eth1')
    await until('both know each other again', () => kinds() === 'hot-standby hot-standby')
    await settled(() => one.takeover())
    assert.deepEqual([stateOf(one), stateOf(two)], ['active', 'standby'])
    assert.deepEqual(
      told.filter((line) => / (contested|problem|messages:lost|message:dropped|peer:dead|move:failed) /.test(line)),
      [],
    )
  })

  test('carry a large message over the fast one only', async (t) => {
    let largest = 0
    const { one, two } = pairOver(t, (net) => {
      const line = slow(net.transport('tty'), SPEED)
      const watched: TransportPlugin = {
        ...line,
        create(context) {
          const transport = line.create(context)
          const send = transport.send.bind(transport)
          transport.send = (frame) => {
            largest = Math.max(largest, frame.length)
            send(frame)
          }
          return transport
        },
      }
      return [net.transport('eth1'), watched]
    })
    await startPair(one, two)
    const heard = two.once('message')
    await one.send(new Uint8Array(50_000))
    assert.equal((await heard).payload.byteLength, 50_000)
    assert.ok(largest > 0 && largest < 1000, `${largest} bytes went over the slow line`)
  })
})
