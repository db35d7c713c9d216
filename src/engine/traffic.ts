/** What went over a link since the start. */
export interface LinkTraffic {
  readonly sentFrames: number
  readonly sentBytes: number
  /** Frames that verified. */
  readonly receivedFrames: number
  readonly receivedBytes: number
}

/** A link that was never used. */
export const noTraffic: LinkTraffic = { sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0 }

type Counted = { -readonly [Key in keyof LinkTraffic]: LinkTraffic[Key] }

/** Counts what goes over each link. */
export class TrafficCounters {
  readonly #links = new Map<string, Counted>()

  #of(link: string): Counted {
    let traffic = this.#links.get(link)
    if (!traffic) {
      traffic = { ...noTraffic }
      this.#links.set(link, traffic)
    }
    return traffic
  }

  sent(link: string, bytes: number): void {
    const traffic = this.#of(link)
    traffic.sentFrames++
    traffic.sentBytes += bytes
  }

  received(link: string, bytes: number): void {
    const traffic = this.#of(link)
    traffic.receivedFrames++
    traffic.receivedBytes += bytes
  }

  view(link: string): LinkTraffic {
    return { ...(this.#links.get(link) ?? noTraffic) }
  }
}
