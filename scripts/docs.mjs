// `npm run docs`: the state diagrams, the API reference, and a check that every example in the documentation compiles.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { compileFences } from './fences.mjs'

const root = join(import.meta.dirname, '..')
const node = (args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0

/** Draws the tables of the core into docs. */
function diagrams() {
  const script = join(root, 'scripts/diagrams.mjs')
  return !existsSync(script) || node(['--import', 'tsx', script])
}

/** Writes the JSON Schema of a snapshot. */
const schema = () => node([join(root, 'scripts/schema.mjs')])

/** Writes docs/api; fails when something public has no doc comment. */
function reference() {
  const entry = createRequire(import.meta.url).resolve('typedoc')
  return node([join(entry, '../../bin/typedoc'), '--options', join(root, 'typedoc.json')])
}

async function examples() {
  const { count, problems } = await compileFences()
  for (const problem of problems) console.error(problem)
  console.log(`${count} examples compiled, ${problems.length} problems`)
  return problems.length === 0
}

const failed = []
for (const step of [diagrams, schema, reference, examples]) if (!(await step())) failed.push(step)
if (failed.length > 0) {
  console.error(`docs failed: ${failed.map(({ name }) => name).join(', ')}`)
  process.exitCode = 1
}
