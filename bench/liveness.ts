import { deadtime } from '../src/liveness/deadtime.ts'
import { phiAccrual } from '../src/liveness/phi-accrual.ts'
import type { LivenessPlugin } from '../src/roles/liveness-detector.ts'
import type { LinkConditions } from '../src/testing/simulated-network.ts'
import { simulatedRing } from '../src/testing/simulated-ring.ts'
import { Simulation } from '../src/testing/simulation.ts'
import type { Figure } from './figure.ts'

const nodes = ['master', 'slave'] as const
const initdead = '10s'

const detectors: Readonly<Record<string, LivenessPlugin>> = {
  'deadtime 1s': deadtime({ deadtime: '1s', initdead }),
  'deadtime 2s': deadtime({ deadtime: '2s', initdead }),
  'deadtime 1s, healthMultiplier': deadtime({ deadtime: '1s', initdead, healthMultiplier: true }),
  'phiAccrual 1s': phiAccrual({ deadtime: '1s', initdead }),
  'phiAccrual 1s, acceptablePause 1s': phiAccrual({ deadtime: '1s', initdead, acceptablePause: '1s' }),
}

const lines: Readonly<Record<string, Partial<LinkConditions>>> = {
  'no loss': {},
  '5 % loss': { loss: 0.05 },
  '20 % loss': { loss: 0.2 },
  // One packet in 50 begins a burst, which takes four packets in the mean: 7.4 % are lost.
  'burst loss': { burst: { begin: 0.02, end: 0.25 } },
}

const seeds = 5
const crashesPerSeed = 10
const lifeMs = 72_000

/** A pair on one line, in virtual time: how long its nodes take to miss one that crashed, and how often they miss one that lives. */
export function liveness(): Figure[] {
  return Object.entries(lines).flatMap(([line, conditions]) =>
    Object.entries(detectors).flatMap(([detector, plugin]) => {
      const runs = Array.from({ length: seeds }, (_, seed) => lives(plugin, conditions, seed + 1))
      return [
        { what: `${line}, ${detector}: crash to verdict`, unit: 'ms', values: runs.flatMap(({ tookMs }) => tookMs) },
        { what: `${line}, ${detector}: mistakes`, unit: '/h', values: runs.map(({ perHour }) => perHour) },
      ]
    }),
  )
}

/** Lives of a pair, each ended by a crash of one node: silence until the other one's last verdict, and mistakes per hour of one node. */
function lives(
  plugin: LivenessPlugin,
  conditions: Partial<LinkConditions>,
  seed: number,
): { readonly tookMs: readonly number[]; readonly perHour: number } {
  const pair = new Simulation({
    seed,
    nodes,
    groups: [{ name: 'web', preferred: 'master', resources: ['vip'] }],
    liveness: plugin,
    ring: simulatedRing,
  })
  const tookMs: number[] = []
  let mistakes = 0
  /** The events since the last call. */
  const told = () => pair.events.splice(0)
  for (const node of nodes) pair.start(node)
  pair.run(5000)
  Object.assign(pair.network.conditions('master', 'slave', 'eth1'), conditions)
  Object.assign(pair.network.conditions('slave', 'master', 'eth1'), conditions)
  for (let crash = 0; crash < crashesPerSeed; crash++) {
    told()
    // No multiple of keepalive: the crashes meet different moments of a beat.
    pair.run(lifeMs + crash * 37)
    mistakes += told().filter(({ event }) => event.name === 'peer:mistake').length
    // A node that calls its peer dead already detects nothing.
    if (pair.view('slave')?.peer.liveness === 'dead') pair.run(10_000)
    told()
    const crashedMs = pair.nowMs
    pair.crash('master')
    pair.run(10_000)
    const verdict = told().findLast(({ event }) => event.name === 'peer:dead')
    if (!verdict) throw new Error(`seed ${seed}: the crash was not detected`)
    tookMs.push(verdict.atMs - crashedMs)
    pair.start('master')
    pair.run(10_000)
  }
  return { tookMs, perHour: (mistakes * 3_600_000) / (nodes.length * crashesPerSeed * lifeMs) }
}
