import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Core, createCore } from '../../src/core/core.ts'
import type { CoreEvent } from '../../src/core/events.ts'
import { QualityCounters } from '../../src/core/peer/detection-statistics.ts'
import { Links } from '../../src/core/peer/links.ts'
import { StallTracker } from '../../src/core/stalls/stall-tracker.ts'
import type { CoreConfig, Effect, Happening } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { message, text } from '../../src/wire/message.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

const config: CoreConfig = {
  self: 'master',
  peer: 'slave',
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 3, epochCeilings: {} },
  times: liveness.times,
  deadpingMs: 500,
  keyId: 1,
  groups: [
    {
      name: 'web',
      preferred: 'master',
      resources: [
        {
          name: 'vip',
          times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 0 },
          operations: ['start', 'stop', 'status', 'isolate', 'restore'],
          exclusive: 'address',
        },
      ],
    },
  ],
  links: ['eth1'],
  targets: [],
  autoFailback: false,
  onIsolated: 'stop',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
}

/** A core that serves `web`, with clocks of its own. */
class Node {
  readonly core: Core
  monoMs = 1000
  sleptMs = 0
  wallAheadMs = 1_700_000_000_000
  effects: Effect[] = []

  constructor(detector = liveness.create()) {
    this.core = createCore(config, detector)
  }

  step(happening: Happening): Effect[] {
    const { monoMs } = this
    const at = { monoMs, bootMs: monoMs + this.sleptMs, wallMs: monoMs + this.sleptMs + this.wallAheadMs }
    this.effects = this.core.step({ ...happening, at })
    return this.effects
  }

  hear(seq: number, fields: Record<string, string> = {}): Effect[] {
    const beat = message({
      t: 'status',
      st: 'active',
      dt: '3e8',
      src: 'slave',
      srcuuid: new Uint8Array(16).fill(8),
      hg: '9',
      seq: seq.toString(16),
      ts: '1',
      hs: '1',
      hsboot: 'b2',
      hsgrp: 'web:free/standby:0',
      ...fields,
    })
    return this.step({ type: 'message', link: 'eth1', message: beat, keyId: 1 })
  }

  get events(): CoreEvent[] {
    return this.effects.flatMap((effect) => (effect.type === 'emit' ? [effect.event] : []))
  }

  named(name: CoreEvent['name']): CoreEvent | undefined {
    return this.events.find((event) => event.name === name)
  }

  payload(name: CoreEvent['name']): Readonly<Record<string, unknown>> {
    const event = this.named(name)
    assert.ok(event, `${name} is told`)
    return event.payload as unknown as Readonly<Record<string, unknown>>
  }

  get state(): string | undefined {
    return this.core.view().groups[0]?.state
  }
}

function serving(node = new Node()): Node {
  node.step({ type: 'start' })
  node.hear(1)
  const start = node.effects.find((effect) => effect.type === 'perform')
  assert.ok(start?.type === 'perform' && start.request.operation === 'start')
  node.step({ type: 'operation', opId: start.request.opId, result: { ok: true } })
  assert.equal(node.state, 'active')
  return node
}

