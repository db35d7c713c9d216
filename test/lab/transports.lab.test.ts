import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { lacking, TwoHosts } from './netns.ts'
import { TimelineWriter } from './told.ts'
import { waitFor } from './wait-for.ts'

const skip = lacking('nft') ?? false

/** An end of a link on a host. */
class End extends TimelineWriter {
  constructor(hosts: TwoHosts, name: 'a' | 'b', type: string, options: object) {
    super(hosts, name, './transport-end.ts', type, JSON.stringify(options), name)
  }
}

async function heardBothWays(a: End, b: End): Promise<void> {
  a.forget()
  b.forget()
  await Promise.all([a.tells('received', /beat of b/), b.tells('received', /beat of a/)])
}

const port = 694
const kinds: readonly { name: string; type: string; optionsOf: (end: 'a' | 'b', hosts: TwoHosts) => object }[] = [
  {
    name: 'unicast, peer and device',
    type: 'unicast',
    optionsOf: (end) => ({ peer: end === 'a' ? '10.99.1.2' : '10.99.1.1', device: 'eth1', port }),
  },
  {
    name: 'unicast, IPv6 link-local',
    type: 'unicast',
    optionsOf: (_end, hosts) => ({ addresses: { a: linkLocal(hosts, 'a'), b: linkLocal(hosts, 'b') }, device: 'eth1' }),
  },
  { name: 'broadcast', type: 'broadcast', optionsOf: () => ({ device: 'eth1' }) },
  {
    name: 'multicast, IPv4',
    type: 'multicast',
    optionsOf: () => ({ group: '239.0.0.43', device: 'eth1', loop: true }),
  },
  { name: 'multicast, IPv6', type: 'multicast', optionsOf: () => ({ group: 'ff02::694', device: 'eth1', loop: true }) },
]

function linkLocal(hosts: TwoHosts, end: string): string {
  return /inet6 (fe80[^/]+)/.exec(hosts.run(end, 'ip', 'addr', 'show', 'eth1'))?.[1] ?? ''
}

/** The kernel checks link-local addresses for duplicates before they can be used. */
function addressesReady(hosts: TwoHosts): Promise<unknown> {
  const ready = (end: string) => linkLocal(hosts, end) !== '' && !hosts.run(end, 'ip', 'addr').includes('tentative')
  return waitFor(() => ready('a') && ready('b'), { what: 'link-local addresses' })
}

for (const { name, type, optionsOf } of kinds) {
  test(`${name}: hears the peer, not itself, and heals after the device was down`, { skip }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    await using a = new End(hosts, 'a', type, optionsOf('a', hosts))
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await heardBothWays(a, b)
    assert.equal(a.told('received', /beat of a/), false, 'own frames came back')
    assert.equal(a.told('problem'), false)

    hosts.ip('a', 'link', 'set', 'eth1', 'down')
    await a.tells('problem', /cannot send|device eth1/)
    a.forget()
    b.forget()
    hosts.ip('a', 'link', 'set', 'eth1', 'up')
    await heardBothWays(a, b)
  })
}

for (const { name, type, optionsOf } of kinds.filter((kind) => !kind.name.includes('link-local'))) {
  test(`${name}: heals after the device was taken away and made anew, and says both`, { skip }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    await using a = new End(hosts, 'a', type, optionsOf('a', hosts))
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    hosts.unplug('a', 1)
    await a.tells('problem', /eth1: there is no such device/)
    assert.equal(a.told('moved'), false)
    hosts.plug('a', 1)
    await a.tells('moved', / -> .*, before not open$/)
    await heardBothWays(a, b)
  })

  test(`${name}: is told of and goes on when the device's addresses are removed and come back`, { skip }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    const v6 = name.includes('IPv6')
    const own = v6 ? `${linkLocal(hosts, 'a')}/64` : '10.99.1.1/24'
    await using a = new End(hosts, 'a', type, optionsOf('a', hosts))
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await heardBothWays(a, b)
    hosts.ip('a', 'addr', 'del', own, 'dev', 'eth1')
    await a.tells('problem')
    b.forget()
    hosts.ip('a', 'addr', 'add', own, ...(v6 ? ['scope', 'link', 'nodad'] : []), 'dev', 'eth1')
    await heardBothWays(a, b)
  })

  test(`${name}: starts without the device, says so, and works when it appears`, { skip }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    hosts.unplug('a', 1)
    await using a = new End(hosts, 'a', type, optionsOf('a', hosts))
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await a.tells('problem', /eth1: there is no such device/)
    hosts.plug('a', 1)
    await a.tells('moved', / -> .*, before not open$/)
    await heardBothWays(a, b)
  })

  test(`${name}: starts without carrier, says so, and works when it comes`, { skip }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    hosts.ip('switch', 'link', 'set', 'a1', 'down')
    await using a = new End(hosts, 'a', type, optionsOf('a', hosts))
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await a.tells('problem', /eth1: it has no carrier/)
    hosts.ip('switch', 'link', 'set', 'a1', 'up')
    await heardBothWays(a, b)
  })
}

