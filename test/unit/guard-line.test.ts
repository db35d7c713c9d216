import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GuardLine } from '../../src/engine/guard-line.ts'
import type { Guard, GuardChange } from '../../src/roles/guard.ts'

const marginMs = 50
const addresses = new Map([
  ['web', ['10.0.0.1/24', 'fd00::1']],
  ['db', ['10.0.0.2']],
])

function lineOf() {
  const said: GuardChange[] = []
  const held: (readonly string[])[] = []
  const answers: { resolve(): void; reject(error: Error): void }[] = []
  const clock = { nowMs: 1000 }
  const guard: Guard = {
    open: async () => {},
    hold: async (those) => void held.push(those),
    apply: (change) => {
      said.push(change)
      return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }))
    },
    close: async () => {},
  }
  const line = new GuardLine({ guard, marginMs, now: () => clock.nowMs }, addresses)
  const told: (string | undefined)[] = []
  return { line, said, held, answers, clock, told, done: (failed: string | undefined) => void told.push(failed) }
}

const pass = (untilMs: number, group = 'web') => ({ pass: [{ group, untilMs }], close: [] })

/** Everything that is due has happened. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the line to a guard', () => {
  it('says addresses and how long they pass from now on', async () => {
    const { line, said, held, answers, told, done } = lineOf()
    await line.open()
    assert.deepEqual(held, [['10.0.0.1/24', 'fd00::1', '10.0.0.2']])
    line.change(pass(1900), done)
    assert.deepEqual(said, [
      {
        pass: [
          { address: '10.0.0.1/24', forMs: 900 },
          { address: 'fd00::1', forMs: 900 },
        ],
        close: [],
      },
    ])
    assert.deepEqual(told, [])
    answers[0]?.resolve()
    await line.settled()
    assert.deepEqual(told, [undefined])
    assert.equal(said.length, 1)
  })

  it('says only the newest of what was decided while a line was under way, and answers all of it', async () => {
    const { line, said, answers, told, done } = lineOf()
    line.change(pass(1900), done)
    line.change(pass(2000), done)
    line.change(pass(2100, 'db'), done)
    line.change({ pass: [], close: ['web'] }, done)
    assert.equal(said.length, 1)
    answers[0]?.resolve()
    await settle()
    assert.equal(said.length, 2)
    assert.deepEqual(said[1]?.close, ['10.0.0.1/24', 'fd00::1'])
    assert.deepEqual(said[1]?.pass, [{ address: '10.0.0.2', forMs: 1100 }])
    answers[1]?.resolve()
    await line.settled()
    assert.deepEqual(told, [undefined, undefined, undefined, undefined])
  })

  it('says again with what is left when the answer was late, and closes what is over by then', async () => {
    const { line, said, answers, clock, done } = lineOf()
    line.change(
      {
        pass: [
          { group: 'web', untilMs: 1900 },
          { group: 'db', untilMs: 1200 },
        ],
        close: [],
      },
      done,
    )
    clock.nowMs = 1300
    answers[0]?.resolve()
    await settle()
    assert.deepEqual(said[1], {
      pass: [
        { address: '10.0.0.1/24', forMs: 600 },
        { address: 'fd00::1', forMs: 600 },
      ],
      close: ['10.0.0.2'],
    })
    clock.nowMs = 1310
    answers[1]?.resolve()
    await line.settled()
    assert.equal(said.length, 2, 'this answer came in time')
  })

  it('never says a time that is over', async () => {
    const { line, said, answers, done } = lineOf()
    line.change(pass(1000), done)
    assert.deepEqual(said[0], { pass: [], close: ['10.0.0.1/24', 'fd00::1'] })
    answers[0]?.resolve()
    await line.settled()
  })

  it('tells why it failed, and goes on with the next', async () => {
    const { line, said, answers, told, done } = lineOf()
    line.change(pass(1900), done)
    answers[0]?.reject(new Error('nft: no'))
    await line.settled()
    assert.deepEqual(told, ['nft: no'])
    line.change(pass(1950), done)
    assert.equal(said.length, 2)
    answers[1]?.resolve()
    await line.settled()
  })

  it('lets the new addresses of a group pass that passes', async () => {
    const { line, said, held, answers, done } = lineOf()
    line.change(pass(1900), done)
    answers[0]?.resolve()
    await line.settled()
    const moved = line.moveTo(new Map([['web', ['10.0.0.9']]]))
    await settle()
    assert.deepEqual(held.at(-1), ['10.0.0.9'])
    assert.deepEqual(said[1], { pass: [{ address: '10.0.0.9', forMs: 900 }], close: [] })
    answers[1]?.resolve()
    await moved
  })
})
