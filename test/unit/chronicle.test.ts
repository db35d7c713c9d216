import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { explain } from '../../src/recorder/explain.ts'
import { TimelineStore } from '../../src/recorder/timeline-store.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

/** A pair in virtual time; what `master` tells is kept in so many characters. */
function told(maxChars: number): { pair: Simulation; timelineStore: () => TimelineStore } {
  let timelineStore = new TimelineStore('master', 'slave', maxChars)
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
    trace: (node, step) => node === 'master' && timelineStore.decided(step),
    wrap(node, core) {
      if (node !== 'master') return core
      timelineStore = new TimelineStore('master', 'slave', maxChars)
      return timelineStore.wrap(core)
    },
  })
  return { pair, timelineStore: () => timelineStore }
}

const size = (timelineStore: TimelineStore): number => JSON.stringify(timelineStore.account?.timeline).length

describe('what a running member has told', () => {
  it('explains the newest change of role after hours, however much was told since', () => {
    const { pair, timelineStore } = told(16_384)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    pair.crash('slave')
    pair.run(3000)
    const before = timelineStore().account
    assert.ok(before)
    const mail = explain(before, 'mail')
    assert.ok(mail.changedAtMs !== undefined)
    for (let round = 0; round < 5000; round++)
      timelineStore().note({
        name: 'problem',
        monoMs: 1e9 + round,
        payload: { where: 'link', code: 'HS_LINK', message: 'junk' },
      })
    const after = timelineStore().account
    assert.ok(after)
    assert.ok(size(timelineStore()) <= 16_384 * 1.1, String(size(timelineStore())))
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
    const { pair, timelineStore } = told(16_384)
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
    const account = timelineStore().account
    assert.ok(account)
    assert.ok(size(timelineStore()) <= 16_384 * 1.1, String(size(timelineStore())))
    const { sentences, changedAtMs = 0 } = explain(account)
    assert.ok(account.toWallMs - changedAtMs > 295_000, sentences.join('\n'))
    assert.match(sentences.join('\n'), /web active -> stopping/)
  })

  it('keeps nothing that an application says', () => {
    const { pair, timelineStore } = told(16_384)
    pair.start('master')
    pair.start('slave')
    pair.run(5000)
    pair.command('slave', { name: 'send', payload: new TextEncoder().encode('tr0ub4dor') })
    pair.run(1000)
    assert.ok(timelineStore().account?.timeline.every(({ name }) => name !== 'message'))
  })
})
