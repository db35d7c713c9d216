import { deadtime } from '../src/liveness/deadtime.ts'
import { Oracle } from '../src/testing/oracle.ts'
import { simulatedRing } from '../src/testing/simulated-ring.ts'
import { Simulation } from '../src/testing/simulation.ts'
import type { SimulationOptions } from '../src/testing/simulation-options.ts'
import type { Figure } from './figure.ts'

const hourMs = 3_600_000
const deadMs = 60_000
const rounds = 8

/**
 * A pair in virtual time on one link, every frame signed with sha1, every rule of the oracle asked; the owner dies in each hour and
 * is back after a minute.
 */
export function simulation(): Figure[] {
  const oracle = new Oracle()
  const options: SimulationOptions = {
    seed: 1,
    nodes: ['master', 'slave'],
    groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
    liveness: deadtime({ keepalive: '1s', deadtime: '5s' }),
    ring: simulatedRing,
    observer: oracle,
  }
  const pair = new Simulation(options)
  oracle.attach(pair, options)
  pair.start('master')
  pair.start('slave')
  pair.run(hourMs / 2)
  const values = Array.from({ length: rounds }, (_, round) => {
    const before = process.cpuUsage()
    const owner = round % 2 === 0 ? 'master' : 'slave'
    pair.crash(owner)
    pair.run(deadMs)
    pair.start(owner)
    pair.run(hourMs - deadMs)
    const { user, system } = process.cpuUsage(before)
    return 1_000_000 / (user + system)
  })
  if (oracle.breaches.length > 0) throw new Error(`a rule was broken: ${oracle.breaches[0]?.text}`)
  if (pair.serving('web').length !== 1) throw new Error('in the end not exactly one node serves')
  return [{ what: 'simulated cluster-hours per CPU-second', unit: '1/s', values, goal: 'median over 1, better 3' }]
}
