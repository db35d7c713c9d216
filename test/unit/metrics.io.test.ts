import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { observe } from '../../examples/opentelemetry.ts'
import { type Cluster, HotStandbyError, healthHandler, prometheusText, type Snapshot } from '../../src/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, startPair, until } from '../support/pair.ts'
import { metricNames, noPromtool, promtool, seriesOf } from '../support/prometheus.ts'
import { root } from '../support/sources.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** What a member that was never started knows. */
const idle = (t: TestContext): Snapshot => pairOf(t).one.snapshot()

/** A snapshot in which every metric has a series. */
function full(t: TestContext): Snapshot {
  const found = idle(t)
  const [group] = found.groups
  const [link] = found.links
  assert.ok(group)
  return {
    ...found,
    cluster: 'a "pair"\\\nof two',
    peer: { ...found.peer, heardEver: true, silentMs: 250 },
    quality: {
      peer: { ...found.quality.peer, dropped: { 'own-name': 2 } },
      stalls: { count: 6, totalMs: 9000, longestMs: 6000, suspended: 0, histogram: [1, 2, 0, 0, 0, 1, 2] },
    },
    links: [
      {
        link: 'a',
        up: true,
        packets: 7,
        lossRatio: 0.25,
        slow: false,
        rttMs: 1.5,
        quality: { ...found.quality.peer, down: 3 },
        dropped: { key: 4 },
        traffic: { sentFrames: 1, sentBytes: 2, receivedFrames: 3, receivedBytes: 4 },
        type: link?.type ?? 'memory',
        path: '',
      },
    ],
    targets: [{ target: '192.0.2.1', reachable: true }],
    groups: [
      { ...group, state: 'active', takings: { 'peer-dead': 2 }, lastTakingMs: 120, resourceFailures: { nginx: 3 } },
    ],
    events: { 'peer:dead': 2 },
  }
}

