import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../lab/wait-for.ts'
import type { Report } from '../lab/world/answers.ts'

export type NodeName = 'master' | 'slave'

/** What both clients, the laboratory's and that of loopback, can be asked. */
export interface Witness {
  /** Who answered last; `undefined` when nobody has for a while. */
  readonly serving: string | undefined
  mark(): number
  report(sinceMs: number): Promise<Report>
}

/** One step of the demo: what is done, and what the client must see of it. */
export interface Step {
  /** What is done, as it stands in the table. */
  readonly step: string
  readonly act: () => Promise<unknown>
  /** Who serves, in order, from the act on. */
  readonly servedBy: readonly NodeName[]
  /** The longest outage that the promise allows, ms. */
  readonly limitMs: number
  /** The service begins here: what came before its first page was no outage. */
  readonly begins?: true
}

/** Something that happened, for the live time line. */
export interface Entry {
  readonly atMs: number
  readonly who: string
  readonly what: string
}

/** Where the demo is played. */
export interface Theatre extends AsyncDisposable {
  readonly mode: 'laboratory' | 'loopback'
  /** What stands behind the words master, slave, gateway and client here. */
  readonly about: readonly string[]
  readonly witness: Witness
  readonly steps: readonly Step[]
}

/** What came of a step. */
export interface StepResult {
  readonly step: string
  /** Who served at its end. */
  readonly servedBy: string | null
  /** The longest outage in it. */
  readonly outageMs: number
  readonly ok: boolean
}

/** Why a step did not hold; undefined when it did. */
export interface Played extends StepResult {
  readonly path: readonly string[]
  readonly why: string | undefined
}

/** How long the client watches before the act. */
const EVE_MS = 50
/** How long the client watches on after the service has arrived, and how long it waits for it, ms. */
const WATCH_MS = 1200
const PATIENCE_MS = 7000

/** Plays one step. Never throws: what went wrong is the result. */
export const playStep = async (witness: Witness, step: Step): Promise<Played> => {
  let sinceMs = witness.mark()
  const problems: string[] = []
  try {
    // So that whoever serves now is seen before the act, however quick that is.
    await sleep(EVE_MS)
    await step.act()
    const home = step.servedBy.at(-1)
    await waitFor(() => witness.serving === home, {
      what: `${home} serves the client`,
      withinMs: PATIENCE_MS,
      everyMs: 5,
      seen: () => witness.serving ?? 'nobody',
    })
    if (step.begins) sinceMs = witness.mark()
    await sleep(WATCH_MS)
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  const report = await witness.report(sinceMs)
  const path = report.servedBy.map(({ by }) => by)
  const outageMs = Math.round(report.outageMs)
  if (problems.length === 0 && path.join() !== step.servedBy.join())
    problems.push(`served by ${path.join(', then ') || 'nobody'}`)
  if (problems.length === 0 && outageMs > step.limitMs) problems.push(`at most ${step.limitMs} ms are allowed`)
  const ok = problems.length === 0
  return { step: step.step, servedBy: witness.serving ?? null, outageMs, ok, path, why: problems[0] }
}
