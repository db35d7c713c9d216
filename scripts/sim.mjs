// npm run sim [-- --seeds N | --seed N] [--first N] [--hours H] [--trace] [--only 3,17] [--without RULE,…] [--mutant ID]
//              [--workers N] [--no-shrink] [--keep-going] [--every-row]
// Plays seeds of the swarm on all processors, prints what was reached, and closes with the counts.
import { fork, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installDependencies } from './dependencies.mjs'

const root = join(import.meta.dirname, '..')
installDependencies()
const { bundle } = await import('./sim-bundle.mjs')

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    hours: { type: 'string', default: '0.5' },
    trace: { type: 'boolean', default: false },
    only: { type: 'string' },
    without: { type: 'string', default: '' },
    mutant: { type: 'string' },
    workers: { type: 'string' },
    'no-shrink': { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    'every-row': { type: 'boolean', default: false },
  },
})
const hours = Number(values.hours)
const single = values.seed === undefined ? undefined : Number(values.seed)
const first = Number(values.first)
const count = single === undefined ? Number(values.seeds ?? process.env.SIM_SEEDS ?? 2000) : 1
if (!(hours > 0) || !Number.isInteger(first) || !(count > 0) || (single !== undefined && !Number.isInteger(single))) {
  console.error('--hours is a number above 0, --seed, --seeds and --first are whole numbers')
  process.exit(2)
}
const without = values.without.split(',').filter(Boolean)
const only = values.only?.split(',').filter(Boolean).map(Number)

/** The planted bug of that name. */
async function mutantOf(id) {
  const { mutants } = await import(join(root, 'test/mutants/mutants.mjs'))
  const found = mutants.find((mutant) => mutant.id === id)
  if (found) return found
  console.error(`no mutant is called ${id}; there are:\n${mutants.map((mutant) => `  ${mutant.id}`).join('\n')}`)
  process.exit(2)
}

const scratch = mkdtempSync(join(root, 'node_modules/.sim-'))
const file = join(scratch, 'worker.mjs')
const clean = () => rmSync(scratch, { recursive: true, force: true })
process.on('exit', clean)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))
await bundle('test/simulation/worker.ts', file, values.mutant ? await mutantOf(values.mutant) : undefined)
const names = JSON.parse(spawnSync(process.execPath, [file, 'names'], { encoding: 'utf8', maxBuffer: 1e8 }).stdout)
for (const id of without)
  if (id !== 'I15.same' && !names.checks.some(([name]) => name === id)) {
    console.error(`no rule is called ${id}; there are: ${names.checks.map(([name]) => name).join(', ')}, I15.same`)
    process.exit(2)
  }

const startMs = performance.now()
const sum = { clusterMs: 0, cpuMs: 0, twice: 0, checked: {}, faults: {}, rows: {} }
const failures = []
const add = (into, from) => {
  for (const [key, value] of Object.entries(from)) into[key] = (into[key] ?? 0) + value
}
const digests = []

let next = 0
let done = 0
const seedAt = (index) => single ?? first + index

/** One worker plays one seed after the other. */
function work() {
  return new Promise((resolve, reject) => {
    const child = fork(file, [], { serialization: 'json', execArgv: ['--max-semi-space-size=32'] })
    const ask = () => {
      if (next >= count || (failures.length >= 3 && !values['keep-going'])) return child.disconnect()
      const index = next++
      const seed = seedAt(index)
      const shrinkIt = !values['no-shrink'] && !only
      child.send({
        seed,
        hours,
        without,
        only,
        trace: values.trace,
        twice: single !== undefined || index % 10 === 0,
        shrink: shrinkIt,
      })
    }
    child.on('message', (result) => {
      done++
      sum.clusterMs += result.clusterMs
      sum.cpuMs += result.cpuMs
      if (result.twice) sum.twice++
      for (const kind of ['checked', 'faults', 'rows']) add(sum[kind], result[kind])
      digests.push(`${result.seed}:${result.digest}`)
      if (result.breaches.length > 0) {
        failures.push(result)
        tell(result)
      } else if (values.trace) console.log(result.story.join('\n'))
      ask()
    })
    child.on('error', reject)
    child.on('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`a worker ended with ${signal ?? code}`)),
    )
    ask()
  })
}

