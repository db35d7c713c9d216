import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type DaemonWord, daemonClaims, daemonWord, rscHold } from '../../src/core/daemon.ts'
import { createCore } from '../../src/core/step.ts'
import type { CoreConfig, Effect, GroupConfig, Happening } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { type Message, message, text } from '../../src/wire/message.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

const group = (name: string, preferred: string): GroupConfig => ({
  name,
  preferred,
  resources: [
    {
      name: `vip-${name}`,
      times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 1000 },
      operations: ['start', 'stop', 'status'],
      exclusive: 'address',
    },
  ],
})
const [mail, web] = [group('mail', 'master'), group('web', 'slave')]

/** One group, which prefers the master: the slave's set is empty. */
const pairOf = (self: string, groups: readonly GroupConfig[] = [mail]): CoreConfig => ({
  self,
  peer: self === 'master' ? 'slave' : 'master',
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 3, epochCeilings: {} },
  times: liveness.times,
  deadpingMs: 500,
  keyId: 1,
  groups,
  links: ['eth1'],
  targets: [],
  autoFailback: true,
  onIsolated: 'stop',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
})

/** Our node, told what a daemon says, line by line; its resources do at once what they are asked. */
class Conversation {
  readonly #config: CoreConfig
  readonly #core: ReturnType<typeof createCore>
  readonly #said: string[] = []
  #nowMs = 0
  #seq = 0

  constructor(config: CoreConfig) {
    this.#config = config
    this.#core = createCore(config, liveness.create())
    this.#step({ type: 'start' })
  }

  /** The daemon says something; returns what our node said since it was last asked, beats left out. */
  hears(fields: Record<string, string>): readonly string[] {
    const header = { src: this.#config.peer, srcuuid: new Uint8Array(16).fill(8), hg: '9', ts: '1', ttl: '3' }
    const incoming = message({ ...fields, ...header, seq: (++this.#seq).toString(16) })
    this.#step({ type: 'message', link: 'eth1', keyId: 1, message: incoming })
    return this.said()
  }

  hearsStatus(st: string): readonly string[] {
    return this.hears({ t: 'status', st, dt: '3e8', protocol: '1' })
  }

  /** Both have met, and the daemon has reported what it holds. */
  meets(hold: string, isstable = '1'): readonly string[] {
    this.hearsStatus('active')
    return this.hears({ t: 'resource', rsc_hold: hold, rtype: 'full', isstable })
  }

  asks(info: string, hold: string): readonly string[] {
    return this.hears({ t: 'ask_resources', rsc_hold: hold, info })
  }

  commands(name: 'standby' | 'takeover'): readonly string[] {
    this.#step({ type: 'command', id: 1, command: { name, scope: 'all' } })
    return this.said()
  }

  serves(name: string): boolean {
    return this.#core.view().groups.find((entry) => entry.name === name)?.state === 'active'
  }

  said(): readonly string[] {
    return this.#said.splice(0)
  }

  #step(happening: Happening): void {
    this.#nowMs += 1
    const at = { monoMs: this.#nowMs, bootMs: this.#nowMs, wallMs: 1_700_000_000_000 + this.#nowMs }
    const effects = this.#core.step({ ...happening, at })
    for (const effect of effects) this.#note(effect)
    for (const effect of effects)
      if (effect.type === 'perform')
        this.#step({ type: 'operation', opId: effect.request.opId, result: { ok: true, status: { state: 'running' } } })
  }

  #note(effect: Effect): void {
    if (effect.type !== 'send' || text(effect.message, 't') === 'status') return
    const words = ['t', 'rsc_hold', 'isstable', 'info'].map((name) => text(effect.message, name))
    this.#said.push(words.filter((word) => word !== undefined).join(' '))
  }
}

const report = (rsc_hold: string, info?: string): Message =>
  message({ t: 'resource', rsc_hold, isstable: info ? '0' : '1', ...(info ? { info } : {}) })

describe('what a daemon says of its groups', () => {
  const pair = pairOf('master', [mail, web])
  const ours = () => ({ state: 'active', epoch: 7 }) as const

  it('becomes claims, whose epoch grows when it took over', () => {
    const first = daemonClaims(pair, report('local'), undefined, ours)
    assert.deepEqual(first.get('web'), { state: 'active', epoch: 8 })
    assert.deepEqual(first.get('mail'), { state: 'standby', epoch: 7 })
    const second = daemonClaims(pair, report('all'), first, ours)
    assert.deepEqual(second.get('web'), { state: 'active', epoch: 8 }, 'it held it already')
    assert.deepEqual(second.get('mail'), { state: 'active', epoch: 8 })
  })

  it('still claims what it gives up: its scripts run after that report', () => {
    const held = daemonClaims(pair, report('all'), undefined, ours)
    for (const info of ['standby', 'shutdown']) {
      const giving = daemonClaims(pair, report('none', info), held, ours)
      assert.deepEqual(giving.get('mail'), { state: 'stopping', epoch: 8 }, info)
    }
    assert.equal(daemonClaims(pair, report('none'), held, ours).get('mail')?.state, 'standby')
  })

  it('is final when it says so, and was once final for the rest of its run', () => {
    const before = daemonWord(undefined, report('none', 'standby'))
    assert.deepEqual(before, { hold: 'none', stable: false, everStable: false })
    const after = daemonWord(daemonWord(before, report('all')), report('none', 'standby'))
    assert.deepEqual(after, { hold: 'none', stable: false, everStable: true })
  })
})

describe('Heartbeat’s word for what we hold', () => {
  it('names the sets that we hold', () => {
    const word = (...held: string[]) => rscHold(pairOf('master', [mail, web]), (name) => held.includes(name), undefined)
    assert.deepEqual([word(), word('mail'), word('web'), word('mail', 'web')], ['none', 'local', 'foreign', 'all'])
  })

  it('counts an empty set as ours while the daemon does not claim it', () => {
    const says = (hold: string): DaemonWord => ({ hold, stable: true, everStable: true })
    const slave = (word: DaemonWord | undefined) => rscHold(pairOf('slave'), () => false, word)
    assert.deepEqual([slave(undefined), slave(says('local')), slave(says('all'))], ['local', 'local', 'none'])
    const master = (word: DaemonWord | undefined) => rscHold(pairOf('master'), () => true, word)
    assert.deepEqual([master(undefined), master(says('local')), master(says('none'))], ['local', 'local', 'all'])
  })
})

describe('the conversation with a daemon', () => {
  it('begins when the daemon is active, not before', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.hearsStatus('up'), [])
    assert.deepEqual(slave.hearsStatus('active'), ['starting'])
    assert.deepEqual(slave.hearsStatus('active'), [])
  })

  it('frees a daemon that starts from its ten seconds: we are stable as soon as we know what it holds', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.meets('none', '0'), ['resource local 1'])
    const master = new Conversation(pairOf('master'))
    assert.deepEqual(master.meets('none', '0'), ['resource local 1'])
    assert.ok(master.serves('mail'))
  })

