import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pollUntil } from '../../src/platform/poll.ts'
import { isAlive, readPidFile } from '../../src/platform/process.ts'
import { type RespawnContext, type RespawnEvent, respawn } from '../../src/platform/respawn.ts'
import { temporaryDirectory, writeScript } from '../support/agents.ts'

const asRoot = process.getuid?.() === 0

function recorder(extra: Partial<RespawnContext> = {}) {
  const events: RespawnEvent[] = []
  const records: (Readonly<Record<string, unknown>> | null)[] = []
  const context: RespawnContext = {
    onEvent: (event) => void events.push(event),
    remember: (record) => void records.push(record),
    killAfterMs: 300,
    ...extra,
  }
  const count = (type: RespawnEvent['type']) => events.filter((event) => event.type === type).length
  return { context, events, records, count }
}

test('a program that ends is started again, with its arguments and HA_ variables', async (t) => {
  const directory = temporaryDirectory(t)
  const command = writeScript(directory, 'work', `echo "$1 $HA_CURHOST $HA_mood" >> ${directory}/log; sleep 0.05`)
  const { context, count } = recorder({ env: { HA_CURHOST: 'master' } })
  const kept = await respawn([{ command, args: ['x'], env: { HA_mood: 'good' } }], context)
  t.after(() => kept.stop())
  assert.ok(await pollUntil(() => count('started') >= 3, { limitMs: 10_000 }))
  await kept.stop()
  const started = count('started')
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(count('started'), started)
  assert.match(readFileSync(join(directory, 'log'), 'utf8'), /^(x master good\n)+$/)
})

test('exit code 100 means: not again', async (t) => {
  const command = writeScript(temporaryDirectory(t), 'enough', 'exit 100')
  const { context, events, count } = recorder()
  const kept = await respawn([{ command, args: [] }], context)
  t.after(() => kept.stop())
  assert.ok(await pollUntil(() => count('given-up') === 1, { limitMs: 10_000 }))
  assert.equal(count('started'), 1)
  const exited = events.find((event) => event.type === 'exited')
  assert.deepEqual(exited, { type: 'exited', command, exitCode: 100, signal: null, restarting: false })
})

test('more than ten fast deaths in a row, and it is given up', { timeout: 60_000 }, async (t) => {
  const command = writeScript(temporaryDirectory(t), 'weak', 'exit 1')
  const { context, events, count } = recorder()
  const kept = await respawn([{ command, args: [] }], context)
  t.after(() => kept.stop())
  assert.ok(await pollUntil(() => count('given-up') === 1, { limitMs: 30_000, everyMs: 20 }))
  assert.equal(count('started'), 11)
  assert.match(JSON.stringify(events.at(-1)), /died 11 times in a row/)
})

test('a missing program and an unknown user are told, and the others run', async (t) => {
  const directory = temporaryDirectory(t)
  const command = writeScript(directory, 'fine', 'sleep 60')
  const { context, events, count } = recorder()
  const programs = [
    { command: join(directory, 'missing'), args: [] },
    { command, args: [], user: 'no-such-user-here' },
    { command, args: [] },
  ]
  const kept = await respawn(programs, context)
  t.after(() => kept.stop())
  assert.ok(await pollUntil(() => count('given-up') === 2 && count('started') === 1, { limitMs: 10_000 }))
  const told = JSON.stringify(events)
  assert.match(told, /no such program/)
  assert.match(told, /no user 'no-such-user-here'/)
})

test('the stop goes in reverse order, and ends those that ignore SIGTERM', async (t) => {
  const directory = temporaryDirectory(t)
  const log = join(directory, 'log')
  const polite = (name: string) =>
    writeScript(
      directory,
      name,
      `trap 'echo ${name} >> ${log}; exit 0' TERM; echo up >> ${log}; while :; do sleep 0.02; done`,
    )
  const stubborn = writeScript(directory, 'stubborn', `trap '' TERM; echo up >> ${log}; while :; do sleep 0.02; done`)
  const { context, records } = recorder()
  const programs = [polite('first'), stubborn, polite('last')].map((command) => ({ command, args: [] }))
  const kept = await respawn(programs, context)
  const lines = () => readFileSync(log, { encoding: 'utf8', flag: 'a+' }).trim().split('\n')
  assert.ok(await pollUntil(() => lines().filter((line) => line === 'up').length === 3, { limitMs: 10_000 }))
  await kept.stop()
  assert.deepEqual(lines().slice(3), ['last', 'first'])
  assert.equal(records.at(-1), null)
})

test('what a killed predecessor left running is ended before it is started again', async (t) => {
  const directory = temporaryDirectory(t)
  const command = writeScript(directory, 'single', `echo $$ > ${directory}/pid; exec sleep 60`)
  const first = recorder()
  const lost = await respawn([{ command, args: [] }], first.context)
  t.after(() => lost.stop())
  assert.ok(await pollUntil(() => readPidFile(join(directory, 'pid')) !== null, { limitMs: 10_000 }))
  const pid = readPidFile(join(directory, 'pid')) as number
  const record = JSON.parse(JSON.stringify(first.records.at(-1)))
  // The first one is not told: as if its process had been killed.
  const second = recorder({ leftover: record })
  const kept = await respawn([], second.context)
  assert.ok(await pollUntil(() => !isAlive(pid), { limitMs: 5000 }))
  await kept.stop()
})

test('a program runs as its user', { skip: asRoot ? false : 'needs root' }, async (t) => {
  const command = '/bin/sleep'
  const { context, events } = recorder()
  const kept = await respawn([{ command, args: ['60'], user: 'nobody' }], context)
  t.after(() => kept.stop())
  const [started] = events
  assert.ok(started?.type === 'started')
  const uids = () => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${started.pid}/status`, 'utf8'))?.[1]
  assert.equal(uids(), '65534')
})
