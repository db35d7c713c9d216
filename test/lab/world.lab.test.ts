import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { waitFor } from './wait-for.ts'
import type { Client } from './world/client-program.ts'
import { type HostName, plugOf } from './world/layout.ts'
import { nginxConfig } from './world/nginx.ts'
import { cleanupStale, MARKER, processesOf, runName, signal } from './world/processes.ts'
import { World } from './world.ts'

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'network namespaces need root on Linux'

describe('the laboratory', { skip }, () => {
  let world: World
  let client: Client

  const on = async (name: HostName, ...argv: string[]): Promise<string> => (await world.host(name).run(argv)).stdout
  const addressOf = (verb: 'add' | 'del', name: HostName): Promise<string> =>
    on(name, 'ip', 'addr', verb, `${world.floating}/32`, 'dev', 'eth0')
  const announce = (name: HostName): Promise<string> =>
    on(name, 'arping', '-q', '-U', '-c', '1', '-I', 'eth0', world.floating)
  const carrier = async (name: HostName, device: string): Promise<string> =>
    (await on(name, 'cat', `/sys/class/net/${device}/carrier`)).trim()
  const pings = async (name: HostName, address: string): Promise<boolean> =>
    (await world.host(name).run(['ping', '-n', '-c', '3', '-i', '0.02', '-W', '0.3', address], { check: false }))
      .code === 0
  const counter = async (name: HostName, what: 'InEchos' | 'InEchoReps'): Promise<number> => {
    const [names = '', values = ''] = (await on(name, 'grep', '^Icmp:', '/proc/net/snmp')).split('\n')
    return Number(values.split(' ')[names.split(' ').indexOf(what)])
  }
  /** The floating address is on the master again, and served. */
  const home = async (): Promise<void> => {
    await addressOf('add', 'master')
    await announce('master')
    await client.waitForServing('master')
  }

  before(async () => {
    world = await World.build({ title: 'self-test' })
    for (const name of ['master', 'slave'] as const) {
      await nginxConfig(world.host(name), { listen: '0.0.0.0:80' })
      await on(name, 'nginx')
    }
    await addressOf('add', 'master')
    client = await world.startClient()
  })

  after(async () => {
    await world?.destroy()
  })

  it('has the layout of the tutorial, and hosts that do not meet', async () => {
    assert.equal(await on('slave', 'hostname'), 'slave\n')
    assert.match(await on('master', 'ip', '-brief', 'addr', 'show', 'eth1'), /192\.168\.2\.105\/24/)
    assert.ok(await pings('master', '192.168.2.1'), 'the gateway answers on the heartbeat network')
    assert.ok(await pings('master', 'fd00:2::106'), 'IPv6 works')
    await world.host('master').write('/etc/ha.d/authkeys', 'auth 1\n', { mode: 0o600 })
    assert.match(await on('master', 'stat', '-c', '%a %U', '/etc/ha.d/authkeys'), /^600 root/)
    assert.equal(existsSync(world.host('slave').path('/etc/ha.d/authkeys')), false, 'each host has an /etc of its own')
    assert.equal(existsSync('/etc/ha.d/authkeys'), false, "the machine's own /etc is untouched")
    assert.doesNotMatch(await on('slave', 'ps', '-eo', 'args'), /client\.ts/)
  })

  it('serves pages by real nginx on the fixed and on the floating address', async () => {
    await client.waitForServing('master')
    const fixed = await world.startClient({ address: plugOf('slave', 'eth0').address })
    await fixed.waitForServing('slave')
    await fixed.stop()
  })

  it('measures a move of the address by hand', async () => {
    // From a little before: on a busy machine no request falls between the mark and the end of the address.
    const markMs = client.mark() - 200
    await addressOf('del', 'master')
    await client.waitForServing(undefined)
    await addressOf('add', 'slave')
    await announce('slave')
    await client.waitForServing('slave')
    const report = await client.report(markMs)
    assert.deepEqual(
      report.servedBy.map(({ by }) => by),
      ['master', 'slave'],
    )
    assert.ok(report.failed > 0)
    assert.ok(report.outageMs > 100 && report.outageMs < 5000, `outage of ${report.outageMs} ms`)
    assert.deepEqual(await world.holders(), ['slave'])
    await addressOf('add', 'master')
    assert.deepEqual(await world.holders(), ['master', 'slave'], 'two holders are seen')
    await addressOf('del', 'slave')
    await announce('master')
    await client.waitForServing('master')
  })

  it('cuts a cable silently, or with loss of carrier', async () => {
    await world.cut('master', 'eth0')
    await client.waitForServing(undefined)
    assert.equal(await carrier('master', 'eth0'), '1')
    assert.ok(await pings('master', '192.168.2.106'), 'the other cable is whole')
    await world.mend('master', 'eth0')
    await client.waitForServing('master')

    await world.unplug('master', 'eth0')
    await client.waitForServing(undefined)
    assert.equal(await carrier('master', 'eth0'), '0')
    await world.plug('master', 'eth0')
    await client.waitForServing('master')
    assert.equal(await carrier('master', 'eth0'), '1')

    await world.switchOff('heartbeat')
    assert.deepEqual([await carrier('slave', 'eth1'), await carrier('slave', 'eth0')], ['0', '1'])
    await world.switchOn('heartbeat')
    await waitFor(() => pings('slave', '192.168.2.105'), { what: 'the heartbeat network is back' })
  })

  it('cuts one direction', async () => {
    assert.ok(await pings('master', '192.168.2.106'))
    for (const [direction, arrived] of [
      ['in', 3],
      ['out', 0],
    ] as const) {
      await world.cutOneway('master', 'eth1', direction)
      const before = await counter('slave', 'InEchos')
      const heard = await counter('master', 'InEchoReps')
      assert.equal(await pings('master', '192.168.2.106'), false)
      assert.equal((await counter('slave', 'InEchos')) - before, arrived, `requests that arrived, '${direction}' cut`)
      assert.equal(await counter('master', 'InEchoReps'), heard, 'no answer arrived')
      await world.mend('master', 'eth1')
    }
    assert.ok(await pings('master', '192.168.2.106'))
  })

  it('loses a share of the packets', async () => {
    await world.lose('slave', 'eth1', 30)
    const { stdout } = await world
      .host('master')
      .run(['ping', '-n', '-q', '-c', '200', '-i', '0.002', '-W', '0.3', '192.168.2.106'], { check: false })
    const lost = Number(/([\d.]+)% packet loss/.exec(stdout)?.[1])
    // Both directions: 1 - 0.7² = 51 %, with a standard deviation of 3.5.
    assert.ok(lost > 30 && lost < 72, stdout)
    await world.mend('slave', 'eth1')
  })

  it("drops ICMP by the tutorial's rule: pings of the host and replies to it", async () => {
    await world.dropIcmp('master')
    assert.equal(await pings('client', '192.168.1.105'), false)
    assert.equal(await pings('master', '192.168.2.1'), false)
    assert.ok(await pings('slave', '192.168.2.1'))
    assert.equal(client.serving, 'master', 'nothing but ICMP is touched')
    await world.allowIcmp('master')
    assert.ok(await pings('master', '192.168.2.1'))
  })

  it('freezes and thaws', async () => {
    const pair = await world.startPair('master', ['sh', '-c', 'while :; do sleep 0.02; echo "{}"; done'])
    await waitFor(() => pair.events.length > 0, { what: 'the program writes' })
    await world.freeze('master')
    await client.waitForServing(undefined)
    assert.equal(await carrier('master', 'eth0'), '1')
    const { length } = pair.events
    await world.thaw('master')
    await client.waitForServing('master')
    await waitFor(() => pair.events.length > length, { what: 'the program goes on' })
    assert.ok(pair.running)
  })

  it("kills only the pair's process", async () => {
    await world.killPair('master')
    assert.equal((await world.pair('master').ended).code, 128 + 9)
    assert.ok(
      world
        .host('master')
        .processes()
        .some(({ command }) => command === 'nginx'),
    )
    assert.equal(client.serving, 'master')
  })

  it('reaps orphans, as an init does', async () => {
    await on('master', 'sh', '-c', 'sleep 0.05 >/dev/null 2>&1 &')
    const orphan = () =>
      world
        .host('master')
        .processes()
        .find(({ command }) => command === 'sleep')
    await waitFor(() => orphan() === undefined, { what: 'the orphan is gone and reaped', seen: orphan })
  })

  it('crashes a host and boots it clean', async () => {
    const host = world.host('master')
    await host.write('/var/lib/hot-standby/state', 'kept')
    await host.write('/run/state', 'lost')
    await world.dropIcmp('master')
    const pids = host.processes().map(({ pid }) => pid)
    assert.ok(pids.length > 0)
    await world.crash('master')
    assert.deepEqual(
      pids.filter((pid) => signal(pid, 0)),
      [],
      'every process is dead',
    )
    await client.waitForServing(undefined)
    assert.deepEqual(await world.holders(), [])
    await world.restart('master')
    assert.deepEqual(host.processes(), [])
    assert.equal(await host.read('/var/lib/hot-standby/state'), 'kept')
    assert.equal(existsSync(host.path('/run/state')), false)
    assert.doesNotMatch(await on('master', 'ip', 'addr'), /192\.168\.1\.106/)
    assert.ok(await pings('client', '192.168.1.105'), 'its firewall is empty')
    await on('master', 'nginx')
    await home()
  })

  it('leaves nothing behind, even of a frozen host', async () => {
    const namespaces = new Set(
      (['master', 'slave', 'gateway', 'client'] as const).map((name) =>
        readlinkSync(`/proc/${world.host(name).init}/ns/net`),
      ),
    )
    assert.equal(namespaces.size, 4)
    await world.freeze('master')
    await world.destroy({ keepLogs: false })
    assert.deepEqual(world.remains(), [])
    assert.equal(existsSync(world.directory), false)
    const holding = readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && namespaces.has(readlinkSync(`/proc/${pid}/ns/net`))
      } catch {
        return false
      }
    })
    assert.deepEqual(holding, [])
    assert.doesNotMatch(spawnSync('ip', ['-brief', 'link'], { encoding: 'utf8' }).stdout, /(master|slave)-eth/)
  })
})

