import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc } from '../../src/authenticators/crc.ts'
import { keyring } from '../../src/authenticators/keyring.ts'
import { sha1 } from '../../src/authenticators/sha1.ts'
import { sha256 } from '../../src/authenticators/sha256.ts'
import { forSlowLine, hintOf, reckonsOtherwise } from '../../src/engine/slow-line.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { budgetIssue, lineBudget, payloadRefusal, sizeIssue } from '../../src/options/line-budget.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { app } from '../../src/resources/app.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import type { SigningRing } from '../../src/roles/key-ring.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { memoryNetwork } from '../../src/transports/memory.ts'
import { serial } from '../../src/transports/serial.ts'
import { classicCutter } from '../../src/wire/classic-cutter.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { type Message, message, text } from '../../src/wire/message.ts'

const key = 'a-secret-of-the-laboratory'
const facts = {
  nodes: ['master', 'slave'],
  groups: [{ name: 'web' }],
  authenticator: sha1({ key }),
  times: deadtime({ keepalive: '200ms', deadtime: '1s' }).times,
}

describe('how large a beat becomes', () => {
  const groups = (count: number, letters = 8) =>
    Array.from({ length: count }, (_, index) => ({ name: String(index).padEnd(letters, 'x') }))
  const issueOf = (count: number, letters?: number) => sizeIssue({ ...facts, groups: groups(count, letters) })

  it('is refused above a datagram, and warned about above one packet', () => {
    assert.equal(issueOf(5), undefined)
    assert.equal(issueOf(20)?.severity, 'warning')
    assert.match(
      issueOf(20)?.message ?? '',
      /larger than one packet: \d{4} bytes for 20 groups, and one packet carries 1400/,
    )
    assert.equal(issueOf(900, 64)?.severity, 'error')
    assert.match(issueOf(900, 64)?.message ?? '', /would not fit into a datagram: \d{6} bytes for 900 groups/)
  })

  it('is reckoned as the codec makes it', () => {
    for (let count = 5; count < 40; count++) {
      const before = issueOf(count)?.message
      if (before === undefined) continue
      const bytes = Number(/(\d+) bytes/.exec(before)?.[1])
      const grown = Number(/(\d+) bytes/.exec(issueOf(count + 1)?.message ?? '')?.[1]) - bytes
      // Once in each of hsgrp, hsmaint and hsfor, and the digits of their lengths.
      const more =
        ' 99xxxxxx:holds/probation:9999999999'.length +
        ' 99xxxxxx:off:9999999999999'.length +
        ' 99xxxxxx:999999999999'.length
      assert.ok(grown >= more && grown <= more + 3, `${count}: ${grown} of ${more}`)
    }
  })

  it('is checked where a pair is made', () => {
    const many = groups(900, 64).map(({ name }) => ({
      name,
      preferred: 'master',
      resources: [app({ name: `app-${name.slice(0, 20)}`, start() {}, stop() {} })],
    }))
    const network = memoryNetwork()
    assert.throws(
      () =>
        resolveOptions({
          name: 'pair',
          nodes: ['master', 'slave'],
          node: 'master',
          transports: [network.transport()],
          authenticator: sha1({ key }),
          groups: many,
        }),
      (error) =>
        isHotStandbyError(error) &&
        error.issues.some(({ where, message: said }) => where === 'groups' && said.includes('into a datagram')),
    )
  })
})

