import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { root } from '../support/sources.ts'

it('the pages of the tables are up to date', () => {
  const script = join(root, 'scripts/diagrams.mjs')
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.equal(stderr.trim(), '')
  assert.equal(status, 0)
})
