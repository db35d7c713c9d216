import assert from 'node:assert/strict'
import { test } from 'node:test'
import { broadcastOf, canonicalAddress, isLinkLocal, isMulticast, isUnspecified } from '../../src/platform/ip.ts'
import { onceASecond } from '../../src/platform/once-a-second.ts'
import { deviceInRoute } from '../../src/platform/route.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { TransportPlugin } from '../../src/roles/transport.ts'
import { parseEndpoint } from '../../src/transports/endpoint.ts'
import { diagnoseSilence, type SilentLink } from '../../src/transports/link-diagnosis.ts'
import { memoryNetwork } from '../../src/transports/memory.ts'
import { udpBroadcast } from '../../src/transports/udp-broadcast.ts'
import { udpMulticast } from '../../src/transports/udp-multicast.ts'
import { type UdpUnicastOptions, udpUnicast } from '../../src/transports/udp-unicast.ts'

const nodes = ['master', 'slave']

test('endpoints are read in all four forms, and nothing else', () => {
  const good: readonly [string, string, number][] = [
    ['192.168.2.105', '192.168.2.105', 694],
    ['192.168.2.105:7000', '192.168.2.105', 7000],
    ['FD00:0::5', 'fd00::5', 694],
    ['[fd00::5]', 'fd00::5', 694],
    ['[fe80::5%eth2]:7000', 'fe80::5%eth2', 7000],
    ['fe80::5', 'fe80::5%eth1', 694],
  ]
  for (const [text, address, port] of good) assert.deepEqual(parseEndpoint(text, 694, 'eth1'), { address, port }, text)
  for (const bad of [
    '',
    'master',
    '192.168.2',
    '1.2.3.4:',
    '1.2.3.4:x',
    '[1.2.3.4]',
    '[fd00::5',
    ':694',
    'fd00::5]:1',
    5,
  ]) {
    assert.equal(parseEndpoint(bad, 694), undefined, String(bad))
  }
})

test('addresses are told apart', () => {
  assert.equal(canonicalAddress('FE80:0:0::1%eth1'), 'fe80::1%eth1')
  assert.deepEqual(['fe80::1', 'febf::1', 'fec0::1', 'fd00::1', '1.2.3.4'].map(isLinkLocal), [
    true,
    true,
    false,
    false,
    false,
  ])
  assert.deepEqual(['224.0.0.1', '239.9.9.9', '240.0.0.1', 'ff02::1', 'fd00::1'].map(isMulticast), [
    true,
    true,
    false,
    true,
    false,
  ])
  assert.deepEqual(['0.0.0.0', '::', '::1', '10.0.0.0'].map(isUnspecified), [true, true, false, false])
})

test('the broadcast address follows from the mask', () => {
  assert.equal(broadcastOf('192.168.2.105', '255.255.255.0'), '192.168.2.255')
  assert.equal(broadcastOf('10.1.2.3', '255.255.240.0'), '10.1.15.255')
  assert.equal(broadcastOf('10.1.2.3', '255.255.255.252'), '10.1.2.3')
  assert.equal(broadcastOf('10.1.2.2', '255.255.255.254'), undefined)
  assert.equal(broadcastOf('10.1.2.2', '255.255.255.255'), undefined)
})

