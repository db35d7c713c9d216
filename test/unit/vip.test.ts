import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { findDevice, type NetworkDevice, placed, readDevices } from '../../src/platform/address.ts'
import { answersOf } from '../../src/platform/announce.ts'
import { hostForm, type IpAddress, inSubnet, parseIpAddress, writtenForm } from '../../src/platform/ip-address.ts'
import { monitoredDevice } from '../../src/platform/ip-monitor.ts'
import { macvlanOf } from '../../src/platform/macvlan.ts'
import { bestDevice, readIpv4Routes, readIpv6Routes } from '../../src/platform/route.ts'
import { shared } from '../../src/platform/shared.ts'
import { parseIpaddr } from '../../src/resources/ipaddr.ts'
import { createVipAgent, type VipHost, vip } from '../../src/resources/vip.ts'
import { HotStandbyError } from '../../src/roles/error.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { ResourceAgent, ResourceContext } from '../../src/roles/resource-agent.ts'

function ipOf(text: string): IpAddress {
  const parsed = parseIpAddress(text)
  assert.ok(typeof parsed !== 'string', String(parsed))
  return parsed
}

describe("Heartbeat's forms of an address", () => {
  const good: [text: string, address: string, prefix?: number, device?: string | undefined, broadcast?: string][] = [
    ['192.168.1.106', '192.168.1.106'],
    ['192.168.1.106/24', '192.168.1.106', 24],
    ['192.168.1.106/24/eth0', '192.168.1.106', 24, 'eth0'],
    ['192.168.1.106/24/eth0:1', '192.168.1.106', 24, 'eth0:1'],
    ['192.168.1.106/24/eth0/192.168.1.255', '192.168.1.106', 24, 'eth0', '192.168.1.255'],
    ['192.168.1.106/24/192.168.1.255', '192.168.1.106', 24, undefined, '192.168.1.255'],
    ['2001:DB8::0100/64/eth0', '2001:db8::100', 64, 'eth0'],
  ]
  for (const [text, address, prefix, device, broadcast] of good) {
    it(`reads ${text}`, () => {
      const read = parseIpaddr(text)
      assert.ok(typeof read !== 'string')
      assert.deepEqual([read.address, read.prefix, read.device, read.broadcast], [address, prefix, device, broadcast])
    })
  }

  const bad: [text: string, says: RegExp][] = [
    ['', /not an IP address/],
    ['192.168.1', /'192.168.1' is not an IP address; write/],
    ['192.168.1.256/24', /not an IP address/],
    ['fe80::1%eth0/64', /not an IP address/],
    ['192.168.1.1/33', /from 1 to 32/],
    ['192.168.1.1/0', /from 1 to 32/],
    ['2001:db8::1/129', /from 1 to 128/],
    ['192.168.1.1//eth0', /prefix/],
    ['192.168.1.1/24/-eth0', /not a valid name for a network device/],
    ['192.168.1.1/24/..', /not a valid name for a network device/],
    ['192.168.1.1/24/eth0 dev lo', /not a valid name for a network device/],
    [`192.168.1.1/24/${'e'.repeat(128)}`, /at most 127/],
    ['192.168.1.1/24/eth0/eth1', /no IPv4 broadcast/],
    ['192.168.1.1/24/eth0/192.168.1.255/x', /too many parts/],
  ]
  for (const [text, says] of bad) {
    it(`refuses ${text || 'nothing'}`, () => assert.match(String(parseIpaddr(text)), says))
  }

  it('never throws, and lets no blank, semicolon or newline through', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (left, right) => {
        for (const text of [left, `10.0.0.1/24/${left}`, `10.0.0.1/${left}/${right}`, `${left}/24`]) {
          const read = parseIpaddr(text)
          if (typeof read === 'string') continue
          assert.doesNotMatch(`${read.address}${read.prefix}${read.device}${read.broadcast}`, /[\s;]/)
        }
      }),
    )
  })
})

