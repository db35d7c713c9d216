// npm run bench [-- WORD...]: measures the figures of docs/figures.md; words choose some of them.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installDependencies } from './dependencies.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
installDependencies()
const run = (args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1
const built = run(['scripts/build.mjs'])
process.exit(built === 0 ? run(['--import', 'tsx', 'bench/main.ts', ...process.argv.slice(2)]) : built)
