import { readdirSync } from 'node:fs'
import { type Act, type Scenario, scenarios } from './scenario.ts'
import { World } from './world.ts'

/** Played only when named first: it needs a real daemon, and far longer than the others. */
export const HEARTBEAT = 'heartbeat'

/** In place of names: the subset that CI plays. */
const CI = 'ci'

const load = async (folder: string): Promise<readonly Scenario[]> => {
  const url = new URL(`./${folder}/`, import.meta.url)
  for (const file of readdirSync(url).sort()) {
    if (file.endsWith('.ts')) await import(new URL(file, url).href)
  }
  return scenarios()
}

const within = async <T>(work: Promise<T>, limitMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const line = (verdict: string, { name, setting }: Scenario, startMs: number, acts: readonly Act[] = []): string => {
  const seconds = `(${((performance.now() - startMs) / 1000).toFixed(1)} s)`
  if (setting === undefined) return `${verdict} ${name.padEnd(36)} ${seconds}`
  const outageMs = Math.max(
    0,
    ...acts.filter(({ servedBy, isStart }) => servedBy.length > 0 && !isStart).map(({ ms }) => ms),
  )
  const outage = acts.length > 0 ? `outage ${outageMs.toFixed(0)} ms` : ''
  return `${verdict} ${name.padEnd(40)} ${setting.padEnd(34)} ${outage.padEnd(16)} ${seconds}`
}

const actLine = ({ what, servedBy, ms, limitMs }: Act): string => {
  const limit = Number.isFinite(limitMs) ? `  of at most ${limitMs}` : ''
  return `       ${what.padEnd(44)} ${servedBy.join(' → ').padEnd(26)} ${`${ms.toFixed(0)} ms`.padStart(9)}${limit}`
}

/** Plays one scenario and prints its line; on failure also everything the world knows. */
const play = async (scenario: Scenario): Promise<boolean> => {
  const { name, row, limitMs = 120_000, play } = scenario
  const startMs = performance.now()
  let world: World | undefined
  try {
    world = await World.build({ title: name })
    const { acts, remarks } = await within(play(world), limitMs)
    await world.destroy({ keepLogs: false })
    console.log(line('held  ', scenario, startMs, acts))
    for (const act of acts) console.log(actLine(act))
    for (const remark of remarks) console.log(`       ${remark}`)
    return true
  } catch (error) {
    console.log(`${line('FAILED', scenario, startMs)}\n${row}\n${error instanceof Error ? error.stack : String(error)}`)
    if (world) {
      await world.destroy().catch((left: unknown) => console.log(String(left)))
      console.log(world.account())
    }
    return false
  }
}

/**
 * The scenarios of these names, or all of them; those with a real heartbeat daemon when the first word is `heartbeat`, and
 * of these the subset of CI when the second is `ci`.
 * Prints what there is and gives `undefined` when a name is unknown.
 */
export const chooseScenarios = async (words: readonly string[]): Promise<readonly Scenario[] | undefined> => {
  const [folder, names] = words[0] === HEARTBEAT ? [HEARTBEAT, words.slice(1)] : ['scenarios', words]
  const known = await load(folder)
  if (words[0] === HEARTBEAT && words[1] === CI) return known.filter(({ ci }) => ci)
  const unknown = names.filter((name) => !known.some((scenario) => scenario.name === name))
  if (unknown.length === 0)
    return known.filter(({ name, onlyByName }) => (names.length === 0 ? !onlyByName : names.includes(name)))
  const near = known.filter(({ name }) => unknown.some((word) => name.includes(word)))
  console.error(`lab: no such scenario: ${unknown.join(', ')}; ${near.length > 0 ? 'these are like it' : 'there are'}:`)
  for (const { name, row } of near.length > 0 ? near : known) console.error(`  ${name.padEnd(40)} ${row}`)
  return undefined
}

/**
 * In CI the machine is somebody else's too, and a scenario lives by real time: so many failed ones are played once more. Both
 * accounts are printed; what fails again, or one more, is a failure.
 */
const SECOND_TRIES = process.env['CI'] && process.env['CI'] !== 'false' ? 3 : 0

/** Plays them one after the other; prints a line for each and the counts as the last line. Returns how many failed. */
export const playScenarios = async (chosen: readonly Scenario[]): Promise<number> => {
  let failed = 0
  const again: string[] = []
  for (const scenario of chosen) {
    if (await play(scenario)) continue
    if (again.length < SECOND_TRIES && again.push(scenario.name) && (await play(scenario))) continue
    failed++
  }
  if (again.length > 0) console.log(`played twice, having failed at the first try: ${again.join(', ')}`)
  console.log(`${chosen.length - failed} passed, ${failed} failed`)
  return failed
}
