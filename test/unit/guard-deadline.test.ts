import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { guaranteeClass } from '../../src/core/authority/guarantee.ts'
import { type GuardFacts, guardDeadlineMs, leaseGuardMs } from '../../src/core/authority/guard-deadline.ts'
import { Guards } from '../../src/core/authority/guards.ts'
import { guardHeldMs, guardIssues, guardMarginMs } from '../../src/core/timing.ts'
import type { CoreConfig, Effect } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const k = 200
const dead = 1000
/** By a clock that runs 1 % fast, less the margin. */
const held = guardHeldMs(dead)
const now = 50_000

const facts: GuardFacts = {
  nowMs: now,
  keepaliveMs: k,
  deadtimeMs: dead,
  peer: 'heard',
  echoedAtMs: now - 100,
  peerIsDaemon: false,
  heardByPeer: true,
  peerCouldTake: true,
  shutForMs: 0,
  isolatedStops: false,
}

type Case = readonly [what: string, changed: Partial<GuardFacts>, untilMs: number | null]
const cases: readonly Case[] = [
  ['the peer hears it: proven by its echo', {}, now - 100 + held],
  ['an old echo is outlived by what was decided now', { echoedAtMs: now - 900 }, now + 2 * k],
  ['the peer is silent, and not judged yet', { peer: 'silent', echoedAtMs: now - 950 }, now + 2 * k],
  ['the peer is dead, has left, or never came', { peer: 'judged', echoedAtMs: undefined }, now + held],
  ['a judged peer proves nothing any more', { peer: 'judged', echoedAtMs: now - 5000 }, now + held],
  ['isolated, and to stop', { isolatedStops: true }, null],
  ['isolated, and to stop, whatever was proven', { isolatedStops: true, peer: 'judged' }, null],
  [
    'the peer no longer hears it and could take the group: only what is proven',
    { heardByPeer: false, echoedAtMs: now - 900 },
    now - 900 + held,
  ],
  ['the same, and nothing is proven', { heardByPeer: false, echoedAtMs: undefined }, Number.NEGATIVE_INFINITY],
  [
    'the peer does not hear it, but could not take the group',
    { heardByPeer: false, peerCouldTake: false, echoedAtMs: undefined },
    now + 2 * k,
  ],
  [
    'the peer has left the group free for three beats more',
    { heardByPeer: false, echoedAtMs: undefined, shutForMs: 3 * k },
    now + 2 * k,
  ],
  ['a daemon says nothing of what it hears', { peerIsDaemon: true, echoedAtMs: undefined }, now + held - k],
  ['a silent daemon', { peerIsDaemon: true, peer: 'silent', echoedAtMs: undefined }, now + 2 * k],
]

describe('how long the guard lasts', () => {
  for (const [what, changed, untilMs] of cases)
    it(what, () => assert.equal(guardDeadlineMs({ ...facts, ...changed }), untilMs))

  it('ends with a lease, less the margin', () => assert.equal(leaseGuardMs(1000), 1000 - guardMarginMs))

  it('needs times into which a beat, its echo and the next beat fit', () => {
    assert.deepEqual(guardIssues({ keepaliveMs: k, deadtimeMs: 657 }), [])
    const [issue] = guardIssues({ keepaliveMs: k, deadtimeMs: 656 })
    assert.equal(issue?.severity, 'error')
    assert.match(issue?.message ?? '', /656 ms is too short for a guard.*at least 657 ms/)
  })
})

