import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SystemdOptions, systemd } from '../../src/resources/systemd.ts'
import type { ResourceAgent, ResourceContext } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, within } from '../support/agents.ts'
import { lacking } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'
import { SystemdHost } from './world/systemd.ts'

const install = '[Install]\nWantedBy=multi-user.target\n'
const service = (body: string, tail = install): string => `[Service]\n${body}\n${tail}`

/** What the host has. `%n` is the unit's own name. */
const units: Readonly<Record<string, string>> = {
  'lab-exec.service': service('Type=exec\nExecStart=/bin/sleep 1000\nExecReload=/bin/touch /run/reloaded'),
  'lab-forking.service': service(
    `Type=forking\nPIDFile=/run/forking.pid\nExecStart=/bin/sh -c 'sleep 1000 & echo $$! >/run/forking.pid'`,
  ),
  'lab-oneshot.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
  'lab-gone.service': service('Type=oneshot\nExecStart=/bin/true'),
  'lab-slow.service': service('Type=exec\nExecStartPre=/bin/sleep 0.4\nExecStart=/bin/sleep 1000'),
  'lab-hang.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1000'),
  'lab-clinging.service': service(
    `Type=exec\nTimeoutStopSec=5\nExecStart=/bin/sh -c "trap '' TERM; while :; do sleep 0.1; done"`,
  ),
  // It never says that it is ready.
  'lab-notify.service': service('Type=notify\nExecStart=/bin/sleep 1000'),
  'lab-failing.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "exit 3"'),
  'lab-missing-program.service': service('Type=exec\nExecStart=/nonexistent/program'),
  'lab-condition.service': `[Unit]\nConditionPathExists=/nonexistent\n${service('ExecStart=/bin/sleep 1000')}`,
  'lab-restarting.service': service('Type=exec\nRestart=always\nRestartSec=60\nExecStart=/bin/sleep 1000'),
  'lab-static.service': service('Type=exec\nExecStart=/bin/sleep 1000', ''),
  'lab-enabled.service': service('Type=exec\nExecStart=/bin/sleep 1000'),
  'lab-masked.service': service('Type=exec\nExecStart=/bin/sleep 1000'),
  'lab-by-others.service': `[Unit]\nRefuseManualStart=yes\n${service('ExecStart=/bin/sleep 1000')}`,
  'lab-broken.service': service('Type=exec'),
  'lab@.service': service('Type=exec\nExecStart=/bin/sleep 1000'),
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** A member of a pair whose peer never comes. */
const memberIni = `name = watched
nodes = one, two
[liveness]
keepalive = 200ms
deadtime = 2s
initdead = 2s
[authenticator]
method = sha256
key = a key of the laboratory, long enough
[transport.lo]
type = udp-unicast
addresses.one = 127.0.0.1:6941
addresses.two = 127.0.0.1:6942
[group.jobs]
preferred = one
resources = job
[resource.job]
type = script
path = /etc/ha.lab/job
`

const memberJob = `#!/bin/sh
case $1 in start) : >/run/job.on ;; stop) rm -f /run/job.on ;; status) [ -e /run/job.on ] && echo running || echo stopped ;; esac
`

const reason = lacking('nsenter', 'unshare', 'setpriv', 'systemctl', 'dbus-daemon')
if (reason) console.log(`skipped: ${reason}`)

interface Trial {
  readonly agent: ResourceAgent
  readonly context: ResourceContext & { record(): unknown }
  /** Warnings of the agent. */
  readonly lines: readonly string[]
  /** Times at which the agent asked to be looked at. */
  readonly changes: readonly number[]
}

