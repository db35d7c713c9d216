import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { NamedEvent } from '../../src/core/cluster-events.ts'
import { Cluster, connectControl, isHotStandbyError, serveControl } from '../../src/index.ts'
import { openStateDirectory } from '../../src/platform/state.ts'
import { History, type HistoryEntry } from '../../src/recorder/history.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, startPair, until } from '../support/pair.ts'

const entry = (text: string): HistoryEntry => ({ time: '2026-01-02T03:04:05.000Z', event: 'started', groups: [], text })

describe('the history', () => {
  it('keeps what changes a role, of one group or several, and nothing that is only noise', () => {
    let kept: readonly HistoryEntry[] = []
    const history = new History([], (entries) => {
      kept = [...entries]
    })
    const time = '2026-01-02T03:04:05.000Z'
    const events = [
      { name: 'group:starting', time, payload: { group: 'web', epoch: 3, reason: 'peer-dead' } },
      { name: 'link:up', time, payload: { link: 'a' } },
      { name: 'move:asked', time, payload: { groups: ['web', 'db'], to: 'two', by: 'ada' } },
    ]
    for (const event of events) history.note(event as NamedEvent)
    assert.deepEqual(history.list(), [
      { time, event: 'group:starting', groups: ['web'], text: 'taking web: the peer is dead' },
      { time, event: 'move:asked', groups: ['web', 'db'], text: 'ada asked to move web, db to two' },
    ])
    assert.deepEqual(kept, history.list())
  })

  it('holds two hundred entries and takes nothing for one that is none', () => {
    const odd: unknown[] = [null, 7, { text: 'x' }, { ...entry('x'), groups: [1] }]
    const history = new History([...odd, entry('first'), ...Array.from({ length: 199 }, () => entry('more'))], () => {})
    assert.equal(history.list().length, 200)
    assert.equal(history.list()[0]?.text, 'first')
    history.add(entry('last'))
    assert.equal(history.list().length, 200)
    assert.deepEqual([history.list()[0]?.text, history.list().at(-1)?.text], ['more', 'last'])
  })

  it('is kept by the state directory; what cannot be read counts as lost, and after the end nothing is written', async (t) => {
    const path = temporaryDirectory(t)
    const first = openStateDirectory(path, { runtime: null })
    assert.deepEqual(first.history(), [])
    first.keepHistory([entry('a')])
    first.keepHistory([entry('a'), entry('b')])
    await first.close()
    first.keepHistory([])
    const second = openStateDirectory(path, { runtime: null })
    assert.deepEqual(second.history(), [entry('a'), entry('b')])
    await second.close()
    writeFileSync(join(path, 'history.json'), '{"atMs":1,"entries":7}')
    const third = openStateDirectory(path, { runtime: null })
    assert.deepEqual(third.history(), [])
    await third.close()
  })

  it('of a member names who asked for a move, over its restart and over the control socket', async (t) => {
    const { one, two, options } = pairOf(t)
    await startPair(one, two)
    const control = await serveControl(one, { path: join(temporaryDirectory(t), 'one.sock') })
    const client = await connectControl(control.path)
    const asked: string[] = []
    one.on('move:asked', ({ by, groups, to }) => asked.push(`${by}: ${groups} to ${to}`))
    await client.standby('all', 'ada')
    await one.takeover(['jobs'])
    assert.deepEqual(asked, ['ada: jobs to two', 'the application: jobs to one'])
    const texts = (await client.history()).map(({ text }) => text)
    client.close()
    assert.match(texts[0] ?? '', /^one started \(run \d+\)$/)
    const at = texts.indexOf('ada asked to move jobs to two')
    assert.ok(at > 0 && texts.indexOf('giving up jobs: an operator asked for it') > at, texts.join('\n'))
    assert.match(one.explain().sentences.join('\n'), /the application asked to move jobs to one/)
    await one.stop()
    assert.match(readFileSync(join(options.one.stateDirectory ?? '', 'history.json'), 'utf8'), /ada asked/)
    const again = new Cluster(options.one)
    t.after(() => again.stop())
    assert.deepEqual(again.history(), [])
    await again.start()
    const all = again.history().map(({ text }) => text)
    assert.deepEqual(all.slice(0, texts.length), texts)
    assert.equal(all.filter((text) => text.startsWith('one started')).length, 2)
  })

  it('refuses a name of who asks that is none', async (t) => {
    const { one, two } = pairOf(t)
    await startPair(one, two)
    for (const by of [7, 'x'.repeat(201)])
      await assert.rejects(one.standby('all', { by: by as string }), /standby: 'by' must be a text of at most 200/)
  })
})

describe('a move that fails', () => {
  it('says what failed last of the groups, and when it is tried next', async (t) => {
    let works = true
    const { one, two } = pairOf(t, {
      agent: {
        start: () => {
          if (!works) throw new Error('the licence is used up')
        },
      },
    })
    await startPair(one, two)
    await one.standby()
    works = false
    const refused = await one.takeover().then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.ok(isHotStandbyError(refused) && refused.code === 'HS_MOVE', String(refused))
    assert.match(refused.message, /last failure of .*jobs, at \d{4}-.*: .*the licence is used up/)
    works = true
    await until('somebody serves again', () => [one, two].some((each) => each.snapshot().groups[0]?.state === 'active'))
  })
})

describe('two nodes that are configured differently', () => {
  it('say in what', async (t) => {
    const { one, options } = pairOf(t)
    const other = {
      ...options.two,
      autoFailback: true,
      groups: (options.two.groups ?? []).map((group) => ({ ...group, preferred: 'two' })),
    }
    const two = new Cluster(other)
    t.after(() => two.stop())
    const told = one.once('config:differs')
    await Promise.all([one.start(), two.start()])
    assert.deepEqual((await told).fields, ['preferred nodes', 'autoFailback'])
  })
})
