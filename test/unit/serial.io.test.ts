import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, test } from 'node:test'
import { findProgram } from '../../src/platform/process.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { FrameHint } from '../../src/roles/transport.ts'
import { transportSuite } from '../../src/testing/transport-suite.ts'
import { serial } from '../../src/transports/serial.ts'
import { SerialCable } from '../support/serial-cable.ts'

const skip = findProgram('socat') ? false : 'socat is not installed'
const nodes = ['master', 'slave'] as const
const locks = existsSync('/var/lock') ? '/var/lock' : '/run/lock'

function end(device: string, baud?: number) {
  const received: string[] = []
  const problems: string[] = []
  const began: string[] = []
  const transport = serial({ device, baud }).create({
    self: nodes[0],
    peer: nodes[1],
    logger: silentLogger,
    receive: (bytes) => received.push(Buffer.from(bytes).toString('latin1')),
    restarted: () => began.push(device),
    problem: (error) => problems.push(error.message),
  })
  return { transport, began, received, problems, heard: () => received.join('') }
}

type End = ReturnType<typeof end>

/** The lock of end `a`, by the terminal's own name. */
function lockOf(cable: SerialCable<'a' | 'b'>): string {
  const terminal = readlinkSync(cable.device('a'))
  return `${locks}/LCK..${terminal.slice('/dev/'.length).replaceAll('/', '')}`
}

async function until(condition: () => boolean, what: string, limitMs = 10_000): Promise<void> {
  for (const startMs = performance.now(); !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
    assert.ok(performance.now() - startMs < limitMs, `not within ${limitMs} ms: ${what}`)
}

/** What a node does all the time, and what lets a transport find out that its line is back. */
function beating(...ends: readonly End[]): Disposable {
  const timer = setInterval(() => {
    for (const { transport } of ends) transport.send(Buffer.from('beat '))
  }, 50)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

const hint = (lane: FrameHint['lane'], seq: number): FrameHint => ({ lane, seq, key: String(seq) })

if (skip === false) {
  for (const baud of [19_200, 115_200])
    describe(`serial at ${baud} baud`, () => {
      transportSuite({
        test,
        async create() {
          const cable = await SerialCable.lay(['a', 'b'])
          return {
            nodes,
            plugins: [serial({ device: cable.device('a'), baud }), serial({ device: cable.device('b'), baud })],
            dispose: () => cable[Symbol.asyncDispose](),
          }
        },
      })
    })
}

describe('a serial line', { skip }, () => {
  test('carries every byte value both ways, and nothing comes back as an echo', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const [a, b] = [end(cable.device('a'), 115_200), end(cable.device('b'), 115_200)]
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    try {
      await a.transport.open()
      await b.transport.open()
      a.transport.send(every)
      b.transport.send(every)
      await until(() => a.heard().length >= 256 && b.heard().length >= 256, 'all bytes')
      assert.equal(a.heard(), every.toString('latin1'))
      assert.equal(b.heard(), every.toString('latin1'))
    } finally {
      await a.transport.close()
      await b.transport.close()
    }
  })

  test('an unplugged device is told, and used again when it returns', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const [a, b] = [end(cable.device('a')), end(cable.device('b'))]
    try {
      await a.transport.open()
      await b.transport.open()
      using _ = beating(a, b)
      await until(() => b.heard().includes('beat'), 'the first beat')
      const lock = lockOf(cable)
      assert.ok(existsSync(lock), 'the line is locked')
      await cable.unplug('a')
      await until(() => a.problems.some((text) => /the device is gone/.test(text)), 'the problem')
      await until(
        () => a.problems.some((text) => /there is no such device/.test(text)),
        'an attempt without the device',
      )
      assert.equal(existsSync(lock), false, 'the lock was given back')
      assert.deepEqual(b.problems, [], 'the other end sees a silent line, nothing else')
      await cable.plug('a')
      a.received.length = 0
      b.received.length = 0
      await until(() => a.heard().includes('beat') && b.heard().includes('beat'), 'beats both ways after the return')
      assert.equal(a.began.length, 2, 'the line that was pulled began anew')
      assert.equal(b.began.length, 1, 'the other end knows nothing of it')
    } finally {
      await a.transport.close()
      await b.transport.close()
    }
  })

  test('beats overtake payloads, the newest replaces an older one, and everything keeps the speed of the line', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const [a, b] = [end(cable.device('a'), 9600), end(cable.device('b'), 9600)]
    try {
      await a.transport.open()
      await b.transport.open()
      const startMs = performance.now()
      for (let seq = 1; seq <= 4; seq++) a.transport.send(Buffer.from(`P${seq}`.padEnd(240, '.')), hint('payload', seq))
      a.transport.send(Buffer.from('dialogue5 '), hint('dialogue', 5))
      a.transport.send(Buffer.from('beat6 '), hint('beat', 6))
      a.transport.send(Buffer.from('beat7 '), hint('beat', 7))
      a.transport.send(Buffer.from('dialogue5 '), hint('dialogue', 5))
      await until(() => b.heard().includes('P4'), 'the last payload')
      const order = b.heard().match(/P\d|beat\d|dialogue\d/g)
      assert.deepEqual(order, ['P1', 'dialogue5', 'beat7', 'P2', 'P3', 'P4'])
      // Three payloads of 240 bytes were carried before the last one began.
      const leastMs = (3 * 240 * 10 * 1000) / 9600
      assert.ok(performance.now() - startMs >= leastMs, 'faster than the line is')
    } finally {
      await a.transport.close()
      await b.transport.close()
    }
  })

  test('a flood is bounded, and told once', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const a = end(cable.device('a'), 9600)
    try {
      await a.transport.open()
      const startMs = performance.now()
      for (let seq = 1; seq <= 20_000; seq++) a.transport.send(Buffer.alloc(1000, 65), hint('payload', seq))
      // Once a second, and a busy machine takes some.
      const { length: told } = a.problems
      assert.ok(told >= 1 && told <= 1 + Math.ceil((performance.now() - startMs) / 1000), `told ${told} times`)
      assert.match(a.problems[0] ?? '', /more is to be sent than 9600 bit\/s carry/)
    } finally {
      await a.transport.close()
    }
  })

  test('the last words still leave at the end', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const [a, b] = [end(cable.device('a')), end(cable.device('b'))]
    try {
      await a.transport.open()
      await b.transport.open()
      a.transport.send(Buffer.from('x'.repeat(300)))
      a.transport.send(Buffer.from('good-bye'))
      await a.transport.close()
      await until(() => b.heard().endsWith('good-bye'), 'the good-bye')
    } finally {
      await a.transport.close()
      await b.transport.close()
    }
  })

  test('a line that takes nothing is told, holds nothing and hinders no end', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const a = end(cable.device('a'), 921_600)
    try {
      await a.transport.open()
      cable.stop('a')
      for (let count = 0; count < 5; count++) a.transport.send(Buffer.alloc(60_000, 65))
      using _ = beating(a)
      await until(() => a.problems.some((text) => /the line takes nothing/.test(text)), 'the problem')
      const startMs = performance.now()
      await a.transport.close()
      assert.ok(performance.now() - startMs < 900, 'close waits for a line that takes nothing')
    } finally {
      cable.go('a')
      await a.transport.close()
    }
  })
})

