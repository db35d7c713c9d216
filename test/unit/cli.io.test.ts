import assert from 'node:assert/strict'
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { commandNames } from '../../src/cli/table.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { Command, eventsOf, hotStandby, members, running } from '../support/command.ts'
import { until } from '../support/pair.ts'
import { root } from '../support/sources.ts'

/** A copy of one of the tutorial's nodes, with the mode that git does not keep. */
function tutorial(t: TestContext, node: 'master' | 'slave' = 'master'): string {
  const dir = temporaryDirectory(t)
  cpSync(join(root, 'test/fixtures/tutorial', node), dir, { recursive: true })
  chmodSync(join(dir, 'authkeys'), 0o600)
  return dir
}

describe('a command line', () => {
  const wrong: readonly (readonly [args: string[], message: RegExp, of?: string])[] = [
    [[], /no command given; there are: init, convert, run, check, status, watch, metrics, standby, .*, keygen/],
    [['start'], /'start' is no command; there are: init, convert, run, check/],
    [['takover'], /'takover' is no command; did you mean 'takeover'\?/],
    [['toString'], /'toString' is no command/],
    [['help', 'statsu'], /'statsu' is no command; did you mean 'status'\?/],
    [['run', 'now'], /run takes no operand; found 'now'/, 'run'],
    [['run', '--port', '5'], /run takes no --port; it takes --dir DIR, --config FILE, --node NAME/, 'run'],
    [['status', '--jsn'], /status takes no --jsn; did you mean --json\?/, 'status'],
    [['run', '--status-port', 'http'], /--status-port: 'http' is no port; a number from 0/, 'run'],
    [['check', '--json'], /check takes no --json; it takes --dir DIR, --config FILE, --node NAME/, 'check'],
    [['status', '--state', '/x'], /status takes no --state/, 'status'],
    [['run', '--dir'], /--dir needs its value: --dir DIR/, 'run'],
    [['run', '--dir', '--json'], /--dir needs its value: --dir DIR; found '--json'/, 'run'],
    [['run', '--json=yes'], /--json takes no value; found 'yes'/, 'run'],
    [['record', 'a', 'b'], /record takes no more; found 'b'; right is: hot-standby record \[FILE\]/, 'record'],
    [['replay'], /replay needs FILE; right is: hot-standby replay FILE\.\.\./, 'replay'],
    [['timeline', 'x.rec'], /timeline needs --svg or --html/, 'timeline'],
    [['timeline', '--svg'], /timeline needs FILE; right is: /, 'timeline'],
    [['maintenance', 'perhaps'], /maintenance takes on\|off; found 'perhaps'; right is: /, 'maintenance'],
    [['completion', 'csh'], /completion takes bash\|zsh\|fish; found 'csh'/, 'completion'],
  ]
  it('that is wrong exits 2, says why, and where the right words are', async () => {
    for (const [args, message, of] of wrong) {
      const { code, out, err } = await hotStandby(...args)
      assert.equal(code, 2, `${args}: ${err}`)
      assert.match(err, message)
      assert.ok(err.endsWith(`\nTry: hot-standby ${of === undefined ? '--help' : `help ${of}`}\n`), err)
      assert.equal(out, '')
    }
  })

  it('that asks for help or the version gets it', async () => {
    const help = await hotStandby('help')
    assert.deepEqual([help.code, help.err], [0, ''])
    for (const command of commandNames) assert.match(help.out, new RegExp(`^ {2}${command} {2}`, 'm'))
    assert.deepEqual(await hotStandby('--help'), help)
    const run = await hotStandby('run', '--help')
    assert.match(run.out, /^usage: hot-standby run \[--dir DIR\]/)
    assert.deepEqual(await hotStandby('help', 'run'), run)
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.deepEqual(await hotStandby('--version'), { code: 0, out: `${version}\n`, err: '' })
  })
})

