import { type Core, createCore } from '../src/core/core.ts'
import type { CoreConfig, Happening } from '../src/core/types.ts'
import { deadtime } from '../src/liveness/deadtime.ts'
import { Recorder } from '../src/recorder/recorder.ts'
import { simulatedRing } from '../src/testing/simulated-ring.ts'
import { createCodec } from '../src/wire/codec.ts'
import type { Figure } from './figure.ts'
import { benchCodec } from './sealed-pair.ts'

export function packetPath(): Figure[] {
  return [
    {
      what: 'one beat: verify (sha1), decode, core, answer sealed where there is one',
      unit: 'µs',
      values: beats().timed,
      goal: 'median under 40 µs',
    },
    {
      what: 'the same with the flight recorder on',
      unit: 'µs',
      values: beats({ recorded: true }).timed,
      goal: 'median under 40 µs',
    },
    { what: 'the same with sealed frames in place of signed ones', unit: 'µs', values: beats({ sealed: true }).timed },
    {
      what: 'what the recorder keeps of one beat and its tick',
      unit: 'bytes',
      values: [beats({ recorded: true }).bytes],
    },
  ]
}

/** Two cores that talk through real frames in virtual time; what the second one does with a packet is timed. */
function beats({ recorded = false, sealed = false } = {}): { readonly timed: number[]; readonly bytes: number } {
  const signing = createCodec({ ring: simulatedRing(), framing: 'datagram' })
  const liveness = deadtime({ keepalive: '1s', deadtime: '5s' })
  let nowMs = 0
  const at = () => ({ monoMs: nowMs, bootMs: nowMs, wallMs: nowMs })
  let recorder: Recorder | undefined
  const makeCore = (self: string, peer: string): Core => {
    const config = { ...configOf(self, peer, liveness.times), sealed }
    const core = createCore(config, liveness.create())
    if (!recorded) return core
    const { type, times } = liveness
    recorder = new Recorder({ head: { library: '', config, liveness: { type, times } }, memoryBytes: 67_108_864 })
    return recorder.wrap(core)
  }
  const makeNode = (self: 'master' | 'slave', peer: string) => ({
    core: makeCore(self, peer),
    codec: sealed ? benchCodec(self) : signing,
  })
  const master = makeNode('master', 'slave')
  const slave = makeNode('slave', 'master')
  type Node = typeof master
  /** Frames of what a step says, and of what it says to the random bytes that it asks for. */
  const step = (node: Node, input: Happening): Uint8Array[] =>
    node.core.step({ ...input, at: at() }).flatMap((effect) => {
      if (effect.type === 'askRandom')
        return step(node, { type: 'random', bytes: new Uint8Array(effect.count).fill(9) })
      return effect.type === 'send' ? [node.codec.seal(effect.message, effect.keyId, effect.sequence)] : []
    })
  const deliver = (node: Node, frame: Uint8Array): Uint8Array[] => {
    const opened = node.codec.open(frame, (mark) => node.core.isNew(mark))
    if (!opened.ok) throw new Error(`a frame was dropped: ${opened.reason}`)
    const { message, keyId, mark } = opened
    return step(node, { type: 'message', link: 'eth1', message, keyId, ...(mark && { mark }) })
  }
  /** Delivers frames, and what they are answered with, until nobody has anything to say. */
  const exchange = (sent: readonly Uint8Array[], to: Node, timed?: number[]): void => {
    for (const frame of sent) {
      const begin = process.hrtime.bigint()
      const answers = deliver(to, frame)
      timed?.push(Number(process.hrtime.bigint() - begin) / 1000)
      exchange(answers, to === master ? slave : master)
    }
  }
  exchange(step(master, { type: 'start' }), slave)
  exchange(step(slave, { type: 'start' }), master)
  const timed: number[] = []
  const count = 22_000
  for (let beat = 0; beat < count; beat++) {
    nowMs += 1000
    exchange(step(master, { type: 'tick' }), slave, beat < 2000 ? undefined : timed)
    exchange(step(slave, { type: 'tick' }), master)
  }
  if (timed.length < count - 2000) throw new Error(`only ${timed.length} beats were exchanged`)
  return { timed, bytes: (recorder?.recording().length ?? 0) / count }
}

function configOf(self: string, peer: string, times: CoreConfig['times']): CoreConfig {
  return {
    self,
    peer,
    uuid: new TextEncoder().encode(self.padEnd(16)),
    bootId: '0123456789abcdef',
    generation: 1,
    state: { generation: 1, peerGeneration: 0, epochCeilings: {} },
    times,
    deadpingMs: times.deadtimeMs,
    keyId: 1,
    groups: [{ name: 'web', preferred: 'master', resources: [] }],
    links: ['eth1'],
    targets: [],
    autoFailback: false,
    onIsolated: 'stop',
    restartWindowMs: 60_000,
    holdDownMs: 60_000,
  }
}
