import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openSigningRing } from '../../src/authenticators/keyring.ts'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import { createCore } from '../../src/core/core.ts'
import type { CoreConfig, Effect, Happening } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { type Message, text } from '../../src/wire/message.ts'

interface Vector {
  readonly hex: string
  readonly method: string
  readonly authIndex: number
  readonly key: string
}

const liveness = deadtime({ keepalive: '1s', deadtime: '30s' })
const folder = join(import.meta.dirname, '../vectors/heartbeat')

const read = (file: string): readonly (Message | undefined)[] =>
  (JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector[]).map(({ hex, method, authIndex, key }) => {
    const { plugin } = parseAuthkeys(`auth ${authIndex}\n${authIndex} ${method} ${key}\n`, 'authkeys')
    assert.ok(plugin)
    const ring = openSigningRing(plugin, () => assert.fail('no key file'))
    const opened = createCodec({ ring, framing: 'datagram' }).open(Buffer.from(hex, 'hex'))
    return opened.ok ? opened.message : undefined
  })

const configOf = (self: string, peer: string): CoreConfig => ({
  self,
  peer,
  uuid: new Uint8Array(16).fill(7),
  bootId: '00000000000000a1',
  generation: 5,
  state: { generation: 5, peerGeneration: 0, epochCeilings: {} },
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
          times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 1000 },
          operations: ['start', 'stop', 'status'],
          exclusive: 'address',
        },
      ],
    },
  ],
  links: ['eth1'],
  targets: [{ target: 'gateway', deadpingMs: 500 }],
  autoFailback: true,
  onIsolated: 'continue',
  restartWindowMs: 60_000,
  holdDownMs: 60_000,
})

/** Lets a node of ours hear these messages, one a millisecond; returns what it did. */
function hears(config: CoreConfig, messages: readonly Message[]): readonly Effect[] {
  const core = createCore(config, liveness.create())
  const all: Effect[] = []
  let nowMs = 0
  const step = (happening: Happening): void => {
    nowMs++
    const effects = core.step({ ...happening, at: { monoMs: nowMs, bootMs: nowMs, wallMs: nowMs } })
    all.push(...structuredClone(effects))
    for (const effect of effects)
      if (effect.type === 'perform')
        step({ type: 'operation', opId: effect.request.opId, result: { ok: true, status: { state: 'running' } } })
  }
  step({ type: 'start' })
  for (const message of messages) step({ type: 'message', link: 'eth1', keyId: 1, message })
  return all
}

/** Everything that a real daemon was recorded with goes the whole way: the codec above, and then the core. */
describe('captured datagrams, heard by a node of ours', () => {
  for (const file of readdirSync(folder)) {
    const messages = read(file).filter((message) => message !== undefined)
    for (const [self, peer] of [
      ['slave', 'master'],
      ['master', 'slave'],
    ] as const) {
      const heard = messages.filter((message) => text(message, 'src') === peer)
      if (heard.length === 0) continue
      it(`${file}: ${heard.length} of the ${peer}`, () => {
        const effects = hears(configOf(self, peer), heard)
        const told = effects.flatMap((effect) => (effect.type === 'emit' ? effect.event : []))
        const dropped = told.filter(({ name }) => name === 'message:dropped')
        // Several runs of that daemon are in one file; what comes after a newer one is an old generation.
        const reasons = dropped.map(({ payload }) => (payload as { reason: string }).reason)
        assert.deepEqual(
          [...new Set(reasons)].filter((reason) => reason !== 'old-generation'),
          [],
        )
        if (heard.some((message) => text(message, 't') === 'status'))
          assert.ok(
            told.some(({ name }) => name === 'peer:alive'),
            'the daemon was heard',
          )
      })
    }
  }
})
