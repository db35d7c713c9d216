import type { LivenessTimes } from '../roles/liveness-detector.ts'

// Every multiple of the times of a pair, and every inequality between them, with the reason. Whoever needs one asks here.

/** Multiples of keepalive. */
export const beats = {
  /** The next beat follows a late one after half of the interval: the rhythm is kept, and two never go out together. */
  closest: 0.5,
  /** A word about an address is repeated as often as a beat while another node answers for it. */
  repeat: 1,
  /** After a target alone has answered, the next beat of the peer gets the time to arrive before this node counts as connected. */
  listen: 1.5,
  /** The peer beats: one beat may be lost, and the next one late. */
  heardLately: 2.5,
  /** Both nodes have come to rest: what one of them did was seen by the other, and answered. */
  settled: 2,
  /** Durations that two nodes measured and that differ by less are equal. */
  tie: 2,
  /** The poorer node gives up after Heartbeat's delay: a target that both lose for a moment moves nothing. */
  giveUp: 2,
  /** After a long stall of our own, two beats of a living peer must have had the time to come before a verdict (S3). */
  freshBeforeVerdict: 2,
  /** Messages that were held up come all at once; one that still comes after two beats is sent by a living peer (S11). */
  heldUp: 2,
  /** What the peer last said in our own fields is given up so long before its echo would look as if it did not hear us. */
  extrasEnd: 2,
  /** A peer that hears us has said so: one beat to reach it, one to come back, one lost. */
  echo: 3,
  /** After a long stall, what this node knows may be from before it until the peer has had the time to say otherwise. */
  justWoke: 3,
  /** The question whether a group is still ours has been heard, or nobody hears it. */
  probation: 3,
  /** A free group is left to its preferred node for so long. */
  preferredFirst: 3,
  /** The guard of a node whose peer is silent, or has not said yet that it hears us, is open for so long after each turn. */
  guard: 2,
  /** A group that the peer could have taken, and has left free for so long, is left to this node. */
  leftAlone: 3,
  /** A peer that is heard for longer is no acquaintance of a moment ago: durations need no comparison. */
  metLongAgo: 10,
} as const

/** Multiples of the dead time. */
export const deadtimes = {
  /** A stall from here on may hide a death: fresh time must pass before the next verdict (S3). */
  longStall: (1 / 3) as number,
  /** Another node with our name is no straggler of a restart once it is heard for so long; quiet for as long, it is over. */
  namesake: 2,
  /** A stall that the peer tells of bears on verdicts for so long. */
  peerStallMemory: 3,
  /** An announced pause is no longer than this: for so long the peer would not notice our death. */
  pause: 3,
  /** A dead time announced by the peer is believed up to this many of ours: a typing error there must not disarm us here. */
  believed: 10,
} as const

/** A dead time announced by the peer is always believed up to here: the files of one node may be older than those of the other. */
const deadtimeAlwaysBelievedMs = 60_000

/** Up to where a node with this dead time believes one that its peer announces, if that is not in force already. */
export function believedDeadtimeMs(ownMs: number): number {
  return Math.max(deadtimes.believed * ownMs, deadtimeAlwaysBelievedMs)
}

/** How far the clock of a host may run fast or slow: 1 % is far more than any working clock does. */
const clockRateError = 0.01
/** What an isolated node needs to cut off what can be cut. */
const cutMs = 100
/** Lateness of timers that is reckoned with. */
const marginMs = 50

/** What must be known of a resource to say when it is harmless. */
interface Stoppable {
  readonly times: { readonly stopMs: number }
  readonly operations: readonly string[]
  readonly exclusive?: 'address' | 'data' | undefined
}

/** The times of a pair, and what they bear on. */
export interface PairTimes {
  readonly times: LivenessTimes
  /** `deadping` of the pair, if it was written. */
  readonly deadpingMs?: number | undefined
  /** The ping targets, each with the silence after which it counts as unreachable. */
  readonly targets: readonly { readonly deadpingMs: number }[]
  readonly groups: readonly { readonly name: string; readonly resources: readonly Stoppable[] }[]
}

/** Where an isolated node cuts its addresses off first, a group is harmless at once if nothing of it writes to data of its own accord. */
export function isCutOff(resources: readonly Stoppable[]): boolean {
  const canBeCut = ({ operations }: Stoppable): boolean => operations.includes('isolate')
  return resources.some(canBeCut) && resources.every((each) => canBeCut(each) || each.exclusive === 'address')
}

