import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { parseIni } from '../../src/config/ini.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { phiAccrual } from '../../src/liveness/phi-accrual.ts'
import { Recorder } from '../../src/recorder/recorder.ts'
import { replay } from '../../src/recorder/replay.ts'
import type { Duration } from '../../src/roles/duration.ts'
import type { LivenessDetector, LivenessPlugin } from '../../src/roles/liveness-detector.ts'
import { livenessDetectorSuite } from '../../src/testing/liveness-detector-suite.ts'
import { Oracle } from '../../src/testing/oracle.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulation-options.ts'

livenessDetectorSuite({ test, create: () => phiAccrual().create() })

const announcedMs = 1000

/** Silences after which a detector that heard a beat at `nowMs` gives its two verdicts. */
function verdictsAfter(
  detector: LivenessDetector,
  nowMs: number,
): { readonly lateMs: number; readonly deadMs: number } {
  const lateAt = detector.nextCheckMs(nowMs)
  return { lateMs: lateAt - nowMs, deadMs: detector.nextCheckMs(lateAt) - nowMs }
}

/** A detector that was heard after each of the intervals, and when it was heard last. */
function heardAfter(intervals: readonly number[], plugin = phiAccrual()): readonly [LivenessDetector, number] {
  const detector = plugin.create()
  detector.reset(0, plugin.times.initdeadMs)
  let nowMs = 50
  detector.heard(nowMs, announcedMs)
  for (const intervalMs of intervals) {
    nowMs += intervalMs
    detector.heard(nowMs, announcedMs)
  }
  return [detector, nowMs]
}

const learned = (intervals: readonly number[], plugin?: LivenessPlugin) => {
  const [detector, nowMs] = heardAfter(intervals, plugin)
  return verdictsAfter(detector, nowMs)
}

const regular: readonly number[] = Array.from({ length: 300 }, () => 200)
/** Every third beat is lost: intervals of 200 and 400 ms, mean 300, deviation 100. */
const lossy: readonly number[] = Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? 200 : 400))

/** Φ of a silence, forwards, as in Akka's PhiAccrualFailureDetector. */
function phi(silentMs: number, meanMs: number, deviationMs: number): number {
  const y = (silentMs - meanMs) / deviationMs
  const e = Math.exp(-y * (1.5976 + 0.070566 * y * y))
  return silentMs > meanMs ? -Math.log10(e / (1 + e)) : -Math.log10(1 - 1 / (1 + e))
}

const problems = (options: Parameters<typeof phiAccrual>[0]) =>
  phiAccrual(options)
    .issues.filter(({ severity }) => severity === 'error')
    .map(({ path }) => path)

const pairOptions = (liveness: LivenessPlugin, more: Partial<SimulationOptions> = {}): SimulationOptions => ({
  seed: 3,
  nodes: ['master', 'slave'],
  groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
  liveness,
  ring: simulatedRing,
  ...more,
})

