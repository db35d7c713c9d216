import { HotStandbyError } from '../roles/error.ts'

/**
 * Changes of one thing, one at a time: a newer one ends what is under way and comes next; what it overtakes is never applied after it.
 */
export class NewestWins {
  #last: Promise<unknown> = Promise.resolve()
  #current: AbortController | undefined
  #ended: Error | undefined

  /**
   * Runs a change when the one before it has ended. Its signal aborts when a newer one comes, or at the {@link end}.
   * Rejects with `HS_SUPERSEDED` when it was overtaken.
   */
  run(change: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#ended) return Promise.reject(this.#ended)
    const mine = new AbortController()
    this.#current?.abort(
      new HotStandbyError(
        'HS_SUPERSEDED',
        'a newer reload came before this one had come into force; its options count',
      ),
    )
    this.#current = mine
    const { signal } = mine
    const running = this.#last.then(async () => {
      signal.throwIfAborted()
      await change(signal)
    })
    this.#last = running.catch(() => {})
    return running
  }

  /** Ends what is under way; what comes later is refused. Nobody waits for anything. */
  end(reason: Error): void {
    this.#ended = reason
    this.#current?.abort(reason)
  }
}
