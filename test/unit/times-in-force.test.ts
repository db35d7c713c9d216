import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TimesInForce } from '../../src/core/peer/times-in-force.ts'
import { defaultDeadpingMs, overlapMs } from '../../src/core/timing.ts'
import type { GroupConfig, Reconfiguration } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const group = (...stopsMs: number[]): GroupConfig => ({
  name: 'web',
  preferred: 'one',
  resources: stopsMs.map((stopMs, index) => ({
    name: `r${index}`,
    times: { startMs: 1000, stopMs, statusMs: 1000, intervalMs: 0 },
    operations: ['start', 'stop'],
    exclusive: 'data',
  })),
})

/** A configuration; deadping is the default unless it is given. */
function configured(
  [keepaliveMs, deadtimeMs, initdeadMs = 60_000]: readonly [number, number, number?],
  stopsMs: readonly number[] = [500],
  deadping?: number,
): Reconfiguration {
  const times = { keepaliveMs, warntimeMs: deadtimeMs / 2, deadtimeMs, initdeadMs }
  const groups = [group(...stopsMs)]
  const deadpingMs = deadping ?? defaultDeadpingMs(times, groups)
  return {
    times,
    groups,
    deadpingMs,
    targets: [{ target: 'gw', deadpingMs }],
    keyId: 1,
    autoFailback: false,
    onIsolated: 'stop',
    restartWindowMs: 1,
    holdDownMs: 1,
  }
}
const short = configured([200, 3000])
const long = configured([1000, 10_000], [2000])
const overlap = ({ times, deadpingMs, groups }: Reconfiguration, deadtimeMs = times.deadtimeMs) =>
  overlapMs({ ...times, deadtimeMs }, deadpingMs, groups)
const peer = (echoedSeq: number, deadtimeMs = 3000, ackedSeq = 0) => ({ echoedSeq, ackedSeq, deadtimeMs })

