import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { script } from '../../src/resources/script.ts'
import { agentContext, within } from '../support/agents.ts'
import { lacking, TwoHosts } from './netns.ts'
import { AgentHost } from './remote-agent.ts'

/** Where Debian's package heartbeat has the scripts that haresources names. */
const SCRIPTS = '/etc/ha.d/resource.d'

const installed = existsSync(`${SCRIPTS}/IPaddr`) && existsSync('/usr/lib/ocf/resource.d/heartbeat/IPaddr2')
const reason =
  lacking('losetup', 'mke2fs', 'modprobe', 'iptables') ??
  (installed ? undefined : 'the Debian packages heartbeat and resource-agents are missing')
if (reason) console.log(`skipped: ${reason}`)

const run = (file: string, ...args: readonly string[]): string => execFileSync(file, args, { encoding: 'utf8' }).trim()

describe("heartbeat's own resource scripts", { skip: reason ?? false, timeout: 180_000 }, () => {
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
})
