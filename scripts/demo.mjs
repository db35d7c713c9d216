// `npm run demo [-- --json] [-- --loopback]`: a real failover before your eyes, on a fresh clone. As root on Linux in the
// laboratory, elsewhere on loopback. Exits with 1 when a step did not hold.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installDependencies } from './dependencies.mjs'
import { ensurePackages, LISTS } from './packages.mjs'

const readOptions = () => {
  try {
    return parseArgs({ options: { json: { type: 'boolean' }, loopback: { type: 'boolean' } } }).values
  } catch (error) {
    console.error(`demo: ${error.message}\nusage: npm run demo [-- [--json] [--loopback]]`)
    process.exit(2)
  }
}

/** Why the laboratory cannot be built here; undefined when it can, as far as one can tell before. */
const obstacle = () => {
  if (options.loopback) return 'loopback was asked for'
  if (process.platform !== 'linux') return `that needs the network namespaces of Linux, this is ${process.platform}`
  if (process.getuid() !== 0) return 'that needs root, to make hosts of network namespaces'
  try {
    ensurePackages(LISTS.pair)
    return undefined
  } catch (error) {
    return error.message.split('\n')[0]
  }
}

const options = readOptions()
installDependencies()
// What is shown is what the sources say now. The compiler's words go to stderr: stdout is the demo's own.
const build = fileURLToPath(new URL('./build.mjs', import.meta.url))
if (spawnSync(process.execPath, [build], { stdio: ['ignore', 2, 2] }).status !== 0) {
  console.error('demo: the sources do not compile')
  process.exit(1)
}
const { register } = await import('tsx/esm/api')
register()
const { runDemo } = await import('../test/demo/run.ts')
process.exitCode = await runDemo({ obstacle: obstacle(), json: options.json ?? false })
