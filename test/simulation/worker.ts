import { dialogueTable } from '../../src/core/handover/table.ts'
import { ownershipTable } from '../../src/core/ownership/table.ts'
import { faults } from '../../src/testing/faults.ts'
import { oracleChecks } from '../../src/testing/oracle-checks.ts'
import { shrink } from '../../src/testing/shrink.ts'
import { type Played, play } from '../../src/testing/swarm.ts'
import { drawPlan, type Plan } from '../../src/testing/swarm-plan.ts'

/** What `scripts/sim.mjs` asks of a worker. */
interface Request {
  readonly seed: number
  readonly hours: number
  readonly without: readonly string[]
  /** Play it twice and compare. */
  readonly twice: boolean
  readonly trace: boolean
  /** Only these faults of the plan. */
  readonly only?: readonly number[]
  /** Look for the shortest plan that still breaks the same rule. */
  readonly shrink: boolean
}

function planOf({ seed, hours, only }: Request): Plan {
  const plan = drawPlan({ seed, hours })
  return only ? { ...plan, faults: plan.faults.filter(({ index }) => only.includes(index)) } : plan
}

function firstDifference(one: Played, two: Played): string {
  const at = one.story.findIndex((line, index) => line !== two.story[index])
  return at < 0 ? 'in what was sent or done, not in what was told' : `\n  ${one.story[at]}\n  ${two.story[at]}`
}

function answer(request: Request): object {
  const plan = planOf(request)
  const { without, trace } = request
  const before = process.cpuUsage()
  const played = play(plan, { without, trace })
  const { user, system } = process.cpuUsage(before)
  const breaches = [...played.breaches]
  if (request.twice) {
    // The second time everything is copied as if it went to another thread: that must not matter either.
    const again = play(plan, { without, trace, copies: true })
    const same = again.digest === played.digest
    if (!same && !without.includes('I15.same'))
      breaches.push({ id: 'I15.same', atMs: 0, text: `two runs differ: ${firstDifference(played, again)}` })
  }
  const failed = breaches.length > 0
  const first = breaches[0]
  const shorter = failed && request.shrink && first ? shrink(plan, first.id, { without }) : undefined
  const told = shorter ? play(shorter, { without }).story : played.story
  return {
    seed: request.seed,
    clusterMs: played.clusterMs,
    cpuMs: (user + system) / 1000,
    twice: request.twice,
    breaches,
    checked: Object.fromEntries(played.checked),
    faults: Object.fromEntries(played.faults),
    rows: Object.fromEntries(played.rows),
    digest: played.digest,
    story: trace ? played.story : failed ? told.slice(-80) : [],
    only: shorter?.faults.map(({ index }) => index),
    until: shorter?.endMs,
  }
}

if (process.argv[2] === 'names') {
  const rowNames = (table: string, rows: readonly { from: readonly string[]; on: string; why: string }[]) =>
    rows.map(({ from, on, why }, index) => [`${table} ${index}`, `${from.join(' ')} × ${on}: ${why}`])
  process.stdout.write(
    JSON.stringify({
      checks: oracleChecks.map(({ id, says }) => [id, says]),
      faults: faults.map(({ kind, says }) => [kind, says]),
      rows: [...rowNames('dialogue', dialogueTable), ...rowNames('ownership', ownershipTable)],
    }),
  )
} else {
  process.on('message', (request: Request) => process.send?.(answer(request)))
}