  it('takes what the daemon gives after its done, not after its report', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.meets('local')
    assert.deepEqual(slave.asks('me', 'all'), ['ask_resources all other'])
    slave.hears({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'standby' })
    assert.equal(slave.serves('mail'), false)
    assert.deepEqual(slave.asks('done', 'all'), ['ask_resources all done', 'resource all 1'])
    assert.ok(slave.serves('mail'))
  })

  it('accepts the gift of an empty set', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.meets('all').at(-1), 'resource none 1')
    assert.deepEqual(slave.asks('me', 'foreign'), ['ask_resources foreign other'])
    slave.hears({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '0', info: 'standby' })
    assert.deepEqual(slave.asks('done', 'foreign'), ['ask_resources foreign done', 'resource local 1'])
    assert.equal(slave.serves('mail'), false)
  })

  it('gives, reports without what it gives, and ends with the daemon’s done', () => {
    const master = new Conversation(pairOf('master'))
    master.meets('local')
    assert.deepEqual(master.commands('standby'), ['ask_resources local me'])
    assert.deepEqual(master.asks('other', 'local'), ['resource none 0 standby', 'ask_resources local done'])
    assert.deepEqual(master.asks('done', 'local'), ['resource none 1'])
    assert.equal(master.serves('mail'), false, 'it is not taken back before the daemon reports it')
  })

  it('asks for nothing while the daemon has not come to rest', () => {
    const master = new Conversation(pairOf('master'))
    master.meets('none', '0')
    assert.deepEqual(master.commands('standby'), [])
    master.hears({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
    assert.deepEqual(master.commands('standby'), ['ask_resources local me'])
  })
})
