import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { drbd } from '../../src/resources/drbd.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { agentContext, within } from '../support/agents.ts'
import { lacking } from './netns.ts'
import { AgentHost } from './remote-agent.ts'

const reason = lacking('drbdadm', 'unshare')
if (reason) console.log(`skipped: ${reason}`)

const hasModule = existsSync('/sys/module/drbd')
// Honest about it: neither passed nor failed.
console.log(
  `not run: promotion and demotion of a real device of DRBD${hasModule ? ': this laboratory builds no device for it' : ': the kernel module drbd is absent here'}`,
)

/** Debian's drbd-utils, with a configuration of its own in a mount namespace. */
describe("drbd(), with Debian's drbd-utils", { skip: reason ?? false }, () => {
  let place = ''
  let agents: AgentHost

  before(() => {
    place = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    mkdirSync(join(place, 'etc'))
    const on = (host: string, address: string): string => `on ${host} { address ${address}:7789; }`
    writeFileSync(
      join(place, 'drbd.conf'),
      `global { usage-count no; }
resource r0 { device /dev/drbd0; disk /dev/loop99; meta-disk internal; ${on(hostname(), '10.99.1.1')} ${on('peer', '10.99.1.2')} }
`,
    )
    const mount = `mount --bind ${place}/drbd.conf /etc/drbd.conf && exec "$@"`
    agents = new AgentHost(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount, 'sh'])
  })
  after(async () => {
    await agents?.end()
    rmSync(place, { recursive: true, force: true })
  })

  const make = (resource: string): ResourceAgent =>
    agents.plugin('drbd', drbd(resource), resource).create(agentContext('/tmp'))

  const bare = hasModule ? () => {} : it
  bare('reads its configuration, and says that the kernel has no DRBD', async () => {
    const agent = make('r0')
    await agent.open?.()
    for (const call of [() => agent.prepare?.(within()), () => agent.start(within())])
      await assert.rejects(async () => call(), { code: 'HS_HOST', message: /this kernel has no module drbd/ })
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
    await agent.stop(within())
  })

  it('refuses a resource that is not in it', async () => {
    await assert.rejects(async () => make('r7').open?.(), {
      code: 'HS_HOST',
      message: /'r7' not defined in your config/,
    })
  })
})