describe('subnets and forms', () => {
  it('knows what lies in a network', () => {
    assert.ok(inSubnet(ipOf('192.168.1.100'), '192.168.1.5', 24))
    assert.ok(!inSubnet(ipOf('192.168.2.100'), '192.168.1.5', 24))
    assert.ok(inSubnet(ipOf('2001:db8::100'), '2001:db8::5', 64))
    assert.ok(!inSubnet(ipOf('192.168.1.100'), '::', 1))
  })
  it('goes as written, but as one host where the device lies in that network by an address that stays', () => {
    const on = (forms: string[], written: string, floats: string[] = []): string =>
      writtenForm(placed(ipOf(written), device('eth0', forms), (address) => floats.includes(address)))
    assert.equal(on([], '10.9.0.100/24'), '10.9.0.100/24')
    assert.equal(on([], '10.9.0.100'), '10.9.0.100/32')
    assert.equal(on(['10.9.0.5/24'], '10.9.0.100/24'), '10.9.0.100/32')
    assert.equal(on(['10.9.0.5/16'], '10.9.1.100/24'), '10.9.1.100/32', 'reached through the larger network')
    assert.equal(on(['10.9.0.5/25'], '10.9.0.100/24'), '10.9.0.100/24', 'the other half is not')
    assert.equal(on(['10.9.0.5/32'], '10.9.0.100/24'), '10.9.0.100/24')
    assert.equal(on(['10.9.0.100/24'], '10.9.0.100/24', ['10.9.0.100']), '10.9.0.100/24', 'itself')
    assert.equal(on(['10.9.0.101/24'], '10.9.0.100/24', ['10.9.0.101']), '10.9.0.100/24', 'another that floats')
    assert.equal(on(['fe80::1/64'], 'fd00::9/64'), 'fd00::9/64')
    assert.equal(on(['fd00::1/64', '10.9.0.5/24'], 'fd00::9/64'), 'fd00::9/128')
  })

  it('adds hosts, not networks', () => {
    assert.equal(hostForm(ipOf('192.168.1.100/24')), '192.168.1.100/32')
    assert.equal(hostForm(ipOf('2001:DB8:0::100/64')), '2001:db8::100/128')
  })
})

describe('vip()', () => {
  it('is named after its addresses', () => {
    const plugin = vip(['192.168.1.100/24', '2001:DB8::100/64'], { device: 'eth0' })
    assert.equal(plugin.name, 'vip:192.168.1.100/24,2001:db8::100/64')
    assert.deepEqual(plugin.addresses, ['192.168.1.100', '2001:db8::100'])
    assert.equal(plugin.device, 'eth0')
    assert.equal(vip('192.168.1.106/24/eth1').device, 'eth1')
    assert.equal(vip('192.168.1.106/24/eth1:0').device, 'eth1')
  })

  it('lists every mistake', () => {
    const wrong = (): unknown =>
      vip(['300.1.1.1', '224.0.0.1', '127.0.0.1', '0.0.0.0', '10.0.0.1', '10.0.0.1/8'], {
        device: '-eth0',
        label: 'web',
        announce: 'loudly' as 'auto',
      })
    assert.throws(wrong, (error: HotStandbyError) => {
      assert.equal(error.code, 'HS_CONFIG')
      assert.deepEqual(
        error.issues.map(({ where }) => where),
        ['vip', 'vip', 'vip', 'vip', 'vip', 'vip.device', 'vip.label', 'vip.announce'],
      )
      return true
    })
  })

  const refused: [what: string, make: () => unknown, says: RegExp][] = [
    ['no address', () => vip([]), /no address/],
    ['something else', () => vip([42 as unknown as string]), /42 is not a string/],
    [
      'a bare number as time',
      () => vip('10.0.0.1', { startTimeout: 5 as unknown as '5s' }),
      /startTimeout.*'5s' or '5ms'/,
    ],
    ['two devices', () => vip('10.0.0.1/24/eth0', { device: 'eth1' }), /eth1, eth0/],
    ['a long label', () => vip('10.0.0.1', { device: 'eth0', label: 'eth0:0123456789a' }), /at most 15/],
    ['a label without a device', () => vip('10.0.0.1', { label: 'eth0:a' }), /is not a valid label/],
    ['a label beside a macvlan', () => vip('10.0.0.1/24/eth0:1', { macvlan: true }), /leave the label 'eth0:1' out/],
    ['something else than a boolean', () => vip('10.0.0.1', { macvlan: 'yes' as never }), /must be true or false/],
    ['arping for IPv6', () => vip('fd00::1', { announce: 'arping' }), /IPv4 addresses only/],
  ]
  for (const [what, make, says] of refused) it(`refuses ${what}`, () => assert.throws(make, says))
})

