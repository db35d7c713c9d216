import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { TransportContext, TransportPlugin } from '../../src/roles/transport.ts'
import { transportSuite } from '../../src/testing/transport-suite.ts'
import { memoryNetwork } from '../../src/transports/memory.ts'
import { udpBroadcast } from '../../src/transports/udp-broadcast.ts'
import { udpMulticast } from '../../src/transports/udp-multicast.ts'
import { udpUnicast } from '../../src/transports/udp-unicast.ts'

const nodes = ['master', 'slave'] as const

/** A UDP port that was free a moment ago. */
function freePort(address: string): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port: 0 }, () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

/** An end with everything that happened to it. */
function end(plugin: TransportPlugin, self: string = nodes[0]) {
  const received: string[] = []
  const problems: Error[] = []
  const warnings: object[] = []
  const context: TransportContext = {
    self,
    peer: self === nodes[0] ? nodes[1] : nodes[0],
    logger: { ...silentLogger, warn: (fields) => warnings.push(fields) },
    receive: (bytes) => received.push(String(Buffer.from(bytes))),
    problem: (error) => problems.push(error),
  }
  return { transport: plugin.create(context), received, problems, warnings }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, `not within 5 s: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('memory', () => {
  transportSuite({
    test,
    create() {
      const plugin = memoryNetwork().transport()
      return { nodes, plugins: [plugin, plugin] }
    },
  })
})

describe('udp-unicast, IPv4, addresses', () => {
  transportSuite({
    test,
    async create() {
      const port = await freePort('127.0.0.1')
      const plugin = udpUnicast({ addresses: { master: '127.0.0.1', slave: `127.0.0.2:${port}` }, port, device: 'lo' })
      return { nodes, plugins: [plugin, plugin] }
    },
  })
})

describe('udp-unicast, IPv6, addresses on one host', () => {
  transportSuite({
    test,
    async create() {
      const ports = [await freePort('::1'), await freePort('::1')]
      const plugin = udpUnicast({ addresses: { master: `[::1]:${ports[0]}`, slave: `[0:0::1]:${ports[1]}` } })
      return { nodes, plugins: [plugin, plugin] }
    },
  })
})

describe('udp-unicast, peer and device', () => {
  transportSuite({
    test,
    async create() {
      const ports = [await freePort('127.0.0.1'), await freePort('127.0.0.1')] as const
      const common = { peer: '127.0.0.1', device: 'lo' }
      return {
        nodes,
        plugins: [
          udpUnicast({ ...common, localPort: ports[0], peerPort: ports[1] }),
          udpUnicast({ ...common, localPort: ports[1], peerPort: ports[0] }),
        ],
      }
    },
  })
})

test('udp-unicast: datagrams from another address are ignored and said once', async () => {
  const port = await freePort('127.0.0.1')
  const { transport, received, warnings } = end(
    udpUnicast({ addresses: { master: '127.0.0.1', slave: '127.0.0.2' }, port }),
  )
  const stranger = createSocket('udp4')
  const daemon = createSocket('udp4')
  try {
    await transport.open()
    await new Promise<void>((resolve) => stranger.bind({ address: '127.0.0.3' }, resolve))
    // A daemon sends from the peer's address and from any port.
    await new Promise<void>((resolve) => daemon.bind({ address: '127.0.0.2' }, resolve))
    for (let count = 0; count < 3; count++) stranger.send('foreign', port, '127.0.0.1')
    await until(() => warnings.length > 0)
    daemon.send('beat', port, '127.0.0.1')
    await until(() => received.length > 0)
    assert.deepEqual(received, ['beat'])
    assert.deepEqual(warnings, [{ from: '127.0.0.3', expected: '127.0.0.2' }])
  } finally {
    await transport.close()
    stranger.close()
    daemon.close()
  }
})

test('a port in use, an address that is not here: open says which', async () => {
  const port = await freePort('127.0.0.1')
  const taken = createSocket('udp4')
  await new Promise<void>((resolve) => taken.bind({ address: '127.0.0.1', port }, resolve))
  const cases: readonly [TransportPlugin, RegExp][] = [
    [udpUnicast({ peer: '127.0.0.2', localAddress: '127.0.0.1', port }), /127\.0\.0\.1:\d+.*in use.*heartbeat/],
    [
      udpUnicast({ peer: '192.0.2.2', localAddress: '192.0.2.177', port }),
      /192\.0\.2\.177.*not an address of this host/,
    ],
    [udpBroadcast({ localAddress: '192.0.2.177', port }), /192\.0\.2\.177 is not an address of this host/],
    [
      udpMulticast({ group: 'ff02::694', localAddress: 'fd00:77::1', port }),
      /fd00:77::1 is not an address of this host/,
    ],
  ]
  try {
    for (const [plugin, message] of cases) {
      const { transport, problems } = end(plugin)
      await assert.rejects(transport.open(), (error) => {
        assert.ok(isHotStandbyError(error))
        assert.equal(error.code, 'HS_TRANSPORT')
        assert.match(error.message, message)
        return true
      })
      transport.send(Buffer.from('after'))
      assert.deepEqual(problems, [])
      await transport.close()
    }
  } finally {
    taken.close()
  }
})

test('a device that is not here yet: the link opens, says so, and waits for it', async () => {
  const port = await freePort('127.0.0.1')
  const cases: readonly [TransportPlugin, RegExp][] = [
    [udpUnicast({ peer: '192.0.2.2', device: 'nosuch0', port }), /nosuch0: there is no such device.*running: .*lo/],
    [udpUnicast({ peer: '127.0.0.2', device: 'eth77', localAddress: '127.0.0.1', port }), /eth77/],
    [udpUnicast({ peer: 'fe80::2', device: 'nosuch0', port }), /no such device/],
    [udpBroadcast({ device: 'nosuch0', port }), /no such device/],
    [udpMulticast({ group: '239.0.0.43', device: 'nosuch0', port }), /no such device/],
  ]
  for (const [plugin, message] of cases) {
    const { transport, problems } = end(plugin)
    await transport.open()
    transport.send(Buffer.from('into the blue'))
    assert.equal(problems.length, 1)
    assert.match(String(problems[0]), message)
    assert.equal(transport.describe(), 'not open')
    await transport.close()
  }
})

test('a link whose open was refused can be opened when the cause is gone', async () => {
  const port = await freePort('127.0.0.1')
  const taken = createSocket('udp4')
  await new Promise<void>((resolve) => taken.bind({ address: '127.0.0.1', port }, resolve))
  const { transport } = end(udpUnicast({ addresses: { master: '127.0.0.1', slave: '127.0.0.2' }, port }))
  await assert.rejects(transport.open(), { code: 'HS_TRANSPORT' })
  await new Promise<void>((resolve) => taken.close(() => resolve()))
  await transport.open()
  assert.equal(transport.describe(), `127.0.0.1:${port} -> 127.0.0.2:${port}`)
  await transport.close()
})

test('without privilege, port 694 is refused with the three ways out', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to give it up')
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1'))
  if (first <= 694) return t.skip(`port 694 is free for everybody here (ip_unprivileged_port_start ${first})`)
  const { transport } = end(udpUnicast({ addresses: { master: '127.0.0.1', slave: '127.0.0.2' } }))
  process.seteuid?.(65_534)
  try {
    await assert.rejects(transport.open(), /ip_unprivileged_port_start.*root.*CAP_NET_BIND_SERVICE.*sysctl to 694/)
    await assert.rejects(transport.open(), { code: 'HS_TRANSPORT' })
  } finally {
    process.seteuid?.(0)
    await transport.close()
  }
})

test('a send that the kernel refuses becomes one problem a second with the cause', async () => {
  const port = await freePort('127.0.0.1')
  const { transport, problems } = end(udpUnicast({ peer: '127.255.255.255', localAddress: '127.0.0.1', port }))
  await transport.open()
  for (let count = 0; count < 5; count++) transport.send(Buffer.from('beat'))
  await until(() => problems.length > 0)
  assert.equal(problems.length, 1)
  assert.match(problems[0]?.message ?? '', /broadcast address; use udpBroadcast/)
  await transport.close()
})

describe('udp-unicast towards a peer that is surely ours', () => {
  /** An end at `port` of a link between two ports of loopback, as the engine opens it where frames are sealed. */
  async function connectedEnd(self: 'master' | 'slave', ports: Record<'master' | 'slave', number>) {
    const received: string[] = []
    const problems: Error[] = []
    const dropped: string[] = []
    const addresses = { master: `127.0.0.1:${ports.master}`, slave: `127.0.0.1:${ports.slave}` }
    const transport = udpUnicast({ addresses }).create({
      self,
      peer: self === 'master' ? 'slave' : 'master',
      logger: silentLogger,
      peerIsOurs: true,
      receive: (bytes) => received.push(String(Buffer.from(bytes))),
      dropped: (reason) => dropped.push(reason),
      problem: (error) => problems.push(error),
    })
    await transport.open()
    return { transport, received, problems, dropped }
  }

  test('hears only the port of the peer, and tells once that nobody listens there', async (t) => {
    const ports = { master: await freePort('127.0.0.1'), slave: await freePort('127.0.0.1') }
    const master = await connectedEnd('master', ports)
    t.after(() => master.transport.close())
    for (let beat = 0; beat < 20; beat++) {
      master.transport.send(Buffer.from(`lost ${beat}`))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.equal(master.problems.length, 1, String(master.problems))
    assert.match(String(master.problems[0]), /nothing listens at the peer's port/)

    // The refusal of an earlier beat is still pending here: the next one must arrive all the same.
    master.transport.send(Buffer.from('refused'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const slave = await connectedEnd('slave', ports)
    t.after(() => slave.transport.close())
    master.transport.send(Buffer.from('the first'))
    slave.transport.send(Buffer.from('back'))
    await until(() => slave.received.length > 0 && master.received.length > 0)
    assert.deepEqual([slave.received, master.received], [['the first'], ['back']])

    const stranger = createSocket('udp4')
    t.after(() => stranger.close())
    for (let count = 0; count < 50; count++) stranger.send('junk', ports.master, '127.0.0.1')
    slave.transport.send(Buffer.from('again'))
    await until(() => master.received.length > 1)
    assert.deepEqual(master.received, ['back', 'again'])
    assert.deepEqual(master.dropped, [])
  })
})
