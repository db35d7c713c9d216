import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NamedEvent } from '../../src/core/cluster-events.ts'
import { watchdogPeriodMs } from '../../src/platform/notify.ts'
import { otherRuntime } from '../../src/platform/runtime.ts'
import { Failures } from '../../src/recorder/failures.ts'

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
