import { openLaboratory } from './laboratory.ts'
import { openLoopback } from './loopback.ts'
import { type Played, playStep, type StepResult, type Theatre } from './play.ts'
import { Screen } from './screen.ts'

export interface DemoOptions {
  /** Why it is not played in the laboratory; undefined when it is. */
  readonly obstacle: string | undefined
  /** Prints the result as JSON on stdout and nothing else there. */
  readonly json: boolean
}

/** What `--json` prints. */
export interface DemoResult {
  readonly mode: Theatre['mode']
  readonly steps: readonly StepResult[]
}

/** Plays the demo; the exit code: 0 when every step held. */
export const runDemo = async ({ obstacle, json }: DemoOptions): Promise<number> => {
  const startMs = performance.now()
  const screen = new Screen(json ? process.stderr : process.stdout)
  await using theatre = await openTheatre(screen, obstacle)
  screen.title(theatre)
  const all: Played[] = []
  for (const [index, step] of theatre.steps.entries()) {
    screen.begin(index + 1, step.step)
    const played = await playStep(theatre.witness, step)
    screen.end(played)
    all.push(played)
  }
  screen.table(all, performance.now() - startMs)
  if (json) {
    const steps = all.map(({ step, servedBy, outageMs, ok }) => ({ step, servedBy, outageMs, ok }))
    process.stdout.write(`${JSON.stringify({ mode: theatre.mode, steps } satisfies DemoResult)}\n`)
  }
  return all.every(({ ok }) => ok) ? 0 : 1
}

const openTheatre = async (screen: Screen, obstacle: string | undefined): Promise<Theatre> => {
  const onEntry = screen.entry.bind(screen)
  if (obstacle !== undefined) return openLoopback(obstacle, onEntry)
  try {
    return await openLaboratory(onEntry)
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return openLoopback(`it cannot be built here (${reason})`, onEntry)
  }
}
