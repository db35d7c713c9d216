import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Dating } from '../../src/core/peer/dating.ts'
import { Slowness } from '../../src/core/peer/slowness.ts'

/** The peer's clock is behind ours by so much. */
const apartMs = 50_000
const deadtimeMs = 1000

/** A frame that leaves at `sentMs` of our clock and takes `wayMs`. */
const frame = (dating: Dating, sentMs: number, wayMs: number, roundTripMs?: number, clockMs = apartMs) =>
  dating.date({ nowMs: sentMs + wayMs, stampMs: sentMs - clockMs, roundTripMs }, deadtimeMs)

describe('the age of a frame', () => {
  it('is what it has beyond the quickest one, however far apart the clocks are', () => {
    const dating = new Dating()
    assert.deepEqual(frame(dating, 0, 5), { atLeastMs: 0, atMostMs: Infinity, nominalMs: Infinity })
    assert.equal(frame(dating, 200, 3005).atLeastMs, 3000 - 2 - 0.02 * 3200)
    assert.equal(frame(dating, 3300, 0).atLeastMs, 0)
    assert.equal(frame(dating, 3500, 1000).atLeastMs, 1000 - 2 - 0.02 * 1200, 'a quicker one has come meanwhile')
  })

  it('is no less on a line that slows down bit by bit, where every frame is a round trip of its own', () => {
    const dating = new Dating()
    let age = frame(dating, 0, 1, 2)
    for (let sentMs = 200; sentMs <= 4000; sentMs += 200) age = frame(dating, sentMs, sentMs / 2, sentMs / 2 + 1)
    assert.ok(age.atLeastMs > 1800, `${age.atLeastMs} of 2000 ms`)
  })

  it('is bounded from above by a round trip, and carried on by the stamps', () => {
    const dating = new Dating()
    frame(dating, 0, 5, 12)
    const { atMostMs, nominalMs } = frame(dating, 10_000, 700)
    assert.equal(nominalMs, 707)
    assert.ok(atMostMs >= 707 && atMostMs <= 707 + 2 + 0.02 * 10_700 + 0.1)
  })

  it('does not count what waited for this process', () => {
    const dating = new Dating()
    frame(dating, 0, 1)
    dating.stalled(1000, 4000)
    assert.ok(frame(dating, 1200, 2800).atLeastMs < 1)
    assert.ok(frame(dating, 200, 3801).atLeastMs > 700, 'the time before the stall counts')
  })

  it('begins anew when a round trip shows that a clock stood still', () => {
    const dating = new Dating()
    frame(dating, 0, 1, 2)
    assert.ok(frame(dating, 5000, 1, undefined, apartMs + 4000).atLeastMs > 3800)
    const age = frame(dating, 5200, 1, 2, apartMs + 4000)
    assert.equal(age.atLeastMs, 0)
    assert.ok(age.atMostMs < 10)
    const ahead = frame(dating, 5400, 1, undefined, apartMs)
    assert.equal(ahead.atMostMs, Infinity, 'our own clock stood still: nothing is known until the next round trip')
  })

  it('is not believed to be small for a round trip that was longer than the dead time', () => {
    const dating = new Dating()
    frame(dating, 0, 1, 2)
    assert.ok(frame(dating, 5000, 1, 1500, apartMs + 4000).atLeastMs > 3800)
  })

  it('knows nothing of the run before', () => {
    const dating = new Dating()
    frame(dating, 0, 1, 2)
    dating.reset()
    assert.deepEqual(frame(dating, 5000, 1, undefined, apartMs + 90_000), {
      atLeastMs: 0,
      atMostMs: Infinity,
      nominalMs: Infinity,
    })
  })
})

describe('a slow line', () => {
  const times = { deadtimeMs, keepaliveMs: 200 }
  const beats = (line: Slowness, fromMs: number, count: number, ageMs: number) => {
    for (let beat = 0; beat < count; beat++) line.heard(ageMs, fromMs + 200 * beat - ageMs, fromMs + 200 * beat, times)
  }

  it('is one whose frames go on coming late', () => {
    const line = new Slowness()
    beats(line, 0, 2, 700)
    assert.equal(line.isSlow, false)
    beats(line, 400, 1, 700)
    assert.equal(line.isSlow, true)
    assert.equal(line.allowanceMs(deadtimeMs), 700)
  })

  it('is none that hands on at once what it has held back', () => {
    const line = new Slowness()
    for (let ageMs = 5000; ageMs >= 0; ageMs -= 200) line.heard(ageMs, 5000 - ageMs, 5000, times)
    assert.equal(line.isSlow, false)
  })

  it('is none whose late frames all left at once, or between others that came in time', () => {
    const line = new Slowness()
    for (let nowMs = 0; nowMs <= 1000; nowMs += 200) line.heard(900, 0, nowMs, times)
    assert.equal(line.isSlow, false)
    for (let nowMs = 2000; nowMs <= 4000; nowMs += 200) line.heard(nowMs % 400 === 0 ? 900 : 10, nowMs, nowMs, times)
    assert.equal(line.isSlow, false)
  })

  it('is slow no more when nothing old has come for a dead time', () => {
    const line = new Slowness()
    beats(line, 0, 10, 2500)
    beats(line, 2000, 4, 10)
    assert.equal(line.isSlow, true)
    beats(line, 2800, 1, 10)
    assert.equal(line.isSlow, false)
    assert.equal(line.allowanceMs(deadtimeMs), 0)
  })

  it('is given no more than nine dead times, and what is older is of the past', () => {
    const line = new Slowness()
    beats(line, 0, 10, 9800)
    assert.equal(line.allowanceMs(deadtimeMs), 9000)
    const past = new Slowness()
    beats(past, 0, 10, 10_100)
    assert.equal(past.isSlow, false)
  })
})
