import assert from 'node:assert/strict'
import { chmodSync, cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Arguments } from '../../src/cli/arguments.ts'
import { convert } from '../../src/cli/convert.ts'
import { inspectHaDir } from '../../src/config/read-ha-dir.ts'
import type { ClusterOptions } from '../../src/index.ts'
import { readSecretFile } from '../../src/platform/secret-file.ts'
import { wildFiles, writeShape } from '../fixtures/files-in-the-wild.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { Command, hotStandby } from '../support/command.ts'
import { freeUdpPorts } from '../support/pair.ts'
import { root } from '../support/sources.ts'

/** Everything that the options of a pair decide, as plain data; what an empty environment adds is nothing. */
function decided(options: ClusterOptions): unknown {
  const [self, peer] = options.nodes
  const nothing = (key: string, value: unknown) =>
    key === 'env' && Object.keys(value ?? {}).length === 0 ? undefined : value
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null), nothing)
  return plain({
    name: options.name,
    nodes: options.nodes,
    transports: options.transports.map(({ type, link, device, ...transport }) => ({
      type,
      link,
      device,
      peer: transport.remoteAddress?.(self, peer),
      problems: transport.validate?.(options.nodes) ?? [],
    })),
    keys: options.authenticator.keys.map(({ id, method, key, keyFile }) => ({
      id,
      method,
      key: keyFile === undefined ? (key ?? '').toString() : readSecretFile(keyFile).toString(),
    })),
    active: options.authenticator.active,
    times: options.liveness?.times,
    deadping: options.deadping,
    arbiters: (options.arbiters ?? []).map(({ type, target, deadpingMs }) => ({ type, target, deadpingMs })),
    groups: options.groups.map(({ name, preferred, resources }) => ({
      name,
      preferred,
      resources: resources.map(({ name, type, settings, times, addresses, exclusive }) => ({
        ...{ name, type, times, addresses, exclusive },
        settings: plain(settings),
      })),
    })),
    respawn: (options.respawn ?? []).map(({ user, command, args = [], env = {} }) => ({ user, command, args, env })),
  })
}

/** What the written program gives to `new Cluster()`. */
async function optionsOfProgram(file: string): Promise<ClusterOptions> {
  const text = readFileSync(file, 'utf8')
  const start = text.indexOf('export const cluster: Cluster = new Cluster({')
  const end = text.indexOf('\n})\n', start)
  const body = text
    .slice(start, end)
    .replace('export const cluster: Cluster = new Cluster({', 'export const options = {')
  const head = text
    .slice(0, start)
    .replace("'hot-standby'", JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href))
  const cut = file.replace('.mts', '-options.mts')
  writeFileSync(cut, `${head}${body}\n}\n`)
  return ((await import(pathToFileURL(cut).href)) as { options: ClusterOptions }).options
}

const argumentsFor = (dir: string, out: string, ts: boolean): Arguments => ({
  command: 'convert',
  dir,
  dirGiven: true,
  config: undefined,
  node: undefined,
  state: undefined,
  control: undefined,
  onFatal: undefined,
  statusPort: undefined,
  json: false,
  all: false,
  check: false,
  svg: false,
  html: false,
  ts,
  answers: {},
  operands: [out],
})

/** Both forms decide what the three files decide. */
async function bothForms(t: TestContext, dir: string, exempt: (options: ClusterOptions) => boolean): Promise<string> {
  const scripts = { resourceDirectory: join(dir, 'resource.d'), initDirectory: join(dir, 'init.d') }
  const { options } = inspectHaDir(dir, scripts)
  assert.ok(options)
  const out = join(temporaryDirectory(t), 'out')
  convert(argumentsFor(dir, out, false), scripts)
  const written = inspectHaDir(out, scripts)
  assert.ok(written.options, written.issues.map(({ where, message }) => `${where}: ${message}`).join('\n'))
  if (!exempt(options)) assert.deepEqual(decided(written.options), decided(options))
  assert.equal(written.options.autoFailback, options.autoFailback !== false)

  const program = join(temporaryDirectory(t), 'out')
  convert(argumentsFor(dir, program, true), scripts)
  const made = await optionsOfProgram(join(program, 'pair.mts'))
  assert.deepEqual(decided(made), decided(options))
  assert.deepEqual([made.autoFailback, made.heartbeat], [options.autoFailback, options.heartbeat])
  assert.deepEqual(
    made.groups.map(({ key, name }) => key ?? name),
    options.groups.map(({ key, name }) => key ?? name),
  )
  return out
}

