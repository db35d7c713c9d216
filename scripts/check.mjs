// `npm run check [-- NAME…]`: everything that can be said without running the pair. One line for each check, its output only
// when it fails, the counts at the end.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { playCookbook } from './cookbook.mjs'
import { installDependencies } from './dependencies.mjs'
import { checkPackage } from './package-check.mjs'

const root = join(import.meta.dirname, '..')
const bin = (name) => join(root, 'node_modules', name)

/** Runs a program quietly; throws what it printed when it fails. `command` may also be a function like `spawnSync`. */
function run(command, args, options = {}) {
  const env = { ...process.env, NO_COLOR: '1' }
  const settings = { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options }
  const result = typeof command === 'function' ? command(args, settings) : spawnSync(command, args, settings)
  if (result.error) throw result.error
  if (result.status !== 0)
    throw new Error(`${result.stdout}${result.stderr}`.trim() || `${args[0]} ended with ${result.status}`)
}

const node = (...args) => run(process.execPath, args)
const tsc = (config) => node(bin('typescript/bin/tsc'), '--noEmit', '-p', config)

const reporter = `--test-reporter=${new URL('./tally.mjs', import.meta.url).href}`
const wallTests = ['walls', 'tidy', 'plugins'].map((name) => `test/unit/${name}.test.ts`)

const checks = {
  types: () => tsc('tsconfig.json'),
  'types of tests': () => tsc('tsconfig.test.json'),
  'format, lint, cycles': () => node(bin('@biomejs/biome/bin/biome'), 'ci', '--colors=off', '--error-on-warnings', '.'),
  walls: () => node('--import', 'tsx', '--test', reporter, ...wallTests),
  'dead code': () => node(bin('knip/bin/knip.js'), '--no-progress'),
  package: () => checkPackage(run),
  cookbook: () => playCookbook([]),
  docs: () => node('scripts/docs.mjs'),
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks)
const unknown = chosen.filter((name) => !Object.hasOwn(checks, name))
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}; there are: ${Object.keys(checks).join('; ')}`)
  process.exit(2)
}

installDependencies()
const failed = []
for (const name of chosen) {
  const startMs = performance.now()
  let problem = null
  try {
    await checks[name]()
  } catch (error) {
    problem = error.message
    failed.push(name)
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  console.log(`${problem === null ? 'ok    ' : 'FAILED'}  ${name.padEnd(20)}  ${seconds} s`)
  if (problem !== null) console.log(problem.replace(/^/gm, '    '))
}
if (failed.length > 0) {
  console.log(`failed checks: ${failed.join('; ')}`)
  process.exitCode = 1
}
console.log(`${chosen.length - failed.length} passed, ${failed.length} failed`)
