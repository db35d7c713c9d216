import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCore } from '../../src/core/core.ts'
import type { CoreConfig, Effect, Happening } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { seededRandom } from '../../src/testing/schedule.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { bytes, decimalOf, hexOf, type Message, message, text } from '../../src/wire/message.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '5s', initdead: '10s' })
const ascii = (string: string): Uint8Array => new TextEncoder().encode(string)
const numbers = (payloads: readonly Uint8Array[]): number[] =>
  payloads.map((payload) => Number(new TextDecoder().decode(payload)))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('the messages of two applications', () => {
  it('all arrive once and in order, though one packet in five is lost from the very start', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = new Simulation({
        seed,
        nodes: ['master', 'slave'],
        groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
        liveness,
        ring: simulatedRing,
      })
      for (const [from, to] of [
        ['master', 'slave'],
        ['slave', 'master'],
      ] as const)
        pair.network.conditions(from, to, 'eth1').loss = 0.2
      pair.start('master')
      pair.start('slave')
      const refused: string[] = []
      const sent = { master: 0, slave: 0 }
      let acknowledged = 0
      for (let ms = 0; ms < 60_000; ms += 50) {
        pair.run(50)
        for (const node of ['master', 'slave'] as const) {
          if (pair.view(node)?.peer.liveness !== 'alive' || sent[node] === 200) continue
          pair.command(node, { name: 'send', payload: ascii(String(sent[node]++)) }, (refusal) =>
            refusal ? refused.push(refusal.message) : acknowledged++,
          )
        }
      }
      pair.run(10_000)
      assert.deepEqual(refused, [], `seed ${seed}`)
      assert.equal(acknowledged, 400, `seed ${seed}`)
      for (const node of ['master', 'slave'] as const)
        assert.deepEqual(numbers(pair.messages(node)), upTo(200), `at the ${node}, seed ${seed}`)
      assert.deepEqual(
        pair.events.filter(({ event }) => event.name === 'peer:dead' || event.name === 'messages:lost'),
        [],
        `seed ${seed}`,
      )
    }
  })
})

const config: CoreConfig = {
  self: 'slave',
  peer: 'master',
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 3, epochCeilings: {} },
  times: liveness.times,
  deadpingMs: 500,
  keyId: 1,
  groups: [],
  links: ['eth1'],
  targets: [],
  autoFailback: true,
  onIsolated: 'stop',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
}

/** What the library of a daemon's clients makes of ordered messages (client_lib.c, process_ordered_msg). */
class DaemonClient {
  readonly got: number[] = []
  #firstSeq: number | undefined
  #last = 0
  readonly #waiting = new Map<number, number>()

  hears(seq: number, order: number, value: number): void {
    if (this.#firstSeq === undefined) {
      this.#firstSeq = seq
      this.#last = order - 1
    } else if (seq < this.#firstSeq) return // dropped, whatever it is
    this.#waiting.set(order, value)
    for (let next = this.#waiting.get(this.#last + 1); next !== undefined; next = this.#waiting.get(this.#last + 1)) {
      this.got.push(next)
      this.#waiting.delete(++this.#last)
    }
  }
}

/** A daemon as a counterpart: it asks for what is missing, and acknowledges one number in ten, when it comes in order. */
class Daemon {
  readonly core = createCore(config, liveness.create())
  client = new DaemonClient()
  readonly delivered: Uint8Array[] = []
  readonly answers: (string | undefined)[] = []
  /** The most of our messages that were ever without its acknowledgement. */
  longestHistory = 0
  #nowMs = 0
  #seq = 0
  #last = 0
  #acked = 0
  #ackedByUs = 0
  #nextId = 1
  readonly #missing = new Map<number, number>()
  readonly #history = new Map<number, Message>()
  readonly #random: () => number
  readonly #loss: number

  constructor(seed: number, loss: number) {
    this.#random = seededRandom(seed)
    this.#loss = loss
    this.#step({ type: 'start' })
  }

  send(payload: string): void {
    this.#step({ type: 'command', id: this.#nextId++, command: { name: 'send', payload: ascii(payload) } })
  }

