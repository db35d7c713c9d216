/** What is made of the load's requests. Pure. All times are ms on the laboratory's clock. */

/** How a short request ended. */
export type Ending = 'answered' | 'refused' | 'unreachable' | 'reset' | 'closed' | 'timeout'

export interface ShortRequest {
  readonly sentMs: number
  readonly doneMs: number
  /** When its connection stood; undefined: never. */
  readonly connectedMs: number | undefined
  readonly ending: Ending
}

/** The short requests, counted. */
export interface Verdict {
  readonly requests: number
  readonly answered: number
  /** New connections that a host refused, or that nobody answered at all. */
  readonly refused: number
  /** Broken while the neighbour entry changed: the connection stood at one host and its packets went to the other. */
  readonly inFlight: number
  /** Rate × lifetime × changes: how many are open at such moments. */
  readonly expectedInFlight: number
  /** Failed otherwise; each is a fault. */
  readonly otherwise: number
  /** Answered, but only after the first packet of the connection was sent again (Linux waits 1 s). */
  readonly slow: number
  /** Of those that were not slow. */
  readonly meanMs: number
  readonly p99Ms: number
  /** The first of what failed otherwise: how, how long it lived, and how far away the nearest change was. */
  readonly faults: readonly string[]
}

/** The monitor tells a change a moment after it was made; on a busy machine, a long moment. */
const slackMs = 100
/** A connection attempt is repeated after 1 s. */
const repeatedMs = 900

export function judge(requests: readonly ShortRequest[], changesMs: readonly number[]): Verdict {
  const failed = requests.filter(({ ending }) => ending !== 'answered')
  const answered = requests.filter(({ ending }) => ending === 'answered')
  // A connection that never stood was new, whatever changed meanwhile: it is never excused.
  const isNew = ({ ending, connectedMs }: ShortRequest) => ending === 'refused' || connectedMs === undefined
  const crosses = ({ sentMs, doneMs }: ShortRequest) =>
    changesMs.some((atMs) => sentMs - slackMs <= atMs && atMs <= doneMs + slackMs)
  const refused = failed.filter(isNew)
  const inFlight = failed.filter((request) => !isNew(request) && crosses(request))
  const others = failed.filter((request) => !isNew(request) && !crosses(request))
  const isSlow = (ms: number) => ms > repeatedMs
  const lifetimes = answered.map(({ sentMs, doneMs }) => doneMs - sentMs).sort((a, b) => a - b)
  const usual = lifetimes.filter((ms) => !isSlow(ms))
  const meanMs = usual.reduce((sum, ms) => sum + ms, 0) / Math.max(1, usual.length)
  const spanMs = Math.max(1, (requests.at(-1)?.sentMs ?? 0) - (requests[0]?.sentMs ?? 0))
  return {
    requests: requests.length,
    answered: answered.length,
    refused: refused.length,
    inFlight: inFlight.length,
    expectedInFlight: (requests.length / spanMs) * meanMs * changesMs.length,
    otherwise: others.length,
    faults: [...refused, ...others].slice(0, 5).map(({ ending, sentMs, doneMs }) => {
      const nearest = Math.min(...changesMs.map((atMs) => Math.abs(atMs - doneMs)))
      return `${ending} after ${(doneMs - sentMs).toFixed(0)} ms, the nearest change ${nearest.toFixed(0)} ms away`
    }),
    slow: lifetimes.length - usual.length,
    meanMs,
    p99Ms: lifetimes[Math.floor(lifetimes.length * 0.99)] ?? 0,
  }
}
