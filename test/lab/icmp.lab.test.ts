import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { deviceTowards } from '../../src/platform/route.ts'
import { lacking, TwoHosts } from './netns.ts'
import { TimelineWriter } from './told.ts'
import { waitFor } from './wait-for.ts'

const skip = lacking('nft', 'ping') ?? false

/** Pids of the `ping` processes that ask this address in this namespace. */
function pingsOf(hosts: TwoHosts, address: string): readonly number[] {
  const inside = hosts
    .run('switch', 'ip', 'netns', 'pids', hosts.namespace('a'))
    .split('\n')
    .filter(Boolean)
    .map(Number)
  return inside.filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return /(^|\/)ping$/.test(words[0] ?? '') && words.includes(address)
    } catch {
      return false
    }
  })
}

const drop = (family: string) =>
  `table inet cut { chain in { type filter hook input priority 0; meta l4proto ${family} drop; }; }`

test('reports every reply with its time, nothing while ICMP is dropped, and replies again afterwards', {
  skip,
}, async () => {
  using hosts = new TwoHosts()
  await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', '10.99.1.2')
  await a.tells('observed', /^10\.99\.1\.2 true \d/)
  hosts.run('b', 'nft', drop('icmp'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  a.forget()
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal(a.told('observed'), false, 'a dropped echo was reported')
  assert.equal(a.told('problem'), false, 'silence is no problem of ours')
  hosts.run('b', 'nft', 'delete table inet cut')
  await a.tells('observed', /^10\.99\.1\.2 true \d/)
})

test('pings IPv6, link-local too, through the device that is named', { skip }, async () => {
  using hosts = new TwoHosts()
  const address = await waitFor(
    () => {
      const shown = hosts.run('b', 'ip', 'addr', 'show', 'eth1')
      return shown.includes('tentative') ? undefined : /inet6 (fe80[^/]+)/.exec(shown)?.[1]
    },
    { what: 'a link-local address' },
  )
  await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', address, 'eth1')
  await a.tells('observed', /true/)
})

test('starts without a route and with the device down, says so, and replies come when it is up', { skip }, async () => {
  using hosts = new TwoHosts()
  hosts.ip('a', 'link', 'set', 'eth1', 'down')
  await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', '10.99.1.2')
  await a.tells('opened')
  await a.tells('problem', /unreachable/i)
  hosts.ip('a', 'link', 'set', 'eth1', 'up')
  await a.tells('observed', /true/)
})

test('finds the device that replaces a lost one', { skip }, async () => {
  using hosts = new TwoHosts()
  await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', '10.99.1.2', 'eth1')
  await a.tells('observed', /true/)
  hosts.unplug('a', 1)
  await new Promise((resolve) => setTimeout(resolve, 500))
  hosts.plug('a', 1)
  a.forget()
  await a.tells('observed', /true/)
})

test('a ping that dies is said and replaced', { skip }, async () => {
  using hosts = new TwoHosts()
  await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', '10.99.1.2')
  await a.tells('observed', /true/)
  const [first] = pingsOf(hosts, '10.99.1.2')
  assert.ok(first)
  process.kill(first, 'SIGKILL')
  await a.tells('problem', /ping 10\.99\.1\.2: .*again in 500 ms/)
  a.forget()
  await a.tells('observed', /true/)
  assert.equal(pingsOf(hosts, '10.99.1.2').length, 1)
})

test('no ping is left after close, nor after kill -9, nor when ICMP is dropped meanwhile', { skip }, async () => {
  using hosts = new TwoHosts()
  for (const end of ['close', 'kill', 'kill in silence'] as const) {
    await using a = new TimelineWriter(hosts, 'a', './icmp-end.ts', '10.99.1.2')
    await a.tells('observed', /true/)
    assert.equal(pingsOf(hosts, '10.99.1.2').length, 1)
    if (end === 'kill in silence') hosts.run('b', 'nft', drop('icmp'))
    if (end === 'close') await a[Symbol.asyncDispose]()
    else a.kill()
    await waitFor(() => pingsOf(hosts, '10.99.1.2').length === 0, { what: `no ping after ${end}`, withinMs: 3000 })
  }
})

test('deviceTowards follows the routes', { skip }, async () => {
  assert.equal(await deviceTowards('127.0.0.1'), 'lo')
  assert.equal(await deviceTowards('::1'), 'lo')
  assert.equal(await deviceTowards('fe80::1%eth7'), 'eth7')
  assert.equal(await deviceTowards('not an address'), undefined)
})
