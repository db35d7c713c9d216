import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { keyring, openKeyRing } from '../../src/authenticators/keyring.ts'
import { sealed } from '../../src/authenticators/sealed.ts'
import { sha256 } from '../../src/authenticators/sha256.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { AuthenticatorPlugin } from '../../src/roles/authenticator.ts'
import type { KeyRing } from '../../src/roles/key-ring.ts'
import { authenticatorSuite } from '../../src/testing/authenticator-suite.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulation-options.ts'
import { type Codec, createCodec, type Opened } from '../../src/wire/codec.ts'
import { message } from '../../src/wire/message.ts'

const hex = (seed: number): string =>
  Array.from({ length: 32 }, (_, index) => ((index * 37 + seed * 101 + 5) & 0xff).toString(16).padStart(2, '0')).join(
    '',
  )

const noFile = (): never => assert.fail('no key file')
const ringOf = (plugin: AuthenticatorPlugin, self = 'master', cluster = 'pair'): KeyRing =>
  openKeyRing(plugin, noFile, { cluster, self, peer: self === 'master' ? 'slave' : 'master' })
const key = (id: number): AuthenticatorPlugin => sealed({ id, key: hex(id) })

const messages = (error: unknown): string =>
  (error as { issues: readonly { message: string }[] }).issues.map((issue) => issue.message).join('\n')

describe('sealed', () => {
  authenticatorSuite({ test: (name, run) => it(name, run), spec: sealed({ key: hex(1) }).keys[0]! })

  it('takes a key as bytes, hexadecimal or base64, and the same from a file', () => {
    const bytes = Buffer.from(hex(1), 'hex')
    const tags = [bytes, hex(1), bytes.toString('base64'), bytes.toString('base64url')].map((text) => {
      const ring = ringOf(sealed({ key: text }))
      return ring.held.join()
    })
    const plugin = sealed({ keyFile: '/etc/key' })
    const read = Buffer.from(`${hex(1)}\r`)
    tags.push(openKeyRing(plugin, () => read, { cluster: 'pair', self: 'master', peer: 'slave' }).held.join())
    assert.equal(new Set(tags).size, 1, tags.join(' '))
    assert.ok(
      read.every((byte) => byte === 0),
      'the content of the file is overwritten after its use',
    )
  })

  it('refuses what is no strong key, and says what would be right without showing it', () => {
    const wrong: readonly [string | Uint8Array, RegExp][] = [
      ['correct horse battery staple, and some more words', /keygen/],
      [hex(1).slice(2), /31 bytes after decoding.*at least 32/],
      ['00'.repeat(32), /repeats/],
      [new Uint8Array(31), /31 bytes/],
      ['', /neither hexadecimal nor random base64/],
      // Each of them decodes to 32 bytes and more.
      ['wearethefirmthatkeepsitskeysinthecellarbehindthedoor', /a phrase is not accepted/],
      ['BehindTheDoorOfTheCellarThereIsTheKeyForTheClusterAA', /a phrase is not accepted/],
      ['behind-the-door-of-cellar-7-there-is-another-key', /a phrase is not accepted/],
      ['4815162342'.repeat(7), /a phrase is not accepted/],
    ]
    for (const [text, expected] of wrong) {
      assert.throws(
        () => sealed({ key: text }),
        (error) => expected.test(messages(error)) && (text.length < 8 || !inspect(error).includes(String(text))),
      )
      const read = () => (typeof text === 'string' ? Buffer.from(text) : text)
      const open = () => openKeyRing(sealed({ keyFile: '/k' }), read, { cluster: 'a', self: 'b', peer: 'c' })
      assert.throws(open, { code: 'HS_KEY' })
    }
    assert.throws(() => sealed({}), { code: 'HS_CONFIG' })
    assert.throws(() => sealed({ key: hex(1), keyFile: '/k' }), { code: 'HS_CONFIG' })
    assert.throws(() => sealed({ key: hex(1), id: 16 }), { code: 'HS_CONFIG' })
  })

  it('does not stand beside keys that sign', () => {
    const keys = [key(1), sha256({ id: 2, key: hex(2) })]
    assert.throws(
      () => keyring({ active: 1, keys }),
      (error) => /a ring of their own/.test(messages(error)),
    )
    const mixed: AuthenticatorPlugin = { kind: 'authenticator', active: 1, keys: keys.flatMap((one) => one.keys) }
    assert.throws(() => ringOf(mixed), { code: 'HS_CONFIG' })
  })

  it('is not shown when options, rings or their parts are printed', () => {
    const plugin = sealed({ key: hex(1) })
    const text = [plugin, ringOf(plugin), sha256({ key: hex(1) })].map(
      (one) => inspect(one, { depth: 9 }) + JSON.stringify(one),
    )
    const shown = Buffer.from(hex(1), 'hex').subarray(0, 4).join(', ')
    assert.ok(!text.join().includes(hex(1)) && !text.join().includes(shown))
  })
})

