// Makes dist what is packed: the built code, the declarations that a user's compiler reads, and the man page.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tsImport } from 'tsx/esm/api'
import ts from 'typescript'
import { manPage } from './man.mjs'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Runs one of our own programs. */
function node(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`)
}

/** The declarations that those of the entry points need, themselves included. */
function neededDeclarations() {
  const needed = new Set()
  const open = Object.values(description.exports).flatMap(({ types }) => (types ? [join(root, types)] : []))
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (needed.has(path)) continue
    needed.add(path)
    for (const { fileName } of ts.preProcessFile(readFileSync(path, 'utf8')).importedFiles)
      if (fileName.startsWith('.')) open.push(join(dirname(path), fileName.replace(/\.[jt]s$/, '.d.ts')))
  }
  return needed
}

node('scripts/build.mjs')
const table = await tsImport('../src/cli/table.ts', import.meta.url)
const needed = neededDeclarations()
for (const name of readdirSync(dist, { recursive: true }))
  if (name.endsWith('.d.ts') && !needed.has(join(dist, name))) rmSync(join(dist, name))
writeFileSync(join(root, description.man[0]), manPage(table, description))
