import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { realHost } from '../../src/config/keepalived/host.ts'
import { inspectKeepalivedConf, type KeepalivedConf } from '../../src/config/keepalived/read.ts'
import type { VrrpAddress, VrrpInstanceOptions, VrrpScriptOptions } from '../../src/options/vrrp-options.ts'
import { shapes } from '../fixtures/keepalived-in-the-wild.ts'
import { askKeepalived, blocksOf, type DumpBlock, type Judgement, whyNoJudge } from '../support/keepalived-judge.ts'

const file = '/etc/keepalived/keepalived.conf'

/** This host, with the interfaces that the judge has. */
function read(text: string): KeepalivedConf {
  const host = realHost('north', 'north')
  const hasInterface = (name: string) => ['eth0', 'eth1', 'lo'].includes(name)
  return inspectKeepalivedConf(file, {}, { ...host, hasInterface, read: () => text })
}

const lineOf = (where: string): number => Number(/:(\d+)$/.exec(where)?.[1])

function shownAddress({ address, prefix, interface: device, broadcast, scope, label, family }: VrrpAddress): string {
  const brd = broadcast === undefined ? '' : ` brd ${broadcast}`
  const length = prefix === (family === 4 ? 32 : 128) ? '' : `/${prefix}`
  return `${address}${length}${brd} dev ${device} scope ${scope}${label === undefined ? '' : ` label ${label}`}`
}

/** What the dump calls what we know by another name. */
function compareInstance(ours: VrrpInstanceOptions, { values, lists }: DumpBlock): void {
  const { announcements: garp, transmission: way, authentication: auth } = ours
  const seconds = (ms: number) => String(ms / 1000)
  const shown: Readonly<Record<string, string>> = {
    'VRRP Version': String(ours.version),
    Wantstate: ours.startState,
    'Virtual Router ID': String(ours.vrid),
    Priority: String(ours.priority),
    'Advert interval': ours.version === 2 ? `${seconds(ours.advertMs)} sec` : `${ours.advertMs} milli-sec`,
    Preempt: ours.preempt ? 'enabled' : 'disabled',
    'Gratuitous ARP delay': seconds(garp.delayMs),
    'Gratuitous ARP repeat': String(garp.repeat),
    'Gratuitous ARP refresh': seconds(garp.refreshMs),
    'Gratuitous ARP refresh repeat': String(garp.refreshRepeat),
    'Gratuitous ARP lower priority delay': seconds(garp.lowerPriorityDelayMs),
    'Gratuitous ARP lower priority repeat': String(garp.lowerPriorityRepeat),
    'Down timer adverts': String(ours.downTimerAdverts),
    'Send advert after receive lower priority advert': String(!ours.lowerPriorityNoAdvert),
    'Send advert after receive higher priority advert': String(ours.higherPrioritySendAdvert),
  }
  const types = { PASS: 'SIMPLE_PASSWORD', AH: 'IPSEC_AH', HMAC: '', none: ours.version === 2 ? 'none' : undefined }
  assert.equal(values.get('Authentication type'), types[auth?.type ?? 'none'])
  for (const [name, value] of Object.entries(shown)) assert.equal(values.get(name), value, `${ours.name}: ${name}`)
  if (ours.preemptDelayMs > 0)
    assert.match(values.get('Preempt delay') ?? '', new RegExp(`^${seconds(ours.preemptDelayMs)}`))
  if (auth?.type === 'PASS') assert.equal(values.get('Password'), auth.key)
  const addresses = ours.addresses.map(shownAddress)
  const strip = (line: string) =>
    line.replace(/ (preferred_lft \S+|deprecated|use_vmac.*)/g, '').replace(/ dev (vrrp\.\d+|eth0)@eth0/, ' dev eth0')
  assert.deepEqual((lists.get('Virtual IP') ?? []).map(strip), addresses, `${ours.name}: addresses`)
  assert.deepEqual(
    (lists.get('Virtual IP Excluded') ?? []).map(strip),
    ours.excluded.map(shownAddress),
    `${ours.name}: excluded`,
  )
  if (way.mode === 'unicast') {
    const peers = [...lists].find(([name]) => /unicast peer/i.test(name))?.[1] ?? []
    assert.deepEqual(
      peers.map((line) => line.split(' ')[0]),
      way.peers.map(({ address }) => address),
    )
  }
  const tracks = (lists.get('Tracked scripts') ?? []).map((line) => line.replace(/, .*/, ''))
  assert.deepEqual(
    tracks,
    ours.tracks.scripts.map(({ name, weight }) => `${name} weight ${weight}`),
    `${ours.name}: scripts`,
  )
  assert.equal((lists.get('Virtual Routes') ?? []).length, ours.routes.length, `${ours.name}: routes`)
}

function compareScript({ command, intervalMs, rise, fall }: VrrpScriptOptions, { values }: DumpBlock): void {
  const argv = [...(values.get('Command') ?? '').matchAll(/'((?:[^']|'(?! |$))*)'/g)].map(([, word]) => word)
  assert.deepEqual(argv, command.argv)
  assert.equal(values.get('Interval'), `${intervalMs / 1000} sec`)
  assert.equal(values.get('Rise'), String(rise))
  assert.equal(values.get('Fall'), String(fall))
}

const skip = whyNoJudge()

describe('a configuration as it is in use, read by us and by a real keepalived', { skip, concurrency: 4 }, () => {
  before(() => assert.ok(shapes.length >= 55, `${shapes.length} shapes`))

  for (const { name, verdict, text } of shapes) {
    it(`${name}: ${verdict}`, async () => {
      const found = read(text)
      const judge: Judgement = await askKeepalived(text)
      const said = found.issues
        .map(({ where, message, severity }) => `${severity} ${lineOf(where)}: ${message}`)
        .join('\n')
      const told = found.issues.map(({ where }) => lineOf(where))
      if (verdict === 'refused') {
        assert.equal(judge.starts, false, 'keepalived starts')
        assert.equal(found.options, undefined, said)
        return
      }
      assert.equal(judge.starts, true, judge.dump.slice(-8).join('\n'))
      if (verdict === 'stricter') {
        assert.equal(found.options, undefined, said)
        return
      }
      assert.ok(found.options, said)
      for (const line of judge.lines)
        assert.ok(told.includes(line), `keepalived complains about line ${line}\n${judge.messages}\n${said}`)
      if (judge.testExit === 5) assert.notEqual(said, '', judge.messages)
      const blocks = blocksOf(judge.dump, 'VRRP Instance')
      assert.deepEqual(
        [...blocks.keys()],
        found.options.instances.map((one) => one.name),
      )
      for (const one of found.options.instances) compareInstance(one, blocks.get(one.name) as DumpBlock)
      const scripts = blocksOf(judge.dump, 'VRRP Script')
      for (const one of found.options.scripts) compareScript(one, scripts.get(one.name) as DumpBlock)
    })
  }
})
