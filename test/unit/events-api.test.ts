import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Cluster, type EventPayload, isHotStandbyError, type NamedEvent } from '../../src/index.ts'
import { pairOf, startPair } from '../support/pair.ts'

/** A payload is known by the name: this compiles only while the events are a union by name. */
function secondsOf(event: NamedEvent): number | undefined {
  if (event.name === 'peer:dead') return event.payload.silentMs / 1000
  return event.name === 'local:stall' ? event.payload.stallMs / 1000 : undefined
}

describe('the events of a cluster', () => {
  it('are a union by name, for listeners and iterators of all', async (t) => {
    const { one, two } = pairOf(t)
    const heard: NamedEvent[] = []
    one.onAny((event) => heard.push(event))
    const all = one.events()
    await startPair(one, two)
    const { value } = await all.next()
    assert.deepEqual(value, heard[0])
    const payload: EventPayload<'peer:dead'> = { peer: 'two', silentMs: 1500, stallCreditMs: 0, deadtimeMs: 1000 }
    const event: NamedEvent<'peer:dead'> = { name: 'peer:dead', time: '', payload }
    assert.equal(secondsOf(event), 1.5)
    assert.equal(secondsOf({ name: 'stopped', time: '', payload: {} }), undefined)
    const ended = new AbortController()
    const some = one.events({ signal: ended.signal })
    ended.abort()
    assert.deepEqual(await some.next(), { done: true, value: undefined })
    await one.stop()
    const names: string[] = []
    for await (const { name } of all) names.push(name)
    assert.equal(names.at(-1), 'stopped')
  })

  const wrong: readonly (readonly [what: string, call: (cluster: Cluster) => unknown, message: RegExp])[] = [
    [
      'a typo',
      (c) => c.on('peer:ded' as never, () => {}),
      /on: there is no event 'peer:ded'; did you mean 'peer:dead'\?/,
    ],
    [
      'something else',
      (c) => c.on('primary' as never, () => {}),
      /there is no event 'primary'; there are: phase, peer:alive, /,
    ],
    ['a star', (c) => c.on('*' as never, () => {}), /'\*' is no event; onAny\(listener\) hears every event/],
    ['no name', (c) => c.on(5 as never, () => {}), /on: the name of an event is a text, got number 5/],
    ['no listener', (c) => c.on('stopped', undefined as never), /on: the listener must be a function, got undefined/],
    ['no listener of all', (c) => c.onAny('stopped' as never), /onAny: the listener must be a function, got 'stopped'/],
    ['a typo once', (c) => c.once('stoped' as never), /once: there is no event 'stoped'; did you mean 'stopped'\?/],
    [
      'a listener once',
      (c) => c.once('stopped', (() => {}) as never),
      /once: it returns a promise and takes no listener; on\('stopped', listener\) does/,
    ],
    [
      'a typo to iterate',
      (c) => c.events('link:dwn' as never),
      /events: there is no event 'link:dwn'; did you mean 'link:down'\?/,
    ],
    ['a name of all objects', (c) => c.on('toString' as never, () => {}), /there is no event 'toString'/],
  ]
  for (const [what, call, message] of wrong)
    it(`refuse ${what} in plain JavaScript`, (t) => {
      assert.throws(
        () => call(pairOf(t).one),
        (error) => {
          assert.ok(isHotStandbyError(error) && error.code === 'HS_CONFIG')
          assert.match(error.message, message)
          return true
        },
      )
    })
})
