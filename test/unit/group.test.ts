import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Group } from '../../src/core/group/group.ts'
import { Timers } from '../../src/core/timers.ts'
import type { CoreConfig, Effect, ResourceConfig } from '../../src/core/types.ts'
import type { OperationRequest, OperationResult } from '../../src/roles/host.ts'

const times = { startMs: 1000, stopMs: 1000, statusMs: 1000, intervalMs: 5000 }

const vip: ResourceConfig = {
  name: 'vip',
  times,
  operations: ['start', 'stop', 'status', 'isolate', 'restore'],
  exclusive: 'address',
}
const service: ResourceConfig = {
  name: 'service',
  times,
  operations: ['start', 'stop', 'status'],
  exclusive: 'address',
}

/** A group that is asked for operations and told how they ended. */
class Harness {
  readonly told: string[] = []
  readonly #asked: OperationRequest[] = []
  readonly group: Group
  #opId = 0

  constructor(resources: readonly ResourceConfig[], restarts?: number) {
    this.group = new Group(
      {
        timers: new Timers(),
        effect: (effect: Effect) => {
          if (effect.type === 'perform') this.#asked.push(effect.request)
        },
        event: (name, payload) => {
          if (name === 'resource:failed') this.told.push(`failed ${(payload as { action: string }).action}`)
        },
        monoMs: () => 0,
        config: () => ({ restartWindowMs: 60_000 }) as CoreConfig,
        nextOpId: () => ++this.#opId,
        peerCouldTake: () => true,
        isMaintained: () => false,
        onOutcome: (outcome) => void this.told.push(outcome),
      },
      { name: 'web', preferred: 'master', resources, restarts },
    )
  }

  /** What was asked and not answered yet. */
  get asked(): string[] {
    return this.#asked.map(({ operation, resource }) => `${operation} ${resource}`)
  }

  /** Answers what was asked until nothing is asked any more; `fails`: those that do not end well. */
  answers(...fails: string[]): void {
    for (let next = this.#asked.shift(); next; next = this.#asked.shift()) {
      const bad = fails.includes(`${next.operation} ${next.resource}`)
      const result: OperationResult = bad ? { ok: false, reason: 'it does not' } : { ok: true }
      this.group.answered(next.opId, result)
    }
  }
}

function served(resources: readonly ResourceConfig[], restarts?: number): Harness {
  const harness = new Harness(resources, restarts)
  harness.group.start(1)
  harness.answers()
  assert.deepEqual(harness.told.splice(0), ['started'])
  return harness
}

describe('a group', () => {
  it('does not ask for the status of a resource while it is being asked for already', () => {
    const harness = served([vip, service])
    harness.group.changed('service')
    harness.group.changed('service')
    harness.group.changed('vip')
    assert.deepEqual(harness.asked, ['status service', 'status vip'])
    harness.answers()
    harness.group.changed('service')
    assert.deepEqual(harness.asked, ['status service'])
  })

  it('restarts a resource as often as that allows itself, and the others as often as the group does', () => {
    const harness = served([vip, { ...service, restarts: 0 }], 2)
    harness.group.changed('vip')
    harness.answers('status vip')
    assert.deepEqual(harness.told.splice(0), ['failed restart'])
    harness.group.changed('service')
    harness.answers('status service')
    assert.deepEqual(harness.told.splice(0), ['failed move', 'broken'])
  })

  for (const [what, exclusive, outcome] of [
    ['that only an address makes dangerous', 'address', 'cut-off'],
    ['that is dangerous by itself', 'data', 'cut-failed'],
  ] as const)
    it(`with a resource ${what}, which would not stop, says ${outcome} when its address is cut off`, () => {
      const harness = served([vip, { ...service, exclusive }])
      harness.group.stop(false)
      harness.answers('stop service')
      assert.deepEqual(harness.told.splice(0), ['stop-failed'])
      harness.group.isolate()
      assert.deepEqual(harness.asked, ['isolate vip'])
      harness.answers()
      assert.deepEqual(harness.told.splice(0), [outcome])
    })
})