describe('a sealed frame', () => {
  const session = new Uint8Array(16).fill(7)
  const codecOf = (
    plugin = key(1),
    self = 'master',
    cluster = 'pair',
    framing: 'datagram' | 'stream' = 'datagram',
  ): Codec => createCodec({ ring: ringOf(plugin, self, cluster), framing, session })
  const sent = message({ t: 'status', info: 'grün', srcuuid: Uint8Array.of(0, 10, 255) })
  const reasonOf = (opened: Opened): string => (opened.ok ? 'ok' : opened.reason)

  for (const framing of ['datagram', 'stream'] as const) {
    it(`carries a message with its run and number (${framing})`, () => {
      const frame = codecOf(key(1), 'master', 'pair', framing).seal(sent, undefined, 0x1_0000_0005)
      const opened = codecOf(key(1), 'slave', 'pair', framing).open(frame)
      assert.deepEqual(opened, {
        ok: true,
        message: sent,
        keyId: 1,
        mark: { session: '07'.repeat(16), sequence: 0x1_0000_0005 },
      })
    })
  }

  it('opens nothing after any change of one bit', () => {
    const frame = codecOf().seal(sent, undefined, 1)
    const slave = codecOf(key(1), 'slave')
    const reasons = new Set<string>()
    for (let bit = 0; bit < frame.length * 8; bit++) {
      frame[bit >> 3]! ^= 1 << (bit & 7)
      const reason = reasonOf(slave.open(frame))
      assert.notEqual(reason, 'ok', `bit ${bit}`)
      reasons.add(reason)
      frame[bit >> 3]! ^= 1 << (bit & 7)
    }
    assert.deepEqual([...reasons].sort(), [
      'bad-seal',
      'malformed',
      'other-cluster',
      'own-frame',
      'unknown-key',
      'version',
    ])
    for (let length = 0; length < frame.length; length++) assert.equal(slave.open(frame.subarray(0, length)).ok, false)
  })

  it('is refused by name in another cluster, with another key, in the mirror direction, and where nothing is sealed', () => {
    const frame = codecOf().seal(sent, undefined, 1)
    assert.equal(reasonOf(codecOf(key(1), 'slave', 'other').open(frame)), 'other-cluster')
    assert.equal(reasonOf(codecOf(sealed({ id: 1, key: hex(9) }), 'slave').open(frame)), 'other-cluster')
    assert.equal(reasonOf(codecOf(key(2), 'slave').open(frame)), 'unknown-key')
    assert.equal(reasonOf(codecOf().open(frame)), 'own-frame')
    const signing = createCodec({ ring: ringOf(sha256({ key: hex(1) })), framing: 'datagram' })
    assert.equal(reasonOf(signing.open(frame)), 'malformed')
    assert.equal(reasonOf(codecOf().open(signing.seal(sent))), 'unsealed')
  })

  it('opens nowhere else, whatever its head says', () => {
    const frame = codecOf().seal(sent, undefined, 1)
    // An attacker writes the head anew: as if the other node had sent it, or with the tag of another cluster.
    const mirrored = frame.slice()
    mirrored[13] = 1 - frame[13]!
    assert.equal(reasonOf(codecOf().open(mirrored)), 'bad-seal')
    const moved = frame.slice()
    moved.set(codecOf(key(1), 'master', 'other').seal(sent, undefined, 1).subarray(4, 12), 4)
    assert.equal(reasonOf(codecOf(key(1), 'slave', 'other').open(moved)), 'bad-seal')
  })

  it('is not opened with a key when its number was seen', () => {
    const frame = codecOf().seal(sent, undefined, 1)
    const asked: unknown[] = []
    const refuse = (mark: unknown): boolean => {
      asked.push(mark)
      return false
    }
    assert.equal(reasonOf(codecOf(key(1), 'slave').open(frame, refuse)), 'replayed')
    assert.deepEqual(asked, [{ session: '07'.repeat(16), sequence: 1 }])
  })

  it('never has the number of an earlier one', () => {
    const codec = codecOf()
    codec.seal(sent, undefined, 5)
    for (const number of [undefined, 0, 4, 5])
      assert.throws(() => codec.seal(sent, undefined, number), { code: 'HS_FRAME' })
  })
})

const pairOf = (more: Partial<SimulationOptions> = {}): Simulation =>
  new Simulation({
    seed: 1,
    nodes: ['master', 'slave'],
    groups: [{ name: 'web', preferred: 'master', resources: ['vip'] }],
    liveness: deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' }),
    ring: (node) => ringOf(key(1), node),
    copies: true,
    ...more,
  })

