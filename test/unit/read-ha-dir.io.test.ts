import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type HaDir, inspectHaDir, type ReadHaDirOptions, readHaDir } from '../../src/config/read-ha-dir.ts'
import { overlapMs } from '../../src/core/timing.ts'
import { Cluster } from '../../src/index.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { temporaryDirectory, writeScript } from '../support/agents.ts'

/** A copy of one of the tutorial's nodes, with the mode that git does not keep. */
function tutorial(t: TestContext, node: 'master' | 'slave' = 'master'): string {
  const dir = temporaryDirectory(t)
  cpSync(fileURLToPath(new URL(`../fixtures/tutorial/${node}`, import.meta.url)), dir, { recursive: true })
  chmodSync(join(dir, 'authkeys'), 0o600)
  return dir
}

/** Keeps what this machine has in /etc out of the test. */
function apart(dir: string): ReadHaDirOptions {
  return { resourceDirectory: join(dir, 'heartbeat'), initDirectory: join(dir, 'init.d') }
}

const problems = ({ issues, dir }: HaDir, severity = 'error'): string[] =>
  issues
    .filter((issue) => issue.severity === severity)
    .map(({ where, message }) => `${where.replace(`${dir}/`, '')}: ${message}`)

const ini = `name = p
nodes = a b
[authenticator]
method = md5
key = hello!
[transport.eth1]
type = udp-broadcast
device = eth1
[arbiter.r]
type = icmp-ping
address = 10.0.0.1
[group.g]
preferred = a
resources = 10.0.0.2`

describe("the tutorial's own files", () => {
  for (const [node, peer] of [
    ['master', '192.168.2.106'],
    ['slave', '192.168.2.105'],
  ] as const) {
    it(`start a pair unchanged, on the ${node}`, (t) => {
      const dir = tutorial(t, node)
      const options = readHaDir(dir, apart(dir))
      const { transports, authenticator, liveness, arbiters, groups, ...plain } = options
      assert.deepEqual(plain, {
        heartbeat: { directory: '/var/lib/heartbeat', generationFrom: 'file', uuidFrom: 'file' },
        name: 'linux-ha',
        nodes: ['master', 'slave'],
        autoFailback: true,
        deadping: '30000ms',
        respawn: [],
      })
      assert.deepEqual(
        transports.map((transport) => [transport.type, transport.link, transport.remoteAddress?.('master', 'slave')]),
        [['udp-unicast', 'eth1', peer]],
      )
      assert.deepEqual(liveness!.times, {
        keepaliveMs: 2000,
        warntimeMs: 10_000,
        deadtimeMs: 30_000,
        initdeadMs: 60_000,
      })
      assert.deepEqual(
        [authenticator.active, ...authenticator.keys.map(({ id, method }) => `${id} ${method}`)],
        [3, '3 md5'],
      )
      assert.deepEqual(
        arbiters!.map(({ type, target }) => [type, target]),
        [['icmp-ping', '192.168.2.1']],
      )
      assert.deepEqual(
        groups.map(({ name, preferred, resources }) => [name, preferred, ...resources.map(({ type }) => type)]),
        [['192.168.1.106', 'master', 'vip', 'nginx']],
      )
    })
  }

  it('log where they say, and tell what became of them', (t) => {
    const dir = tutorial(t)
    const found = inspectHaDir(dir, apart(dir))
    assert.equal(found.source, 'ha.cf')
    assert.deepEqual(
      { ...found.logging },
      { file: '/var/log/ha-log', debugFile: '/var/log/ha-debug', facility: 'local0', debug: 0 },
    )
    assert.deepEqual(
      found.words.map(({ word }) => word),
      ['192.168.1.106/24/eth0', 'nginx'],
    )
    assert.deepEqual(
      found.hostChecks.map((check) => check.replace(`${dir}/`, '')),
      [
        'ha.cf:9: whether this host has the device eth1',
        "ha.cf:9: whether every ping target is reached through this only link; if so, a node cut off from everything goes on serving (onIsolated is 'continue': one dead switch would otherwise stop both), and a second link elsewhere mends that",
        'group 192.168.1.106: whether vip:192.168.1.106/24 can start on this host',
        'group 192.168.1.106: whether nginx can start on this host',
      ],
    )
    assert.match(problems(found, 'note').join('\n'), /ha\.cf:14: ipfail is built in/)
  })

  it("get a warning with the overlap that Heartbeat's deadping allows", (t) => {
    const dir = tutorial(t)
    const found = inspectHaDir(dir, apart(dir))
    const { liveness, groups } = found.options!
    const expected = 2000 + 30_300 + 150 - 29_700
    assert.equal(overlapMs(liveness!.times, 30_000, groups), expected)
    assert.match(
      problems(found, 'warning').join('\n'),
      new RegExp(`ha\\.cf:5: deadping \\(30000 ms\\) lets both nodes serve for up to ${expected} ms`),
    )
    assert.equal(overlapMs(liveness!.times, 10_000, groups), 0)
  })

  it('take a node by name, in any case', (t) => {
    const dir = tutorial(t)
    assert.equal(readHaDir(dir, { ...apart(dir), node: 'Slave' }).node, 'slave')
    assert.match(
      problems(inspectHaDir(dir, { ...apart(dir), node: 'third' })).join(),
      /'third' was given but is neither master nor slave/,
    )
  })
})

