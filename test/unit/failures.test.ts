import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NamedEvent } from '../../src/core/cluster-events.ts'
import { Counters } from '../../src/engine/counters.ts'
import { watchdogPeriodMs } from '../../src/platform/notify.ts'
import { otherRuntime } from '../../src/platform/runtime.ts'
import { Failures, Warnings } from '../../src/recorder/failures.ts'
import { History, type HistoryEntry } from '../../src/recorder/history.ts'

const event = (name: string, time: string, payload: object): NamedEvent =>
  ({ name, time, payload }) as unknown as NamedEvent

describe('the last failures', () => {
  it('are one of each resource and group, with the next try until the group is served', () => {
    const failures = new Failures()
    const at = '2026-01-02T03:04:05.000Z'
    failures.note(event('resource:failed', at, { group: 'g', resource: 'r', reason: 'old', action: 'move' }))
    failures.note(event('resource:failed', at, { group: 'g', resource: 'r', reason: 'new', action: 'move' }))
    failures.note(event('group:failed', at, { group: 'g', reason: 'no start', retryInMs: 60_000 }))
    const told = failures.list().map(({ resource, reason, nextTry }) => [resource, reason, nextTry])
    assert.deepEqual(told, [
      ['r', 'new', null],
      [undefined, 'no start', '2026-01-02T03:05:05.000Z'],
    ])
    failures.note(event('group:acquired', at, { group: 'g' }))
    assert.equal(failures.list()[1]?.nextTry, null)
  })

  it('have the newest at the end, though the resource has failed before', () => {
    const failures = new Failures()
    const at = '2026-01-02T03:04:05.000Z'
    for (const resource of ['first', 'second', 'first'])
      failures.note(event('resource:failed', at, { group: 'g', resource, reason: 'no', action: 'move' }))
    assert.deepEqual(
      failures.list().map(({ resource }) => resource),
      ['second', 'first'],
    )
  })
})

describe('failed checks', () => {
  it('are counted, and looks that could not be made are not', () => {
    const counters = new Counters()
    for (const action of ['look', 'move', 'restart', 'look'])
      counters.note(event('resource:failed', '', { group: 'g', resource: 'r', reason: 'no', action }))
    assert.deepEqual(counters.group('g').resourceFailures, { r: 2 })
    assert.equal(counters.events['resource:failed'], 4)
  })
})

describe('what nobody listens to', () => {
  it('is said to the process once for each group, where it is grave', (t) => {
    const emitWarning = t.mock.method(process, 'emitWarning', () => {})
    const warnings = new Warnings()
    for (const group of ['a', 'a', 'b']) warnings.tell(event('group:failed', '', { group }), `${group} failed`)
    warnings.tell(event('group:acquired', '', { group: 'a' }), 'a is served')
    assert.deepEqual(
      emitWarning.mock.calls.map(({ arguments: [text] }) => text),
      ['a failed', 'b failed'],
    )
  })
})

describe('what an earlier run has kept', () => {
  const entry = (number: number): HistoryEntry => ({ time: `${number}`, event: 'started', groups: ['g'], text: 'ran' })

  it('goes on with its newest entries, and with nothing that is none', () => {
    const kept: (readonly HistoryEntry[])[] = []
    const good = Array.from({ length: 250 }, (_, number) => entry(number))
    const bad = [null, 7, {}, { ...entry(0), groups: [1] }, { ...entry(0), text: undefined }]
    const history = new History([...good, ...bad], (entries) => kept.push([...entries]))
    assert.deepEqual(history.list(), good.slice(50))
    history.add(entry(250))
    assert.deepEqual(history.list(), [...good.slice(51), entry(250)])
    assert.deepEqual(kept.at(-1), history.list())
  })
})

describe("systemd's watchdog", () => {
  const env = { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '3000000' }
  it('is fed twice in its time, where it watches this process', () => {
    assert.equal(watchdogPeriodMs(env, 7), 1500)
    assert.equal(watchdogPeriodMs({ ...env, WATCHDOG_PID: '7' }, 7), 1500)
    assert.equal(watchdogPeriodMs({ ...env, WATCHDOG_PID: '8' }, 7), undefined)
    assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: '3000000' }, 7), undefined)
    for (const WATCHDOG_USEC of ['0', '', 'x', '-5'])
      assert.equal(watchdogPeriodMs({ ...env, WATCHDOG_USEC }, 7), undefined)
  })
})

describe('a runtime that is not Node', () => {
  it('is known by its version or its global', () => {
    assert.equal(otherRuntime({ node: '22', deno: '2' }, {}), 'Deno')
    assert.equal(otherRuntime({ node: '22' }, { Bun: {} }), 'Bun')
    assert.equal(otherRuntime({ node: '22', v8: '1' }, {}), undefined)
  })
})