/** The story of a seed that failed, and how to see it again. */
function tell(result) {
  console.log(`\nseed ${result.seed} breaks ${result.breaches.length === 1 ? 'a rule' : 'rules'}:`)
  if (result.story.length > 0) console.log(result.story.join('\n'))
  for (const { id, atMs, text } of result.breaches.slice(0, 5)) {
    const says = names.checks.find(([name]) => name === id)?.[1]
    console.log(`\n  ${id}${says ? ` (${says})` : ''}\n    at ${(atMs / 1000).toFixed(1)} s: ${text.slice(0, 600)}`)
  }
  const more = values.mutant ? ` --mutant ${values.mutant}` : ''
  const faultsLeft = result.only ?? only
  console.log(`\n  again: npm run sim -- --seed ${result.seed} --hours ${hours}${more}`)
  if (faultsLeft && faultsLeft.length > 0)
    console.log(
      `  shortened: npm run sim -- --seed ${result.seed} --hours ${hours} --only ${faultsLeft.join(',')}${more} --trace`,
    )
}

const workers = Math.min(count, Number(values.workers ?? availableParallelism()))
try {
  await Promise.all(Array.from({ length: workers }, work))
} catch (error) {
  console.error(String(error))
  process.exit(1)
}

const wallS = (performance.now() - startMs) / 1000
const hoursPlayed = sum.clusterMs / 3_600_000
const zeros = []
/** Rows that need a coincidence which the swarm did not have: every one of them has a scenario, so they fail only on demand. */
const rowsLeft = []

/** A table of counts; what was never reached is told. */
function counts(title, known, found) {
  console.log(`\n${title}`)
  const width = Math.max(...known.map(([name]) => name.length))
  for (const [name, says] of known) {
    const times = found[name] ?? 0
    if (times === 0) zeros.push(`${title}: ${name} (${says})`)
    console.log(`  ${name.padEnd(width)} ${String(times).padStart(10)}  ${says}`)
  }
}

if (single === undefined) {
  // A line that is slower than its packets come is no fault of the swarm: scenarios play it (slow-line*.txt).
  const packets = Object.keys(sum.faults).filter((kind) => kind.startsWith('packet ') && kind !== 'packet queue')
  counts(
    'faults injected',
    [...names.faults, ...packets.sort().map((kind) => [kind, 'packets that met it'])],
    sum.faults,
  )
  counts(
    'invariants checked',
    names.checks.filter(([id]) => !without.includes(id)),
    sum.checked,
  )
  const reached = names.rows.filter(([name]) => sum.rows[name] > 0).length
  console.log(`\ntable rows reached: ${reached} of ${names.rows.length}`)
  for (const [name, says] of names.rows) if (!(sum.rows[name] > 0)) rowsLeft.push(`table row: ${name} (${says})`)
}
console.log(
  `\n${done} seeds, ${hoursPlayed.toFixed(1)} cluster-hours (${sum.twice} seeds twice, compared) in ${wallS.toFixed(1)} s on ${workers} processes: ` +
    `${(hoursPlayed / (sum.cpuMs / 1000)).toFixed(2)} cluster-hours per CPU-second`,
)
// With few seeds much is not reached, and that says nothing.
const enough = hoursPlayed >= 400 && only === undefined
if (values['every-row']) zeros.push(...rowsLeft.splice(0))
for (const [title, list] of [
  [`never reached${enough ? '' : ' (in so short a run that is no failure)'}`, zeros],
  ['reached by scenarios only', rowsLeft],
])
  if (list.length > 0) console.log(`\n${title}:\n  ${list.join('\n  ')}`)
const failed = failures.length + (enough ? zeros.length : 0)
process.exitCode = failed > 0 ? 1 : 0
console.log(`${done - failures.length} passed, ${failed} failed`)
