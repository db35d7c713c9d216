import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { Oracle } from '../../src/testing/oracle.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulation-options.ts'

/** A pair on which one group of two will not stop on the master, nor be cut off; what the oracle says of it. */
function breachesWhere(peer: 'lives' | 'dies'): readonly string[] {
  const options: SimulationOptions = {
    seed: 11,
    nodes: ['master', 'slave'],
    groups: [
      { name: 'mail', preferred: 'master', resources: ['vip', 'postfix'], data: ['postfix'] },
      { name: 'web', preferred: 'master', resources: ['vip-b'] },
    ],
    liveness: deadtime({ keepalive: '300ms', deadtime: '1s', initdead: '2s' }),
    ring: simulatedRing,
    monitorMs: 3000,
  }
  const oracle = new Oracle()
  const pair = new Simulation({ ...options, observer: oracle })
  oracle.attach(pair, options)
  for (const node of options.nodes) pair.start(node)
  pair.run(5000)
  oracle.facts.tainted.add('mail')
  pair.resource('master', 'postfix').behaviour['stop'] = { fails: 'will not' }
  if (peer === 'dies') pair.crash('slave')
  pair.resource('master', 'postfix').running = false
  pair.run(20_000)
  if (peer === 'dies') assert.equal(pair.view('master')?.groups[0]?.state, 'active', 'it was started again')
  return oracle.breaches.map(({ id }) => id)
}

describe('the oracle', () => {
  it('allows no start over what would not stop while the peer lives', () => {
    assert.deepEqual(breachesWhere('lives'), [])
  })

  it('allows it once the peer is dead', () => {
    assert.deepEqual(breachesWhere('dies'), [])
  })
})
