import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type NginxOptions, nginx } from '../../src/resources/nginx.ts'
import type { ResourceAgent, ResourceContext } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, within } from '../support/agents.ts'
import { lacking } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'
import { SystemdHost } from './world/systemd.ts'

const reason = lacking('nsenter', 'unshare', 'systemctl', 'dbus-daemon', 'nginx', 'curl')
if (reason) console.log(`skipped: ${reason}`)

const floating = '10.88.0.100'
const page = 'http://127.0.0.1/'

describe("nginx() as Debian's unit, inside a host with a real systemd", {
  skip: reason ?? false,
  timeout: 900_000,
}, () => {
  let host: SystemdHost
  let agents: AgentHost
  const opened: ResourceAgent[] = []

  before(async () => {
    host = await SystemdHost.boot()
    // The host masks it, as the laboratory has no use for it elsewhere.
    host.run('rm', '-f', '/etc/systemd/system/nginx.service')
    host.run('systemctl', 'daemon-reload')
    host.run('sh', '-c', 'mkdir -p /var/log/nginx /var/lib/nginx /var/www; echo lab page >/var/www/index.html')
    listen('80')
    agents = new AgentHost(host.enter)
  })
  after(async () => {
    await agents?.end()
    await host?.end()
  })
  afterEach(async () => {
    for (const agent of opened.splice(0)) await agent.close?.().catch(() => {})
    host.run('sh', '-c', 'systemctl stop nginx; echo 0 >/proc/sys/net/ipv4/ip_nonlocal_bind')
    host.run('sh', '-c', `ip addr del ${floating}/32 dev lo 2>/dev/null || true`)
    listen('80')
  })

  function listen(where: string): void {
    const http = `http { access_log off; server { listen ${where}; root /var/www; location /slow { limit_rate 1; } } }`
    const text = `worker_processes 1; pid /run/nginx.pid; error_log /var/log/nginx/error.log; events { } ${http}`
    host.run('sh', '-c', `echo '${text}' >/etc/nginx/nginx.conf`)
  }

  const active = (): string => host.run('systemctl', 'is-active', 'nginx')
  const serves = (where = page): boolean => host.run('sh', '-c', `curl -s -m 2 ${where} || true`).includes('lab page')

  interface Trial {
    readonly agent: ResourceAgent
    readonly context: ResourceContext & { record(): unknown }
    readonly lines: readonly string[]
    readonly changes: readonly number[]
  }

  async function open(options: NginxOptions, leftover: Record<string, unknown> | null = null): Promise<Trial> {
    const { logger, lines } = collectingLogger()
    const changes: number[] = []
    const context = { ...agentContext('/tmp', leftover, logger), changed: () => void changes.push(performance.now()) }
    const agent = agents.plugin('nginx', nginx(options), options).create(context)
    opened.push(agent)
    await agent.open?.()
    return { agent, context, lines, changes }
  }

  for (const mode of ['cold', 'hot'] as const) {
    describe(`the suite, ${mode}`, () => {
      resourceAgentSuite({
        manifest: { sees: true, breaks: true, hangs: false },
        test: it,
        keepsRunning: mode === 'hot',
        create: () => ({
          plugin: agents.plugin('nginx', nginx({ mode, url: page }), { mode, url: page }),
          serves,
          break: () => host.kill('nginx'),
          cleanup: () => void host.run('systemctl', 'stop', 'nginx'),
        }),
      })
    })
  }

  it('finds the unit by itself, runs it by its jobs, and notices its end at once', async (t) => {
    const { agent, context, changes, lines } = await open({ mode: 'cold', url: page, expect: 'lab page' })
    await agent.prepare?.(within())
    await agent.start(within())
    assert.equal(active(), 'active')
    assert.deepEqual(context.record(), { unit: 'nginx.service' })
    const unit = ((await agent.inspect?.()) as { unit?: { way: string } } | undefined)?.unit
    assert.equal(unit?.way, '/run/systemd/private')
    const begun = performance.now()
    host.run('systemctl', 'stop', 'nginx')
    await waitFor(() => changes.length > 0, { what: 'the agent noticed that it was stopped by hand', everyMs: 1 })
    t.diagnostic(`noticed ${((changes[0] ?? 0) - begun).toFixed(0)} ms after systemctl stop was begun`)
    const status = await agent.status(within())
    assert.match(
      status.state === 'failed' ? status.reason : status.state,
      /nginx\.service is (?:inactive|deactivating)/,
    )
    await agent.start(within())
    assert.equal(serves(), true)
    await agent.stop(within())
    assert.equal(active(), 'inactive')
    assert.equal(context.record(), null)
    assert.deepEqual(lines, [])
  })

  it('warns of a unit that is enabled at boot, and names one that there is not', async () => {
    host.run('systemctl', 'enable', 'nginx')
    assert.match((await open({ mode: 'cold' })).lines.join(), /nginx\.service is enabled: .*systemctl disable nginx/)
    host.run('systemctl', 'disable', 'nginx')
    await assert.rejects(open({ mode: 'cold', unit: 'nginx-none' }), {
      code: 'HS_HOST',
      message: /nginx-none\.service does/,
    })
  })

  it('runs it directly where that is asked for', async () => {
    const { agent, context } = await open({ mode: 'cold', unit: 'none', url: page })
    await agent.start(within())
    assert.equal(serves(), true)
    assert.notEqual(active(), 'active')
    assert.deepEqual(context.record(), { config: '/etc/nginx/nginx.conf', pidFile: '/run/nginx.pid' })
    await agent.stop(within())
    assert.equal(serves(), false)
  })

  it('a slow request is cut when quitTimeout is over, not when the unit thinks so', async () => {
    host.run('sh', '-c', 'head -c 1000000 /dev/zero >/var/www/slow')
    const { agent } = await open({ mode: 'cold', quitTimeout: '300ms', stopTimeout: '20s' })
    await agent.start(within())
    host.run('sh', '-c', `curl -s -o /dev/null ${page}slow >/dev/null 2>&1 & sleep 0.3`)
    const begun = performance.now()
    await agent.stop(within())
    const took = performance.now() - begun
    assert.ok(took >= 250 && took < 4500, `${took} ms; Debian's unit alone waits 5 s`)
    assert.equal(active(), 'inactive')
  })

  it('kill -9 of the member: its successor ends the unit before it joins', async () => {
    const { agent, context } = await open({ mode: 'cold' })
    await agent.start(within())
    const lost = agents
    agents = new AgentHost(host.enter)
    await lost.end('SIGKILL')
    opened.length = 0
    assert.equal(serves(), true)
    const { lines } = await open({ mode: 'cold' }, context.record() as Record<string, unknown>)
    assert.equal(active(), 'inactive')
    assert.match(lines.join(), /stopping nginx\.service, which an earlier, killed process had started/)
    // Also when the successor was told to do without the unit.
    host.run('systemctl', 'start', 'nginx')
    await open({ mode: 'cold', unit: 'none' }, { unit: 'nginx.service' })
    assert.equal(active(), 'inactive')
  })

  it('hot, on an address that is elsewhere: with ip_nonlocal_bind it stands ready, without it says what is missing', async () => {
    listen(`${floating}:80`)
    const without = await open({ mode: 'hot' })
    assert.match(without.lines.join(), /nginx\.service start: it failed/)
    await assert.rejects(async () => without.agent.prepare?.(within()), { code: 'HS_RESOURCE' })
    await without.agent.close?.()
    const direct = await open({ mode: 'hot', unit: 'none' })
    await assert.rejects(async () => direct.agent.prepare?.(within()), /net\.ipv4\.ip_nonlocal_bind=1/)
    await direct.agent.close?.()
    host.run('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind')
    const url = `http://${floating}/`
    const { agent } = await open({ mode: 'hot', url, expect: 'lab page' })
    await agent.prepare?.(within())
    assert.equal(active(), 'active')
    assert.equal(serves(url), false)
    host.run('ip', 'addr', 'add', `${floating}/32`, 'dev', 'lo')
    await agent.start(within())
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    await agent.stop(within())
    assert.equal(active(), 'active')
  })

  it('cold, without ip_nonlocal_bind: it starts once the address is here', async () => {
    listen(`${floating}:80`)
    const { agent } = await open({ mode: 'cold' })
    await agent.prepare?.(within())
    await assert.rejects(agent.start(within()), { code: 'HS_RESOURCE' })
    assert.notEqual(active(), 'active')
    host.run('ip', 'addr', 'add', `${floating}/32`, 'dev', 'lo')
    await agent.start(within())
    assert.equal(serves(`http://${floating}/`), true)
    await agent.stop(within())
  })
})