describe('a configuration directory', () => {
  it('throws one error that lists every problem of every file', (t) => {
    const dir = tutorial(t)
    writeFileSync(join(dir, 'ha.cf'), 'keepalive x\nnode master slave\nbcast eth0\nauto_failback on\n')
    writeFileSync(join(dir, 'haresources'), 'third nothing\n')
    chmodSync(join(dir, 'authkeys'), 0o644)
    assert.throws(
      () => readHaDir(dir, apart(dir)),
      (error: unknown) => {
        assert.ok(isHotStandbyError(error) && error instanceof Error)
        assert.equal('code' in error && error.code, 'HS_CONFIG')
        for (const part of [
          'ha.cf:1: keepalive',
          'authkeys: has mode 0644, so that others can read the keys',
          "haresources:1: 'third'",
          "no resource 'nothing'",
        ]) {
          assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`)
        }
        return true
      },
    )
  })

  for (const name of ['ha.cf', 'authkeys', 'haresources']) {
    it(`names ${name} where it is missing`, (t) => {
      const dir = tutorial(t)
      rmSync(join(dir, name))
      assert.deepEqual(problems(inspectHaDir(dir, apart(dir))), [
        `${name}: is missing; Heartbeat needs ha.cf, authkeys and haresources`,
      ])
    })
  }

  it('is refused with both sources, with none, and where it does not exist', (t) => {
    const dir = tutorial(t)
    writeFileSync(join(dir, 'hot-standby.ini'), ini)
    assert.match(
      problems(inspectHaDir(dir, apart(dir))).join(),
      /holds hot-standby\.ini and ha\.cf, authkeys, haresources; only one source/,
    )
    const empty = temporaryDirectory(t)
    assert.match(
      problems(inspectHaDir(empty)).join(),
      /holds no configuration; it must hold ha\.cf, authkeys and haresources, or hot-standby\.ini/,
    )
    assert.match(problems(inspectHaDir(join(empty, 'none'))).join(), /does not exist/)
  })

  it('holds an ini, refused with a key in it while others may read it', (t) => {
    const dir = temporaryDirectory(t)
    const path = join(dir, 'hot-standby.ini')
    writeFileSync(path, ini)
    chmodSync(path, 0o640)
    assert.match(
      problems(inspectHaDir(dir, apart(dir))).join(),
      /^hot-standby\.ini:5: key stands in a file of mode 0640/,
    )
    chmodSync(path, 0o600)
    const found = inspectHaDir(dir, { ...apart(dir), node: 'b' })
    assert.deepEqual(problems(found), [])
    assert.equal(found.source, 'ini')
    assert.equal(found.options!.node, 'b')
    assert.deepEqual(
      found.hostChecks.map((check) => check.replace(`${dir}/`, '')),
      [
        'hot-standby.ini: whether this host has the device eth1 of link eth1',
        "hot-standby.ini:6: whether every ping target is reached through this only link; if so, a node cut off from everything goes on serving (onIsolated is 'continue': one dead switch would otherwise stop both), and a second link elsewhere mends that",
        'group g: whether vip:10.0.0.2 can start on this host',
      ],
    )
  })

  it('has an overlap told by the cluster where an ini sets deadping too, and none by default', (t) => {
    const dir = temporaryDirectory(t)
    const path = join(dir, 'hot-standby.ini')
    writeFileSync(path, ini, { mode: 0o600 })
    const oneLink = 'hot-standby.ini:6: only one link: when it breaks, both nodes serve; add a second, independent one'
    assert.deepEqual(problems(inspectHaDir(dir, apart(dir)), 'warning'), [oneLink])
    const told = () =>
      new Cluster({ ...inspectHaDir(dir, apart(dir)).options!, node: 'a' }).warnings.map(
        ({ where, message }) => `${where}: ${message}`,
      )
    assert.doesNotMatch(told().join(), /deadping/)
    writeFileSync(path, ini.replace('nodes = a b', 'nodes = a b\ndeadping = 900ms'))
    // 200 + 909 + 150 - 990: an address is cut off at once
    assert.match(told().join(), /deadping: deadping \(900 ms\) lets both nodes serve for up to 269 ms/)
  })

  it("finds scripts in resource.d, then in Heartbeat's directory, then among the init scripts", (t) => {
    const dir = tutorial(t)
    for (const name of ['resource.d', 'heartbeat', 'init.d']) mkdirSync(join(dir, name))
    const place = (directory: string, name: string, mode?: number) =>
      writeScript(join(dir, directory), name, 'exit 0', mode)
    place('init.d', 'all')
    place('heartbeat', 'all')
    place('resource.d', 'all')
    place('init.d', 'two')
    place('heartbeat', 'two')
    place('init.d', 'one')
    place('heartbeat', 'one', 0o644)
    place('init.d', 'nginx')
    writeFileSync(join(dir, 'haresources'), 'master all two one nginx\n')
    assert.deepEqual(
      inspectHaDir(dir, apart(dir)).words.map(({ became }) => became.replaceAll(dir, '')),
      [
        'script /resource.d/all (without a status: judged by the exit codes of start and stop)',
        'script /heartbeat/two (without a status: judged by the exit codes of start and stop)',
        'script /init.d/one (without a status: judged by the exit codes of start and stop)',
        'nginx, cold (started at takeover), configuration of the package',
      ],
    )
    place('resource.d', 'nginx')
    assert.equal(
      inspectHaDir(dir, apart(dir)).words.at(-1)!.became,
      `script ${dir}/resource.d/nginx (without a status: judged by the exit codes of start and stop)`,
    )
  })

  it('may be named by a relative path: scripts are run by their whole one', (t) => {
    const dir = tutorial(t)
    mkdirSync(join(dir, 'resource.d'))
    writeScript(join(dir, 'resource.d'), 'own', 'exit 0')
    writeFileSync(join(dir, 'haresources'), 'master own\n')
    const found = inspectHaDir(relative(process.cwd(), dir), apart(dir))
    assert.deepEqual(problems(found), [])
    assert.match(found.words[0]?.became ?? '', new RegExp(`^script ${dir}/resource\\.d/own `))
  })

  it('that holds a directory in place of a file is an error, not a crash', (t) => {
    const dir = tutorial(t)
    rmSync(join(dir, 'ha.cf'))
    mkdirSync(join(dir, 'ha.cf'))
    assert.match(problems(inspectHaDir(dir, apart(dir))).join('\n'), /^ha\.cf: it is not a regular file$/m)
  })
})
