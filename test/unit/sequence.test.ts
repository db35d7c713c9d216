import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCore } from '../../src/core/core.ts'
import { claimOf } from '../../src/core/peer/claims.ts'
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
  groups: [{ name: 'web', preferred: 'slave', resources: [] }],
  links: ['eth1'],
  targets: [{ target: 'gw', deadpingMs: 60_000 }],
  autoFailback: false,
  onIsolated: 'stop',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
}

/** Fields that mark a beat as one of ours. */
const ours = { hs: '1', hsboot: '00000000000000b1' }

/** One node, told message by message what comes from its peer. */
class Node {
  readonly #core = createCore(config, liveness.create())
  #nowMs = 0
  #generation = '9'

  constructor() {
    this.#step({ type: 'start' })
  }

  /** A new run of the peer. */
  peerRestarts(): void {
    this.#generation = 'a'
  }

  hears(seq: number, fields: Record<string, string>, generation = this.#generation): Effect[] {
    const header = { src: 'slave', srcuuid: new Uint8Array(16).fill(8), hg: generation, ts: '1', ttl: '3' }
    const incoming = message({ ...fields, ...header, ...(seq > 0 ? { seq: seq.toString(16) } : {}) })
    return this.#step({ type: 'message', link: 'eth1', keyId: 1, message: incoming })
  }

  beats(seq: number, fields: Record<string, string> = {}): Effect[] {
    return this.hears(seq, { t: 'status', st: 'active', dt: '3e8', protocol: '1', ...ours, ...fields })
  }

  /** A message of the peer's application. */
  says(seq: number, payload: string): Effect[] {
    return this.hears(seq, { t: 'hs-message', stream: '1', to: config.bootId, payload })
  }

  commands(payload: string): Effect[] {
    return this.#step({ type: 'command', id: 1, command: { name: 'send', payload: new TextEncoder().encode(payload) } })
  }

  passes(ms: number): Effect[] {
    this.#nowMs += ms
    return this.#step({ type: 'tick' })
  }

  /** Nothing is heard for the dead time, and nothing waits in the sockets. */
  peerDies(): Effect[] {
    return [...this.passes(1100), ...this.drained()]
  }

  drained(): Effect[] {
    return this.#step({ type: 'drained' })
  }

  get peer() {
    return this.#core.view().peer
  }

  #step(happening: Happening): Effect[] {
    this.#nowMs++
    const at = { monoMs: this.#nowMs, bootMs: this.#nowMs, wallMs: 1_700_000_000_000 + this.#nowMs }
    return this.#core.step({ ...happening, at })
  }
}

/** Types of the messages among these effects, the beats left out. */
const said = (effects: readonly Effect[]) =>
  effects
    .flatMap((effect) => (effect.type === 'send' ? [text(effect.message, 't') ?? ''] : []))
    .filter((t) => t !== 'status')

const told = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.type === 'emit' ? [effect.event.name] : []))

const delivered = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.type === 'deliver' ? [new TextDecoder().decode(effect.payload)] : []))

describe('what was overtaken', () => {
  it('proves life, and undoes nothing: not a beat', () => {
    const node = new Node()
    node.beats(1, { hsgrp: 'web:free/standby:1' })
    node.beats(3, { hsgrp: 'web:holds/active:2', dt: '7d0' })
    node.beats(2, { hsgrp: 'web:free/standby:1' })
    assert.deepEqual(node.peer.groups, { web: claimOf('active', 2) })
    assert.equal(node.peer.deadtimeMs, 2000)
  })

  it('not a count of ping targets', () => {
    const node = new Node()
    node.beats(1)
    node.hears(3, { t: 'num_ping_nodes', num_ping: '1' })
    assert.deepEqual(said(node.hears(2, { t: 'num_ping_nodes', num_ping: '0' })), [])
    assert.deepEqual(said(node.hears(4, { t: 'num_ping_nodes', num_ping: '0' })), ['you_are_dead'])
  })

  it('not the word of maintenance', () => {
    const node = new Node()
    node.beats(1)
    node.beats(3)
    assert.deepEqual(told(node.beats(2, { hsmaint: 'web:on:1' })), [])
    assert.deepEqual(told(node.beats(4, { hsmaint: 'web:on:1' })), ['maintenance'])
  })
})

describe('the word of maintenance', () => {
  it('is read entry by entry; one beyond every number that can be raised is told once, and ignored', () => {
    const node = new Node()
    node.beats(1)
    const hsmaint = 'web:on:1234567890123456 web:on:999999999999999 web:off:1'
    assert.deepEqual(told(node.beats(2, { hsmaint })), ['claim:unreadable'])
    assert.deepEqual(told(node.beats(3, { hsmaint: `${hsmaint} web:on:2:of-later` })), ['maintenance'])
  })
})

