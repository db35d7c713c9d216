import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Core, createCore } from '../../src/core/core.ts'
import type { CoreEvent, GroupState } from '../../src/core/events.ts'
import { groupStates } from '../../src/core/ownership/table.ts'
import { claimOf, claims, formatClaims, isClaimed, readClaims, unclear } from '../../src/core/peer/claims.ts'
import { type PeerSituation, situationOf } from '../../src/core/peer/situation.ts'
import type { CoreConfig, Effect, Input } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { Message } from '../../src/wire/message.ts'
import { hearsLaterVersion } from '../support/later-version.ts'
import { root } from '../support/sources.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

describe('claims on the wire', () => {
  it('come back as they were told', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9._/-]{1,20}$/)
    const claim = fc.record({ state: fc.constantFrom(...groupStates), epoch: fc.nat() }, { noNullPrototype: true })
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, claim), { selector: ([key]) => key }), (entries) => {
        const read = readClaims(formatClaims(entries))
        assert.deepEqual(
          [...read.groups],
          entries.map(([key, { state, epoch }]) => [key, claimOf(state, epoch)]),
        )
        assert.deepEqual([read.named, read.unreadable.size], [true, 0])
      }),
    )
  })

  it('are a class and a state of it', () => {
    const of = (state: GroupState) => formatClaims([['web', { state, epoch: 4 }]])
    assert.deepEqual(groupStates.map(of), [
      'web:free/unknown:4',
      'web:free/standby:4',
      'web:wants/candidate:4',
      'web:holds/starting:4',
      'web:holds/active:4',
      'web:holds/probation:4',
      'web:holds/stopping:4',
      'web:failed/failed:4',
      'web:holds/stuck:4',
    ])
    // A candidate has nothing of the group; but who hears of it leaves the group to it.
    const settled = groupStates.filter((state) => state !== 'candidate')
    assert.ok(settled.every((state) => claims(state) === isClaimed(claimOf(state, 1))))
    assert.deepEqual([claims('candidate'), isClaimed(claimOf('candidate', 1))], [false, true])
  })

  it('are read entry by entry: what is not understood hides nothing else', () => {
    const read = (entry: string) => readClaims(`${entry} mail:free/standby:2`)
    const cases: readonly [entry: string, claim: unknown][] = [
      ['web:holds/active:3', claimOf('active', 3)],
      ['web:holds/dancing:3', { claim: 'holds', state: null, epoch: 3 }],
      ['web:holds:3', { ...unclear, epoch: 3 }],
      ['web:holds/standby:3', { claim: 'holds', state: null, epoch: 3 }],
      ['web:holds/active/hot/9:3:more:4', claimOf('active', 3)],
      ['web:wants/candidate:3', { claim: 'wants', state: 'candidate', epoch: 3 }],
      ['web:wants/patiently:3', { claim: 'wants', state: null, epoch: 3 }],
      ['web:failed/of-late:3', claimOf('failed', 3)],
      ['web:lends/half:3', { ...unclear, epoch: 3 }],
      ['web:active:3', { ...unclear, epoch: 3 }],
      ['web:failed:3', { ...unclear, epoch: 3 }],
      ['web:constructor:3', { ...unclear, epoch: 3 }],
      ['web:free/constructor:3', { claim: 'free', state: null, epoch: 3 }],
      ['web:free/standby:100000000000000', claimOf('standby', 1e14)],
      ['web:free/standby:100000000000001', unclear],
      ['web:holds/active:1234567890123456', unclear],
      ['web:holds/active:x', unclear],
      ['web:holds/active', unclear],
      ['web', unclear],
    ]
    for (const [entry, claim] of cases) {
      const { groups, unreadable, named } = read(entry)
      assert.deepEqual(groups.get('web'), claim, entry)
      assert.deepEqual(groups.get('mail'), claimOf('standby', 2), entry)
      assert.equal(unreadable.has('web'), groups.get('web')?.claim === 'unclear', entry)
      assert.equal(named, true)
    }
    assert.equal(read(':free/standby:1').named, false, 'a group without a name could be any')
  })

  it('leave a group free only where it is said to be, or everything was named', () => {
    const peer = (groups: string | undefined, namesAll = false): PeerSituation => ({
      liveness: 'alive',
      heardEver: true,
      kind: 'hot-standby',
      groups: groups === undefined ? undefined : readClaims(groups).groups,
      namesAll,
      proven: true,
    })
    assert.equal(situationOf(peer(undefined), 'web', false), 'unknown')
    assert.equal(situationOf(peer('mail:free/standby:1'), 'web', false), 'unclear')
    assert.equal(situationOf(peer('mail:free/standby:1', true), 'web', false), 'free')
    assert.equal(situationOf(peer('web:free/resting:1'), 'web', false), 'free')
    assert.equal(situationOf(peer('web:failed/badly:1'), 'web', false), 'free')
    assert.equal(situationOf(peer('web:holds/dancing:1'), 'web', false), 'holds')
    for (const entry of ['web:wants/it:1', 'web:lends:1', 'web:active:1', 'web'])
      assert.equal(situationOf(peer(entry, true), 'web', false), 'unclear', entry)
    assert.equal(situationOf({ ...peer('web:lends:1'), liveness: 'dead' }, 'web', false), 'gone')
  })
})

