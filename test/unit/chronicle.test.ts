import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Chronicle } from '../../src/recorder/timeline-store.ts'
import { explain } from '../../src/recorder/explain.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

/** A pair in virtual time; what `master` tells is kept in so many characters. */
function told(maxChars: number): { pair: Simulation; chronicle: () => Chronicle } {
  let chronicle = new Chronicle('master', 'slave', maxChars)
  const pair = new Simulation({
    seed: 7,
    nodes: ['master', 'slave'],
    groups: [
      { name: 'web', preferred: 'master', resources: ['vip'] },
      { name: 'mail', preferred: 'slave', resources: ['mx'] },
    ],
    liveness,
    ring: simulatedRing,
    links: ['eth1'],
    targets: ['gateway'],
    trace: (node, step) => node === 'master' && chronicle.decided(step),
    wrap(node, core) {
      if (node !== 'master') return core
      chronicle = new Chronicle('master', 'slave', maxChars)
      return chronicle.wrap(core)
    },
  })
  return { pair, chronicle: () => chronicle }
}

const size = (chronicle: Chronicle): number => JSON.stringify(chronicle.account?.timeline).length

describe('what a running member has told', () => {
  it('explains the newest change of role after hours, however much was told since', () => {
    const { pair, chronicle } = told(16_384)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    pair.crash('slave')
    pair.run(3000)
    const before = chronicle().account
    assert.ok(before)
    const mail = explain(before, 'mail')
    assert.ok(mail.changedAtMs !== undefined)
    for (let round = 0; round < 5000; round++)
      chronicle().note({
        name: 'problem',
        monoMs: 1e9 + round,
        payload: { where: 'link', code: 'HS_LINK', message: 'junk' },
      })
    const after = chronicle().account
    assert.ok(after)
    assert.ok(size(chronicle()) <= 16_384 * 1.1, String(size(chronicle())))
    assert.equal(explain(after, 'mail').changedAtMs, mail.changedAtMs)
    assert.deepEqual(explain(after, 'mail').sentences.slice(1), mail.sentences.slice(1))
    assert.ok(
      explain(after, 'mail').sentences.some((sentence) =>
        /(At that moment|Before that, at .*): slave is dead/.test(sentence),
      ),
    )
    assert.deepEqual(explain(after, 'web').timeline, explain(before, 'web').timeline)
  })

  it('stays bounded over many changes of role and explains the last of them', () => {
    const { pair, chronicle } = told(16_384)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    for (let round = 0; round < 40; round++) {
      pair.command('slave', { name: 'takeover', scope: 'all' })
      pair.run(8000)
      pair.command('master', { name: 'takeover', scope: 'all' })
      pair.run(8000)
    }
    pair.command('slave', { name: 'takeover', scope: ['web'] })
    pair.run(300_000)
    const account = chronicle().account
    assert.ok(account)
    assert.ok(size(chronicle()) <= 16_384 * 1.1, String(size(chronicle())))
    const { sentences, changedAtMs = 0 } = explain(account)
    assert.ok(account.toWallMs - changedAtMs > 295_000, sentences.join('\n'))
    assert.match(sentences.join('\n'), /web active -> stopping/)
  })

  it('keeps nothing that an application says', () => {
    const { pair, chronicle } = told(16_384)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    pair.command('slave', { name: 'send', payload: new TextEncoder().encode('tr0ub4dor') })
    pair.run(1000)
    assert.ok(chronicle().account?.timeline.every(({ name }) => name !== 'message'))
  })
})