describe('check', () => {
  it("says of the tutorial's files, line by line, what is questionable, and exits 0", async (t) => {
    const dir = tutorial(t)
    // Where Heartbeat is installed, its own IPaddr takes the word's place; here the built-in agents are asked for.
    const bare = temporaryDirectory(t)
    const scripts = { resourceDirectory: bare, initDirectory: bare }
    const program = `
      import { readArguments } from './src/cli/arguments.ts'
      import { check } from './src/cli/check.ts'
      process.exitCode = check(readArguments(process.argv.slice(1)), ${JSON.stringify(scripts)})`
    const args = ['check', '--dir', dir, '--node', 'master']
    const { code, out, err } = await new Command(args, ['--import', 'tsx', '--input-type=module', '-e', program, '--'])
      .ended
    assert.equal(err, '')
    const lines = out.replaceAll(`${dir}/`, '').replaceAll(dir, 'DIR').trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => line.replace(/(.{92}).+/, '$1…')),
      [
        'ha.cf:14: note: ipfail is built in: nodes compare how many ping targets each of them reaches…',
        'authkeys:2: warning: a key of 6 bytes can be guessed from one recorded packet; take at least…',
        'ha.cf:5: warning: deadping (30000 ms) lets both nodes serve for up to 2750 ms when one is cu…',
        'ha.cf:9: warning: only one link: when it breaks, both nodes serve; add a second, independent…',
        'ha.cf: note: a heartbeat daemon restarts its host when a resource will not stop; hot-standby…',
        'haresources:1: 192.168.1.106/24/eth0 -> vip 192.168.1.106/24 on eth0',
        'haresources:1: nginx -> nginx, cold (started at takeover), configuration of the package',
        'guarantee class G1: a node that reaches neither its peer nor a ping target (192.168.2.1) not…',
        'the peer is dead after 30000 ms of silence, which are 15 keepalives of 2000 ms',
        'an isolated owner notices after 30000 ms (deadping) and has cut its groups off 2750 ms after…',
        'not checked here: ha.cf:9: whether this host has the device eth1',
        'not checked here: ha.cf:9: whether every ping target is reached through this only link; if s…',
        'not checked here: group 192.168.1.106: whether vip:192.168.1.106/24 can start on this host',
        'not checked here: group 192.168.1.106: whether nginx can start on this host',
        'DIR: no errors',
      ],
    )
    assert.equal(code, 0)
  })

  it('without --node says that this host is neither, which is no error', async (t) => {
    const dir = tutorial(t, 'slave')
    const { code, out } = await hotStandby('check', '--dir', dir)
    assert.equal(code, 0)
    assert.ok(out.includes(`${dir}/ha.cf: note: the host name '`), out)
    assert.match(out, /is not one of the nodes \(master, slave\); say which one this host is with --node NAME/)
  })

  const planted: readonly (readonly [what: string, plant: (dir: string) => void, line: RegExp])[] = [
    [
      'an unknown directive',
      (dir) => replace(join(dir, 'ha.cf'), /^deadtime.*$/m, 'deadtme 30'),
      /^ha\.cf:5: unknown directive 'deadtme'.*deadtime/m,
    ],
    [
      'times that contradict each other',
      (dir) => replace(join(dir, 'ha.cf'), /^deadtime.*$/m, 'deadtime 1'),
      /^ha\.cf:5: .*deadtime.*1000 ms/m,
    ],
    [
      'a third node',
      (dir) => writeFileSync(join(dir, 'ha.cf'), `${readFileSync(join(dir, 'ha.cf'), 'utf8')}node third\n`),
      /^ha\.cf:15: .*third/m,
    ],
    ['keys that others may read', (dir) => chmodSync(join(dir, 'authkeys'), 0o644), /^authkeys: .*0?644/m],
    [
      'a resource that nobody knows',
      (dir) => writeFileSync(join(dir, 'haresources'), '# comment\nmaster no-such-word\n'),
      /^haresources:2: .*no-such-word/m,
    ],
    ['a missing file', (dir) => rmSync(join(dir, 'haresources')), /^haresources: is missing/m],
    [
      'two sources',
      (dir) => writeFileSync(join(dir, 'hot-standby.ini'), ''),
      /^DIR: holds hot-standby\.ini and ha\.cf/m,
    ],
  ]
  for (const [what, plant, line] of planted) {
    it(`finds ${what}, and exits 1`, async (t) => {
      const dir = tutorial(t)
      plant(dir)
      const { code, out, err } = await hotStandby('check', '--dir', dir, '--node', 'master')
      assert.match(out.replaceAll(`${dir}/`, '').replaceAll(dir, 'DIR'), line)
      assert.match(out, /: \d+ errors?\n$/)
      assert.deepEqual([code, err], [1, ''])
    })
  }

  it('finds several at once, and a node that is none of them', async (t) => {
    const dir = tutorial(t)
    replace(join(dir, 'ha.cf'), /^keepalive.*$/m, 'keepalive often')
    replace(join(dir, 'authkeys'), /md5/, 'md6')
    const { code, out } = await hotStandby('check', '--dir', dir)
    assert.equal(code, 1)
    assert.match(out, /ha\.cf:4: /)
    assert.match(out, /authkeys:2: /)
    assert.match(out, /: 2 errors\n$/)
    const other = await hotStandby('check', '--dir', tutorial(t), '--node', 'third')
    assert.equal(other.code, 1)
    assert.match(other.out, /'third' was given but is neither master nor slave/)
  })

  it('takes a directory as it is seen from here', async (t) => {
    const dir = tutorial(t)
    const [near, far] = [relative(root, dir), dir].map((name) => hotStandby('check', '--dir', name, '--node', 'master'))
    assert.equal((await near)?.code, 0)
    assert.deepEqual(await near, await far)
  })

  it('of a directory that is not there exits 1', async (t) => {
    const dir = join(temporaryDirectory(t), 'none')
    const { code, out } = await hotStandby('check', '--dir', dir)
    assert.deepEqual(
      [code, out],
      [
        1,
        `${dir}: does not exist; it must hold ha.cf, authkeys and haresources, or hot-standby.ini\n${dir}: 1 error\n`,
      ],
    )
  })
})

