import { type Message, text } from '../../wire/message.ts'
import type { CoreConfig, EmitEvent } from '../types.ts'

/** What the choice of a key needs and whom it tells. */
export interface KeysPort {
  readonly event: EmitEvent
  config(): CoreConfig
  peerKind(): 'unknown' | 'hot-standby' | 'heartbeat'
}

const idOf = (held: string): number => Number.parseInt(held, 10)

/**
 * With which key to sign or seal. The configured one, as soon as the peer says that it accepts it; until then one that the
 * peer uses itself. So a rotation may stay half done for days, and the order of its steps on the two nodes does not matter.
 */
export class Keys {
  readonly #port: KeysPort
  /** The key of the peer's last verified message. */
  #peerKeyId: number | undefined
  /** What the peer says it accepts, as `ID:CHECK`. */
  #accepted: readonly string[] = []
  #waitingFor: number | undefined
  #turn = 0

  constructor(port: KeysPort) {
    this.#port = port
  }

  /** A message of the peer was verified with this key. */
  heard(keyId: number): void {
    const { peer, keyId: active } = this.#port.config()
    if (keyId !== this.#peerKeyId && keyId !== active) this.#port.event('key:differs', { peer, keyId })
    this.#peerKeyId = keyId
  }

  /** What the peer's last `status` says of its keys. */
  heardStatus(message: Message): void {
    const keys = text(message, 'hskeys')
    this.#accepted = keys === undefined ? [] : keys.split(' ').slice(0, 16)
  }

  /** What a `status` tells of our keys; nothing where there is no choice. */
  get advertisement(): string | undefined {
    const { held = [] } = this.#port.config()
    return held.length > 1 ? held.join(' ') : undefined
  }

  /** The key for the next message; `undefined`: the active one. */
  next(): number | undefined {
    const { held = [], keyId: active, peer, sealed = false } = this.#port.config()
    // A daemon verifies with its active key whatever the message names: what it signs with is what it understands.
    if (this.#peerKeyId !== undefined && this.#port.peerKind() === 'heartbeat')
      return this.#peerKeyId === active ? undefined : this.#peerKeyId
    if (held.length < 2) return undefined
    const ids = held.map(idOf)
    // A daemon would complain of what it cannot verify; who signs is heard before an answer is needed.
    if (this.#peerKeyId === undefined && !sealed) return undefined
    // Nobody knows what the peer accepts: each in turn, the active one first.
    if (this.#peerKeyId === undefined) {
      const others = ids.filter((id) => id !== active)
      const turn = this.#turn++ % (2 * others.length)
      return turn % 2 === 0 ? undefined : others[(turn - 1) / 2]
    }
    if (this.#port.peerKind() === 'unknown') return this.#held(ids, this.#peerKeyId)
    const accepted = held.filter((key) => this.#accepts(key)).map(idOf)
    if (accepted.includes(active)) {
      if (this.#waitingFor === active) this.#port.event('key:active', { peer, keyId: active })
      this.#waitingFor = undefined
      return undefined
    }
    const using = this.#held(ids, this.#peerKeyId) ?? accepted[0]
    if (this.#waitingFor !== active) {
      this.#waitingFor = active
      this.#port.event('key:waiting', { peer, keyId: active, using: using ?? active })
    }
    return using
  }

  #held(ids: readonly number[], keyId: number): number | undefined {
    return ids.includes(keyId) ? keyId : undefined
  }

  #accepts(key: string): boolean {
    return this.#accepted.includes(key) || idOf(key) === this.#peerKeyId
  }
}
