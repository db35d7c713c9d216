import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type OcfOptions, ocf } from '../../src/resources/ocf.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, temporaryDirectory, within } from '../support/agents.ts'
import { pairOf, startPair, stateOf, until } from '../support/pair.ts'
import { lacking, TwoHosts } from './netns.ts'
import { AgentHost } from './remote-agent.ts'

const installed = existsSync('/usr/lib/ocf/resource.d/heartbeat/Dummy')
const reason = lacking() ?? (installed ? undefined : 'the Debian package resource-agents is missing')
if (reason) console.log(`skipped: ${reason}`)

describe("ocf(), with Debian's agents", { skip: reason ?? false, timeout: 900_000 }, () => {
  let hosts: TwoHosts
  let agents: AgentHost

  before(() => {
    hosts = new TwoHosts()
    // systemd-tmpfiles makes it when a host boots.
    mkdirSync('/run/resource-agents', { recursive: true })
    agents = new AgentHost(['ip', 'netns', 'exec', hosts.namespace('a')])
  })
  after(async () => {
    await agents?.end()
    hosts?.[Symbol.dispose]()
  })

  const plugin = (name: string, options: OcfOptions) => agents.plugin('ocf', ocf(name, options), name, options)

  async function opened(name: string, options: OcfOptions): Promise<ResourceAgent> {
    const agent = plugin(name, options).create(agentContext('/tmp'))
    await agent.open?.()
    return agent
  }

  describe('the suite with Dummy', () => {
    resourceAgentSuite({
      manifest: { sees: true, breaks: false, hangs: false },
      test: it,
      create() {
        let remove = (): void => {}
        const directory = temporaryDirectory({
          after(run) {
            remove = run
          },
        })
        const state = join(directory, 'state')
        return {
          plugin: plugin('ocf:heartbeat:Dummy', { parameters: { state } }),
          serves: () => existsSync(state),
          cleanup: remove,
        }
      },
    })
  })

  const addresses = (): string => hosts.run('a', 'ip', '-o', 'addr')

  it('IPaddr2 brings an address and takes it away', async (t) => {
    const options = { parameters: { ip: '10.99.1.100', cidr_netmask: 24, nic: 'eth1' } }
    const agent = await opened('ocf:heartbeat:IPaddr2', options)
    await agent.prepare?.(within())
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    const begun = performance.now()
    await agent.start(within())
    t.diagnostic(`start ${(performance.now() - begun).toFixed(0)} ms`)
    assert.match(addresses(), /inet 10\.99\.1\.100\/24/)
    assert.deepEqual(await agent.status(within()), { state: 'running' })
    hosts.ip('a', 'addr', 'del', '10.99.1.100/24', 'dev', 'eth1')
    const status = await agent.status(within())
    assert.match(status.state === 'failed' ? status.reason : '', /IPaddr2 monitor ended with 7 \(it is not running\)/)
    await agent.start(within())
    await agent.stop(within())
    assert.doesNotMatch(addresses(), /10\.99\.1\.100/)
  })

  it("follows an agent's advice in a pair, and what is written instead of it", { timeout: 60_000 }, async (t) => {
    const directory = temporaryDirectory(t)
    const said = join(directory, 'said')
    const hook = `echo $__OCF_ACTION $OCF_RESKEY_CRM_meta_interval $OCF_RESKEY_CRM_meta_timeout >>${said}`
    const resources = [
      ocf('heartbeat:anything', {
        parameters: {
          binfile: '/bin/sleep',
          cmdline_options: '1000',
          pidfile: join(directory, 'pid'),
          monitor_hook: hook,
        },
        stopTimeout: '25s',
        statusInterval: '500ms',
      }),
      ocf('heartbeat:symlink', { parameters: { link: join(directory, 'link'), target: directory } }),
    ]
    const { one, two } = pairOf(t, { groups: [{ name: 'jobs', preferred: 'one', resources }] })
    await startPair(one, two)
    // What the agent hears while it serves: the written interval, and as limit what it advises.
    await until('it is looked at', () => existsSync(said) && readFileSync(said, 'utf8').includes(' 500 20000'))
    const shown = one.snapshot().resources
    assert.deepEqual(shown['ocf:heartbeat:anything']?.['advice'], {
      startMs: 20_000,
      stopMs: 20_000,
      statusMs: 20_000,
      intervalMs: 10_000,
    })
    assert.deepEqual(shown['ocf:heartbeat:symlink']?.['advice'], {
      startMs: 15_000,
      stopMs: 15_000,
      statusMs: 15_000,
      intervalMs: 60_000,
    })
    await one.stop()
    await until('the peer serves', () => stateOf(two) === 'active')
  })

  it('says which parameters an agent has, and which it needs', async () => {
    await assert.rejects(opened('heartbeat:IPaddr2', {}), {
      code: 'HS_CONFIG',
      message: /ocf:heartbeat:IPaddr2 needs ip$/,
    })
    await assert.rejects(opened('heartbeat:IPaddr2', { parameters: { ip: '10.99.1.100', adress: 'x' } }), {
      code: 'HS_CONFIG',
      message: /ocf\.parameters\.adress: ocf:heartbeat:IPaddr2 has no such parameter; it has: ip, /,
    })
    const agent = await opened('heartbeat:IPaddr2', { parameters: { ip: 'nonsense', nic: 'eth1' } })
    await assert.rejects(async () => agent.prepare?.(within()), /IPaddr2 validate-all ended with [1-6] /)
  })

  it('Delay: a start that takes too long is ended', async () => {
    const agent = await opened('heartbeat:Delay', { parameters: { startdelay: 30, stopdelay: 0, mondelay: 0 } })
    const begun = performance.now()
    await assert.rejects(agent.start(within(500)), { code: 'HS_TIMEOUT' })
    assert.ok(performance.now() - begun < 3000)
    await agent.stop(within())
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  })
})