describe('what a slow line can carry', () => {
  it('reckons at least as much as the core really sends, and little more', () => {
    const groups = [
      { name: 'web', preferred: 'master', resources: ['vip'] },
      { name: 'mail', preferred: 'slave', resources: ['vip2'] },
    ]
    const liveness = deadtime({ keepalive: '200ms', deadtime: '1s' })
    const pair = new Simulation({ seed: 1, nodes: ['master', 'slave'], groups, liveness, ring: simulatedRing })
    const beats: Message[] = []
    const plain = createCodec({ ring: simulatedRing(), framing: 'datagram' })
    pair.network.tap = (_from, _link, frame) => {
      const opened = plain.open(frame)
      if (opened.ok && text(opened.message, 't') === 'status') beats.push(opened.message)
    }
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    const authenticator = sha1({ key })
    const budget = lineBudget({ nodes: ['master', 'slave'], groups, authenticator, times: liveness.times }, 19_200)
    const ring: SigningRing = {
      protects: 'signing',
      held: [],
      active: 1,
      sign: () => `1 ${'f'.repeat(40)}`,
      verify: () => ({ ok: true, keyId: 1 }) as const,
    }
    const stream = createCodec({ ring, framing: 'stream' })
    const longest = (shorten: (beat: Message) => Message) =>
      Math.max(...beats.map((beat) => stream.seal(shorten(beat)).length))
    const full = longest((beat) => beat)
    const shortened = longest((beat) => forSlowLine(beat, { ...budget, extras: false }) as Message)
    assert.ok(beats.length > 20)
    assert.ok(full <= budget.fullBytes && budget.fullBytes - full < 120, `${full} of ${budget.fullBytes}`)
    assert.ok(shortened <= budget.beatBytes && budget.beatBytes - shortened < 90, `${shortened} of ${budget.beatBytes}`)
  })

  it('takes the longest name, every group, the longest signature of the ring, and its choice of keys', () => {
    const { beatBytes, fullBytes } = lineBudget(facts, 19_200)
    const change = (more: Partial<typeof facts>) => {
      const budget = lineBudget({ ...facts, ...more }, 19_200)
      return [budget.beatBytes - beatBytes, budget.fullBytes - fullBytes]
    }
    assert.deepEqual(change({ nodes: ['slave', 'much-longer'] }), [5, 5])
    assert.deepEqual(change({ groups: [{ name: 'web' }, { name: 'db' }] }), [
      ' db:off:9999999999999'.length,
      ' db:holds/probation:9999999999 db:off:9999999999999'.length,
    ])
    const ring = keyring({ active: 1, keys: [sha1({ key }), sha256({ key: key.repeat(2), id: 2 })] })
    assert.deepEqual(change({ authenticator: ring }), [24, 24 + 'hskeys=15:01234567 15:01234567\n'.length])
    assert.deepEqual(change({ authenticator: crc() }), [-32, -32])
  })

  it('refuses a beat that takes longer than keepalive, with the arithmetic', () => {
    const budget = lineBudget(facts, 2400)
    const bytes = budget.beatBytes
    const issue = budgetIssue(budget)
    assert.equal(issue?.severity, 'error')
    const takesMs = Math.ceil((bytes * 10_000) / 2400)
    assert.match(
      issue?.message ?? '',
      new RegExp(
        `a beat does not fit: ${bytes} bytes × 10 bits / 2400 bit/s = ${takesMs} ms, longer than keepalive \\(200 ms\\)`,
      ),
    )
  })

  it('leaves the extra fields out where they would take more than half of keepalive, and says so', () => {
    const [slow, fast] = [lineBudget(facts, 19_200), lineBudget(facts, 57_600)]
    assert.deepEqual([slow.extras, fast.extras], [false, true])
    assert.equal(budgetIssue(slow)?.severity, 'warning')
    assert.match(
      budgetIssue(slow)?.message ?? '',
      /extra fields are left out on this line: .* more than half of keepalive/,
    )
    assert.equal(budgetIssue(fast), undefined)
  })

  it('is looked at before the start, with the path of the option', () => {
    const options = {
      name: 'pair',
      node: 'master',
      nodes: ['master', 'slave'],
      authenticator: sha1({ key }),
      liveness: deadtime({ keepalive: '200ms', deadtime: '1s' }),
      groups: [{ name: 'web', preferred: 'master', resources: [app({ start() {}, stop() {} })] }],
    } as const
    const on = (baud: number) =>
      resolveOptions({ ...options, transports: [memoryNetwork().transport(), serial({ device: '/dev/ttyS0', baud })] })
    assert.deepEqual(
      on(19_200).warnings.map(({ where, severity }) => `${severity} ${where}`),
      ['warning transports[1]'],
    )
    assert.deepEqual(on(115_200).warnings, [])
    assert.throws(
      () => on(4800),
      (error) => isHotStandbyError(error) && /a beat does not fit/.test(error.issues[0]?.message ?? ''),
    )
  })

  it('refuses a message of the application that would hold up the beats', () => {
    const budget = lineBudget(facts, 115_200)
    assert.equal(payloadRefusal(budget, 1000), undefined)
    assert.match(payloadRefusal(budget, 10_000) ?? '', /^10000 bytes are too many .* = \d+ ms, longer than keepalive/)
  })
})