describe('phiAccrual', () => {
  it('has the times of deadtime, and the documented defaults', () => {
    assert.deepEqual(phiAccrual().times, deadtime().times)
    assert.deepEqual(phiAccrual().issues, [])
    assert.deepEqual(phiAccrual().settings, {
      threshold: 8,
      warnThreshold: 3,
      acceptablePauseMs: 500,
      minDeviationMs: 50,
      window: 200,
      patience: 3,
    })
  })

  it('reports every problem at once, those of deadtime first', () => {
    const options = {
      keepalive: '1s',
      deadtime: '2s',
      threshold: 2,
      acceptablePause: 5 as unknown as Duration,
      window: 3,
      patience: 0,
    } as const
    assert.deepEqual(problems(options), ['deadtime', 'acceptablePause', 'threshold', 'window', 'patience'])
  })

  const relations: readonly [what: string, options: Parameters<typeof phiAccrual>[0], path: string][] = [
    ['threshold that is the warning’s', { threshold: 3 }, 'threshold'],
    ['threshold that is not a number', { threshold: '8' as unknown as number }, 'threshold'],
    ['warning at every other beat', { warnThreshold: 0.3 }, 'warnThreshold'],
    ['pause as long as the last bound', { acceptablePause: '3s' }, 'acceptablePause'],
    ['deviation of nothing', { minDeviation: '0ms' }, 'minDeviation'],
    ['deviation above the dead time', { minDeviation: '1001ms' }, 'minDeviation'],
    ['window that is no whole number', { window: 20.5 }, 'window'],
    ['patience without end', { patience: Number.POSITIVE_INFINITY }, 'patience'],
  ]
  for (const [what, options, path] of relations)
    it(`refuses a ${what}`, () => assert.deepEqual(problems(options), [path]))

  it('gives its verdicts at the silences at which Φ reaches the thresholds', () => {
    for (const [threshold, warnThreshold] of [
      [8, 3],
      [12, 1],
      [5.5, 4.5],
    ] as const) {
      const plugin = phiAccrual({ threshold, warnThreshold, acceptablePause: '300ms', patience: 10, warntime: '201ms' })
      const { lateMs, deadMs } = learned(lossy, plugin)
      assert.ok(deadMs > 1000 && deadMs < 10_000, `${deadMs} ms is learned, no bound`)
      // What was learned follows from the intervals: the estimate forgets, so it is near 300 and 100 and not quite there.
      const meanMs = (weights: (x: number) => number) => {
        let sum = weights(150) + weights(250)
        let n = 2
        let value = sum / 2
        for (const x of lossy) {
          n = Math.min(n + 1, 200)
          value += (weights(x) - value) / n
          sum += x
        }
        return value
      }
      const mean = meanMs((x) => x)
      const deviation = Math.sqrt(meanMs((x) => x * x) - mean ** 2)
      assert.ok(Math.abs(mean - 300) < 2 && Math.abs(deviation - 100) < 2, `${mean} ± ${deviation}`)
      assert.ok(Math.abs(phi(deadMs, mean + 300, deviation) - threshold) < 1e-6, 'Φ at the verdict dead')
      assert.ok(Math.abs(phi(lateMs, mean, deviation) - warnThreshold) < 1e-6, 'Φ at the verdict late')
    }
  })

  it('is deadtime where beats are regular, and waits longer where they are not', () => {
    assert.deepEqual(learned(regular), { lateMs: 500, deadMs: 1000 })
    const { lateMs, deadMs } = learned(lossy)
    assert.ok(deadMs > 1300 && deadMs < 1450, `dead after ${deadMs} ms`)
    assert.ok(lateMs > 550 && lateMs < 700, `late after ${lateMs} ms`)
  })

  it('never gives a verdict before the announced dead time nor after patience of them', () => {
    const eager = phiAccrual({ threshold: 1.5, warnThreshold: 1, acceptablePause: '0ms', minDeviation: '1ms' })
    assert.equal(learned(regular, eager).deadMs, 1000)
    const patient = phiAccrual({ patience: 1.2, acceptablePause: '1100ms', threshold: 90 })
    const { lateMs, deadMs } = learned(lossy, patient)
    assert.equal(deadMs, 1200)
    assert.ok(lateMs < deadMs)
  })

  it('forgets a bad time', () => {
    const calm = learned([...lossy, ...regular, ...regular, ...regular, ...regular])
    assert.ok(calm.deadMs < 1020, `dead after ${calm.deadMs} ms`)
  })

  it('learns nothing from the interval that ends an outage', () => {
    assert.deepEqual(learned([...regular, 60_000]), learned(regular))
    assert.ok(learned([...regular, 900, 900, 900]).deadMs > 1100, 'but from those that were none')
  })

  it('learns nothing from the first interval after a stall of this process', () => {
    const [detector, nowMs] = heardAfter(regular)
    detector.stalled?.(700)
    detector.heard(nowMs + 900, announcedMs)
    assert.deepEqual(verdictsAfter(detector, nowMs + 900), learned(regular))
  })

  it('learns nothing from an announced pause, and waits for its end', () => {
    const [detector, heardMs] = heardAfter(regular)
    detector.heard(heardMs + 200, announcedMs + 3000)
    assert.equal(detector.check(heardMs + 200 + 3999), 'late')
    detector.heard(heardMs + 200 + 3000, announcedMs)
    assert.deepEqual(verdictsAfter(detector, heardMs + 200 + 3000), learned(regular))
  })

  it('expects no beat sooner because of messages between the beats', () => {
    const chatty = Array.from({ length: 3000 }, () => 10)
    assert.equal(learned(chatty).deadMs, 1000)
    assert.equal(learned([...regular, ...regular.flatMap(() => [50, 150])]).deadMs, 1000)
  })

  it('is [liveness] type = phi-accrual in hot-standby.ini', () => {
    const text = (liveness: string) =>
      `name = p\nnodes = a b\n[liveness]\n${liveness}\n[authenticator]\nmethod = sha1\nkeyFile = /k\n[transport.eth1]\ntype = udp-broadcast\ndevice = eth1\n[group.g]\npreferred = a\nresources = 10.0.0.1\n`
    const read = (liveness: string) => parseIni(text(liveness), 'x.ini', { find: () => undefined })
    const { options, issues } = read('type = phi-accrual\ndeadtime = 2s\nthreshold = 12\nacceptablePause = 300ms')
    assert.deepEqual(issues, [])
    const expected = phiAccrual({ deadtime: '2s', threshold: 12, acceptablePause: '300ms' })
    assert.deepEqual([options?.liveness?.type, options?.liveness?.times], ['phi-accrual', expected.times])
    assert.deepEqual(options?.liveness?.settings, expected.settings)
    const found = (liveness: string) => read(liveness).issues.map(({ where, message }) => `${where}: ${message}`)
    assert.match(found('type = phi').join(), /x\.ini:4: type 'phi' is unknown; valid are deadtime, phi-accrual/)
    assert.match(found('deadtime = 2s\nthreshold = 12').join(), /x\.ini:5: threshold: unknown key 'threshold'/)
    assert.match(found('type = phi-accrual\nthreshold = 2').join(), /x\.ini:5: threshold: 2 is not more than/)
  })
})