describe('the guards of a node', () => {
  function guardsOf(changed: Partial<GuardFacts> = {}, leftMs?: number | null) {
    const effects: Extract<Effect, { type: 'guard' }>[] = []
    const events: string[] = []
    const state = { ...facts, ...changed, mayAnswer: true, leftMs }
    const config = { guarded: true, groups: [{ name: 'web' }, { name: 'db' }], times: { keepaliveMs: k } }
    const guards = new Guards({
      effect: (effect) => void effects.push(effect as Extract<Effect, { type: 'guard' }>),
      event: (name) => void events.push(name),
      config: () => config as unknown as CoreConfig,
      mayAnswer: (group) => group === 'web' && state.mayAnswer,
      leaseLeftMs: () => state.leftMs,
      peerCouldTake: () => state.peerCouldTake,
      facts: () => state,
    })
    return { guards, effects, events, state }
  }

  it('say nothing twice, and renew when a quarter of the dead time is gained', () => {
    const { guards, effects, state } = guardsOf()
    guards.renew()
    guards.renew()
    assert.equal(effects.length, 1)
    assert.deepEqual(effects[0]?.pass, [{ group: 'web', untilMs: now - 100 + held }])
    state.echoedAtMs = now - 100 + dead / 4 - 1
    guards.renew()
    assert.equal(effects.length, 1)
    state.echoedAtMs++
    guards.renew()
    assert.equal(effects.length, 2)
  })

  it('close what may not answer any more, once', () => {
    const { guards, effects, state } = guardsOf()
    guards.renew()
    state.mayAnswer = false
    guards.renew()
    guards.renew()
    assert.deepEqual(effects.slice(1), [{ type: 'guard', pass: [], close: ['web'] }])
  })

  it('follow the lease where there is one', () => {
    const { guards, effects, state } = guardsOf({ isolatedStops: true }, 900)
    guards.renew()
    assert.equal(effects[0]?.pass[0]?.untilMs, now + 900 - guardMarginMs)
    state.leftMs = null
    guards.renew()
    assert.deepEqual(effects[1]?.close, ['web'])
  })

  it('come before what they are to let through', () => {
    let starts = 0
    const pair = new Simulation({
      seed: 1,
      nodes: ['master', 'slave'],
      groups: [{ name: 'web', preferred: 'master', resources: ['vip'] }],
      liveness: deadtime(),
      ring: simulatedRing,
      guarded: true,
      observer: {
        effects(_node, _input, effects) {
          const start = effects.findIndex((each) => each.type === 'perform' && each.request.operation === 'start')
          if (start < 0) return
          starts++
          assert.ok(effects.slice(0, start).some((each) => each.type === 'guard' && each.pass.length > 0))
        },
      },
    })
    for (const node of ['master', 'slave']) pair.start(node)
    pair.run(5000)
    assert.equal(starts, 1)
  })

  it('are class G3 with a lease, while they work, if every group can be cut off', () => {
    const lease = { store: 's', cluster: 'c', class: 'G2', ttlMs: 3000, renewMs: 400 } as const
    const of = (exclusive: 'address' | 'data') => [
      {
        resources: [
          { operations: ['start', 'stop', 'isolate'], exclusive: 'address' },
          { operations: ['start', 'stop'], exclusive },
        ],
      },
    ]
    const classOf = (changed: object, works = true) =>
      guaranteeClass({ targets: [], guarded: true, lease, groups: of('address'), ...changed } as never, works)
    assert.equal(classOf({}), 'G3')
    assert.equal(classOf({}, false), 'G2')
    assert.equal(classOf({ guarded: false }), 'G2')
    assert.equal(classOf({ groups: of('data') }), 'G2')
    assert.equal(classOf({ lease: { ...lease, class: 'G1' } }), 'G1')
    assert.equal(classOf({ lease: undefined }), 'G0')
  })

  it('say everything again after a failure, at the next beat and not before, and tell both once', () => {
    const { guards, effects, events, state } = guardsOf()
    guards.renew()
    guards.answered('nft: gone')
    guards.renew()
    guards.answered('nft: gone')
    assert.equal(effects.length, 1)
    assert.equal(guards.failure, 'nft: gone')
    state.nowMs = now + k
    guards.renew()
    assert.equal(effects.length, 2)
    guards.answered(undefined)
    assert.deepEqual(events, ['guard:down', 'guard:up'])
    assert.equal(guards.failure, undefined)
  })
})
