import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { temporaryDirectory } from '../support/agents.ts'
import { builtCommand } from '../support/built.ts'
import { Command, eventsOf, hotStandby, members, running } from '../support/command.ts'
import { until } from '../support/pair.ts'

describe('a running member', { timeout: 200_000 }, () => {
  it('answers every command while its files have an error', async (t) => {
    const { one, two, start } = await members(t)
    const [first, second] = [start(one), start(two)]
    await Promise.all([running(first), running(second)])
    await until('one serves', () => one.serves && !two.serves)
    await until('two knows it', () => eventsOf(second).includes('peer:alive'))
    appendFileSync(join(one.dir, 'hot-standby.ini'), 'nonsense = 1\n[nowhere]\n')
    assert.equal((await hotStandby('check', '--dir', one.dir)).code, 1, 'the files have an error')
    const ask = (command: string, ...more: string[]) => hotStandby(command, ...more, '--dir', one.dir)
    const file = join(one.dir, 'recording')
    for (const [command, ...more] of [
      ['status'],
      ['why'],
      ['record', file],
      ['maintenance', 'on'],
      ['maintenance', 'off'],
      ['standby'],
      ['takeover'],
    ] as const) {
      const { code, err } = await ask(command, ...more)
      assert.equal(code, 0, `${command} ${more}: ${err}`)
    }
    assert.ok(existsSync(file) && one.serves && !two.serves)
    const events = new Command(['events', '--dir', one.dir])
    t.after(() => events.child.kill())
    for (let tries = 0; events.out === '' && tries < 100; tries++) await ask('maintenance', tries % 2 ? 'off' : 'on')
    assert.match(events.out, /maintenance/)
    await ask('maintenance', 'off')

    first.child.kill('SIGTERM')
    assert.equal((await first.ended).code, 0)
    assert.equal((await events.ended).code, 0, events.err)
    const gone = await ask('status')
    assert.equal(gone.code, 1)
    assert.match(gone.err, /no member was started by 'run --dir .*', and its files have errors, so no socket is known/)
  })

  it("calls a dead peer's word its last, with its age", async (t) => {
    const { one, two, start } = await members(t)
    const [first, second] = [start(one), start(two)]
    await Promise.all([running(first), running(second)])
    await until('one serves', () => one.serves && !two.serves)
    const before = JSON.parse((await two.ask('status', '--json')).out)
    assert.deepEqual([before.peer.lastWordAgeMs, before.peer.groups.jobs.state], [null, 'active'])
    assert.match((await two.ask('status')).out, /^jobs +one +standby +active +\d/m)
    first.child.kill('SIGKILL')
    await until('two serves', () => eventsOf(second).includes('group:acquired'), 30_000)
    const { out } = await two.ask('status')
    assert.match(out, /^peer one: dead, /m)
    assert.match(out, /^what one said of the groups is its last word, \d+\.\d s old$/m)
    assert.match(out, /^jobs +two +active +was active +\d/m)
    const { peer, groups } = JSON.parse((await two.ask('status', '--json')).out)
    assert.ok(peer.lastWordAgeMs >= 1900, String(peer.lastWordAgeMs))
    assert.equal(groups[0].servedBy, 'two')
  })
})

/** Sends the process a signal when it begins to hear of it, and `ms` later; it is loaded before everything else. */
const signalsItself = (signal: string, ms: number) =>
  `data:text/javascript,${encodeURIComponent(
    `process.once('newListener', function first(name) {
      if (name !== '${signal}') return process.once('newListener', first)
      const send = () => process.kill(process.pid, '${signal}')
      ${ms} === 0 ? queueMicrotask(send) : setTimeout(send, ${ms})
    })`,
  )}`

describe('a signal to a member that begins', { timeout: 200_000 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'])
    it(`${signal} ends it with 0 from the first line of its code on`, async (t) => {
      const { one } = await members(t)
      const args = ['run', ...one.flags, '--state', join(one.dir, 'state')]
      for (const ms of [0, 1, 10, 30, 60, 120, 250, 500]) {
        const { code, err } = await new Command(args, ['--import', signalsItself(signal, ms), builtCommand()]).ended
        assert.equal(code, 0, `${signal} after ${ms} ms: ${err}`)
      }
      assert.ok(!one.serves)
    })
})

const lacks = ['systemd-notify', 'socat'].filter((name) => spawnSync(name, ['--version']).error !== undefined)

describe("systemd's watchdog", { skip: lacks.length > 0 && `not installed: ${lacks}`, timeout: 100_000 }, () => {
  /** What was said to the socket, as systemd would hear it. */
  async function notifySocket(t: TestContext): Promise<{ readonly path: string; readonly said: () => string }> {
    const path = join(temporaryDirectory(t), 'notify')
    const child = spawn('socat', ['-u', `UNIX-RECV:${path}`, 'STDOUT'])
    t.after(() => child.kill())
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    await until('the socket is there', () => existsSync(path))
    return { path, said: () => text }
  }
  const fed = (said: string) => said.split('WATCHDOG=1').length - 1

  it('is fed while the member turns, and not while it stands still', async (t) => {
    const { one, start } = await members(t)
    const { path, said } = await notifySocket(t)
    const first = start(one, { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' })
    await running(first)
    await until('READY=1 was said', () => said().includes('READY=1'))
    await until('it is fed again and again', () => fed(said()) > 4)
    first.child.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const before = fed(said())
    await new Promise((resolve) => setTimeout(resolve, 2000))
    assert.equal(fed(said()), before, 'a member that stands still says nothing')
    first.child.kill('SIGCONT')
    await until('it is fed again', () => fed(said()) > before)
    first.child.kill('SIGTERM')
    assert.equal((await first.ended).code, 0)
    await until('STOPPING=1 was said', () => said().includes('STOPPING=1'))
  })

  it('is left alone where it is not wanted', async (t) => {
    const { one, start } = await members(t)
    const { path, said } = await notifySocket(t)
    const first = start(one, { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000', WATCHDOG_PID: '1' })
    await running(first)
    await until('READY=1 was said', () => said().includes('READY=1'))
    first.child.kill('SIGTERM')
    await first.ended
    await until('STOPPING=1 was said', () => said().includes('STOPPING=1'))
    assert.equal(fed(said()), 0)
  })
})
