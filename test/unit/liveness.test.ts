import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { deadtime, presets } from '../../src/liveness/deadtime.ts'
import type { Duration } from '../../src/roles/duration.ts'
import { livenessDetectorSuite } from '../../src/testing/liveness-detector-suite.ts'

livenessDetectorSuite({ test, create: () => deadtime().create() })
livenessDetectorSuite({ test, create: () => deadtime({ healthMultiplier: true }).create() })

const problems = (options: Parameters<typeof deadtime>[0]) =>
  deadtime(options).issues.map(({ path, severity }) => `${severity} ${path}`)

describe('deadtime', () => {
  it('has the documented defaults, and derives what is missing', () => {
    assert.deepEqual(deadtime().times, { keepaliveMs: 200, warntimeMs: 500, deadtimeMs: 1000, initdeadMs: 10_000 })
    const { warntimeMs, initdeadMs } = deadtime({ keepalive: '2s', deadtime: '30s' }).times
    assert.deepEqual([warntimeMs, initdeadMs], [15_000, 60_000])
  })

  it('takes the presets and the tutorial’s numbers without a complaint, but for the short one', () => {
    for (const name of ['lan', 'wan', 'linuxHa'] as const) assert.deepEqual(problems(presets[name]), [], name)
    assert.deepEqual(problems(presets.fast), ['warning deadtime'])
    assert.deepEqual(problems({ keepalive: '2s', warntime: '10s', deadtime: '30s', initdead: '60s' }), [])
  })

  it('reports every problem at once', () => {
    const { issues } = deadtime({ keepalive: '2s', warntime: '1s', deadtime: '3s', initdead: '2s' })
    assert.deepEqual(
      issues.map(({ path }) => path),
      ['deadtime', 'warntime', 'initdead'],
    )
    assert.match(issues[0]?.message ?? '', /3000 ms is not more than 2 × keepalive \(4000 ms\)/)
    assert.match(issues[1]?.message ?? '', /1000 ms is not more than keepalive \(2000 ms\)/)
    assert.match(issues[2]?.message ?? '', /2000 ms is less than deadtime \(3000 ms\)/)
  })

  const relations: readonly [what: string, options: Parameters<typeof deadtime>[0], path: string][] = [
    ['keepalive of nothing', { keepalive: '0s' }, 'keepalive'],
    ['deadtime of exactly two keepalives', { keepalive: '1s', deadtime: '2s', warntime: '1500ms' }, 'deadtime'],
    ['initdead below deadtime', { deadtime: '20s', initdead: '19s' }, 'initdead'],
  ]
  for (const [what, options, path] of relations)
    it(`refuses a ${what}`, () => assert.deepEqual(problems(options), [`error ${path}`]))

  it('warns of a warntime that warns always or never', () => {
    assert.deepEqual(problems({ keepalive: '500ms', warntime: '500ms', deadtime: '2s' }), ['warning warntime'])
    assert.deepEqual(problems({ warntime: '1s', deadtime: '1s' }), ['warning warntime'])
  })

  it('calls a peer dead in time where warntime comes later', () => {
    const detector = deadtime({ keepalive: '100ms', deadtime: '1s', warntime: '3s' }).create()
    detector.heard(0, 1000)
    assert.equal(detector.nextCheckMs(10), 1000)
    assert.equal(detector.check(999), 'alive')
    assert.equal(detector.check(1000), 'dead')
  })

  it('accepts what lies just inside the relations', () => {
    assert.deepEqual(problems({ keepalive: '500ms', warntime: '501ms', deadtime: '1001ms', initdead: '1001ms' }), [])
  })

  it('refuses a bare number with both readings, and each value once', () => {
    const { issues } = deadtime({ keepalive: 2 as unknown as Duration, deadtime: '30' as Duration })
    assert.deepEqual(
      issues.map(({ path, severity }) => `${severity} ${path}`),
      ['error keepalive', 'error deadtime'],
    )
    assert.match(issues[0]?.message ?? '', /number 2 is not a length of time; write '2s' or '2ms'/)
    assert.match(issues[1]?.message ?? '', /'30' is not a length of time; write '30s' or '30ms'/)
  })

  it('refuses what is not a length of time at all', () => {
    for (const value of ['soon', '-1s', '1.5.2s', '1 s', 'Infinitys', '', null, {}, [], Number.NaN, -5])
      assert.deepEqual(problems({ keepalive: value as unknown as Duration }), ['error keepalive'], String(value))
  })

  it('calls late at warntime, in proportion where the peer announces another dead time', () => {
    const detector = deadtime({ keepalive: '200ms', warntime: '500ms', deadtime: '1s' }).create()
    detector.heard(0, 1000)
    assert.deepEqual(
      [499, 500, 999, 1000].map((ms) => detector.check(ms)),
      ['alive', 'late', 'late', 'dead'],
    )
    detector.heard(0, 4000)
    assert.deepEqual(
      [1999, 2000, 3999, 4000].map((ms) => detector.check(ms)),
      ['alive', 'late', 'late', 'dead'],
    )
  })
})

describe('healthMultiplier', () => {
  const plugin = deadtime({ deadtime: '1s', warntime: '400ms', healthMultiplier: true })
  const heard = (made = plugin.create()) => {
    made.heard(0, 1000)
    return made
  }

  it('waits up to three times as long the more reason a node has to distrust itself, and is calmed by clean echoes', () => {
    const detector = heard()
    assert.equal(detector.nextCheckMs(400), 1000)
    detector.stalled?.(399)
    assert.equal(detector.nextCheckMs(400), 1000, 'a stall below warntime says nothing')
    detector.stalled?.(400)
    detector.refuted?.()
    detector.echoed?.(false)
    assert.deepEqual(detector.inspect?.(), { deadAfterMs: 1750, healthMultiplier: 1.75 })
    assert.deepEqual([detector.check(699), detector.check(700), detector.check(1749)], ['alive', 'late', 'late'])
    assert.equal(detector.check(1750), 'dead')
    for (let round = 0; round < 20; round++) detector.echoed?.(false)
    assert.equal(detector.inspect?.()['deadAfterMs'], 3000, 'and no longer')
    for (let round = 0; round < 8; round++) detector.echoed?.(true)
    assert.equal(detector.inspect?.()['deadAfterMs'], 1000)
  })

  it('is told in the plug-in, so that bounds and recordings know it; without it nothing is multiplied', () => {
    assert.deepEqual([plugin.patience, plugin.settings], [3, { healthMultiplier: 1 }])
    assert.deepEqual([deadtime().patience, deadtime().settings], [undefined, undefined])
    const detector = heard(deadtime({ deadtime: '1s' }).create())
    detector.stalled?.(5000)
    assert.deepEqual(detector.inspect?.(), { deadAfterMs: 1000 })
  })

  it('waits initdead for a peer that was never heard, however well the node is', () => {
    const detector = plugin.create()
    detector.reset(0, 5000)
    detector.stalled?.(1000)
    assert.equal(detector.nextCheckMs(0), 5000)
  })

  it('has to be a boolean', () => {
    assert.deepEqual(problems({ healthMultiplier: 'yes' as unknown as boolean }), ['error healthMultiplier'])
  })
})