describe('a peer of a later version', () => {
  const made = () => {
    const groups = [
      { name: 'web', preferred: 'master', resources: ['vip', 'nginx'] },
      { name: 'odd', preferred: 'master', resources: ['vip2'] },
      { name: 'soft', preferred: 'master', resources: ['vip3'], handover: 'make-before-break' as const },
    ]
    // What slave sends is of that version, as master hears it.
    const wrap = (node: string, core: Core) => (node === 'master' ? hearsLaterVersion(core) : core)
    return new Simulation({ seed: 1, nodes: ['master', 'slave'], groups, liveness, ring: simulatedRing, wrap })
  }
  const told = (pair: Simulation, name: CoreEvent['name']) =>
    pair.events.flatMap(({ node, event }) => (node === 'master' && event.name === name ? [event.payload] : []))

  it('is told once, and spoken to in what both know: moves work both ways', () => {
    const pair = made()
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    assert.deepEqual(told(pair, 'peer:newer'), [{ peer: 'slave', version: 9, ours: 1 }])
    assert.equal(pair.view('master')?.peer.kind, 'hot-standby')
    assert.deepEqual(pair.serving('web'), ['master'])
    for (const groups of [['web'], ['soft']]) {
      const refusals: unknown[] = []
      pair.command('master', { name: 'standby', scope: groups }, (refusal) => refusals.push(refusal))
      pair.run(5000)
      assert.deepEqual(pair.serving(groups[0] as string), ['slave'])
      pair.command('master', { name: 'takeover', scope: groups }, (refusal) => refusals.push(refusal))
      pair.run(5000)
      assert.deepEqual([pair.serving(groups[0] as string), refusals], [['master'], [undefined, undefined]])
    }
  })

  it('claims in an unknown way: nobody takes, nobody gives way, and it is told once until it is understood', () => {
    const pair = made()
    pair.start('slave')
    pair.run(5000)
    assert.deepEqual(pair.serving('odd'), ['slave'])
    pair.start('master')
    pair.run(10_000)
    assert.deepEqual(pair.serving('odd'), ['slave'], 'master prefers it and must not take it')
    assert.equal(pair.view('master')?.groups.find(({ name }) => name === 'odd')?.state, 'standby')
    const unreadable = { peer: 'slave', field: 'hsgrp', group: 'odd', text: 'odd:lends/half:3' }
    assert.deepEqual(told(pair, 'claim:unreadable'), [unreadable])
    pair.crash('slave')
    pair.run(3000)
    assert.deepEqual(pair.serving('odd'), ['master'], 'a dead one claims nothing')
    pair.start('slave')
    pair.run(10_000)
    assert.deepEqual(pair.serving('odd'), ['master'], 'it does not serve by what cannot be read')
    assert.equal(told(pair, 'contested').length, 0)
  })
})