describe('what arping says', () => {
  const asked = ['10.0.0.100', '10.0.0.101', 'fd77::100', 'fd77::101', 'fd77::102'].map((address) => ({ address }))

  it('is read as who answers for what', () => {
    const text = `ARPING 10.0.0.100 from 0.0.0.0 eth0
Unicast reply from 10.0.0.100 [02:37:A3:17:29:ED]  0.540ms
Unicast reply from 10.0.0.100 [F2:C5:43:5E:75:57]  0.554ms
Unicast reply from 10.0.0.101 [F2:C5:43:5E:75:57]  0.554ms
Unicast reply from 10.0.0.100 [02:37:A3:17:29:ED]  0.540ms
Sent 1 probes (1 broadcast(s))
Received 2 response(s)
arping: invalid option`
    assert.deepEqual(Object.fromEntries(answersOf(text, asked)), {
      '10.0.0.100': ['02:37:a3:17:29:ed', 'f2:c5:43:5e:75:57'],
      '10.0.0.101': ['f2:c5:43:5e:75:57'],
    })
  })

  it('is read beside what ip monitor says of IPv6 neighbours', () => {
    const text = `fd77::100 lladdr 02:37:a3:17:29:ed REACHABLE
fd77::100 dev eth0 lladdr f2:c5:43:5e:75:57 router REACHABLE
fd77::101 FAILED
fe80::1 lladdr f2:c5:43:5e:75:57 STALE
Deleted fd77::102 dev eth0 lladdr f2:c5:43:5e:75:57 STALE
RTNETLINK answers: No such file or directory`
    assert.deepEqual(Object.fromEntries(answersOf(text, asked)), {
      'fd77::100': ['02:37:a3:17:29:ed', 'f2:c5:43:5e:75:57'],
    })
  })
})

