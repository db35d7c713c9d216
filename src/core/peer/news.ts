/** Counts the messages that were the newest of their link: the same one may be news on each link, and on none twice. */
export class News {
  readonly #newest = new Map<string, number>()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** A message of the peer's present run came; `restarted`: it is the first of that run. */
  heard(link: string, seq: number | undefined, restarted: boolean): void {
    if (restarted) this.#newest.clear()
    if (seq === undefined || seq <= (this.#newest.get(link) ?? 0)) return
    this.#newest.set(link, seq)
    this.#count++
  }
}