describe('a core', () => {
  it('treats the sleep of its host as a stall: cuts off first, reads the sockets, only then speaks', () => {
    const node = serving()
    node.monoMs += 100
    node.sleptMs += 60_000
    const effects = node.step({ type: 'tick' })
    assert.deepEqual(node.named('local:stall')?.payload, { stallMs: 60_000, suspended: true })
    assert.equal(node.state, 'probation')
    const order = effects.filter(({ type }) => type !== 'emit').map((effect) => effect.type)
    assert.deepEqual(order, ['perform', 'drain', 'wakeAt'])
    assert.ok(node.step({ type: 'drained' }).some((effect) => effect.type === 'send'))
    const { stalls } = node.core.view().quality
    assert.deepEqual([stalls.count, stalls.suspended, stalls.histogram.at(-1)], [1, 1, 1])
  })

  it('counts a short sleep, and goes on', () => {
    const node = serving()
    node.sleptMs += 60
    node.step({ type: 'tick' })
    assert.equal(node.state, 'active')
    assert.equal(node.core.view().quality.stalls.suspended, 1)
  })

  it('tells a step of the wall clock, and decides nothing by it', () => {
    const node = serving()
    node.wallAheadMs += 3_600_000
    const effects = node.step({ type: 'tick' })
    assert.deepEqual(node.named('local:clock-step')?.payload, { stepMs: 3_600_000 })
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['emit', 'wakeAt'],
    )
    assert.equal(node.state, 'active')
    node.wallAheadMs -= 200
    node.step({ type: 'tick' })
    assert.deepEqual(node.events, [])
  })

  /** The number of the newest message that the node has sent. */
  const sent = (effects: readonly Effect[]): string | undefined => {
    for (const effect of effects) if (effect.type === 'send') return text(effect.message, 'seq')
    return undefined
  }

  function afterDeath(): { node: Node; lastSeq: string } {
    const node = serving()
    assert.equal(sent(node.step({ type: 'stall', stallMs: 250 })), undefined, 'the sockets are read first')
    const lastSeq = sent(node.step({ type: 'drained' })) ?? ''
    assert.notEqual(lastSeq, '')
    node.hear(5)
    node.monoMs += 1500
    node.step({ type: 'tick' })
    node.step({ type: 'drained' })
    assert.equal(node.core.view().peer.liveness, 'dead')
    return { node, lastSeq }
  }

  it('does not believe that a dead peer lives because of a message from before its death', () => {
    const { node } = afterDeath()
    node.hear(3) // overtaken by the fifth, and only now here
    assert.equal(node.core.view().peer.liveness, 'dead')
    assert.equal(node.core.view().quality.peer.dropped.late, 1)
  })

  it('nor because of one that answers nothing newer than the dead time, unless such ones go on', () => {
    const { node, lastSeq } = afterDeath()
    for (const seq of [6, 7, 8]) node.hear(seq, { hsecho: `${lastSeq}:100` })
    assert.equal(node.core.view().peer.liveness, 'dead')
    node.monoMs += 400
    node.hear(9, { hsecho: `${lastSeq}:500` })
    assert.equal(node.core.view().peer.liveness, 'alive', 'a burst from the network would have been over')
    assert.equal(node.core.view().quality.peer.mistakes, 1)
  })

  it('tells a detector that asks for it of own stalls, wrong verdicts, and echoes', () => {
    const patient = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s', healthMultiplier: true })
    const node = serving(new Node(patient.create()))
    const deadAfter = (): number | undefined => node.core.view().peer.detector['deadAfterMs']
    assert.equal(deadAfter(), 1000)
    node.monoMs += 500
    const lastSeq = sent(node.step({ type: 'tick' })) ?? ''
    node.hear(2, { hsecho: `${lastSeq}:10` })
    assert.equal(deadAfter(), 1000, 'too early to tell whether it hears us')
    node.monoMs += 700
    node.hear(3, { hsecho: `${lastSeq}:690` })
    assert.equal(deadAfter(), 1250, 'our newest beats did not reach it')
    node.step({ type: 'stall', stallMs: 500 })
    node.step({ type: 'drained' })
    assert.equal(deadAfter(), 1500)
    node.monoMs += 2500
    node.step({ type: 'tick' })
    node.step({ type: 'drained' })
    assert.equal(node.core.view().peer.liveness, 'dead')
    const answer = sent(node.step({ type: 'tick' })) ?? lastSeq
    node.monoMs += 100
    node.hear(4, { hsecho: `${answer}:2600` })
    assert.equal(node.named('peer:mistake')?.name, 'peer:mistake')
    assert.equal(deadAfter(), 1750, 'the last verdict was wrong')
  })

  it('believes one that has waited as long as it says', () => {
    const { node, lastSeq } = afterDeath()
    node.hear(6, { hsecho: `${lastSeq}:1400` })
    assert.equal(node.core.view().peer.liveness, 'alive')
    assert.equal(node.named('peer:mistake')?.name, 'peer:mistake')
  })

  it("names the peer's own stall beside the verdict", () => {
    const node = serving()
    node.hear(2, { hsstall: '700' })
    node.monoMs += 600
    node.step({ type: 'tick' })
    assert.equal(node.payload('peer:late')['peerStallMs'], 700)
    node.monoMs += 600
    node.step({ type: 'tick' })
    node.step({ type: 'drained' })
    assert.equal(node.payload('peer:dead')['peerStallMs'], 700)
    assert.deepEqual([node.core.view().quality.peer.stalls, node.core.view().quality.peer.longestStallMs], [1, 700])
  })
})

