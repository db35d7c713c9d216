import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  app,
  Cluster,
  check,
  connectControl,
  type GroupOptions,
  isHotStandbyError,
  memoryNetwork,
  type ResourcePlugin,
  serveControl,
} from '../../src/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { memberOptions, pairOf, startPair, stateOf, until } from '../support/pair.ts'

/** An `app` that writes down what it is asked. */
function noted(log: string[], name: string) {
  return app({
    name,
    start: () => void log.push(`start ${name}`),
    stop: () => void log.push(`stop ${name}`),
  })
}

describe('groups at run time', () => {
  it('get and lose resources while they are served, each in its place', async (t) => {
    const log: string[] = []
    const group = (...names: string[]): GroupOptions[] => [
      { name: 'jobs', preferred: 'one', resources: names.map((name) => noted(log, name)) },
    ]
    const { one, two } = pairOf(t, { groups: group('a', 'c') })
    await startPair(one, two)
    assert.deepEqual(log, ['start a', 'start c'])

    await Promise.all([one.setGroups(group('a', 'b', 'c')), two.setGroups(group('a', 'b', 'c'))])
    await until('the new one has started', () => log.length === 3)
    await Promise.all([one.setGroups(group('b', 'c')), two.setGroups(group('b', 'c'))])
    await until('the old one has stopped', () => log.length === 4)
    await one.stop()
    assert.deepEqual(log.slice(2, 6), ['start b', 'stop a', 'stop c', 'stop b'], 'the stop goes by the new order')
  })

  it('are looked at as often as the agent advises, where nobody has written it', async (t) => {
    const asked = { open: 0, written: 0, failing: 0 }
    const resource = (
      name: keyof typeof asked,
      more: Partial<ResourcePlugin>,
      advice: () => object,
    ): ResourcePlugin => ({
      kind: 'resource',
      type: 'noted',
      name,
      times: { startMs: 1000, stopMs: 1000, statusMs: 1000, intervalMs: 60_000 },
      operations: ['start', 'stop', 'status'],
      ...more,
      create: () => {
        let opened = false
        return {
          open: async () => {
            opened = true
          },
          start: async () => {},
          stop: async () => {},
          status: async () => {
            asked[name]++
            return { state: 'running' }
          },
          advice: () => (opened ? advice() : {}),
        }
      },
    })
    const often = () => ({ intervalMs: 20, startMs: Number.NaN, stopMs: -1 })
    const resources = [
      resource('open', { defaultTimes: ['startMs', 'stopMs', 'intervalMs'] }, often),
      resource('written', { defaultTimes: ['statusMs'] }, often),
      resource('failing', { defaultTimes: ['intervalMs'] }, () => {
        throw new Error('out of advice')
      }),
    ]
    const { one, two } = pairOf(t, { groups: [{ name: 'jobs', preferred: 'one', resources }] })
    await startPair(one, two)
    const { written, failing } = asked
    const seen = asked.open
    await until('it is looked at', () => asked.open > seen + 5)
    assert.deepEqual([asked.written, asked.failing], [written, failing])
  })

  describe('with other options under the same name', () => {
    interface Kept {
      readonly log: string[]
      /** Its agent cannot be opened, for this reason. */
      broken?: string
    }
    /** Its agents write down what they are asked, and which options they have. */
    function configured({ log, ...kept }: Kept, name: string, device: string, statusInterval = 1000): ResourcePlugin {
      return {
        kind: 'resource',
        type: 'noted',
        name,
        settings: { device },
        times: { startMs: 1000, stopMs: 1000, statusMs: 1000, intervalMs: statusInterval },
        operations: ['start', 'stop', 'status'],
        create: () => ({
          open: async () => {
            if (kept.broken !== undefined) throw new Error(kept.broken)
          },
          close: async () => void log.push(`close ${name} ${device}`),
          start: async () => void log.push(`start ${name} ${device}`),
          stop: async () => void log.push(`stop ${name} ${device}`),
          status: async () => {
            log.push(`status ${name} ${device}`)
            return { state: 'running' }
          },
        }),
      }
    }
    const jobs = (...resources: ResourcePlugin[]): GroupOptions[] => [{ name: 'jobs', preferred: 'one', resources }]

    it('stop by the old, start by the new, and take what is behind them along', async (t) => {
      const [here, there]: [Kept, Kept] = [{ log: [] }, { log: [] }]
      const all = (kept: Kept, device: string) =>
        jobs(configured(kept, 'a', 'x'), configured(kept, 'b', device), configured(kept, 'c', 'x'))
      const { one, two } = pairOf(t, { groups: all(here, 'x') })
      await startPair(one, two)
      here.log.length = 0
      await Promise.all([one.setGroups(all(here, 'y')), two.setGroups(all(there, 'y'))])
      await until('all run again', () => here.log.includes('start c x'))
      // The old agent of the standby is closed at once, that of the owner between.
      assert.deepEqual(here.log, ['close b x', 'stop c x', 'stop b x', 'close b x', 'start b y', 'start c x'])
      assert.deepEqual(there.log, [], 'nothing is started on the standby')
      assert.equal(one.snapshot().groups[0]?.state, 'active')
      await one.stop()
      await until('the peer serves, with the new options', () => there.log.includes('start b y'))
      assert.deepEqual(here.log.filter((line) => line.startsWith('stop')).slice(2), [
        'stop c x',
        'stop b y',
        'stop a x',
      ])
    })

    it('run on when only their times are others, which are taken', async (t) => {
      const kept: Kept = { log: [] }
      const { one, two } = pairOf(t, { groups: jobs(configured(kept, 'a', 'x', 100)) })
      await startPair(one, two)
      kept.log.length = 0
      await Promise.all([one, two].map((node) => node.setGroups(jobs(configured(kept, 'a', 'x', 20)))))
      await until('it is looked at by the new interval', () => kept.log.length > 2)
      assert.deepEqual(new Set(kept.log), new Set(['status a x']))
    })

    it('reject where they cannot work, on the standby; on the owner the peer takes over', async (t) => {
      const [here, there]: [Kept, Kept] = [{ log: [] }, { log: [] }]
      const { one, two } = pairOf(t, { groups: jobs(configured(here, 'a', 'x')) })
      await startPair(one, two)
      const broken = jobs(configured({ log: there.log, broken: 'no such device' }, 'a', 'y'))
      await assert.rejects(two.setGroups(broken), /no such device/)
      assert.deepEqual(there.log, ['close a y'], 'the new one is closed, the old one is kept')
      here.log.length = 0
      await one.setGroups(broken)
      await until('the peer serves', () => two.snapshot().groups[0]?.state === 'active')
      assert.deepEqual(here.log[0], 'stop a x')
      assert.ok(here.log.includes('start a x'), 'the peer has the old options still')
    })
  })

  it('come and go', async (t) => {
    const log: string[] = []
    const jobs: GroupOptions = { name: 'jobs', preferred: 'one', resources: [noted(log, 'jobs')] }
    const mail: GroupOptions = { name: 'mail', preferred: 'two', resources: [noted(log, 'mail')] }
    const { one, two } = pairOf(t, { groups: [jobs] })
    await startPair(one, two)
    await Promise.all([one.setGroups([jobs, mail]), two.setGroups([jobs, mail])])
    await until('two serves the new group', () => two.snapshot().groups[1]?.state === 'active')
    await Promise.all([one.setGroups([jobs]), two.setGroups([jobs])])
    await until('it has stopped', () => log.includes('stop mail'))
    assert.deepEqual(log, ['start jobs', 'start mail', 'stop mail'])
  })
})

