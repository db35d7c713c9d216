import type { FrameHint } from '../roles/transport.ts'

interface Waiting {
  readonly frame: Uint8Array
  readonly hint: FrameHint | undefined
}

/**
 * What waits for a slow line. Beats and the dialogue keep their order and overtake the application's payloads; a newer beat
 * takes the place of one that was not sent yet; a message that is asked for again while it waits is not queued twice. Bounded:
 * what finds no room is dropped, the oldest of the dialogue, the newest of the payloads. All of it can be asked for again.
 */
export class LineQueue {
  readonly #limits: { readonly urgent: number; readonly payload: number }
  #urgent: Waiting[] = []
  #payloads: Waiting[] = []
  #dropped = 0

  /** Bytes that may wait in each of the two lanes. One frame may always wait, however large. */
  constructor(limits: { readonly urgent: number; readonly payload: number }) {
    this.#limits = limits
  }

  /** Frames dropped for want of room since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }

  get isEmpty(): boolean {
    return this.#urgent.length + this.#payloads.length === 0
  }

  /** Queues a frame; without a hint it counts as part of the dialogue. */
  push(frame: Uint8Array, hint?: FrameHint | undefined): void {
    if (hint?.lane === 'payload') return this.#pushPayload({ frame, hint })
    if (hint?.lane === 'beat') {
      const at = this.#urgent.findIndex((other) => other.hint?.lane === 'beat')
      const waiting = this.#urgent[at]?.hint
      if (waiting && waiting.seq >= hint.seq) return
      // In the older one's place: at the end, a beat could be put off for ever.
      if (waiting) this.#urgent[at] = { frame, hint }
      else this.#urgent.push({ frame, hint })
    } else if (!isTwin(this.#urgent, hint)) this.#urgent.push({ frame, hint })
    while (this.#urgent.length > 1 && bytesOf(this.#urgent) > this.#limits.urgent) {
      this.#urgent.shift()
      this.#dropped++
    }
  }

  #pushPayload(waiting: Waiting): void {
    if (isTwin(this.#payloads, waiting.hint)) return
    const full = this.#payloads.length > 0 && bytesOf(this.#payloads) + waiting.frame.length > this.#limits.payload
    if (full) this.#dropped++
    else this.#payloads.push(waiting)
  }

  /** The frame to send next. */
  next(): Uint8Array | undefined {
    return (this.#urgent.shift() ?? this.#payloads.shift())?.frame
  }

  /** Forgets everything: the line is dead, and what waited is worthless by the time it returns. */
  clear(): void {
    this.#urgent = []
    this.#payloads = []
  }
}

/** The same message waits already. What has no number cannot be told apart by it. */
function isTwin(waiting: readonly Waiting[], hint: FrameHint | undefined): boolean {
  return hint !== undefined && waiting.some((other) => other.hint?.lane === hint.lane && other.hint.key === hint.key)
}

function bytesOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { frame }) => sum + frame.length, 0)
}
