import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AppOptions, app, Cluster, isHotStandbyError, memoryNetwork } from '../../src/index.ts'
import { memberOptions, startPair, stateOf, until } from '../support/pair.ts'

/**
 * A pair whose second member has an application that misbehaves: how each group ends, and that the first one can act. The same for
 * scripts, OCF agents and units is played in the laboratory (`test/lab/agents-pair.lab.test.ts`).
 */
function pairWith(
  t: { after(run: () => unknown): void },
  bad: { one?: Partial<AppOptions>; two?: Partial<AppOptions> },
) {
  const network = memoryNetwork()
  const member = (node: 'one' | 'two') => {
    const resource = app({
      start() {},
      stop() {},
      startTimeout: '200ms',
      stopTimeout: '100ms',
      statusTimeout: '100ms',
      statusInterval: '20ms',
      ...bad[node],
    })
    const groups = [{ name: 'jobs', preferred: 'one', resources: [resource] }]
    return new Cluster(
      memberOptions(t, node, [network.transport('a'), network.transport('b')], { groups, holdDown: '1s' }),
    )
  }
  const [one, two] = [member('one'), member('two')]
  t.after(() => Promise.allSettled([one.stop(), two.stop()]))
  const reasons: string[] = []
  two.on('group:failed', ({ reason }) => reasons.push(reason))
  two.on('resource:failed', ({ reason }) => reasons.push(reason))
  return { one, two, reasons }
}

const never = () => new Promise<never>(() => {})

describe('an application that misbehaves', () => {
  const starts: readonly (readonly [what: string, two: Partial<AppOptions>, says: RegExp])[] = [
    ['rejects its start', { start: () => Promise.reject(new Error('port in use')) }, /app: .*port in use/],
    [
      'throws in its start',
      {
        start() {
          throw new Error('no licence')
        },
      },
      /app: .*no licence/,
    ],
    ['never answers its start', { start: never }, /app: start was not finished within 200 ms/],
    [
      'rejects with megabytes',
      { start: () => Promise.reject(new Error(`disk full ${'x'.repeat(5_000_000)}`)) },
      /app: .*disk full/,
    ],
  ]
  for (const [what, two, says] of starts)
    it(`${what}: the move is refused with the reason, and the owner goes on serving`, async (t) => {
      const pair = pairWith(t, { two })
      await startPair(pair.one, pair.two)
      await assert.rejects(pair.one.standby(), (error) => isHotStandbyError(error) && error.code === 'HS_MOVE')
      await until('the owner serves again', () => stateOf(pair.one) === 'active')
      assert.match(pair.reasons.join('\n'), says)
      for (const reason of pair.reasons) assert.ok(reason.length < 5000, `a reason of ${reason.length} characters`)
      assert.notEqual(stateOf(pair.two), 'active')
    })

  const states: readonly (readonly [what: string, two: Partial<AppOptions>, says: RegExp])[] = [
    ['says that it did it, and did not', { status: () => ({ state: 'stopped' }) }, /it is not running/],
    ['never answers how it is', { status: never }, /status was not finished within 100 ms/],
    [
      'throws when it is asked how it is',
      {
        status() {
          throw new Error('no idea')
        },
      },
      /no idea/,
    ],
  ]
  for (const [what, two, says] of states)
    it(`${what}: started again once, then the peer serves`, async (t) => {
      const pair = pairWith(t, { two })
      await startPair(pair.one, pair.two)
      await pair.one.standby()
      await until('the peer serves', () => stateOf(pair.one) === 'active' && stateOf(pair.two) !== 'active')
      assert.match(pair.reasons.join('\n'), says)
    })

  it('answers nothing when a plug-in of its own is asked how it is: that is no word of running', async (t) => {
    const network = memoryNetwork()
    const resource = {
      ...app({ start() {}, stop() {}, statusInterval: '20ms' }),
      create: () => ({ start: async () => {}, stop: async () => {}, status: async () => undefined as never }),
    }
    const one = new Cluster(
      memberOptions(t, 'one', [network.transport('a')], {
        groups: [{ name: 'jobs', preferred: 'one', resources: [resource] }],
      }),
    )
    t.after(() => one.stop())
    const failed = one.once('resource:failed')
    await one.start()
    assert.match((await failed).reason, /its status answered nothing; right is \{ state: /)
  })

  it('never answers its stop: that member says so and falls silent, and the peer serves', async (t) => {
    const { one, two } = pairWith(t, { one: { stop: never } })
    await startPair(one, two)
    const fatal = one.once('fatal')
    await assert.rejects(one.standby(), isHotStandbyError)
    assert.match((await fatal).reason, /app: stop was not finished within 100 ms/)
    await until('the peer serves', () => stateOf(two) === 'active')
  })
})
