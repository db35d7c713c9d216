import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { defaultDeadpingMs, overlapMs, type PairTimes, timingIssues } from '../../src/core/timing.ts'
import {
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  icmpPing,
  type LivenessPlugin,
  memoryNetwork,
  nginx,
  sha256,
  vip,
} from '../../src/index.ts'

const times = { keepaliveMs: 200, warntimeMs: 500, deadtimeMs: 3000, initdeadMs: 30_000 }

/** What can be cut off, what is harmless without its address, and what writes by itself. */
const address = { times: { stopMs: 5000 }, operations: ['start', 'stop', 'isolate'], exclusive: 'address' } as const
const service = { times: { stopMs: 8000 }, operations: ['start', 'stop'], exclusive: 'address' } as const
const data = { times: { stopMs: 1000 }, operations: ['start', 'stop'], exclusive: 'data' } as const

const pair = (change: Partial<PairTimes> = {}): PairTimes => ({
  times,
  targets: [{ deadpingMs: 1000 }],
  groups: [{ name: 'web', resources: [address, service] }],
  ...change,
})
const paths = (change: Partial<PairTimes>) =>
  timingIssues(pair(change)).map(({ path, severity }) => `${severity} ${path}`)

describe('the times of a pair', () => {
  it('are well where every inequality holds', () => assert.deepEqual(paths({}), []))

  const rows: readonly (readonly [what: string, change: Partial<PairTimes>, expected: readonly string[]])[] = [
    ['a keepalive below 1 ms', { times: { ...times, keepaliveMs: 0.5 } }, ['error keepalive']],
    [
      'a dead time of two beats',
      { times: { ...times, keepaliveMs: 1500, warntimeMs: 2000 }, targets: [] },
      ['error deadtime'],
    ],
    ['a warning at every beat', { times: { ...times, warntimeMs: 200 } }, ['warning warntime']],
    ['no warning before the death', { times: { ...times, warntimeMs: 3000 } }, ['warning warntime']],
    ['an initdead below the dead time', { times: { ...times, initdeadMs: 2999 } }, ['error initdead']],
    ['a dead time below a second', { times: { ...times, deadtimeMs: 999 }, targets: [] }, ['warning deadtime']],
    ['a deadping of two beats', { deadpingMs: 400, targets: [] }, ['error deadping']],
    [
      'a target with a deadping of two beats',
      { targets: [{ deadpingMs: 1000 }, { deadpingMs: 400 }] },
      ['error arbiters[1].deadping'],
    ],
    ['a deadping longer than the dead time', { targets: [{ deadpingMs: 9000 }] }, ['warning deadping']],
    [
      'the longest silence of all targets',
      { targets: [{ deadpingMs: 1000 }, { deadpingMs: 9000 }] },
      ['warning deadping'],
    ],
    ['a deadping that nobody is asked with', { deadpingMs: 9000, targets: [] }, []],
    ['the stop of what writes data', { groups: [{ name: 'db', resources: [data] }] }, []],
    [
      'a stop longer than what is left',
      { groups: [{ name: 'db', resources: [data, { ...data, times: { stopMs: 700 } }] }] },
      ['warning deadping'],
    ],
    ['a service that nothing cuts off', { groups: [{ name: 'svc', resources: [service] }] }, ['warning deadping']],
  ]
  for (const [what, change, expected] of rows)
    it(`tell of ${what}: ${expected.join() || 'nothing'}`, () => assert.deepEqual(paths(change), expected))

  it('say by what the overlap comes, and for how long it lasts', () => {
    const issues = timingIssues(pair({ groups: [{ name: 'svc', resources: [service] }] }))
    // 200 + 1000 × 1.01 + 8000 + 100 + 50 − 3000 × 0.99
    assert.match(
      issues[0]?.message ?? '',
      /^deadping \(1000 ms\) and the stop of svc, which cannot be cut off and may take 8000 ms, lets both nodes serve for up to 6390 ms/,
    )
    assert.equal(overlapMs(times, 1000, [{ name: 'svc', resources: [service] }]), 6390)
    assert.equal(overlapMs(times, 3000, [{ name: 'web', resources: [address, service] }]), 410)
  })

  it('have a default of deadping that overlaps only where the stop limits or the keepalive leave no room', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 3, max: 120_000 }),
        fc.integer({ min: 0, max: 60_000 }),
        (keepaliveMs, deadtimeMs, stopMs) => {
          const some = { ...times, keepaliveMs, deadtimeMs }
          const groups = [{ name: 'g', resources: [{ ...data, times: { stopMs } }] }]
          const deadpingMs = defaultDeadpingMs(some, groups)
          assert.ok(deadpingMs > 2 * keepaliveMs)
          const roomMs = deadtimeMs * 0.99 - keepaliveMs - stopMs - 150 - (2 * keepaliveMs + 1) * 1.01
          if (roomMs >= 1.01) assert.equal(overlapMs(some, deadpingMs, groups), 0)
          else if (roomMs < 0) assert.ok(overlapMs(some, deadpingMs, groups) >= 0)
        },
      ),
    )
  })
})

describe('a cluster', () => {
  const options: ClusterOptions = {
    name: 'pair',
    nodes: ['one', 'two'],
    node: 'one',
    transports: [memoryNetwork().transport('a'), memoryNetwork().transport('b')],
    authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
    liveness: deadtime({ keepalive: '200ms', deadtime: '3s' }),
    arbiters: [icmpPing('192.0.2.1')],
    groups: [{ name: 'web', preferred: 'one', resources: [vip('192.0.2.9/24'), nginx()] }],
  }
  const warnings = (change: Partial<ClusterOptions>) =>
    new Cluster({ ...options, ...change }).warnings.map(({ where, message }) => `${where}: ${message}`)

  it('warns of a deadping that lets both nodes serve, as the files do, and not of its own default', () => {
    assert.deepEqual(warnings({}), [])
    // 200 + 9090 + 150 − 2970
    assert.match(
      warnings({ deadping: '9s' }).join(),
      /^deadping: deadping \(9000 ms\) lets both nodes serve for up to 6470 ms/,
    )
    assert.match(warnings({ arbiters: [icmpPing('192.0.2.1', { deadping: '9s' })] }).join(), /^deadping: .* 6470 ms/)
  })

  it('warns where what it runs can only be stopped, not cut off', () => {
    const jobs = app({ start() {}, stop() {}, stopTimeout: '20s' })
    assert.match(
      warnings({ groups: [{ name: 'jobs', preferred: 'one', resources: [jobs] }] }).join(),
      /the stop of jobs, which cannot be cut off and may take 20000 ms,/,
    )
  })

  it('refuses a target that is given up after the loss of one answer', () => {
    assert.throws(
      () => warnings({ arbiters: [icmpPing('192.0.2.1', { deadping: '400ms' })] }),
      /^HotStandbyError: arbiters\[0\]\.deadping: 400 ms is not more than 2 × keepalive \(400 ms\)$/,
    )
  })

  it('judges the times of a detector of the application as well', () => {
    const { create } = deadtime()
    const own = {
      kind: 'liveness',
      type: 'own',
      times: { ...times, initdeadMs: 1 },
      issues: [],
      create,
    } as LivenessPlugin
    assert.throws(() => warnings({ liveness: own }), /liveness\.initdead: 1 ms is less than deadtime/)
  })
})