describe('what ip says', () => {
  it('is read as devices', () => {
    const [lo, eth0, tun] = readDevices([
      { ifname: 'lo', flags: ['LOOPBACK', 'UP', 'LOWER_UP'], link_type: 'loopback', address: '00:00:00:00:00:00' },
      {
        ifname: 'eth0',
        flags: ['NO-CARRIER', 'BROADCAST', 'UP'],
        link_type: 'ether',
        address: '16:9e:4a:14:52:9e',
        addr_info: [
          { family: 'inet', local: '10.0.0.1', prefixlen: 24 },
          { family: 'inet6', local: 'fd00::9', prefixlen: 128, tentative: true, dadfailed: true },
          {},
        ],
      },
      { ifname: 'tun0', flags: [], link_type: 'none' },
      {},
    ])
    assert.deepEqual([lo?.loopback, lo?.mac, lo?.carrier], [true, undefined, true])
    assert.deepEqual([eth0?.up, eth0?.carrier, eth0?.mac], [true, false, '16:9e:4a:14:52:9e'])
    assert.deepEqual(eth0?.addresses, [
      { address: '10.0.0.1', prefix: 24, family: 4, usable: true },
      { address: 'fd00::9', prefix: 128, family: 6, usable: false },
    ])
    assert.deepEqual([tun?.up, tun?.mac], [false, undefined])
  })

  it('finds a device by another name of it', () => {
    const devices = readDevices([{ ifname: 'eth0', altnames: ['enp1s0', 'enx1'] }, { ifname: 'enx1' }])
    assert.equal(findDevice(devices, 'enp1s0').name, 'eth0')
    assert.equal(findDevice(devices, 'enx1').name, 'enx1', 'a name of its own comes first')
  })

  it('is asked for routes as the kernel shows them', () => {
    const v4 = readIpv4Routes(`Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0901010A\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth2\t00000000\t0901010A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth1\t0001010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
*\t0002010A\t00000000\t0200\t0\t0\t0\t00FFFFFF\t0\t0\t0
`)
    assert.equal(bestDevice(v4, ipOf('10.1.1.200')), 'eth1')
    assert.equal(bestDevice(v4, ipOf('198.51.100.1')), 'eth2')
    assert.equal(bestDevice(v4, ipOf('10.1.2.1')), 'eth2')
    const none = '0'.repeat(32)
    const v6 =
      readIpv6Routes(`20010db8000000000000000000000000 40 ${none} 00 ${none} 00000100 00000001 00000000 00000001     eth1
${none} 00 ${none} 00 ${none} 00000400 00000001 00000000 00000003     eth0
${none} 00 ${none} 00 ${none} ffffffff 00000001 00000000 00200200       lo
`)
    assert.equal(bestDevice(v6, ipOf('2001:db8::5')), 'eth1')
    assert.equal(bestDevice(v6, ipOf('2001:db9::5')), 'eth0')
    assert.equal(bestDevice([], ipOf('10.0.0.1')), undefined)
  })

  it('is asked for the longest prefix first and the metric then, and not for routes that reject', () => {
    const row = (device: string, network: string, flags: string, metric: number, mask: string) =>
      [device, network, '00000000', flags, '0', '0', metric, mask, '0', '0', '0'].join('\t')
    const wide = row('eth0', '0000010A', '0001', 0, '0000FFFF')
    const narrow = row('eth1', '0001010A', '0001', 100, '00FFFFFF')
    const dearer = row('eth2', '0001010A', '0001', 300, '00FFFFFF')
    const rejecting = row('lo', '0901010A', '0201', 0, 'FFFFFFFF')
    const table = readIpv4Routes([wide, dearer, narrow, rejecting].join('\n'))
    assert.equal(bestDevice(table, ipOf('10.1.1.9')), 'eth1')
    assert.equal(bestDevice(table, ipOf('10.1.2.9')), 'eth0')
    const none = '0'.repeat(32)
    const row6 = (device: string, metric: string) =>
      `20010db8${'0'.repeat(24)} 40 ${none} 00 ${none} ${metric} 00000001 00000000 00000001 ${device}`
    const table6 = readIpv6Routes(
      [row6('eth0', '0000000a'), row6('eth1', '00000009'), row6('eth2', '00000010')].join('\n'),
    )
    assert.deepEqual(
      table6.map(({ metric }) => metric),
      [10, 9, 16],
    )
    assert.equal(bestDevice(table6, ipOf('2001:db8::5')), 'eth1')
  })

  it('names the device of each change', () => {
    const lines: [line: string, device: string | undefined][] = [
      ['2: eth0    inet 10.0.0.9/32 scope global eth0\\       valid_lft forever preferred_lft forever', 'eth0'],
      ['Deleted 2: eth0    inet6 fd00::9/128 scope global deprecated', 'eth0'],
      ['5: eth0@if4: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN', 'eth0'],
      ['3: eth0.100@eth0: <BROADCAST,UP,LOWER_UP> mtu 1500', 'eth0.100'],
      ['[LINK]Deleted 7: br-lan: <BROADCAST> mtu 1500', 'br-lan'],
      ['    link/ether 16:9e:4a:14:52:9e', undefined],
    ]
    for (const [line, device] of lines) assert.equal(monitoredDevice(line), device)
  })
})

describe('shared', () => {
  it('opens once, closes with the last user, and again for the next', async () => {
    const log: string[] = []
    const acquire = shared(() => ({
      open: async () => void log.push('open'),
      close: async () => void log.push('close'),
    }))
    const [first, second] = await Promise.all([acquire(), acquire()])
    assert.equal(first.value, second.value)
    await first.release()
    await first.release()
    assert.deepEqual(log, ['open'])
    await second.release()
    assert.deepEqual(log, ['open', 'close'])
    await (await acquire()).release()
    assert.deepEqual(log, ['open', 'close', 'open', 'close'])
  })

  it('keeps no failure', async () => {
    let fails = true
    const acquire = shared(() => ({
      open: async () => {
        if (fails) throw new Error('not now')
      },
      close: async () => {},
    }))
    await assert.rejects(acquire(), /not now/)
    fails = false
    await (await acquire()).release()
  })
})

