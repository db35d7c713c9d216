import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { guards } from '../../src/core/authority/guarantee.ts'
import { ownershipIdle, ownershipImpossible } from '../../src/core/ownership/ignored.ts'
import { groupStates, ownershipEvents, ownershipTable } from '../../src/core/ownership/table.ts'
import { tableProblems } from '../support/tables.ts'

describe('the ownership table', () => {
  it('says of every state and event what follows', () => {
    assert.deepEqual(
      tableProblems({
        states: groupStates,
        events: ownershipEvents,
        rows: ownershipTable,
        idle: ownershipIdle,
        impossible: ownershipImpossible,
      }),
      [],
    )
  })

  it('uses every guard', () => {
    const used = new Set(ownershipTable.map(({ when }) => when).filter((when) => when !== undefined))
    assert.deepEqual([...used].sort(), Object.keys(guards).sort())
  })

  it('raises the epoch before every start, and only then', () => {
    for (const row of ownershipTable) {
      const { do: actions, why } = row
      const start = actions.findIndex((action) => action === 'start' || action === 'revive')
      assert.equal(start >= 0, actions.includes('raiseEpoch'), why)
      if (start >= 0) assert.ok(actions.indexOf('raiseEpoch') < start, `${why}: the epoch first`)
      assert.equal(row.to === 'starting' && !row.from.includes('starting'), start >= 0, why)
    }
  })

  it('stops whatever leaves a serving state', () => {
    const serving = ['starting', 'active', 'probation']
    for (const { from, to, do: actions, why } of ownershipTable)
      if (from.some((state) => serving.includes(state)) && to === 'stopping')
        assert.ok(actions.includes('stop') || actions.includes('cutAndStop'), why)
  })

  it('cuts off before anything else when it may no longer be the owner', () => {
    for (const { on, do: actions, why } of ownershipTable)
      if (on === 'stalled' && actions.length > 1) assert.equal(actions[0], 'cut', why)
  })
})
