import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectHaDir } from '../../src/config/read-ha-dir.ts'
import { lockDevice } from '../../src/platform/device-lock.ts'
import { readPlainFile, writePlain } from '../../src/platform/durable-file.ts'
import { Pinger, pingProgram } from '../../src/platform/icmp.ts'
import { createPatientWriter } from '../../src/platform/patient-writer.ts'
import { pollUntil } from '../../src/platform/poll.ts'
import { runProgram } from '../../src/platform/process.ts'
import { respawn } from '../../src/platform/respawn.ts'
import { readSecretFile } from '../../src/platform/secret-file.ts'
import { checkProgram, distrust } from '../../src/platform/trust.ts'
import { temporaryDirectory } from '../support/agents.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root, to make files of another user'
const [bob, carol] = [4711, 4712]
const script = '#!/bin/sh\nexit 0\n'

test('what only root can change is trusted, wherever links lead on the way', { skip }, (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'real'))
  writeFileSync(join(directory, 'real/agent'), script, { mode: 0o755 })
  symlinkSync('real', join(directory, 'link'))
  symlinkSync(join(directory, 'link/agent'), join(directory, 'agent'))
  assert.equal(distrust(join(directory, 'agent')), undefined)
  checkProgram('script', join(directory, 'agent'))
  // What group root may write, and what everybody may read, is as on any host.
  chmodSync(join(directory, 'real/agent'), 0o775)
  chmodSync(join(directory, 'real'), 0o775)
  assert.equal(distrust(join(directory, 'agent')), undefined)
})

test('a link, a directory or a file that another user could change is refused with what would mend it', {
  skip,
}, (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const real = join(directory, 'agent')
  writeFileSync(real, script, { mode: 0o755 })
  const home = join(directory, 'home')
  mkdirSync(home)
  symlinkSync(real, join(home, 'agent'))
  chownSync(home, bob, bob)
  assert.match(
    distrust(join(home, 'agent')) ?? '',
    /its directory \S+home belongs to user 4711.*run chown root \S+home$/,
  )
  // A link behind which everything is right, in a directory that bob may fill.
  symlinkSync(home, join(directory, 'way'))
  assert.match(distrust(join(directory, 'way/agent')) ?? '', /home belongs to user 4711/)
  chownSync(home, 0, 0)
  assert.equal(distrust(join(directory, 'way/agent')), undefined)

  chmodSync(real, 0o757)
  assert.match(distrust(real) ?? '', /^has mode 0757, so that everybody could change it; run chmod go-w/)
  chmodSync(real, 0o775)
  chownSync(real, 0, carol)
  assert.match(distrust(real) ?? '', /so that group 4712 could change it; run chmod g-w/)
})

test('a directory with the sticky bit will do, but only for what is ours in it', { skip }, (t) => {
  const shared = temporaryDirectory(t)
  chmodSync(shared, 0o1777)
  writeFileSync(join(shared, 'agent'), script, { mode: 0o755 })
  symlinkSync('agent', join(shared, 'link'))
  assert.equal(distrust(join(shared, 'link')), undefined)
  execFileSync('chown', ['-h', String(bob), join(shared, 'link')])
  assert.match(distrust(join(shared, 'link')) ?? '', /belongs to user 4711.*chown -h root/)
  // The owner of a sticky directory may replace everything in it.
  chownSync(shared, bob, bob)
  assert.match(distrust(join(shared, 'agent')) ?? '', /its directory \S+ belongs to user 4711/)
})

test('a program of a user may be run as that user, and as nobody else', { skip }, async (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const file = join(directory, 'tool')
  writeFileSync(file, script, { mode: 0o755 })
  chownSync(file, bob, bob)
  const result = await runProgram({ file, user: { uid: bob, gid: bob } })
  assert.equal(result.exitCode, 0)
  await assert.rejects(runProgram({ file }), { code: 'HS_HOST', message: /tool: belongs to user 4711/ })
  await assert.rejects(runProgram({ file, user: { uid: carol, gid: carol } }), /belongs to user 4711/)
  const events: string[] = []
  const kept = await respawn([{ command: file, args: [] }], { onEvent: (event) => events.push(JSON.stringify(event)) })
  await kept.stop()
  assert.match(events.join(), /given-up.*belongs to user 4711/)
})

test('an interpreter that another user could change is refused like the script, and what it stands on too', {
  skip,
}, async (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const place = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o755 })
    return join(directory, name)
  }
  const shell = place('shell', '#! /bin/sh -e\n')
  const wrapped = place('wrapped', `#!${shell}\n`)
  const agent = place('agent', `#!${wrapped} -x\nexit 0\n`)
  checkProgram('script', agent)
  assert.equal((await runProgram({ file: agent })).exitCode, 0)
  chownSync(shell, carol, carol)
  for (const attempt of [async () => checkProgram('script', agent), () => runProgram({ file: agent })])
    await assert.rejects(attempt, {
      code: 'HS_HOST',
      message: new RegExp(`${agent}: its interpreter ${shell}: belongs to user 4712.*chown root ${shell}$`),
    })
  // As carol it may be run: she could run her shell without us.
  assert.equal((await runProgram({ file: agent, user: { uid: carol, gid: carol } })).exitCode, 0)
  const missing = place('missing', '#!/no/such/interpreter\n')
  checkProgram('script', missing)
})

