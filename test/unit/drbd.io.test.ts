import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { drbd } from '../../src/resources/drbd.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, temporaryDirectory, within, writeScript } from '../support/agents.ts'

/**
 * A stand-in for `drbdadm`: answers as drbd-utils 9.22 does, from files in its directory. What it proves is what the agent makes
 * of the answers; a promotion of a real device is not played here, it needs the kernel module.
 */
const body = `
cd "$(dirname "$0")"
echo "$1" >>calls
[ "$2" = r0 ] || { echo "'$2' not defined in your config (for this host)." >&2; exit 1; }
[ -e refuse-$1 ] && { cat refuse-$1 >&2; exit 11; }
known() { [ -e up ] || { echo "r0: No such resource" >&2; exit 10; }; }
case $1 in
  dump) echo 'resource r0 {'; echo '}' ;;
  up) touch up; echo Secondary >role ;;
  role) known; cat role ;;
  dstate) known; cat disk 2>/dev/null || echo UpToDate/UpToDate ;;
  cstate) known; cat connection 2>/dev/null || echo Connected ;;
  primary) known; [ -e hang ] && exec sleep 1000; [ -e lie ] || echo Primary >role ;;
  secondary) known; echo Secondary >role ;;
esac`

const write = (directory: string, name: string, text = ''): void => writeFileSync(join(directory, name), `${text}\n`)
const roleIn = (directory: string): string =>
  existsSync(join(directory, 'role')) ? readFileSync(join(directory, 'role'), 'utf8').trim() : ''

function make(t: { after(run: () => unknown): void }, leftover: Record<string, unknown> | null = null) {
  const directory = temporaryDirectory(t)
  const binary = writeScript(directory, 'drbdadm', body)
  const { logger, lines } = collectingLogger()
  const context = agentContext(directory, leftover, logger)
  const agent: ResourceAgent = drbd('r0', { binary, startTimeout: '1500ms', stopTimeout: '1500ms' }).create(context)
  return { agent, directory, context, lines, binary }
}

resourceAgentSuite({
  manifest: { sees: true, breaks: true, hangs: true },
  test,
  create() {
    let remove = (): void => {}
    const { directory, binary } = make({
      after(run) {
        remove = () => void run()
      },
    })
    return {
      plugin: drbd('r0', { binary }),
      serves: () => roleIn(directory) === 'Primary',
      break: () => write(directory, 'role', 'Secondary'),
      hang: () => write(directory, 'hang'),
      cleanup: () => remove(),
    }
  },
})

test('drbd: what nobody brought up is brought up, and made primary only by a start', async (t) => {
  const { agent, directory, context } = make(t)
  await agent.open?.()
  assert.equal(roleIn(directory), '')
  await agent.prepare?.(within())
  assert.equal(roleIn(directory), 'Secondary')
  await agent.start(within())
  assert.equal(roleIn(directory), 'Primary')
  assert.deepEqual(context.record(), { resource: 'r0' })
})

test('drbd: stale data and a broken mirror refuse a planned move, with the words of DRBD', async (t) => {
  const { agent, directory } = make(t)
  await agent.open?.()
  write(directory, 'disk', 'Outdated/DUnknown')
  await assert.rejects(async () => agent.prepare?.(within()), {
    code: 'HS_RESOURCE',
    message: /r0: the data .* is Outdated/,
  })
  write(directory, 'disk', 'UpToDate/DUnknown')
  write(directory, 'connection', 'StandAlone')
  await assert.rejects(async () => agent.prepare?.(within()), {
    code: 'HS_RESOURCE',
    message: /StandAlone.*drbdadm connect/,
  })
})

test('drbd: a peer that is still primary is waited for; anything else is told at once', {
  timeout: 60_000,
}, async (t) => {
  const { agent, directory } = make(t)
  await agent.open?.()
  write(directory, 'refuse-primary', 'r0: State change failed: (-1) Multiple primaries not allowed by config')
  const started = agent.start(within())
  setTimeout(() => rmSync(join(directory, 'refuse-primary')), 100)
  await started
  await agent.stop(within())
  write(directory, 'refuse-primary', 'r0: State change failed: (-2) Need access to UpToDate data')
  await assert.rejects(agent.start(within()), {
    code: 'HS_RESOURCE',
    message: /drbdadm primary r0 failed: .*UpToDate data/,
  })
  write(directory, 'refuse-primary', 'r0: State change failed: (-1) Multiple primaries not allowed by config')
  await assert.rejects(agent.start(within()), { code: 'HS_RESOURCE', message: /Multiple primaries/ })
})

test('drbd: a demotion while the device is in use fails in its words; a success that is none is found out', async (t) => {
  const { agent, directory } = make(t)
  await agent.open?.()
  write(directory, 'lie')
  await assert.rejects(agent.start(within()), /ended with success, yet r0 is Secondary/)
  rmSync(join(directory, 'lie'))
  await agent.start(within())
  write(directory, 'refuse-secondary', 'r0: State change failed: (-12) Device is held open by someone')
  await assert.rejects(agent.stop(within()), { code: 'HS_RESOURCE', message: /held open by someone/ })
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  write(directory, 'disk', 'Diskless/UpToDate')
  const status = await agent.status(within())
  assert.match(status.state === 'failed' ? status.reason : '', /the data of this node is Diskless/)
})

test('drbd: without the kernel module, the program or the resource it says so', async (t) => {
  const { agent, directory } = make(t)
  await agent.open?.()
  const words = 'Failed to modprobe drbd (No such file or directory)'
  for (const verb of ['role', 'dstate', 'cstate', 'up', 'primary']) write(directory, `refuse-${verb}`, words)
  for (const call of [() => agent.prepare?.(within()), () => agent.start(within())])
    await assert.rejects(async () => call(), { code: 'HS_HOST', message: /this kernel has no module drbd/ })
  await agent.stop(within())
  assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  const open = async (resource: string, binary: string) =>
    drbd(resource, { binary }).create(agentContext(directory)).open?.()
  await assert.rejects(open('r1', join(directory, 'drbdadm')), {
    code: 'HS_HOST',
    message: /'r1' not defined in your config/,
  })
  await assert.rejects(open('r0', join(directory, 'none')), { code: 'HS_HOST', message: /no such program/ })
  assert.throws(() => drbd('r0', { binary: 'drbdadm' }), { code: 'HS_CONFIG' })
})