const config: CoreConfig = {
  self: 'slave',
  peer: 'master',
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 0, epochCeilings: {} },
  times: liveness.times,
  deadpingMs: 500,
  keyId: 1,
  groups: [['web', 'master'] as const, ['news', 'slave'] as const].map(([name, preferred]) => ({
    name,
    preferred,
    handover: 'make-before-break',
    resources: [
      {
        name: `vip-${name}`,
        times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 1000 },
        operations: ['start', 'stop', 'status'],
        exclusive: 'address',
      },
    ],
  })),
  links: ['eth1'],
  targets: [],
  autoFailback: true,
  onIsolated: 'continue',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
}

describe('the beats of before the first release', () => {
  const file = join(root, 'test/vectors/hot-standby/before-first-release.json')
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as [string, string | { readonly hex: string }][][]
  const messages = vectors.map(
    (fields): Message =>
      fields.map(([name, value]) =>
        typeof value === 'string' ? { name, type: 0, value } : { name, type: 1, value: Buffer.from(value.hex, 'hex') },
      ),
  )

  /** Hears all of them, each as the next of one run. */
  function hearAll(core: Core, fromMs: number, only: (message: Message) => boolean): Effect[] {
    return messages.filter(only).flatMap((message, index) => {
      const seq = (index + 1).toString(16)
      const numbered = message.map((field) => (field.name === 'seq' ? { ...field, value: seq } : field))
      return step(core, fromMs + 20 * index, { type: 'message', link: 'eth1', keyId: 1, message: numbered })
    })
  }
  const goodbye = (message: Message) => message.some(({ name, value }) => name === 't' && value === 'shutdone')
  const operations = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.type === 'perform' ? [effect.request.operation] : []))
  const step = (core: Core, monoMs: number, input: Record<string, unknown>): Effect[] =>
    core.step({ ...input, at: { monoMs, bootMs: monoMs, wallMs: 1_700_000_000_000 + monoMs } } as unknown as Input)

  it('are of every kind', () => {
    assert.ok(messages.length > 40)
  })

  it('make nobody take a group', () => {
    const core = createCore(config, liveness.create())
    step(core, 0, { type: 'start' })
    const effects = hearAll(core, 10, (message) => !goodbye(message))
    assert.equal(core.view().peer.kind, 'hot-standby')
    assert.ok(!operations(effects).includes('start'))
    assert.deepEqual(
      core.view().groups.map(({ state }) => state),
      ['standby', 'standby'],
    )
  })

  it('make nobody give one up', () => {
    const core = createCore(config, liveness.create())
    const answer = (effects: readonly Effect[], monoMs: number): void => {
      for (const effect of effects) {
        if (effect.type === 'drain') answer(step(core, monoMs, { type: 'drained' }), monoMs)
        if (effect.type !== 'perform') continue
        const status = { state: 'running' }
        answer(
          step(core, monoMs, { type: 'operation', opId: effect.request.opId, result: { ok: true, status } }),
          monoMs,
        )
      }
    }
    answer(step(core, 0, { type: 'start' }), 0)
    for (let monoMs = 100; monoMs < 6000; monoMs += 100) answer(step(core, monoMs, { type: 'tick' }), monoMs)
    const states = () => core.view().groups.map(({ state }) => state)
    assert.deepEqual(states(), ['active', 'active'])
    // An operator at the peer may ask for a group in any words: that is no claim.
    const asks = (message: Message) => message.some(({ name, value }) => name === 't' && value === 'hb_takeover')
    const effects = hearAll(core, 6000, (message) => !goodbye(message) && !asks(message))
    assert.ok(!operations(effects).includes('stop'))
    assert.deepEqual(states(), ['active', 'active'])
  })
})
