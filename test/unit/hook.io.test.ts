import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { type HookOptions, hook, type ResourceAgent } from '../../src/index.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import { resourceAgentSuite } from '../../src/testing/index.ts'
import { temporaryDirectory } from '../support/agents.ts'

resourceAgentSuite({
  manifest: { sees: true, breaks: false, hangs: true },
  test,
  create() {
    let on = false
    let hangs = false
    const plugin = hook('lamp', {
      start: () => {
        on = true
        return hangs ? new Promise(() => {}) : undefined
      },
      stop: () => {
        on = false
      },
    })
    return {
      plugin,
      serves: () => on,
      hang: () => {
        hangs = true
      },
    }
  },
})

function agentOf(options: HookOptions, warnings: string[] = []): ResourceAgent {
  return hook('it', options).create({
    self: 'one',
    group: 'web',
    logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(String(message)) },
    directory: tmpdir(),
    changed() {},
    remember() {},
    leftover: null,
  })
}

const once = () => ({ epoch: 7, signal: new AbortController().signal })

describe('hook()', () => {
  it('is told the group, the node and the epoch, as a function and as a program', async (t) => {
    const seen: unknown[] = []
    const file = join(temporaryDirectory(t), 'hook')
    const program = ['/bin/sh', '-c', `echo "$HS_GROUP $HS_NODE $HS_EPOCH" >${file}`]
    const agent = agentOf({ start: ({ group, node, epoch }) => seen.push([group, node, epoch]), stop: program })
    await agent.start(once())
    await agent.stop(once())
    assert.deepEqual(seen, [['web', 'one', 7]])
    assert.equal(readFileSync(file, 'utf8'), 'web one 7\n')
  })

  it('fails the start where it is required, and is passed over where it is not', async () => {
    const start = ['/bin/sh', '-c', 'echo no luck >&2; exit 4']
    await assert.rejects(agentOf({ start }).start(once()), /\/bin\/sh ended with 4: no luck/)
    const warnings: string[] = []
    await agentOf({ start, required: false }, warnings).start(once())
    assert.match(warnings.join(), /passed over: \/bin\/sh ended with 4: no luck/)
  })

  it('never holds a stop, whether it throws or never returns', async () => {
    const keep = setTimeout(() => {}, 10_000)
    for (const stop of [() => Promise.reject(new Error('out of order')), () => new Promise(() => {})]) {
      const warnings: string[] = []
      const agent = agentOf({ start() {}, stop, stopTimeout: '20ms' }, warnings)
      await agent.start(once())
      await agent.stop(once())
      assert.equal((await agent.status(once())).state, 'stopped')
      assert.match(warnings.join(), /a hook failed and is passed over: (out of order|not finished after 20 ms)/)
    }
    clearTimeout(keep)
  })

  it('refuses what cannot be a hook', () => {
    assert.throws(() => hook('a', {}), /neither start nor stop is given/)
    assert.throws(() => hook('a', { start: ['ls'] }), /hook\.start: a function is needed, or a list that begins/)
    assert.throws(() => hook('', { start() {} }), /hook: '' is not a valid name/)
  })
})