describe('maintenance', () => {
  it('is told to the peer, shown, and lets nothing be touched until it ends', async (t) => {
    let well = true
    const { one, two, calls } = pairOf(t, {
      agent: { status: () => ({ state: well ? 'running' : 'stopped' }), statusInterval: '20ms' },
    })
    await startPair(one, two)
    const failures: string[] = []
    one.on('resource:failed', ({ action }) => failures.push(action))

    const control = await serveControl(two, { path: `${temporaryDirectory(t)}/control` })
    const client = await connectControl(control.path)
    await client.maintenance(true, ['jobs'])
    client.close()
    const isOn = (cluster: typeof one) => cluster.snapshot().groups[0]?.maintenance === true
    await until('both know', () => isOn(one) && isOn(two))

    well = false
    await until('it is told', () => failures.length > 0)
    await assert.rejects(one.standby(), (error) => isHotStandbyError(error) && /in maintenance/.test(error.message))
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.deepEqual([failures, calls.one, calls.two], [['none'], ['start'], []], 'told once, and nothing is touched')

    one.on('resource:restarted', () => failures.push('restarted'))
    well = true
    await one.maintenance(false)
    await until('both know', () => !isOn(one) && !isOn(two))
    await one.standby()
    assert.equal(stateOf(two), 'active')
    await assert.rejects(two.maintenance('yes' as never), /neither true nor false/)
    await assert.rejects(two.maintenance(true, ['nobody']), /no group is named nobody/)
  })
})

describe('a group with make-before-break', () => {
  const front = (): GroupOptions[] => {
    const resources = [check('backend', { probe: () => true, interval: '20ms' })]
    return [{ name: 'front', preferred: 'one', handover: 'make-before-break', resources }]
  }

  it('is served by the peer before its owner stops it: by a command, and by a stop of the owner', async (t) => {
    const { one, two } = pairOf(t, { groups: front() })
    await startPair(one, two)
    const order: string[] = []
    for (const cluster of [one, two])
      for (const name of ['group:acquired', 'group:stopping', 'group:released', 'contested'] as const)
        cluster.on(name, () => order.push(`${cluster.node} ${name}`))
    await one.standby()
    assert.deepEqual(order.splice(0), ['two group:acquired', 'one group:stopping', 'one group:released'])
    await two.stop()
    assert.deepEqual(order, ['one group:acquired', 'two group:stopping', 'two group:released'])
  })
})

describe('a check in a group', () => {
  it('keeps it away from a node where the service is sick, and moves it when it falls sick where it is', async (t) => {
    const sick = new Set<string>(['two'])
    const network = memoryNetwork()
    const member = (node: 'one' | 'two'): Cluster => {
      const probe = () => !sick.has(node)
      const backend = check('backend', { probe, interval: '20ms', fall: 2, rise: 1, startTimeout: '2s' })
      const groups = [{ name: 'jobs', preferred: 'one', resources: [backend, app({ start() {}, stop() {} })] }]
      const cluster = new Cluster(memberOptions(t, node, [network.transport('a'), network.transport('b')], { groups }))
      t.after(() => cluster.stop())
      return cluster
    }
    const [one, two] = [member('one'), member('two')]
    const moves: string[] = []
    one.on('resource:failed', ({ resource, action, reason }) => moves.push(`${resource} ${action}: ${reason}`))
    await Promise.all([one.start(), two.start()])
    await until('two cannot have it', () => stateOf(one) === 'active' && stateOf(two) === 'failed')
    await assert.rejects(one.standby(), (error) => isHotStandbyError(error) && /cannot start: jobs/.test(error.message))

    sick.delete('two')
    await until('two has looked again', () => stateOf(two) === 'standby')
    sick.add('one')
    await until('two serves', () => stateOf(two) === 'active' && stateOf(one) === 'failed')
    assert.deepEqual(moves, ['check:backend move: it answered false'], 'no restart in place: that heals nothing')
  })
})
