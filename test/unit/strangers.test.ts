import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc } from '../../src/authenticators/crc.ts'
import { openSigningRing } from '../../src/authenticators/keyring.ts'
import { sha1 } from '../../src/authenticators/sha1.ts'
import { createCore } from '../../src/core/core.ts'
import type { CoreEvent } from '../../src/core/events.ts'
import { Loop } from '../../src/engine/loop.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { AuthenticatorPlugin, SigningKeySpec } from '../../src/roles/authenticator.ts'
import type { Host } from '../../src/roles/host.ts'
import { type Codec, createCodec } from '../../src/wire/codec.ts'
import { message } from '../../src/wire/message.ts'
import { daemonPair, groupOf } from '../support/conversation.ts'

const noFile = (): never => {
  throw new Error('there is no key file')
}
const codecOf = (plugin: AuthenticatorPlugin<SigningKeySpec>): Codec =>
  createCodec({ ring: openSigningRing(plugin, noFile), framing: 'datagram' })
const ours = codecOf(sha1({ key: 'our secret', id: 1 }))

const header = { ts: '1', ttl: '3', srcuuid: new Uint8Array(16).fill(8) }
const beat = (changes: Record<string, string | Uint8Array | undefined> = {}) =>
  message({ t: 'status', st: 'active', dt: '3e8', src: 'master', hg: '9', seq: '1', ...header, ...changes })

/** Our node as slave, fed with datagrams; what it told, and what it knows. */
class Node {
  readonly events: CoreEvent[] = []
  #nowMs = 0
  readonly #core = createCore(
    daemonPair('slave', [groupOf('mail', 'master')]),
    deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' }).create(),
  )
  readonly #loop: Loop

  constructor() {
    const host: Host = {
      now: () => ({ monoMs: this.#nowMs, bootMs: this.#nowMs, wallMs: this.#nowMs }),
      takeStall: () => 0,
      wakeAt() {},
      drain() {},
      randomBytes: (count) => new Uint8Array(count),
      perform() {},
      ask() {},
      guard() {},
      cancel() {},
      persist() {},
    }
    this.#loop = new Loop({
      core: this.#core,
      host,
      links: [{ link: 'eth1', transport: { send() {} } as never, codec: ours }],
      silentLinkMs: 60_000,
      diagnose: () => '',
      onEvent: (event) => this.events.push(event),
      onMessage() {},
      onReply() {},
      onHalt() {},
      onFatal() {},
    })
    this.#loop.start()
    this.hears(ours.seal(beat()))
    this.hears(
      ours.seal(
        message({
          t: 'resource',
          rsc_hold: 'local',
          rtype: 'full',
          isstable: '1',
          src: 'master',
          hg: '9',
          seq: '2',
          ...header,
        }),
      ),
    )
    this.events.length = 0
  }

  hears(datagram: Uint8Array): void {
    this.#nowMs += 1
    this.#loop.receive('eth1', datagram, '192.168.2.99')
  }

  get knows(): unknown {
    const { peer, links, groups, phase } = this.#core.view()
    const { silentMs: _, ...rest } = peer
    return { peer: rest, phase, groups, heard: links.map(({ up, packets }) => [up, packets]) }
  }
}

const long = 'x'.repeat(70_000)
const cases: readonly (readonly [what: string, datagram: Uint8Array, event: string, reason: string, detail: RegExp])[] =
  [
    [
      'another secret, or another cluster',
      codecOf(sha1({ key: 'their secret', id: 1 })).seal(beat({ src: 'db1', seq: '3' })),
      'frame:dropped',
      'bad-signature',
      /^another key, or another cluster on the same port; it says that it is from 'db1' \(unverified\)$/,
    ],
    [
      'a key that is not in the ring',
      codecOf(sha1({ key: 'our secret', id: 7 })).seal(beat({ seq: '3' })),
      'frame:dropped',
      'unknown-key',
      /from 'master' \(unverified\)$/,
    ],
    [
      'a key without a secret',
      codecOf(crc({ id: 1 })).seal(beat({ seq: '3' })),
      'frame:dropped',
      'bad-signature',
      /from 'master' \(unverified\)$/,
    ],
    ['our own name', ours.seal(beat({ src: 'slave', seq: '3' })), 'message:dropped', 'own-name', /^slave$/],
    ['a foreign node', ours.seal(beat({ src: 'db1', seq: '3' })), 'message:dropped', 'foreign-node', /^db1$/],
    ['an old generation', ours.seal(beat({ hg: '8', seq: '99' })), 'message:dropped', 'old-generation', /^master$/],
    ['no generation', ours.seal(beat({ hg: undefined, seq: '3' })), 'message:dropped', 'incomplete', /^master$/],
    [
      'a compressed message',
      ours.seal(message({ _compressed_payload: new Uint8Array(40).fill(120), _compression_algorithm: 'zlib' })),
      'frame:dropped',
      'compressed',
      /traditional_compression no/,
    ],
    ['an oversized message', new TextEncoder().encode(`###\n${long}`), 'frame:dropped', 'oversize', /^null$/],
    ['something else', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), 'frame:dropped', 'malformed', /^null$/],
  ]

describe('what a misconfigured daemon sends', () => {
  for (const [what, datagram, name, reason, detail] of cases) {
    it(`${what}: one event for a burst, and nothing changes`, () => {
      const node = new Node()
      const before = node.knows
      for (let index = 0; index < 100; index++) node.hears(datagram)
      assert.deepEqual(
        node.events.map((event) => event.name),
        [name],
      )
      const payload = node.events[0]?.payload as Record<string, unknown>
      assert.equal(payload['reason'], reason)
      assert.match(String(name === 'frame:dropped' ? payload['detail'] : payload['src']), detail)
      assert.deepEqual(node.knows, before)
    })
  }
})
