import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dialogueIdle, dialogueImpossible } from '../../src/core/handover/ignored.ts'
import { dialogueEvents, dialogueGuards, dialogueTable, nodePhases, talking } from '../../src/core/handover/table.ts'
import { tableProblems } from '../support/tables.ts'

describe('the dialogue table', () => {
  it('says of every phase and event what follows', () => {
    assert.deepEqual(
      tableProblems({
        states: nodePhases,
        events: dialogueEvents,
        rows: dialogueTable,
        idle: dialogueIdle,
        impossible: dialogueImpossible,
      }),
      [],
    )
  })

  it('uses every guard', () => {
    const used = new Set(dialogueTable.map(({ when }) => when).filter((when) => when !== undefined))
    assert.deepEqual([...used].sort(), Object.keys(dialogueGuards).sort())
  })

  it('ends every phase that waits for the peer when the peer is gone', () => {
    for (const phase of talking)
      for (const on of ['dead', 'left'] as const)
        assert.ok(
          dialogueTable.some((row) => row.on === on && row.to === 'alone' && row.from.includes(phase)),
          `${phase} × ${on}`,
        )
  })

  it('never leaves a peer of ours waiting for an answer while both talk', () => {
    for (const phase of nodePhases) {
      if (['listening', 'alone', 'left'].includes(phase)) continue
      for (const on of ['me', 'takeover', 'other'] as const) {
        const rows = dialogueTable.filter((row) => row.on === on && row.from.includes(phase))
        assert.equal(rows.at(-1)?.when, undefined, `${phase} × ${on}: some row holds always`)
      }
    }
  })
})
