// npm run mutants [-- --only ID,…] [--find N] [--write]
// Plants each bug of test/mutants in turn and plays the seed that catches it: it must be caught, the same seed without the bug
// must be well. Then those that no seed is known for: the scenario or unit test that catches each must fail with it, and pass without.
// Each rule of the oracle has to be the only one to see some bug of the list. `--find N` looks for seeds among the
// first N; `--write` keeps what was found in test/mutants/caught.json and docs/mutants.md.
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { installDependencies } from './dependencies.mjs'

const root = join(import.meta.dirname, '..')

installDependencies()
const { bundle } = await import('./sim-bundle.mjs')
const { mutants } = await import('../test/mutants/mutants.mjs')
const { mutantsOfTests } = await import('../test/mutants/by-tests.mjs')

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    find: { type: 'string' },
    hours: { type: 'string', default: '0.25' },
    write: { type: 'boolean', default: false },
  },
})
const hours = Number(values.hours)
const find = values.find === undefined ? undefined : Number(values.find)
const wanted = values.only?.split(',')
const caughtFile = join(root, 'test/mutants/caught.json')
const caught = existsSync(caughtFile) ? JSON.parse(readFileSync(caughtFile, 'utf8')) : {}

const scratch = mkdtempSync(join(root, 'node_modules/.mutants-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** A process with one version of the sources in it, which plays seeds. */
function player(file) {
  const child = fork(file, [], { execArgv: ['--max-semi-space-size=32'] })
  const play = (seed, seedHours, twice = false) =>
    new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`the player ended with ${code}`)))
      child.send({ seed, hours: seedHours, without: [], only: undefined, trace: false, twice, shrink: false })
    }).finally(() => child.removeAllListeners('exit'))
  return { play, end: () => child.disconnect() }
}

async function compiled(mutant) {
  const file = join(scratch, `${mutant?.id ?? 'well'}.mjs`)
  await bundle('test/simulation/worker.ts', file, mutant)
  return player(file)
}

const rulesOf = ({ breaches }) => [...new Set(breaches.map(({ id }) => id))].sort()
const wellFile = await compiled(undefined)
const wellSeeds = new Map()
let wellQueue = Promise.resolve()
/** Whether a seed is well without any bug; each is played once. */
function isWell(seed, seedHours) {
  const key = `${seed} ${seedHours}`
  if (!wellSeeds.has(key)) {
    const played = wellQueue.then(() => wellFile.play(seed, seedHours)).then((result) => result.breaches.length === 0)
    wellQueue = played.catch(() => {})
    wellSeeds.set(key, played)
  }
  return wellSeeds.get(key)
}

const results = []
const failures = []

/** Looks for a seed that catches the mutant; one that only a single rule sees is worth more. */
async function search(mutant, one) {
  let best
  for (let seed = 1; seed <= find; seed++) {
    const rules = rulesOf(await one.play(seed, hours, mutant.twice))
    if (rules.length === 0 || !(await isWell(seed, hours))) continue
    if (!best || rules.length < best.rules.length) best = { seed, hours, rules, first: best?.first ?? seed }
    if (rules.length === 1 || seed > best.first + 2) break
  }
  if (best) caught[mutant.id] = { seed: best.seed, hours: best.hours }
  return best
}

async function judge(mutant) {
  const one = await compiled(mutant).catch(
    (error) => void failures.push(`${mutant.id}: ${error.errors?.[0]?.text ?? error}`),
  )
  if (!one) return
  try {
    const known = find === undefined ? caught[mutant.id] : await search(mutant, one)
    if (!known) {
      failures.push(`${mutant.id}: no seed is known that catches it`)
      console.log(`ESCAPES ${mutant.id}: ${mutant.says}`)
      return
    }
    const rules = find === undefined ? rulesOf(await one.play(known.seed, known.hours, mutant.twice)) : known.rules
    const well = await isWell(known.seed, known.hours)
    if (rules.length === 0) failures.push(`${mutant.id}: seed ${known.seed} no longer catches it`)
    if (!well) failures.push(`${mutant.id}: seed ${known.seed} breaks a rule without the bug`)
    if (rules.length > 0 && well) results.push({ ...mutant, ...known, rules })
    console.log(
      `${rules.length > 0 && well ? 'caught ' : 'FAILED '} ${mutant.id.padEnd(26)} seed ${known.seed}: ${rules.join(' ')}`,
    )
  } finally {
    one.end()
  }
}

const wellTests = new Map()
/** A test file without any bug; each is compiled once. */
function wellTest(test) {
  const file = join(scratch, `well-${basename(test)}.mjs`)
  if (!wellTests.has(test))
    wellTests.set(
      test,
      bundle(test, file, undefined).then(() => file),
    )
  return wellTests.get(test)
}

/** The test file with the bug in it. */
async function illTest(mutant) {
  const file = join(scratch, `${mutant.id}-${basename(mutant.test)}.mjs`)
  await bundle(mutant.test, file, mutant)
  return file
}