/** A host in memory: devices, what is held, and what was done. */
class MemoryHost {
  devices: NetworkDevice[] = [
    device('lo', ['127.0.0.1/8'], { loopback: true }),
    device('eth0', ['10.0.0.1/24']),
    device('eth1', ['10.1.0.1/16', '10.1.2.3/24']),
  ]
  readonly held = new Map<string, string>()
  routes: Record<string, string> = {}
  readonly done: string[] = []
  announceFails = false
  answers: Record<string, string[]> | undefined = undefined
  changed = (): void => {}

  set(name: string, changes: Partial<NetworkDevice>): void {
    this.devices = this.devices.map((entry) => (entry.name === name ? { ...entry, ...changes } : entry))
  }

  give(name: string, ...forms: string[]): void {
    this.set(name, { addresses: [...findDevice(this.devices, name).addresses, ...device('', forms).addresses] })
  }

  take(address: string): void {
    for (const { name, addresses } of this.devices) {
      this.set(name, { addresses: addresses.filter((entry) => entry.address !== address) })
    }
  }

  readonly host: VipHost = {
    addresses: {
      open: async () => {},
      close: async () => {},
      list: async () => this.devices,
      add: async (name, addresses) => {
        this.done.push(`add ${addresses.map(writtenForm)}`)
        for (const address of addresses) {
          this.held.set(address.address, writtenForm(address))
          this.take(address.address)
          this.give(name, writtenForm(address))
        }
      },
      remove: async (addresses) => {
        const ours = addresses.filter(({ address }) => this.held.has(address))
        this.done.push(`remove ${ours.map(({ address }) => this.held.get(address))}`)
        for (const { address } of ours) this.held.delete(address)
        for (const { address } of ours) this.take(address)
      },
      adopt: async (name, addresses) => {
        const has = (this.devices.find((entry) => entry.name === name)?.addresses ?? []).map(
          (entry) => `${entry.address}/${entry.prefix}`,
        )
        const stale = addresses.filter((address) => has.includes(writtenForm(address)))
        for (const address of stale) this.held.set(address.address, writtenForm(address))
        return stale
      },
      reform: async (name, addresses) => {
        this.done.push(`reform ${addresses.map(writtenForm)}`)
        for (const address of addresses) {
          this.held.set(address.address, writtenForm(address))
          this.take(address.address)
          this.give(name, writtenForm(address))
        }
      },
      heldForm: ({ address }) => this.held.get(address),
      cut: async (addresses) => {
        this.done.push(`cut ${addresses.map(({ address }) => address)}`)
        for (const { address } of addresses) this.take(address)
      },
      guard: (holder, addresses) => void this.done.push(`guard ${holder} ${addresses.map(({ address }) => address)}`),
      deviceByRoute: ({ address }) => this.routes[address],
      foreignDevice: (devices, { address }) =>
        this.held.has(address)
          ? undefined
          : devices.find(({ addresses }) => addresses.some((entry) => entry.address === address))?.name,
      touchHardwareAddress: async () => {},
      watch: (_name, onChange) => {
        this.changed = onChange
        return () => {
          this.changed = () => {}
        }
      },
      inspect: () => ({}),
    },
    announcer: {
      open: async () => {},
      close: async () => {},
      arping: () => 'there is none',
      whoAnswers: async () => this.answers && new Map(Object.entries(this.answers)),
      announce: async (name) => {
        if (this.announceFails) throw new HotStandbyError('HS_RESOURCE', 'nobody hears')
        this.done.push(`announce ${name}`)
        return { ipv4: 'kernel' }
      },
    },
    macvlans: {
      add: async ({ name, parent, mac }) => {
        this.done.push(`make ${name} on ${parent}`)
        this.devices = [...this.devices, device(name, [], { mac })]
      },
      remove: async (name) => {
        if (!this.devices.some((entry) => entry.name === name)) return
        this.done.push(`unmake ${name}`)
        this.devices = this.devices.filter((entry) => entry.name !== name)
      },
      adopt: async ({ name }) => this.devices.some((entry) => entry.name === name),
    },
  }
}

