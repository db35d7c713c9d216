import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { dialogueIdle } from '../../src/core/handover/ignored.ts'
import { dialogueTable } from '../../src/core/handover/table.ts'
import { ownershipIdle } from '../../src/core/ownership/ignored.ts'
import { ownershipTable } from '../../src/core/ownership/table.ts'
import { formatScenario, parseScenario, ScenarioPlayer } from './scenario.ts'

/**
 * Every file here is a dialogue: commands (each explained in `scenario.ts`), `----`, and what is then seen: the events with the
 * virtual milliseconds, and who serves, as a client would find out. After a change of behaviour run
 * `REWRITE=1 npm test -- scenarios`, read the difference, and keep it only if you understand it.
 */
const folder = import.meta.dirname
const rewrite = process.env['REWRITE'] === '1'
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))

const tables = {
  dialogue: { rows: dialogueTable, idle: dialogueIdle },
  ownership: { rows: ownershipTable, idle: ownershipIdle },
} as const

const taken = { dialogue: new Set<number>(), ownership: new Set<number>() }
let failed = false

describe('scenarios', () => {
  for (const file of files) {
    it(file.replace('.txt', ''), () => {
      const path = join(folder, file)
      const stanzas = parseScenario(readFileSync(path, 'utf8'))
      const player = new ScenarioPlayer()
      try {
        const played = stanzas.map(({ commands }) => ({
          commands,
          expected: commands.every((line) => line.startsWith('#')) ? '' : player.play(commands),
        }))
        if (rewrite) writeFileSync(path, formatScenario(played))
        else
          for (const [index, { commands, expected }] of stanzas.entries())
            assert.equal(played[index]?.expected, expected, `after:\n${commands.join('\n')}`)
        assert.deepEqual(player.problems(), [])
        const undeclared = new Set<string>()
        for (const { table, from, on, row } of player.steps) {
          if (row !== null) taken[table].add(row)
          else if (!isIdle(table, from, on)) undeclared.add(`${table}: ${from} × ${on}`)
        }
        assert.deepEqual([...undeclared], [], 'pairs that were declared impossible, or never declared')
      } catch (error) {
        failed = true
        throw error
      }
    })
  }

  it('take every row of both tables', () => {
    assert.ok(!failed, 'a scenario failed')
    for (const name of ['dialogue', 'ownership'] as const) {
      const dead = tables[name].rows.filter(({ when }, index) => !taken[name].has(index) && !daemonOnly.has(when))
      assert.deepEqual(
        dead.map(({ from, on, why }) => `${from.join(' ')} × ${on}: ${why}`),
        [],
        `rows of the ${name} table that no scenario takes`,
      )
    }
  })

  after(() => {
    if (rewrite) console.log(`${files.length} scenarios written; read the difference`)
  })
})

/** Nodes of ours never do this to each other; test/unit/daemon.test.ts plays it. */
const daemonOnly: ReadonlySet<string | undefined> = new Set(['offersCrossed'])

function isIdle(table: 'dialogue' | 'ownership', from: string, on: string): boolean {
  const idle: readonly { readonly from: readonly string[]; readonly on: readonly string[] }[] = tables[table].idle
  return idle.some((entry) => entry.from.includes(from) && entry.on.includes(on))
}
