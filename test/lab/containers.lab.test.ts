import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run } from './janitor.ts'
import { lacking, TwoHosts } from './netns.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking('unshare', 'setpriv', 'mount')
if (reason) console.log(`skipped: ${reason}`)

const member = fileURLToPath(new URL('./container.host.ts', import.meta.url))
const address = '10.99.1.100'

const readOnly = 'mount -o remount,ro,bind / || exit 9'

/** What `docker run` does to a process, as far as the pair is concerned, by words of a shell that then does `exec "$@"`. */
const containers = {
  /** Pid 1 of a pid namespace, with the network of its host. */
  hostNetwork: { unshare: ['--pid', '--fork', '--mount-proc', '--kill-child'], setup: '' },
  /** No pid namespace (`--pid=host`): what `--init` or a host process sees. */
  hostPids: { unshare: ['--mount'], setup: '' },
  /** `--read-only`, with nothing in memory that could be written instead. */
  readOnlyRoot: {
    unshare: ['--pid', '--fork', '--mount-proc', '--mount', '--kill-child'],
    setup: `mount --make-rprivate / && mount -t tmpfs -o ro tmpfs /run && ${readOnly}`,
  },
  /** The same with `--tmpfs /run`, as the page on containers has it. */
  readOnlyRootAndRun: {
    unshare: ['--pid', '--fork', '--mount-proc', '--mount', '--kill-child'],
    setup: `mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run && ${readOnly}`,
  },
  withoutNetAdmin: {
    unshare: ['--pid', '--fork', '--mount-proc', '--kill-child'],
    setup: 'set -- setpriv --bounding-set -net_admin,-sys_admin --inh-caps -net_admin -- "$@"',
  },
} as const
type Container = keyof typeof containers

