import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isNetwork, parseIpAddress } from '../../src/platform/ip-address.ts'
import { monitoredDestination } from '../../src/platform/ip-monitor.ts'
import { isShown, routeWords } from '../../src/platform/route-manager.ts'
import { type RouteOptions, route } from '../../src/resources/route.ts'
import type { HotStandbyError } from '../../src/roles/error.ts'

describe('route()', () => {
  it('is named after its destination, metric and table', () => {
    const names: readonly (readonly [destination: string, options: RouteOptions, name: string])[] = [
      ['default', { via: '192.0.2.1' }, 'route:0.0.0.0/0'],
      ['default', { via: 'fe80::1', device: 'eth0' }, 'route:::/0'],
      ['10.1.0.0/16', { device: 'eth0', metric: 5 }, 'route:10.1.0.0/16 metric 5'],
      ['2001:DB8:1::/48', { via: '2001:db8::1', table: 7 }, 'route:2001:db8:1::/48 table 7'],
      ['10.1.2.3', { device: 'eth0' }, 'route:10.1.2.3/32'],
    ]
    for (const [destination, options, name] of names) assert.equal(route(destination, options).name, name)
  })

  it('lists every mistake', () => {
    const wrong = (): unknown => route('10.1.2.3/16', { metric: -1, table: 1.5, device: '-x', source: '10.0.0.1/24' })
    assert.throws(wrong, (error: HotStandbyError) => {
      assert.equal(error.code, 'HS_CONFIG')
      assert.deepEqual(
        error.issues.map(({ where }) => where),
        ['route.source', 'route.device', 'route.metric', 'route.table', 'route.destination'],
      )
      return true
    })
  })

  const refused: readonly (readonly [what: string, destination: string, options: RouteOptions, says: RegExp])[] = [
    ['neither gateway nor device', 'default', {}, /needs a gateway or a device/],
    ['two families', '10.1.0.0/16', { via: 'fd00::1' }, /different families/],
    ['a link-local gateway without its device', 'default', { via: 'fe80::1' }, /link-local; name the device/],
    ['words of ip', 'default via 10.0.0.1', { device: 'eth0' }, /not an IP address.*or 'default'/],
    ['a gateway that is a network', 'default', { via: '10.0.0.1/24' }, /has a prefix length/],
  ]
  for (const [what, destination, options, says] of refused)
    it(`refuses ${what}`, () => assert.throws(() => route(destination, options), says))

  it('tells a network from an address in one', () => {
    const cases: readonly (readonly [text: string, is: boolean])[] = [
      ['10.1.0.0/16', true],
      ['10.1.0.1/16', false],
      ['10.1.0.1', true],
      ['128.0.0.0/1', true],
      ['2001:db8::/32', true],
      ['2001:db8::1/127', false],
      ['2001:db8:0:8000::/49', true],
      ['2001:db8:0:8000::/48', false],
      ['::ffff:10.1.0.0/112', true],
      ['::ffff:10.1.0.1/112', false],
    ]
    for (const [text, is] of cases) {
      const read = parseIpAddress(text)
      assert.ok(typeof read !== 'string', text)
      assert.equal(isNetwork(read), is, text)
    }
  })
})

describe('what ip says of a route', () => {
  it('names the destination of each change', () => {
    const lines: readonly (readonly [line: string, destination: string | undefined])[] = [
      ['default via 192.0.2.1 dev eth0 ', 'default'],
      ['Deleted default via fe80::1 dev eth0 metric 1024 pref medium', 'default'],
      ['10.1.0.0/16 via 10.0.0.2 dev eth1 table 77 ', '10.1.0.0/16'],
      ['Deleted local 10.1.0.1 dev eth0 table local proto kernel scope host src 10.1.0.1 ', '10.1.0.1'],
      ['unreachable 2001:db8::/32 dev lo metric 1024 error -113 pref medium', '2001:db8::/32'],
      ['2001:db8::1 dev eth0 metric 1024 pref medium', '2001:db8::1'],
      ['\tnexthop via 10.0.0.2 dev eth0 weight 1 ', undefined],
    ]
    for (const [line, destination] of lines) assert.equal(monitoredDestination(line), destination, line)
  })

  const wanted = {
    destination: '0.0.0.0/0',
    family: 4,
    via: '10.0.0.2',
    device: 'eth0',
    metric: 5,
    source: '10.0.0.9',
  } as const
  const shown = { dst: 'default', gateway: '10.0.0.2', dev: 'eth0', metric: 5, prefsrc: '10.0.0.9', flags: [] }

  it('is that route only when everything that was asked for is so', () => {
    assert.equal(routeWords(wanted), '0.0.0.0/0 via 10.0.0.2 dev eth0 metric 5 src 10.0.0.9')
    assert.equal(isShown(wanted, [shown]), true)
    for (const change of [
      { gateway: '10.0.0.3' },
      { dev: 'eth1' },
      { metric: 6 },
      { prefsrc: '10.0.0.1' },
      { table: '7' },
    ])
      assert.equal(isShown(wanted, [{ ...shown, ...change }]), false, JSON.stringify(change))
    assert.equal(isShown({ ...wanted, table: 7 }, [{ ...shown, table: '7' }]), true)
    assert.equal(isShown({ ...wanted, table: 254 }, [shown]), true)
    assert.equal(isShown({ destination: '::/0', family: 6, device: 'eth0' }, [{ dev: 'eth0', metric: 1024 }]), true)
  })
})