function device(name: string, forms: string[], more: Partial<NetworkDevice> = {}): NetworkDevice {
  const addresses = forms.map((form) => {
    const { address, family, prefix = 0 } = ipOf(form)
    return { address, family, prefix, usable: true }
  })
  return { name, up: true, carrier: true, loopback: false, mac: '02:00:00:00:00:01', addresses, ...more }
}

interface Made {
  readonly agent: ResourceAgent
  readonly host: MemoryHost
  readonly log: string[]
}

function made(
  options: {
    addresses?: string[]
    device?: string
    announce?: 'auto' | 'arping'
    leftover?: object
    macvlan?: boolean
  } = {},
  host: MemoryHost = new MemoryHost(),
): Made {
  const log: string[] = []
  const context: ResourceContext = {
    self: 'master',
    group: 'web',
    directory: '/nonexistent',
    logger: silentLogger,
    changed: () => void log.push('changed'),
    remember: (record) => void log.push(`remember ${JSON.stringify(record)}`),
    leftover: (options.leftover as Record<string, unknown>) ?? null,
  }
  const settings = {
    name: 'vip:test',
    addresses: (options.addresses ?? ['10.0.0.100/24']).map(ipOf),
    device: options.device,
    label: undefined,
    announce: options.announce ?? 'auto',
    macvlan: options.macvlan ?? false,
    duplicateProbe: true,
  }
  const agent = createVipAgent(settings, context, async () => ({
    value: host.host,
    release: async () => void log.push('release'),
  }))
  return { agent, host, log }
}

const context = { epoch: 1, signal: new AbortController().signal }

