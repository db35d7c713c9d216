import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createCore } from '../../src/core/core.ts'
import { holdOfMove, inScope, namedGroups } from '../../src/core/handover/words.ts'
import { Damping } from '../../src/core/ownership/flap-damping.ts'
import { DropCounter } from '../../src/core/peer/drop-counter.ts'
import { Freshness } from '../../src/core/peer/freshness.ts'
import { holdCovers, parseDurations } from '../../src/core/peer/own-claims.ts'
import { Timers } from '../../src/core/timers.ts'
import type { CoreConfig, Effect, GroupConfig, Input } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { message, text } from '../../src/wire/message.ts'
import { root } from '../support/sources.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

const group = (name: string, preferred: string): GroupConfig => ({
  name,
  preferred,
  resources: [
    {
      name: `vip-${name}`,
      times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 1000 },
      operations: ['prepare', 'start', 'stop', 'status', 'announce', 'isolate', 'restore'],
      exclusive: 'address',
    },
  ],
})
const groups = [group('mail', 'master'), group('web', 'slave')]

const config: CoreConfig = {
  self: 'master',
  peer: 'slave',
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 3, epochCeilings: { mail: 40 } },
  times: liveness.times,
  deadpingMs: 500,
  keyId: 1,
  groups,
  links: ['eth1'],
  targets: [],
  autoFailback: false,
  onIsolated: 'stop',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
}

const at = (monoMs: number) => ({ monoMs, bootMs: monoMs, wallMs: 1_700_000_000_000 + monoMs })

/** A beat of slave. */
const beat = (seq: number, fields: Record<string, string> = {}) =>
  message({
    t: 'status',
    st: 'active',
    dt: '3e8',
    protocol: '1',
    src: 'slave',
    srcuuid: new Uint8Array(16).fill(8),
    hg: '9',
    seq: seq.toString(16),
    ts: '1',
    ttl: '3',
    ...fields,
  })

const sent = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))

describe('Damping', () => {
  const taken = (times: number, everyMs = 1000) => {
    const damping = new Damping()
    for (let index = 1; index <= times; index++) damping.taken('peer-dead', index * everyMs)
    return damping
  }

  it('holds a group from the third taking on, twice as long each time, ten minutes at most', () => {
    assert.equal(taken(2).heldUntilMs(5000), Number.NEGATIVE_INFINITY)
    assert.equal(taken(3).heldUntilMs(5000), 3000 + 5000)
    assert.equal(taken(4).heldUntilMs(5000), 4000 + 10_000)
    assert.equal(taken(6).heldUntilMs(5000), 6000 + 40_000)
    assert.equal(taken(40).heldUntilMs(5000), 40_000 + 600_000)
    assert.equal(taken(3).holdDownMs(3000, 700_000), 700_000, 'never shorter than configured')
  })

  it('forgets what is ten minutes old, what a command has ended, and what nobody had before', () => {
    assert.equal(taken(9, 301_000).heldUntilMs(5000), Number.NEGATIVE_INFINITY)
    const damping = taken(5)
    damping.taken('command', 6000)
    assert.equal(damping.heldUntilMs(5000), Number.NEGATIVE_INFINITY)
    for (let index = 0; index < 5; index++) damping.taken('peer-failed', 7000 + index)
    assert.equal(damping.count(8000), 0)
  })
})

describe('parseDurations', () => {
  it('reads what it can', () => {
    assert.deepEqual(
      [...parseDurations('web:5 mail:12 bad x: :4 a:-1')],
      [
        ['web', 5],
        ['mail', 12],
      ],
    )
    assert.equal(parseDurations('').size, 0)
  })
})

describe('Agenda', () => {
  it('runs what is due, earliest first, and nothing twice', () => {
    const timers = new Timers()
    const ran: string[] = []
    for (const [name, atMs] of Object.entries({ late: 30, early: 10, middle: 20, future: 31 }))
      timers.set(name, atMs, () => ran.push(name))
    timers.run(30)
    timers.run(30)
    assert.deepEqual(ran, ['early', 'middle', 'late'])
    assert.equal(timers.next(), 31)
  })

  it('does not run what an earlier one of the same turn cleared or moved', () => {
    const timers = new Timers()
    const ran: string[] = []
    timers.set('first', 1, () => {
      timers.clear('cleared')
      timers.set('moved', 50, () => ran.push('moved'))
    })
    timers.set('cleared', 2, () => ran.push('cleared'))
    timers.set('moved', 3, () => ran.push('moved too early'))
    timers.run(10)
    assert.deepEqual(ran, [])
    timers.run(50)
    assert.deepEqual(ran, ['moved'])
  })

  it('postpones everything by a stall', () => {
    const timers = new Timers()
    timers.set('one', 100, () => {})
    timers.postpone(40)
    assert.equal(timers.next(), 140)
  })
})

