// The packed package under other versions of Node and TypeScript than this repository uses. npm brings them, into a folder of
// node_modules, where they stay.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { npmCall } from './dependencies.mjs'

const tools = join(import.meta.dirname, '../node_modules/.cache/package-matrix')

/** Of the old lines the first version that `engines` allows, of the others a recent one. */
const nodes = ['20.19.0', '22.12.0', '24.22.3', '26.12.1']

/** The oldest that works, one from the middle, and the newest. */
const compilers = ['5.2.2', '5.6.3', '7.0.2']

const binaries = `node-${process.platform}-${process.arch}`

/** Package names by what they are installed as: several versions of one stand side by side. */
const wanted = {
  ...Object.fromEntries(nodes.map((version) => [`node-${version}`, `npm:${binaries}@${version}`])),
  ...Object.fromEntries(compilers.map((version) => [`typescript-${version}`, `npm:typescript@${version}`])),
}

/** Installs them, unless that was done before. Resolves when they are there. */
export async function fetchMatrix() {
  const done = join(tools, 'installed.json')
  const list = JSON.stringify({ private: true, dependencies: wanted })
  if (existsSync(done) && readFileSync(done, 'utf8') === list) return
  mkdirSync(tools, { recursive: true })
  writeFileSync(join(tools, 'package.json'), list)
  const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--no-progress', '--prefix', tools]
  const { command, args, options } = npmCall(['install', ...flags], { cwd: tools })
  await promisify(execFile)(command, args, options)
  writeFileSync(done, list)
}

/** Calls `use(program, version)` for each Node. */
export function eachNode(use) {
  for (const version of nodes) use(join(tools, `node_modules/node-${version}/bin/node`), version)
}

/** Calls `use(script, version)` for each compiler. */
export function eachCompiler(use) {
  for (const version of compilers) use(join(tools, `node_modules/typescript-${version}/bin/tsc`), version)
}
