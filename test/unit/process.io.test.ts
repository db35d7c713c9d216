import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pollUntil } from '../../src/platform/poll.ts'
import {
  asIdentity,
  identityOf,
  isAlive,
  processFamily,
  processState,
  readPidFile,
  runProgram,
  stillLives,
} from '../../src/platform/process.ts'
import { lookUpUser } from '../../src/platform/user.ts'
import { temporaryDirectory, writeScript } from '../support/agents.ts'

const asRoot = process.getuid?.() === 0

test('runProgram: outputs, exit code, arguments as they are, an environment from nothing, / as directory', async (t) => {
  const file = writeScript(temporaryDirectory(t), 'show', 'pwd; echo "$1|$2"; env | sort; echo oops >&2; exit 7')
  process.env['HS_SECRET_OF_PARENT'] = 'x'
  t.after(() => delete process.env['HS_SECRET_OF_PARENT'])
  const result = await runProgram({ file, args: ['a b', '$(id)'], env: { HA_CURHOST: 'master' }, timeoutMs: 10_000 })
  assert.equal(result.exitCode, 7)
  assert.equal(result.stderr, 'oops\n')
  const lines = result.stdout.trim().split('\n')
  assert.deepEqual(lines.slice(0, 2), ['/', 'a b|$(id)'])
  const names = lines.slice(2).map((line) => line.split('=')[0])
  assert.deepEqual(
    names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? '')),
    ['HA_CURHOST', 'LC_ALL', 'PATH'],
  )
})

test('runProgram: a signal that ends the program is told', async (t) => {
  const file = writeScript(temporaryDirectory(t), 'suicide', 'kill -9 $$')
  const { exitCode, signal } = await runProgram({ file, timeoutMs: 10_000 })
  assert.deepEqual([exitCode, signal], [null, 'SIGKILL'])
})

test('runProgram: what cannot be started is said with its reason', async (t) => {
  const directory = temporaryDirectory(t)
  const rejection = (file: string, pattern: RegExp) =>
    assert.rejects(runProgram({ file, timeoutMs: 10_000 }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'HS_HOST')
      assert.match(error.message, pattern)
      return true
    })
  await rejection('sh', /not an absolute path/)
  await rejection(join(directory, 'missing'), /missing: no such program/)
  await rejection(writeScript(directory, 'plain', 'true', 0o644), /may not execute/)
  await rejection(directory, /may not execute/)
  const orphan = join(directory, 'orphan')
  writeFileSync(orphan, '#!/no/such/interpreter\n', { mode: 0o755 })
  await rejection(orphan, /interpreter/)
})

test('runProgram: megabytes of output are cut, and the program still ends', async (t) => {
  const file = writeScript(
    temporaryDirectory(t),
    'noisy',
    'head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 3',
  )
  const result = await runProgram({ file, maxOutputBytes: 1000, timeoutMs: 30_000 })
  assert.deepEqual([result.exitCode, result.stdout.length, result.stderr.length], [3, 1000, 1000])
  assert.equal(result.truncated, true)
})

test('runProgram: output just before the exit is complete', async (t) => {
  const file = writeScript(temporaryDirectory(t), 'last', 'head -c 60000 /dev/zero')
  for (let round = 0; round < 5; round++) {
    const { stdout, truncated } = await runProgram({ file, timeoutMs: 10_000 })
    assert.deepEqual([stdout.length, truncated], [60_000, false])
  }
})

test('runProgram: a background child that keeps the output open keeps nobody waiting, and lives on', async (t) => {
  const directory = temporaryDirectory(t)
  const file = writeScript(directory, 'daemon', `sleep 30 & echo $! > ${directory}/pid; echo started`)
  const beganMs = performance.now()
  const { stdout, exitCode } = await runProgram({ file, timeoutMs: 10_000 })
  assert.ok(performance.now() - beganMs < 5000)
  assert.deepEqual([stdout, exitCode], ['started\n', 0])
  const pid = readPidFile(join(directory, 'pid')) as number
  assert.equal(isAlive(pid), true)
  process.kill(pid, 'SIGKILL')
})

test('runProgram: an abort ends the program and its children, also those that ignore SIGTERM', async (t) => {
  const directory = temporaryDirectory(t)
  const file = writeScript(
    directory,
    'stubborn',
    `trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $! > ${directory}/child; echo $$ > ${directory}/pid; while :; do sleep 1; done`,
  )
  const abort = new AbortController()
  const run = runProgram({ file, signal: abort.signal })
  const pids = () => ['pid', 'child'].map((name) => readPidFile(join(directory, name)))
  assert.ok(await pollUntil(() => !pids().includes(null), { limitMs: 10_000 }))
  const beganMs = performance.now()
  abort.abort(new Error('the limit of the stop is over'))
  await assert.rejects(run, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'HS_TIMEOUT')
    assert.match(error.message, /the limit of the stop is over/)
    return true
  })
  assert.ok(performance.now() - beganMs < 5000)
  for (const pid of pids()) assert.ok(await pollUntil(() => !isAlive(pid as number), { limitMs: 5000 }))
})

test('runProgram: a time limit ends it; an aborted signal starts nothing', async (t) => {
  const directory = temporaryDirectory(t)
  const file = writeScript(directory, 'slow', `touch ${directory}/ran; sleep 30`)
  await assert.rejects(runProgram({ file, signal: AbortSignal.abort(new Error('over')) }), { code: 'HS_TIMEOUT' })
  assert.throws(() => readFileSync(join(directory, 'ran')))
  await assert.rejects(runProgram({ file, timeoutMs: 100 }), /did not end within 100 ms/)
})

