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

/** Runs a program of the matrix; what it prints when it fails is thrown with the name of the version. */
async function run(what, program, args, cwd) {
  try {
    await promisify(execFile)(program, args, { cwd })
  } catch (error) {
    throw new Error(`${what}: ${error.stdout}${error.stderr}`.trim())
  }
}

/** The package that is installed in `user`: each Node runs each of the `calls`. */
async function tryNodes(user, calls) {
  for (const version of nodes) {
    const program = join(tools, `node_modules/node-${version}/bin/node`)
    for (const args of calls) await run(`Node ${version}`, program, args, user)
  }
}

/** The project in `user` under each compiler, without the newest library; the oldest also resolves without `exports`. */
async function tryCompilers(user, { compilerOptions, ...project }) {
  const compile = (version, changes) => {
    const path = join(user, `tsconfig.${version}.json`)
    writeFileSync(path, JSON.stringify({ ...project, compilerOptions: { ...compilerOptions, ...changes } }))
    const script = join(tools, `node_modules/typescript-${version}/bin/tsc`)
    return run(`TypeScript ${version} with ${JSON.stringify(changes)}`, process.execPath, [script, '-p', path], user)
  }
  const lib = ['es2022']
  for (const version of compilers) await compile(version, { lib })
  // The declarations themselves were looked at above.
  await compile(compilers[0], { lib, module: 'esnext', moduleResolution: 'node10', skipLibCheck: true })
}

/**
 * Runs `calls` (arguments of Node) and compiles `project` (a tsconfig) in the folder `user`, where the package is installed.
 * Rejects with what the first failure printed.
 */
export async function tryMatrix(user, { calls, project }) {
  const results = await Promise.allSettled([tryNodes(user, calls), tryCompilers(user, project)])
  for (const { reason } of results) if (reason) throw reason
}
