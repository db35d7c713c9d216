import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { openKeyRing } from '../../src/authenticators/keyring.ts'
import { sealed } from '../../src/authenticators/sealed.ts'
import { sha1 } from '../../src/authenticators/sha1.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { AuthenticatorPlugin } from '../../src/roles/authenticator.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { damages, generator } from '../support/mutations.ts'

const count = Number(process.env['FUZZ'] ?? 1_000_000)
const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fffffff)

const methods: Readonly<Record<string, { plugin: AuthenticatorPlugin; share: number; expected: readonly string[] }>> = {
  sealed: {
    plugin: sealed({ key: '0f1e2d3c4b5a69788796a5b4c3d2e1f0'.repeat(2) }),
    share: 0.8,
    expected: ['bad-seal', 'malformed', 'other-cluster', 'own-frame', 'replayed', 'unknown-key', 'unsealed', 'version'],
  },
  sha1: {
    plugin: sha1({ key: 'a key for fuzzing' }),
    share: 0.2,
    expected: ['bad-signature', 'malformed', 'unknown-key'],
  },
}

const ringOf = (plugin: AuthenticatorPlugin, node: string) =>
  openKeyRing(plugin, () => assert.fail('no key file'), {
    cluster: 'pair',
    self: node,
    peer: node === 'master' ? 'slave' : 'master',
  })

/** A pair that has run for a while, and every frame that it sent. */
function runningPair(plugin: AuthenticatorPlugin): { pair: Simulation; frames: Buffer[] } {
  const pair = new Simulation({
    seed: 7,
    nodes: ['master', 'slave'],
    groups: [{ name: 'web', preferred: 'master', resources: ['vip'] }],
    liveness: deadtime({ keepalive: '200ms', deadtime: '1s' }),
    ring: (node) => ringOf(plugin, node),
  })
  const frames: Buffer[] = []
  pair.network.tap = (_from, _link, frame) => void frames.push(Buffer.from(frame))
  pair.start('master')
  pair.start('slave')
  pair.run(4000)
  pair.command('master', { name: 'standby', scope: 'all' })
  pair.run(4000)
  return { pair, frames }
}

/** Everything that a pair did from now on, without what it says of junk. */
function future(pair: Simulation, sinceMs: number): string {
  const sent: string[] = []
  pair.network.tap = (from, link, frame) =>
    void sent.push(`${pair.nowMs} ${from} ${link} ${Buffer.from(frame).toString('base64')}`)
  pair.crash('slave')
  pair.run(5000)
  const events = pair.events.filter(({ atMs, event }) => atMs >= sinceMs && event.name !== 'frame:dropped')
  return JSON.stringify([sent, events, pair.view('master')])
}

describe('damaged frames at a running node', () => {
  for (const [method, { plugin, share, expected }] of Object.entries(methods))
    it(`${Math.round(count * share)} of them change nothing (${method}, SEED=${seed})`, (t) => {
      t.diagnostic(`replay with SEED=${seed} FUZZ=${count}`)
      const random = generator(seed)
      const { pair, frames } = runningPair(plugin)
      const pick = (): Buffer => frames[random(frames.length)] as Buffer
      const mutations = damages(random, pick)
      const codec = createCodec({ ring: ringOf(plugin, 'master'), framing: 'datagram', session: new Uint8Array(16) })
      const before = JSON.stringify(pair.view('master'))
      let sent = 0
      pair.network.tap = () => void sent++
      const sinceMs = pair.nowMs
      for (let round = 0; round < count * share; round++) {
        const original = pick()
        // Sealed originals were seen before; a signed one would be a proof of life of its link.
        const unchanged = codec.numbered && random(16) === 0
        const frame = unchanged ? original : (mutations[random(mutations.length)]?.(original) as Buffer)
        if (!codec.numbered && codec.open(frame).ok) continue
        pair.network.inject('master', 'eth1', frame)
      }
      assert.equal(sent, 0, 'a frame that was not believed was answered')
      assert.equal(JSON.stringify(pair.view('master')), before)
      const reasons = pair.events.flatMap(({ node, event }) =>
        node === 'master' && event.name === 'frame:dropped' ? [event.payload.reason] : [],
      )
      if (count >= 100_000)
        for (const reason of expected) assert.ok(reasons.includes(reason), `none was dropped as ${reason}`)
      // The whole state, seen by what it does: a pair that was left alone goes on in the very same way.
      assert.equal(future(pair, sinceMs), future(runningPair(plugin).pair, sinceMs))
    })
})

describe('bytes of any kind', () => {
  for (const [method, { plugin }] of Object.entries(methods))
    for (const framing of ['datagram', 'stream'] as const)
      it(`are opened or refused with a reason, and nothing is thrown (${method}, ${framing})`, () => {
        const codec = createCodec({ ring: ringOf(plugin, 'slave'), framing, session: new Uint8Array(16) })
        const corpus = runningPair(plugin).frames.slice(0, 50)
        const edits = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 })
        const edited = fc.tuple(fc.constantFrom(...corpus), edits, fc.nat(400)).map(([frame, changes, length]) => {
          const copy = Uint8Array.from(frame)
          for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte
          return length % 3 === 0 ? copy.subarray(0, length) : copy
        })
        const marked = fc.tuple(
          fc.constantFrom('HSS\x01', '###\n', '>>>\nsealed=', '>>>\n'),
          fc.uint8Array({ maxLength: 300 }),
        )
        const begun = marked.map(([mark, rest]) => Uint8Array.from([...Buffer.from(mark, 'latin1'), ...rest]))
        const bytes = fc.oneof(fc.uint8Array({ maxLength: 600 }), edited, begun)
        fc.assert(
          fc.property(bytes, (frame) => {
            const opened = codec.open(frame)
            return opened.ok ? opened.message.length > 0 : opened.reason.length > 0
          }),
          { numRuns: 5000, seed },
        )
      })
})