describe('reports', () => {
  it('cover by Heartbeat’s word the groups of a set', () => {
    assert.deepEqual(
      ['none', 'local', 'foreign', 'all', undefined].map((hold) => holdCovers(hold, 'slave', 'slave')),
      [false, true, false, true, false],
    )
  })
})

describe('the words of the conversation', () => {
  it('name the groups of a move, from the giver’s view', () => {
    assert.deepEqual(
      [['mail'], ['web'], ['mail', 'web']].map((named) => holdOfMove('master', groups, named)),
      ['local', 'foreign', 'all'],
    )
  })

  it('of a daemon become groups', () => {
    const ask = (hold: string) => message({ t: 'ask_resources', rsc_hold: hold })
    assert.deepEqual(namedGroups(config, ask('local'), 'me', false), ['web'], 'slave gives its own')
    assert.deepEqual(namedGroups(config, ask('foreign'), 'me', false), ['mail'], 'slave gives ours back')
    assert.deepEqual(namedGroups(config, ask('local'), 'other', true), ['mail'], 'slave takes what we offered')
    assert.deepEqual(namedGroups(config, ask('local'), 'takeover', false), ['web'], 'slave wants its own')
    assert.deepEqual(namedGroups(config, ask('all'), 'takeover', false), ['mail', 'web'])
  })

  it('of ours name groups, but none that is unknown here', () => {
    const offer = message({ t: 'ask_resources', rsc_hold: 'all', hsgrp: 'web:holds/active:4 news:holds/active:1' })
    assert.deepEqual(namedGroups(config, offer, 'me', false), ['web'])
  })

  it('of a command mean groups, or say why not', () => {
    assert.deepEqual(inScope(config, 'local'), ['mail'])
    assert.deepEqual(inScope(config, ['web', 'web']), ['web'])
    assert.match(
      (inScope(config, ['news']) as { message: string }).message,
      /no group is named news; known groups: mail, web/,
    )
    assert.match((inScope(config, []) as { message: string }).message, /no group was named/)
    assert.match(
      (inScope({ ...config, groups: [groups[0] as GroupConfig] }, 'foreign') as { message: string }).message,
      /foreign/,
    )
  })
})

describe('Freshness', () => {
  it('lets nothing old undo what is new, each kind for itself', () => {
    const fresh = new Freshness()
    const status = message({ t: 'status', hsgrp: 'web:holds/active:1' })
    const count = message({ t: 'num_ping_nodes', num_ping: '1' })
    const offer = message({ t: 'ask_resources', hsgrp: 'web:holds/active:1' })
    assert.equal(fresh.isStale(status, 'status', 10), false)
    assert.equal(fresh.isStale(status, 'status', 9), true)
    assert.equal(fresh.isStale(count, 'num_ping_nodes', 5), false, 'the first of its kind')
    assert.equal(fresh.isStale(count, 'you_are_dead', 4), true)
    assert.equal(fresh.isStale(offer, 'ask_resources', 8), true, 'its claims are older than the beat’s')
    assert.equal(fresh.isStale(message({ t: 'starting' }), 'starting', 1), false)
    fresh.reset()
    assert.equal(fresh.isStale(status, 'status', 1), false)
  })
})

describe('DropCounter', () => {
  it('tells at most once a second, with the number since', () => {
    const told: [string, number][] = []
    const drops = new DropCounter((_, src, count) => told.push([src, count]))
    for (let ms = 0; ms <= 1000; ms += 100) drops.add('foreign-node', 'intruder', ms)
    assert.deepEqual(told, [
      ['intruder', 1],
      ['intruder', 10],
    ])
  })

  it('does not grow with invented names', () => {
    let told = 0
    const drops = new DropCounter(() => told++)
    for (let index = 0; index < 1000; index++) drops.add('foreign-node', `node-${index}`, 0)
    assert.equal(told, 1000)
  })
})