describe('a pair with phiAccrual', () => {
  it('detects a crash within the bound, with every check of the oracle', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const oracle = new Oracle()
      const options = pairOptions(phiAccrual(), { seed, observer: oracle })
      const pair = new Simulation(options)
      oracle.attach(pair, options)
      for (const node of options.nodes) pair.start(node)
      pair.run(5000)
      for (const [from, to] of [options.nodes, options.nodes.toReversed()] as [string, string][])
        pair.network.conditions(from, to, 'eth1').loss = 0.2
      pair.run(60_000)
      pair.freeze('slave')
      pair.run(700)
      pair.thaw('slave')
      pair.run(5000)
      pair.crash('master')
      pair.run(3100)
      assert.deepEqual(pair.serving('web'), ['slave'])
      pair.start('master')
      pair.run(10_000)
      assert.deepEqual(oracle.breaches, [])
    }
  })

  it('is called dead less often than with deadtime where packets are lost by chance', () => {
    const mistakes = (liveness: LivenessPlugin): number => {
      const pair = new Simulation(pairOptions(liveness))
      for (const node of ['master', 'slave'] as const) pair.start(node)
      pair.run(5000)
      pair.network.conditions('master', 'slave', 'eth1').loss = 0.35
      pair.run(600_000)
      return pair.events.filter(({ event }) => event.name === 'peer:mistake').length
    }
    const byDeadtime = mistakes(deadtime())
    const byPhi = mistakes(phiAccrual())
    assert.ok(byDeadtime >= 3 && byPhi < byDeadtime / 2, `${byPhi} mistakes, with deadtime ${byDeadtime}`)
  })

  it('tells the detector of a stall of its own process', () => {
    let stalls = 0
    const plugin = phiAccrual()
    const create = (): LivenessDetector => {
      const detector = plugin.create()
      return {
        heard: (nowMs, deadtimeMs) => detector.heard(nowMs, deadtimeMs),
        check: (nowMs) => detector.check(nowMs),
        nextCheckMs: (nowMs) => detector.nextCheckMs(nowMs),
        reset: (nowMs, deadtimeMs) => detector.reset(nowMs, deadtimeMs),
        stalled: () => stalls++,
      }
    }
    const pair = new Simulation(pairOptions({ ...plugin, create }))
    for (const node of ['master', 'slave'] as const) pair.start(node)
    pair.run(5000)
    assert.equal(stalls, 0)
    pair.freeze('slave')
    pair.run(700)
    pair.thaw('slave')
    pair.run(1000)
    assert.equal(stalls, 1)
  })

  it('is replayed by the same detector, as the recording says', () => {
    for (const liveness of [
      phiAccrual({ warntime: '300ms', threshold: 10, window: 50, patience: 2 }),
      deadtime({ warntime: '300ms' }),
    ]) {
      const recorders: Record<string, Recorder> = {}
      const pair = new Simulation(
        pairOptions(liveness, {
          wrap(node, core, config) {
            const { type, times, settings } = liveness
            const head = JSON.parse(JSON.stringify({ type, times, settings })) as typeof liveness
            const recorder = new Recorder({
              head: { library: 'test', config, liveness: head },
              memoryBytes: 10_000_000,
            })
            recorders[node] = recorder
            return recorder.wrap(core)
          },
        }),
      )
      pair.start('master')
      pair.start('slave')
      pair.run(3000)
      pair.network.conditions('master', 'slave', 'eth1').loss = 0.3
      pair.run(20_000)
      pair.crash('master')
      pair.run(4000)
      const { difference, timeline } = replay(recorders['slave']?.recording() ?? '')
      assert.equal(difference, undefined, liveness.type)
      assert.ok(timeline.some(({ name }) => name === 'peer:late') && timeline.some(({ name }) => name === 'peer:dead'))
    }
  })
})
