import { type PlayOptions, play } from './swarm.ts'
import type { Plan } from './swarm-plan.ts'

const triesMax = 150

/**
 * The shortest plan that was found to break the same rule: time behind the breach is cut off, then faults are left out, in
 * ever smaller parts, as long as the rule is still broken.
 */
export function shrink(plan: Plan, id: string, options: PlayOptions = {}): Plan {
  let tries = 0
  const breaksAt = (candidate: Plan): number | undefined => {
    tries++
    return play(candidate, options).breaches.find((breach) => breach.id === id)?.atMs
  }
  const atMs = breaksAt(plan)
  if (atMs === undefined) return plan
  let best = until(plan, atMs)
  for (let parts = 2; parts <= 2 * best.faults.length && tries < triesMax; ) {
    const size = Math.ceil(best.faults.length / parts)
    let shorter: Plan | undefined
    for (let from = 0; from < best.faults.length && tries < triesMax; from += size) {
      const candidate = { ...best, faults: best.faults.filter((_, index) => index < from || index >= from + size) }
      if (breaksAt(candidate) === undefined) continue
      shorter = candidate
      break
    }
    if (shorter) best = shorter
    else if (size === 1) break
    else parts *= 2
  }
  return best
}

/** What lies behind `atMs` is left out; the round in which it lies is played to its end. */
function until(plan: Plan, atMs: number): Plan {
  const rounds = plan.rounds.filter(({ beginMs }) => beginMs <= atMs)
  return { ...plan, rounds, faults: plan.faults.filter((fault) => fault.atMs <= atMs) }
}