test('udpUnicast lists every problem with its path', () => {
  const cases: readonly [UdpUnicastOptions, readonly [string, RegExp][]][] = [
    [{ addresses: { master: '10.0.0.1', slave: '10.0.0.2' } }, []],
    [{ peer: '10.0.0.2', device: 'eth1' }, []],
    [{}, [['addresses', /either/]]],
    [{ addresses: {}, peer: '10.0.0.2' }, [['peer', /either/]]],
    [{ peer: '10.0.0.2' }, [['device', /needs/]]],
    [{ peer: 'slave', device: 'eth1' }, [['peer', /'slave' is not an IP address/]]],
    [{ peer: 'fe80::2', localAddress: 'fd00::1' }, [['peer', /link-local/]]],
    [{ peer: '10.0.0.2', device: 'a name too long' }, [['device', /not a valid name for a network device/]]],
    [{ addresses: { master: '10.0.0.1' } }, [['addresses.slave', /missing/]]],
    [
      { addresses: { master: '10.0.0.1', slave: '10.0.0.2', third: '10.0.0.3' } },
      [['addresses.third', /not a node.*master and slave/]],
    ],
    [{ addresses: { master: '10.0.0.1', slave: 'fd00::2' } }, [['addresses', /family/]]],
    [{ addresses: { master: '10.0.0.1', slave: '10.0.0.1' } }, [['addresses', /both nodes have 10\.0\.0\.1:694/]]],
    [
      { addresses: { master: '10.0.0.1:70000', slave: '239.0.0.1' } },
      [
        ['addresses.master', /65535/],
        ['addresses.slave', /group/],
      ],
    ],
    [{ addresses: { master: '0.0.0.0', slave: '10.0.0.1' } }, [['addresses.master', /names no host/]]],
    [{ addresses: { master: '10.0.0.1', slave: '10.0.0.2' }, peerPort: 7 }, [['peerPort', /goes with 'peer'/]]],
    [
      { peer: '10.0.0.2', device: 'eth1', port: 0, localPort: 1.5 },
      [
        ['port', /not a valid port/],
        ['localPort', /not a valid port/],
      ],
    ],
    [{ peer: 7 as unknown as string, device: 'eth1' }, [['peer', /number 7/]]],
  ]
  for (const [options, expected] of cases) {
    const issues = udpUnicast(options).validate?.(nodes) ?? []
    assert.deepEqual(
      issues.map(({ path }) => path),
      expected.map(([path]) => path),
      JSON.stringify([options, issues]),
    )
    for (const [index, [, message]] of expected.entries()) assert.match(issues[index]?.message ?? '', message)
  }
})

test('broadcast and multicast list their problems', () => {
  const paths = (plugin: TransportPlugin) => plugin.validate?.(nodes).map(({ path }) => path)
  assert.deepEqual(paths(udpBroadcast({ device: 'eth1' })), [])
  assert.deepEqual(paths(udpBroadcast({})), ['device'])
  assert.deepEqual(paths(udpBroadcast({ localAddress: 'fd00::1' })), ['localAddress'])
  assert.deepEqual(paths(udpBroadcast({ device: 'eth1', broadcast: 'all', port: -1 })), ['port', 'broadcast'])
  assert.deepEqual(paths(udpMulticast({ group: '239.0.0.43', device: 'eth1' })), [])
  assert.deepEqual(paths(udpMulticast({ group: 'ff02::694', device: 'eth1' })), [])
  assert.deepEqual(paths(udpMulticast({ group: '10.0.0.1', ttl: 0 })), ['group', 'device', 'ttl'])
  assert.deepEqual(paths(udpMulticast({ group: 'ff02::694', localAddress: '10.0.0.1' })), ['localAddress'])
})

test('wrong options never make a transport', () => {
  const context = { self: 'master', peer: 'slave', logger: silentLogger, receive() {}, problem() {} }
  for (const plugin of [udpUnicast({}), udpBroadcast({}), udpMulticast({ group: '' })]) {
    assert.throws(() => plugin.create(context), { code: 'HS_CONFIG' })
  }
})

test('links are named by device, address or both, and know the peer', () => {
  const addresses = { master: '10.0.0.1', slave: '10.0.0.2:7000' }
  assert.equal(udpUnicast({ addresses, device: 'eth1' }).link, 'eth1')
  assert.equal(udpUnicast({ addresses }).link, '10.0.0.1-10.0.0.2:7000')
  assert.equal(udpUnicast({ addresses, link: 'cross' }).link, 'cross')
  assert.equal(udpUnicast({ peer: '10.0.0.2', localAddress: '10.0.0.1' }).link, '10.0.0.1')
  assert.equal(udpUnicast({ addresses }).remoteAddress?.('master', 'slave'), '10.0.0.2')
  assert.equal(udpUnicast({ peer: 'fe80::2', device: 'eth1' }).remoteAddress?.('master', 'slave'), 'fe80::2%eth1')
  assert.equal(udpBroadcast({ device: 'eth1' }).link, 'eth1')
  assert.equal(udpMulticast({ group: '239.0.0.43', localAddress: '10.0.0.1' }).link, '10.0.0.1')
})

