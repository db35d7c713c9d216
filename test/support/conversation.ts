import { createCore } from '../../src/core/core.ts'
import type { CoreEvent, EventName, EventPayloads } from '../../src/core/events.ts'
import type { CoreConfig, Effect, GroupConfig, Happening } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { message, text } from '../../src/wire/message.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

/** A group of one address, that can be announced. */
export const groupOf = (name: string, preferred: string): GroupConfig => ({
  name,
  preferred,
  key: `IPaddr::${name}`,
  resources: [
    {
      name: `vip-${name}`,
      times: { startMs: 1000, stopMs: 1000, statusMs: 500, intervalMs: 1000 },
      operations: ['start', 'stop', 'status', 'announce'],
      exclusive: 'address',
    },
  ],
})

/** A node of ours whose peer is a daemon. */
export const daemonPair = (
  self: string,
  groups: readonly GroupConfig[],
  changes: Partial<CoreConfig> = {},
): CoreConfig => ({
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
  ...changes,
})

const header = { srcuuid: new Uint8Array(16).fill(8), ts: '1', ttl: '3' }
const toldOf: readonly string[] = ['t', 'rsc_hold', 'isstable', 'info', 'ipaddr', 'weown', 'num_ping']
/** Said all the time, and not part of the conversation. */
const untold: readonly string[] = ['status', 'NS_ackmsg', 'NS_rexmit', 'repnodes']

/** Our node, told what a daemon says, line by line; its resources do at once what they are asked. */
export class Conversation {
  readonly #config: CoreConfig
  readonly #core: ReturnType<typeof createCore>
  readonly #said: string[] = []
  readonly #events: CoreEvent[] = []
  readonly #performed: string[] = []
  readonly #replies: string[] = []
  #nowMs = 0
  #wakeMs: number | null = null
  #seq = 0
  /** Ids of the keys that our node's messages are to be signed with, the newest last; undefined: its active one. */
  readonly keyIds: (number | undefined)[] = []
  /** The daemon's generation. */
  generation = '9'
  /** Id of the key that the daemon signs with. */
  keyId = 1

  constructor(config: CoreConfig) {
    this.#config = config
    this.#core = createCore(config, liveness.create())
    this.#step({ type: 'start' })
  }

  /** The daemon says something; returns what our node said since it was last asked, beats left out. */
  hears(fields: Record<string, string>, seq = ++this.#seq): readonly string[] {
    const incoming = message({
      src: this.#config.peer,
      ...fields,
      ...header,
      hg: this.generation,
      seq: seq.toString(16),
    })
    this.#step({ type: 'message', link: 'eth1', keyId: this.keyId, message: incoming })
    return this.said()
  }

  hearsStatus(st: string, dt = '3e8'): readonly string[] {
    return this.hears({ t: 'status', st, dt, protocol: '1' })
  }

  /** The daemon begins a new run, and is active again. */
  restarts(): readonly string[] {
    this.generation = (Number.parseInt(this.generation, 16) + 1).toString(16)
    this.#seq = 0
    this.hearsStatus('up')
    return this.hearsStatus('active')
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

  leaves(): readonly string[] {
    this.#step({ type: 'command', id: 2, command: { name: 'stop' } })
    return this.said()
  }

  observes(target: string, reachable: boolean): readonly string[] {
    this.#step({ type: 'observation', observation: { target, reachable } })
    return this.said()
  }

  /** Lets time pass, in which the daemon beats or is silent. */
  passes(ms: number, beats: 'beats' | 'silent' = 'beats'): readonly string[] {
    const endMs = this.#nowMs + ms
    let beatMs = this.#nowMs
    while (this.#nowMs < endMs) {
      const wakeMs = Math.max(this.#wakeMs ?? endMs, this.#nowMs + 1)
      this.#nowMs = Math.min(endMs, wakeMs, beats === 'beats' ? Math.max(beatMs + 200, this.#nowMs + 1) : endMs)
      if (beats === 'beats' && this.#nowMs >= beatMs + 200) {
        beatMs = this.#nowMs
        const beat = { t: 'status', st: 'active', dt: '3e8', src: this.#config.peer, ...header }
        const incoming = message({ ...beat, hg: this.generation, seq: (++this.#seq).toString(16) })
        this.#step({ type: 'message', link: 'eth1', keyId: this.keyId, message: incoming })
      } else this.#step({ type: 'tick' })
    }
    return this.said()
  }

  serves(name: string): boolean {
    return this.#core.view().groups.find((entry) => entry.name === name)?.state === 'active'
  }

  said(): readonly string[] {
    return this.#said.splice(0)
  }

  /** Payloads of an event, since the last look. */
  told<Name extends EventName>(name: Name): readonly EventPayloads[Name][] {
    const found = this.#events.splice(0).filter((event) => event.name === name)
    return found.map(({ payload }) => payload as EventPayloads[Name])
  }

  /** How often an operation was performed since the last look. */
  performed(operation: string): number {
    return this.#performed.splice(0).filter((name) => name === operation).length
  }

  /** Answers of commands: the refusal, or `done`. */
  replies(): readonly string[] {
    return this.#replies.splice(0)
  }

  #step(happening: Happening): void {
    this.#nowMs += happening.type === 'tick' ? 0 : 1
    const at = { monoMs: this.#nowMs, bootMs: this.#nowMs, wallMs: 1_700_000_000_000 + this.#nowMs }
    const effects = this.#core.step({ ...happening, at })
    for (const effect of effects) this.#note(effect)
    for (const effect of effects) {
      if (effect.type === 'drain') this.#step({ type: 'drained' })
      if (effect.type !== 'perform') continue
      const { opId } = effect.request
      this.#step({ type: 'operation', opId, result: { ok: true, status: { state: 'running' } } })
    }
  }

  #note(effect: Effect): void {
    if (effect.type === 'wakeAt') this.#wakeMs = effect.monoMs
    if (effect.type === 'emit') this.#events.push(effect.event)
    if (effect.type === 'perform') this.#performed.push(effect.request.operation)
    if (effect.type === 'reply') this.#replies.push(effect.refusal?.message ?? 'done')
    if (effect.type !== 'send') return
    this.keyIds.push(effect.keyId)
    if (untold.includes(text(effect.message, 't') ?? '')) return
    const words = toldOf.map((name) => text(effect.message, name))
    this.#said.push(words.filter((word) => word !== undefined).join(' '))
  }
}