const liveness = (pair: Simulation, node: string): string | undefined => pair.view(node)?.peer.liveness
const told = (pair: Simulation, name: string) => pair.events.filter(({ event }) => event.name === name)

/** Frames of a pair as a third host would record them. */
function capture(pair: Simulation): { from: string; link: string; frame: Uint8Array; atMs: number }[] {
  const found: ReturnType<typeof capture> = []
  pair.network.tap = (from, link, frame) => void found.push({ from, link, frame, atMs: pair.nowMs })
  return found
}

describe('two nodes that seal', () => {
  it('prove themselves to each other in a few frames and then serve', () => {
    for (const links of [['eth1'], ['eth0', 'eth1']]) {
      const pair = pairOf({ links })
      const frames = capture(pair)
      pair.start('master')
      pair.start('slave')
      pair.run(30)
      assert.deepEqual([liveness(pair, 'master'), liveness(pair, 'slave')], ['alive', 'alive'])
      assert.ok(frames.length <= 30 * links.length, `${frames.length} frames`)
      pair.run(1000)
      assert.deepEqual(pair.serving('web'), ['master'])
      assert.deepEqual(told(pair, 'message:dropped'), [])
    }
  })

  it('do so over a bad line, and after a crash of either', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const pair = pairOf({ seed })
      for (const [a, b] of [
        ['master', 'slave'],
        ['slave', 'master'],
      ] as const)
        pair.network.conditions(a, b, 'eth1').loss = 0.3
      pair.start('master')
      pair.start('slave')
      pair.run(8000)
      const victim = seed % 2 === 0 ? 'master' : 'slave'
      pair.crash(victim)
      pair.run(200)
      pair.start(victim)
      for (const [a, b] of [
        ['master', 'slave'],
        ['slave', 'master'],
      ] as const)
        pair.network.conditions(a, b, 'eth1').loss = 0
      pair.run(3000)
      assert.deepEqual([liveness(pair, 'master'), liveness(pair, 'slave')], ['alive', 'alive'], `seed ${seed}`)
      assert.equal(pair.serving('web').length, 1, `seed ${seed}`)
    }
  })

  it('challenge with frames that are no larger than any other', () => {
    const pair = pairOf()
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(10_000)
    pair.command('master', { name: 'standby', scope: 'all' })
    pair.run(5000)
    const sizes = frames.map(({ frame }) => frame.length)
    const challenge = Math.min(...sizes)
    assert.ok(sizes.filter((size) => size === challenge).length >= 4, 'the smallest frames are those of the handshake')
  })

  /** A pair that ran for a while, whose slave was then started anew while its master is silent for good. */
  function afterRestart(): { pair: Simulation; recorded: Uint8Array[] } {
    const pair = pairOf()
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    const recorded = frames.filter(({ from }) => from === 'master').map(({ frame }) => frame)
    pair.crash('slave')
    pair.crash('master')
    pair.start('slave')
    return { pair, recorded }
  }

  it('believe nothing that was recorded before a restart of the receiver, and say that it is played back', () => {
    const { pair, recorded } = afterRestart()
    const frames = capture(pair)
    for (let round = 0; round < 2; round++)
      for (const frame of recorded) {
        pair.run(80)
        pair.network.inject('slave', 'eth1', frame)
      }
    pair.run(2000)
    assert.equal(pair.view('slave')?.peer.heardEver, false)
    assert.deepEqual(pair.serving('web'), ['slave'], 'the replayed master does not keep it from serving')
    const reasons = told(pair, 'message:dropped').map(({ event }) => JSON.stringify(event.payload))
    assert.match(reasons.join(), /unproven/)
    const challenges = frames.filter(({ frame }) => frame.length < 150)
    assert.ok(
      challenges.length <= recorded.length,
      `${challenges.length} challenges for ${recorded.length} recorded runs`,
    )
  })

  it('believe a recorded frame neither twice nor from the mirror nor on another link', () => {
    const pair = pairOf({ links: ['eth0', 'eth1'] })
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    const before = JSON.stringify(pair.view('slave'))
    const packets = pair.view('slave')!.links.map((link) => link.packets)
    for (const { frame } of [...frames])
      for (const link of ['eth0', 'eth1']) {
        pair.network.inject('slave', link, frame)
        pair.network.inject('slave', link, frame)
      }
    assert.deepEqual(
      pair.view('slave')!.links.map((link) => link.packets),
      packets,
    )
    assert.equal(JSON.stringify(pair.view('slave')), before)
    const reasons = new Set(
      told(pair, 'frame:dropped').map(({ event }) => event.name === 'frame:dropped' && event.payload.reason),
    )
    assert.deepEqual([...reasons].sort(), ['own-frame', 'replayed'])
  })

  it('do not let a dead peer live on by its recording', () => {
    const pair = pairOf()
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    pair.crash('master')
    const recorded = frames.filter(({ from }) => from === 'master')
    for (const { frame } of recorded) {
      pair.run(50)
      pair.network.inject('slave', 'eth1', frame)
    }
    assert.equal(liveness(pair, 'slave'), 'dead')
    assert.deepEqual(pair.serving('web'), ['slave'])
  })

  it('do not take the proof of an earlier run for that of a new one', () => {
    const pair = pairOf()
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    const recorded = frames.filter(({ from }) => from === 'master')
    pair.crash('master')
    pair.run(3000)
    pair.start('master')
    pair.run(3000)
    const heard = told(pair, 'peer:alive').length
    for (const { frame } of recorded) pair.network.inject('slave', 'eth1', frame)
    pair.run(3000)
    assert.equal(told(pair, 'peer:alive').length, heard)
    assert.deepEqual([liveness(pair, 'master'), liveness(pair, 'slave')], ['alive', 'alive'])
    assert.equal(told(pair, 'peer:dead').length, 1, 'of its crash, and not again')
    assert.equal(told(pair, 'node:twice').length, 0, 'the earlier run does not run beside the new one')
  })

  for (const [what, generations, expected] of [
    ['lower', [50, 1], [{ peer: 'slave', generation: 1, known: 50 }]],
    ['the same', [50, 50], [{ peer: 'slave', generation: 50, known: 50 }]],
    ['higher, as it should be', [50, 51], []],
  ] as const)
    it(`go on with a peer whose next run has a number that is ${what}, and say when it has lost its state`, () => {
      let run = 0
      const pair = pairOf({ override: (node) => (node === 'slave' ? { generation: generations[run] ?? 0 } : {}) })
      pair.start('master')
      pair.start('slave')
      pair.run(3000)
      pair.crash('slave')
      pair.run(3000)
      run = 1
      pair.start('slave')
      pair.run(1000)
      assert.equal(liveness(pair, 'master'), 'alive')
      assert.deepEqual(
        pair.events.flatMap(({ event }) => (event.name === 'peer:state-lost' ? [event.payload] : [])),
        expected,
      )
    })
})