/** Heartbeat's scripts that only tell may stand in several groups, which an ini cannot say. */
const tellsTwice = ({ groups }: ClusterOptions): boolean =>
  groups.some(({ resources }) => resources.some(({ name }) => /:\d+$/.test(name)))

describe('convert', () => {
  for (const node of ['master', 'slave'])
    it(`writes the tutorial's ${node} in both forms`, async (t) => {
      const dir = temporaryDirectory(t)
      cpSync(join(root, 'test/fixtures/tutorial', node), dir, { recursive: true })
      chmodSync(join(dir, 'authkeys'), 0o600)
      const out = await bothForms(t, dir, () => false)
      const text = readFileSync(join(out, 'hot-standby.ini'), 'utf8')
      assert.match(text, /^; .*ha\.cf:14: ipfail is built in/m)
      for (const name of ['hot-standby.ini', 'key.3']) assert.equal(statSync(join(out, name)).mode & 0o777, 0o600)
      const again = await hotStandby('convert', out, '--dir', dir)
      assert.equal(again.code, 1)
      assert.match(again.err, /hot-standby\.ini: it exists already and is left as it is/)
    })

  for (const shape of wildFiles.filter(({ ours }) => ours === 'runs'))
    it(`writes in both forms: ${shape.name}`, async (t) => {
      const dir = temporaryDirectory(t)
      writeShape(dir, shape)
      await bothForms(t, dir, tellsTwice)
    })

  it('tells in a comment of every line without a counterpart, and writes nothing of files with errors', async (t) => {
    const dir = temporaryDirectory(t)
    cpSync(join(root, 'test/fixtures/tutorial/master'), dir, { recursive: true })
    chmodSync(join(dir, 'authkeys'), 0o600)
    const file = join(dir, 'ha.cf')
    const lines =
      'realtime off\ncrm off\nautojoin none\nhopfudge 1\nserial /dev/ttyS0\nmcast eth0 239.0.0.1 694 1 0\nbcast eth2 eth3\n'
    writeFileSync(file, `${readFileSync(file, 'utf8')}${lines}`)
    const text = readFileSync(join(await bothForms(t, dir, () => false), 'hot-standby.ini'), 'utf8')
    for (const [line, what] of [
      [15, 'realtime is ignored'],
      [16, 'crm off'],
      [17, 'autojoin none'],
      [18, 'hopfudge is ignored'],
    ])
      assert.ok(text.includes(`; ${file}:${line}: ${what}`), `${line}: ${text}`)
    writeFileSync(file, 'node master\n')
    const out = join(dir, 'out')
    const { code, err } = await hotStandby('convert', out, '--dir', dir)
    assert.equal(code, 1)
    assert.match(err, /ha\.cf:1: only node master is named/)
    assert.throws(() => statSync(out), { code: 'ENOENT' })
  })
})

const answers = [
  '--name',
  'web',
  '--members',
  'a=127.0.0.1:7001,b=127.0.0.1:7002',
  '--second',
  'none',
  '--ping',
  'none',
]

