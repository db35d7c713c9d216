import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type FsOptions, fs } from '../../src/resources/fs.ts'
import type { ResourceAgent, ResourceContext } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, within } from '../support/agents.ts'
import { lacking } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'

function run(file: string, ...args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** Why no loop device can be had here; undefined when one can. */
function noLoop(): string | undefined {
  const scratch = mkdtempSync(join(tmpdir(), 'hot-standby-'))
  try {
    writeFileSync(join(scratch, 'image'), Buffer.alloc(65_536))
    run('losetup', '-d', run('losetup', '-f', '--show', join(scratch, 'image')))
    return undefined
  } catch (error) {
    return `no loop device: ${(error as Error).message}`
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

const reason = lacking('losetup', 'mke2fs', 'unshare', 'nsenter') ?? noLoop()
if (reason) console.log(`skipped: ${reason}`)

describe('fs(), with loop devices in a mount namespace', { skip: reason ?? false, timeout: 900_000 }, () => {
  let scratch = ''
  let device = ''
  let data = ''
  let agents: AgentHost

  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    data = join(scratch, 'data')
    mkdirSync(data)
    mkdirSync(join(scratch, 'other'))
    const image = join(scratch, 'image')
    writeFileSync(image, Buffer.alloc(8 * 1024 * 1024))
    run('mke2fs', '-q', '-t', 'ext4', '-L', `hs${process.pid}`, image)
    device = run('losetup', '-f', '--show', image)
    agents = new AgentHost(['unshare', '--mount', '--propagation', 'private'])
  })
  after(async () => {
    await agents?.end()
    if (device !== '') run('losetup', '-d', device)
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true })
  })

  /** Runs a command where the agents are. */
  const there = (...words: readonly string[]): string =>
    run('nsenter', '-t', String(agents.child.pid), '-m', '--', ...words)
  const isMounted = (): boolean => there('cat', '/proc/self/mountinfo').includes(` ${data} `)
  const thereInBackground = async (line: string): Promise<ChildProcess> => {
    const child = spawn('/bin/sh', ['-c', 'exec nsenter -t "$0" -m -- sh -c "$1"', String(agents.child.pid), line], {
      stdio: 'ignore',
    })
    await waitFor(() => run('readlink', `/proc/${child.pid}/cwd`) === data, { what: 'somebody works there' })
    return child
  }

  interface Trial {
    readonly agent: ResourceAgent
    readonly context: ResourceContext & { record(): unknown }
    readonly lines: readonly string[]
  }

  function make(options: FsOptions = {}, what = device, type = 'ext4'): Trial {
    const { logger, lines } = collectingLogger()
    const context = agentContext('/tmp', null, logger)
    const plugin = agents.plugin('fs', fs(what, data, type, options), what, data, type, options)
    return { agent: plugin.create(context), context, lines }
  }

  async function open(...args: Parameters<typeof make>): Promise<Trial> {
    const trial = make(...args)
    await trial.agent.open?.()
    return trial
  }

  resourceAgentSuite({
    manifest: { sees: true, breaks: true, hangs: false },
    test: it,
    create: () => ({
      plugin: agents.plugin('fs', fs(device, data, 'ext4'), device, data, 'ext4', {}),
      serves: isMounted,
      break: () => void there('umount', data),
      cleanup: () => {
        if (isMounted()) there('umount', data)
      },
    }),
  })

  it('mounts by label with options, and keeps what was written', async () => {
    const { agent, context } = await open({ mountOptions: 'noatime,nodev' }, `LABEL=hs${process.pid}`)
    await agent.start(within())
    assert.deepEqual(context.record(), { device: `LABEL=hs${process.pid}`, directory: data })
    assert.match(there('cat', '/proc/self/mountinfo'), new RegExp(`${data} rw,nodev,noatime`))
    there('sh', '-c', `echo kept >${data}/file`)
    await agent.stop(within())
    assert.equal(isMounted(), false)
    await agent.start(within())
    assert.equal(there('cat', `${data}/file`), 'kept')
    await agent.stop(within())
  })

  it('mounts what is not a block device', async () => {
    const { agent } = await open({ mountOptions: 'size=1m' }, 'tmpfs', 'tmpfs')
    await agent.start(within())
    assert.equal(isMounted(), true)
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    await agent.stop(within())
    assert.equal(isMounted(), false)
  })

  for (const [what, source, type, mountOptions] of [
    ['a directory, bound', () => join(scratch, 'bound'), 'none', 'bind'],
    ['a directory, read-only', () => join(scratch, 'bound'), 'none', 'bind,ro'],
    ['a directory with what is below it', () => join(scratch, 'bound'), 'none', 'rbind'],
    ['a file with a file system', () => join(scratch, 'second'), 'ext4', 'loop'],
    ['a device of a type that mount finds', () => device, 'auto', 'noatime'],
  ] as const)
    it(`mounts ${what}, and takes nothing else away`, async () => {
      const from = source()
      if (from.endsWith('bound')) mkdirSync(from, { recursive: true })
      if (from.endsWith('second')) {
        writeFileSync(from, Buffer.alloc(8 * 1024 * 1024))
        run('mke2fs', '-q', '-t', 'ext4', from)
      }
      const { agent } = await open({ mountOptions }, from, type)
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
      await agent.start(within())
      assert.equal(isMounted(), true)
      assert.deepEqual(await agent.status(within()), { state: 'running' })
      there('umount', data)
      assert.equal((await agent.status(within())).state, 'failed')
      await agent.start(within())
      there('mount', '-t', 'tmpfs', 'tmpfs', data)
      assert.match(JSON.stringify(await agent.status(within())), /covered by tmpfs/)
      there('umount', data)
      await agent.stop(within())
      assert.equal(isMounted(), false)
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    })

  it('says how to mount a directory that is not a device', async () => {
    await assert.rejects(open({}, scratch, 'ext4'), { code: 'HS_HOST', message: /is a directory; .*mount option bind/ })
  })

  it('refuses what is missing or mounted already, and leaves it', async () => {
    await assert.rejects(open({}, '/dev/nonexistent'), {
      code: 'HS_HOST',
      message: /\/dev\/nonexistent does not exist/,
    })
    await assert.rejects(open({}, '/dev/null'), { code: 'HS_HOST', message: /\/dev\/null is not a block device/ })
    await assert.rejects(open({}, 'UUID=none'), { code: 'HS_HOST', message: /no device of this host has UUID=none/ })

    const other = join(scratch, 'other')
    there('mount', '-t', 'ext4', device, other)
    await assert.rejects(open(), { code: 'HS_RESOURCE', message: /is mounted on .*other, by somebody else/ })
    there('umount', other)
    there('mount', '-t', 'tmpfs', 'foreign', data)
    await assert.rejects(open(), { code: 'HS_RESOURCE', message: /foreign is mounted on .*data already, by somebody/ })
    assert.equal(isMounted(), true)
    there('umount', data)
  })

  it('names the processes that keep it busy, and never unmounts lazily', async () => {
    const { agent } = await open()
    await agent.start(within())
    const holder = await thereInBackground(`cd ${data}; exec sleep 1000`)
    await assert.rejects(agent.stop(within()), {
      code: 'HS_RESOURCE',
      message: new RegExp(`on ${data} is busy: \\w+ \\(${holder.pid}\\): working directory ${data}`),
    })
    assert.equal(isMounted(), true)
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    holder.kill('SIGKILL')
    await agent.stop(within())
    assert.equal(isMounted(), false)
  })

  it('ends them when it may, also those that ignore SIGTERM', async () => {
    const { agent, lines } = await open({ killAfter: '200ms' })
    await agent.start(within())
    const holder = await thereInBackground(`cd ${data}; trap '' TERM; while :; do sleep 0.1; done`)
    const ended = new Promise((resolve) => holder.once('exit', (_status, signal) => resolve(signal)))
    await agent.stop(within())
    assert.equal(isMounted(), false)
    assert.equal(await ended, 'SIGKILL')
    assert.match(lines.join('\n'), /is busy, ending sh \(\d+\): working directory/)
  })

  it('names another mount below it, and a bind mount that still has it', async () => {
    const { agent } = await open()
    await agent.start(within())
    there('sh', '-c', `mkdir ${data}/sub && mount -t tmpfs below ${data}/sub`)
    await assert.rejects(agent.stop(within()), /is busy: below is mounted on .*data\/sub/)
    there('umount', `${data}/sub`)
    const other = join(scratch, 'other')
    there('mount', '--bind', data, other)
    await assert.rejects(agent.stop(within()), /was unmounted from .*data, yet it is in use: this host's .*other/)
    there('umount', other)
    await agent.stop(within())
  })

  it('sees that it became read-only, was covered or is gone', async () => {
    const { agent } = await open()
    await agent.start(within())
    const broken = async (): Promise<string> => {
      const status = await agent.status(within())
      return status.state === 'failed' ? status.reason : status.state
    }
    there('mount', '-o', 'remount,ro', data)
    assert.match(await broken(), /became read-only/)
    there('mount', '-o', 'remount,rw', data)
    there('mount', '-t', 'tmpfs', 'cover', data)
    assert.match(await broken(), /covered by cover/)
    await assert.rejects(agent.stop(within()), /is covered by cover, mounted over it/)
    there('umount', data)
    assert.equal(await broken(), 'running')
    there('umount', data)
    assert.match(await broken(), /is not mounted any more/)
    await agent.stop(within())
  })

  it('lets fsck repair beforehand, and refuses what it cannot repair by itself', async () => {
    const { agent, lines } = await open()
    // A state that says: not cleanly unmounted, with an error seen.
    run('debugfs', '-w', '-R', 'set_super_value state 2', device)
    await agent.start(within())
    assert.match(lines.join(), /fsck repaired/)
    await agent.stop(within())
    // The root directory is not a directory any more.
    run('debugfs', '-w', '-R', 'set_inode_field <2> mode 0100644', device)
    run('debugfs', '-w', '-R', 'set_super_value state 2', device)
    await assert.rejects(agent.start(within()), {
      code: 'HS_RESOURCE',
      message: /fsck\.ext4 -a \/dev\/loop\d+ ended with (?:4|12): .*by hand/,
    })
    assert.equal(isMounted(), false)
    await agent.stop(within())
  })
})