/** Whether the test of that name passes; undefined when there is none. */
async function passes(file, named) {
  const pattern = `^${named.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`
  const args = ['--enable-source-maps', '--test-reporter=tap', `--test-name-pattern=${pattern}`, file]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const [code] = await once(child, 'close')
  const ran = said.split('\n').some((line) => line.trim().endsWith(` - ${named}`))
  return ran ? code === 0 : undefined
}

const caughtByTests = []

/** A bug that a scenario or a unit test is there for. */
async function judgeByTest(mutant) {
  try {
    const well = await passes(await wellTest(mutant.test), mutant.named)
    const ill = await passes(await illTest(mutant), mutant.named)
    if (well === undefined) failures.push(`${mutant.id}: ${mutant.test} has no test called ${mutant.named}`)
    else if (!well) failures.push(`${mutant.id}: ${mutant.named} fails without the bug`)
    else if (ill) failures.push(`${mutant.id}: ${mutant.named} no longer catches it`)
    else caughtByTests.push(mutant)
    console.log(
      `${well && !ill ? 'caught ' : 'FAILED '} ${mutant.id.padEnd(26)} ${basename(mutant.test)}: ${mutant.named}`,
    )
  } catch (error) {
    failures.push(`${mutant.id}: ${error.errors?.[0]?.text ?? error}`)
  }
}

/** Works a list off, as many at once as there are processors. */
async function workOff(list, work) {
  const queue = list.filter(({ id }) => !wanted || wanted.includes(id))
  await Promise.all(
    Array.from({ length: Math.min(queue.length, availableParallelism()) }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await work(next)
    }),
  )
}

await workOff(mutants, judge)
wellFile.end()
await workOff(mutantsOfTests, judgeByTest)

// Switching one rule off must leave a bug uncaught: there is one that this rule alone sees.
const names = JSON.parse(spawnSync(process.execPath, [join(scratch, 'well.mjs'), 'names'], { encoding: 'utf8' }).stdout)
const rules = [...names.checks, ['I15.same', 'the same seed gives the same run']]
const idle = rules.filter(([id]) => !results.some((result) => result.rules.length === 1 && result.rules[0] === id))
if (!wanted) for (const [id] of idle) failures.push(`${id}: no bug of the list is seen by this rule alone`)

if (values.write) {
  writeFileSync(caughtFile, `${JSON.stringify(Object.fromEntries(Object.entries(caught).sort()), null, 2)}\n`)
  if (!wanted) writeFileSync(join(root, 'docs/mutants.md'), page())
}

/** Bugs in the order of their list. */
function ordered(found, list) {
  const order = new Map(list.map(({ id }, index) => [id, index]))
  return [...found].sort((a, b) => order.get(a.id) - order.get(b.id))
}

function page() {
  const row = ({ id, says, file, seed, hours: played, rules: seen }) =>
    `| \`${id}\` | ${says} | \`${file.replace('src/', '')}\` | \`--seed ${seed} --hours ${played} --mutant ${id}\` | ${seen.join(', ')} |`
  const rowOfTest = ({ id, says, file, test, named }) =>
    `| \`${id}\` | ${says} | \`${file.replace('src/', '')}\` | \`${test}\`: ${named} |`
  return `# Planted bugs

Each of these ${results.length} changes breaks one rule of the design. The simulation catches every one: the seed below ends badly with the
bug and well without it. \`npm run mutants\` plays them all again and writes this page with \`--write\`; one of them alone:
\`npm run sim -- --seed N --hours H --mutant ID\`. Of the ${rules.length} rules of the oracle, ${rules.length - idle.length} are each the only one to see some bug of the
list: without that rule the bug would get through. A rule that is not is a failure of \`npm run mutants\`.

| bug | what is wrong | in | caught by \`npm run sim --\` | rules that see it |
| --- | --- | --- | --- | --- |
${ordered(results, mutants).map(row).join('\n')}

## Caught by a scenario or a unit test

These ${caughtByTests.length} change what the oracle cannot judge, because it is allowed, only worse or later than it has to be, or what the swarm meets
too seldom. Each has a test that fails with the bug and passes without it: scenarios are named by their file in \`test/scenarios\`. One of
them alone: \`npm run mutants -- --only ID\`.

| bug | what is wrong | in | caught by |
| --- | --- | --- | --- |
${ordered(caughtByTests, mutantsOfTests).map(rowOfTest).join('\n')}
`
}

for (const failure of failures) console.log(`FAILED: ${failure}`)
console.log(
  `${results.length} bugs caught, ${rules.length - idle.length} of ${rules.length} rules are the only ones to see some bug`,
)
console.log(`${caughtByTests.length} more caught by a scenario or a unit test`)
console.log(`${results.length + caughtByTests.length} passed, ${failures.length} failed`)
process.exitCode = failures.length > 0 ? 1 : 0
