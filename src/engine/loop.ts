import type { Core } from '../core/core.ts'
import type { CoreEvent, EventName, EventPayloads } from '../core/events.ts'
import type { Command, Effect, Happening, Refusal } from '../core/types.ts'
import type { LineBudget } from '../options/line-budget.ts'
import type { Observation } from '../roles/arbiter.ts'
import { messageOf } from '../roles/error.ts'
import type { Host } from '../roles/host.ts'
import type { Transport, TransportDrop } from '../roles/transport.ts'
import { claimedSender } from '../wire/claimed-sender.ts'
import type { ClassicCutter } from '../wire/classic-cutter.ts'
import type { Codec, DropReason, FrameMark } from '../wire/codec.ts'
import type { Message } from '../wire/message.ts'
import { IngressFilter } from './ingress-filter.ts'
import { forSlowLine, hintOf, reckonsOtherwise } from './slow-line.ts'
import { type LinkTraffic, TrafficCounters } from './traffic.ts'

/** One link as the loop uses it. */
export interface LoopLink {
  readonly link: string
  readonly transport: Transport
  readonly codec: Codec
  /** Finds the frames of a link that is a stream of bytes. */
  readonly cutter?: ClassicCutter | undefined
  /** What a slow line can carry. */
  readonly budget?: LineBudget | undefined
}

/** What the loop is built from and whom it tells. */
export interface LoopOptions {
  readonly core: Core
  readonly host: Host
  readonly links: readonly LoopLink[]
  /** Nothing heard on a link for so long after the start is told, with the likely cause. */
  readonly silentLinkMs: number
  diagnose(link: string, junk: number): string
  onEvent(event: CoreEvent): void
  /** Hears of what does not come from the core: a link, an agent, received junk. */
  onTold?(event: CoreEvent): void
  onMessage(payload: Uint8Array): void
  onReply(id: number, refusal: Refusal | undefined): void
  onHalt(): void
  onFatal(group: string, reason: string): void
}

/**
 * The one place where inputs meet the core and effects meet the world. One input at a time, in order; an effect that fails
 * is told and harms nothing else. It sees the world only through {@link Host}, so a simulator runs this very loop.
 */
export class Loop {
  readonly #options: LoopOptions
  #links: readonly LoopLink[]
  readonly #waiting: Happening[] = []
  readonly #isNew = (mark: FrameMark): boolean => this.#options.core.isNew(mark)
  readonly #ingress = new IngressFilter((notice) => this.tell('frame:dropped', notice))
  readonly #traffic = new TrafficCounters()
  /** Slow lines on which the peer sends other beats than this node would. */
  readonly #differs = new Set<string>()
  #stepping = false
  /** Before its start a node takes part in nothing: links, agents and arbiters are still being opened. */
  #running = false
  #startedMs = 0
  #coreWakeMs: number | null = null
  #silenceTold = false

  constructor(options: LoopOptions) {
    this.#options = options
    this.#links = options.links
  }

  start(): void {
    this.#startedMs = this.#options.host.now().monoMs
    this.#running = true
    this.input({ type: 'start' })
  }

  /** New keys: the codecs are exchanged, the links stay open. */
  setLinks(links: readonly LoopLink[]): void {
    this.#links = links
  }

  /** Packets arrive here. */
  receive(link: string, bytes: Uint8Array, from: string): void {
    if (!this.#running) return
    const entry = this.#links.find((other) => other.link === link)
    if (!entry) return
    const frames = entry.cutter ? this.#cut(entry, entry.cutter, bytes, from) : [bytes]
    for (const frame of frames) this.#open(entry, frame, from)
  }

  /** What belongs to no frame, a half one above all, is only counted. */
  #cut({ link }: LoopLink, cutter: ClassicCutter, bytes: Uint8Array, from: string): readonly Uint8Array[] {
    const before = cutter.discarded
    const frames = cutter.push(bytes)
    const garbage = cutter.discarded - before
    const { monoMs } = this.#options.host.now()
    if (garbage > 0)
      this.#ingress.refused(link, 'malformed', from, () => `${garbage} bytes that belong to no frame`, monoMs)
    return frames
  }

