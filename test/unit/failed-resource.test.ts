import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  type FailedLook,
  failedAction,
  failedResourceTable,
  unknownLooksMax,
} from '../../src/core/group/failed-resource.ts'

const both = [true, false]
const looks: readonly FailedLook[] = (['failed', 'unknown'] as const).flatMap((evidence) =>
  [1, unknownLooksMax - 1, unknownLooksMax, 99].flatMap((unknownLooks) =>
    both.flatMap((maintained) =>
      both.flatMap((peerCouldTake) =>
        both.map((restartsLeft) => ({ evidence, unknownLooks, maintained, peerCouldTake, restartsLeft })),
      ),
    ),
  ),
)

describe('the table of failed resources', () => {
  it('takes every row, and has one for everything', () => {
    const taken = new Set(looks.map((look) => failedResourceTable.find(({ when }) => when(look))?.id))
    assert.deepEqual([...taken].sort(), failedResourceTable.map(({ id }) => id).sort())
  })

  it('stops nothing that may well run while nobody else could serve it', () => {
    for (const look of looks)
      if (look.evidence === 'unknown' && !look.peerCouldTake)
        assert.match(failedAction(look), /^(look|none)$/, JSON.stringify(look))
  })

  it('touches nothing in maintenance', () => {
    for (const look of looks) if (look.maintained) assert.equal(failedAction(look), 'none')
  })
})

it('each outcome that docs/groups.md promises names scenarios that are played', () => {
  const docs = readFileSync(new URL('../../docs/groups.md', import.meta.url), 'utf8')
  const [, section = ''] = docs.split('### Outcomes of failures')
  const [table = ''] = section.split('The kind is')
  const firstCells = table.split('\n').map((row) => row.split(' | ')[0] ?? '')
  const names = firstCells.flatMap((cell) => {
    const [, inside = ''] = /\((`.*`)\)$/.exec(cell) ?? []
    return inside.split(', ').flatMap((name) => (name === '' ? [] : name.replaceAll('`', '')))
  })
  assert.ok(names.length >= 10, names.join())
  for (const name of names) {
    const file = new URL(`../scenarios/${name}.txt`, import.meta.url)
    assert.ok(existsSync(file), `test/scenarios/${name}.txt`)
  }
})
