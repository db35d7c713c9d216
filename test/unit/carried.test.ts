import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { floatingAddresses } from '../../src/engine/group-config.ts'
import type { NetworkDevice } from '../../src/platform/address.ts'
import { addressOfAgent, addressOfScript, type CarriedHost, createCarriedAgent } from '../../src/resources/carried.ts'
import { ocf } from '../../src/resources/ocf.ts'
import { script } from '../../src/resources/script.ts'
import { vip } from '../../src/resources/vip.ts'
import { HotStandbyError } from '../../src/roles/error.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'

describe('a floating address in the words of a script', () => {
  it('is read where the script is one of addresses', () => {
    const of = (name: string, ...args: string[]) => addressOfScript(name, args).map(({ address }) => address)
    assert.deepEqual(of('IPaddr', '10.3.0.9'), ['10.3.0.9'])
    assert.deepEqual(of('IPaddr2', '10.3.0.9/255.255.255.0/eth4/10.3.0.255'), ['10.3.0.9'])
    assert.deepEqual(of('IPv6addr', '2001:DB8::9/64/eth4'), ['2001:db8::9'])
    assert.deepEqual(of('IPsrcaddr', '10.3.0.9'), [], 'it adds none')
    assert.deepEqual(of('IPaddr', '127.0.0.1'), [], "every host's own")
    assert.deepEqual(of('IPaddr2', 'web'), [])
    assert.deepEqual(of('IPaddr2'), [])
    assert.deepEqual(of('constructor', '10.3.0.9'), [])
  })

  it('is read from the parameters of an OCF agent', () => {
    const of = (type: string, parameters: Record<string, string>, provider = 'heartbeat') =>
      addressOfAgent(provider, type, parameters).map(({ address }) => address)
    assert.deepEqual(of('IPaddr2', { ip: '10.3.0.9', nic: 'eth4' }), ['10.3.0.9'])
    assert.deepEqual(of('IPv6addr', { ipv6addr: 'fd03::9/64' }), ['fd03::9'])
    assert.deepEqual(of('IPaddr2', { nic: 'eth4' }), [])
    assert.deepEqual(of('IPaddr2', { ip: '10.3.0.9' }, 'mine'), [])
    assert.deepEqual(of('Dummy', { ip: '10.3.0.9' }), [])
  })

  it('is among those that no link may send from, as are those of the built-in vip', () => {
    const groups = [
      { name: 'web', preferred: 'a', resources: [vip(['10.3.0.20/24', 'FD03::20/64'], { device: 'eth4' })] },
      {
        name: 'mail',
        preferred: 'b',
        resources: [
          script('/etc/ha.d/resource.d/IPaddr', { args: ['10.3.0.21/24/eth4'] }),
          script('/etc/ha.d/resource.d/IPaddr2', { args: ['10.3.0.22'] }),
          ocf('ocf:heartbeat:IPaddr2', { parameters: { ip: '10.3.0.23', nic: 'eth4' } }),
          script('/etc/init.d/postfix'),
        ],
      },
    ]
    assert.deepEqual(floatingAddresses(groups), ['10.3.0.20', 'fd03::20', '10.3.0.21', '10.3.0.22', '10.3.0.23'])
  })

  it('makes the resource one that is announced and cut off', () => {
    const plugins = [
      script('/opt/IPaddr2', { args: ['10.3.0.9/24/eth4'] }),
      ocf('ocf:heartbeat:IPaddr2', { parameters: { ip: '10.3.0.9' } }),
    ]
    for (const { addresses, exclusive, operations } of plugins) {
      assert.deepEqual([addresses, exclusive], [['10.3.0.9'], 'address'])
      assert.deepEqual(operations.slice(-3), ['announce', 'isolate', 'restore'])
    }
    assert.deepEqual(script('/opt/web').operations, ['prepare', 'start', 'stop', 'status'])
    assert.equal(script('/opt/web').addresses, undefined)
  })
})

/** A script, a host, and what was done with them, in order. */
function bench({ stopFails = false, hostFails = false, leftover = false } = {}) {
  const done: string[] = []
  const say = (what: string) => async (): Promise<void> => void done.push(what)
  const inner: ResourceAgent = {
    open: say('open'),
    start: say('start'),
    async stop() {
      done.push('stop')
      if (stopFails) throw new HotStandbyError('HS_RESOURCE', 'it clings')
    },
    status: async () => ({ state: 'running' }),
  }
  const devices: NetworkDevice[] = [
    {
      name: 'lo',
      up: true,
      carrier: true,
      loopback: true,
      addresses: [{ address: '10.3.0.9', prefix: 32, family: 4, usable: true }],
    },
    {
      name: 'eth4',
      up: true,
      carrier: true,
      loopback: false,
      addresses: [{ address: '10.3.0.9', prefix: 24, family: 4, usable: true }],
    },
  ]
  const host = {
    addresses: {
      list: async () => devices,
      cut: say('cut'),
      guard: (_holder: string, addresses: readonly unknown[]) => void done.push(`guard ${addresses.length}`),
    },
    announcer: { announce: async (device: string) => void done.push(`announce ${device}`) },
  } as unknown as CarriedHost
  const agent = createCarriedAgent(
    inner,
    [{ address: '10.3.0.9', family: 4 }],
    'web',
    { logger: silentLogger, leftover: leftover ? {} : null },
    async () => {
      if (hostFails) throw new HotStandbyError('HS_HOST', 'no privilege')
      return { value: host, release: say('release') }
    },
  )
  return { agent, done }
}

const context = { epoch: 1, signal: new AbortController().signal }

describe('an address that a script holds', () => {
  it('is guarded before it is added, and until the stop has succeeded', async () => {
    const { agent, done } = bench()
    await agent.open?.()
    await agent.start(context)
    await agent.announce?.(context)
    await agent.stop(context)
    await agent.close?.()
    assert.deepEqual(done, ['open', 'guard 1', 'start', 'announce eth4', 'stop', 'guard 0', 'release'])
  })

  it('stays guarded when its script will not stop, and is cut off whoever added it', async () => {
    const { agent, done } = bench({ stopFails: true })
    await agent.open?.()
    await agent.start(context)
    await assert.rejects(agent.stop(context), /clings/)
    await agent.isolate?.(context)
    await agent.restore?.(context)
    assert.deepEqual(done, ['open', 'guard 1', 'start', 'stop', 'cut', 'guard 1', 'start'])
  })

  it('is cut off at the start where a killed predecessor left it', async () => {
    const { agent, done } = bench({ leftover: true })
    await agent.open?.()
    assert.deepEqual(done, ['cut', 'open'])
  })

  it("is its script's alone where this process may not touch addresses, and says so when asked to", async () => {
    const { agent, done } = bench({ hostFails: true })
    await agent.open?.()
    await agent.start(context)
    await assert.rejects(async () => agent.isolate?.(context), /10\.3\.0\.9 can be neither cut off .*no privilege/)
    await assert.rejects(async () => agent.announce?.(context), { code: 'HS_HOST' })
    await agent.stop(context)
    await agent.close?.()
    assert.deepEqual(done, ['open', 'start', 'stop'])
  })
})