test('two multicast links in one group do not vouch for each other', { skip }, async () => {
  using hosts = new TwoHosts([1, 2])
  const on = (device: string) => ({ group: '239.0.0.43', device })
  await using first = new End(hosts, 'a', 'multicast', on('eth1'))
  await using second = new End(hosts, 'a', 'multicast', on('eth2'))
  await using peer = new End(hosts, 'b', 'multicast', on('eth1'))
  await Promise.all([first.tells('opened'), second.tells('opened'), peer.tells('opened')])
  await first.tells('received', /beat of b/)
  assert.equal(second.told('received'), false, 'the link on eth2 heard what came by eth1')
  assert.equal(second.told('dropped'), false, 'it told of it as of a stranger')
})

test('a link on one network does not send through another when its own is down', { skip }, async () => {
  using hosts = new TwoHosts([1, 2])
  // The switch is a router between both networks: with eth1 of `a` down, its beats could reach `b` through eth2.
  hosts.ip('switch', 'addr', 'add', '10.99.1.254/24', 'dev', 'br1')
  hosts.ip('switch', 'addr', 'add', '10.99.2.254/24', 'dev', 'br2')
  hosts.run('switch', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1')
  for (const end of ['a', 'b']) hosts.ip(end, 'route', 'add', 'default', 'via', '10.99.2.254')
  await using a = new End(hosts, 'a', 'unicast', { peer: '10.99.1.2', device: 'eth1', port })
  await using b = new End(hosts, 'b', 'unicast', { peer: '10.99.1.1', device: 'eth1', port })
  await Promise.all([a.tells('opened'), b.tells('opened')])
  await heardBothWays(a, b)
  hosts.ip('a', 'link', 'set', 'eth1', 'down')
  // What was on its way has arrived when a few more beats were sent.
  await new Promise((resolve) => setTimeout(resolve, 300))
  b.forget()
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal(b.told('received'), false, 'the beats took the way through the other network')
})

test("this host's own firewall is named as the cause", { skip }, async () => {
  using hosts = new TwoHosts()
  await using a = new End(hosts, 'a', 'unicast', { peer: '10.99.1.2', device: 'eth1', port })
  await a.tells('opened')
  const rules = 'table inet cut { chain out { type filter hook output priority 0; udp dport 694 drop; }; }'
  hosts.run('a', 'nft', rules)
  await a.tells('problem', /firewall/)
})

test("a container with a network of its own and its host's /sys has its devices", { skip }, () => {
  using hosts = new TwoHosts([7])
  const look = `import { deviceState } from '${new URL('../../src/platform/interfaces.ts', import.meta.url)}'
    console.log(deviceState('eth7'), deviceState('eth8'))`
  const enter = [`--net=/run/netns/${hosts.namespace('a')}`, process.execPath, '--import', 'tsx']
  const said = execFileSync('nsenter', [...enter, '--input-type=module', '-e', look], { encoding: 'utf8' })
  assert.equal(said.trim(), 'running missing')
})

test('an address on another device than the one named is refused', { skip }, async () => {
  using hosts = new TwoHosts([1, 2])
  const addresses = { a: '10.99.1.1', b: '10.99.1.2' }
  await using a = new End(hosts, 'a', 'unicast', { addresses, device: 'eth2' })
  await a.tells('refused', /10\.99\.1\.1 is on device eth1, not on eth2/)
})

// Multicast over IPv6 sends from the link-local address, and that one does not float.
const drawsAddress = kinds.filter(({ name, type }) => type !== 'unicast' && !name.includes('IPv6'))
for (const { name, type, optionsOf } of drawsAddress) {
  test(`${name}: a floating address that stands first is not used, also after the device's addresses were made anew`, {
    skip,
  }, async () => {
    using hosts = new TwoHosts()
    await addressesReady(hosts)
    const floating = '10.99.1.77'
    await using a = new End(hosts, 'a', type, { ...optionsOf('a', hosts), floating: [floating] })
    await using b = new End(hosts, 'b', type, optionsOf('b', hosts))
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await heardBothWays(a, b)
    hosts.ip('a', 'addr', 'flush', 'dev', 'eth1', 'scope', 'global')
    hosts.ip('a', 'addr', 'add', `${floating}/24`, 'brd', '+', 'dev', 'eth1')
    hosts.ip('a', 'addr', 'add', '10.99.1.21/24', 'brd', '+', 'dev', 'eth1')
    await a.tells('moved', /^10\.99\.1\.21:/)
    await heardBothWays(a, b)
  })
}

test('broadcast: heals when the netmask changes at both ends', { skip }, async () => {
  using hosts = new TwoHosts()
  await using a = new End(hosts, 'a', 'broadcast', { device: 'eth1' })
  await using b = new End(hosts, 'b', 'broadcast', { device: 'eth1' })
  await Promise.all([a.tells('opened'), b.tells('opened')])
  await heardBothWays(a, b)
  for (const [host, number] of [
    ['a', 1],
    ['b', 2],
  ] as const) {
    hosts.ip(host, 'addr', 'add', `10.99.1.${number}/20`, 'brd', '+', 'dev', 'eth1')
    hosts.ip(host, 'addr', 'del', `10.99.1.${number}/24`, 'dev', 'eth1')
  }
  await Promise.all([a.tells('moved', /10\.99\.15\.255/), b.tells('moved', /10\.99\.15\.255/)])
  await heardBothWays(a, b)
})

test('multicast: the ends are numbered in different networks', { skip }, async () => {
  using hosts = new TwoHosts()
  hosts.ip('b', 'addr', 'flush', 'dev', 'eth1', 'scope', 'global')
  hosts.ip('b', 'addr', 'add', '172.20.3.9/28', 'dev', 'eth1')
  await using a = new End(hosts, 'a', 'multicast', { group: '239.0.0.43', device: 'eth1' })
  await using b = new End(hosts, 'b', 'multicast', { group: '239.0.0.43', device: 'eth1' })
  await Promise.all([a.tells('opened'), b.tells('opened')])
  await heardBothWays(a, b)
})

for (const { type, address, options } of [
  { type: 'broadcast', address: '10.99.1.255', options: { device: 'eth1' } },
  { type: 'multicast', address: '239.0.0.43', options: { group: '239.0.0.43', device: 'eth1' } },
]) {
  test(`${type}: a flood that fills the queue of a process that does not read does not cost a beat`, {
    skip,
  }, async () => {
    using hosts = new TwoHosts()
    hosts.ip('switch', 'addr', 'add', '10.99.1.254/24', 'brd', '+', 'dev', 'br1')
    await using a = new End(hosts, 'a', type, options)
    await using b = new End(hosts, 'b', type, options)
    await Promise.all([a.tells('opened'), b.tells('opened')])
    await heardBothWays(a, b)
    // The queue holds some 2,800 small datagrams where the kernel grants what is asked for, and some 270 where it does not.
    process.kill(a.pid, 'SIGSTOP')
    try {
      b.forget()
      await using flooder = new TimelineWriter(
        hosts,
        'switch',
        './flooder.ts',
        address,
        String(port),
        '12000',
        '10.99.1.254',
      )
      await flooder.tells('sent')
    } finally {
      process.kill(a.pid, 'SIGCONT')
    }
    const last = numbersOf(a).at(-1) ?? 0
    await waitFor(() => (numbersOf(a).at(-1) ?? 0) > last + 20, { what: 'beats after the flood', withinMs: 15_000 })
    const heard = new Set(numbersOf(a))
    const [first = 0, newest = 0] = [Math.min(...heard), Math.max(...heard)]
    const missing = Array.from({ length: newest - first }, (_, index) => first + index).filter((n) => !heard.has(n))
    assert.deepEqual(missing, [], `of the beats ${first} to ${newest}; ${hosts.run('a', 'cat', '/proc/net/udp')}`)
    assert.ok(newest - first > 20, 'the flood was over before a few beats were sent')
  })
}

test('broadcast: a peer that starts anew, and sends from another port, is heard at once', { skip }, async () => {
  using hosts = new TwoHosts()
  await using a = new End(hosts, 'a', 'broadcast', { device: 'eth1' })
  await a.tells('opened')
  for (let run = 0; run < 4; run++) {
    await using b = new End(hosts, 'b', 'broadcast', { device: 'eth1' })
    await b.tells('opened')
    a.forget()
    await a.tells('received', /beat of b/)
    const numbers = numbersOf(a)
    assert.equal(new Set(numbers).size, numbers.length, 'a beat was handed on twice')
  }
})

function numbersOf(end: End): readonly number[] {
  return end
    .texts('received')
    .flatMap((text) => /beat of b (\d+)/.exec(text)?.[1] ?? [])
    .map(Number)
}
