import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectKeepalivedConf } from '../../src/config/keepalived/read.ts'
import type { VrrpInstanceOptions, VrrpOptions } from '../../src/options/vrrp-options.ts'
import { keepalivedHost } from '../support/keepalived-host.ts'

const main = '/etc/keepalived/keepalived.conf'
const secure = 'global_defs {\nscript_user root\nenable_script_security\n}\n'

function options(text: string): VrrpOptions {
  const found = inspectKeepalivedConf(main, {}, keepalivedHost({ [main]: text }))
  assert.ok(found.options, found.issues.map(({ where, message }) => `${where}: ${message}`).join('\n'))
  return found.options
}

const instance = (more: string, { name = 'A', vrid = 9, vip = '192.0.2.9' } = {}): string =>
  `vrrp_instance ${name} {\ninterface eth0\nvirtual_router_id ${vrid}\n${more}\nvirtual_ipaddress {\n${vip}\n}\n}\n`

const first = (text: string): VrrpInstanceOptions => options(text).instances[0] as VrrpInstanceOptions

describe('what keepalived concludes from a file', () => {
  it('rounds the advert interval to what the version can say', () => {
    const advertMs = (version: number, seconds: string) =>
      first(instance(`version ${version}\nadvert_int ${seconds}`)).advertMs
    assert.deepEqual(
      ['0.2', '1.4', '1.5', '1.6', '254.9'].map((seconds) => advertMs(2, seconds)),
      [1000, 1000, 2000, 2000, 255_000],
    )
    assert.deepEqual(
      ['0.01', '0.014', '0.125', '40.95', '60'].map((seconds) => advertMs(3, seconds)),
      [10, 10, 130, 40_950, 40_950],
    )
  })

  it('takes the defaults of announcements from what stands above, and for a lower priority from the globals', () => {
    const globals = 'global_defs {\nvrrp_garp_master_delay 7\nvrrp_garp_master_repeat 2\n}\n'
    const { announcements } = first(globals + instance('garp_master_repeat 3\ngarp_master_delay 1'))
    assert.deepEqual(
      [
        announcements.delayMs,
        announcements.repeat,
        announcements.lowerPriorityDelayMs,
        announcements.lowerPriorityRepeat,
      ],
      [1000, 3, 7000, 2],
    )
    const own = first(globals + instance('garp_lower_prio_repeat 0\ngarp_lower_prio_delay 4')).announcements
    assert.deepEqual([own.lowerPriorityDelayMs, own.lowerPriorityRepeat], [4000, 0])
    assert.equal(first(instance('') + globals).announcements.repeat, 5)
  })

  it('makes pauses of the group of an interface, or of the globals', () => {
    const text = `global_defs {\nvrrp_garp_interval 0.01\n}\ngarp_group {\ninterface eth0\ngarp_interval 0.5\n}\n${instance('')}`
    const { announcements } = first(text)
    assert.deepEqual([announcements.arpIntervalMs, announcements.neighbourIntervalMs], [500, 0])
    assert.equal(first(text.replace('interface eth0\ngarp', 'interface eth1\ngarp')).announcements.arpIntervalMs, 10)
  })

  it('lets nothing with a weight move an owner, nor a member of a group', () => {
    const scripts = `${secure}vrrp_script heavy {\nscript /bin/x\nweight 5\n}\nvrrp_script bare {\nscript /bin/x\n}\n`
    const tracks = 'track_script {\nheavy\nbare\n}\ntrack_interface {\neth1 weight -5\n}'
    const namesOf = ({ tracks: { scripts: list, interfaces } }: VrrpInstanceOptions) =>
      [...list, ...interfaces].map(({ name, weight }) => `${name} ${weight}`)
    assert.deepEqual(namesOf(first(scripts + instance(`priority 100\n${tracks}`))), ['heavy 5', 'bare 0', 'eth1 -5'])
    assert.deepEqual(namesOf(first(scripts + instance(`priority 255\n${tracks}`))), ['bare 0'])
    const group = (more: string) => `vrrp_sync_group G {\ngroup {\nA\n}\n${more}\n}\n`
    assert.deepEqual(namesOf(first(scripts + group('') + instance(tracks))), ['bare 0', 'eth1 0'])
    const all = first(scripts + group('sync_group_tracking_weight') + instance(tracks))
    assert.deepEqual(namesOf(all), ['heavy 5', 'bare 0', 'eth1 -5'])
  })

  it('begins as MASTER in a group only where all own their addresses', () => {
    const group = 'vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n'
    const states = (one: string, other: string) =>
      options(group + instance(one) + instance(other, { name: 'B', vrid: 10, vip: '192.0.2.10' })).instances.map(
        ({ startState }) => startState,
      )
    const [owner, master] = ['state MASTER\npriority 255', 'state MASTER\npriority 100']
    assert.deepEqual(states(owner, owner), ['MASTER', 'MASTER'])
    assert.deepEqual(states(owner, master), ['BACKUP', 'BACKUP'])
    assert.deepEqual(states(master, master), ['BACKUP', 'BACKUP'])
  })

  it('gives the macvlans of one router names of their own', () => {
    const six = instance('use_vmac', { name: 'B', vip: 'fe80::9' })
    const own = instance('use_vmac 02:00:00:00:00 mine', { name: 'C', vrid: 26, vip: '192.0.2.26' })
    const macs = options(instance('use_vmac') + six + own).instances.map(({ vmac }) => `${vmac?.name} ${vmac?.mac}`)
    assert.deepEqual(macs, ['vrrp.9 00:00:5e:00:01:09', 'vrrp6.9 00:00:5e:00:02:09', 'mine 02:00:00:00:00:1a'])
  })

  it('has defaults of its own for each kind of check', () => {
    const check = (text: string) =>
      options(
        `${secure}virtual_server 192.0.2.1 53 {\nprotocol UDP\nlb_algo rr\ndelay_loop 9\nreal_server 192.0.2.2 53 {\n${text}\n}\n}\n`,
      ).balancers[0]?.members[0]?.checks[0]
    const times = (text: string) => {
      const found = check(text)
      return [found?.retries, found?.retryDelayMs, found?.timeoutMs]
    }
    assert.deepEqual(times('TCP_CHECK {\n}'), [1, 1000, 5000])
    assert.deepEqual(times('HTTP_GET {\nurl {\npath /\n}\n}'), [1, 3000, 5000])
    assert.deepEqual(times('DNS_CHECK {\n}'), [3, 9000, 5000])
    assert.deepEqual(times('MISC_CHECK {\nmisc_path /bin/x\n}'), [0, 1000, 9000])
    assert.deepEqual(
      times('MISC_CHECK {\nmisc_path /bin/x\nmisc_timeout 2\nretry 4\ndelay_before_retry 0.5\n}'),
      [4, 500, 2000],
    )
  })

  it('holds at an id that is used twice, unless what is heard is another', () => {
    const twin = (more: string, vip = '192.0.2.8') => instance(more, { name: 'B', vip })
    const errorOf = (text: string) =>
      inspectKeepalivedConf(main, {}, keepalivedHost({ [main]: text }))
        .issues.filter(({ severity }) => severity === 'error')
        .map(({ where }) => where.replace(/.*:/, ''))
    assert.deepEqual(errorOf(instance('') + twin('')), ['9'])
    assert.deepEqual(errorOf(instance('') + twin('', 'fe80::8')), [])
    assert.deepEqual(errorOf(instance('') + twin('mcast_dst_ip 224.0.0.19')), [])
    assert.deepEqual(errorOf(instance('') + twin('unicast_peer {\n192.0.2.2\n}')), [])
  })
})