function memoryPair(network: ReturnType<typeof memoryNetwork>) {
  const received: string[] = []
  const make = (self: string, peer: string) =>
    network.transport().create({
      self,
      peer,
      logger: silentLogger,
      receive: (bytes, from) => received.push(`${from}>${self} ${Buffer.from(bytes)}`),
      problem: assert.fail,
    })
  return { received, master: make('master', 'slave'), slave: make('slave', 'master') }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('memory: partition, one way and hold do what they say', async () => {
  const network = memoryNetwork()
  const { received, master, slave } = memoryPair(network)
  await Promise.all([master.open(), slave.open()])
  const both = async (text: string) => {
    received.length = 0
    master.send(Buffer.from(text))
    slave.send(Buffer.from(text))
    await turn()
    return [...received]
  }
  const all = ['master>slave a', 'slave>master a']
  assert.deepEqual(await both('a'), all)
  network.partition('master', 'slave')
  assert.deepEqual(await both('a'), [])
  network.repairOneway('slave', 'master')
  assert.deepEqual(await both('a'), ['slave>master a'])
  network.repair('master', 'slave')
  network.partitionOneway('slave', 'master', 'other link')
  assert.deepEqual(await both('a'), all)
  network.hold('slave', 'master')
  assert.deepEqual(await both('a'), [])
  network.release('master', 'slave')
  await turn()
  assert.deepEqual(received, all)
  assert.deepEqual(await both('a'), all)
})

test('memory: nothing is delivered while send runs, and the sender may use its buffer again', async () => {
  const { received, master, slave } = memoryPair(memoryNetwork())
  await Promise.all([master.open(), slave.open()])
  const frame = Buffer.from('a')
  master.send(frame)
  assert.deepEqual(received, [])
  frame.fill('b')
  await turn()
  assert.deepEqual(received, ['master>slave a'])
})

test('memory: losses follow the random numbers', async () => {
  const numbers = [0.1, 0.6, 0.49, 0.5]
  const network = memoryNetwork({ random: () => numbers.shift() ?? 0 })
  const { received, master, slave } = memoryPair(network)
  await Promise.all([master.open(), slave.open()])
  network.loss(0.5)
  for (const text of ['1', '2', '3', '4']) master.send(Buffer.from(text))
  await turn()
  assert.deepEqual(received, ['master>slave 2', 'master>slave 4'])
  assert.throws(() => network.loss(1.5), { code: 'HS_CONFIG' })
})

test('silence is explained by the strongest evidence', () => {
  const link: SilentLink = {
    type: 'udp-unicast',
    device: 'eth1',
    deviceState: 'running',
    port: 694,
    remote: '10.0.0.2',
    heardJunk: 0,
    peerHeardElsewhere: true,
  }
  const cases: readonly [Partial<SilentLink>, RegExp][] = [
    [{ deviceState: 'no-carrier', heardJunk: 3, lastProblem: 'x' }, /^device eth1 has no carrier/],
    [{ deviceState: 'down' }, /^device eth1 is down/],
    [{ lastProblem: 'cannot send', heardJunk: 3 }, /^the link reports: cannot send/],
    [{ heardJunk: 3 }, /^3 frames arrived and none verified: compare the keys/],
    [{ peerHeardElsewhere: false }, /the peer is off or not started/],
    [{}, /firewall that drops UDP port 694 from 10\.0\.0\.2/],
    [{ type: 'serial' }, /speed at both ends/],
  ]
  for (const [change, message] of cases) assert.match(diagnoseSilence({ ...link, ...change }), message)
})

test('each cause is reported once a second', (t) => {
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const reported: string[] = []
  const report = onceASecond((error) => reported.push(error.message))
  for (nowMs = 0; nowMs <= 1000; nowMs += 250) {
    report('a', () => new Error(`a${nowMs}`))
    report('b', () => new Error(`b${nowMs}`))
  }
  assert.deepEqual(reported, ['a0', 'b0', 'a1000', 'b1000'])
})

test('the device is read out of a route', () => {
  assert.equal(deviceInRoute('192.0.2.9 dev eth0 src 192.0.2.2 uid 0 \\    cache '), 'eth0')
  assert.equal(deviceInRoute('10.9.9.9 via 192.0.2.1 dev eth1.5 src 192.0.2.2 uid 0'), 'eth1.5')
  assert.equal(deviceInRoute('local 127.0.0.1 dev lo src 127.0.0.1 uid 0'), 'lo')
  assert.equal(deviceInRoute('RTNETLINK answers: Network is unreachable'), undefined)
})