describe('the core', () => {
  it('beats at once, then every keepalive, and never asks to be woken in the past', () => {
    const core = createCore(config, liveness.create())
    let wakeMs: number | null = 0
    const beats: number[] = []
    let input: Input = { type: 'start', at: at(0) }
    for (let turn = 0; turn < 40 && wakeMs !== null && wakeMs < 2000; turn++) {
      const effects = core.step(input)
      if (sent(effects).some((each) => text(each, 't') === 'status')) beats.push(input.at.monoMs)
      for (const effect of effects) if (effect.type === 'wakeAt') wakeMs = effect.monoMs
      assert.ok(wakeMs === null || wakeMs > input.at.monoMs)
      input = { type: 'tick', at: at(wakeMs ?? 0) }
    }
    assert.deepEqual(beats, [0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800])
  })

  it('starts above every epoch that was ever reached, and reserves more before it needs them', () => {
    const core = createCore(config, liveness.create())
    const persisted = core.step({ type: 'start', at: at(0) }).find(({ type }) => type === 'persist')
    assert.ok(persisted?.type === 'persist')
    assert.ok((persisted.state.epochCeilings['mail'] ?? 0) > 40)
    core.step({
      type: 'message',
      link: 'eth1',
      keyId: 1,
      at: at(1),
      message: beat(1, { hs: '1', hsboot: 'b', hsgrp: 'mail:free/standby:0 web:free/standby:0' }),
    })
    const mail = core.view().groups.find(({ name }) => name === 'mail')
    assert.equal(mail?.state, 'starting')
    assert.equal(mail?.epoch, 41)
  })

  it('has a state written until it is, and tells once that it could not be', () => {
    const core = createCore(config, liveness.create())
    const told: string[] = []
    const asked: number[] = []
    const step = (input: Input): void => {
      for (const effect of core.step(input)) {
        if (effect.type === 'persist') asked.push(input.at.monoMs)
        if (effect.type === 'emit' && effect.event.name === 'state:failed') told.push(effect.event.payload.reason)
      }
    }
    step({ type: 'start', at: at(0) })
    step({ type: 'persisted', failed: 'no space', at: at(5) })
    step({ type: 'tick', at: at(1004) })
    assert.deepEqual(asked, [0])
    step({ type: 'tick', at: at(1005) })
    step({ type: 'persisted', failed: 'no space', at: at(1010) })
    step({ type: 'tick', at: at(2010) })
    step({ type: 'persisted', at: at(2015) })
    step({ type: 'tick', at: at(5000) })
    assert.deepEqual([asked, told], [[0, 1005, 2010], ['no space']])
  })

  it('takes a group above every epoch that a peer has told of before it left', () => {
    const core = createCore(config, liveness.create())
    core.step({ type: 'start', at: at(0) })
    const free = beat(1, { hs: '1', hsboot: 'b', hsgrp: 'web:free/standby:50' })
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(1), message: free })
    assert.equal(core.view().groups.find(({ name }) => name === 'web')?.state, 'standby')
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(2), message: beat(2, { t: 'shutdone', st: 'dead' }) })
    const web = core.view().groups.find(({ name }) => name === 'web')
    assert.deepEqual([web?.state, web?.epoch], ['starting', 51])
  })

  it('takes a group above the epoch of the offer, where that is the first word of it', () => {
    const groups = config.groups.map((group) => ({ ...group, handover: 'make-before-break' as const }))
    const core = createCore({ ...config, groups }, liveness.create())
    const hears = (seq: number, fields: Record<string, string>) => {
      const ours = { hs: '1', hsboot: 'b', hsecho: `${seq.toString(16)}:1` }
      core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(seq), message: beat(seq, { ...ours, ...fields }) })
    }
    const web = () => core.view().groups.find(({ name }) => name === 'web')
    core.step({ type: 'start', at: at(0) })
    hears(1, { hsgrp: 'web:holds/starting:50' })
    hears(2, { t: 'starting' })
    // The beats in which it raised the number were lost.
    hears(3, {
      t: 'ask_resources',
      info: 'me',
      rsc_hold: 'local',
      hsgrp: 'web:holds/active:60',
      hshow: 'make-before-break',
    })
    assert.deepEqual([web()?.state, web()?.epoch], ['starting', 61])
  })

  it('keeps the rhythm of its beats when one is a little late, and makes up for none that were missed', () => {
    const core = createCore(config, liveness.create())
    const beats = (type: 'start' | 'tick', ms: number) =>
      sent(core.step({ type, at: at(ms) })).filter((each) => text(each, 't') === 'status').length
    assert.deepEqual([beats('start', 0), beats('tick', 230), beats('tick', 399), beats('tick', 400)], [1, 1, 0, 1])
    assert.deepEqual([beats('tick', 1500), beats('tick', 1550), beats('tick', 1600)], [1, 0, 1])
  })

  it('believes a dead time of up to a minute, and a longer one only up to ten of its own', () => {
    const core = createCore(config, liveness.create())
    core.step({ type: 'start', at: at(0) })
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(1), message: beat(1, { dt: 'ffffff' }) })
    assert.equal(core.view().peer.deadtimeMs, 60_000)
  })

  it('says nothing and does nothing once it has halted', () => {
    const core = createCore(config, liveness.create())
    core.step({ type: 'start', at: at(0) })
    const effects = core.step({ type: 'command', id: 1, command: { name: 'stop' }, at: at(10) })
    const names = effects.map(({ type }) => type)
    assert.deepEqual(names.slice(-2), ['reply', 'halt'])
    assert.deepEqual(core.step({ type: 'tick', at: at(5000) }), [])
    assert.deepEqual(core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(5001), message: beat(1) }), [])
  })

  it('survives messages of any content', () => {
    const field = fc.oneof(
      fc.string(),
      fc.constantFrom('constructor', '1', 'ffffffffffffffff', 'web:holds/active:1', 'me', 'other', 'done', 'all'),
    )
    const fields = fc.dictionary(
      fc.constantFrom(
        'st',
        'dt',
        'hs',
        'hsboot',
        'hsgrp',
        'hsall',
        'hsmaint',
        'hsecho',
        'hsstall',
        'hscfg',
        'hscfgs',
        'info',
        'rsc_hold',
        'num_ping',
        'dest',
        'to',
        'oseq',
        'stream',
        'to_id',
      ),
      field,
    )
    const type = fc.constantFrom(
      'status',
      'resource',
      'ask_resources',
      'starting',
      'hb_takeover',
      'hs-refuse',
      'hs-message',
      'shutdone',
      'num_ping_nodes',
      'NS_rexmit',
      'NS_ackmsg',
      'reqnodes',
      'constructor',
      '__proto__',
      'toString',
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(type, fields, fc.nat(40)), { maxLength: 30 }), (messages) => {
        const core = createCore({ ...config, targets: [{ target: 'gw', deadpingMs: 500 }] }, liveness.create())
        core.step({ type: 'start', at: at(0) })
        let ms = 1
        for (const [t, extra, seq] of messages)
          structuredClone(
            core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(ms++), message: beat(seq, { ...extra, t }) }),
          )
        structuredClone(core.view())
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same effects for the same inputs', () => {
    const run = () => {
      const pair = new Simulation({
        seed: 3,
        nodes: ['master', 'slave'],
        groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
        liveness,
        ring: simulatedRing,
        copies: true,
      })
      const frames: string[] = []
      pair.network.tap = (from, link, frame) => frames.push(`${from} ${link} ${Buffer.from(frame).toString('base64')}`)
      pair.start('master')
      pair.start('slave')
      pair.run(3000)
      pair.crash('master')
      pair.run(3000)
      return { frames, events: pair.events }
    }
    assert.deepEqual(run(), run())
  })
})

it('docs/reasons.md explains every reason', () => {
  const events = readFileSync(join(root, 'src/core/events.ts'), 'utf8')
  const [, union = ''] = /export type Reason =([^\n]*(?:\n {2}\| [^\n]*)*)/.exec(events) ?? []
  const reasons = [...union.matchAll(/'([a-z-]+)'/g)].map((match) => match[1] as string)
  assert.ok(reasons.length > 10)
  const page = readFileSync(join(root, 'docs/reasons.md'), 'utf8')
  for (const reason of reasons) assert.ok(page.includes(`| \`${reason}\` |`), `no row for ${reason}`)
})