/** Until an isolated node has made a group harmless: the cut, and where that is not enough the limits of every stop. */
function harmlessMs(resources: readonly Stoppable[]): number {
  return cutMs + (isCutOff(resources) ? 0 : resources.reduce((sum, { times }) => sum + times.stopMs, 0))
}

/** The group that takes longest, and how long that is; a pair without groups only has to cut off nothing. */
function slowestGroup(groups: PairTimes['groups']): { readonly name: string; readonly harmlessAfterMs: number } {
  return groups
    .map(({ name, resources }) => ({ name, harmlessAfterMs: harmlessMs(resources) }))
    .reduce((slowest, each) => (each.harmlessAfterMs > slowest.harmlessAfterMs ? each : slowest), {
      name: '',
      harmlessAfterMs: cutMs,
    })
}

/**
 * How long both nodes can serve when one is cut off from its peer and every ping target at once: it notices after `deadpingMs`
 * and must then make its groups harmless, while the peer takes over after the dead time. 0 where the times rule an overlap out.
 *
 * h + T·(1+ρ) + S + m − D·(1−ρ), with h keepalive, T deadping, ρ clock error, S the time to be harmless, m the margin, D the dead time.
 */
export function overlapMs(
  { keepaliveMs, deadtimeMs }: LivenessTimes,
  deadpingMs: number,
  groups: PairTimes['groups'],
): number {
  const isolatedMs = keepaliveMs + deadpingMs * (1 + clockRateError) + slowestGroup(groups).harmlessAfterMs + marginMs
  return Math.max(0, Math.round(isolatedMs - deadtimeMs * (1 - clockRateError)))
}

/**
 * `deadping` where none is written: the longest that lets nobody serve beside the peer. Where the stop limits alone are longer
 * than the dead time, the longest for what can be cut off; it is never so short that the loss of two answers is a failure.
 */
export function defaultDeadpingMs(times: LivenessTimes, groups: PairTimes['groups']): number {
  const longest = (harmlessAfterMs: number) => longestDeadpingMs(times, harmlessAfterMs, 0)
  const leastMs = leastDeadpingMs(times)
  const full = longest(slowestGroup(groups).harmlessAfterMs)
  return full >= leastMs ? full : Math.max(longest(cutMs), leastMs)
}

/** The longest silence of a target that overlaps by no more than `overlap`; never so short that the loss of two answers is a failure. */
export function carefulDeadpingMs(times: LivenessTimes, groups: PairTimes['groups'], overlap: number): number {
  return Math.max(longestDeadpingMs(times, slowestGroup(groups).harmlessAfterMs, overlap), leastDeadpingMs(times))
}

const leastDeadpingMs = ({ keepaliveMs }: LivenessTimes): number => Math.floor(2 * keepaliveMs) + 1

function longestDeadpingMs(
  { keepaliveMs, deadtimeMs }: LivenessTimes,
  harmlessAfterMs: number,
  overlap: number,
): number {
  const leftMs = deadtimeMs * (1 - clockRateError) - keepaliveMs - harmlessAfterMs - marginMs + overlap
  return Math.floor(leftMs / (1 + clockRateError))
}

/**
 * The stall from which on the peer may have thought this node dead for the stall alone, an announced pause included. A peer that
 * is not there would first have had to start, and to wait for this node.
 */
export function thoughtDeadAfterMs(times: LivenessTimes, pauseMs: number, peerAlive: boolean): number {
  const { keepaliveMs, deadtimeMs, initdeadMs } = times
  return (peerAlive ? deadtimeMs + pauseMs : initdeadMs) - keepaliveMs
}

/** One problem of a pair's times. */
export interface TimingIssue {
  /** `keepalive`, `warntime`, `deadtime`, `initdead`, `deadping`, `arbiters[N].deadping`, or `lease.ttl`. */
  readonly path: string
  readonly severity: 'error' | 'warning'
  readonly message: string
}

type Rule<Facts> = readonly [
  path: string,
  severity: TimingIssue['severity'],
  broken: (facts: Facts) => boolean,
  says: (facts: Facts) => string,
]

