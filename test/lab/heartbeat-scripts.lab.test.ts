import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ocf } from '../../src/resources/ocf.ts'
import { script } from '../../src/resources/script.ts'
import type { ResourcePlugin } from '../../src/roles/resource-agent.ts'
import { agentContext, within } from '../support/agents.ts'
import { lacking, TwoHosts } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'

/** Where Debian's package heartbeat has the scripts that haresources names. */
const SCRIPTS = '/etc/ha.d/resource.d'

const installed = existsSync(`${SCRIPTS}/IPaddr`) && existsSync('/usr/lib/ocf/resource.d/heartbeat/IPaddr2')
const reason =
  lacking('losetup', 'mke2fs', 'modprobe', 'iptables') ??
  (installed ? undefined : 'the Debian packages heartbeat and resource-agents are missing')
if (reason) console.log(`skipped: ${reason}`)

const run = (file: string, ...args: readonly string[]): string => execFileSync(file, args, { encoding: 'utf8' }).trim()

describe("heartbeat's own resource scripts", { skip: reason ?? false, timeout: 900_000 }, () => {
  let hosts: TwoHosts
  let agents: AgentHost
  let scratch = ''
  let device = ''
  let data = ''

  before(() => {
    hosts = new TwoHosts()
    // systemd-tmpfiles makes it when a host boots.
    mkdirSync('/run/resource-agents', { recursive: true })
    scratch = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    data = join(scratch, 'data')
    mkdirSync(data)
    writeFileSync(join(scratch, 'image'), Buffer.alloc(8 << 20))
    run('mke2fs', '-q', '-F', '-t', 'ext4', join(scratch, 'image'))
    device = run('losetup', '-f', '--show', join(scratch, 'image'))
    const inMounts = ['unshare', '--mount', '--propagation', 'private']
    agents = new AgentHost(['ip', 'netns', 'exec', hosts.namespace('a'), ...inMounts])
  })
  after(async () => {
    await agents?.end()
    if (device !== '') run('losetup', '-d', device)
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true })
    hosts?.[Symbol.dispose]()
  })

  /** What holds on the host while the resource runs, and only then; `undefined`: it leaves no trace that lasts. */
  type Trace = (() => boolean) | undefined
  const address = (text: string) => () => hosts.run('a', 'ip', '-o', 'addr').includes(` ${text}`)
  /** In the agents' own mount namespace: that of this process does not see it. */
  const mounted = () => run('sh', '-c', 'cat /proc/[0-9]*/mounts 2>/dev/null || true').includes(` ${data} ext4 `)
  const cases: readonly (readonly [name: string, args: () => readonly string[], trace: Trace])[] = [
    ['IPaddr', () => ['10.99.1.77/24/eth1'], address('10.99.1.77/24')],
    ['IPaddr2', () => ['10.99.1.78/24/eth1'], address('10.99.1.78/24')],
    [
      'Filesystem',
      () => [device, data, 'ext4'],
      () => run('losetup', '-j', join(scratch, 'image')) !== '' && mounted(),
    ],
    ['Delay', () => ['1', '0'], undefined],
    ['IPv6addr', () => ['fd99::77/64/eth1'], address('fd99::77/64')],
    [
      'IPsrcaddr',
      () => {
        hosts.ip('a', 'addr', 'replace', '10.99.1.80/24', 'dev', 'eth1')
        hosts.ip('a', 'route', 'replace', 'default', 'via', '10.99.1.2')
        return ['10.99.1.80']
      },
      () => hosts.run('a', 'ip', 'route', 'show', 'default').includes(' src 10.99.1.80'),
    ],
    // Its rule outlives its stop: it looks for the name of the protocol, where iptables 1.8.9 prints the number.
    ['portblock', () => ['tcp', '8080', 'block'], undefined],
    ['AudibleAlarm', () => ['master'], undefined],
  ]

  for (const [name, args, trace] of cases) {
    it(`${name}: starts, says so, stops, twice over`, async () => {
      const options = { args: args() }
      const path = `${SCRIPTS}/${name}`
      const agent = agents.plugin('script', script(path, options), path, options).create(agentContext('/tmp'))
      await agent.open?.()
      for (const round of [1, 2]) {
        assert.equal((await agent.status?.(within(30_000)))?.state, 'stopped', `before round ${round}`)
        await agent.start(within(60_000, round))
        assert.equal((await agent.status?.(within(30_000)))?.state, 'running', `in round ${round}`)
        assert.ok(trace?.() ?? true, `it is there in round ${round}`)
        await agent.stop(within(60_000, round))
        assert.ok(!(trace?.() ?? false), `it is gone after round ${round}`)
      }
      // Stopping what does not run is a success.
      await agent.stop(within(60_000, 3))
    })
  }

  const without: readonly (readonly [name: string, args: readonly string[]])[] = [
    ['MailTo', ['root']],
    ['Xinetd', ['imap']],
    ['apache', []],
    ['LVM', ['vg0']],
    ['Raid1', ['/etc/mdadm/mdadm.conf', '/dev/md0']],
    ['LinuxSCSI', ['0:0:99']],
    ['ICP', ['1', '/dev/icp']],
    ['ServeRAID', ['1', '1']],
    ['WAS', []],
    ['WinPopup', ['/nonexistent']],
    ['db2', ['nobody']],
    ['ids', []],
  ]
  for (const [name, args] of without) {
    it(`${name}: without what it drives it is stopped, and its start fails with its own word`, async () => {
      const options = { args }
      const path = `${SCRIPTS}/${name}`
      const agent = agents.plugin('script', script(path, options), path, options).create(agentContext('/tmp'))
      await agent.open?.()
      assert.equal((await agent.status?.(within(30_000)))?.state, 'stopped')
      await assert.rejects(agent.start(within(60_000)), {
        code: 'HS_RESOURCE',
        message: / start ended with exit code /,
      })
      assert.equal((await agent.status?.(within(30_000)))?.state, 'stopped')
    })
  }

  it('SendArp: announces the address of another script for a while', async () => {
    const options = { args: ['10.99.1.79/24/eth1'] }
    const holder = agents
      .plugin('script', script(`${SCRIPTS}/IPaddr2`, options), `${SCRIPTS}/IPaddr2`, options)
      .create(agentContext('/tmp'))
    const announcing = { args: ['10.99.1.79/eth1'] }
    const path = `${SCRIPTS}/SendArp`
    const agent = agents.plugin('script', script(path, announcing), path, announcing).create(agentContext('/tmp'))
    await holder.open?.()
    await agent.open?.()
    await holder.start(within(60_000, 1))
    await agent.start(within(60_000, 1))
    await agent.stop(within(60_000, 1))
    await holder.stop(within(60_000, 1))
  })

  describe('an address that a script or an OCF agent holds', () => {
    const [ip, ip6] = ['10.99.1.81', 'fd99::81']
    const macOfA = () => /link\/ether (\S+)/.exec(hosts.run('a', 'ip', 'link', 'show', 'eth1'))?.[1] ?? ''
    const neighbourOfB = () => / lladdr (\S+)/.exec(hosts.run('b', 'ip', 'neigh', 'show', ip))?.[1]
    const kinds: readonly (readonly [
      what: string,
      factory: string,
      address: string,
      plugin: ResourcePlugin,
      args: readonly unknown[],
    ])[] = [
      ...['IPaddr', 'IPaddr2', 'IPv6addr'].map((name) => {
        const address = name === 'IPv6addr' ? ip6 : ip
        const options = { args: [`${address}/${name === 'IPv6addr' ? 64 : 24}/eth1`] }
        const path = `${SCRIPTS}/${name}`
        return [`the script ${name}`, 'script', address, script(path, options), [path, options]] as const
      }),
      ...(['IPaddr', 'IPaddr2', 'IPv6addr'] as const).map((name) => {
        const address = name === 'IPv6addr' ? ip6 : ip
        const parameters: Record<string, string> =
          name === 'IPv6addr'
            ? { ipv6addr: ip6, cidr_netmask: '64', nic: 'eth1' }
            : { ip, cidr_netmask: '24', nic: 'eth1' }
        const agent = `ocf:heartbeat:${name}`
        return [`the OCF agent ${name}`, 'ocf', address, ocf(agent, { parameters }), [agent, { parameters }]] as const
      }),
    ]
    const held = (address: string) => hosts.run('a', 'ip', '-o', 'addr').includes(` ${address}/`)

    for (const [what, factory, address, plugin, args] of kinds)
      it(`${what}: announced again, cut off, restored, and gone after kill -9`, async () => {
        assert.deepEqual(plugin.addresses, [address])
        const own = new AgentHost(['ip', 'netns', 'exec', hosts.namespace('a')])
        try {
          const agent = own.plugin(factory, plugin, ...args).create(agentContext('/tmp'))
          await agent.open?.()
          await agent.start(within(60_000))
          assert.ok(held(address), 'it was added')
          if (address === ip) {
            // Its own announcements are over: a neighbour that believes something else is told.
            await sleep(6000)
            hosts.ip('b', 'neigh', 'replace', ip, 'lladdr', '02:00:00:00:00:99', 'dev', 'eth1', 'nud', 'stale')
            await sleep(1100)
            await agent.announce?.(within(5000))
            await waitFor(() => neighbourOfB() === macOfA(), { what: 'the neighbour has learnt it' })
          }
          await agent.isolate?.(within(2000))
          assert.ok(!held(address), 'it is cut off')
          await agent.restore?.(within(60_000))
          assert.ok(held(address), 'it is back')
          await agent.isolate?.(within(2000))
          await agent.stop(within(60_000))
          await agent.start(within(60_000))
          assert.ok(held(address), 'it was added again')
          await own.end('SIGKILL')
          await waitFor(() => !held(address), { what: 'it goes with the process', withinMs: 2000, everyMs: 5 })
        } finally {
          await own.end()
          hosts.run('a', 'ip', 'addr', 'flush', 'to', address)
        }
      })

    it('stays when the process ends after a stop that was verified', async () => {
      const options = { args: [`${ip}/24/eth1`] }
      const path = `${SCRIPTS}/IPaddr2`
      const own = new AgentHost(['ip', 'netns', 'exec', hosts.namespace('a')])
      const agent = own.plugin('script', script(path, options), path, options).create(agentContext('/tmp'))
      await agent.open?.()
      await agent.start(within(60_000))
      await agent.stop(within(60_000))
      hosts.ip('a', 'addr', 'add', `${ip}/24`, 'dev', 'eth1')
      await own.end('SIGKILL')
      await sleep(200)
      assert.ok(held(ip), "it is somebody else's now")
      hosts.ip('a', 'addr', 'del', `${ip}/24`, 'dev', 'eth1')
    })

    it('is taken away at the next start when the guardian died too and its script will not stop', async () => {
      const clinging = join(scratch, 'IPaddr2')
      writeFileSync(
        clinging,
        '#!/bin/sh\n[ "$2" = stop ] && exit 1\n[ "$2" = status ] && ip -o addr | grep -q " 10.99.1.81/" && echo running\nexit 0\n',
        { mode: 0o755 },
      )
      hosts.ip('a', 'addr', 'add', `${ip}/24`, 'dev', 'eth1')
      const options = { args: [`${ip}/24/eth1`] }
      const own = new AgentHost(['ip', 'netns', 'exec', hosts.namespace('a')])
      try {
        const agent = own
          .plugin('script', script(clinging, options), clinging, options)
          .create(agentContext('/tmp', { script: clinging }))
        await agent.open?.()
        assert.ok(!held(ip))
      } finally {
        await own.end()
      }
    })
  })
})