describe('messages outside the sequence', () => {
  it('are believed of the run of the peer that is known, and of no other', () => {
    const node = new Node()
    const asks = { t: 'NS_rexmit', firstseq: '1', lastseq: '1' }
    const resent = (effects: readonly Effect[]) => effects.filter(({ type }) => type === 'send').length
    assert.equal(resent(node.hears(0, asks, '3')), 0, 'the remembered run, before the peer was heard')
    node.beats(1)
    assert.equal(resent(node.hears(0, asks, '3')), 0, 'an earlier run')
    assert.equal(resent(node.hears(0, asks, 'a')), 0, 'a later run')
    assert.equal(resent(node.hears(0, asks)), 1)
  })

  it('acknowledge a message of the application only then', () => {
    const node = new Node()
    node.beats(1, { hsecho: '1:0' })
    const out = node.commands('hello').flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
    const ackseq = text(out.at(-1) as (typeof out)[number], 'seq') ?? ''
    const replies = (effects: readonly Effect[]) => effects.filter(({ type }) => type === 'reply').length
    assert.equal(replies(node.hears(0, { t: 'NS_ackmsg', ackseq }, 'a')), 0)
    assert.equal(replies(node.hears(0, { t: 'NS_ackmsg', ackseq })), 1)
  })
})

describe('a dead peer', () => {
  it('is not asked for what it owed', () => {
    const node = new Node()
    node.beats(1)
    node.beats(3)
    assert.deepEqual(said(node.passes(100)), ['NS_rexmit'])
    assert.ok(told(node.peerDies()).includes('peer:dead'))
    assert.deepEqual(said(node.passes(5000)), [])
  })
})

describe('a peer that was never believed to be there', () => {
  it('does not leave either, when its good-bye comes late', () => {
    const node = new Node()
    const dead = [...node.passes(3100), ...node.drained()]
    assert.deepEqual(told(dead).includes('peer:dead'), true)
    assert.deepEqual(told(node.beats(7, { hsecho: '1:0' })), ['link:up'], 'it answers what was said three seconds ago')
    assert.deepEqual(told(node.hears(8, { t: 'shutdone', st: 'dead' })), [])
    assert.equal(node.peer.liveness, 'dead')
  })
})

describe('a new run of the peer', () => {
  it('counts anew: its low numbers are news', () => {
    const node = new Node()
    node.beats(500, { hsgrp: 'web:holds/active:2' })
    node.peerRestarts()
    node.beats(1, { hsgrp: 'web:free/standby:2' })
    assert.deepEqual(node.peer.groups, { web: claimOf('standby', 2) })
    node.beats(2, { hsgrp: 'web:holds/active:3' })
    assert.deepEqual(node.peer.groups, { web: claimOf('active', 3) })
  })

  it('is not asked for what the last one owed', () => {
    const node = new Node()
    node.beats(1)
    node.beats(3)
    node.peerRestarts()
    node.beats(1)
    assert.deepEqual(said(node.passes(100)), [])
    node.beats(3)
    assert.deepEqual(said(node.passes(100)), ['NS_rexmit'])
  })

  it('hears at its own tenth message that nothing is missing', () => {
    const node = new Node()
    assert.deepEqual(said(node.beats(500)).filter((t) => t === 'NS_ackmsg').length, 1)
    node.peerRestarts()
    for (let seq = 1; seq < 10; seq++) assert.ok(!said(node.beats(seq)).includes('NS_ackmsg'))
    assert.ok(said(node.beats(10)).includes('NS_ackmsg'))
  })
})

describe('a message of the application', () => {
  it('is delivered once and in its place, however often and in whatever order it comes', () => {
    const node = new Node()
    node.beats(1)
    assert.deepEqual(delivered(node.says(3, 'second')), [])
    assert.deepEqual(delivered(node.says(2, 'first')), ['first', 'second'])
    assert.deepEqual(delivered(node.says(2, 'first')), [])
    assert.deepEqual(delivered(node.says(3, 'second')), [])
    assert.deepEqual(delivered(node.says(4, 'third')), ['third'])
  })

  it('is dropped when it was meant for an earlier run of this node, or was given up by its sender', () => {
    const node = new Node()
    node.beats(1)
    const of = (to: string, stream: string) => ({ t: 'hs-message', stream, to, payload: 'x' })
    assert.deepEqual(delivered(node.hears(2, of('00000000000000a0', '1'))), [])
    assert.deepEqual(delivered(node.hears(3, of(config.bootId, '2'))), ['x'])
    assert.deepEqual(delivered(node.hears(4, of(config.bootId, '1'))), [])
  })
})
