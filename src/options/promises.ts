import {
  beats,
  guardHeldMs,
  isCutOff,
  leaseBudgetMs,
  leaseHeldMs,
  leaseQuietMs,
  overlapMs,
  renewals,
} from '../core/timing.ts'
import type { Resolved } from './resolve.ts'

/** What these options can guarantee, and the relations of times behind it with their numbers: a sentence each. */
export function promisesOf(resolved: Resolved): readonly string[] {
  return [classOf(resolved), ...relations.flatMap((relation) => relation(resolved) ?? [])]
}

function classOf({ lease, guard, arbiters, groups }: Resolved): string {
  const store = lease?.store.description
  const uncut = groups.find(({ resources }) => !isCutOff(resources))?.name
  if (store !== undefined) {
    const kept = `if ${store} keeps what it confirms`
    if (guard !== undefined && uncut === undefined)
      return `guarantee class G3, ${kept}: two nodes never both serve, also while the process of one stands still`
    const missing = guard === undefined ? 'there is no guard' : `the guard cannot cut off ${uncut}`
    return `guarantee class G2, ${kept}: two nodes never both serve while their processes run; ${missing}`
  }
  if (arbiters.length === 0) return 'guarantee class G0: both nodes serve while they cannot hear each other'
  const targets = arbiters.map(({ target }) => target).join(', ')
  return `guarantee class G1: a node that reaches neither its peer nor a ping target (${targets}) notices; two that still reach one can both serve`
}

type Relation = (resolved: Resolved) => string | undefined

const ms = (value: number): string => `${Math.round(value)} ms`

const relations: readonly Relation[] = [
  ({ liveness: { times } }) =>
    `the peer is dead after ${ms(times.deadtimeMs)} of silence, which are ${+(times.deadtimeMs / times.keepaliveMs).toFixed(1)} keepalives of ${ms(times.keepaliveMs)}`,
  ({ arbiters, deadpingMs, liveness: { times }, groups }) => {
    if (arbiters.length === 0) return undefined
    const longestMs = Math.max(...arbiters.map((arbiter) => arbiter.deadpingMs ?? deadpingMs))
    const bothMs = overlapMs(times, longestMs, groups)
    const verdict = bothMs === 0 ? 'before its peer takes over' : `${ms(bothMs)} after its peer can take over`
    return `an isolated owner notices after ${ms(longestMs)} (deadping) and has cut its groups off ${verdict}`
  },
  ({ lease, groups }) => {
    if (!lease) return undefined
    const { ttlMs, renewMs } = lease
    const budgetMs = Math.max(...groups.map(({ resources }) => leaseBudgetMs(resources)))
    return (
      `an owner begins to stop ${ms(leaseHeldMs(ttlMs) - budgetMs)} after its last renewal; another node takes the group ` +
      `${ms(leaseQuietMs(ttlMs))} after the last change at the earliest; ${renewals.tries} renewals take ${ms(renewals.tries * renewMs)}`
    )
  },
  ({ guard, lease, liveness: { times } }) => {
    if (!guard || lease) return undefined
    const { deadtimeMs, keepaliveMs } = times
    return (
      `the guard of an owner lasts ${ms(guardHeldMs(deadtimeMs))} from a confirmed beat; a beat, its echo and the next beat ` +
      `take ${ms(beats.echo * keepaliveMs)}`
    )
  },
]