test('runProgram: as another user, without groups', { skip: asRoot ? false : 'needs root' }, async () => {
  const user = await lookUpUser('nobody')
  const { stdout } = await runProgram({ file: '/usr/bin/id', args: ['-u'], user, timeoutMs: 10_000 })
  assert.equal(Number(stdout), user.uid)
  const groups = await runProgram({ file: '/usr/bin/id', args: ['-G'], user, timeoutMs: 10_000 })
  assert.equal(Number(groups.stdout), user.gid)
  await assert.rejects(lookUpUser('no-such-user-here'), /no user 'no-such-user-here'/)
  await assert.rejects(lookUpUser('--help'), { code: 'HS_HOST' })
})

test('a zombie is not alive', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const directory = temporaryDirectory(t)
  // The shell becomes a sleep that never waits for the child it was left; the child outlives that, or the shell would reap it.
  const file = writeScript(directory, 'parent', `sleep 0.3 & echo $! > ${directory}/pid; exec sleep 30`)
  const parent = spawn(file, [], { stdio: 'ignore' })
  t.after(() => parent.kill('SIGKILL'))
  assert.ok(await pollUntil(() => readPidFile(join(directory, 'pid')) !== null, { limitMs: 10_000 }))
  const pid = readPidFile(join(directory, 'pid')) as number
  assert.ok(await pollUntil(() => processState(pid) === 'Z', { limitMs: 10_000 }))
  assert.equal(process.kill(pid, 0), true)
  assert.equal(isAlive(pid), false)
  assert.equal(identityOf(pid), null)
})

test('an identity is one process of one boot', async () => {
  const child = spawn('/bin/sleep', ['30'], { stdio: 'ignore', detached: true })
  const identity = identityOf(child.pid as number)
  assert.ok(identity)
  assert.deepEqual(asIdentity(JSON.parse(JSON.stringify(identity))), identity)
  assert.equal(stillLives(identity), true)
  assert.equal(stillLives({ ...identity, startTime: '1' }), false)
  assert.equal(stillLives({ ...identity, bootId: 'another' }), false)
  assert.deepEqual(
    processFamily(identity.pid).map(({ pid }) => pid),
    [identity.pid],
  )
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(stillLives(identity), false)
  assert.equal(asIdentity({ pid: '1' }), null)
})

test('readPidFile: only a plain pid', (t) => {
  const path = join(temporaryDirectory(t), 'pid')
  for (const [text, expected] of [
    ['812\n', 812],
    ['', null],
    ['0', null],
    ['1', null],
    ['-3', null],
    ['12 13', null],
    ['x', null],
  ] as const) {
    writeFileSync(path, text)
    assert.equal(readPidFile(path), expected, JSON.stringify(text))
  }
  assert.equal(readPidFile(`${path}.missing`), null)
})

test('runProgram: what dies with us ends as it would without, also by a signal, and keeps its own children', async (t) => {
  const directory = temporaryDirectory(t)
  const run = (body: string, signal?: AbortSignal) =>
    runProgram({ file: writeScript(directory, 'p', body), args: ['a b', '$x'], diesWithUs: true, signal })
  const well = await run('echo "$1|$2"; echo bad >&2; exit 7')
  assert.deepEqual([well.exitCode, well.stdout, well.stderr], [7, 'a b|$x\n', 'bad\n'])
  const killed = await run('kill -9 $$')
  assert.deepEqual([killed.exitCode, killed.signal], [null, 'SIGKILL'])
  const pidFile = join(directory, 'pid')
  await run(`sleep 1000 & echo $! >${pidFile}`)
  const child = Number(readFileSync(pidFile, 'utf8'))
  t.after(() => process.kill(child, 'SIGKILL'))
  assert.equal(isAlive(child), true)
  const gone = join(directory, 'gone')
  const slow = run(`trap 'touch ${gone}; exit' TERM; while :; do sleep 0.05; done`, AbortSignal.timeout(300))
  await assert.rejects(slow, { code: 'HS_TIMEOUT' })
  assert.equal(existsSync(gone), true, 'it had its time after SIGTERM')
  await assert.rejects(runProgram({ file: `${directory}/none`, diesWithUs: true }), { code: 'HS_HOST' })
})

test('runProgram: kill -9 of this process ends what dies with us, with its children', {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory(t)
  const pids = join(directory, 'pids')
  const file = writeScript(directory, 'p', `sleep 1000 & echo $$ $! >${pids}; wait`)
  const module = new URL('../../src/platform/process.ts', import.meta.url).href
  const code = `const { runProgram } = await import(${JSON.stringify(module)}); await runProgram({ file: ${JSON.stringify(file)}, diesWithUs: true })`
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], { stdio: 'inherit' })
  const begun = (): number[] => (existsSync(pids) ? readFileSync(pids, 'utf8').trim().split(' ').map(Number) : [])
  assert.ok(await pollUntil(() => begun().length === 2, { limitMs: 20_000 }))
  const family = begun()
  assert.deepEqual(family.map(isAlive), [true, true])
  parent.kill('SIGKILL')
  assert.ok(await pollUntil(() => !family.some(isAlive), { limitMs: 5000 }), 'something of it runs on')
})
