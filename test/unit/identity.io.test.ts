import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { uuidFromName } from '../../src/platform/heartbeat-uuid.ts'
import { type HeartbeatFiles, takeIdentity } from '../../src/platform/identity.ts'
import { openStateDirectory } from '../../src/platform/state.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, until } from '../support/pair.ts'

const nowMs = 1_700_000_000_000
const nowS = nowMs / 1000

class Host {
  readonly directory: string
  readonly problems: string[] = []
  readonly #stateDirectory: string

  constructor(t: TestContext, { installed = true } = {}) {
    const root = temporaryDirectory(t)
    this.directory = join(root, 'heartbeat')
    this.#stateDirectory = join(root, 'state')
    if (installed) mkdirSync(this.directory)
  }

  put(name: 'hb_generation' | 'hb_uuid', content: string | Uint8Array): void {
    writeFileSync(join(this.directory, name), content)
  }

  /** What a daemon would find. */
  generation(): string {
    return readFileSync(join(this.directory, 'hb_generation'), 'latin1')
  }

  uuid(): string {
    return readFileSync(join(this.directory, 'hb_uuid'), 'hex')
  }

  /** Starts a run, and ends it. */
  async run(options: Partial<HeartbeatFiles> | null = {}): Promise<{ uuid: string; generation: number }> {
    this.problems.length = 0
    const state = openStateDirectory(this.#stateDirectory)
    const { uuid, state: begun } = await takeIdentity({
      state,
      node: 'Master',
      heartbeat: options && { directory: this.directory, generationFrom: 'file', uuidFrom: 'file', ...options },
      wallMs: nowMs,
      problem: (where, message) => this.problems.push(`${where.slice(this.directory.length + 1)}: ${message}`),
    } as Parameters<typeof takeIdentity>[0])
    assert.equal(state.read()?.generation, begun.generation, 'it is on the disk')
    await state.close()
    return { uuid: Buffer.from(uuid).toString('hex'), generation: begun.generation }
  }
}

const sixteen = Uint8Array.from({ length: 16 }, (_, index) => 240 + index)

describe('generation and uuid', () => {
  it('go on from the daemon’s files, and the daemon goes on from ours', async (t) => {
    const host = new Host(t)
    host.put('hb_generation', '     1699999000\n')
    host.put('hb_uuid', sixteen)
    const first = await host.run()
    assert.deepEqual(first, { uuid: Buffer.from(sixteen).toString('hex'), generation: 1_699_999_001 })
    assert.equal(host.generation(), '     1699999001\n')
    assert.equal((await host.run()).generation, 1_699_999_002)
    host.put('hb_generation', '     1699999007\n') // five starts of the daemon
    assert.equal((await host.run()).generation, 1_699_999_008)
    assert.equal(host.uuid(), first.uuid)
    assert.deepEqual(host.problems, [])
  })

  it('are above both files, whichever is ahead', async (t) => {
    const host = new Host(t)
    host.put('hb_generation', '             50\n')
    assert.equal((await host.run()).generation, 51)
    host.put('hb_generation', '              7\n') // an old backup was put back
    assert.equal((await host.run()).generation, 52)
    assert.equal(host.generation(), '             52\n')
  })

  it('are made where a daemon is installed and has not run yet', async (t) => {
    const host = new Host(t)
    const first = await host.run()
    assert.equal(first.generation, nowS + 1)
    assert.equal(host.generation(), `${String(nowS + 1).padStart(15)}\n`)
    assert.equal(host.uuid(), first.uuid)
    assert.deepEqual(host.problems, [])
  })

  it('leave no trace where no daemon is installed, or none is meant', async (t) => {
    const without = new Host(t, { installed: false })
    const first = await without.run()
    assert.equal(first.generation, nowS + 1)
    assert.ok(!existsSync(without.directory))
    assert.deepEqual(await without.run(), { ...first, generation: nowS + 2 })
    const unused = new Host(t)
    await unused.run(null)
    assert.deepEqual(readdirSync(unused.directory), [])
  })

  it('outlive the removal of the daemon', async (t) => {
    const host = new Host(t)
    host.put('hb_uuid', sixteen)
    const before = await host.run()
    assert.deepEqual(await host.run(null), { uuid: before.uuid, generation: before.generation + 1 })
  })

  for (const [what, content] of [
    ['empty', ''],
    ['of letters', 'BROKEN          '],
    ['negative', '             -5\n'],
    ['too long', `${'9'.repeat(40)}\n`],
    ['of NULs', '\0'.repeat(16)],
  ] as const)
    it(`are repaired upwards when the file is ${what}, and it is told once`, async (t) => {
      const host = new Host(t)
      const before = await host.run()
      host.put('hb_generation', content)
      const after = await host.run()
      assert.equal(after.generation, before.generation + 1)
      assert.equal(host.problems.length, 1)
      assert.match(
        host.problems[0] ?? '',
        /^hb_generation: it does not hold 16 characters.*; it counts as lost and is written anew$/,
      )
      assert.equal(host.generation(), `${String(after.generation).padStart(15)}\n`)
      await host.run()
      assert.deepEqual(host.problems, [])
    })

  it('do not begin in the past when only an old state of ours is left', async (t) => {
    const host = new Host(t)
    host.put('hb_generation', '             50\n')
    await host.run()
    host.put('hb_generation', 'x') // nobody knows how far the daemon had counted
    assert.equal((await host.run()).generation, nowS + 1)
  })

  it('take a uuid of another length for lost', async (t) => {
    const host = new Host(t)
    const before = await host.run()
    host.put('hb_uuid', sixteen.subarray(1))
    assert.equal((await host.run()).uuid, before.uuid)
    assert.deepEqual(host.problems, ['hb_uuid: it has 15 bytes instead of 16; it counts as lost and is written anew'])
    assert.equal(host.uuid(), before.uuid)
  })

  it('follow hbgenmethod time and uuidfrom nodename, and never go back', async (t) => {
    const host = new Host(t)
    host.put('hb_generation', '             50\n')
    assert.equal((await host.run({ generationFrom: 'time' })).generation, nowS + 1)
    assert.equal((await host.run({ generationFrom: 'time' })).generation, nowS + 2)
    const { uuid } = await host.run({ uuidFrom: 'nodename' })
    assert.equal(uuid, '5718e7c94f0f4d8238fd54b16dcb26a7')
  })

  it('keep the mode of the daemon’s files, and say when they cannot be written', async (t) => {
    const host = new Host(t)
    host.put('hb_generation', '             50\n')
    chmodSync(join(host.directory, 'hb_generation'), 0o640)
    await host.run()
    assert.equal(statSync(join(host.directory, 'hb_generation')).mode & 0o777, 0o640)
    assert.equal(statSync(join(host.directory, 'hb_uuid')).mode & 0o777, 0o644)
    mkdirSync(join(host.directory, 'hb_generation.new'))
    await host.run()
    assert.equal(host.problems.length, 1)
    assert.match(host.problems[0] ?? '', /^hb_generation: cannot be written: .*for a replay$/)
  })
})

it('a node without a file has the uuid of its name as the daemon computes it', () => {
  // From glibc's own srand() and rand().
  const hex = (name: string): string => Buffer.from(uuidFromName(name)).toString('hex')
  assert.equal(hex('slave'), '54ddc7d251451111d80258f5332f51cb')
  assert.equal(hex('node-1.example.org'), '228d114536117a9b1e1b1a4e137e3a05')
  assert.equal(hex('é'), '4093261437519a2588042a59f3504a99')
})

it('a member shares the files only under the name of its host, and tells what is wrong with them', async (t) => {
  const host = new Host(t)
  host.put('hb_generation', 'BROKEN')
  const { one, options } = pairOf(t)
  assert.notEqual(one.node, hostname(), 'the test’s nodes are not this host')
  const { Cluster } = await import('../../src/index.ts')
  const stranger = new Cluster({ ...options.one, heartbeat: { directory: host.directory } })
  t.after(() => stranger.stop())
  await stranger.start()
  assert.equal(host.generation(), 'BROKEN')
  await stranger.stop()

  const name = hostname().toLowerCase()
  const { groups, ...rest } = options.two
  const member = new Cluster({
    ...rest,
    nodes: [name, 'two'],
    node: name,
    groups: groups.map((group) => ({ ...group, preferred: name })),
    heartbeat: { directory: host.directory },
  })
  t.after(() => member.stop())
  const problems: string[] = []
  member.on('problem', ({ where, message }) => problems.push(`${where}: ${message}`))
  await member.start()
  await until('the broken file is told', () => problems.length > 0)
  assert.equal(problems.length, 1)
  assert.match(problems[0] ?? '', /hb_generation: it does not hold 16 characters/)
  assert.equal(Number(host.generation()), member.snapshot().generation)
})