describe('metrics', () => {
  it('say what the snapshot says, in base units', (t) => {
    const series = seriesOf(prometheusText({ snapshot: () => ({ ...full(t), cluster: 'p', node: 'one' }) }))
    const value = (name: string, labels = '') =>
      series.get(`hot_standby_${name}{cluster="p",node="one"${labels === '' ? '' : `,${labels}`}}`)
    assert.equal(value('group_active', 'group="jobs"'), 1)
    assert.equal(value('group_state', 'group="jobs",state="active"'), 1)
    assert.equal(value('group_state', 'group="jobs",state="standby"'), 0)
    assert.equal(value('group_acquisitions_total', 'group="jobs",reason="peer-dead"'), 2)
    assert.equal(value('group_acquisitions_total', 'group="jobs",reason="command"'), 0)
    assert.equal(value('group_last_acquisition_seconds', 'group="jobs"'), 0.12)
    assert.equal(value('resource_failures_total', 'group="jobs",resource="nginx"'), 3)
    assert.equal(value('peer_silence_seconds'), 0.25)
    assert.equal(value('link_round_trip_seconds', 'link="a"'), 0.0015)
    assert.equal(value('link_loss_ratio', 'link="a"'), 0.25)
    assert.equal(value('link_dropped_frames_total', 'link="a",reason="key"'), 4)
    assert.equal(value('events_total', 'event="peer:dead"'), 2)
    assert.equal(value('events_total', 'event="fatal"'), 0)
    const stalls = ['0.1', '0.25', '0.5', '1', '2.5', '5', '+Inf'].map((le) =>
      value('stall_seconds_bucket', `le="${le}"`),
    )
    assert.deepEqual(stalls, [1, 3, 3, 3, 3, 4, 6])
    assert.equal(value('stall_seconds_sum'), 9)
    assert.equal(value('stall_seconds_count'), 6)
  })

  it('leave out what is not known, and escape what labels cannot hold', (t) => {
    const text = prometheusText({ snapshot: () => ({ ...idle(t), cluster: 'a "pair"\\\nof two' }) })
    assert.doesNotMatch(text, /peer_silence_seconds|link_round_trip|last_acquisition/)
    assert.match(text, /\{cluster="a \\"pair\\"\\\\\\nof two",node="one"/)
  })

  it('are all in the page, the rules and the dashboard name no other', (t) => {
    const names = metricNames(prometheusText({ snapshot: () => full(t) }))
    assert.ok(names.size > 30, [...names].join(' '))
    const documented = new Set(
      [...read('docs/monitoring.md').matchAll(/^\| `(hot_standby_\w+)`/gm)].map(([, name]) => name),
    )
    assert.deepEqual([...documented].sort(), [...names].sort())
    for (const file of ['docs/monitoring/alerts.yml', 'docs/monitoring/grafana-dashboard.json'])
      assert.deepEqual(
        [...metricNames(read(file))].filter((name) => !names.has(name)),
        [],
        file,
      )
  })

  it('please promtool, as do the rules', { skip: noPromtool }, (t) => {
    const lint = promtool(['check', 'metrics'], prometheusText({ snapshot: () => full(t) }))
    assert.deepEqual(lint, { status: 0, said: '' })
    const bad = promtool(['check', 'metrics'], '# TYPE a_total gauge\na_total 1\n')
    assert.notEqual(bad.status, 0, 'it would say what is wrong')
    const rules = join(root, 'docs/monitoring/alerts.yml')
    const checked = promtool(['check', 'rules', rules])
    assert.equal(checked.status, 0, checked.said)
    const file = join(temporaryDirectory(t), 'alerts.test.yml')
    writeFileSync(file, read('test/fixtures/monitoring/alerts.test.yml').replace('RULES', rules))
    const tested = promtool(['test', 'rules', file])
    assert.equal(tested.status, 0, tested.said)
  })

  it('of a running pair count its moves', async (t) => {
    const { one, two } = pairOf(t)
    await startPair(one, two)
    await one.standby()
    const series = seriesOf(prometheusText(two))
    const value = (name: string) => series.get(`hot_standby_${name}`)
    assert.equal(value('group_acquisitions_total{cluster="pair",node="two",group="jobs",reason="command"}'), 1)
    assert.equal(value('group_active{cluster="pair",node="two",group="jobs"}'), 1)
    assert.equal(value('peer_up{cluster="pair",node="two",peer="one"}'), 1)
    assert.ok((value('link_received_frames_total{cluster="pair",node="two",link="a"}') ?? 0) > 0)
  })
})

describe('the health check', () => {
  it('answers 200 where the group is served, 503 where not, and 404 once it is gone', async (t) => {
    const { one, two } = pairOf(t)
    const ask = async (cluster: Cluster, method = 'GET') => {
      const server = createServer(healthHandler(cluster, 'jobs')).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { method })
      const text = await response.text()
      await new Promise((resolve) => server.close(resolve))
      return { status: response.status, text }
    }
    assert.equal((await ask(one)).status, 503, 'not started')
    await startPair(one, two)
    const { status, text } = await ask(one)
    assert.equal(status, 200)
    const { serves, servedBy, state, peer } = JSON.parse(text)
    assert.deepEqual(
      { serves, servedBy, state, peer },
      { serves: true, servedBy: 'one', state: 'active', peer: 'alive' },
    )
    assert.deepEqual(await ask(one, 'HEAD'), { status: 200, text: '' })
    await until('the peer says so', () => two.snapshot().groups[0]?.servedBy === 'one')
    const other = await ask(two)
    assert.equal(other.status, 503)
    assert.equal(JSON.parse(other.text).servedBy, 'one')
    await one.standby()
    assert.equal((await ask(one)).status, 503)
    assert.equal((await ask(two)).status, 200)
    await two.stop()
    await until('the other one serves', () => one.snapshot().groups[0]?.state === 'active')
    assert.equal((await ask(two)).status, 503, 'stopped')
  })

  it('refuses a group that is not there', (t) => {
    const { one } = pairOf(t)
    const refused = (message: RegExp) => (error: unknown) => {
      assert.ok(error instanceof HotStandbyError && error.code === 'HS_CONFIG')
      assert.match(error.message, message)
      return true
    }
    assert.throws(
      () => healthHandler(one, 'job'),
      refused(/healthHandler: there is no group 'job'; did you mean 'jobs'\?/),
    )
    assert.throws(() => healthHandler(one, 'web'), refused(/there are: jobs/))
    assert.throws(() => healthHandler(one, 5 as never), refused(/must be a name, got number 5/))
  })
})

describe('examples/opentelemetry.ts', () => {
  it('counts the events of every member in the process, and makes spans of what took a while', async (t) => {
    const counted: string[] = []
    const recorded: number[] = []
    const spans: { name: string; lengthMs: number }[] = []
    const end = observe(
      {
        createCounter: () => ({ add: (_value, { node, event }) => counted.push(`${node} ${event}`) }),
        createHistogram: () => ({ record: (value) => recorded.push(value) }),
      },
      {
        startSpan: (name, { startTime }) => ({ end: (time) => spans.push({ name, lengthMs: time - startTime }) }),
      },
    )
    const { one, two } = pairOf(t)
    await startPair(one, two)
    for (const node of ['one', 'two']) assert.ok(counted.includes(`${node} peer:alive`), counted.join(', '))
    assert.ok(counted.includes('one group:acquired'))
    assert.ok(spans.some(({ name, lengthMs }) => name === 'hot-standby group:acquired' && lengthMs >= 0))
    assert.equal(recorded.length, spans.length)
    end()
    const before = counted.length
    await one.standby()
    assert.equal(counted.length, before)
  })
})