describe('the vip agent', () => {
  it('refuses, while it stands by, an address that two hosts answer for; one may be the peer', async () => {
    const { agent, host } = made()
    await agent.open?.()
    for (const macs of [[], ['02:00:00:00:00:0a']]) {
      host.answers = { '10.0.0.100': macs }
      await agent.prepare?.(context)
    }
    host.answers = { '10.0.0.100': ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] }
    await assert.rejects(async () => agent.prepare?.(context), {
      code: 'HS_RESOURCE',
      message: /10\.0\.0\.100 have several hosts: 02:00:00:00:00:0a, 02:00:00:00:00:0b;/,
    })
    host.answers = undefined
    await agent.prepare?.(context)
  })

  it('makes a device of its own, the same on both nodes, and knows a stranger by its hardware address', async () => {
    const { agent, host, log } = made({ macvlan: true })
    const { name, mac } = macvlanOf(['10.0.0.100/32'], 'eth0')
    assert.match(`${name} ${mac}`, /^hs[0-9a-f]{8} 02(:[0-9a-f]{2}){5}$/)
    await agent.open?.()
    await agent.start(context)
    assert.deepEqual(host.done, [`make ${name} on eth0`, 'add 10.0.0.100/32', `announce ${name}`])
    assert.match(log.at(0) ?? '', new RegExp(`"device":"${name}".*"parent":"eth0"`))
    assert.deepEqual(await agent.status(context), { state: 'running' })
    host.answers = { '10.0.0.100': [mac] }
    await agent.prepare?.(context)
    host.answers = { '10.0.0.100': ['02:00:00:00:00:0a'] }
    await assert.rejects(async () => agent.prepare?.(context), /10\.0\.0\.100 has another host, 02:00:00:00:00:0a/)
    await agent.stop(context)
    assert.equal(host.done.at(-1), `unmake ${name}`)
    assert.deepEqual(await agent.status(context), { state: 'stopped' })
  })

  it('removes the device that a killed predecessor left', async () => {
    const own = macvlanOf(['10.0.0.100/32'], 'eth0')
    const host = new MemoryHost()
    host.devices = [...host.devices, device(own.name, ['10.0.0.100/32'], { mac: own.mac })]
    const leftover = { device: own.name, addresses: ['10.0.0.100/32'], macvlan: own }
    const { agent } = made({ macvlan: true, leftover }, host)
    await agent.open?.()
    assert.deepEqual(host.done, [`unmake ${own.name}`, 'remove '])
  })

  it('writes down before it adds, and forgets after it removed', async () => {
    const { agent, host, log } = made()
    await agent.open?.()
    assert.deepEqual(await agent.status(context), { state: 'stopped' })
    await agent.start(context)
    assert.deepEqual(host.done, ['add 10.0.0.100/32', 'announce eth0'])
    assert.deepEqual(log, ['remember {"device":"eth0","addresses":["10.0.0.100/32"]}'])
    assert.deepEqual(await agent.status(context), { state: 'running' })
    await agent.stop(context)
    assert.equal(log.at(-1), 'remember null')
    assert.deepEqual(await agent.status(context), { state: 'stopped' })
    await agent.close?.()
    assert.equal(log.at(-1), 'release')
  })

  it('isolates and restores', async () => {
    const { agent, host } = made()
    await agent.open?.()
    await agent.start(context)
    await agent.isolate?.(context)
    assert.equal(host.done.at(-1), 'remove 10.0.0.100/32')
    await agent.restore?.(context)
    assert.deepEqual(host.done.slice(-2), ['add 10.0.0.100/32', 'announce eth0'])
    assert.deepEqual(await agent.status(context), { state: 'running' })
  })

  it('serves even when nobody can be told, and says so when asked to tell', async () => {
    const { agent, host } = made()
    host.announceFails = true
    await agent.open?.()
    await agent.start(context)
    assert.deepEqual(await agent.status(context), { state: 'running' })
    assert.equal(agent.inspect?.()['announced'], null)
    await assert.rejects(async () => agent.announce?.(context), /nobody hears/)
  })

  const failures: [what: string, spoil: (host: MemoryHost) => void, says: RegExp][] = [
    ['lost its carrier', (host) => host.set('eth0', { carrier: false }), /no carrier/],
    ['is down', (host) => host.set('eth0', { up: false }), /is down/],
    ['vanished', (host) => void host.devices.splice(0), /does not exist/],
    ['lost the address', (host) => host.take('10.0.0.100'), /no longer on eth0.*10\.0\.0\.100\/32/],
  ]
  for (const [what, spoil, says] of failures) {
    it(`has failed when its device ${what}`, async () => {
      const { agent, host, log } = made()
      await agent.open?.()
      await agent.start(context)
      spoil(host)
      host.changed()
      assert.equal(log.at(-1), 'changed')
      const status = await agent.status(context)
      assert.equal(status.state, 'failed')
      assert.match(status.state === 'failed' ? status.reason : '', says)
    })
  }

  it('refuses what somebody else configured, and leaves it', async () => {
    const host = new MemoryHost()
    host.give('eth1', '10.0.0.100/24')
    const { agent, log } = made({}, host)
    await assert.rejects(async () => agent.open?.(), {
      code: 'HS_RESOURCE',
      message: '10.0.0.100 is configured on eth1 by somebody else; remove it there, or choose another floating address',
    })
    assert.deepEqual(host.done, [])
    assert.deepEqual(log, ['release'])
  })

  it('refuses it when it comes later, too', async () => {
    const { agent, host } = made()
    await agent.open?.()
    await agent.prepare?.(context)
    host.give('eth0', '10.0.0.100/24')
    await assert.rejects(async () => agent.prepare?.(context), { code: 'HS_RESOURCE' })
    assert.equal((await agent.status(context)).state, 'failed')
  })

  it('is not prepared without a carrier', async () => {
    const { agent, host } = made()
    await agent.open?.()
    host.set('eth0', { carrier: false })
    await assert.rejects(async () => agent.prepare?.(context), /no carrier/)
  })

  it('removes what a killed predecessor left', async () => {
    const host = new MemoryHost()
    host.give('eth0', '10.0.0.100/32')
    const { agent, log } = made({ leftover: { device: 'eth0', addresses: ['10.0.0.100/32'] } }, host)
    await agent.open?.()
    assert.deepEqual(host.done, ['remove 10.0.0.100/32'])
    assert.deepEqual(log, ['remember null'])
  })

  it('removes it in that form only', async () => {
    const host = new MemoryHost()
    host.give('eth0', '10.0.0.100/24')
    const { agent } = made({ leftover: { device: 'eth0', addresses: ['10.0.0.100/32'] } }, host)
    await assert.rejects(async () => agent.open?.(), /somebody else/)
    assert.ok(!host.done.includes('remove 10.0.0.100/32'))
  })

  it('is not led astray by a spoilt record', async () => {
    for (const leftover of [{}, { device: 7, addresses: [] }, { device: 'eth0; reboot', addresses: [1] }]) {
      const { agent, host } = made({ leftover })
      await agent.open?.()
      assert.deepEqual(host.done, [])
    }
  })

  it('finds the device whose network holds the address', async () => {
    const inspected = async (addresses: string[]): Promise<unknown> => {
      const { agent } = made({ addresses })
      await agent.open?.()
      return agent.inspect?.()['device']
    }
    assert.equal(await inspected(['10.0.0.100']), 'eth0')
    assert.equal(await inspected(['10.1.9.100/24']), 'eth1')
    await assert.rejects(
      inspected(['10.9.0.1/24']),
      /no device lies in the network of 10\.9\.0\.1\/24: eth0 \(10\.0\.0\.1\/24\), eth1/,
    )
    await assert.rejects(inspected(['10.0.0.100', '10.1.0.100']), /no device/)
  })

  it('takes the prefix to tell two devices apart, and asks when it cannot', async () => {
    const host = new MemoryHost()
    host.give('eth0', '10.1.0.9/16')
    await assert.rejects(
      async () => made({ addresses: ['10.1.2.100'] }, host).agent.open?.(),
      /several devices.*option device/,
    )
    const { agent } = made({ addresses: ['10.1.2.100/24'] }, host)
    await agent.open?.()
    assert.equal(agent.inspect?.()['device'], 'eth1')
  })

  it('asks the routes where none lies in the network', async () => {
    const host = new MemoryHost()
    host.routes = { '10.9.0.1': 'eth1', '10.9.0.2': 'eth0' }
    const { agent } = made({ addresses: ['10.9.0.1/24'] }, host)
    await agent.open?.()
    assert.equal(agent.inspect?.()['device'], 'eth1')
    await assert.rejects(
      async () => made({ addresses: ['10.9.0.1', '10.9.0.2'] }, host).agent.open?.(),
      /no device lies/,
    )
    host.routes = { '10.9.0.1': 'lo' }
    await assert.rejects(async () => made({ addresses: ['10.9.0.1'] }, host).agent.open?.(), /routes lead to none/)
  })

  it('gives an address the form that the other addresses of its device ask for', async () => {
    const signal = new AbortController().signal
    const { agent, host, log } = made({ addresses: ['10.9.0.100/24'], device: 'eth0' })
    await agent.open?.()
    await agent.start({ epoch: 1, signal })
    assert.equal(host.done[0], 'add 10.9.0.100/24')
    assert.deepEqual(await agent.status({ epoch: 1, signal }), { state: 'running' })
    host.give('eth0', '10.9.0.5/24')
    assert.deepEqual(await agent.status({ epoch: 1, signal }), { state: 'running' })
    assert.ok(host.done.includes('reform 10.9.0.100/32'))
    assert.deepEqual(log.slice(-2), [
      'remember {"device":"eth0","addresses":["10.9.0.100/24","10.9.0.100/32"]}',
      'remember {"device":"eth0","addresses":["10.9.0.100/32"]}',
    ])
    host.take('10.9.0.100')
    host.take('10.9.0.5')
    assert.equal(
      (await agent.status({ epoch: 1, signal })).state,
      'failed',
      'one that somebody removed is not put back',
    )
    await agent.stop({ epoch: 1, signal })
    assert.equal(log.at(-1), 'remember null')
  })

  it('says at start that a device or the asked arping is missing', async () => {
    await assert.rejects(
      async () => made({ device: 'eth9' }).agent.open?.(),
      /eth9 does not exist; this host has eth0, eth1/,
    )
    await assert.rejects(async () => made({ announce: 'arping' }).agent.open?.(), { code: 'HS_HOST' })
  })
})
