import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import ts from 'typescript'
import { parse, readSources, root } from '../support/sources.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The words of a union of literals, as the source declares it. */
function wordsOf(path: string, type: string): string[] {
  const found: string[] = []
  for (const statement of parse(path, read(path)).statements) {
    if (!ts.isTypeAliasDeclaration(statement) || statement.name.text !== type) continue
    const members = ts.isUnionTypeNode(statement.type) ? statement.type.types : [statement.type]
    for (const member of members)
      if (ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal)) found.push(member.literal.text)
  }
  assert.ok(found.length > 0, `${path} declares no words ${type}`)
  return found
}

/** Fields of each event's payload. */
function eventsOf(path: string, type: string): Map<string, string[]> {
  const events = new Map<string, string[]>()
  for (const statement of parse(path, read(path)).statements) {
    if (!ts.isInterfaceDeclaration(statement) || statement.name.text !== type) continue
    for (const member of statement.members) {
      if (!ts.isPropertySignature(member) || !member.type) continue
      const fields = ts.isTypeLiteralNode(member.type) ? member.type.members : []
      const name = (member.name as ts.StringLiteral | ts.Identifier).text
      events.set(
        name,
        [...fields].map((field) => (field.name as ts.Identifier).text),
      )
    }
  }
  return events
}

/** Rows of the table under a head that begins with `first`: cells by the word in the row's first cell. */
function rowsOf(page: string, first: string, nth = 0): Map<string, string[]> {
  const lines = read(page).split('\n')
  const heads = lines.flatMap((line, index) => (line.startsWith(`| ${first} |`) ? [index] : []))
  const start = heads[nth]
  assert.ok(start !== undefined, `${page} has no table ${nth} of ${first}`)
  const rows = new Map<string, string[]>()
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break
    const [word = '', ...cells] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
    rows.set(word.replaceAll('`', ''), cells)
  }
  return rows
}

const sorted = (words: Iterable<string>): string[] => [...words].sort()

describe('the pages', () => {
  it('have a row for each error code, and for nothing else', () => {
    const rows = rowsOf('docs/errors.md', 'code')
    assert.deepEqual(sorted(rows.keys()), sorted(wordsOf('src/roles/error.ts', 'HotStandbyErrorCode')))
    for (const [code, [when = '', then = '']] of rows) assert.ok(when.length > 20 && then.length > 10, code)
  })

  it('have a row for each reason why bytes were dropped', () => {
    const reasons = [
      ...wordsOf('src/wire/codec.ts', 'DropReason'),
      ...wordsOf('src/roles/key-ring.ts', 'KeyRefusal'),
      ...wordsOf('src/wire/sealed.ts', 'SealedFault'),
      ...wordsOf('src/roles/transport.ts', 'TransportDrop'),
      'flood',
    ]
    assert.deepEqual(sorted(rowsOf('docs/errors.md', 'reason').keys()), sorted(new Set(reasons)))
  })

  it('have a row for each reason why a message was dropped', () => {
    const reasons = wordsOf('src/core/events.ts', 'MessageDropReason')
    assert.deepEqual(sorted(rowsOf('docs/errors.md', 'reason', 1).keys()), sorted(reasons))
  })

  it('have a row for each reason why a group moved', () => {
    assert.deepEqual(
      sorted(rowsOf('docs/reasons.md', 'reason').keys()),
      sorted(wordsOf('src/core/events.ts', 'Reason')),
    )
  })

  it('have a row for each event, which names every field of its payload', () => {
    const events = eventsOf('src/core/events.ts', 'EventPayloads').set('message', ['payload'])
    const rows = rowsOf('docs/events.md', 'event')
    assert.deepEqual(sorted(rows.keys()), sorted(events.keys()))
    for (const [name, fields] of events) {
      const [when = '', payload = ''] = rows.get(name) ?? []
      assert.ok(when.length > 10, `${name} says when`)
      const named = [...payload.matchAll(/`(\w+)`/g)].map(([, field]) => field)
      assert.deepEqual(named, fields, name)
    }
  })

  it('have a row for each field of the snapshot', () => {
    const fields = [...eventsOf('src/cluster/snapshot.ts', 'Snapshot').keys()]
    const rows = [...rowsOf('docs/snapshot.md', 'field').keys()].flatMap((word) => word.split(', '))
    assert.deepEqual(rows, fields)
  })

  it('lead nowhere that is not there', () => {
    const missing: string[] = []
    const pages = readSources(['docs'], (path) => path.endsWith('.md') && !path.startsWith('docs/api/'))
    for (const [path, text] of [...pages, ['README.md', read('README.md')] as const]) {
      const prose = text.replace(/^```[\s\S]*?^```/gm, '')
      for (const [, link = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        const file = link.split('#')[0] as string
        if (/^[a-z]+:/.test(link) || file === '' || file.startsWith('docs/api')) continue
        if (!existsSync(join(root, dirname(path), file))) missing.push(`${path}: ${link}`)
      }
    }
    assert.deepEqual(missing, [])
  })

  it('have a row for each of the twenty-four pains', () => {
    const expected = Array.from({ length: 24 }, (_, index) => `P${index + 1}`)
    const rows = rowsOf('docs/pains.md', 'no.')
    assert.deepEqual([...rows.keys()], expected)
    // The package has the pages and not the dialogues, so they are named and not linked.
    const named = [...rows.values()].flatMap((cells) => [...(cells.at(-1) ?? '').matchAll(/`([a-z][\w-]+)`/g)])
    assert.ok(named.length > expected.length)
    for (const [, name] of named) assert.ok(existsSync(join(root, `test/scenarios/${name}.txt`)), name)
  })

  it('are all in the index', () => {
    const index = read('docs/README.md')
    const pages = readSources(['docs'], (path) => path.endsWith('.md') && !path.startsWith('docs/api/'))
    const left = [...pages.keys()]
      .map((path) => path.slice('docs/'.length))
      .filter((path) => path !== 'README.md' && !index.includes(`(${path})`))
    assert.deepEqual(left, [])
  })
})