test('what is written follows no link of another user, and goes into no file that he has laid ready', {
  skip,
}, async (t) => {
  const shared = temporaryDirectory(t)
  chmodSync(shared, 0o1777)
  const mine = join(shared, 'mine')
  writeFileSync(mine, 'old\n')
  const his = join(shared, 'his')
  symlinkSync(mine, his)
  execFileSync('chown', ['-h', String(bob), his])
  writeFileSync(join(shared, 'ready'), '', { mode: 0o666 })
  chownSync(join(shared, 'ready'), bob, bob)
  const writer = createPatientWriter()
  t.after(() => writer.close())
  const { append } = writer
  for (const write of [append, writePlain]) {
    await assert.rejects(write(his, 'new\n', 0o600), /his is a link of user 4711; links of others are not followed/)
    await assert.rejects(
      write(join(shared, 'ready'), 'new\n', 0o600),
      /ready belongs to user 4711, in a directory of every/,
    )
  }
  assert.equal(readFileSync(mine, 'utf8'), 'old\n')
  assert.equal(readFileSync(join(shared, 'ready'), 'utf8'), '')
  // A link of root, to a file or to a directory, is what root wants.
  symlinkSync('mine', join(shared, 'link'))
  await append(join(shared, 'link'), 'new\n', 0o600)
  assert.equal(readFileSync(mine, 'utf8'), 'old\nnew\n')
  await assert.rejects(writePlain(join(shared, 'link'), 'last\n', 0o600), /it exists already and is left as it is/)
  writeFileSync(mine, '')
  await writePlain(join(shared, 'link'), 'last\n', 0o600)
  assert.equal(readFileSync(mine, 'utf8'), 'last\n')
  // In a directory of his own, which he may let us write to, his files are files of his.
  mkdirSync(join(shared, 'home'))
  chownSync(join(shared, 'home'), bob, bob)
  await append(join(shared, 'home/log'), 'line\n', 0o600)
  symlinkSync(mine, join(shared, 'home/way'))
  execFileSync('chown', ['-h', String(bob), join(shared, 'home/way')])
  await assert.rejects(append(join(shared, 'home/way'), 'line\n', 0o600), /way is a link of user 4711/)
})

test('configuration and keys of another user are not believed', { skip }, (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  for (const name of ['ha.cf', 'haresources', 'authkeys'])
    writeFileSync(join(directory, name), '# empty\n', { mode: 0o600 })
  const found = (): string =>
    inspectHaDir(directory)
      .issues.map(({ where, message }) => `${where}: ${message}`)
      .join('\n')
  assert.doesNotMatch(found(), /belongs|mode/)
  for (const name of ['ha.cf', 'haresources', 'authkeys']) {
    chownSync(join(directory, name), bob, bob)
    assert.match(found(), new RegExp(`${name}: belongs to user 4711, who could change it; run chown root`))
    chownSync(join(directory, name), 0, 0)
    chmodSync(join(directory, name), 0o602)
    assert.match(found(), new RegExp(`${name}: has mode 0602, so that everybody could change it; run chmod go-w`))
    chmodSync(join(directory, name), 0o600)
  }
  const nested = join(directory, 'keys')
  mkdirSync(nested)
  writeFileSync(join(nested, 'key'), 'x'.repeat(40), { mode: 0o600 })
  chownSync(nested, bob, bob)
  assert.throws(() => readSecretFile(join(nested, 'key')), { code: 'HS_KEY', message: /keys: belongs to user 4711/ })
})

test('a pipe in the place of a file is not waited for', (t) => {
  const directory = temporaryDirectory(t)
  execFileSync('mkfifo', [join(directory, 'pipe')])
  assert.throws(() => readPlainFile(join(directory, 'pipe')), /not a regular file/)
})

test('what is planted in the place of a serial lock holds nothing, and freezes nobody', { skip }, (t) => {
  const directory = temporaryDirectory(t)
  // The lock of this device is named after its path; nothing else has such a name.
  const device = join('/dev/shm', `hs-${process.pid}`)
  writeFileSync(device, '')
  const lock = `/var/lock/LCK..shmhs${process.pid}`
  t.after(() => {
    for (const path of [device, lock]) rmSync(path, { force: true })
  })
  execFileSync('mkfifo', [lock])
  lockDevice(device)()
  symlinkSync(join(directory, 'elsewhere'), lock)
  lockDevice(device)()
  assert.equal(existsSync(lock), false)
})

test('ping and ip see nothing of the environment of the application', async (t) => {
  const directory = temporaryDirectory(t)
  const said = join(directory, 'said')
  writeFileSync(join(directory, 'ping'), `#!/bin/sh\nenv >${said}.new\nmv ${said}.new ${said}\nexec sleep 5\n`, {
    mode: 0o755,
  })
  const { find } = pingProgram
  pingProgram.find = () => join(directory, 'ping')
  process.env['HS_TEST_SECRET'] = 'do not tell'
  t.after(() => {
    pingProgram.find = find
    delete process.env['HS_TEST_SECRET']
  })
  const pinger = new Pinger({ address: '192.0.2.1', intervalMs: 1000, onReply() {}, onProblem() {} })
  await pinger.open()
  await pollUntil(() => existsSync(said), { limitMs: 10_000 })
  await pinger.close()
  const environment = readFileSync(said, 'utf8')
  assert.match(environment, /LC_ALL=C/)
  assert.doesNotMatch(environment, /do not tell|HOME=/)
})
