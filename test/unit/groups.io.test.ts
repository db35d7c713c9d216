import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { app, check, connectControl, type GroupOptions, isHotStandbyError, serveControl } from '../../src/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, startPair, stateOf, until } from '../support/pair.ts'

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

describe('a check in a group', () => {
  it('moves it when the service is sick, and keeps it away from a node where it is', async (t) => {
    const sick = new Set<string>()
    const groups = (node: string): GroupOptions[] => [
      {
        name: 'jobs',
        preferred: 'one',
        resources: [
          app({ start() {}, stop() {} }),
          check('backend', { probe: () => !sick.has(node), interval: '20ms', fall: 2, startTimeout: '300ms' }),
        ],
      },
    ]
    const { one, two, options } = pairOf(t, { groups: groups('one') })
    await startPair(one, two)
    await two.reload({ ...options.two, groups: groups('one') })
    const reasons: string[] = []
    one.on('resource:failed', ({ reason, action }) => reasons.push(`${action}: ${reason}`))
    sick.add('one')
    // Both nodes look at the same service here, so neither can have it: the owner goes on trying, nobody is left behind.
    await until('it was told', () => reasons.length > 0)
    assert.match(reasons.join(), /^(move|retry): it answered false/)
    sick.clear()
    await until('one of them serves', () => [one, two].some((cluster) => stateOf(cluster) === 'active'))
  })
})
