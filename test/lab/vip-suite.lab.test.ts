import { execFileSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { macvlanOf } from '../../src/platform/macvlan.ts'
import { vip } from '../../src/resources/vip.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { lacking } from './netns.ts'
import { AgentHost } from './remote-agent.ts'

const address = '10.77.0.100'
const reason = lacking('ip', 'unshare', 'nsenter')
if (reason) console.log(`skipped: ${reason}`)

describe('vip(), in a network namespace of its own', { skip: reason ?? false, timeout: 900_000 }, () => {
  let agents: AgentHost

  /** Runs `ip` where the agents are. */
  const ip = (...words: readonly string[]): string =>
    execFileSync('nsenter', ['-t', String(agents.child.pid), '-n', '--', 'ip', ...words], { encoding: 'utf8' })
  const serves = (): boolean => ip('-o', 'addr', 'show').includes(` ${address}/32 `)

  before(() => {
    agents = new AgentHost(['unshare', '--net', '--mount', 'sh', '-c', 'mount -t sysfs none /sys && exec "$@"', 'sh'])
    // The process is in its namespace once `unshare` has become it: until then there is no lo of its own that is down.
    for (let tries = 0; tries < 200 && !ip('-o', 'link', 'show', 'lo').includes('state DOWN'); tries++)
      execFileSync('sleep', ['0.01'])
    ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other')
    ip('link', 'set', 'other', 'up')
    ip('link', 'set', 'eth0', 'up')
    ip('addr', 'add', '10.77.0.1/24', 'dev', 'eth0')
  })
  after(() => agents?.end())

  for (const macvlan of [false, true]) {
    const options = { device: 'eth0', macvlan }
    const device = macvlan ? macvlanOf([`${address}/32`], 'eth0').name : 'eth0'
    describe(macvlan ? 'with a device of its own' : 'on the device itself', () => {
      resourceAgentSuite({
        manifest: { sees: true, breaks: true, hangs: false },
        test: it,
        create: () => ({
          plugin: agents.plugin('vip', vip(`${address}/24`, options), `${address}/24`, options),
          serves,
          break: () => void ip('addr', 'del', `${address}/32`, 'dev', device),
          cleanup: () => {
            if (serves()) ip('addr', 'del', `${address}/32`, 'dev', device)
          },
        }),
      })
    })
  }
})