describe('init', () => {
  it('writes what check finds right, and a key that only its owner reads', async (t) => {
    const dir = join(temporaryDirectory(t), 'pair')
    const made = await hotStandby('init', dir, ...answers, '--serve', '192.0.2.3/24/lo nginx')
    assert.equal(made.code, 0, made.err)
    assert.match(made.err, /only one link/)
    assert.match(made.out, /Copy both to the same place on the other host; then on each: hot-standby run --dir /)
    assert.equal(statSync(join(dir, 'key')).mode & 0o777, 0o600)
    const { options } = inspectHaDir(dir)
    assert.deepEqual([options?.name, options?.nodes, options?.groups[0]?.resources.length], ['web', ['a', 'b'], 2])
    assert.equal((await hotStandby('check', '--dir', dir, '--node', 'b')).code, 0)
    assert.equal((await hotStandby('init', dir, ...answers, '--serve', 'nginx')).code, 1)
  })

  it('asks at a terminal only; elsewhere it says what is missing and writes nothing', async (t) => {
    const dir = join(temporaryDirectory(t), 'pair')
    const { code, err } = await hotStandby('init', dir, '--name', 'web', '--second', 'none')
    assert.equal(code, 2)
    assert.match(err, /not said is --members ADDRESSES, --ping ADDRESS, --serve WORDS; 'none' is an answer/)
    for (const [wrong, message] of [
      [['--members', 'a=127.0.0.1:7001'], /--members: a link has two ends/],
      [['--members', 'a=127.0.0.1:7001 b=127.0.0.1:700001'], /addresses\.b/],
      [['--name', ''], /--name needs its value/],
      [['--ping', 'nowhere'], /nowhere/],
      [['--serve', 'ngnix'], /did you mean 'nginx'/],
    ] as const) {
      const refused = await hotStandby('init', dir, ...answers, '--serve', 'nginx', ...wrong)
      assert.ok(refused.code !== 0, wrong.join(' '))
      assert.match(refused.err, message)
    }
    assert.throws(() => statSync(join(dir, 'hot-standby.ini')), { code: 'ENOENT' })
    assert.throws(() => statSync(join(dir, 'key')), { code: 'ENOENT' })
  })

  it('writes a program with a server of its own: two of it are a pair, and a signal hands over', async (t) => {
    const dir = join(temporaryDirectory(t), 'pair')
    const [a, b] = await freeUdpPorts(2)
    const port = String(await freeTcpPort())
    const members = `a=127.0.0.1:${a},b=127.0.0.1:${b}`
    const name = `init${process.pid}`
    const made = await hotStandby(
      'init',
      dir,
      ...answers,
      '--members',
      members,
      '--name',
      name,
      '--serve',
      port,
      '--ts',
    )
    assert.equal(made.code, 0, made.err)
    const file = join(dir, 'pair.mts')
    const index = pathToFileURL(join(root, 'src/index.ts')).href
    writeFileSync(file, readFileSync(file, 'utf8').replace("'hot-standby'", JSON.stringify(index)))
    const start = (node: string) => new Command([], ['--import', 'tsx', file], { NODE: node })
    const nodes = { a: start('a'), b: start('b') }
    t.after(() => {
      for (const { child } of Object.values(nodes)) child.kill('SIGKILL')
    })
    const answer = async (): Promise<string> => {
      try {
        return await (await fetch(`http://127.0.0.1:${port}/`)).text()
      } catch {
        return 'nobody'
      }
    }
    const served = async (by: string): Promise<void> => {
      const until = performance.now() + 30_000
      let last = await answer()
      while (last !== `served by ${by}\n` && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        last = await answer()
      }
      assert.equal(last, `served by ${by}\n`, `${nodes.a.err}${nodes.b.err}`)
    }
    await served('a')
    nodes.a.child.kill('SIGTERM')
    assert.equal((await nodes.a.ended).code, 0, nodes.a.err)
    await served('b')
    nodes.b.child.kill('SIGINT')
    assert.equal((await nodes.b.ended).code, 0, nodes.b.err)
  })
})

function freeTcpPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
