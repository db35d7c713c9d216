import { deadtime } from '../liveness/deadtime.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import { faults, slowFaults } from './faults.ts'
import { seededRandom } from './schedule.ts'
import type { SimulatedGroup } from './simulation-options.ts'

/** One fault of a plan. */
export interface PlannedFault {
  /** Its number in the plan, by which a shorter plan names it. */
  readonly index: number
  readonly atMs: number
  readonly kind: string
  /** Everything random of it. */
  readonly seed: number
  readonly forMs: number
}

/** What is done in peace. */
export type Probe = 'none' | 'link' | 'targets' | 'move'

/** Disorder, its healing, and peace. */
export interface Round {
  readonly beginMs: number
  readonly healMs: number
  readonly probes: readonly Probe[]
}

/** A whole run, before it begins: the pair, and what befalls it when. */
export interface Plan {
  readonly seed: number
  readonly groups: readonly SimulatedGroup[]
  readonly links: readonly string[]
  readonly targets: readonly string[]
  readonly autoFailback: boolean
  readonly onIsolated: 'stop' | 'continue'
  readonly faults: readonly PlannedFault[]
  readonly rounds: readonly Round[]
  readonly endMs: number
}

/** How a plan is drawn. */
export interface PlanOptions {
  readonly seed: number
  /** Simulated time. @defaultValue 0.5 hours */
  readonly hours?: number | undefined
  /** Share of the seeds in which lines are slow (`slowFaults`). @defaultValue 0 */
  readonly slowShare?: number | undefined
}

/** Times of a swarm's pairs. */
export const swarmLiveness: LivenessPlugin = deadtime({ keepalive: '1s', deadtime: '5s', initdead: '10s' })
export const swarmLimits: { readonly startMs: number; readonly stopMs: number; readonly statusMs: number } = {
  startMs: 3000,
  stopMs: 3000,
  statusMs: 1000,
}
export const swarmHoldDownMs = 10_000
export const swarmRestartWindowMs = 20_000
export const swarmMonitorMs = 4000

/** Everything that may still be on its way when the last fault has healed: limits, hold-downs, pauses between tries, failback. */
export const settleMs = 130_000
/** How long each kind of peace lasts. */
export const peaceMs: Readonly<Record<Probe, number>> = { none: 60_000, link: 20_000, targets: 20_000, move: 10_000 }
/** After a probe was taken back: links and targets are noticed again, groups go home. */
export const calmMs = 20_000

/** Draws the plan of a seed. The same seed and hours give the same plan. */
export function drawPlan({ seed, hours = 0.5, slowShare = 0 }: PlanOptions): Plan {
  const random = seededRandom(seed * 7919 + 17)
  const below = (limit: number) => Math.floor(random() * limit)
  const groups = Array.from({ length: 1 + Math.floor(random() * random() * 3) }, (_, index) => ({
    name: `group-${index}`,
    preferred: random() < 0.5 ? 'master' : 'slave',
    resources: Array.from(
      { length: 2 + below(2) },
      (_, number) => `${number === 0 ? 'address' : `service-${number}`}-${index}`,
    ),
    cuttable: random() < 0.9,
    handover: random() < 0.15 ? ('make-before-break' as const) : undefined,
  }))
  const links = random() < 0.6 ? ['eth1'] : ['eth1', 'eth2']
  const targets = random() < 0.5 ? [] : ['gateway']
  const slow = seededRandom(seed * 104_729 + 29)() < slowShare ? slowFaults : []
  const enabled = [...faults.filter(() => random() < 0.3), ...slow]
  const mildOnly = random() < 0.05
  const endMs = hours * 3_600_000
  const rounds: Round[] = []
  const planned: PlannedFault[] = []
  for (let beginMs = 15_000; beginMs < endMs; ) {
    const healMs = Math.min(beginMs + 60_000 + below(300_000), endMs)
    const gapMs = 500 + below(10_000)
    for (let atMs = beginMs; !mildOnly && enabled.length > 0; ) {
      atMs += below(random() < 0.3 ? 300 : 2 * gapMs)
      if (atMs >= healMs) break
      const { kind, upToMs } = enabled[below(enabled.length)] as (typeof faults)[number]
      planned.push({ index: planned.length, atMs, kind, seed: below(0x7fffffff), forMs: below(upToMs + 1) })
    }
    const probes: Probe[] = ['none']
    if (links.length > 1) probes.push('link')
    if (targets.length > 0) probes.push('targets')
    probes.push('move')
    rounds.push({ beginMs, healMs, probes })
    beginMs = healMs + settleMs + probes.reduce((sum, probe) => sum + peaceMs[probe] + calmMs, 0) + 1000
  }
  return {
    seed,
    groups,
    links,
    targets,
    autoFailback: random() < 0.5,
    onIsolated: random() < 0.5 ? 'stop' : 'continue',
    faults: planned,
    rounds,
    endMs,
  }
}
