/** What a client makes of its answers. Pure. All times are ms on the laboratory's clock. */

/** One request: who answered it, or nobody. */
export interface Answer {
  readonly sentMs: number
  /** When the page was complete, or when the request was given up. */
  readonly doneMs: number
  readonly servedBy: string | undefined
}

/** A stretch in which one host served without another in between. */
export interface ServedRun {
  readonly by: string
  /** Sending time of its first and of its last request. */
  readonly fromMs: number
  readonly untilMs: number
  readonly answers: number
}

/** A stretch without a good answer. */
export interface Outage {
  /** Arrival of the last good answer before it, or the begin of the report. */
  readonly fromMs: number
  /** Arrival of the first good answer after it, or the end of the report. */
  readonly untilMs: number
  readonly outageMs: number
  /** Requests sent in it that nobody answered; with 0 the answers were only late. */
  readonly failed: number
  /** Share of it in which the client itself came too late to ask: noise of the machine, not of the service. */
  readonly stalledMs: number
  /** There was no good answer after it. */
  readonly ongoing: boolean
}

export interface Report {
  readonly sinceMs: number
  readonly untilMs: number
  readonly ok: number
  readonly failed: number
  /** Who served, in order of the requests. */
  readonly servedBy: readonly ServedRun[]
  /** Every outage longer than the threshold. */
  readonly outages: readonly Outage[]
  /** The longest of them; 0 when there was none. */
  readonly outageMs: number
  /** The longest time between two good answers, however short; about the interval when nothing happened. */
  readonly longestGapMs: number
  /**
   * Time in which two hosts served by turns: runs shorter than a second between two runs of another host. A switch
   * there and back on purpose takes longer.
   */
  readonly interleavedMs: number
  /** By how much the client itself came too late with a request at worst. */
  readonly stallMs: number
}

export interface ReportOptions {
  readonly sinceMs: number
  readonly untilMs: number
  /** A gap up to this long is no outage. */
  readonly thresholdMs: number
  /** The client's interval between two requests. */
  readonly everyMs: number
}

const FLAP_MS = 1000

const runsOf = (answers: readonly Answer[]): ServedRun[] => {
  const runs: ServedRun[] = []
  for (const { servedBy: by, sentMs } of answers) {
    if (by === undefined) continue
    const last = runs.at(-1)
    if (last?.by === by) runs[runs.length - 1] = { ...last, untilMs: sentMs, answers: last.answers + 1 }
    else runs.push({ by, fromMs: sentMs, untilMs: sentMs, answers: 1 })
  }
  return runs
}

const interleavedMsOf = (runs: readonly ServedRun[]): number =>
  runs.reduce((sum, run, index) => {
    const next = runs[index + 1]
    if (index === 0 || next === undefined || runs[index - 1]?.by !== next.by) return sum
    const lastedMs = next.fromMs - run.fromMs
    return lastedMs < FLAP_MS ? sum + lastedMs : sum
  }, 0)

/** Summarises the requests sent since `sinceMs`. They may be given in any order. */
export const summarise = (answers: readonly Answer[], options: ReportOptions): Report => {
  const { sinceMs, untilMs, thresholdMs, everyMs } = options
  const asked = answers
    .filter(({ sentMs }) => sentMs >= sinceMs && sentMs <= untilMs)
    .sort((a, b) => a.sentMs - b.sentMs)
  const failures = asked.filter(({ servedBy }) => servedBy === undefined)
  const good = asked.filter(({ servedBy }) => servedBy !== undefined)
  const arrivals = good.map(({ doneMs }) => doneMs).filter((doneMs) => doneMs <= untilMs)
  const marks = [sinceMs, ...arrivals.sort((a, b) => a - b), untilMs]
  const stalls = asked.map(({ sentMs }, index) => {
    const beforeMs = asked[index - 1]?.sentMs ?? sinceMs
    return { sentMs, beforeMs, lateMs: Math.max(0, sentMs - beforeMs - everyMs) }
  })
  let longestGapMs = 0
  const outages: Outage[] = []
  for (let index = 1; index < marks.length; index++) {
    const [fromMs = 0, toMs = 0] = [marks[index - 1], marks[index]]
    const outageMs = toMs - fromMs
    longestGapMs = Math.max(longestGapMs, outageMs)
    if (outageMs <= thresholdMs) continue
    const failed = failures.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs).length
    const stalledMs = stalls
      .filter(({ sentMs, beforeMs }) => sentMs > fromMs && beforeMs < toMs)
      .reduce((sum, { lateMs }) => sum + lateMs, 0)
    outages.push({ fromMs, untilMs: toMs, outageMs, failed, stalledMs, ongoing: index === marks.length - 1 })
  }
  const servedBy = runsOf(asked)
  return {
    sinceMs,
    untilMs,
    ok: good.length,
    failed: failures.length,
    servedBy,
    outages,
    outageMs: Math.max(0, ...outages.map((outage) => outage.outageMs)),
    longestGapMs,
    interleavedMs: interleavedMsOf(servedBy),
    stallMs: stalls.reduce((worst, { lateMs }) => Math.max(worst, lateMs), 0),
  }
}
