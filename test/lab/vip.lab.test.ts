import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { macvlanOf } from '../../src/platform/macvlan.ts'
import {
  Agent,
  addressesOf,
  buildNetwork,
  type Host,
  hosts,
  ip,
  macOf,
  namespaceOf,
  neighbourOfC,
  opened,
  removeNetwork,
  run,
  type StartOptions,
  sysctl,
  until,
  v4,
  whyNot,
} from './vip.network.ts'

const v4b = '10.77.0.101'
const v6 = 'fd77::100'
/** In the mount namespace of a host program. */
const noArping = 'mount --bind /bin/false "$(command -v arping)"'

const reason = whyNot()
if (reason) console.log(`skipped: ${reason}`)

describe('vip on real devices', { skip: reason, timeout: 900_000 }, () => {
  before(() => {
    removeNetwork()
    buildNetwork()
  })
  after(removeNetwork)
  afterEach(async () => {
    for (const agent of Agent.running) await agent.end()
    for (const host of Object.keys(hosts) as Host[]) {
      ip('sw', 'link', 'set', `port-${host}`, 'up')
      await until(() => !addressesOf(host).some((entry) => entry.includes('.100/') || entry.includes('::100/')))
      for (const entry of addressesOf(host)) {
        if (/(\.10[01]|::100)\//.test(entry)) ip(host, 'addr', 'del', entry, 'dev', 'eth0')
      }
      if (!addressesOf(host).includes(`fd77::${hosts[host]}/64`)) {
        ip(host, 'addr', 'add', `fd77::${hosts[host]}/64`, 'dev', 'eth0', 'nodad')
      }
    }
  })

  it('adds several addresses in one go, removes them, and remembers both', async (t) => {
    const agent = await opened('a', { address: [`${v4}/24`, `${v4b}/24`, `${v6}/64`], options: {} })
    assert.equal((await agent.ask('status')).value.state, 'stopped')
    await agent.ask('prepare')
    const start = await agent.ask('start')
    const added = [`${v4}/32`, `${v4b}/32`, `${v6}/128`]
    for (const address of added) assert.ok(addressesOf('a').includes(address), address)
    assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    assert.deepEqual(agent.said.find(({ remember }) => remember)?.remember, { device: 'eth0', addresses: added })
    await agent.ask('start')
    const stop = await agent.ask('stop')
    for (const address of added) assert.ok(!addressesOf('a').includes(address), address)
    assert.equal(agent.said.findLast((line) => 'remember' in line)?.remember, null)
    await agent.ask('stop')
    t.diagnostic(`start of three addresses, announced: ${start.ms.toFixed(2)} ms; stop: ${stop.ms.toFixed(2)} ms`)
    assert.equal((await agent.ask('close')).error, undefined)
  })

  it("takes Heartbeat's device alias as device and label", async () => {
    const agent = await opened('a', { address: `${v4}/24/eth0:web`, options: {} })
    await agent.ask('start')
    assert.match(ip('a', '-o', 'addr', 'show', 'dev', 'eth0', 'label', 'eth0:web'), /10\.77\.0\.100\/32/)
    await agent.ask('stop')
    assert.ok(!addressesOf('a').includes(`${v4}/32`))
  })

  it('isolates and restores', async () => {
    const agent = await opened('a', { address: [v4, v6] })
    await agent.ask('start')
    await agent.ask('isolate')
    assert.ok(!addressesOf('a').some((entry) => entry.startsWith(v4) || entry.startsWith(v6)))
    await agent.ask('restore')
    assert.ok(addressesOf('a').includes(`${v4}/32`) && addressesOf('a').includes(`${v6}/128`))
  })

  it('removes the addresses after kill -9, also when one of them is gone already', async (t) => {
    for (const removedByHand of [false, true]) {
      const agent = await opened('a', { address: [v4, v4b, v6] })
      await agent.ask('start')
      // Its deletion then fails, with a message to a pipe that nobody reads any more.
      if (removedByHand) ip('a', 'addr', 'del', `${v4}/32`, 'dev', 'eth0')
      await agent.end('SIGKILL')
      const ms = await until(() => !addressesOf('a').some((entry) => /(\.10[01]\/32|::100\/128)/.test(entry)), 2000)
      t.diagnostic(`removed ${ms?.toFixed(1)} ms after the end of the process was seen`)
      assert.ok(ms !== undefined, `still there: ${addressesOf('a')}`)
    }
  })

  it('removes them too when SIGTERM comes to every helper first, as from a service manager', async () => {
    const agent = await opened('a')
    await agent.ask('start')
    for (const pid of run('ip', 'netns', 'pids', namespaceOf('a')).trim().split('\n')) {
      if (Number(pid) !== agent.child.pid) process.kill(Number(pid), 'SIGTERM')
    }
    await agent.end('SIGKILL')
    assert.ok((await until(() => !addressesOf('a').includes(`${v4}/32`))) !== undefined)
  })

  it('removes nothing at its end that it does not hold any more', async () => {
    const agent = await opened('a')
    await agent.ask('start')
    await agent.ask('stop')
    ip('a', 'addr', 'add', `${v4}/32`, 'dev', 'eth0')
    await agent.end('SIGKILL')
    await sleep(200)
    assert.ok(addressesOf('a').includes(`${v4}/32`))
  })

  it('goes on after its ip or its guardian was killed, and the new guardian knows what is held', async () => {
    const agent = await opened('a')
    await agent.ask('start')
    for (const helper of ['ip', 'guardian']) {
      const { helpers } = (await agent.ask('inspect')).value.host
      process.kill(helpers[helper], 'SIGKILL')
      await sleep(50)
      assert.ok(addressesOf('a').includes(`${v4}/32`), `the address went with the ${helper}`)
      assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    }
    await agent.end('SIGKILL')
    assert.ok((await until(() => !addressesOf('a').includes(`${v4}/32`))) !== undefined)
  })

  it('answers within its limit when ip hangs, and works again afterwards', async () => {
    const agent = await opened('a')
    const { helpers } = (await agent.ask('inspect')).value.host
    process.kill(helpers.ip, 'SIGSTOP')
    const hung = await agent.attempt('start', 300)
    assert.equal(hung.error?.code, 'HS_TIMEOUT')
    await agent.ask('start')
    assert.ok(addressesOf('a').includes(`${v4}/32`))
    await agent.ask('stop')
    assert.ok(!addressesOf('a').includes(`${v4}/32`))
  })

  it('removes at start what a killed predecessor left, in that form only', async () => {
    ip('a', 'addr', 'add', `${v4}/32`, 'dev', 'eth0')
    const leftover = { device: 'eth0', addresses: [`${v4}/32`] }
    const agent = await opened('a', { leftover })
    assert.ok(!addressesOf('a').includes(`${v4}/32`))
    assert.ok(agent.said.some((line) => line.remember === null))
    await agent.end()

    ip('a', 'addr', 'add', `${v4}/24`, 'dev', 'eth0')
    const refused = await new Agent('a', { leftover }).attempt('open')
    assert.equal(refused.error?.code, 'HS_RESOURCE')
    assert.ok(addressesOf('a').includes(`${v4}/24`))
  })

  it('refuses an address that somebody else configured, and leaves it', async () => {
    ip('a', 'addr', 'add', `${v4}/32`, 'dev', 'eth0')
    const refused = await new Agent('a').attempt('open')
    assert.match(
      `${refused.error?.code} ${refused.error?.message}`,
      /HS_RESOURCE 10\.77\.0\.100 is configured on eth0 by/,
    )
    ip('a', 'addr', 'del', `${v4}/32`, 'dev', 'eth0')

    const agent = await opened('a', { address: [v4b, v4] })
    ip('a', 'addr', 'add', `${v4}/24`, 'dev', 'eth0')
    assert.equal((await agent.attempt('prepare')).error?.code, 'HS_RESOURCE')
    assert.equal((await agent.attempt('start')).error?.code, 'HS_RESOURCE')
    await agent.ask('stop')
    await agent.ask('close')
    await agent.end()
    await sleep(100)
    assert.ok(addressesOf('a').includes(`${v4}/24`))
    assert.ok(!addressesOf('a').includes(`${v4b}/32`))
  })

  it('says what is missing: a device, a network, a carrier, a privilege', async () => {
    const open = async (options: StartOptions): Promise<string> => {
      const agent = new Agent('a', options)
      const { error } = await agent.attempt('open')
      await agent.end()
      return `${error?.code} ${error?.message}`
    }
    assert.match(await open({ options: { device: 'eth7' } }), /device eth7 does not exist; this host has eth0/)
    assert.match(
      await open({ address: '10.99.0.1/24', options: {} }),
      /no device lies in the network of 10\.99\.0\.1\/24: eth0/,
    )
    assert.match(
      await open({ setup: 'exec setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"' }),
      /HS_HOST .*CAP_NET_ADMIN/,
    )
    const noBatch =
      'printf "#!/bin/sh\\necho BusyBox >&2; exit 1\\n" >/run/ip && chmod 755 /run/ip && mount --bind /run/ip "$(command -v ip)"'
    assert.match(await open({ setup: `mount -t tmpfs none /run && ${noBatch}` }), /HS_HOST .*BusyBox.*iproute2/s)

    const agent = await opened('a')
    ip('sw', 'link', 'set', 'port-a', 'down')
    assert.match((await agent.attempt('prepare')).error?.message ?? '', /eth0 has no carrier/)
  })

  it('notices a lost carrier and a removed address at once', async (t) => {
    const agent = await opened('a', { address: [v4, v6] })
    await agent.ask('start')
    const noticed = async (what: () => void): Promise<number | undefined> => {
      await sleep(50)
      agent.said.length = 0
      what()
      return until(() => agent.said.some(({ changed }) => changed))
    }
    const removed = await noticed(() => ip('a', 'addr', 'del', `${v4}/32`, 'dev', 'eth0'))
    assert.ok(removed !== undefined)
    assert.match((await agent.ask('status')).value.reason, /no longer on eth0.*10\.77\.0\.100\/32/)
    await agent.ask('start')
    assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    const cut = await noticed(() => ip('sw', 'link', 'set', 'port-a', 'down'))
    assert.ok(cut !== undefined)
    assert.match((await agent.ask('status')).value.reason, /eth0 has no carrier/)
    t.diagnostic(`seen after ${removed.toFixed(1)} ms (removed by hand), ${cut.toFixed(1)} ms (carrier)`)
    // A device without carrier is listed as well: the removal is verified there too.
    await agent.ask('stop')
    assert.ok(!addressesOf('a').includes(`${v4}/32`))
  })

  describe('with a device of its own (macvlan)', () => {
    const options = { device: 'eth0', macvlan: true }
    const { name, mac } = macvlanOf([`${v4}/32`, `${v6}/128`], 'eth0')
    const deviceOf = (host: Host): boolean => ip(host, '-o', 'link', 'show').includes(` ${name}@eth0:`)
    const ping = (address: string): boolean => {
      try {
        run('ip', 'netns', 'exec', namespaceOf('c'), 'ping', '-c', '1', '-W', '1', address)
        return true
      } catch {
        return false
      }
    }

    it('neighbours keep the hardware address when it moves, IPv4 and IPv6', async (t) => {
      const switches = ['ipv4/conf/eth0/arp_ignore', 'ipv4/conf/eth0/arp_announce']
      const before = switches.map((path) => sysctl('a', path))
      const [first, second] = [
        await opened('a', { address: [v4, v6], options }),
        await opened('b', { address: [v4, v6], options }),
      ]
      await first.ask('start')
      for (const address of [v4, v6]) {
        ip('c', 'neigh', 'flush', 'dev', 'eth0')
        assert.ok(ping(address), address)
        assert.equal(neighbourOfC(address), mac)
      }
      // A second question must not be answered by eth0 in its own name.
      ip('c', 'neigh', 'flush', 'dev', 'eth0')
      assert.ok(ping(v4) && ping(v4) && ping(v6))
      assert.equal(neighbourOfC(v4), mac)
      await first.ask('stop')
      assert.equal(deviceOf('a'), false)
      assert.deepEqual(
        switches.map((path) => sysctl('a', path)),
        before,
      )
      const { ms } = await second.ask('start')
      for (const address of [v4, v6]) {
        assert.equal(neighbourOfC(address), mac, 'the neighbour has nothing to learn')
        assert.ok(ping(address), `${address} on b`)
      }
      t.diagnostic(`start with a device of its own: ${ms.toFixed(1)} ms`)
      await second.ask('stop')
    })

    it('goes with kill -9, and what a killed predecessor left goes at start', async () => {
      const agent = await opened('a', { address: [v4, v6], options })
      await agent.ask('start')
      assert.equal(deviceOf('a'), true)
      await agent.end('SIGKILL')
      assert.ok((await until(() => !deviceOf('a'))) !== undefined)
      assert.deepEqual(
        [sysctl('a', 'ipv4/conf/eth0/arp_ignore'), sysctl('a', 'ipv4/conf/eth0/arp_announce')],
        ['0', '0'],
      )
      ip('a', 'link', 'add', 'link', 'eth0', 'name', name, 'type', 'macvlan')
      const macvlan = { name, parent: 'eth0', mac }
      await opened('a', { address: [v4, v6], options, leftover: { device: name, addresses: [`${v4}/32`], macvlan } })
      assert.equal(deviceOf('a'), false)
    })

    it('leaves a device of that name that is not its own, and notices when its own is deleted by hand', async () => {
      ip('a', 'link', 'add', name, 'type', 'bridge')
      const agent = await opened('a', { address: [v4, v6], options })
      const refused = await agent.attempt('start')
      assert.match(
        `${refused.error?.code} ${refused.error?.message}`,
        /HS_RESOURCE ip link add hs\w+ on eth0.*File exists/,
      )
      ip('a', 'link', 'del', name)
      await agent.ask('start')
      await sleep(50)
      agent.said.length = 0
      ip('a', 'link', 'del', name)
      assert.ok((await until(() => agent.said.some(({ changed }) => changed))) !== undefined)
      assert.match((await agent.ask('status')).value.reason, new RegExp(`no longer on ${name}`))
      await agent.ask('stop')
      await agent.ask('start')
      assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    })
  })

  const probed = [
    ['IPv4', v4, [`${v4}/32`, 'dev', 'eth0'], ''],
    ['IPv6', v6, [`${v6}/128`, 'dev', 'eth0', 'nodad'], ''],
    // Its neighbours are asked without arping.
    ['IPv6, where arping is missing', v6, [`${v6}/128`, 'dev', 'eth0', 'nodad'], noArping],
  ] as const
  for (const [family, address, form, setup] of probed) {
    it(`on the standby, says that two other hosts have the address; one of them may be the peer (${family})`, async () => {
      const agent = await opened('a', { address, setup })
      await agent.ask('prepare')
      for (const host of ['b', 'c'] as const) ip(host, 'addr', 'add', ...form)
      const refused = await agent.attempt('prepare')
      assert.equal(refused.error?.code, 'HS_RESOURCE')
      for (const host of ['b', 'c'] as const) assert.match(refused.error?.message ?? '', new RegExp(macOf(host)))
      ip('c', 'addr', 'del', form[0], 'dev', 'eth0')
      await agent.ask('prepare')
      assert.deepEqual((await agent.ask('inspect')).value.answering, { [address]: [macOf('b')] })
      assert.equal(ip('a', 'neigh', 'show', address), '', 'nothing of the question stays')
      // A prepare that is no longer wanted ends at once, though the question would take a second.
      ip('b', 'addr', 'del', form[0], 'dev', 'eth0')
      const { ms, error } = await agent.attempt('prepare', 100)
      assert.equal(error?.code, 'HS_TIMEOUT')
      assert.ok(ms < 900, `${ms} ms`)
    })
  }

  it('notices that its device vanished, and can still stop', async () => {
    ip('a', 'link', 'add', 'eth9', 'type', 'veth', 'peer', 'name', 'eth9p')
    for (const name of ['eth9', 'eth9p']) ip('a', 'link', 'set', name, 'up')
    const agent = await opened('a', { options: { device: 'eth9' } })
    await agent.ask('start')
    await sleep(50)
    agent.said.length = 0
    ip('a', 'link', 'del', 'eth9')
    assert.ok((await until(() => agent.said.some(({ changed }) => changed))) !== undefined)
    assert.deepEqual((await agent.ask('status')).value, { state: 'failed', reason: 'device eth9 does not exist' })
    await agent.ask('stop')
    const refused = await agent.attempt('start')
    assert.match(`${refused.error?.code} ${refused.error?.message}`, /HS_RESOURCE device eth9 does not exist/)
    await agent.ask('stop')
  })

  describe('tells a third host', () => {
    /** Lets c believe that the address is at a, then cuts a off without a word. */
    async function serveFromA(address: string): Promise<void> {
      ip('c', 'neigh', 'flush', 'dev', 'eth0')
      const form = address.includes(':') ? [`${address}/128`, 'dev', 'eth0', 'nodad'] : [`${address}/32`, 'dev', 'eth0']
      ip('a', 'addr', 'add', ...form)
      run('ip', 'netns', 'exec', namespaceOf('c'), 'ping', '-c', '1', '-W', '2', address)
      assert.equal(neighbourOfC(address), macOf('a'))
      ip('sw', 'link', 'set', 'port-a', 'down')
    }

    const paths: [name: string, address: string, options: object, setup: string, waitMs: number, want: object][] = [
      ['arping', v4, {}, '', 0, { ipv4: 'arping' }],
      ['kernel', v4, { announce: 'kernel' }, '', 0, { ipv4: 'kernel' }],
      ['kernel, where arping is missing', v4, {}, noArping, 0, { ipv4: 'kernel' }],
      ['kernel, IPv6', v6, {}, '', 0, { ipv6: 'kernel' }],
      // locktime: entries younger than a second believe no ordinary request.
      ['datagram', v4, {}, `${noArping}; mount --bind -o ro /proc/sys /proc/sys`, 1200, { ipv4: 'datagram' }],
    ]

    it('nothing without an announcement (the check itself)', async () => {
      await serveFromA(v4)
      ip('b', 'addr', 'add', `${v4}/32`, 'dev', 'eth0')
      await sleep(300)
      assert.equal(neighbourOfC(v4), macOf('a'))
    })

    for (const [name, address, options, setup, waitMs, want] of paths) {
      it(`by ${name}`, async (t) => {
        const switches = ['ipv4/conf/eth0/arp_notify', 'ipv6/conf/eth0/ndisc_notify']
        const before = switches.map((path) => sysctl('b', path))
        const agent = await opened('b', { address, options: { device: 'eth0', ...options }, setup })
        await serveFromA(address)
        await sleep(waitMs)
        const { ms } = await agent.ask('start')
        const seen = await until(() => neighbourOfC(address) === macOf('b'))
        assert.deepEqual((await agent.ask('inspect')).value.announced, want)
        assert.ok(seen !== undefined, `c still believes in ${neighbourOfC(address)}`)
        assert.deepEqual(
          switches.map((path) => sysctl('b', path)),
          before,
        )
        t.diagnostic(`start with announcement: ${ms.toFixed(2)} ms`)
      })
    }

    it('measures a start and a stop, repeated', async (t) => {
      for (const announce of ['arping', 'kernel']) {
        const agent = await opened('b', { options: { device: 'eth0', announce } })
        const times: { start: number[]; announce: number[]; stop: number[] } = { start: [], announce: [], stop: [] }
        for (let round = 0; round < 30; round += 1) {
          for (const call of ['start', 'announce', 'stop'] as const) times[call].push((await agent.ask(call)).ms)
        }
        for (const [call, list] of Object.entries(times)) {
          list.sort((left, right) => left - right)
          t.diagnostic(`${announce} ${call}: median ${list[15]?.toFixed(2)} ms, max ${list.at(-1)?.toFixed(2)} ms`)
        }
        await agent.end()
      }
    })
  })

  it('leaves no process behind', async () => {
    const agent = await opened('a')
    await agent.ask('start')
    const pids = (): string[] =>
      run('ip', 'netns', 'pids', namespaceOf('a'))
        .split('\n')
        .filter((pid) => pid && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '))
    await agent.end('SIGKILL')
    assert.ok((await until(() => pids().length === 0, 3000)) !== undefined, `left: ${pids()}`)
  })
})
