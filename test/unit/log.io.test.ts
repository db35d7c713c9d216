import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { logLine, logText } from '../../src/platform/log-line.ts'
import { pollUntil } from '../../src/platform/poll.ts'
import { combineLoggers, createFileLogger, createSyslogLogger } from '../../src/platform/syslog.ts'
import { collectingLogger, temporaryDirectory, writeScript } from '../support/agents.ts'

test('a line is one line, in the form of ha-log', () => {
  const when = new Date(2026, 10, 2, 3, 4, 5)
  const line = logLine(
    'warn',
    { link: 'eth1', from: 'a b', error: new Error('x'), n: 3 },
    'evil\nheartbeat[1]: faked',
    when,
    812,
  )
  assert.equal(
    line,
    'heartbeat[812]: 2026/11/02_03:04:05 WARN: evil\\x0aheartbeat[1]: faked link=eth1 from="a b" error="x" n=3\n',
  )
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  assert.equal(
    logText('debug', { circle, big: 1n, none: undefined }, 'm'),
    'debug: m circle=[object Object] big=1 none=undefined',
  )
})

test('logfile gets everything but debug lines, debugfile those too', async (t) => {
  const directory = temporaryDirectory(t)
  const log = createFileLogger(join(directory, 'ha-log'))
  const debug = createFileLogger(join(directory, 'ha-debug'), { debug: true })
  const both = combineLoggers(log, debug)
  for (const level of ['debug', 'info', 'warn', 'error'] as const) both[level]({}, `a ${level} line`)
  await log.close()
  await debug.close()
  const words = (name: string) => readFileSync(join(directory, name), 'utf8').match(/(\w+): a/g)
  assert.deepEqual(words('ha-log'), ['info: a', 'WARN: a', 'ERROR: a'])
  assert.deepEqual(words('ha-debug'), ['debug: a', 'info: a', 'WARN: a', 'ERROR: a'])
})

test('a log file survives its rotation, and one failure is reported once', async (t) => {
  const path = join(temporaryDirectory(t), 'ha-log')
  const problems: string[] = []
  const log = createFileLogger(path, { onProblem: (error) => void problems.push(error.message) })
  log.info({}, 'one')
  await log.close()
  renameSync(path, `${path}.1`)
  log.info({}, 'two')
  await log.close()
  assert.match(readFileSync(path, 'utf8'), /two/)
  renameSync(path, `${path}.2`)
  mkdirSync(path)
  for (const line of ['three', 'four']) {
    log.info({}, line)
    await log.close()
  }
  assert.equal(problems.length, 1)
  rmdirSync(path)
  log.info({}, 'five')
  await log.close()
  assert.match(readFileSync(path, 'utf8'), /five/)
})

test('syslog: one child, priorities by line, nothing lost at the close', async (t) => {
  const directory = temporaryDirectory(t)
  const program = writeScript(directory, 'logger', `echo "$@" >> ${directory}/args; cat >> ${directory}/lines`)
  const log = createSyslogLogger('local0', { program })
  log.info({}, 'up')
  log.debug({}, 'unseen')
  log.warn({}, 'late')
  log.error({}, 'dead')
  await log.close()
  const args = `-t heartbeat -p local0.info --id=${process.pid} --prio-prefix --socket-errors=on\n`
  assert.equal(readFileSync(join(directory, 'args'), 'utf8'), args)
  assert.equal(readFileSync(join(directory, 'lines'), 'utf8'), '<134>info: up\n<132>WARN: late\n<131>ERROR: dead\n')
})

test('syslog: a missing or failing logger is reported once, and nothing stops', async (t) => {
  const directory = temporaryDirectory(t)
  const failing = writeScript(directory, 'logger', 'echo "socket /dev/log: No such file" >&2; exit 1')
  for (const [program, pattern] of [
    [failing, /ended with 1: socket \/dev\/log: No such file/],
    [join(directory, 'none'), /ENOENT/],
  ] as const) {
    const problems: string[] = []
    const log = createSyslogLogger('daemon', { program, onProblem: (error) => void problems.push(error.message) })
    for (let line = 0; line < 100; line++) log.info({}, 'x'.repeat(1000))
    assert.ok(await pollUntil(() => problems.length > 0, { limitMs: 10_000 }))
    for (let line = 0; line < 100; line++) log.info({}, 'x')
    await log.close()
    assert.equal(problems.length, 1)
    assert.match(problems[0] as string, pattern)
  }
  assert.equal(existsSync(join(directory, 'none')), false)
})

test('a facility that syslog does not know is refused', () => {
  assert.throws(() => createSyslogLogger('local9'), {
    code: 'HS_CONFIG',
    message: /'local9' is not a syslog facility; .*local7/,
  })
})

test('a logger that throws harms neither the caller nor the others', () => {
  const { logger, lines } = collectingLogger()
  const bad = () => {
    throw new Error('no')
  }
  combineLoggers({ debug: bad, info: bad, warn: bad, error: bad }, logger).warn({}, 'still here')
  assert.deepEqual(lines, ['warn still here'])
})
