// `node scripts/capture.mjs [NAME…]`: records conversations of our node with a real heartbeat daemon in the laboratory, and writes
// them to test/scenarios/heartbeat. Needs root on Linux; not part of the tests, which play what was recorded.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './dependencies.mjs'
import { ensurePackages, LISTS } from './packages.mjs'

installDependencies()
for (const list of [LISTS.pair, LISTS.heartbeat, LISTS.capture]) ensurePackages(list)
const { register } = await import('tsx/esm/api')
register()
const build = fileURLToPath(new URL('./build.mjs', import.meta.url))
if (spawnSync(process.execPath, [build], { stdio: 'inherit' }).status !== 0) process.exit(1)
const { captureAll } = await import('../test/lab/capture/capture.ts')
process.exitCode = (await captureAll(process.argv.slice(2))) > 0 ? 1 : 0
