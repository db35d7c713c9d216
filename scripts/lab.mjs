// `npm run lab [-- SCENARIO…]`: plays the scenarios of test/lab/scenarios on hosts made of network namespaces;
// `npm run lab -- heartbeat [SCENARIO…]` those of test/lab/heartbeat, with a real heartbeat daemon;
// `npm run lab -- agents [PATTERN…]` the tests of the resource agents, with what they start and stop.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './dependencies.mjs'
import { runAgentTests } from './lab-agents.mjs'
import { ensurePackages, LISTS } from './packages.mjs'

/** Why this machine cannot build hosts; undefined when it can. */
const obstacle = () => {
  if (process.platform !== 'linux') return `it needs Linux's network namespaces, this is ${process.platform}`
  if (process.getuid() !== 0) return 'it needs root, to make network namespaces and floating addresses'
  return undefined
}

const reason = obstacle()
if (reason !== undefined) {
  console.log(`lab: left out: ${reason}`)
  process.exit(process.env['CI'] && process.env['CI'] !== 'false' ? 1 : 0)
}
installDependencies()
if (process.argv[2] === 'agents') process.exit(await runAgentTests(process.argv.slice(3)))
ensurePackages(LISTS.pair)
const { register } = await import('tsx/esm/api')
register()
const { chooseScenarios, HEARTBEAT, playScenarios } = await import('../test/lab/runner.ts')
const words = process.argv.slice(2)
if (words[0] === HEARTBEAT) ensurePackages(LISTS.heartbeat)
const chosen = await chooseScenarios(words)
if (!chosen) process.exit(2)
// The hosts run the command as it is built, so what is played is what the sources say now.
const build = fileURLToPath(new URL('./build.mjs', import.meta.url))
if (spawnSync(process.execPath, [build], { stdio: 'inherit' }).status !== 0) {
  console.error('lab: the sources do not compile')
  process.exit(1)
}
process.exitCode = (await playScenarios(chosen)) > 0 ? 1 : 0
