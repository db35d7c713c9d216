import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lacking, TwoHosts } from './netns.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking('nft', 'arping')
if (reason) console.log(`skipped: ${reason}`)

/** `EPISODES=50` plays each kind as often. */
const episodes = Number(process.env['EPISODES'] ?? 2)
const floating = '10.99.1.100'
type Name = 'a' | 'b'

/** An answer, or its absence. */
interface Answer {
  readonly sentMs: number
  readonly doneMs: number
  readonly by: string
}

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** A program in the network namespace of a host. */
class Program {
  readonly child: ChildProcess
  readonly lines: string[] = []

  constructor(hosts: TwoHosts, place: string, program: string, ...args: readonly string[]) {
    const words = ['netns', 'exec', hosts.namespace(place), process.execPath, '--import', 'tsx']
    const file = join(import.meta.dirname, program)
    this.child = spawn('ip', [...words, file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(line))
  }

  says(what: string): Promise<unknown> {
    return waitFor(() => this.lines.some((line) => line.includes(what)), {
      what,
      withinMs: 20_000,
      seen: () => this.lines.slice(-5),
    })
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

/** Every process in the network namespace of a host. */
function processesIn(hosts: TwoHosts, place: Name): readonly number[] {
  return hosts
    .run('switch', 'ip', 'netns', 'pids', hosts.namespace(place))
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

describe('the kernel guard, with real hosts', { skip: reason ?? false, timeout: 3_000_000 }, () => {
  let hosts: TwoHosts
  let scratch = ''
  const webs = new Map<Name, Program>()
  const members = new Map<Name, Program>()
  const answers: Answer[] = []
  const clients: Program[] = []

  const startMember = (node: Name): Program => {
    const directory = join(scratch, node)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const settings = JSON.stringify({ node, directory, address: `${floating}/24` })
    const member = new Program(hosts, node, 'guard.host.ts', settings)
    members.set(node, member)
    return member
  }

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'hot-standby-guard-'))
    hosts = new TwoHosts([1, 2], ['any', 'onlya', 'onlyb'])
    for (const node of ['a', 'b'] as const) {
      const mac = hosts.run(node, 'cat', '/sys/class/net/eth1/address').trim()
      // A neighbour that never learns who took over: it asks one host, and that one alone.
      hosts.ip(`only${node}`, 'neigh', 'replace', floating, 'lladdr', mac, 'nud', 'permanent', 'dev', 'eth1')
      const web = new Program(hosts, node, 'guard.web.ts', node)
      webs.set(node, web)
      await web.says('listening')
    }
    for (const place of ['any', 'onlya', 'onlyb']) {
      const client = new Program(hosts, place, 'guard.client.ts', floating)
      clients.push(client)
      createInterface({ input: client.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        const [sent, done, by = ''] = line.split(' ')
        // Who asks only one host is not answered by the other one: that is no failure.
        if (place === 'any' || by !== '-') answers.push({ sentMs: Number(sent), doneMs: Number(done), by })
      })
    }
  })

  afterEach(async () => {
    for (const member of members.values()) await member.end()
    members.clear()
  })

  after(async () => {
    for (const program of [...clients, ...webs.values()]) await program.end()
    hosts?.[Symbol.dispose]()
    rmSync(scratch, { recursive: true, force: true })
  })

  /** Both run, and `a` serves. */
  const pair = async (): Promise<void> => {
    for (const member of members.values()) await member.end()
    members.clear()
    for (const node of ['a', 'b'] as const)
      await waitFor(() => !hosts.run(node, 'ip', 'addr').includes(floating), {
        what: `no address of the killed ${node}`,
        seen: () =>
          hosts
            .run(node, 'ps', '-eo', 'pid,ppid,stat,args')
            .split('\n')
            .filter((line) => /nft|ip -|sh -c|arping/.test(line)),
      })
    rmSync(join(scratch, 'a'), { recursive: true, force: true })
    rmSync(join(scratch, 'b'), { recursive: true, force: true })
    startMember('a')
    startMember('b')
    await members.get('a')?.says('"group:acquired"')
    await sleep(1200)
    answers.length = 0
    await sleep(300)
  }

  const lastOf = (by: string): number =>
    Math.max(...answers.filter((each) => each.by === by).map((each) => each.doneMs))
  const firstOf = (by: string): number =>
    Math.min(...answers.filter((each) => each.by === by).map((each) => each.doneMs))

  /** After the fault `b` serves; from its first answer on `a` gives none, also when it goes on. */
  const takesOver = async (fault: () => void, over: () => void): Promise<number> => {
    const faultMs = nowMs()
    fault()
    await waitFor(() => answers.some(({ by }) => by === 'b'), { what: 'b answers', withinMs: 15_000 })
    await sleep(1500)
    over()
    await sleep(2500)
    assert.ok(
      answers.some(({ by }) => by === 'a'),
      'a answered before',
    )
    const lateMs = lastOf('a') - firstOf('b')
    assert.ok(lateMs < 0, `a answered ${lateMs.toFixed(0)} ms after the first answer of b`)
    return lastOf('a') - faultMs
  }

  const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
    for (const pid of pids)
      try {
        process.kill(pid, name)
      } catch {
        // It has ended by itself.
      }
  }

