import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fs } from '../../src/resources/fs.ts'
import { nginx } from '../../src/resources/nginx.ts'
import { route } from '../../src/resources/route.ts'
import { vip } from '../../src/resources/vip.ts'
import type { ResourceAgent, ResourcePlugin } from '../../src/roles/resource-agent.ts'
import { agentContext, within } from '../support/agents.ts'
import { lacking, TwoHosts } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'

function run(file: string, ...args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** Where nobody may make a loop device, as in a container, nothing can be mounted. */
function noLoop(): string | undefined {
  try {
    run('losetup', '-f')
    return existsSync('/dev/loop-control') ? undefined : 'no loop devices'
  } catch {
    return 'no loop devices'
  }
}

const reason = lacking('losetup', 'mke2fs', 'unshare', 'nsenter', 'nginx') ?? noLoop()
if (reason) console.log(`skipped: ${reason}`)

/** What a dead process had begun would come while its successor, which needs a second to come up, is open already. */
const slowMs = 3000
const afterwardsMs = 3500

describe('kill -9 of the process in the midst of a start and a stop', {
  skip: reason ?? false,
  timeout: 900_000,
}, () => {
  let hosts: TwoHosts
  let scratch = ''
  let device = ''
  let place: ChildProcess

  before(async () => {
    hosts = new TwoHosts()
    scratch = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    mkdirSync(join(scratch, 'data'))
    mkdirSync(join(scratch, 'tmp'))
    writeFileSync(join(scratch, 'image'), Buffer.alloc(8 * 1024 * 1024))
    run('mke2fs', '-q', '-t', 'ext4', join(scratch, 'image'))
    device = run('losetup', '-f', '--show', join(scratch, 'image'))
    const words = [
      'netns',
      'exec',
      hosts.namespace('a'),
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sleep',
      '1000',
    ]
    place = spawn('ip', words, { stdio: 'ignore' })
    await waitFor(() => readFileSync(`/proc/${place.pid}/comm`, 'utf8').trim() === 'sleep', {
      what: 'the place is made',
    })
  })
  after(() => {
    place?.kill()
    if (device !== '') run('losetup', '-d', device)
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true })
    hosts?.[Symbol.dispose]()
  })

  const enter = (): readonly string[] => ['nsenter', '-t', String(place.pid), '-m', '-n', '--']
  const there = (...words: readonly string[]): string => run('nsenter', ...enter().slice(1), ...words)
  const begun = (): boolean => existsSync(join(scratch, 'begun'))
  /** Does the same as a program, later. */
  const slowScript = (real: string): string =>
    `#!/bin/sh\ntouch ${scratch}/begun\nsleep ${slowMs / 1000}\nexec ${real} "$@"\n`

  interface Kind {
    readonly factory: string
    readonly args: readonly unknown[]
    readonly plugin: ResourcePlugin
    readonly there: () => boolean
  }

  interface Moment {
    readonly before?: () => Promise<void> | void
    readonly midst: () => Promise<unknown>
    readonly after?: () => void
  }

  /** Has an operation begun, kills its process in the midst of it, and opens a successor: nothing may be there, or come. */
  async function killed(
    kind: Kind,
    verb: 'start' | 'stop',
    { before: slow, midst, after: fast }: Moment,
    settleMs = afterwardsMs,
  ): Promise<void> {
    const { factory, args, plugin } = kind
    const first = new AgentHost(enter())
    const context = agentContext(scratch)
    const agent: ResourceAgent = first.plugin(factory, plugin, ...args).create(context)
    await agent.open?.()
    if (verb === 'stop') await agent.start(within())
    rmSync(join(scratch, 'begun'), { force: true })
    await slow?.()
    const operation = agent[verb](within()).catch(() => {})
    await midst()
    await first.end('SIGKILL')
    await operation
    fast?.()
    const next = new AgentHost(enter())
    try {
      const successor = next.plugin(factory, plugin, ...args).create(agentContext(scratch, context.record()))
      await successor.open?.()
      assert.equal(kind.there(), false, 'once the successor is open')
      await sleep(settleMs)
      assert.equal(kind.there(), false, 'and after a while')
      assert.deepEqual(await successor.status(within()), { state: 'stopped' })
      await successor.start(within())
      assert.equal(kind.there(), true, 'it can be started')
      await successor.stop(within())
      assert.equal(kind.there(), false)
      await successor.close?.()
    } finally {
      await next.end()
    }
  }

  for (const [verb, program] of [
    ['start', '/usr/sbin/e2fsck'],
    ['start', '/usr/bin/mount'],
    ['stop', '/usr/bin/umount'],
  ] as const)
    it(`fs: ${verb}, while ${program} is at work`, async () => {
      const data = join(scratch, 'data')
      const args = [device, data, 'ext4', {}] as const
      const [real, umount, wrapper] = ['real', 'umount', 'wrapper'].map((name) => join(scratch, name))
      copyFileSync(program, String(real))
      copyFileSync('/usr/bin/umount', String(umount))
      writeFileSync(String(wrapper), slowScript(String(real)), { mode: 0o755 })
      const kind: Kind = {
        factory: 'fs',
        args,
        plugin: fs(...args),
        there: () => there('cat', '/proc/self/mountinfo').includes(` ${data} `),
      }
      await killed(kind, verb, {
        before: () => void there('mount', '--bind', String(wrapper), program),
        midst: () => waitFor(begun, { what: `${program} is at work`, everyMs: 5 }),
        // What a stop had begun may still be at work.
        after: () => void there(String(umount), '-l', program),
      })
    })

  for (const verb of ['start', 'stop'] as const)
    it(`nginx, a cold one: ${verb}`, async () => {
      const config = join(scratch, 'nginx.conf')
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${scratch}/tmp;`,
      )
      const server = `server { listen 8080; root ${scratch}; location /image { limit_rate 1; } }`
      writeFileSync(
        config,
        `pid ${scratch}/pid; error_log ${scratch}/log; worker_processes 1; user root; events { } http { access_log off; ${paths.join(' ')} ${server} }`,
      )
      const binary = join(scratch, 'nginx')
      writeFileSync(
        binary,
        `#!/bin/sh\ncase "$*" in *-V*|*-t*) exec /usr/sbin/nginx "$@" ;; esac\n[ -e ${scratch}/slow ] || exec /usr/sbin/nginx "$@"\n${slowScript('/usr/sbin/nginx')}`,
        { mode: 0o755 },
      )
      const options = { mode: 'cold', binary, config, quitTimeout: '3s' } as const
      const line = () => run('sh', '-c', `pgrep -f "[n]ginx.* -c ${config}" || true`)
      const kind: Kind = { factory: 'nginx', args: [options], plugin: nginx(options), there: () => line() !== '' }
      const slow = join(scratch, 'slow')
      let client: ChildProcess | undefined
      await killed(kind, verb, {
        before: async () => {
          if (verb === 'start') return writeFileSync(slow, '')
          // A request that goes on for ever: the quit waits for it.
          client = spawn('nsenter', [
            ...enter().slice(1),
            'curl',
            '-s',
            '-o',
            '/dev/null',
            'http://127.0.0.1:8080/image',
          ])
          await sleep(300)
        },
        midst: () => (verb === 'start' ? waitFor(begun, { what: 'it is starting', everyMs: 5 }) : sleep(500)),
        after: () => {
          if (verb === 'stop') assert.equal(kind.there(), true, 'it was still stopping')
          rmSync(slow, { force: true })
          client?.kill()
        },
      })
    })

  const addresses = ['10.99.1.100/24', '10.99.1.101/24', 'fd99::100/64']
  const shortOnes: readonly Kind[] = [
    {
      factory: 'vip',
      args: [addresses, { device: 'eth1' }],
      plugin: vip(addresses, { device: 'eth1' }),
      there: () => /10\.99\.1\.10\d|fd99::100/.test(hosts.run('a', 'ip', '-o', 'addr')),
    },
    {
      factory: 'route',
      args: ['10.5.0.0/16', { via: '10.99.1.2' }],
      plugin: route('10.5.0.0/16', { via: '10.99.1.2' }),
      there: () => hosts.run('a', 'ip', 'route').includes('10.5.0.0/16'),
    },
  ]
  for (const kind of shortOnes)
    for (const verb of ['start', 'stop'] as const)
      it(`${kind.factory}: ${verb}, at several moments`, async () => {
        for (const afterMs of [0, 1, 3, 10, 30]) await killed(kind, verb, { midst: () => sleep(afterMs) }, 100)
      })
})