/** Relations of the four times of a detector. A comparison with NaN, an unreadable time, is false: that one was told already. */
const livenessRules: readonly Rule<LivenessTimes>[] = [
  [
    'keepalive',
    'error',
    ({ keepaliveMs }) => keepaliveMs < 1,
    ({ keepaliveMs }) => `${keepaliveMs} ms is too short; at least 1ms`,
  ],
  [
    'deadtime',
    'error',
    ({ keepaliveMs, deadtimeMs }) => deadtimeMs <= 2 * keepaliveMs,
    ({ keepaliveMs, deadtimeMs }) =>
      `${deadtimeMs} ms is not more than 2 × keepalive (${2 * keepaliveMs} ms): one lost beat would be a death`,
  ],
  [
    'warntime',
    'warning',
    ({ keepaliveMs, warntimeMs }) => warntimeMs <= keepaliveMs,
    ({ keepaliveMs, warntimeMs }) =>
      `${warntimeMs} ms is not more than keepalive (${keepaliveMs} ms): every beat is called late`,
  ],
  [
    'warntime',
    'warning',
    ({ warntimeMs, deadtimeMs }) => warntimeMs >= deadtimeMs,
    ({ warntimeMs, deadtimeMs }) =>
      `${warntimeMs} ms is not less than deadtime (${deadtimeMs} ms): the peer is never called late before it is dead`,
  ],
  [
    'initdead',
    'error',
    ({ initdeadMs, deadtimeMs }) => initdeadMs < deadtimeMs,
    ({ initdeadMs, deadtimeMs }) =>
      `${initdeadMs} ms is less than deadtime (${deadtimeMs} ms): a starting peer gets at least as long as a running one`,
  ],
  [
    'deadtime',
    'warning',
    ({ deadtimeMs }) => deadtimeMs < 1000,
    ({ deadtimeMs }) =>
      `${deadtimeMs} ms is below 1 s: beats leave from the main thread, so a pause of this process (garbage collection, a long loop) of that length makes the peer take over`,
  ],
]

/** What is wrong with the times of a detector, all of it at once. */
export function livenessIssues(times: LivenessTimes): readonly TimingIssue[] {
  return livenessRules
    .filter(([, , broken]) => broken(times))
    .map(([path, severity, , says]) => ({ path, severity, message: says(times) }))
}

/** What is wrong with the silences allowed to ping targets: each of them, and the overlap that they lead to. */
export function deadpingIssues(pair: PairTimes): readonly TimingIssue[] {
  const { times, deadpingMs, targets } = pair
  const { keepaliveMs } = times
  const silences = [
    { path: 'deadping', ms: deadpingMs },
    ...targets.map(({ deadpingMs: ms }, index) => ({ path: `arbiters[${index}].deadping`, ms })),
  ]
  const tooShort = silences.flatMap(({ path, ms }): TimingIssue[] => {
    const told = path !== 'deadping' && ms === deadpingMs
    if (ms === undefined || told || ms > 2 * keepaliveMs || !(keepaliveMs > 0)) return []
    const message = `${ms} ms is not more than 2 × keepalive (${2 * keepaliveMs} ms)`
    return [{ path, severity: 'error', message }]
  })
  return [...tooShort, ...overlapIssues(pair)]
}

function overlapIssues({ times, targets, groups }: PairTimes): readonly TimingIssue[] {
  // Who asks nobody is never isolated: nothing is promised for a cut (class G0).
  if (targets.length === 0) return []
  const deadpingMs = Math.max(...targets.map((target) => target.deadpingMs))
  const ms = overlapMs(times, deadpingMs, groups)
  if (!(ms > 0)) return []
  const { name, harmlessAfterMs } = slowestGroup(groups)
  const stops =
    harmlessAfterMs > cutMs
      ? ` and the stop of ${name}, which cannot be cut off and may take ${harmlessAfterMs - cutMs} ms,`
      : ''
  const shorter = harmlessAfterMs > cutMs ? 'a shorter deadping, shorter stop limits' : 'a shorter deadping'
  const message =
    `deadping (${deadpingMs} ms)${stops} lets both nodes serve for up to ${ms} ms when one is cut off from its peer and every ` +
    `ping target: the peer takes over after deadtime (${times.deadtimeMs} ms), the isolated node is harmless only later ` +
    `(without an upper limit where onIsolated is continue); ${shorter} or a longer deadtime closes the gap`
  return [{ path: 'deadping', severity: 'warning', message }]
}

/** Everything that is wrong with the times of a pair. */
export function timingIssues(pair: PairTimes): readonly TimingIssue[] {
  return [...livenessIssues(pair.times), ...deadpingIssues(pair)]
}

/** Parts of the period in which a lease is renewed. */
export const renewals = {
  /** The holder tries so often before it has to stop: one answer may be lost, and the next one late (L6). */
  tries: 3,
  /** Who waits for a lease looks so often within one period. */
  looks: 4,
} as const

/** What a round trip to a lease store is reckoned with, where a period of renewal is chosen. */
const storeRoundTripMs = 50
/** The clock that also counts sleep is read in steps. */
const sleepClockStepMs = 20
/** A lease is renewed so often within its length, where nothing is configured. */
const renewalsInTtl = 7.5

