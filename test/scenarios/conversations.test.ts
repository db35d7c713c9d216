import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ConversationPlayer, formatConversation, parseConversation } from './conversation.ts'

/**
 * Every file of `heartbeat/` is a conversation with a real heartbeat 3.0.6 daemon, recorded in the laboratory by
 * `node scripts/capture.mjs`. `<` are the daemon's datagrams, byte by byte with their signatures, `!` what our node was told to
 * do; `>` and `=` are what it says and tells, found out anew each time. After a change of behaviour run
 * `REWRITE=1 npm test -- scenarios`, read the difference, and keep it only if a daemon would understand it: what the daemon
 * answered belongs to what our node said when it was recorded.
 */
const folder = join(import.meta.dirname, 'heartbeat')
const rewrite = process.env['REWRITE'] === '1'
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))

/** What must have been recorded, with our node on either side. */
const exchanges = [
  'cold-start',
  'join',
  'standby-by-daemon',
  'standby-by-us',
  'takeover-by-daemon',
  'takeover-by-us',
  'failback',
  'stop-of-daemon',
  'stop-of-ours',
  'death',
  'merge',
] as const

describe('conversations with a heartbeat daemon', () => {
  it('are all here, with our node as slave and as master', () => {
    const expected = exchanges.flatMap((name) => [`${name}-our-master.txt`, `${name}-our-slave.txt`])
    assert.deepEqual([...files].sort(), expected.sort())
  })

  for (const file of files)
    it(file.replace('.txt', ''), () => {
      const path = join(folder, file)
      const before = readFileSync(path, 'utf8')
      const player = new ConversationPlayer(parseConversation(before))
      const now = formatConversation(player.play())
      if (rewrite) writeFileSync(path, now)
      else assert.equal(now, before)
    })
})