  #open(entry: LoopLink, frame: Uint8Array, from: string): void {
    const { link, codec, transport } = entry
    const { monoMs } = this.#options.host.now()
    if (!this.#ingress.admits(link, from, monoMs)) return this.#ingress.dropped(link, 'flood', from, none, monoMs)
    if (this.#ingress.isRepeated(link, frame)) return this.#ingress.dropped(link, 'replayed', from, none, monoMs)
    const opened = codec.open(frame, this.#isNew)
    if (!opened.ok) {
      const { reason, detail } = opened
      return this.#ingress.refused(link, reason, from, () => detail ?? hint(reason, frame), monoMs)
    }
    this.#traffic.received(link, frame.length)
    const { message, keyId, mark } = opened
    this.#compareBudgets(entry, message)
    const { core } = this.#options
    const before = core.news()
    this.input({ type: 'message', link, message, keyId, ...(mark && { mark }) })
    if (core.news() === before) return this.#ingress.stale(link, from, monoMs)
    this.#ingress.news(link, from, frame, monoMs)
    transport.heardPeer?.(from)
  }

  /** Both nodes must come to the same of what a slow line can carry. */
  #compareBudgets({ link, budget }: LoopLink, message: Message): void {
    if (!budget) return
    const differs = reckonsOtherwise(message, budget, this.#options.core.view().peer.kind === 'hot-standby')
    if (differs === undefined || differs === this.#differs.has(link)) return
    if (!differs) return void this.#differs.delete(link)
    this.#differs.add(link)
    const [who, other] = budget.extras ? ['the peer', 'this node'] : ['this node', 'the peer']
    const message_ = `${who} leaves the extra fields out on this slow line, ${other} does not: compare keepalive, baud, nodes, groups and keys of both`
    this.tell('problem', { where: `link ${link}`, code: 'HS_TRANSPORT', message: message_ })
  }

  /** A transport turned bytes away by itself. */
  dropped(link: string, reason: TransportDrop, from: string): void {
    if (this.#running) this.#ingress.dropped(link, reason, from, none, this.#options.host.now().monoMs)
  }

  /** How many packets were dropped on a link since the start, by reason. */
  drops(link: string): Readonly<Record<string, number>> {
    return this.#ingress.counts(link)
  }

  /** What went over a link so far. */
  traffic(link: string): LinkTraffic {
    return this.#traffic.view(link)
  }

  observe(observation: Observation): void {
    this.input({ type: 'observation', observation })
  }

  changed(resource: string): void {
    this.input({ type: 'changed', resource })
  }

  command(id: number, command: Command): void {
    this.input({ type: 'command', id, command })
  }

  /** The host's timer fired, or a signal said that this process runs again. */
  wake(): void {
    if (!this.#running) return
    this.#tellSilentLinks()
    this.input({ type: 'tick' })
  }

  /** A turn of the core, now; false when it has ended, or is in the middle of one. */
  turn(): boolean {
    if (!this.#running || this.#stepping) return false
    this.wake()
    return this.#running
  }

  drained(): void {
    this.input({ type: 'drained' })
  }

  tell<Name extends EventName>(name: Name, payload: EventPayloads[Name]): void {
    const { monoMs } = this.#options.host.now()
    const event = { name, monoMs, payload } as CoreEvent
    this.#options.onTold?.(event)
    this.#options.onEvent(event)
  }

  /** Sorts one input in; those that arise meanwhile wait their turn. */
  input(happening: Happening): void {
    if (!this.#running) return
    // Before anything else: did we sleep? The first question on waking is whether we may still own (rule S6 of docs/safety.md).
    const stallMs = this.#options.host.takeStall()
    if (stallMs > 0) this.#waiting.push({ type: 'stall', stallMs })
    this.#waiting.push(happening)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#step(next)
    } finally {
      this.#stepping = false
    }
    if (this.#running) this.#options.host.wakeAt(this.#nextWakeMs())
  }

  #step(happening: Happening): void {
    const effects = this.#options.core.step({ ...happening, at: this.#options.host.now() })
    for (const effect of effects) {
      try {
        this.#perform(effect)
      } catch (error) {
        this.tell('problem', { where: effect.type, code: 'HS_HOST', message: messageOf(error) })
      }
    }
  }

  #perform(effect: Effect): void {
    const { host } = this.#options
    switch (effect.type) {
      case 'send':
        return this.#send(effect)
      case 'wakeAt':
        this.#coreWakeMs = effect.monoMs
        return
      case 'drain':
        return host.drain()
      case 'perform': {
        const { opId } = effect.request
        return host.perform(effect.request, (result) => this.input({ type: 'operation', opId, result }))
      }
      case 'ask': {
        const { opId } = effect.request
        return host.ask(effect.request, (result) => this.input({ type: 'answer', opId, result }))
      }
      case 'guard':
        return host.guard(effect, (failed) => this.input({ type: 'guarded', failed }))
      case 'cancel':
        return host.cancel(effect.opId)
      case 'persist':
        return host.persist(effect.state, (error) =>
          this.input({ type: 'persisted', failed: error === null ? undefined : error.message }),
        )
      case 'askRandom':
        return this.input({ type: 'random', bytes: host.randomBytes(effect.count) })
      case 'deliver':
        return this.#options.onMessage(effect.payload)
      case 'emit':
        return this.#options.onEvent(effect.event)
      case 'reply':
        return this.#options.onReply(effect.id, effect.refusal)
      case 'halt':
        this.#end()
        return this.#options.onHalt()
      case 'fatal':
        this.#end()
        this.tell('fatal', { group: effect.group, reason: effect.reason })
        return this.#options.onFatal(effect.group, effect.reason)
    }
  }

  #end(): void {
    this.#running = false
    this.#waiting.length = 0
    this.#options.host.wakeAt(null)
  }

  #send({ message, keyId, sequence }: Extract<Effect, { type: 'send' }>): void {
    // Links of one kind share a codec, and a message that is not shortened: the frame is made once,
    // unless each one has a number of its own.
    const frames = new Map<Codec, Map<Message, Uint8Array>>()
    const hint = hintOf(message)
    for (const [index, { transport, codec, budget, link }] of this.#links.entries()) {
      const outgoing = budget ? forSlowLine(message, budget) : message
      if (!outgoing) continue
      const made = frames.get(codec) ?? new Map<Message, Uint8Array>()
      frames.set(codec, made)
      try {
        const frame = made.get(outgoing) ?? codec.seal(outgoing, keyId, sequence && sequence + index)
        if (!codec.numbered) made.set(outgoing, frame)
        transport.send(frame, hint)
        this.#traffic.sent(link, frame.length)
      } catch (error) {
        // What one framing cannot carry, another may.
        this.tell('problem', { where: `link ${link}`, code: 'HS_FRAME', message: messageOf(error) })
      }
    }
  }

  #nextWakeMs(): number | null {
    if (this.#silenceTold) return this.#coreWakeMs
    const silentAtMs = this.#startedMs + this.#options.silentLinkMs
    return this.#coreWakeMs === null ? silentAtMs : Math.min(this.#coreWakeMs, silentAtMs)
  }

  #tellSilentLinks(): void {
    if (this.#silenceTold) return
    const sinceMs = this.#options.host.now().monoMs - this.#startedMs
    if (sinceMs < this.#options.silentLinkMs) return
    this.#silenceTold = true
    for (const { link } of this.#links) {
      if (this.#traffic.view(link).receivedFrames > 0) continue
      const cause = this.#options.diagnose(link, this.#ingress.junk(link))
      this.tell('link:silent', { link, sinceMs: Math.round(sinceMs), cause })
    }
  }
}

/** What cannot be told apart before a signature is right: another secret here or there, and another cluster. */
const unverified: readonly DropReason[] = ['unknown-key', 'keyless', 'bad-signature']

const none = (): null => null

function hint(reason: DropReason, bytes: Uint8Array): string | null {
  if (!unverified.includes(reason)) return null
  const sender = claimedSender(bytes)
  const who = sender === undefined ? '' : `; it says that it is from '${sender}' (unverified)`
  return `another key, or another cluster on the same port${who}`
}
