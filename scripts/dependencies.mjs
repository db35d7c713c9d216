// `npm test`, `npm run demo` and `.ci/run` start on a fresh clone, so this file uses nothing but Node itself.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages

/** What node_modules lacks or has in another version than package-lock.json, by path. */
function staleDependencies() {
  const wanted = Object.entries(packagesOf(join(root, 'package-lock.json'))).filter(
    // Optional ones are mostly binaries of other platforms; npm decides which of them belong here.
    ([path, entry]) => path !== '' && !entry.optional && !entry.devOptional && !entry.peer,
  )
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return wanted.map(([path]) => path)
  const installed = packagesOf(record)
  return wanted
    .filter(
      ([path, { version }]) => installed[path]?.version !== version || !existsSync(join(root, path, 'package.json')),
    )
    .map(([path]) => path)
}

/** How to run npm from wherever this script was started, also outside `npm run`. */
export function npmCall(args, options) {
  const cli = process.env.npm_execpath
  const [command, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  const env = { ...process.env, ...options?.env }
  // Set by an outer `npm run`: it would aim the inner npm at this package instead of its working directory.
  delete env.npm_config_local_prefix
  return { command, args: [...first, ...args], options: { cwd: root, ...options, env } }
}

/** Runs npm, as `spawnSync` runs a program. */
export function npm(args, options) {
  const call = npmCall(args, { stdio: ['ignore', 'inherit', 'inherit'], ...options })
  return spawnSync(call.command, call.args, call.options)
}

/**
 * Installs the npm dependencies when node_modules is missing or does not match package-lock.json; tells of it on stderr,
 * because stdout may be another program's input. Throws when that fails.
 */
export function installDependencies() {
  const stale = staleDependencies()
  if (stale.length === 0) return
  console.error(`installing npm dependencies (${stale.length} missing or outdated): npm ci --ignore-scripts`)
  const { status } = npm(['ci', '--ignore-scripts', '--no-progress'], { stdio: ['ignore', 2, 2] })
  if (status !== 0)
    throw new Error(`npm ci --ignore-scripts failed (exit ${status}); the npm registry must be reachable`)
}