describe('members in containers', { skip: reason ?? false, timeout: 900_000 }, () => {
  let hosts: TwoHosts
  let folder: string
  const running = new Set<ChildProcess>()

  before(() => {
    hosts = new TwoHosts()
    folder = mkdtempSync(join(tmpdir(), 'hs-containers-'))
  })
  after(() => {
    hosts?.[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    for (const child of running) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    running.clear()
    // What a killed container left would be mistaken for the next member's.
    spawnSync('ip', ['-n', hosts.namespace('a'), 'addr', 'flush', 'dev', 'eth1', 'to', address])
  })

  /** A member's own directory: its state lies in it. */
  function directory(name: string): string {
    const path = join(folder, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  function words(kind: Container, place: string, command: string): string[] {
    const { unshare, setup } = containers[kind]
    const node = [process.execPath, '--import', 'tsx', member, place, `${address}/24`, command]
    const inside = ['sh', '-c', `${setup}\nexec "$@"`, 'sh', ...node]
    return ['netns', 'exec', hosts.namespace('a'), 'unshare', ...unshare, ...inside]
  }

  /** Starts a member; what it printed, on both streams. */
  function start(kind: Container, place: string) {
    const child = spawn('ip', words(kind, place, 'run'), { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk
      })
    return { child, said: () => text }
  }

  /** Runs the program in a container of its own to its end. */
  function finish(
    kind: Container,
    place: string,
    command: 'run' | 'cleanup',
  ): { status: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync('ip', words(kind, place, command), { encoding: 'utf8' })
    return { status, output: stdout + stderr }
  }

  const held = (): boolean => hosts.run('a', 'ip', '-o', 'addr', 'show', 'dev', 'eth1').includes(`${address}/`)
  const serves = (one: ReturnType<typeof start>) =>
    waitFor(held, { what: 'the address is up', withinMs: 30_000, seen: one.said })

  /** The process that is the member, seen from here: the last one in the chain of starters. */
  function memberPid({ child }: ReturnType<typeof start>): number {
    let pid = child.pid as number
    for (;;) {
      const next = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]
      const isNode = readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(process.execPath)
      if (isNode || !next) return pid
      pid = Number(next)
    }
  }

  /** Ends it as a container is ended, and well. */
  async function ends(started: ReturnType<typeof start>): Promise<void> {
    process.kill(memberPid(started), 'SIGTERM')
    const [status] = await once(started.child, 'exit')
    assert.equal(status, 0, started.said())
  }

  it('as pid 1 it holds its state: neither a second member nor cleanup gets in, from this container or from another', async () => {
    const place = directory('twice')
    const first = start('hostNetwork', place)
    await serves(first)
    for (const kind of ['hostNetwork', 'hostPids'] as const)
      for (const command of ['run', 'cleanup'] as const) {
        const { status, output } = finish(kind, place, command)
        assert.notEqual(status, 0, output)
        assert.match(output, /is in use by process 1/, `${command}, ${kind}`)
        assert.ok(held(), `${command} of another container took the address away`)
      }
  })

  it('as pid 1 it stops in order on SIGTERM', async () => {
    const started = start('hostNetwork', directory('term'))
    await serves(started)
    await ends(started)
    assert.ok(!held(), 'the address is still there')
  })

  it('as pid 1 with the network of its host: kill -9 leaves the address, a start said so, and cleanup removes it', async () => {
    const place = directory('killed')
    const started = start('hostNetwork', place)
    await serves(started)
    assert.match(started.said(), /runs in a container .*the addresses then stay on the host/s)
    // A child writes the disk, and would die with the container before it has.
    await waitFor(() => spawnSync('grep', ['-rq', address, place]).status === 0, {
      what: 'the record of the address is on the disk',
      withinMs: 10_000,
    })
    process.kill(memberPid(started), 'SIGKILL')
    await once(started.child, 'exit')
    const { status, output } = finish('hostNetwork', place, 'cleanup')
    assert.equal(status, 0, output)
    assert.ok(!held(), 'cleanup left the address')
  })

  it('with the pids of its host the guardian survives kill -9', async () => {
    const started = start('hostPids', directory('guarded'))
    await serves(started)
    assert.doesNotMatch(started.said(), /runs in a container/)
    process.kill(memberPid(started), 'SIGKILL')
    await waitFor(() => !held(), { what: 'the guardian removes the address', withinMs: 5000 })
  })

  it('as pid 1 it leaves no zombies behind, however often it announces and looks', async () => {
    const started = start('hostNetwork', directory('zombies'))
    await serves(started)
    const pid = memberPid(started)
    const childStates = (): string[] =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
        .trim()
        .split(' ')
        .map((child) => {
          const stat = readFileSync(`/proc/${child}/stat`, 'utf8')
          return stat.slice(stat.indexOf('(')).split(' ').slice(0, 2).join(' ')
        })
    // The announcements of a takeover are over after some seconds; arping itself stays a second.
    await sleep(8000)
    const states = childStates()
    assert.ok(states.length >= 3, `its helpers run: ${states}`)
    assert.deepEqual(
      states.filter((text) => text.endsWith(' Z')),
      [],
    )
  })

  const nowhere = '/var/lib/hs-lab-no-such'

  it('where nothing can be written it names the directory and does not start', () => {
    const refused = finish('readOnlyRoot', nowhere, 'run')
    assert.notEqual(refused.status, 0)
    assert.match(refused.output, /state directory \/var\/lib\/hs-lab-no-such.*(read-only|EROFS)/s)
  })

  it('on a read-only root with a /run in memory it serves, and says what could not be written', async () => {
    const started = start('readOnlyRootAndRun', nowhere)
    await serves(started)
    assert.match(started.said(), /hs-lab-no-such.*(read-only|EROFS)/s)
    await ends(started)
  })

  it('on a read-only root it serves with a directory that can be written', async () => {
    const place = `/dev/shm/${run}-containers`
    try {
      const started = start('readOnlyRoot', place)
      await serves(started)
      await ends(started)
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  })

  it('without CAP_NET_ADMIN it refuses to start, and says which capability is missing', () => {
    const { status, output } = finish('withoutNetAdmin', directory('powerless'), 'run')
    assert.notEqual(status, 0, output)
    assert.match(output, /CAP_NET_ADMIN/)
  })
})
