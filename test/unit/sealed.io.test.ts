import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import {
  type AuthenticatorPlugin,
  Cluster,
  type ClusterOptions,
  keyring,
  sealed,
  sha256,
  udpUnicast,
} from '../../src/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { freeUdpPorts, memberOptions, startPair, until } from '../support/pair.ts'
import { root } from '../support/sources.ts'

type T = Parameters<typeof memberOptions>[0]

/** A key file as the command makes it. */
function keyFile(t: T): string {
  const file = join(temporaryDirectory(t), 'key')
  execFileSync(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'keygen', file], { cwd: root })
  return file
}

/** Options of the two members on two ports of loopback. */
async function optionsOf(t: T, authenticator: AuthenticatorPlugin, other = authenticator) {
  const [first, second] = await freeUdpPorts(2)
  const transports = [udpUnicast({ addresses: { one: `127.0.0.1:${first}`, two: `127.0.0.1:${second}` } })]
  const directory = temporaryDirectory(t)
  mkdirSync(directory, { recursive: true })
  return {
    one: memberOptions(t, 'one', transports, { authenticator }),
    two: memberOptions(t, 'two', transports, { authenticator: other }),
  }
}

function clusters(t: T, options: Record<'one' | 'two', ClusterOptions>) {
  const pair = { one: new Cluster(options.one), two: new Cluster(options.two) }
  t.after(() => Promise.allSettled([pair.one.stop(), pair.two.stop()]))
  return pair
}

test('two members with a key made by keygen seal what they say, and rotate to another one while they run', async (t) => {
  const [old, next] = [keyFile(t), keyFile(t)]
  const only = sealed({ id: 1, keyFile: old })
  const options = await optionsOf(t, only)
  const { one, two } = clusters(t, options)
  await startPair(one, two)
  await one.send('hello')
  const link = one.snapshot().links[0]
  assert.ok(link?.up)
  const both = (active: number) => keyring({ active, keys: [only, sealed({ id: 2, keyFile: next })] })
  const told: string[] = []
  for (const cluster of [one, two])
    cluster.onAny(({ name, payload }) => {
      if (name.startsWith('key:') || name === 'peer:dead') told.push(`${cluster.node} ${name} ${inspect(payload)}`)
    })

  await one.reload({ ...options.one, authenticator: both(2) })
  await until('one waits for two to accept the key', () => told.some((line) => line.startsWith('one key:waiting')))
  await two.reload({ ...options.two, authenticator: both(1) })
  await until('one uses the new key', () => told.some((line) => line.startsWith('one key:active')))
  await one.send('with the new key')
  await two.reload({ ...options.two, authenticator: both(2) })
  await one.reload({ ...options.one, authenticator: sealed({ id: 2, keyFile: next }) })
  await two.reload({ ...options.two, authenticator: sealed({ id: 2, keyFile: next }) })
  await two.send('without the old one')
  const alive = () => [one, two].every((cluster) => cluster.snapshot().peer.liveness === 'alive')
  await until('both hear each other', alive)
  assert.ok(!told.some((line) => line.includes('peer:dead')), told.join('\n'))

  await assert.rejects(
    one.reload({ ...options.one, authenticator: sha256({ key: `${'x'.repeat(12)}0123456789abcdefghij` }) }),
    {
      code: 'HS_CONFIG',
      message: /authenticator: 'sealed' became 'signed'; that needs a restart/,
    },
  )
})

test('members with different keys, or of clusters with different names, do not hear each other and say why', async (t) => {
  const [mine, theirs] = [sealed({ keyFile: keyFile(t) }), sealed({ keyFile: keyFile(t) })]
  const wrongKey = await optionsOf(t, mine, theirs)
  const wrongName = await optionsOf(t, mine)
  for (const options of [wrongKey, { ...wrongName, two: { ...wrongName.two, name: 'another' } }]) {
    const { one, two } = clusters(t, options)
    await Promise.all([one.start(), two.start()])
    const dropped = () => one.snapshot().links[0]?.dropped['other-cluster'] ?? 0
    await until('one counts what it does not believe', () => dropped() > 5)
    assert.equal(one.snapshot().peer.heardEver, false)
  }
})
