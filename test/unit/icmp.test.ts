import assert from 'node:assert/strict'
import { test } from 'node:test'
import { icmpPing } from '../../src/arbiters/icmp-ping.ts'
import { pingGroup } from '../../src/arbiters/ping-group.ts'
import { parsePingLine } from '../../src/platform/icmp.ts'

test('replies of iputils and busybox are read, everything else is no reply', () => {
  const replies: readonly [string, number | undefined][] = [
    ['64 bytes from 192.168.2.1: icmp_seq=1 ttl=64 time=0.036 ms', 0.036],
    ['64 bytes from fe80::1%eth1: icmp_seq=12 ttl=64 time=1.2 ms', 1.2],
    ['64 bytes from 192.168.2.1: icmp_seq=1 ttl=64 time=0.04 ms (DUP!)', 0.04],
    ['64 bytes from 192.168.2.1: seq=0 ttl=64 time=12.345 ms', 12.345],
    ['64 bytes from 192.168.2.1: icmp_seq=7 ttl=64 time<1 ms', 1],
    ['8 bytes from 192.168.2.1: icmp_seq=1 ttl=64', undefined],
  ]
  for (const [line, rttMs] of replies) assert.deepEqual(parsePingLine(line), { rttMs }, line)
  for (const line of [
    '',
    'PING 192.168.2.1 (192.168.2.1) 56(84) bytes of data.',
    'no answer yet for icmp_seq=3',
    'From 192.168.2.105 icmp_seq=1 Destination Host Unreachable',
    'From 192.168.2.105: icmp_seq=2 Redirect Host(New nexthop: 192.168.2.2)',
    '64 bytes from 192.168.2.9: icmp_seq=1 ttl=64 time=0.04 ms (DIFFERENT ADDRESS!)',
    '64 bytes from 192.168.2.1: icmp_seq=',
    '3 packets transmitted, 3 received, 0% packet loss, time 2003ms',
    'rtt min/avg/max/mdev = 0.036/0.040/0.045/0.003 ms',
  ]) {
    assert.equal(parsePingLine(line), undefined, line)
  }
})

test('icmpPing keeps what it is told', () => {
  const { create, ...plain } = icmpPing('192.168.2.1')
  assert.equal(typeof create, 'function')
  assert.deepEqual(plain, {
    kind: 'arbiter',
    type: 'icmp-ping',
    target: '192.168.2.1',
    addresses: ['192.168.2.1'],
    deadpingMs: undefined,
    settings: { device: undefined },
  })
  const named = icmpPing('FD00:0::1', { name: 'gateway', deadping: '1.5s' })
  assert.deepEqual([named.target, named.addresses, named.deadpingMs], ['gateway', ['fd00::1'], 1500])
})

test('addresses that nobody can ping are refused with the reason', () => {
  for (const [address, message] of [
    ['gateway', /address: 'gateway' is not an IP address.*not looked up/],
    ['', /address: '' is not an IP address/],
    ['-f', /address: '-f' is not an IP address/],
    ['239.0.0.1', /no single host/],
    ['0.0.0.0', /no single host/],
    ['fe80::1', /link-local.*write 'fe80::1%eth0'/],
  ] as const) {
    assert.throws(() => icmpPing(address), { code: 'HS_CONFIG', message })
  }
  assert.deepEqual(icmpPing('fe80::1', { device: 'eth1' }).addresses, ['fe80::1%eth1'])
  assert.throws(() => icmpPing('10.0.0.1', { deadping: '5' as '5s' }), { code: 'HS_CONFIG', message: /deadping.*'5s'/ })
  assert.throws(() => icmpPing('10.0.0.1', { device: '-f' }), { code: 'HS_CONFIG', message: /device.*network device/ })
})

test('pingGroup has one target and each address once', () => {
  const group = pingGroup('uplink', ['10.0.0.1', '10.0.0.2', '10.0.0.1'], { deadping: '5s' })
  assert.deepEqual([group.target, group.addresses, group.deadpingMs], ['uplink', ['10.0.0.1', '10.0.0.2'], 5000])
  assert.throws(() => pingGroup('uplink', []), { code: 'HS_CONFIG', message: /'uplink' has no addresses/ })
  assert.throws(() => pingGroup('uplink', ['10.0.0.1', 'x']), { code: 'HS_CONFIG', message: /addresses\.1: 'x'/ })
})
