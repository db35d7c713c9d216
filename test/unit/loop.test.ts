import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Core } from '../../src/core/core.ts'
import type { Input } from '../../src/core/types.ts'
import { Loop } from '../../src/engine/loop.ts'
import type { Host } from '../../src/roles/host.ts'

/** A host on which nothing happens by itself. */
const host: Host = {
  now: () => ({ monoMs: 1, bootMs: 1, wallMs: 1 }),
  takeStall: () => 0,
  wakeAt() {},
  drain() {},
  randomBytes: (count) => new Uint8Array(count).fill(7),
  perform() {},
  ask() {},
  guard() {},
  cancel() {},
  persist() {},
}

it('random bytes that the core asks for are its next input, after those that wait already', () => {
  const inputs: Input[] = []
  const core: Core = {
    step(input) {
      inputs.push(input)
      return input.type === 'start' ? [{ type: 'askRandom', count: 16 }] : []
    },
    view: () => assert.fail('nobody looks'),
    isNew: () => true,
    news: () => 0,
  }
  const loop = new Loop({
    core,
    host,
    links: [],
    silentLinkMs: 1000,
    diagnose: () => '',
    onEvent() {},
    onMessage() {},
    onReply() {},
    onHalt() {},
    onFatal() {},
  })
  loop.start()
  assert.deepEqual(
    inputs.map(({ type }) => type),
    ['start', 'random'],
  )
  const drawn = inputs[1]
  assert.ok(drawn?.type === 'random')
  assert.deepEqual(drawn.bytes, new Uint8Array(16).fill(7))
})