describe('the clocks', () => {
  it('tell sleep and steps apart', () => {
    const stallTracker = new StallTracker()
    const at = (monoMs: number, bootMs: number, wallMs: number) => stallTracker.notice({ monoMs, bootMs, wallMs })
    assert.deepEqual(at(0, 0, 0), { suspendedMs: 0, stepMs: 0 })
    assert.deepEqual(at(100, 150, 150), { suspendedMs: 0, stepMs: 0 }, '50 ms say nothing: the boot clock has steps')
    assert.deepEqual(at(200, 5250, 5250), { suspendedMs: 5000, stepMs: 0 }, 'the wall clock goes on during sleep')
    assert.deepEqual(at(300, 5350, 6350), { suspendedMs: 0, stepMs: 1000 })
    assert.deepEqual(at(400, 15_450, 3_000_000), { suspendedMs: 10_000, stepMs: 2_983_550 })
  })
})

describe('the figures of quality', () => {
  it('are those of the definitions', () => {
    const quality = new QualityCounters()
    assert.equal(quality.view(5).peer.accuracy, null)
    quality.peer.heard(0, false)
    quality.peer.givenUp(1000, 700)
    assert.equal(quality.peer.heard(1500, true), 500)
    quality.peer.givenUp(3_599_500, 900)
    assert.equal(quality.peer.heard(3_599_999, false), undefined, 'it was restarted: it had been dead')
    const { peer } = quality.view(3_600_499)
    assert.equal(peer.exposureMs, 3_600_000)
    assert.deepEqual([peer.dead, peer.mistakes, peer.mistakeMs, peer.longestDetectionMs], [2, 1, 500, 900])
    assert.equal(peer.accuracy, 1 - 500 / 3_600_000)
    assert.deepEqual([peer.mistakesPerHour, peer.mistakesPerHourIsBound], [1, false])
  })

  it('without a mistake give the bound of the rule of three', () => {
    const quality = new QualityCounters()
    quality.peer.heard(0, false)
    const { peer } = quality.view(2 * 3_600_000)
    assert.deepEqual([peer.mistakesPerHour, peer.mistakesPerHourIsBound], [1.5, true])
  })

  it('count no time in which the peer was away and had said so', () => {
    const quality = new QualityCounters()
    quality.peer.heard(0, false)
    quality.peer.left(1000)
    assert.equal(quality.view(60_000).peer.exposureMs, 1000)
    assert.equal(quality.peer.heard(61_000, true), undefined, 'nothing to be wrong about')
    assert.equal(quality.view(63_000).peer.exposureMs, 3000)
  })

  it('tell a path that lost packets from one over which nothing was sent', () => {
    const link = (): { readonly events: string[]; readonly links: Links } => {
      const events: string[] = []
      const links = new Links(['eth1'], (name) => void events.push(name))
      links.heard('eth1', 10, 0, 0)
      links.down(900, 1000, 900)
      links.down(1000, 1000, 1000)
      return { events, links }
    }
    const quiet = link()
    quiet.links.heard('eth1', 11, 1600, 1600)
    const [peerStalled] = quiet.links.view(2600)
    assert.deepEqual(quiet.events, ['link:up', 'link:down', 'link:up'])
    assert.deepEqual(
      [peerStalled?.quality.down, peerStalled?.quality.mistakes, peerStalled?.quality.mistakeMs],
      [1, 1, 600],
    )
    assert.deepEqual([peerStalled?.quality.exposureMs, peerStalled?.quality.accuracy], [2600, 1 - 600 / 2600])

    const cut = link()
    cut.links.heard('eth1', 14, 1600, 1600)
    const [lost] = cut.links.view(2600)
    assert.deepEqual([lost?.quality.down, lost?.quality.mistakes, lost?.quality.detectionMs], [1, 0, 1000])
    assert.deepEqual([lost?.quality.exposureMs, lost?.quality.accuracy, lost?.up], [2000, 1, true])

    const left = link()
    left.links.left(1100)
    left.links.heard('eth1', 11, 1600, 1600)
    assert.equal(left.links.view(2600)[0]?.quality.mistakes, 0, 'silence after a good-bye is no verdict')
  })

  it('sort stalls into classes', () => {
    const quality = new QualityCounters()
    for (const stallMs of [60, 100, 101, 9000]) quality.stall(stallMs, false)
    assert.deepEqual(quality.view(0).stalls.histogram, [2, 1, 0, 0, 0, 0, 1])
  })
})