describe('a rotation of keys', () => {
  const steps = (nodes: Record<string, KeyRing>) => pairOf({ ring: (node) => nodes[node]! })
  const ring = (node: string, active: number, ...ids: number[]) => ringOf(keyring({ active, keys: ids.map(key) }), node)

  const halfDone: readonly [string, [number, ...number[]], [number, ...number[]]][] = [
    ['the new key is on one node only', [1, 1, 2], [1, 1]],
    ['the new key is active where the peer has not got it', [2, 1, 2], [1, 1]],
    ['the new key is active on one node', [2, 1, 2], [1, 1, 2]],
    ['the old key is gone on one node', [2, 2], [1, 1, 2]],
    ['each waits for the other', [2, 1, 2], [3, 1, 3]],
  ]
  for (const [what, master, slave] of halfDone)
    it(`keeps two nodes together when ${what}`, () => {
      const pair = steps({ master: ring('master', ...master), slave: ring('slave', ...slave) })
      pair.start('master')
      pair.start('slave')
      pair.run(2500)
      assert.deepEqual([liveness(pair, 'master'), liveness(pair, 'slave')], ['alive', 'alive'])
      pair.run(60_000)
      assert.deepEqual(told(pair, 'peer:dead'), [])
      assert.deepEqual(pair.serving('web'), ['master'])
    })

  it('uses a new key only when the peer says that it accepts it, and says so', () => {
    const pair = steps({ master: ring('master', 2, 1, 2), slave: ring('slave', 1, 1) })
    const frames = capture(pair)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    const used = frames.filter(({ from, atMs }) => from === 'master' && atMs > 3000).map(({ frame }) => frame[12])
    assert.deepEqual([...new Set(used)], [1])
    const waiting = told(pair, 'key:waiting')
    assert.equal(waiting.length, 1)
    assert.deepEqual(waiting[0]!.event.payload, { peer: 'slave', keyId: 2, using: 1 })
  })

  it('is not fooled by the same id with another key', () => {
    const slave = ringOf(keyring({ active: 1, keys: [key(1), sealed({ id: 2, key: hex(77) })] }), 'slave')
    const pair = steps({ master: ring('master', 2, 1, 2), slave })
    pair.start('master')
    pair.start('slave')
    pair.run(10_000)
    assert.equal(told(pair, 'key:waiting').length, 1)
    assert.deepEqual(told(pair, 'peer:dead'), [])
    assert.deepEqual([liveness(pair, 'master'), liveness(pair, 'slave')], ['alive', 'alive'])
  })
})
