import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type RouteOptions, route } from '../../src/resources/route.ts'
import { vip } from '../../src/resources/vip.ts'
import type { ResourceAgent, ResourceContext } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, within } from '../support/agents.ts'
import { lacking, TwoHosts } from './netns.ts'
import { AgentHost } from './remote-agent.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking()
if (reason) console.log(`skipped: ${reason}`)

const far = '203.0.113.1'
const gateway = '10.99.1.2'

describe('route(), between two hosts', { skip: reason ?? false, timeout: 900_000 }, () => {
  let hosts: TwoHosts
  let agents: AgentHost
  const opened: ResourceAgent[] = []
  const place = (): readonly string[] => ['ip', 'netns', 'exec', hosts.namespace('a')]

  before(() => {
    hosts = new TwoHosts([1, 2])
    agents = new AgentHost(place())
  })
  after(async () => {
    await agents?.end()
    hosts?.[Symbol.dispose]()
  })
  afterEach(async () => {
    for (const agent of opened.splice(0)) await agent.close?.().catch(() => {})
    for (const family of ['-4', '-6'])
      hosts.run('a', 'sh', '-c', `while ip ${family} route del default 2>/dev/null; do :; done`)
  })

  /** Where a packet to a far host would go. */
  const way = (to = far): string => hosts.run('a', 'sh', '-c', `ip route get ${to} 2>&1 || true`)

  interface Trial {
    readonly agent: ResourceAgent
    readonly context: ResourceContext & { record(): unknown; changes(): number }
    readonly lines: readonly string[]
  }

  function make(destination: string, options: RouteOptions, leftover: Record<string, unknown> | null = null): Trial {
    const { logger, lines } = collectingLogger()
    const context = agentContext('/tmp', leftover, logger)
    const agent = agents.plugin('route', route(destination, options), destination, options).create(context)
    opened.push(agent)
    return { agent, context, lines }
  }

  async function open(...args: Parameters<typeof make>): Promise<Trial> {
    const trial = make(...args)
    await trial.agent.open?.()
    return trial
  }

  resourceAgentSuite({
    manifest: { sees: true, breaks: true, hangs: false },
    test: it,
    create: () => ({
      plugin: agents.plugin('route', route('default', { via: gateway }), 'default', { via: gateway }),
      serves: () => way().includes(`via ${gateway}`),
      break: () => hosts.ip('a', 'route', 'del', 'default'),
      cleanup: () => void hosts.run('a', 'sh', '-c', 'ip route del default 2>/dev/null || true'),
    }),
  })

  it('goes before a route of larger metric, and gives it back', async () => {
    hosts.ip('a', 'route', 'add', 'default', 'via', '10.99.2.2', 'metric', '100')
    const { agent, context } = await open('default', { via: gateway, device: 'eth1', metric: 50 })
    await agent.start(within())
    assert.match(way(), /via 10\.99\.1\.2/)
    assert.equal((context.record() as { metric: number }).metric, 50)
    await agent.stop(within())
    assert.match(way(), /via 10\.99\.2\.2/)
    assert.equal(context.record(), null)
  })

  it('knows IPv6, tables, and a floating source address', async () => {
    hosts.ip('a', 'addr', 'add', 'fd99::1/64', 'dev', 'eth1', 'nodad')
    const six = await open('default', { via: 'fd99::2' })
    await six.agent.start(within())
    assert.match(way('2001:db8::1'), /via fd99::2/)
    assert.deepEqual(await six.agent.status(within()), { state: 'running' })
    await six.agent.stop(within())
    assert.doesNotMatch(way('2001:db8::1'), /via fd99::2/)

    const other = await open('10.5.0.0/16', { via: gateway, table: 77 })
    await other.agent.start(within())
    assert.match(hosts.run('a', 'ip', 'route', 'show', 'table', '77'), /10\.5\.0\.0\/16 via 10\.99\.1\.2/)
    await other.agent.stop(within())

    const address = agents.plugin('vip', vip('10.99.1.50'), '10.99.1.50').create(agentContext('/tmp'))
    opened.push(address)
    await address.open?.()
    const { agent } = await open('default', { via: gateway, source: '10.99.1.50' })
    await assert.rejects(agent.start(within()), { code: 'HS_RESOURCE', message: /ip route add .*src 10\.99\.1\.50: / })
    await address.start(within())
    await agent.start(within())
    assert.match(way(), /src 10\.99\.1\.50/)
    // The kernel takes the route along with its source.
    await address.stop(within())
    const status = await agent.status(within())
    assert.match(status.state === 'failed' ? status.reason : '', /is gone: somebody removed it/)
    await agent.stop(within())
  })

  const removed: readonly (readonly [destination: string, options: RouteOptions, words: readonly string[]])[] = [
    ['default', { via: gateway, device: 'eth1' }, ['default']],
    ['10.5.0.0/16', { via: gateway, table: 77 }, ['10.5.0.0/16', 'table', '77']],
    ['10.5.1.1', { via: gateway }, ['10.5.1.1']],
    ['2001:db8:5::1', { device: 'eth1' }, ['2001:db8:5::1/128', 'dev', 'eth1']],
  ]
  for (const [destination, options, words] of removed)
    it(`is told at once when ${words.join(' ')} is deleted by hand`, async () => {
      const { agent, context } = await open(destination, options)
      // Its own start is told too, as soon as the monitor listens.
      const startsAgain = async (): Promise<boolean> => {
        await agent.stop(within())
        await agent.start(within())
        return context.changes() > 0
      }
      await waitFor(startsAgain, { what: 'the monitor tells' })
      const before = context.changes()
      hosts.ip('a', ...(destination.includes(':') ? ['-6'] : []), 'route', 'del', ...words)
      await waitFor(() => context.changes() > before, { what: 'the deletion is told' })
      const status = await agent.status(within())
      assert.match(status.state === 'failed' ? status.reason : '', /is gone: somebody removed it/)
      await agent.stop(within())
    })

  it("never touches somebody else's route", async () => {
    hosts.ip('a', 'route', 'add', 'default', 'via', '10.99.2.2')
    const { agent } = await open('default', { via: gateway })
    await assert.rejects(agent.start(within()), {
      code: 'HS_RESOURCE',
      message: /File exists; a route .* choose another metric/,
    })
    await agent.stop(within())
    assert.match(way(), /via 10\.99\.2\.2/)
    await assert.rejects(open('default', { via: '10.99.2.2' }), {
      code: 'HS_RESOURCE',
      message: /is on this host by somebody/,
    })
    assert.match(way(), /via 10\.99\.2\.2/)
  })

  it('says what stands in its way: no such device, no carrier, a gateway elsewhere', async () => {
    await assert.rejects(open('default', { device: 'eth7' }), {
      code: 'HS_RESOURCE',
      message: /device eth7 does not exist/,
    })
    const far = await open('default', { via: '192.0.2.1' })
    const elsewhere = { code: 'HS_RESOURCE', message: /the gateway 192\.0\.2\.1 lies in no network of any device/ }
    await assert.rejects(async () => far.agent.prepare?.(within()), elsewhere)
    await assert.rejects(far.agent.start(within()), elsewhere)
    const { agent } = await open('default', { via: gateway, device: 'eth1' })
    await agent.start(within())
    hosts.ip('switch', 'link', 'set', 'a1', 'down')
    try {
      await waitFor(async () => (await agent.status(within())).state === 'failed' || !way().includes('linkdown'), {
        what: 'the link is down',
      })
      await assert.rejects(async () => agent.prepare?.(within()), {
        code: 'HS_RESOURCE',
        message: /eth1 has no carrier/,
      })
      await agent.stop(within())
    } finally {
      hosts.ip('switch', 'link', 'set', 'a1', 'up')
    }
  })

  it('is failed when its device vanishes, stops all the same, and starts again once it is back', async () => {
    const { agent, context } = await open('10.5.0.0/16', { via: '10.99.2.2', device: 'eth2' })
    await agent.start(within())
    const before = context.changes()
    hosts.unplug('a', 2)
    try {
      await waitFor(() => context.changes() > before, { what: 'it is told' })
      const status = await agent.status(within())
      assert.match(status.state === 'failed' ? status.reason : '', /is gone: device eth2 does not exist/)
      await assert.rejects(agent.start(within()), { code: 'HS_RESOURCE', message: /device eth2 does not exist/ })
      await agent.stop(within())
      assert.deepEqual(await agent.status(within()), { state: 'stopped' })
      assert.equal(context.record(), null)
      await assert.rejects(async () => agent.prepare?.(within()), /device eth2 does not exist/)
    } finally {
      hosts.plug('a', 2)
    }
    await waitFor(
      () =>
        agent.prepare?.(within()).then(
          () => true,
          () => false,
        ) ?? false,
      { what: 'it may start' },
    )
    await agent.start(within())
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    await agent.stop(within())
  })

  it('goes with kill -9, and what a killed predecessor left goes at start', async () => {
    const { agent, context } = await open('default', { via: gateway })
    await agent.start(within())
    await agents.end('SIGKILL')
    opened.length = 0
    agents = new AgentHost(place())
    await waitFor(() => !way().includes('via'), { what: 'the guardian removed the route' })
    hosts.ip('a', 'route', 'add', 'default', 'via', gateway)
    const { lines } = await open('default', { via: gateway }, context.record() as Record<string, unknown>)
    assert.doesNotMatch(way(), /via/)
    assert.match(lines.join(), /removed the route that a killed predecessor left/)
  })
})
