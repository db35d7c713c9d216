import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil } from '../../src/platform/poll.ts'
import { isAlive, readPidFile } from '../../src/platform/process.ts'
import { createShellHelper, quote } from '../../src/platform/shell-helper.ts'

describe('the helper shell', {
  skip: process.platform !== 'linux' && 'needs /proc and setsid',
  timeout: 30_000,
}, () => {
  const stray: string[] = []
  const shell = createShellHelper({ maxOutputBytes: 1000, onStray: (text) => stray.push(text) })
  after(() => shell.close())

  it('answers status and output of each command, in order', async () => {
    const results = await Promise.all([
      shell.run('echo one; echo two >&2'),
      shell.run('exit 3'),
      shell.run('printf three', new AbortController().signal),
      shell.run('no-such-program-here'),
    ])
    assert.deepEqual(results[0], { status: 0, output: 'one\ntwo\n' })
    assert.equal(results[1]?.status, 3)
    assert.equal(results[2]?.output, 'three')
    assert.equal(results[3]?.status, 127)
    assert.notEqual((await shell.run("echo 'unfinished")).status, 0)
  })

  it('keeps what is in quotes together', async () => {
    const word = `a 'b' "c" $HOME \`d\`; \\ \n*`
    assert.equal((await shell.run(`printf %s ${quote(word)}`)).output, word)
  })

  it('keeps no more output than allowed', async () => {
    const { status, output } = await shell.run('head -c 300000 /dev/zero | tr "\\0" x')
    assert.equal(status, 0)
    assert.equal(output, 'x'.repeat(1000))
  })

  it('lets a command run on that has been left in the background, but not the line once this process dies', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'shell-helper-'))
    const module = JSON.stringify(new URL('../../src/platform/shell-helper.ts', import.meta.url).href)
    const line = `echo begun; setsid sleep 60 >/dev/null & echo $! >${directory}/left; sleep 0.5; touch ${directory}/done; sleep 2`
    const text = `import { createShellHelper } from ${module}
      createShellHelper()[process.argv[1]](${JSON.stringify(line)}, AbortSignal.timeout(60_000))`
    try {
      const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', text]
      for (const [how, done] of [
        ['run', true],
        ['runWhileHere', false],
      ] as const) {
        for (const name of ['left', 'done']) rmSync(join(directory, name), { force: true })
        const child = spawn(process.execPath, [...args, how], { stdio: 'ignore' })
        const left = (): number => Number(readPidFile(join(directory, 'left')))
        assert.ok(await pollUntil(() => left() > 0, { signal: AbortSignal.timeout(20_000), limitMs: 15_000 }))
        child.kill('SIGKILL')
        await sleep(1000)
        assert.equal(existsSync(join(directory, 'done')), done, how)
        assert.ok(isAlive(left()), 'what went into a session of its own is no part of the line')
        process.kill(left())
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('ends a command with its descendants when it takes too long, and goes on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'shell-helper-'))
    const file = quote(join(directory, 'pids'))
    try {
      const limit = new AbortController()
      const line = `sleep 60 & echo $! $$ >${file}; trap '' TERM; wait; sleep 60`
      const sleeper = shell.run(line, limit.signal)
      const next = shell.run('echo next')
      setTimeout(() => limit.abort(), 200)
      await assert.rejects(sleeper, { code: 'HS_TIMEOUT' })
      assert.equal((await next).output, 'next\n')
      const pids = readFileSync(join(directory, 'pids'), 'utf8').trim().split(' ').map(Number)
      assert.equal(pids.length, 2)
      assert.deepEqual(pids.filter(isAlive), [])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('hands over what a command left behind prints later', async () => {
    await shell.run('(sleep 0.2; echo late) &')
    for (let tries = 0; tries < 200 && stray.length === 0; tries += 1) await sleep(20)
    assert.equal(stray.join(''), 'late\n')
  })

  it('says that it died, and starts again', async () => {
    await assert.rejects(shell.run('kill -9 $$'), { code: 'HS_HOST' })
    assert.equal((await shell.run('echo back')).output, 'back\n')
  })

  it('ends with its last command', async () => {
    const other = createShellHelper()
    const pid = Number((await other.run('echo $$')).output)
    await other.close()
    assert.ok(!isAlive(pid))
    await assert.rejects(other.run('true'), { code: 'HS_STATE' })
  })
})