function replace(path: string, what: RegExp, by: string): void {
  const text = readFileSync(path, 'utf8')
  assert.match(text, what)
  writeFileSync(path, text.replace(what, by))
}

describe('two members', { timeout: 200_000 }, () => {
  it('are asked why, and their recording is run again in another process', async (t) => {
    const { one, two, start } = await members(t)
    const [first, second] = [start(one), start(two)]
    await Promise.all([running(first), running(second)])
    await until('one serves', () => one.serves && !two.serves)
    first.child.kill('SIGKILL')
    await until('two serves', () => two.serves, 30_000)
    // The member's own word comes a moment after the script's.
    await until('two knows it', () => eventsOf(second).includes('group:acquired'), 30_000)

    const why = await two.ask('why', 'jobs')
    assert.equal(why.code, 0, why.err)
    assert.match(why.out, /^jobs is active on two since .* \(epoch \d+\); one is dead\.$/m)
    assert.match(
      why.out,
      /^At [\d:.]+Z: jobs standby -> starting: the peer is dead, has left or never came: take the group over\.$/m,
    )
    assert.match(why.out, /^At that moment: one is dead: nothing heard for \d+ ms.*\.$/m)
    assert.match(why.out, /^\d\d:\d\d:\d\d\.\d\d\dZ {2}decision {2}jobs: starting -> active: everything is running$/m)
    assert.match((await two.ask('why', 'nothing')).err, /there is no group 'nothing'; there are: jobs/)

    const file = join(one.dir, 'recording')
    assert.equal((await two.ask('record', file)).code, 0)
    const over = await two.ask('record', file)
    assert.equal(over.code, 1)
    assert.match(over.err, /recording: it exists already and is left as it is; name another file/)
    const again = await hotStandby('replay', file)
    assert.deepEqual([again.code, again.err], [0, ''])
    assert.match(again.out, /^two \(peer one\), .* from the start of the process; recorded by version \d/)
    assert.match(again.out, /^\d+ inputs were run again: the same effects came out\.$/m)
    const text = readFileSync(file, 'utf8')
    assert.ok(!text.includes('a secret of at least'), 'no key is in it')
    const number = text.split('\n').findIndex((line) => /^\["message".*,1,"status"/.test(line))
    const lines = text
      .split('\n')
      .map((line, at) => (at === number ? line.replace(',1,"status"', ',2,"status"') : line))
    writeFileSync(file, lines.join('\n'))
    const altered = await hotStandby('replay', file)
    assert.equal(altered.code, 1)
    assert.match(altered.err, new RegExp(`recording:${number + 1}: the same input does not lead to the same effects`))

    second.child.kill('SIGTERM')
    assert.equal((await second.ended).code, 0)
    const kept = readdirSync(join(two.dir, 'state/recordings'))
    assert.ok(
      kept.some((name) => /_jobs_acquired\.recording$/.test(name)),
      kept.join(' '),
    )
    for (const name of kept) assert.equal((await hotStandby('replay', join(two.dir, 'state/recordings', name))).code, 0)
  })

  it('go on recording when memory and file are full: files are run again together, memory is read', async (t) => {
    const { one, two, start } = await members(t)
    const file = join(one.dir, 'flight')
    const section = `[recorder]\nmemoryBytes = 65536\nfile = ${file}\nmaxBytes = 65536\nkeep = 30\n`
    const ini = join(one.dir, 'hot-standby.ini')
    writeFileSync(ini, readFileSync(ini, 'utf8').replace('keepalive = 100ms', 'keepalive = 20ms') + section)
    const [first, second] = [start(one), start(two)]
    await Promise.all([running(first), running(second)])
    await until('two files are full', () => existsSync(`${file}.2`), 60_000)
    assert.equal((await two.ask('takeover', 'all')).code, 0)
    const why = await one.ask('why')
    assert.match(why.out, /jobs active -> stopping: /)

    const read = join(one.dir, 'recording')
    assert.equal((await one.ask('record', read)).code, 0)
    const tail = await hotStandby('replay', read)
    assert.equal(tail.code, 2)
    assert.match(tail.out, /decision {2}jobs: active -> stopping: /)
    assert.match(tail.err, /this recording begins in the middle: it can be read, not run again/)
    first.child.kill('SIGTERM')
    assert.equal((await first.ended).code, 0)
    const older = readdirSync(one.dir).flatMap((name) => /^flight\.(\d+)$/.exec(name)?.[1] ?? [])
    const files = older.map(Number).sort((a, b) => b - a)
    const whole = await hotStandby('replay', ...files.map((number) => `${file}.${number}`), file)
    assert.deepEqual([whole.code, whole.err], [0, ''])
    assert.match(whole.out, /decision {2}jobs: active -> stopping: /)
    assert.equal((await hotStandby('replay', file)).code, 2)
    assert.match(
      (await hotStandby('replay', `${file}.${files[0]}`, file)).err,
      /file 2, line 1: segment \d+ follows segment/,
    )
  })

  it('run, are asked, hand over and end', async (t) => {
    const { one, two, start } = await members(t)
    const [first, second] = [start(one), start(two)]
    await Promise.all([running(first), running(second)])
    await until('one serves', () => one.serves && !two.serves)

    const status = await two.ask('status')
    assert.deepEqual([status.code, status.err], [0, ''])
    assert.match(status.out, /^clitest: two is running \(settled\), guarantee class G0\npeer one: alive/)
    assert.match(status.out, /^jobs +one +standby +active +\d+ +one +/m)
    const snapshot = JSON.parse((await one.ask('status', '--json')).out)
    assert.equal(snapshot.groups[0].servedBy, 'one')

    const events = new Command(['events', '--json', '--control', two.control])
    const lines = new Command(['events', '--control', one.control])
    t.after(() => lines.child.kill())
    const moved = await one.ask('standby')
    assert.deepEqual([moved.code, moved.err], [0, ''])
    assert.match(moved.out, /^jobs: one -> two \(epoch \d+\)\n$/)
    assert.ok(two.serves && !one.serves, 'standby ends when the peer serves')
    const taken = await one.ask('takeover', 'jobs', '--json')
    assert.deepEqual([taken.code, taken.err], [0, ''])
    const { epoch, ...group } = JSON.parse(taken.out).groups[0]
    assert.ok(epoch > 0)
    assert.deepEqual(
      { ...JSON.parse(taken.out), groups: [group] },
      {
        command: 'takeover',
        node: 'one',
        groups: [{ group: 'jobs', from: 'two', servedBy: 'one', maintenance: false }],
      },
    )
    assert.match((await one.ask('takeover')).out, /^nothing to do: jobs is served by one\n$/)
    assert.ok(one.serves && !two.serves)
    assert.deepEqual(await two.ask('maintenance', 'on', 'jobs'), { code: 0, out: 'jobs: maintenance on\n', err: '' })
    assert.match((await two.ask('status')).out, /^jobs +one +standby, MAINTENANCE +active /m)
    const maintained = await one.ask('standby')
    assert.deepEqual(
      [maintained.code, maintained.err],
      [1, 'hot-standby: jobs is in maintenance; end the maintenance first\n'],
    )
    assert.equal((await one.ask('maintenance', 'off')).code, 0)
    const refused = await one.ask('standby', 'nobody')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /^hot-standby: no group is named nobody; known groups: jobs\n$/)

    const again = await one.run().ended
    assert.equal(again.code, 1)
    assert.match(again.err, new RegExp(`in use by process ${first.child.pid};`))
    const cleaned = await hotStandby('cleanup', '--dir', one.dir, '--node', 'one', '--state', join(one.dir, 'state'))
    assert.equal(cleaned.code, 1)
    assert.match(cleaned.err, /in use by process/)

    first.child.kill('SIGTERM')
    const { code, err } = await first.ended
    assert.equal(code, 0, err)
    assert.match(err, /SIGTERM: stopping/)
    assert.ok(two.serves && !one.serves, 'the peer serves before the member ends')
    assert.ok(!existsSync(one.control))
    assert.equal((await lines.ended).code, 0)
    assert.match(lines.out, /^\d\d:\d\d:\d\d\.\d\d\d {2}group:stopping +giving up jobs: this node is stopping$/m)

    second.child.kill('SIGINT')
    assert.equal((await second.ended).code, 0, 'without a peer it stops anyway')
    assert.ok(!two.serves)
    assert.equal((await events.ended).code, 0)
    assert.ok(eventsOf(events).includes('peer:left'))
    const gone = await two.ask('status')
    assert.equal(gone.code, 1)
    assert.match(gone.err, /no member serves it; is the pair running here\?/)
  })

  it('SIGHUP reads the files again, or says why not', async (t) => {
    const { one, start } = await members(t)
    const first = start(one)
    await running(first)
    await until('it serves alone', () => one.serves, 30_000)
    const path = join(one.dir, 'hot-standby.ini')
    const ini = readFileSync(path, 'utf8')
    replace(path, /preferred = one/, 'preferred = nobody')
    first.child.kill('SIGHUP')
    await until('it refuses', () => /SIGHUP: nothing was changed\n.*hot-standby\.ini:15: .*nobody/.test(first.err))
    writeFileSync(path, ini.replace('name = clitest', 'name = other'))
    first.child.kill('SIGHUP')
    await until('it refuses', () => /name: 'clitest' became 'other'; that needs a restart/.test(first.err))
    writeFileSync(path, ini.replace('deadtime = 2s', 'deadtime = 2500ms'))
    first.child.kill('SIGHUP')
    await until('it reads', () => /SIGHUP: the files were read again/.test(first.err))
    assert.ok(one.serves)
  })

  it('SIGTERM while it is starting, and while a resource hangs in its start', async (t) => {
    const { one, start } = await members(t)
    const early = start(one)
    await until('it runs code', () => existsSync(join(one.dir, 'state')), 30_000)
    early.child.kill('SIGTERM')
    assert.equal((await early.ended).code, 0, early.err)
    one.mark('hang')
    const hung = start(one)
    await running(hung)
    await until('the start hangs', () => eventsOf(hung).includes('group:starting'), 30_000)
    hung.child.kill('SIGTERM')
    assert.equal((await hung.ended).code, 0, hung.err)
  })

  it('a resource that will not stop: SIGTERM exits 1 and names the group', async (t) => {
    const { one, start } = await members(t)
    replace(
      join(one.dir, 'hot-standby.ini'),
      /resources = service\n$/,
      'resources = s\n[resource.s]\ntype = script\npath = PATH\nstopTimeout = 300ms\n',
    )
    replace(join(one.dir, 'hot-standby.ini'), /PATH/, join(one.dir, 'resource.d/service'))
    const first = start(one)
    await running(first)
    await until('it serves', () => one.serves, 30_000)
    one.mark('stuck')
    first.child.kill('SIGTERM')
    const { code, err } = await first.ended
    assert.equal(code, 1, err)
    assert.match(err, /jobs can neither be stopped nor cut off/)
    one.unmark('stuck')
  })

  it('killed with -9: cleanup, then the next run', async (t) => {
    const { one, start } = await members(t)
    const first = start(one)
    await running(first)
    await until('it serves', () => one.serves, 30_000)
    first.child.kill('SIGKILL')
    await first.ended
    const cleaned = await hotStandby('cleanup', '--dir', one.dir, '--node', 'one', '--state', join(one.dir, 'state'))
    assert.deepEqual(cleaned, { code: 0, out: '', err: '' })
    assert.ok(!one.serves, `what the killed member had started is stopped; its script was asked: ${one.asked}`)
    const next = start(one)
    await running(next)
    await until('it serves again', () => one.serves, 30_000)
  })

  it('goes on when whoever reads its output has gone', async (t) => {
    const { one, start } = await members(t)
    const first = start(one)
    first.child.stdout?.destroy()
    await running(first)
    first.child.stderr?.destroy()
    await until('it serves', () => one.serves, 30_000)
    assert.equal((await one.ask('status')).code, 0)
  })
})

describe('keygen', () => {
  it('writes a key that only its owner may read, once, and never shows it', async (t) => {
    const file = join(temporaryDirectory(t), 'key')
    const made = await hotStandby('keygen', file)
    const key = readFileSync(file, 'utf8')
    assert.equal(made.code, 0)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(Buffer.from(key, 'base64').length, 32)
    assert.ok(!(made.out + made.err).includes(key.trim()), made.out)
    const again = await hotStandby('keygen', file)
    assert.equal(again.code, 1)
    assert.match(again.err, /exists already and is left as it is/)
    assert.equal(readFileSync(file, 'utf8'), key)
  })

  it('prints a new one each time without a file, and takes one file at most', async () => {
    const [one, two, wrong] = await Promise.all([
      hotStandby('keygen'),
      hotStandby('keygen'),
      hotStandby('keygen', 'a', 'b'),
    ])
    assert.match(one.out, /^[A-Za-z0-9+/]{43}=\n$/)
    assert.notEqual(one.out, two.out)
    assert.equal(wrong.code, 2)
  })
})