  /** One of its clients sends to its counterpart at our node. */
  clientSends(payload: string, client = 'hot-standby'): void {
    this.#say({
      t: 'hs-message',
      dest: 'slave',
      from_id: client,
      to_id: client,
      client_gen: '0',
      payload: ascii(payload),
    })
  }

  clientJoins(): void {
    this.client = new DaemonClient()
    this.#say({ t: 'hbapi-clstat', st: 'join', from_id: 'hot-standby', to_id: 'hot-standby' })
  }

  run(forMs: number): void {
    const untilMs = this.#nowMs + forMs
    while (this.#nowMs < untilMs) {
      this.#nowMs += 50
      this.#step({ type: 'tick' })
      if (this.#nowMs % 200 === 0) this.#say({ t: 'status', st: 'active', dt: '1388', protocol: '1' })
      for (const [seq, atMs] of this.#missing)
        if (atMs <= this.#nowMs) {
          this.#missing.set(seq, this.#nowMs + 250)
          this.#carry({ t: 'NS_rexmit', dest: 'slave', firstseq: String(seq), lastseq: String(seq) })
        }
      this.longestHistory = Math.max(this.longestHistory, this.#seq - this.#ackedByUs)
    }
  }

  #say(fields: Record<string, string | Uint8Array>): void {
    const said = this.#message({ ...fields, seq: (++this.#seq).toString(16) })
    this.#history.set(this.#seq, said)
    this.#arrive(said)
  }

  #carry(fields: Record<string, string>): void {
    this.#arrive(this.#message(fields))
  }

  #message(fields: Record<string, string | Uint8Array>): Message {
    return message({ ...fields, src: 'master', srcuuid: new Uint8Array(16).fill(8), hg: '9', ts: '1', ttl: '3' })
  }

  #arrive(incoming: Message): void {
    if (this.#random() < this.#loss) return
    this.#step({ type: 'message', link: 'eth1', keyId: 1, message: incoming })
  }

  #step(happening: Happening): void {
    const at = { monoMs: this.#nowMs, bootMs: this.#nowMs, wallMs: 1_700_000_000_000 + this.#nowMs }
    for (const effect of this.core.step({ ...happening, at })) this.#note(effect)
  }

  #note(effect: Effect): void {
    if (effect.type === 'deliver') this.delivered.push(effect.payload)
    if (effect.type === 'reply') this.answers.push(effect.refusal?.message)
    if (effect.type === 'send' && this.#random() >= this.#loss) this.#hears(effect.message)
  }

  #hears(incoming: Message): void {
    const type = text(incoming, 't')
    if (type === 'NS_ackmsg') this.#ackedByUs = Math.max(this.#ackedByUs, hexOf(incoming, 'ackseq') ?? 0)
    if (type === 'NS_rexmit') {
      const again = this.#history.get(decimalOf(incoming, 'firstseq') ?? 0)
      assert.ok(again, 'what is asked for was sent')
      this.#arrive(again)
    }
    const seq = hexOf(incoming, 'seq')
    if (seq === undefined) return
    const inOrder = this.#last === 0 || seq === this.#last + 1
    if (this.#last > 0) for (let gap = this.#last + 1; gap < seq; gap++) this.#missing.set(gap, this.#nowMs + 150)
    if (seq <= this.#last && !this.#missing.delete(seq)) return
    this.#last = Math.max(this.#last, seq)
    if (type === 'hs-message') {
      const order = hexOf(incoming, 'oseq') ?? 0
      this.client.hears(seq, order, numbers([bytes(incoming, 'payload') ?? new Uint8Array()])[0] ?? -1)
    }
    if (!inOrder || this.#missing.size > 0 || seq % 10 !== 3 || seq <= this.#acked) return
    this.#acked = seq
    this.#carry({ t: 'NS_ackmsg', dest: 'slave', ackseq: seq.toString(16) })
  }
}

describe('the messages of an application whose peer is a heartbeat daemon', () => {
  it('reach a client of the daemon once and in the order of `oseq`, though one packet in five is lost', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const daemon = new Daemon(seed, 0.2)
      daemon.run(1000)
      for (const index of upTo(300)) {
        daemon.send(String(index))
        daemon.run(50)
      }
      daemon.run(60_000)
      assert.deepEqual(daemon.client.got, upTo(300), `seed ${seed}`)
      assert.deepEqual(daemon.answers, new Array(300).fill(undefined), `seed ${seed}`)
    }
  })

  it('lose nothing of what is sent after a client has signed on', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const daemon = new Daemon(seed, 0.2)
      daemon.run(5000)
      daemon.send('0')
      daemon.run(20_000)
      daemon.clientJoins()
      daemon.run(5000) // the news may have to be sent again
      for (const index of upTo(50)) daemon.send(String(index))
      daemon.run(60_000)
      assert.deepEqual(daemon.client.got, upTo(50), `seed ${seed}`)
    }
  })

  it('come from its client of the same name, in the order in which the daemon sent them, and from no other', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const daemon = new Daemon(seed, 0.2)
      daemon.run(5000)
      for (const index of upTo(300)) {
        daemon.clientSends(String(index))
        daemon.clientSends('999', 'ipfail')
        daemon.run(50)
      }
      daemon.run(10_000)
      assert.deepEqual(numbers(daemon.delivered), upTo(300), `seed ${seed}`)
    }
  })

  it('never fill the daemon’s history: it complains from 375 messages on', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const daemon = new Daemon(seed, 0.2)
      daemon.run(600_000)
      assert.ok(daemon.longestHistory < 100, `${daemon.longestHistory} without acknowledgement, seed ${seed}`)
    }
  })
})
