import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Answer, summarise } from '../lab/world/answers.ts'

/** One request every 5 ms, answered after 1 ms by whoever the table says. */
const asked = (spans: readonly (readonly [by: string | undefined, requests: number])[]): Answer[] => {
  const servers = spans.flatMap(([by, requests]) => Array.from({ length: requests }, () => by))
  return servers.map((servedBy, index) => ({
    sentMs: index * 5,
    doneMs: index * 5 + (servedBy === undefined ? 150 : 1),
    servedBy,
  }))
}

const report = (answers: readonly Answer[], sinceMs = 0, thresholdMs = 20) => {
  const untilMs = Math.max(...answers.map(({ sentMs }) => sentMs)) + 2
  return summarise(answers, { sinceMs, untilMs, thresholdMs, everyMs: 5 })
}

describe('the report of the client', () => {
  it('names no outage when every request is answered', () => {
    const { ok, failed, outages, outageMs, longestGapMs, stallMs } = report(asked([['master', 100]]))
    assert.deepEqual(
      { ok, failed, outages, outageMs, longestGapMs, stallMs },
      { ok: 100, failed: 0, outages: [], outageMs: 0, longestGapMs: 5, stallMs: 0 },
    )
  })

  it('measures an outage from the last good answer to the next', () => {
    const { servedBy, outages, failed } = report(
      asked([
        ['master', 10],
        [undefined, 20],
        ['slave', 10],
      ]),
    )
    assert.deepEqual(
      servedBy.map(({ by, answers }) => [by, answers]),
      [
        ['master', 10],
        ['slave', 10],
      ],
    )
    assert.equal(failed, 20)
    assert.deepEqual(outages, [{ fromMs: 46, untilMs: 151, outageMs: 105, failed: 20, stalledMs: 0, ongoing: false }])
  })

  it('shows an outage that has not ended', () => {
    const { outages, outageMs } = report(
      asked([
        ['master', 10],
        [undefined, 20],
      ]),
    )
    assert.equal(outageMs, 101)
    assert.equal(outages[0]?.ongoing, true)
  })

  it('leaves out what was before the mark', () => {
    const answers = asked([
      [undefined, 40],
      ['master', 40],
    ])
    const { ok, failed, outages } = report(answers, 200)
    assert.deepEqual({ ok, failed, outages }, { ok: 40, failed: 0, outages: [] })
  })

  it('tells a stall of the client from an outage of the service', () => {
    const answers = asked([['master', 60]]).filter(({ sentMs }) => sentMs <= 100 || sentMs >= 200)
    const { outages, stallMs } = report(answers)
    assert.equal(stallMs, 95)
    assert.deepEqual(outages, [{ fromMs: 101, untilMs: 201, outageMs: 100, failed: 0, stalledMs: 95, ongoing: false }])
  })

  it('sees two hosts that serve by turns, and not a switch there and back', () => {
    const turns = (requests: number) =>
      report(
        asked([
          ['master', 100],
          ['slave', requests],
          ['master', 100],
        ]),
      ).interleavedMs
    assert.equal(turns(10), 50)
    assert.equal(turns(200), 0)
  })

  it('orders by the request, not by the arrival of its answer', () => {
    const late: Answer[] = [
      { sentMs: 0, doneMs: 30, servedBy: 'master' },
      { sentMs: 5, doneMs: 6, servedBy: 'slave' },
      { sentMs: 10, doneMs: 11, servedBy: 'slave' },
    ]
    const { servedBy, interleavedMs } = summarise(late, { sinceMs: 0, untilMs: 40, thresholdMs: 20, everyMs: 5 })
    assert.deepEqual(
      servedBy.map(({ by }) => by),
      ['master', 'slave'],
    )
    assert.equal(interleavedMs, 0)
  })
})