  /** The member itself, whose parent is `ip netns exec`, which becomes it. */
  const memberPid = (node: Name): number => members.get(node)?.child.pid as number

  type Fault = readonly [what: string, play: () => Promise<number>]
  const faults: readonly Fault[] = [
    [
      'the process stands still',
      () => {
        const pid = memberPid('a')
        return takesOver(
          () => signal([pid], 'SIGSTOP'),
          () => signal([pid], 'SIGCONT'),
        )
      },
    ],
    [
      'every process of the host stands still, with requests in the queue of its service',
      () => {
        const pids = processesIn(hosts, 'a')
        return takesOver(
          () => signal(pids, 'SIGSTOP'),
          () => signal(pids, 'SIGCONT'),
        )
      },
    ],
    [
      'its only thread is busy',
      () =>
        takesOver(
          () => void members.get('a')?.child.stdin?.write('block 5000\n'),
          () => {},
        ),
    ],
    [
      'the process is killed',
      () =>
        takesOver(
          () => signal([memberPid('a')], 'SIGKILL'),
          () => {},
        ),
    ],
  ]

  for (const [what, play] of faults)
    it(`the owner answers no more when the other one serves: ${what} (${episodes} times)`, async () => {
      for (let episode = 0; episode < episodes; episode++) {
        await pair()
        const silentMs = await play()
        console.log(`${what}: the last answer of the owner ${silentMs.toFixed(0)} ms after the fault`)
      }
    })

  type Calm = readonly [what: string, play: () => Promise<void>]
  const calm: readonly Calm[] = [
    [
      'the standby crashes',
      async () => {
        signal(
          processesIn(hosts, 'b').filter((pid) => pid !== webs.get('b')?.child.pid),
          'SIGKILL',
        )
        await sleep(4000)
      },
    ],
    [
      'the standby stops and starts again',
      async () => {
        members.get('b')?.child.stdin?.write('stop\n')
        await once(members.get('b')?.child as ChildProcess, 'exit')
        await sleep(2000)
        await startMember('b').says('"started"')
        await sleep(3000)
      },
    ],
    [
      'the standby stands still and goes on',
      async () => {
        signal([memberPid('b')], 'SIGSTOP')
        await sleep(3000)
        signal([memberPid('b')], 'SIGCONT')
        await sleep(2000)
      },
    ],
    [
      'one of two lines is cut',
      async () => {
        hosts.ip('switch', 'link', 'set', 'b2', 'down')
        await sleep(4000)
        hosts.ip('switch', 'link', 'set', 'b2', 'up')
        await sleep(1000)
      },
    ],
  ]

  for (const [what, play] of calm)
    it(`the owner answers every request: ${what} (${episodes} times)`, async () => {
      for (let episode = 0; episode < episodes; episode++) {
        await pair()
        await play()
        const mine = answers.filter(({ by }) => by === 'a')
        const refused = answers.filter(({ by }) => by === '-')
        assert.deepEqual(refused, [], 'every request is answered')
        assert.ok(mine.length > 200, `${mine.length} answers`)
      }
    })

  it('leaves nothing behind, neither in order nor killed', async () => {
    await pair()
    const tables = (node: Name) => hosts.run(node, 'nft', 'list', 'tables')
    assert.match(tables('a'), /table inet hot_standby_guard_\w+\ntable arp hot_standby_guard_/)
    const stopped = once(members.get('b')?.child as ChildProcess, 'exit')
    members.get('b')?.child.stdin?.write('stop\n')
    await stopped
    await waitFor(() => tables('b') === '', { what: 'no table of b', seen: () => tables('b') })
    signal([memberPid('a')], 'SIGKILL')
    await waitFor(() => tables('a') === '', { what: 'no table of a', withinMs: 10_000, seen: () => tables('a') })
    await waitFor(() => !hosts.run('a', 'ip', 'addr').includes(floating), { what: 'no address of a' })
  })

  it('sets itself up again after nft flush ruleset', async () => {
    await pair()
    hosts.run('a', 'nft', 'flush', 'ruleset')
    await waitFor(() => hosts.run('a', 'nft', 'list', 'tables').includes('hot_standby_guard_'), { what: 'it is there' })
    await sleep(500)
    const refused = answers.filter(({ by }) => by === '-')
    assert.deepEqual(refused, [])
    const pid = memberPid('a')
    await takesOver(
      () => signal([pid], 'SIGSTOP'),
      () => signal([pid], 'SIGCONT'),
    )
  })
})
