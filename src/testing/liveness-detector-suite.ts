import type { Liveness, LivenessDetector } from '../roles/liveness-detector.ts'
import { check, equal } from './assert.ts'

/** What {@link livenessDetectorSuite} needs. */
export interface LivenessDetectorSuiteOptions {
  /** Registers one test: `test` of `node:test`, or any function of that shape. */
  readonly test: (name: string, run: () => void | Promise<void>) => unknown
  /** Makes a new detector, as a plug-in's `create` does. */
  readonly create: () => LivenessDetector
}

const deadtimeMs = 1000
const initdeadMs = 5000
/** Far from 0, and no whole number: sums of such times are rounded. */
const startMs = 123_456.789
const rank: Readonly<Record<Liveness, number>> = { alive: 0, late: 1, dead: 2 }

/**
 * Registers the tests that every liveness detector must pass: pure, handed `now`, patient for `initdead` with a peer that was
 * never heard, and never able to name a time at which nothing is due. When between the last beat and the announced dead time it
 * calls the peer late, and how it makes use of earlier beats, is its own affair.
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { deadtime } from 'hot-standby'
 * import { livenessDetectorSuite } from 'hot-standby/testing'
 *
 * livenessDetectorSuite({ test, create: () => deadtime().create() })
 * ```
 */
export function livenessDetectorSuite({ test, create }: LivenessDetectorSuiteOptions): void {
  const started = (): LivenessDetector => {
    const detector = create()
    detector.reset(startMs, initdeadMs)
    return detector
  }
  /** Heard every 200 ms ten times; returns the detector and when it was heard last. */
  const beating = (): [LivenessDetector, number] => {
    const detector = started()
    let nowMs = startMs
    for (let beat = 0; beat < 10; beat++) {
      nowMs += 200
      detector.heard(nowMs, deadtimeMs)
    }
    return [detector, nowMs]
  }

  test('liveness: a peer that was never heard is dead after initdead, not before, and never late', () => {
    const detector = started()
    equal(detector.check(startMs), 'alive', 'at the start')
    equal(detector.check(startMs + initdeadMs - 1), 'alive', 'just before initdead')
    equal(detector.check(startMs + initdeadMs + 1), 'dead', 'after initdead')
  })

  test('liveness: a peer that beats is alive', () => {
    const [detector, heardMs] = beating()
    equal(detector.check(heardMs), 'alive', 'when it was just heard')
    equal(detector.check(heardMs + 200), 'alive', 'when the next beat is due')
  })

  test('liveness: silence makes it late, then dead, and it does not come back by itself', () => {
    const [detector, heardMs] = beating()
    const seen: Liveness[] = []
    for (let silentMs = 0; silentMs <= 4 * deadtimeMs; silentMs += 5) {
      const verdict = detector.check(heardMs + silentMs)
      const before = seen.at(-1) ?? 'alive'
      check(rank[verdict] >= rank[before], `after ${silentMs} ms of silence it is ${verdict}, after ${before}`)
      if (verdict !== before || seen.length === 0) seen.push(verdict)
    }
    equal(seen, ['alive', 'late', 'dead'], 'the verdicts of a growing silence')
  })

  test('liveness: a peer that announces a longer dead time is waited for longer', () => {
    const detector = started()
    detector.heard(startMs + 100, 10 * deadtimeMs)
    check(detector.check(startMs + 100 + 2 * deadtimeMs) !== 'dead', 'two of the shorter dead times are not enough')
    equal(detector.check(startMs + 100 + 41 * deadtimeMs), 'dead', 'after four of the longer ones')
  })

  test('liveness: a beat makes a late or dead peer alive again', () => {
    for (const silentMs of [600, 10 * deadtimeMs]) {
      const [detector, heardMs] = beating()
      detector.check(heardMs + silentMs)
      detector.heard(heardMs + silentMs, deadtimeMs)
      equal(detector.check(heardMs + silentMs), 'alive', `after ${silentMs} ms of silence and a beat`)
    }
  })

  test('liveness: nextCheckMs never misses a change, and at that time it has happened', () => {
    let seed = 1
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647
      return seed / 2_147_483_647
    }
    for (let round = 0; round < 500; round++) {
      const detector = create()
      let nowMs = random() * 1e7
      detector.reset(nowMs, initdeadMs)
      if (round % 5 > 0) {
        nowMs += random() * 300
        detector.heard(nowMs, 500 + random() * 3000)
      }
      for (let changes = 0; detector.check(nowMs) !== 'dead'; changes++) {
        check(changes < 10, 'after ten changes it must be dead')
        const before = detector.check(nowMs)
        const nextMs = detector.nextCheckMs(nowMs)
        check(nextMs > nowMs, `the next check, at ${nextMs}, lies after ${nowMs}`)
        equal(detector.check(nowMs + (nextMs - nowMs) * 0.999), before, 'the verdict just before the next check')
        nowMs = nextMs
        check(
          detector.check(nowMs) !== before,
          `the verdict at the time that was named for a change is still ${before}`,
        )
      }
    }
  })

  test('liveness: asking changes nothing', () => {
    const [asked, heardMs] = beating()
    const [silent] = beating()
    for (let silentMs = 0; silentMs < 3 * deadtimeMs; silentMs += 7) {
      asked.check(heardMs + silentMs)
      asked.nextCheckMs(heardMs + silentMs)
    }
    for (const silentMs of [100, 500, 900, 1100, 3000])
      equal(asked.check(heardMs + silentMs), silent.check(heardMs + silentMs), `after ${silentMs} ms of silence`)
  })

  test('liveness: reset forgets everything', () => {
    const [detector, heardMs] = beating()
    detector.reset(heardMs + 10_000, initdeadMs)
    equal(detector.check(heardMs + 10_000 + initdeadMs - 1), 'alive', 'just before initdead')
    equal(detector.check(heardMs + 10_000 + initdeadMs + 1), 'dead', 'after initdead')
  })

  test('liveness: two detectors share nothing', () => {
    const [one, heardMs] = beating()
    const other = started()
    other.heard(heardMs + 5000, deadtimeMs)
    equal(one.check(heardMs + 5000), 'dead', 'the one that was not heard')
    equal(other.check(heardMs + 5000), 'alive', 'the one that was')
  })
}
