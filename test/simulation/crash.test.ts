import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { Oracle } from '../../src/testing/oracle.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulation-options.ts'

const nodes = ['master', 'slave'] as const
type Node = (typeof nodes)[number]

/** What happens in each, after both have started and come to rest; every effect from here on is a place to crash at. */
const scenes: Readonly<Record<string, (pair: Simulation) => void>> = {
  start: (pair) => {
    for (const node of nodes) pair.start(node)
    pair.run(3000)
  },
  stop: (pair) => {
    pair.command('master', { name: 'stop' })
    pair.run(3000)
    if (!pair.isRunning('master')) pair.start('master')
  },
  takeover: (pair) => {
    pair.crash('master')
    pair.run(3000)
    pair.start('master')
    pair.run(1000)
  },
  'hand-over': (pair) => {
    pair.command('master', { name: 'standby', scope: 'all' })
    pair.run(1000)
  },
  heal: (pair) => {
    pair.partition()
    pair.run(3000)
    pair.repair()
    pair.run(2000)
  },
  failback: (pair) => {
    pair.crash('master')
    pair.run(2000)
    pair.start('master')
    pair.run(4000)
  },
}

interface Scene {
  readonly oracle: Oracle
  readonly effects: number
}

/** Plays one scene; the process of `victim` dies after its effect number `at`, and is started again later. */
function playScene(name: string, victim: Node, at: number, how: 'crash' | 'kill'): Scene {
  const oracle = new Oracle()
  let effects = 0
  let counting = name === 'start'
  const options: SimulationOptions = {
    seed: 7,
    nodes,
    groups: [
      { name: 'web', preferred: 'master', resources: ['vip', 'nginx'] },
      { name: 'mail', preferred: 'slave', resources: ['vip-b', 'postfix'] },
    ],
    liveness: deadtime({ keepalive: '300ms', deadtime: '1s', initdead: '2s' }),
    ring: simulatedRing,
    autoFailback: name === 'failback',
    holdDownMs: 2000,
    monitorMs: 3000,
    limits: { startMs: 2000, stopMs: 2000, statusMs: 500 },
    observer: oracle,
    crashAmid: (node, list) => {
      if (!counting || node !== victim) return list
      const left = at - effects
      effects += list.length
      if (left < 0 || left >= list.length) return list
      pair.schedule.at(pair.nowMs, () => {
        pair[how](victim)
        pair.schedule.at(pair.nowMs + 1500, () => pair.isRunning(victim) || pair.start(victim))
      })
      return list.slice(0, left)
    },
  }
  const pair: Simulation = new Simulation(options)
  oracle.attach(pair, options)
  if (!counting) {
    for (const node of nodes) pair.start(node)
    pair.run(5000)
    counting = true
  }
  scenes[name]?.(pair)
  const scene = effects
  // What was lost is started again; they have come to rest when nothing changed for three seconds.
  for (let waitedMs = 0, calmMs = 0; waitedMs < 60_000 && calmMs < 3000; waitedMs += 1000) {
    const told = oracle.facts.nodes.reduce((sum, node) => sum + node.told, 0)
    pair.run(1000)
    for (const node of nodes) if (!pair.isRunning(node)) pair.start(node)
    const still = told === oracle.facts.nodes.reduce((sum, node) => sum + node.told, 0)
    calmMs = still && waitedMs > 2000 ? calmMs + 1000 : 0
  }
  oracle.settled()
  return { oracle, effects: scene }
}

describe('a crash at every effect', () => {
  for (const name of Object.keys(scenes))
    for (const victim of nodes)
      it(`${name}: ${victim}`, () => {
        // The scene without a crash says how many effects there are; its long settling counts no more.
        const whole = playScene(name, victim, Number.POSITIVE_INFINITY, 'crash')
        assert.deepEqual(whole.oracle.breaches, [], 'without a crash')
        const places = whole.effects
        assert.ok(places > 20, `${places} effects`)
        for (let at = 0; at < places; at++) {
          const { oracle } = playScene(name, victim, at, at % 2 === 0 ? 'crash' : 'kill')
          assert.deepEqual(oracle.breaches, [], `${victim} died at its effect ${at}`)
        }
      })
})
