import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { oracleChecks } from '../../src/testing/oracle-checks.ts'
import { readSources, root } from '../support/sources.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('docs/safety.md')
const rules = new Set([...page.matchAll(/^### (S\d+) /gm)].map(([, rule]) => rule as string))

/** Names behind `what` on the lines of checks, as in "scenarios `one`, `two`". */
function named(what: string): string[] {
  const lists = [...page.matchAll(new RegExp(`\\b${what}s? ((?:\`[^\`]+\`(?:, )?)+)`, 'g'))]
  const names = lists.flatMap(([, list = '']) => [...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string))
  assert.ok(names.length > 3, `only ${names.length} names behind ${what}`)
  return names
}

describe('docs/safety.md', () => {
  it('has every rule that a comment of src names, and all from S1 to S18', () => {
    const comments = /\/\*[\s\S]*?\*\/|\/\/.*/g
    const unknown: string[] = []
    let count = 0
    for (const [path, text] of readSources(['src'], (name) => name.endsWith('.ts')))
      for (const [comment] of text.matchAll(comments))
        for (const [rule] of comment.matchAll(/\bS\d+\b/g)) {
          count++
          if (!rules.has(rule)) unknown.push(`${path}: ${rule}`)
        }
    assert.ok(count > 8, `only ${count} comments name a rule`)
    assert.deepEqual(unknown, [])
    assert.deepEqual(
      [...rules],
      Array.from({ length: 18 }, (_, index) => `S${index + 1}`),
    )
  })

  it('names only files, scenarios, planted bugs and rules of the oracle that are there', () => {
    const bugs = read('docs/mutants.md')
    const ids = new Set(oracleChecks.map(({ id }) => id))
    const files = [...page.matchAll(/`((?:src|test)\/[\w./-]+\.ts)`/g)].map(([, path]) => path as string)
    assert.ok(files.length > 30, `only ${files.length} files are named`)
    const missing = [
      ...files.filter((path) => !existsSync(join(root, path))),
      ...named('scenario').filter((name) => !existsSync(join(root, `test/scenarios/${name}.txt`))),
      ...named('planted bug').filter((name) => !bugs.includes(`| \`${name}\` |`)),
      ...named('oracle rule').filter((id) => !ids.has(id)),
    ]
    assert.deepEqual(missing, [])
  })

  it('is the only safety document that the sources name', () => {
    const foreign: string[] = []
    const sources = readSources(['src', 'test', 'scripts', 'docs'], (path) => /\.(ts|mjs|md|txt)$/.test(path))
    for (const [path, text] of sources) {
      if (path === 'test/unit/safety.test.ts' || path.startsWith('docs/api/')) continue
      for (const [index, line] of text.split('\n').entries())
        if (/\barchitecture\.md|\b(?:safety|linux-ha)\.md (?:§|\d)|linux-ha\.md/.test(line))
          foreign.push(`${path}:${index + 1}`)
    }
    assert.deepEqual(foreign, [])
  })
})
