import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { FrameHint } from '../../src/roles/transport.ts'
import { LineQueue } from '../../src/transports/line-queue.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const hint = (lane: FrameHint['lane'], seq: number, key = `${lane}${seq}`): FrameHint => ({ lane, seq, key })
const drain = (queue: LineQueue): string[] => {
  const found: string[] = []
  for (let next = queue.next(); next; next = queue.next()) found.push(Buffer.from(next).toString())
  return found
}
const queue = (): LineQueue => new LineQueue({ urgent: 40, payload: 40 })

describe('what waits for a slow line', () => {
  it('leaves in order, payloads last', () => {
    const line = queue()
    line.push(bytes('p1'), hint('payload', 1))
    line.push(bytes('d2'), hint('dialogue', 2))
    line.push(bytes('b3'), hint('beat', 3))
    line.push(bytes('x'))
    assert.deepEqual(drain(line), ['d2', 'b3', 'x', 'p1'])
    assert.equal(line.isEmpty, true)
  })

  it('holds one beat, the newest, in the place of the first', () => {
    const line = queue()
    line.push(bytes('b1'), hint('beat', 1))
    line.push(bytes('d2'), hint('dialogue', 2))
    line.push(bytes('b3'), hint('beat', 3))
    line.push(bytes('b1 again'), hint('beat', 1))
    assert.deepEqual(drain(line), ['b3', 'd2'])
  })

  it('takes a message that is asked for again once, as long as it waits', () => {
    const line = queue()
    for (let times = 0; times < 3; times++) {
      line.push(bytes('p1'), hint('payload', 1))
      line.push(bytes('ask'), hint('dialogue', 0, 'NS_rexmit 1'))
    }
    assert.deepEqual(drain(line), ['ask', 'p1'])
    line.push(bytes('p1'), hint('payload', 1))
    assert.deepEqual(drain(line), ['p1'])
  })

  it('drops the oldest of the dialogue, the newest of the payloads, and counts them', () => {
    const line = queue()
    for (let seq = 1; seq <= 5; seq++) {
      line.push(bytes(`d${seq}`.padEnd(10)), hint('dialogue', seq))
      line.push(bytes(`p${seq}`.padEnd(10)), hint('payload', seq))
    }
    assert.equal(line.takeDropped(), 2)
    assert.equal(line.takeDropped(), 0)
    assert.deepEqual(
      drain(line).map((text) => text.trim()),
      ['d2', 'd3', 'd4', 'd5', 'p1', 'p2', 'p3', 'p4'],
    )
  })

  it('lets one frame wait, however large', () => {
    const line = queue()
    line.push(bytes('d'.repeat(100)), hint('dialogue', 1))
    line.push(bytes('p'.repeat(100)), hint('payload', 2))
    assert.equal(line.takeDropped(), 0)
    assert.deepEqual(
      drain(line).map((text) => text.length),
      [100, 100],
    )
  })

  it('never holds more than its limits and one frame, whatever comes', () => {
    const entry = fc.record({
      lane: fc.constantFrom<FrameHint['lane']>('beat', 'dialogue', 'payload'),
      seq: fc.nat(50),
      size: fc.integer({ min: 1, max: 40 }),
    })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
        const line = queue()
        for (const { lane, seq, size } of entries) line.push(bytes('x'.repeat(size)), hint(lane, seq))
        const held = drain(line).reduce((sum, text) => sum + text.length, 0)
        return held <= 40 + 40
      }),
    )
  })
})
