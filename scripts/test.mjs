// `npm test [-- TIER…]`: installs what the tests need, runs the tiers in order, and closes with the counts.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installDependencies } from './dependencies.mjs'

const root = join(import.meta.dirname, '..')
const inCi = Boolean(process.env.CI) && process.env.CI !== 'false'

/**
 * `concurrency`: test files at once. `fileLimitS`: a file that takes longer is killed and failed. `hosts`: the tier builds
 * hosts in network namespaces. `packages`: the list of Debian packages it uses; only a tier with `hosts` cannot do without
 * them, the others leave tests out and say so. `also`: scripts, with their words, that play further tests and print their counts as their last line.
 */
const tiers = {
  unit: { suffix: '.test.ts', concurrency: 2, fileLimitS: 300, packages: 'unit' },
  scenarios: { suffix: '.test.ts', concurrency: 2, fileLimitS: 300 },
  simulation: {
    suffix: '.test.ts',
    concurrency: 2,
    fileLimitS: 900,
    also: [['scripts/sim.mjs', '--seeds', process.env.SIM_SEEDS ?? '2000'], ['scripts/mutants.mjs']],
  },
  lab: {
    suffix: '.lab.test.ts',
    concurrency: 1,
    fileLimitS: 1200,
    hosts: true,
    packages: 'lab',
    also: [['scripts/lab.mjs'], ['scripts/lab.mjs', 'heartbeat', 'ci']],
  },
}

/** Files of a tier, also in its folders. Node 20 expands no globs itself. */
function testFiles(tier, suffix) {
  const folder = join('test', tier)
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name))
    .sort()
}

/** Why this machine cannot build hosts; null when it can. */
function noHosts() {
  if (process.platform !== 'linux') return `it needs Linux's network namespaces, this is ${process.platform}`
  if (process.getuid() !== 0) return 'it needs root, to make network namespaces and floating addresses'
  return null
}

/**
 * In CI the machine is somebody else's too, and a test with sockets, processes or hosts lives by real time: so many failed ones
 * are run once more, each by itself. Both accounts are printed. What fails again is a failure; of more failures, none is tried again.
 */
const SECOND_TRIES = inCi ? 3 : 0

/** Runs them all, and in CI the few that failed once more. */
async function runFiles(files, tier) {
  const counts = await runOnce(files, tier)
  const failed = counts.failedTests ?? []
  if (failed.length === 0 || failed.length > SECOND_TRIES || failed.length !== counts.failed) return counts
  for (const { name, file, whole } of failed) {
    console.log(`  once more: ${name} (${file})`)
    const pattern = `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`
    const second = await runOnce([file], tier, whole ? [] : [`--test-name-pattern=${pattern}`])
    if (second.failed > 0 || second.passed === 0) continue
    counts.failed--
    counts.passed++
  }
  return counts
}

async function runOnce(files, { concurrency, fileLimitS }, words = []) {
  const scratch = mkdtempSync(join(tmpdir(), 'hot-standby-tally-'))
  const tallyFile = join(scratch, 'counts.json')
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${fileLimitS * 1000}`]
  const args = ['--import', 'tsx', '--test', ...limits, ...words]
  const reporter = new URL('./tally.mjs', import.meta.url).href
  const child = spawn(process.execPath, [...args, `--test-reporter=${reporter}`, ...files], {
    cwd: root,
    env: { ...process.env, TALLY_FILE: tallyFile },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [status] = await new Promise((done) => child.once('exit', (...exit) => done(exit)))
  const counts = existsSync(tallyFile)
    ? JSON.parse(readFileSync(tallyFile, 'utf8'))
    : { passed: 0, failed: 1, skipped: 0 }
  rmSync(scratch, { recursive: true, force: true })
  if (status !== 0 && counts.failed === 0) {
    console.log(`  FAILED: the test runner ended with ${status}`)
    counts.failed = 1
  }
  return counts
}

/** Runs a script whose last line may name its counts; otherwise it counts as one test, by its exit code. */
async function runScript(script, ...words) {
  const child = spawn(process.execPath, [join(root, script), ...words], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let lastLines = ''
  child.stdout.on('data', (chunk) => {
    process.stdout.write(chunk)
    lastLines = (lastLines + chunk).slice(-1000)
  })
  const [status] = await new Promise((done) => child.once('close', (...exit) => done(exit)))
  const match = /(?:^|\n)(\d+) passed, (\d+) failed(?:, (\d+) skipped)?(?:, \d+ not run)?\s*$/.exec(lastLines)
  const [passed, failed, skipped] = match ? match.slice(1).map((text) => Number(text ?? 0)) : [0, 0, 0]
  if (status !== 0 && failed === 0) return { passed, failed: 1, skipped }
  return match ? { passed, failed, skipped } : { passed: 1, failed: 0, skipped: 0 }
}

/** Debian packages of a list: named before they are installed, their services kept from starting. */
function installPackages(list) {
  const script = join(root, 'scripts/packages.mjs')
  return (
    spawnSync(process.execPath, [script, list], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
  )
}

async function runTier(name) {
  const tier = tiers[name]
  const total = { passed: 0, failed: 0, skipped: 0 }
  const add = (counts) => {
    for (const key of Object.keys(total)) total[key] += counts[key]
  }
  const obstacle = tier.hosts ? noHosts() : null
  if (obstacle !== null) {
    console.log(`  skipped: the ${name} tier: ${obstacle}`)
    add(inCi ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 })
    return total
  }
  // Where the lab cannot be, nothing is installed either: what a test lacks there, it says itself.
  if (tier.packages !== undefined && noHosts() === null && !installPackages(tier.packages)) {
    console.log(`  FAILED: the Debian packages of the ${name} tier could not be installed`)
    add({ passed: 0, failed: 1, skipped: 0 })
    return total
  }
  const files = testFiles(name, tier.suffix)
  if (files.length > 0) add(await runFiles(files, tier))
  for (const [script, ...words] of tier.also ?? []) add(await runScript(script, ...words))
  if (total.passed + total.failed === 0) {
    console.log(`  FAILED: no test of the ${name} tier was run`)
    total.failed++
  }
  if (inCi && tier.hosts && total.skipped > 0) {
    console.log(`  FAILED: ${total.skipped} skipped; in CI everything of the ${name} tier must run`)
    total.failed += total.skipped
    total.skipped = 0
  }
  return total
}

const countsLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(tiers)
const unknown = chosen.filter((name) => !Object.hasOwn(tiers, name))
if (unknown.length > 0) {
  console.error(`no such tier: ${unknown.join(', ')}; there are ${Object.keys(tiers).join(', ')}`)
  process.exit(2)
}

installDependencies()
const sum = { passed: 0, failed: 0, skipped: 0 }
const rows = []
for (const name of chosen) {
  console.log(`${name} tests`)
  const startMs = performance.now()
  const counts = await runTier(name)
  for (const key of Object.keys(sum)) sum[key] += counts[key]
  rows.push(`${name.padEnd(10)}  ${countsLine(counts)}  (${((performance.now() - startMs) / 1000).toFixed(1)} s)`)
  console.log(`${rows.at(-1)}\n`)
}
if (rows.length > 1) console.log(rows.join('\n'))
process.exitCode = sum.failed > 0 ? 1 : 0
console.log(countsLine(sum))
