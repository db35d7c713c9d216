import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isJournal } from '../../src/cli/output.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { builtCommand } from '../support/built.ts'

describe('the journal', () => {
  it('is told how loud a line is, and nobody else', async (t) => {
    const file = join(temporaryDirectory(t), 'err')
    const fd = openSync(file, 'w+')
    t.after(() => closeSync(fd))
    const { dev, ino } = fstatSync(fd, { bigint: true })
    const say = (env: Record<string, string>) =>
      new Promise((resolve) =>
        spawn(process.execPath, [builtCommand(), 'status', '--control', join(file, 'none')], {
          env: { ...process.env, ...env },
          stdio: ['ignore', 'ignore', fd],
        }).on('close', resolve),
      )
    await say({ JOURNAL_STREAM: `${dev}:${ino}` })
    await say({ JOURNAL_STREAM: `${dev}:${ino + 1n}` })
    const [told, plain] = readFileSync(file, 'utf8').split('\n')
    assert.match(told ?? '', /^<3>hot-standby: /)
    assert.match(plain ?? '', /^hot-standby: /)
  })

  it('is not there without its name, and where the descriptor is closed', () => {
    assert.equal(isJournal({}), false)
    assert.equal(isJournal({ JOURNAL_STREAM: '1:2' }, 9999), false)
  })
})