describe('systemd(), inside a host with a real systemd', { skip: reason ?? false, timeout: 900_000 }, () => {
  let host: SystemdHost
  let agents: AgentHost
  const opened: { readonly unit: string; readonly agent: ResourceAgent }[] = []

  before(async () => {
    host = await SystemdHost.boot()
    host.write(units)
    host.run('systemctl', 'enable', 'lab-enabled.service')
    host.run('rm', '/etc/systemd/system/lab-masked.service')
    host.run('systemctl', 'mask', 'lab-masked.service')
    agents = new AgentHost(host.enter)
  })
  after(async () => {
    await agents?.end()
    await host?.end()
  })
  afterEach(async () => {
    const used = [...new Set(opened.map(({ unit }) => unit))].join(' ')
    for (const { agent } of opened.splice(0)) await agent.close?.().catch(() => {})
    if (used !== '') host.run('sh', '-c', `systemctl kill -s KILL ${used}; systemctl stop ${used}`)
  })

  const active = (unit: string): string => host.run('systemctl', 'is-active', unit)

  const killMain = (unit: string): void => void host.run('kill', '-KILL', String(host.mainPid(unit)))

  function make(unit: string, options: SystemdOptions = {}, leftover: Record<string, unknown> | null = null): Trial {
    const { logger, lines } = collectingLogger()
    const changes: number[] = []
    const context = { ...agentContext('/tmp', leftover, logger), changed: () => void changes.push(performance.now()) }
    const agent = agents.plugin('systemd', systemd(unit, options), unit, options).create(context)
    opened.push({ unit, agent })
    return { agent, context, lines, changes }
  }

  async function open(unit: string, options: SystemdOptions = {}): Promise<Trial> {
    const trial = make(unit, options)
    await trial.agent.open?.()
    return trial
  }

  for (const unit of ['lab-exec', 'lab-forking']) {
    describe(`the suite with ${unit}`, () => {
      resourceAgentSuite({
        manifest: { sees: true, breaks: true, hangs: false },
        test: it,
        create: () => ({
          plugin: agents.plugin('systemd', systemd(unit), unit, {}),
          serves: () => active(unit) === 'active',
          break: () => host.kill(unit),
          cleanup: () => void host.run('systemctl', 'stop', unit),
        }),
      })
    })
  }
  describe('the suite with a unit whose start hangs', () => {
    resourceAgentSuite({
      manifest: { sees: true, breaks: false, hangs: true },
      // Only this test can be played with it: no other start comes to its end.
      test: (name, run) => (name.includes('a start that hangs') ? it(name, run) : undefined),
      create: () => ({
        plugin: agents.plugin('systemd', systemd('lab-hang'), 'lab-hang', {}),
        serves: () => !['inactive', 'failed'].includes(active('lab-hang')),
        hang: () => {},
      }),
    })
  })

  it('boots, and reaches systemd without a bus', async (t) => {
    const { agent } = await open('lab-exec')
    assert.equal((await agent.inspect?.())?.['way'], '/run/systemd/private')
    t.diagnostic(`boot ${host.bootMs.toFixed(0)} ms`)
  })

  it('starts and stops units of every type, and waits for their jobs', async (t) => {
    for (const unit of [
      ...['lab-exec', 'lab-forking', 'lab-oneshot', 'lab-slow'],
      ...['lab@one', 'lab@foo-bar', String.raw`lab@srv-data\x2dbase`],
    ]) {
      const { agent, context } = await open(unit)
      const begun = performance.now()
      await agent.start(within())
      const started = performance.now()
      assert.equal(active(unit), 'active', unit)
      assert.deepEqual(await agent.status(within()), { state: 'running' })
      assert.deepEqual(context.record(), { unit: `${unit}.service` })
      const stopping = performance.now()
      await agent.stop(within())
      t.diagnostic(
        `${unit}: start ${(started - begun).toFixed(1)} ms, stop ${(performance.now() - stopping).toFixed(1)} ms`,
      )
      assert.equal(active(unit), 'inactive', unit)
      assert.equal(context.record(), null)
      if (unit === 'lab-slow') assert.ok(started - begun > 390, 'it waited for ExecStartPre')
    }
  })

  it('refuses units that cannot be started here, with the reason', async () => {
    const cases: readonly (readonly [unit: string, options: SystemdOptions, message: RegExp])[] = [
      ['lab-none', {}, /HS_HOST lab-none\.service does not exist on this host/],
      ['lab-masked', {}, /HS_HOST lab-masked\.service is masked.*systemctl unmask lab-masked\.service/],
      ['lab-static', {}, /HS_HOST lab-static\.service is static.*allowStatic/],
      ['lab-by-others', {}, /HS_HOST lab-by-others\.service may not be started by hand/],
      ['lab-broken', {}, /HS_HOST lab-broken\.service cannot be loaded \(bad-setting\): ./],
      ['lab-forking', { reload: true }, /HS_HOST lab-forking\.service cannot be reloaded/],
    ]
    for (const [unit, options, message] of cases) {
      const { agent } = make(unit, options)
      for (const call of [() => agent.open?.(), () => agent.prepare?.(within()), () => agent.start(within())]) {
        await assert.rejects(
          async () => call(),
          (error: { code: string; message: string }) => {
            assert.match(`${error.code} ${error.message}`, message)
            return true
          },
        )
      }
      await agent.stop(within())
    }
    const { agent } = await open('lab-static', { allowStatic: true })
    await agent.start(within())
    assert.equal(active('lab-static'), 'active')
  })

  it('warns of a unit that is enabled, and of one that runs already', async () => {
    const { lines } = await open('lab-enabled')
    assert.match(lines.join(), /lab-enabled\.service is enabled: it starts with this host.*systemctl disable/)
    host.run('systemctl', 'start', 'lab-exec')
    assert.match((await open('lab-exec')).lines.join(), /runs already, though nobody here started it/)
  })

  it('tells why a start failed', async () => {
    const cases: readonly (readonly [unit: string, message: RegExp])[] = [
      [
        'lab-failing',
        /lab-failing\.service start: it failed \(exit-code, exit status 3\), it is failed now; journalctl/,
      ],
      ['lab-missing-program', /lab-missing-program\.service start: it failed \(exit-code, exit status 203\)/],
      ['lab-gone', /was started, yet it is inactive \(dead\): a unit of Type=oneshot needs RemainAfterExit=yes/],
      ['lab-condition', /yet it is inactive \(dead\): .* every Condition…= of the unit has to hold/],
    ]
    for (const [unit, message] of cases) {
      const { agent } = await open(unit)
      await assert.rejects(agent.start(within()), { code: 'HS_RESOURCE', message })
      await agent.stop(within())
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    }
  })

  it('starts again and again, whatever the unit says about starting too often', async () => {
    const { agent } = await open('lab-exec')
    for (let round = 0; round < 8; round++) {
      await agent.start(within())
      await agent.stop(within())
    }
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  })

  it('notices at once that a unit died, was stopped by hand, or is being restarted', async (t) => {
    const cases: readonly (readonly [unit: string, what: (unit: string) => void, reason: RegExp])[] = [
      ['lab-exec', (unit) => killMain(unit), /is failed \(failed\): signal, signal 9; journalctl/],
      ['lab-exec', (unit) => void host.run('systemctl', 'stop', unit), /is (?:inactive \(dead\)|deactivating)/],
      ['lab-restarting', (unit) => killMain(unit), /is activating \(auto-restart\): signal, signal 9/],
    ]
    for (const [unit, end, wanted] of cases) {
      const { agent, changes } = await open(unit)
      await agent.start(within())
      await sleep(50)
      assert.equal(changes.length, 0, 'its own start is no news')
      const begun = performance.now()
      end(unit)
      await waitFor(() => changes.length > 0, { what: 'the agent noticed', everyMs: 1 })
      t.diagnostic(`${unit}: noticed ${((changes[0] ?? Infinity) - begun).toFixed(1)} ms after the order`)
      assert.ok((changes[0] ?? Infinity) - begun < 1000)
      const status = await agent.status(within())
      assert.match(status.state === 'failed' ? status.reason : status.state, wanted)
      await agent.stop(within())
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    }
  })

  it('a stop that hangs is cancelled at its limit, and can be asked for again', async () => {
    const { agent } = await open('lab-clinging')
    await agent.start(within())
    // Its shell has set its trap by then.
    await sleep(300)
    const begun = performance.now()
    await assert.rejects(agent.stop(within(300)), { code: 'HS_TIMEOUT', message: /its job was cancelled/ })
    assert.ok(performance.now() - begun < 2000)
    assert.equal(host.run('systemctl', 'list-jobs', '--no-legend'), '')
    assert.notEqual(active('lab-clinging'), 'inactive')
    // systemd's own TimeoutStopSec ends it.
    await agent.stop(within())
    assert.equal(active('lab-clinging'), 'failed')
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  })

  it('a start that hangs leaves nothing running, nor does a unit that never says that it is ready', async () => {
    for (const unit of ['lab-hang', 'lab-notify']) {
      const { agent } = await open(unit)
      await assert.rejects(agent.start(within(300)), { code: 'HS_TIMEOUT' })
      await waitFor(() => ['inactive', 'failed'].includes(active(unit)), { what: `${unit} ended` })
      await agent.stop(within())
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    }
  })

  it('a start whose job somebody else cancels, or turns into a stop, fails and says so', async () => {
    for (const words of [['stop', 'lab-hang'], ['cancel']]) {
      const { agent } = await open('lab-hang')
      const started = agent.start(within())
      started.catch(() => {})
      await waitFor(() => active('lab-hang') === 'activating', { what: 'the start is under way' })
      host.run('systemctl', ...words)
      await assert.rejects(started, { code: 'HS_RESOURCE', message: /lab-hang\.service start: .*cancelled/ })
      await agent.stop(within())
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    }
  })

  it('a start goes on when systemd reads its files, or executes itself, anew meanwhile', async () => {
    for (const word of ['daemon-reload', 'daemon-reexec']) {
      const { agent } = await open('lab-slow')
      const started = agent.start(within())
      started.catch(() => {})
      await waitFor(() => active('lab-slow') === 'activating', { what: 'the start is under way' })
      host.run('systemctl', word)
      await started
      assert.equal(active('lab-slow'), 'active', word)
      assert.deepEqual(await agent.status(within()), { state: 'running' })
      await agent.stop(within())
      assert.equal(active('lab-slow'), 'inactive')
    }
  })

  it('warns of a unit file that was replaced and not read: what runs does so by the old one', async () => {
    const { agent, lines } = await open('lab-exec')
    assert.doesNotMatch(lines.join(), /daemon-reload/)
    const file = '/etc/systemd/system/lab-exec.service'
    // What does not run is read anew by itself.
    await agent.start(within())
    host.run('sh', '-c', `sleep 0.01; echo '# another one' >>${file}`)
    try {
      await agent.start(within())
      assert.match(
        lines.join(),
        /the file of lab-exec\.service was changed; systemctl daemon-reload makes systemd read it/,
      )
      await agent.stop(within())
    } finally {
      host.write({ 'lab-exec.service': units['lab-exec.service'] ?? '' })
    }
  })

  it('kill -9 of the member during a start: its successor ends the unit before it joins', async () => {
    const member = new AgentHost(host.enter)
    const context = agentContext('/tmp')
    const agent = member.plugin('systemd', systemd('lab-slow'), 'lab-slow', {}).create(context)
    await agent.open?.()
    const started = agent.start(within())
    started.catch(() => {})
    await waitFor(() => context.record() !== null && active('lab-slow') === 'activating', {
      what: 'the start is under way',
    })
    await member.end('SIGKILL')
    await assert.rejects(started)
    // The job goes on without the one who asked for it.
    await waitFor(() => active('lab-slow') === 'active', { what: 'the job ended' })
    const successor = make('lab-slow', {}, context.record())
    await successor.agent.open?.()
    assert.equal(active('lab-slow'), 'inactive')
    assert.match(successor.lines.join(), /stopping lab-slow\.service, which an earlier, killed process had started/)
  })

  it('a hot unit runs before the takeover, is reloaded by it, and outlives it', async () => {
    const { agent } = await open('lab-exec', { mode: 'hot', reload: true })
    assert.equal(active('lab-exec'), 'active')
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    host.run('rm', '-f', '/run/reloaded')
    await agent.start(within())
    assert.equal(host.run('ls', '/run/reloaded'), '/run/reloaded')
    await agent.stop(within())
    assert.equal(active('lab-exec'), 'active')
  })

  it('a member that stands still is killed by the watchdog of its unit, and starts again', async (t) => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const put = (path: string, text: string, mode: string): void => {
      const line = `mkdir -p $(dirname ${path}) && cat >${path} && chmod ${mode} ${path}`
      const [file = '', ...args] = [...host.enter, 'sh', '-c', line]
      execFileSync(file, args, { input: text })
    }
    put('/etc/ha.lab/hot-standby.ini', memberIni, '600')
    put('/etc/ha.lab/job', memberJob, '755')
    // The unit of the documentation, with a shorter time.
    const unit = readFileSync(`${root}docs/hot-standby.service`, 'utf8')
      .replaceAll('/usr/bin/hot-standby', `${process.execPath} ${root}dist/cli/main.js`)
      .replaceAll('/etc/ha.d', '/etc/ha.lab')
      .replace('run --dir', 'run --node one --dir')
      .replace('cleanup --dir', 'cleanup --node one --dir')
      .replace('WatchdogSec=30', 'WatchdogSec=4')
    host.write({ 'lab-member.service': unit })
    const restarts = (): string => host.run('systemctl', 'show', '-P', 'NRestarts', 'lab-member')
    const serves = (): boolean => host.run('sh', '-c', 'ls /run/job.on 2>/dev/null; true') !== ''
    const seen = (): string => host.run('sh', '-c', 'systemctl status --no-pager -l lab-member; true')
    try {
      host.run('systemctl', 'start', 'lab-member')
      await waitFor(serves, { what: 'it serves', withinMs: 30_000, seen })
      await sleep(6000)
      assert.deepEqual([active('lab-member'), restarts()], ['active', '0'], 'it is fed while it runs')
      const pid = host.mainPid('lab-member')
      const stopped = performance.now()
      host.run('kill', '-STOP', String(pid))
      await waitFor(() => restarts() === '1', { what: 'systemd starts it again', withinMs: 60_000, everyMs: 200, seen })
      t.diagnostic(`killed and started again after ${Math.round(performance.now() - stopped)} ms`)
      await waitFor(() => active('lab-member') === 'active' && serves(), {
        what: 'it serves again',
        withinMs: 60_000,
        everyMs: 200,
        seen,
      })
      assert.notEqual(host.mainPid('lab-member'), pid)
    } finally {
      host.run('sh', '-c', 'systemctl kill -s CONT lab-member; systemctl stop lab-member; true')
    }
    assert.equal(serves(), false, 'an orderly stop of the unit stops the job')
  })

  it('goes on when systemd executes itself anew', async () => {
    const { agent, changes } = await open('lab-exec')
    await agent.start(within())
    host.run('systemctl', 'daemon-reexec')
    await waitFor(() => changes.length > 0, { what: 'the lost connection is noticed' })
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    await agent.stop(within())
    assert.equal(active('lab-exec'), 'inactive')
  })

  /** An agent in a process of its own, which the words before it put into its place. */
  async function elsewhere(
    words: readonly string[],
    play: (agent: ResourceAgent, lines: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const member = new AgentHost([...host.enter, ...words])
    const { logger, lines } = collectingLogger()
    const context = agentContext('/tmp', null, logger)
    try {
      await play(member.plugin('systemd', systemd('lab-exec'), 'lab-exec', {}).create(context), lines)
    } finally {
      await member.end()
    }
  }

  const hidden = (...paths: readonly string[]): readonly string[] => {
    const hide = paths.map((path) => `mount --bind /dev/null ${path}`)
    // The way back to where the sockets are, so that systemctl works.
    const wrapper =
      'printf \'#!/bin/sh\\nexec nsenter -t 1 -m -- systemctl "$@"\\n\' >/run/systemctl && chmod 755 /run/systemctl'
    const lines = [...hide, wrapper, 'mount --bind /run/systemctl /usr/bin/systemctl', 'exec "$@"']
    return ['unshare', '--mount', 'sh', '-c', lines.join(' && '), 'sh']
  }

  it("works over the message bus, where systemd's own socket is not there", async (t) => {
    await elsewhere(hidden('/run/systemd/private'), async (agent, lines) => {
      await agent.open?.()
      assert.equal((await agent.inspect?.())?.['way'], '/run/dbus/system_bus_socket')
      assert.deepEqual(lines, [])
      const begun = performance.now()
      await agent.start(within())
      t.diagnostic(`start ${(performance.now() - begun).toFixed(1)} ms`)
      assert.equal(active('lab-exec'), 'active')
      await agent.stop(within())
      assert.equal(active('lab-exec'), 'inactive')
    })
  })

  it('goes on when the message bus is started anew', async () => {
    await elsewhere(hidden('/run/systemd/private'), async (agent) => {
      await agent.open?.()
      await agent.start(within())
      host.run('systemctl', 'restart', 'dbus.service')
      assert.deepEqual(await agent.status(within()), { state: 'running' })
      await agent.stop(within())
      assert.equal(active('lab-exec'), 'inactive')
      await agent.start(within())
      assert.equal((await agent.inspect?.())?.['way'], '/run/dbus/system_bus_socket', 'it is connected again')
      await agent.stop(within())
    })
  })

  it('works by systemctl, where D-Bus cannot be reached', async (t) => {
    await elsewhere(hidden('/run/systemd/private', '/run/dbus/system_bus_socket'), async (agent, lines) => {
      await agent.open?.()
      assert.equal((await agent.inspect?.())?.['way'], 'systemctl')
      assert.match(lines.join(), /D-Bus cannot be reached \(.*systemctl is asked how lab-exec\.service is/)
      const begun = performance.now()
      await agent.start(within())
      t.diagnostic(`start ${(performance.now() - begun).toFixed(1)} ms`)
      assert.deepEqual(await agent.status(within()), { state: 'running' })
      killMain('lab-exec')
      await waitFor(() => active('lab-exec') === 'failed', { what: 'it died' })
      const status = await agent.status(within())
      assert.match(
        status.state === 'failed' ? status.reason : '',
        /lab-exec\.service is failed \(failed\): signal, signal 9/,
      )
      await agent.stop(within())
      await agent.start(within())
      await agent.stop(within())
      assert.equal(active('lab-exec'), 'inactive')
    })
  })

  it('tells a user who may not start units what is missing', async () => {
    await elsewhere(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], async (agent) => {
      await agent.open?.()
      await assert.rejects(agent.start(within()), {
        code: 'HS_HOST',
        message: /lab-exec\.service: user 65534 may not call StartUnit of systemd .*polkit/,
      })
    })
  })
})
