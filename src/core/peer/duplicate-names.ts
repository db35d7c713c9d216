import { hexOf, type Message } from '../../wire/message.ts'
import { deadtimes } from '../timing.ts'
import type { EmitEvent } from '../types.ts'

/** So many messages in a row that go on counting are no stragglers. */
const inRowMin = 5

interface Other {
  newest: number
  inRow: number
  sinceMs: number
  lastMs: number
  told: boolean
}

/**
 * Finds out that two hosts answer to one name: a copied host, or two pairs with the same names and keys on one network. Messages
 * under the name of this node that are not its own, and messages of a run of the peer that another has superseded, both of
 * which go on. Whose messages are used does not change by it: those of the newest run of the peer.
 */
export class Namesakes {
  readonly #others = new Map<string, Other>()
  readonly #event: EmitEvent
  readonly #deadtimeMs: () => number

  constructor(event: EmitEvent, deadtimeMs: () => number) {
    this.#event = event
    this.#deadtimeMs = deadtimeMs
  }

  /** A message that verified is not of the node that has this name for us. */
  heard(node: string, incoming: Message, nowMs: number): void {
    const seq = hexOf(incoming, 'seq')
    if (seq === undefined) return
    const lastsMs = deadtimes.namesake * this.#deadtimeMs()
    const known = this.#others.get(node)
    const other =
      known && nowMs - known.lastMs <= lastsMs
        ? known
        : { newest: 0, inRow: 0, sinceMs: nowMs, lastMs: nowMs, told: false }
    this.#others.set(node, other)
    other.lastMs = nowMs
    if (seq <= other.newest) return
    other.newest = seq
    other.inRow++
    if (other.told || other.inRow < inRowMin || nowMs - other.sinceMs < lastsMs) return
    other.told = true
    this.#event('node:twice', { node })
  }

  /** Two runs of this name have proven within a moment that they run now. */
  proven(node: string, nowMs: number): void {
    const known = this.#others.get(node)
    const isNew = !known || nowMs - known.lastMs > deadtimes.namesake * this.#deadtimeMs()
    this.#others.set(node, { newest: 0, inRow: 0, sinceMs: nowMs, lastMs: nowMs, told: true })
    if (isNew || !known.told) this.#event('node:twice', { node })
  }
}
