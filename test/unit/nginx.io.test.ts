import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { probeHttp } from '../../src/platform/http-probe.ts'
import { pollUntil } from '../../src/platform/poll.ts'
import { findProgram, isAlive, processFamily, readPidFile, runProgram } from '../../src/platform/process.ts'
import { type NginxOptions, nginx } from '../../src/resources/nginx.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, freePort, temporaryDirectory, within } from '../support/agents.ts'

const missing = findProgram('nginx') === null
if (missing && process.env['CI'])
  throw new Error('nginx is not installed, and in CI it has to be (Debian: nginx-light)')
const skip = missing ? 'nginx is not installed (Debian: nginx-light)' : false

/** An nginx configuration in a directory of its own, on a free port of loopback. */
class Site {
  readonly directory: string
  readonly port: number
  readonly config: string
  readonly pidFile: string

  constructor(port: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    this.port = port
    this.config = join(this.directory, 'nginx.conf')
    this.pidFile = join(this.directory, 'run.pid')
    this.write()
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`
  }

  write({ listen = `127.0.0.1:${this.port}`, main = '', server = '' } = {}): void {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const paths = temporary.map((name) => `${name}_temp_path ${this.directory}/tmp;`).join('\n')
    writeFileSync(
      this.config,
      `# pid /wrong.pid;
      pid "${this.pidFile}";
      error_log ${this.directory}/error.log;
      worker_processes 1;
      ${main}
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      events { worker_connections 64; }
      http {
        access_log off;
        ${paths}
        server { listen ${listen}; ${server} location / { return 200 "served\\n"; } location /big { root ${this.directory}; limit_rate 1k; } }
      }`,
    )
  }

  pid(): number | null {
    return readPidFile(this.pidFile)
  }

  async serves(): Promise<boolean> {
    return (await probeHttp(this.url, { timeoutMs: 2000 })).ok
  }

  /** Kills whatever is left of it, workers without a master too. */
  async cleanup(): Promise<void> {
    const pid = this.pid()
    const family = () => (pid === null ? [] : processFamily(pid).map((process) => process.pid))
    for (const member of family()) process.kill(member, 'SIGKILL')
    await pollUntil(() => family().length === 0, { limitMs: 5000 })
    rmSync(this.directory, { recursive: true, force: true })
  }
}

async function newSite(t: TestContext): Promise<Site> {
  const site = new Site(await freePort())
  t.after(() => site.cleanup())
  return site
}

function agentOf(site: Site, options: NginxOptions, context = agentContext(site.directory)): ResourceAgent {
  return nginx({ config: site.config, ...options }).create(context)
}

for (const mode of ['cold', 'hot'] as const) {
  resourceAgentSuite({
    manifest: { sees: true, breaks: true, hangs: false },
    test: (name, run) => test(`${mode} nginx: ${name}`, { skip }, run),
    keepsRunning: mode === 'hot',
    async create() {
      const site = new Site(await freePort())
      return {
        plugin: nginx({ mode, config: site.config, url: site.url }),
        serves: () => site.serves(),
        async break() {
          const master = site.pid() as number
          process.kill(master, 'SIGKILL')
          await pollUntil(() => !isAlive(master), { limitMs: 5000 })
        },
        cleanup: () => site.cleanup(),
      }
    },
  })
}

test('cold: a request in progress may end within quitTimeout, then it is cut', { skip, timeout: 60_000 }, async (t) => {
  const site = await newSite(t)
  writeFileSync(join(site.directory, 'big'), Buffer.alloc(200_000))
  const agent = agentOf(site, { mode: 'cold', quitTimeout: '500ms' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.start(within())
  let begun: () => void = () => {}
  const response = new Promise<void>((resolve) => {
    begun = resolve
  })
  const cut = new Promise<string>((resolve) => {
    const request = get(`${site.url}big`, (answer) => {
      begun()
      answer.resume()
      answer.once('close', () => resolve(answer.complete ? 'complete' : 'cut'))
      answer.on('error', () => {})
    })
    request.on('error', () => resolve('cut'))
  })
  await response
  const master = site.pid() as number
  const beganMs = performance.now()
  await agent.stop(within())
  const tookMs = performance.now() - beganMs
  assert.ok(tookMs >= 500, `${tookMs} ms`)
  assert.equal(await cut, 'cut')
  assert.equal(isAlive(master), false)
  assert.equal(processFamily(master).length, 0)
})

test('cold: idle, it goes at once and asks nobody for the limit', { skip }, async (t) => {
  const site = await newSite(t)
  const agent = agentOf(site, { mode: 'cold', quitTimeout: '30s' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.start(within())
  const beganMs = performance.now()
  await agent.stop(within())
  assert.ok(performance.now() - beganMs < 10_000)
  assert.equal(await site.serves(), false)
})

test('a broken configuration is refused beforehand, with the words of nginx and its line', { skip }, async (t) => {
  const site = await newSite(t)
  site.write({ main: 'wrong_directive on;' })
  for (const mode of ['cold', 'hot'] as const) {
    const { logger, lines } = collectingLogger()
    const agent = agentOf(site, { mode }, agentContext(site.directory, null, logger))
    t.after(() => agent.close?.())
    await agent.open?.()
    await assert.rejects(
      agent.prepare!(within()),
      /refuses its configuration .*unknown directive "wrong_directive".*nginx\.conf:5/,
    )
    await assert.rejects(agent.start(within()), /nginx did not start: .*wrong_directive/)
    if (mode === 'hot') assert.match(lines.join(), /warn .*wrong_directive/)
  }
})

test('an address that is not here does not make a configuration bad, and a hot start says what is needed', {
  skip,
}, async (t) => {
  const site = await newSite(t)
  site.write({ listen: `192.0.2.77:${site.port}` })
  const cold = agentOf(site, { mode: 'cold' })
  t.after(() => cold.close?.())
  await cold.open?.()
  await cold.prepare!(within())
  await assert.rejects(cold.start(within()), /declare the address before nginx/)
  const hot = agentOf(site, { mode: 'hot' })
  t.after(() => hot.close?.())
  await hot.open?.()
  await assert.rejects(hot.prepare!(within()), /net\.ipv4\.ip_nonlocal_bind=1/)
  // Behind the missing address a real fault is still seen.
  site.write({ listen: `192.0.2.77:${site.port}`, server: 'root;' })
  await assert.rejects(cold.prepare!(within()), /invalid number of arguments in "root"/)
})

test('a port that is taken is told', { skip, timeout: 60_000 }, async (t) => {
  const [one, two] = [await newSite(t), await newSite(t)]
  two.write({ listen: `127.0.0.1:${one.port}` })
  const [first, second] = [agentOf(one, { mode: 'cold' }), agentOf(two, { mode: 'cold' })]
  for (const agent of [first, second]) {
    t.after(() => agent.close?.())
    await agent.open?.()
  }
  await first.start(within())
  await assert.rejects(second.start(within()), /Address already in use/)
  await second.stop(within())
  assert.equal(await one.serves(), true)
  await first.stop(within())
})

test('another nginx, in a stale pid file too, is left alone', { skip }, async (t) => {
  const [other, ours] = [await newSite(t), await newSite(t)]
  await runProgram({ file: findProgram('nginx') as string, args: ['-c', other.config], timeoutMs: 10_000 })
  assert.ok(await pollUntil(() => other.pid() !== null, { limitMs: 5000 }))
  // Its pid was once that of our nginx.
  writeFileSync(ours.pidFile, String(other.pid()))
  const agent = agentOf(ours, { mode: 'cold', url: ours.url })
  t.after(() => agent.close?.())
  await agent.open?.()
  assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  await agent.stop(within())
  assert.equal(await other.serves(), true)
  await agent.start(within())
  await agent.stop(within())
  assert.equal(await other.serves(), true)
})

test('a pid file that names a process of another kind names no nginx', { skip }, async (t) => {
  const site = await newSite(t)
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  writeFileSync(site.pidFile, String(child.pid))
  const agent = agentOf(site, { mode: 'cold' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.stop(within())
  assert.equal(isAlive(child.pid as number), true)
  await agent.start(within())
  assert.notEqual(site.pid(), child.pid)
  await agent.stop(within())
})

test('workers whose master was killed are found and ended before the next start', { skip }, async (t) => {
  const site = await newSite(t)
  const agent = agentOf(site, { mode: 'cold', url: site.url })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.start(within())
  const master = site.pid() as number
  process.kill(master, 'SIGKILL')
  assert.ok(await pollUntil(() => !isAlive(master), { limitMs: 5000 }))
  // They still answer: the danger is real.
  assert.equal(await site.serves(), true)
  assert.equal((await agent.status(within())).state, 'failed')
  await agent.start(within())
  assert.equal(processFamily(master).length, 0)
  assert.equal(await site.serves(), true)
  await agent.stop(within())
  assert.equal(await site.serves(), false)
})

test('hot: runs from the opening, stays after stop and close, and comes back when it died', { skip }, async (t) => {
  const site = await newSite(t)
  const agent = agentOf(site, { mode: 'hot', url: site.url })
  await agent.open?.()
  assert.equal(await site.serves(), true)
  assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  await agent.start(within())
  const master = site.pid() as number
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  process.kill(master, 'SIGKILL')
  await pollUntil(() => !isAlive(master), { limitMs: 5000 })
  assert.equal((await agent.status(within())).state, 'failed')
  await agent.prepare!(within())
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  await agent.stop(within())
  await agent.close?.()
  assert.equal(await site.serves(), true)
})

test('a page that does not answer well fails the start and the status', { skip }, async (t) => {
  const site = await newSite(t)
  const agent = agentOf(site, { mode: 'cold', url: `${site.url}big`, startTimeout: '300ms' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await assert.rejects(agent.start(within()), /nginx runs, but .*answered with status 404/)
  writeFileSync(join(site.directory, 'big'), 'x')
  await agent.start(within())
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  await agent.stop(within())
})

test('a page that does not hold what is expected fails the start and the status', { skip }, async (t) => {
  const site = await newSite(t)
  const options = { mode: 'cold', url: site.url, startTimeout: '300ms' } as const
  const wrong = agentOf(site, { ...options, expect: 'another page' })
  t.after(() => wrong.close?.())
  await wrong.open?.()
  await assert.rejects(wrong.start(within()), /nginx runs, but .*does not hold 'another page'; it begins 'served/)
  assert.equal(await site.serves(), false)
  const agent = agentOf(site, { ...options, expect: 'served' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.start(within())
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  await agent.stop(within())
})

test('reload at takeover: the new configuration serves, a bad one is told and the old one goes on', {
  skip,
}, async (t) => {
  const site = await newSite(t)
  const agent = agentOf(site, { mode: 'hot', reload: true, startTimeout: '1s', url: site.url })
  t.after(() => agent.close?.())
  await agent.open?.()
  const master = site.pid()
  site.write({ server: 'location /new { return 200 "new"; }' })
  await agent.start(within())
  assert.equal(site.pid(), master)
  assert.equal((await probeHttp(`${site.url}new`, { expect: 'new' })).ok, true)
  await agent.stop(within())
  site.write({ server: 'location /new { retur 200; }' })
  await assert.rejects(agent.start(within()), {
    code: 'HS_RESOURCE',
    message: /goes on with the old one; its error log/,
  })
  assert.equal((await probeHttp(`${site.url}new`)).ok, true)
})

test('the pid directive is found in an included file, and daemon off is refused', { skip }, async (t) => {
  const site = await newSite(t)
  const elsewhere = join(site.directory, 'other.pid')
  mkdirSync(join(site.directory, 'conf.d'))
  writeFileSync(join(site.directory, 'conf.d', 'a.conf'), `pid ${elsewhere};`)
  site.write()
  const text = readFileSync(site.config, 'utf8').replace(`pid "${site.pidFile}";`, 'include conf.d/*.conf;')
  writeFileSync(site.config, text)
  const agent = agentOf(site, { mode: 'cold' })
  t.after(() => agent.close?.())
  await agent.open?.()
  await agent.start(within())
  assert.equal(agent.inspect?.()['pidFile'], elsewhere)
  assert.equal(existsSync(elsewhere), true)
  await agent.stop(within())
  site.write({ main: 'daemon off;' })
  const foreground = agentOf(site, {})
  t.after(() => foreground.close?.())
  await assert.rejects(async () => foreground.open?.(), /daemon off/)
})

test('a host without nginx, or without its configuration, says so', async (t) => {
  const directory = temporaryDirectory(t)
  const open = async (options: NginxOptions) => {
    const agent = nginx(options).create(agentContext(directory))
    t.after(() => agent.close?.())
    await agent.open?.()
  }
  await assert.rejects(open({ binary: `${directory}/nginx` }), { code: 'HS_HOST' })
  if (!missing) await assert.rejects(open({ config: `${directory}/no.conf` }), /no\.conf does not exist/)
})