describe('what is in force of a reload', () => {
  it('is a shorter dead time with all that goes with it, at once', () => {
    const times = new TimesInForce(long)
    times.configure(short)
    assert.equal(times.pending, null)
    assert.deepEqual(times.inForce, { ...short, times: { ...short.times } })
  })

  it('is the more careful of both until the peer echoes a beat with the longer dead time', () => {
    const times = new TimesInForce(short)
    times.announced(6) // before the reload
    times.configure(long)
    times.announced(7)
    const { keepaliveMs, deadtimeMs } = times.inForce.times
    assert.deepEqual([keepaliveMs, deadtimeMs, times.inForce.deadpingMs], [200, 3000, short.deadpingMs])
    assert.equal(times.inForce.groups[0]?.resources[0]?.times.stopMs, 500)
    assert.deepEqual(times.pending, { deadtimeMs: 10_000, inForceMs: 3000 })
    assert.equal(times.heard(peer(6)), false)
    // A later message that is no beat does not show that the beat has come.
    assert.equal(times.heard(peer(8)), false)
    assert.equal(times.heard(peer(7)), true)
    assert.deepEqual(
      [times.inForce.times, times.inForce.deadpingMs, times.pending],
      [long.times, long.deadpingMs, null],
    )
  })

  it('is confirmed by a daemon, which acknowledges up to a number', () => {
    const times = new TimesInForce(short)
    times.configure(long)
    times.announced(19)
    assert.equal(times.heard(peer(0, 3000, 10)), false)
    assert.equal(times.heard(peer(0, 3000, 20)), true)
  })

  it('follows the newest of several reloads, and forgets only what the peer has left behind', () => {
    const times = new TimesInForce(short)
    const middle = configured([500, 6000], [1000])
    times.configure(middle)
    times.announced(1)
    times.configure(long)
    times.announced(2)
    assert.equal(times.inForce.times.deadtimeMs, 3000)
    times.heard(peer(1))
    assert.equal(times.inForce.times.deadtimeMs, 6000)
    times.heard(peer(2))
    assert.equal(times.pending, null)
    times.configure(short)
    times.configure(long)
    assert.equal(times.inForce.times.deadtimeMs, 3000, 'the peer may have heard of the short one')
  })

  it('waits for a peer that would not believe the dead time', () => {
    // It cuts what is above ten of its own, and a minute.
    const times = new TimesInForce(short)
    const huge = configured([1000, 120_000])
    times.configure(huge)
    times.announced(1)
    assert.equal(times.heard(peer(1, 3000)), false)
    // It has the same by now, and cut that beat before.
    assert.equal(times.heard(peer(1, 120_000)), false)
    times.announced(2)
    assert.equal(times.heard(peer(2, 120_000)), true)
  })

  it('is everything when the peer has left: who comes later hears the newest first', () => {
    const times = new TimesInForce(short)
    times.configure(long)
    assert.equal(times.peerLeft(), true)
    assert.equal(times.inForce.times.deadtimeMs, 10_000)
  })

  it('has the shorter initdead until both nodes agree', () => {
    const times = new TimesInForce(configured([200, 3000, 30_000]))
    times.configure(configured([200, 3000, 60_000]))
    assert.deepEqual([times.inForce.times.initdeadMs, times.isCareful], [30_000, true])
    assert.equal(times.agreed(), true)
    assert.deepEqual([times.inForce.times.initdeadMs, times.isCareful], [60_000, false])
  })

  it('never lets both serve for longer than the old or the new configuration would, whatever the peer has heard', () => {
    const takeoverRequest = fc
      .record({
        keepaliveMs: fc.integer({ min: 10, max: 300 }),
        deadtimeMs: fc.integer({ min: 3000, max: 30_000 }),
        stopsMs: fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 3 }),
        deadpingMs: fc.option(fc.integer({ min: 601, max: 40_000 }), { nil: undefined }),
      })
      .map(({ keepaliveMs, deadtimeMs, stopsMs, deadpingMs }) =>
        configured([keepaliveMs, deadtimeMs], stopsMs, deadpingMs),
      )
    const move = fc.oneof(takeoverRequest, fc.constant('beat' as const), fc.constant('echo' as const))
    fc.assert(
      fc.property(takeoverRequest, fc.array(move, { maxLength: 12 }), (first, moves) => {
        const times = new TimesInForce(first)
        // What the peer may go by: all that was announced since what it is known to have.
        let possible: Reconfiguration[] = [first]
        let lastBeat: { seq: number; config: Reconfiguration } | undefined
        let seq = 0
        for (const what of moves) {
          if (what === 'beat') {
            times.announced(++seq)
            lastBeat = { seq, config: times.wanted }
          } else if (what !== 'echo') {
            times.configure(what)
            possible.push(what)
          } else if (lastBeat) {
            times.heard(peer(lastBeat.seq, 10_000))
            possible = possible.slice(possible.lastIndexOf(lastBeat.config))
          }
          const worst = Math.max(...possible.map((config) => overlap(config)))
          for (const { times: heard } of possible) {
            const found = overlap(times.inForce, heard.deadtimeMs)
            assert.ok(found <= worst + 2, `${found} ms instead of ${worst} ms by a dead time of ${heard.deadtimeMs} ms`)
            assert.ok(times.inForce.times.keepaliveMs * 2 < heard.deadtimeMs, 'a lost beat would be a death')
          }
          assert.ok(times.inForce.deadpingMs > 2 * times.inForce.times.keepaliveMs)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('two nodes that are reloaded one after the other', () => {
  const pairTimes = (keepaliveMs: number, deadtimeMs: number) => ({
    keepaliveMs,
    warntimeMs: deadtimeMs / 2,
    deadtimeMs,
    initdeadMs: 60_000,
  })
  type Times = ReturnType<typeof pairTimes>
  const slow = pairTimes(200, 20_000)
  const fast = pairTimes(200, 2000)

  function pairWith(times: Times) {
    const sim = new Simulation({
      seed: 1,
      nodes: ['one', 'two'],
      ring: simulatedRing,
      targets: ['gw'],
      onIsolated: 'stop',
      groups: [{ name: 'web', preferred: 'one', resources: ['vip', 'nginx'] }],
      liveness: deadtime({ keepalive: '200ms', deadtime: '20s', warntime: '10s', initdead: '60s' }),
      override: () => part(times),
    })
    sim.start('one')
    sim.start('two')
    sim.run(5000)
    assert.deepEqual(sim.serving('web'), ['one'])
    return sim
  }
  /** What belongs to these times, with the default of deadping. */
  function part(times: Times) {
    const cuttable = { times: { stopMs: 5000 }, operations: ['isolate'], exclusive: 'address' as const }
    const deadpingMs = defaultDeadpingMs(times, [{ name: 'web', resources: [cuttable] }])
    return { times, deadpingMs, targets: [{ target: 'gw', deadpingMs }] }
  }
  const reload = (sim: Simulation, node: string, times: Times) =>
    sim.command(node, { name: 'configure', config: { ...sim.reconfiguration(node), ...part(times) } })

  /** For how long both serve after the owner is cut off from its peer and its target. */
  function bothServeMs(sim: Simulation, forMs: number): number {
    let both = 0
    for (let at = 0; at < forMs; at += 10) {
      sim.run(10)
      if (sim.serving('web').length === 2) both += 10
    }
    return both
  }
  const cutOff = (sim: Simulation) => {
    sim.partition()
    sim.setTarget('one', 'gw', false)
  }

  for (const [what, from, to] of [
    ['a shorter dead time', slow, fast],
    ['a longer dead time', fast, slow],
  ] as const)
    for (const order of [['one', 'two'], ['two', 'one'], ['one'], ['two']] as const)
      for (const cut of ['before', 'between', 'with the last', 'after'] as const)
        it(`to ${what}, ${order.join(' then ')}, the owner cut off ${cut}: never serve both`, () => {
          const sim = pairWith(from)
          if (cut === 'before') cutOff(sim)
          const [first, second] = order
          reload(sim, first, to)
          if (cut === 'between') cutOff(sim)
          sim.run(cut === 'with the last' ? 0 : 50)
          if (second) reload(sim, second, to)
          if (cut === 'with the last') cutOff(sim)
          if (cut === 'after') {
            sim.run(3000)
            cutOff(sim)
          }
          assert.equal(bothServeMs(sim, 45_000), 0)
          assert.deepEqual(sim.serving('web'), ['two'], 'the other has taken over')
        })

  it('to a longer keepalive beat as before until the peer knows: a lost beat is no death', () => {
    const sim = pairWith(pairTimes(200, 1000))
    const before = sim.events.length
    sim.partitionOneway('one')
    reload(sim, 'one', pairTimes(1500, 8000))
    sim.run(700)
    assert.deepEqual(sim.view('one')?.pending, { deadtimeMs: 8000, inForceMs: 1000 })
    sim.repair()
    sim.run(3000)
    assert.equal(sim.view('one')?.pending, null)
    assert.equal(sim.view('two')?.peer.deadtimeMs, 8000)
    assert.deepEqual(
      sim.events.slice(before).filter(({ event }) => event.name === 'peer:dead'),
      [],
    )
  })

  it('while nothing passes keep the careful times, say so, and let them go when they meet again', () => {
    const sim = pairWith(fast)
    sim.partition()
    reload(sim, 'one', slow)
    sim.run(30_000)
    assert.deepEqual(sim.view('one')?.pending, { deadtimeMs: 20_000, inForceMs: 2000 })
    sim.repair()
    sim.run(3000)
    assert.equal(sim.view('one')?.pending, null)
  })

  it('go by the shorter dead time for a stall as well', () => {
    for (const [how, expected] of [
      ['confirmed', 'active'],
      ['pending', 'probation'],
    ] as const) {
      const sim = pairWith(fast)
      if (how === 'pending') sim.partition()
      reload(sim, 'one', slow)
      sim.run(1000)
      if (how === 'confirmed') sim.partition()
      sim.freeze('one')
      sim.run(3000)
      sim.thaw('one')
      sim.run(20)
      assert.equal(sim.view('one')?.groups[0]?.state, expected, how)
    }
  })

  it('to any times, in any order, with loss, and cut off at any moment, never serve both', () => {
    const someTimes = fc
      .record({ keepaliveMs: fc.integer({ min: 50, max: 400 }), deadtimeMs: fc.integer({ min: 1500, max: 8000 }) })
      .map(({ keepaliveMs, deadtimeMs }) => pairTimes(keepaliveMs, deadtimeMs))
    const move = fc.record({
      node: fc.constantFrom('one', 'two'),
      times: someTimes,
      lossMs: fc.constantFrom(0, 0, 300),
      waitMs: fc.integer({ min: 0, max: 1500 }),
    })
    fc.assert(
      fc.property(someTimes, fc.array(move, { minLength: 1, maxLength: 4 }), fc.nat(3), (first, moves, cutAt) => {
        const sim = pairWith(first)
        for (const [index, { node, times, lossMs, waitMs }] of moves.entries()) {
          sim.partition()
          reload(sim, node, times)
          if (cutAt % moves.length === index) cutOff(sim)
          sim.run(lossMs)
          if (cutAt % moves.length > index) sim.repair()
          sim.run(waitMs)
        }
        assert.equal(bothServeMs(sim, 12_000), 0)
        assert.deepEqual(sim.serving('web'), ['two'])
      }),
      { numRuns: 60, seed: 20 },
    )
  })

  it('alone after its peer has left has the new times at once', () => {
    const sim = pairWith(fast)
    sim.command('two', { name: 'stop' })
    sim.run(3000)
    reload(sim, 'one', slow)
    sim.run(10)
    assert.equal(sim.view('one')?.pending, null)
  })
})