describe('a message on a slow line', () => {
  const slow = lineBudget(facts, 19_200)
  const fast = lineBudget(facts, 115_200)
  const beat = message({ t: 'status', st: 'active', hs: '1', hsgrp: 'web:holds/active:1', seq: 'a', src: 'master' })
  const bare = message({ t: 'status', st: 'active', seq: 'a', src: 'master' })

  it('is a beat without the extra fields where they do not fit', () => {
    assert.deepEqual(forSlowLine(beat, slow), bare)
    assert.equal(forSlowLine(beat, fast), beat)
  })

  it('tells what is in maintenance, however slow the line is', () => {
    const held = message({ t: 'status', st: 'active', hs: '1', hsmaint: 'web:on:7' })
    const sent = forSlowLine(held, slow) as Message
    assert.deepEqual([text(sent, 'hs'), text(sent, 'hsmaint')], [undefined, 'web:on:7'])
    assert.equal(reckonsOtherwise(sent, slow, true), false)
  })

  it('is anything else as it is: what is said of a move must not be guessed', () => {
    const ask = message({ t: 'ask_resources', rsc_hold: 'all', info: 'me', hsgrp: 'web:holds/active:1', seq: 'b' })
    assert.equal(forSlowLine(ask, slow), ask)
  })

  it('is nothing where it would hold up the beats', () => {
    const payload = (bytes: number) => message({ t: 'hs-message', payload: new Uint8Array(bytes), seq: 'c' })
    assert.equal(forSlowLine(payload(60_000), fast), undefined)
    assert.equal(forSlowLine(payload(10), fast)?.length, 3)
  })

  it('has the lane and the key by which the line chooses', () => {
    assert.deepEqual(hintOf(beat), { lane: 'beat', seq: 10, key: '10' })
    assert.deepEqual(hintOf(message({ t: 'hs-message', payload: new Uint8Array(1), seq: 'ff' })), {
      lane: 'payload',
      seq: 255,
      key: '255',
    })
    const ask = (firstseq: string) => hintOf(message({ t: 'NS_rexmit', firstseq, lastseq: firstseq }))
    assert.deepEqual(ask('17'), { lane: 'dialogue', seq: 0, key: 'NS_rexmit 17' })
  })

  it('shows whether the peer reckons otherwise', () => {
    assert.equal(reckonsOtherwise(beat, fast, true), false)
    assert.equal(reckonsOtherwise(beat, slow, true), true)
    assert.equal(reckonsOtherwise(bare, fast, true), true)
    assert.equal(reckonsOtherwise(bare, fast, false), undefined)
    assert.equal(reckonsOtherwise(message({ t: 'resource' }), fast, true), undefined)
  })
})

describe('the cutter of a line', () => {
  const ring: SigningRing = {
    protects: 'signing',
    held: [],
    active: 1,
    sign: () => '1 00',
    verify: () => ({ ok: true, keyId: 1 }) as const,
  }
  const frame = createCodec({ ring, framing: 'stream' }).seal(message({ t: 'status', seq: '1' }))

  it('does not count the rest of a frame that was under way when the line was opened', () => {
    for (let from = 1; from < frame.length; from++) {
      const cutter = classicCutter()
      cutter.push(frame.subarray(from))
      assert.equal(cutter.push(frame).length, 1, `without the first ${from} bytes`)
      assert.equal(cutter.discarded, 0, `without the first ${from} bytes`)
      cutter.push(frame.subarray(from))
      cutter.push(frame)
      assert.equal(cutter.discarded, frame.length - from, 'but every later one')
    }
  })

  it('counts what comes first when it is more than the rest of a frame: a line at the wrong speed is told of', () => {
    const cutter = classicCutter()
    for (let at = 0; at < 100; at++) cutter.push(Buffer.from('\xff'.repeat(99).concat('\n'), 'latin1'))
    assert.equal(cutter.discarded, 10_000 - 2048)
  })

  it('a line that is opened again begins anew: half a frame of before is nothing that broke off', () => {
    for (let cut = 1; cut < frame.length; cut++) {
      const cutter = classicCutter()
      cutter.push(frame)
      cutter.push(frame.subarray(0, cut))
      cutter.restart()
      assert.deepEqual(cutter.push(frame.subarray(cut)), [], `cut after ${cut} bytes`)
      assert.equal(cutter.push(frame).length, 1)
      assert.equal(cutter.discarded, 0, `cut after ${cut} bytes`)
    }
  })

  it('counts what belongs to no frame, and only that', () => {
    const cutter = classicCutter()
    assert.equal(cutter.push(frame).length, 1)
    assert.equal(cutter.discarded, 0)
    cutter.push(Buffer.from('garbage\n'))
    assert.equal(cutter.discarded, 8)
    cutter.push(frame.subarray(0, 20))
    assert.equal(cutter.discarded, 8, 'half a frame may still become one')
    assert.equal(cutter.push(Buffer.concat([Buffer.from('\n'), frame])).length >= 1, true)
    assert.ok(cutter.discarded >= 8)
    assert.equal(cutter.push(frame).length, 1)
  })
})