/**
 * For how long a holder may use a lease, from the moment in which its write was *sent*, by a clock that may run slow: who waits
 * for the end counts from a later moment, by a clock that may run fast (L1).
 */
export function leaseHeldMs(ttlMs: number): number {
  return ttlMs * (1 - clockRateError)
}

/** For how long a record must not have changed before another node may take it, by a clock that may run fast. */
export function leaseQuietMs(ttlMs: number): number {
  return ttlMs * (1 + clockRateError)
}

/** How long before its end the holder of a lease begins to stop: the cut, or every stop limit, and the lateness of timers (L2). */
export function leaseBudgetMs(resources: readonly Stoppable[]): number {
  return harmlessMs(resources) + marginMs + sleepClockStepMs
}

/** How often a lease is renewed, where nothing is configured. */
export function defaultRenewMs(ttlMs: number, groups: PairTimes['groups']): number {
  const leftMs = leaseHeldMs(ttlMs) - slowestLeaseBudget(groups).budgetMs
  const usualMs = Math.max(1, Math.floor(ttlMs / renewalsInTtl))
  const longestMs = Math.floor(leftMs / renewals.tries - storeRoundTripMs)
  // Where none fits, the ttl is too short, and that is told.
  return longestMs < 1 ? usualMs : Math.min(usualMs, longestMs)
}

function slowestLeaseBudget(groups: PairTimes['groups']): { readonly name: string; readonly budgetMs: number } {
  const { name, harmlessAfterMs } = slowestGroup(groups)
  return { name, budgetMs: harmlessAfterMs + marginMs + sleepClockStepMs }
}

/** The times of a lease. */
export interface LeaseTimes {
  readonly ttlMs: number
  readonly renewMs: number
}

/** What is wrong with the times of a lease: three renewals must fit between a change and the moment in which the holder has to stop. */
export function leaseIssues({ ttlMs, renewMs }: LeaseTimes, groups: PairTimes['groups']): readonly TimingIssue[] {
  const { name, budgetMs } = slowestLeaseBudget(groups)
  const leftMs = leaseHeldMs(ttlMs) - budgetMs
  const neededMs = renewals.tries * (renewMs + storeRoundTripMs)
  if (!(neededMs > leftMs)) return []
  const stops = budgetMs > cutMs + marginMs + sleepClockStepMs
  const because = stops
    ? `${name} cannot be cut off, so its holder begins to stop ${Math.ceil(budgetMs)} ms before the end (the sum of its stop limits)`
    : `its holder begins to stop ${Math.ceil(budgetMs)} ms before the end`
  const leastMs = Math.ceil((neededMs + budgetMs) / (1 - clockRateError))
  const message =
    `${ttlMs} ms is too short: ${because}, and ${renewals.tries} renewals, one every ${renewMs} ms, must fit before that; ` +
    `at least ${leastMs} ms${stops ? ', or shorter stop limits' : ''}`
  return [{ path: 'lease.ttl', severity: 'error', message }]
}

/** How late the kernel may be in cutting an address off, with the lateness of the line that renews it. */
export const guardMarginMs: number = marginMs

/** For how long after a message that the peer has surely heard it cannot have taken a group, by a clock that may run fast. */
export function guardHeldMs(deadtimeMs: number): number {
  return deadtimeMs * (1 - clockRateError) - guardMarginMs
}

/**
 * How much later a guard must end to be worth a renewal, which costs most of a millisecond: a quarter of the dead time; what is
 * about to end is renewed for half a beat.
 */
export function guardRenewMs({ keepaliveMs, deadtimeMs }: GuardTimes, leftMs: number): number {
  return leftMs < beats.guard * keepaliveMs ? keepaliveMs / 2 : deadtimeMs / 4
}

type GuardTimes = Pick<LivenessTimes, 'keepaliveMs' | 'deadtimeMs'>

/**
 * What is wrong with the times of a pair that has a guard: a beat, its echo and the next turn must fit before the guard ends, or
 * it would cut a healthy node off.
 */
export function guardIssues({ keepaliveMs, deadtimeMs }: GuardTimes): readonly TimingIssue[] {
  const neededMs = beats.echo * keepaliveMs
  if (!(neededMs > guardHeldMs(deadtimeMs))) return []
  const leastMs = Math.ceil((neededMs + guardMarginMs) / (1 - clockRateError))
  const message =
    `${deadtimeMs} ms is too short for a guard: a beat, its echo and the beat after it (${neededMs} ms) must fit before the ` +
    `guard ends; at least ${leastMs} ms, or a shorter keepalive`
  return [{ path: 'deadtime', severity: 'error', message }]
}
