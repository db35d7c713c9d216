import { type Message, text } from '../../wire/message.ts'

type Kind = 'status' | 'claims' | 'targets'

/** What each kind of message tells beside its sender's being alive; `hsgrp` tells claims in any of them. */
const toldBy: ReadonlyMap<string, readonly Kind[]> = new Map<string, readonly Kind[]>([
  ['status', ['status']],
  ['resource', ['claims']],
  ['num_ping_nodes', ['targets']],
  ['you_are_dead', ['targets']],
  ['abort_giveup', ['targets']],
])

/**
 * Sorts out what tells of the past: a message that was sent again, or was overtaken, proves life, but must not undo what is
 * known by now.
 */
export class Freshness {
  readonly #newest: Record<Kind, number> = { status: 0, claims: 0, targets: 0 }

  /** The peer began to count anew. */
  reset(): void {
    Object.assign(this.#newest, { status: 0, claims: 0, targets: 0 })
  }

  /** Whether something newer of the same kind came before this message. */
  isStale(message: Message, type: string, seq: number): boolean {
    const kinds = toldBy.get(type) ?? []
    const claims = text(message, 'hsgrp') !== undefined && !kinds.includes('claims')
    const stale = kinds.some((kind) => seq < this.#newest[kind]) || (claims && seq < this.#newest.claims)
    for (const kind of kinds) this.#newest[kind] = Math.max(this.#newest[kind], seq)
    if (claims) this.#newest.claims = Math.max(this.#newest.claims, seq)
    return stale
  }

  /** Whether a message of this type says nothing but what can be outdated, so that a stale one is of no use. */
  onlyTells(type: string): boolean {
    return toldBy.has(type)
  }
}