describe('a run that dies', { skip }, () => {
  it('takes its world along, even when killed with a host frozen', async () => {
    const script = `
      import { World } from ${JSON.stringify(new URL('./world.ts', import.meta.url).href)}
      const world = await World.build({ title: 'abandoned' })
      await world.startPair('master', ['sleep', '600'])
      await world.freeze('master')
      console.log(world.directory)
      setInterval(() => {}, 1000)`
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const argv = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script]
    const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const [directory] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    const run = runName(child.pid ?? 0)
    assert.ok(processesOf(run).length > 8)
    child.kill('SIGKILL')
    const remains = () => processesOf(run)
    await waitFor(() => remains().length === 0, { what: 'its world is gone', seen: remains })
    rmSync(directory.trim(), { recursive: true })
  })

  it('is cleaned up by the next one, which spares the living', async () => {
    const dead = runName(spawnSync('true').pid)
    const left = [dead, runName(process.pid)].map((run) =>
      spawn('sleep', ['60'], { env: { ...process.env, [MARKER]: run }, stdio: 'ignore' }),
    )
    const [ofDead, ofLiving] = left
    assert.ok(ofDead && ofLiving)
    await waitFor(() => processesOf(dead).length === 1, { what: 'the left-over process shows' })
    assert.deepEqual(cleanupStale(), [ofDead.pid])
    assert.equal(ofLiving.exitCode ?? ofLiving.signalCode, null)
    ofLiving.kill('SIGKILL')
    await once(ofLiving, 'exit')
  })
})