describe('the lock of a serial line', { skip }, () => {
  const refusal = async ({ transport }: End): Promise<string> => {
    try {
      await transport.open()
    } catch (error) {
      assert.ok(isHotStandbyError(error) && error.code === 'HS_TRANSPORT', String(error))
      return error.message
    }
    await transport.close()
    return 'opened'
  }

  test('keeps a second link, and any other program that looks for it, from the device', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const [first, second] = [end(cable.device('a')), end(cable.device('a'))]
    await first.transport.open()
    assert.equal(readFileSync(lockOf(cable), 'latin1'), `${String(process.pid).padStart(10)}\n`)
    assert.match(await refusal(second), /is in use by another link of this process/)
    await first.transport.close()
    assert.equal(existsSync(lockOf(cable)), false)
    assert.equal(await refusal(second), 'opened')
    assert.deepEqual(
      readdirSync(locks).filter((name) => name.includes(basename(lockOf(cable)))),
      [],
    )
  })

  test('of a living process is respected, of a dead one is taken over', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    const other = spawn('sleep', ['60'])
    writeFileSync(lockOf(cable), `${String(other.pid).padStart(10)}\n`)
    try {
      assert.match(
        await refusal(end(cable.device('a'))),
        new RegExp(`is in use by process ${other.pid} \\(sleep 60\\)`),
      )
      other.kill()
      await once(other, 'exit')
      assert.equal(await refusal(end(cable.device('a'))), 'opened')
      // Left by an earlier process that had our number, as in a container that was restarted.
      writeFileSync(lockOf(cable), `${String(process.pid).padStart(10)}\n`)
      assert.equal(await refusal(end(cable.device('a'))), 'opened')
    } finally {
      other.kill()
      rmSync(lockOf(cable), { force: true })
    }
  })
})

describe('what is not a serial line', { skip }, () => {
  for (const [device, says] of [
    ['/dev/tty-that-is-not-there', /there is no such device/],
    ['/etc/hostname', /it is not a device/],
    ['/dev/null', /it is not a serial line/],
  ] as const) {
    test(`${device} is refused with the reason, and leaves no lock`, async () => {
      await assert.rejects(end(device).transport.open(), says)
      const name = device.slice('/dev/'.length).replaceAll(/\W/g, '')
      assert.deepEqual(
        readdirSync(locks).filter((file) => file.startsWith(`LCK..${name}`)),
        [],
      )
    })
  }

  test('settings are those of a line: raw, without echo and flow control', async () => {
    await using cable = await SerialCable.lay(['a', 'b'])
    spawnSync('stty', ['-F', cable.device('a'), 'sane', 'echo', 'crtscts'])
    const a = end(cable.device('a'), 57_600)
    await a.transport.open()
    const { stdout } = spawnSync('stty', ['-F', cable.device('a'), '-a'], { encoding: 'utf8' })
    await a.transport.close()
    assert.match(stdout, /speed 57600 baud/)
    for (const word of ['-echo', '-icanon', '-isig', '-opost', '-ixon', '-crtscts', 'clocal', 'cs8', '-parenb'])
      assert.ok(stdout.split(/[\s;]+/).includes(word), `${word} in ${stdout}`)
  })
})
