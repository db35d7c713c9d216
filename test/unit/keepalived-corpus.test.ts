import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inspectKeepalivedConf } from '../../src/config/keepalived/read.ts'
import type { BalancerCheck, BalancerOptions } from '../../src/options/balancer-options.ts'
import type {
  VrrpAddress,
  VrrpCommand,
  VrrpHooks,
  VrrpInstanceOptions,
  VrrpOptions,
  VrrpTrack,
} from '../../src/options/vrrp-options.ts'
import { keepalivedHost } from '../support/keepalived-host.ts'

interface Judged {
  readonly line: number
  readonly why: string
}

interface Expected {
  readonly environment: {
    readonly interfaces: Readonly<Record<string, unknown>>
    readonly configId: string | null
    readonly directory: string
  }
  readonly meaning: Record<string, unknown> | null
  readonly mustWarn: readonly Judged[]
  readonly mustRefuse: readonly Judged[]
  readonly mayRefuse: readonly Judged[]
}

const corpus = join(import.meta.dirname, '../vectors/keepalived-conf')
const names = readdirSync(corpus).filter((name) => /^\d/.test(name))

function read(name: string) {
  const expected = JSON.parse(readFileSync(join(corpus, name, 'expected.json'), 'utf8')) as Expected
  const { interfaces, configId, directory } = expected.environment
  const conf = `${directory}/keepalived.conf`
  const host = keepalivedHost(
    { [conf]: readFileSync(join(corpus, name, 'keepalived.conf'), 'utf8') },
    {
      configId: configId ?? 'host',
      hasInterface: (one) => Object.hasOwn(interfaces, one),
      program(file) {
        if (!file.includes('/')) return { path: `/usr/bin/${file}` }
        if (file === '/bin/true') return { path: '/usr/bin/true' }
        const own = file.replace(directory, join(corpus, name))
        if (!existsSync(own)) return { path: file, problem: 'does not exist' }
        if (file.endsWith('.txt')) return { path: file, problem: 'is not executable' }
        return file.endsWith('writable.sh') ? { path: file, distrust: 'has mode 777' } : { path: file }
      },
    },
  )
  return { expected, found: inspectKeepalivedConf(conf, {}, host) }
}

const lineOf = (where: string): number => Number(/:(\d+)$/.exec(where)?.[1])

/** Only what the file says: keepalived tells in its dump also what it found on the host. */
const withoutUndefined = (value: object) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>

const addressOf = (one: VrrpAddress) => ({
  address: one.address,
  prefix: one.prefix,
  broadcast: one.broadcast,
  interface: one.interface,
  scope: one.scope,
  label: one.label,
  ...(one.family === 6 ? (one.deprecated ? { deprecated: true } : { preferredLifetime: 'forever' }) : {}),
})

const listed = <T>(list: readonly T[]) => (list.length === 0 ? undefined : list)
const tracksOf = (list: readonly VrrpTrack[]) => listed(list.map(({ name, weight }) => ({ name, weight })))
const hookOf = (one: VrrpCommand | undefined) =>
  one && { argv: one.argv, uid: one.user?.uid ?? 0, gid: one.user?.gid ?? 0 }

function hooksOf({ master, backup, fault, stop, any }: VrrpHooks) {
  const hooks = {
    backup: hookOf(backup),
    master: hookOf(master),
    fault: hookOf(fault),
    stop: hookOf(stop),
    any: hookOf(any),
  }
  return Object.values(hooks).some(Boolean) ? hooks : undefined
}

function instanceOf(one: VrrpInstanceOptions) {
  const { transmission: way, authentication: auth, announcements: garp } = one
  assert.notEqual(auth?.type, 'HMAC')
  return {
    name: one.name,
    vrid: one.vrid,
    state: one.wantedState,
    startState: one.startState,
    basePriority: one.priority,
    advertMs: one.advertMs,
    version: one.version,
    interface: one.interface,
    configuredSource: one.source,
    addresses: one.addresses.map(addressOf),
    excludedAddresses: listed(one.excluded.map(addressOf)),
    mode: way.mode,
    peers: way.mode === 'unicast' ? way.peers.map(({ address }) => address) : [],
    preempt: one.preempt,
    preemptDelayMs: one.preemptDelayMs,
    authentication: auth === undefined ? null : { type: auth.type, key: auth.type === 'PASS' ? auth.key : null },
    accept: true,
    group: one.group,
    trackScripts: tracksOf(one.tracks.scripts),
    trackProcesses: tracksOf(one.tracks.processes),
    trackInterfaces: tracksOf(one.tracks.interfaces),
    hooks: hooksOf(one.hooks),
    garp: { delayMs: garp.delayMs, repeat: garp.repeat, refreshMs: garp.refreshMs, refreshRepeat: garp.refreshRepeat },
  }
}

function checkOf(check: BalancerCheck) {
  assert.equal(check.type, 'tcp')
  if (check.type !== 'tcp') return undefined
  return {
    type: 'TCP',
    connect: { address: check.address, port: check.port },
    timeoutMs: check.timeoutMs,
    retries: check.retries,
    delayBeforeRetryMs: check.retryDelayMs,
    delayLoopMs: check.intervalMs,
    warmupMs: check.warmupMs,
    bind: check.bindAddress,
  }
}

function balancerOf(one: BalancerOptions) {
  const [service] = one.services
  return {
    service: { address: service?.address, port: service?.port },
    protocol: one.protocol.toUpperCase(),
    scheduler: one.scheduler,
    forwarding: one.method,
    persistenceSec: one.persistence === undefined ? null : one.persistence.timeoutMs / 1000,
    delayLoopMs: one.delayLoopMs,
    quorum: one.quorum,
    hysteresis: one.hysteresis,
    alpha: one.alpha,
    omega: one.omega,
    inhibitOnFailure: false,
    onePacket: false,
    sorryServer: one.sorry ?? null,
    realServers: one.members.map((member) => ({
      address: member.address,
      port: member.port,
      weight: member.weight,
      forwarding: member.method,
      checks: member.checks.map(checkOf),
      hooks: member.down && { down: member.down.argv },
    })),
  }
}

function meaningOf(
  { instances, groups, scripts, processes, balancers }: VrrpOptions,
  expected: Record<string, unknown>,
) {
  // keepalived shows 0 where the limit is not given, and the weight of the definition.
  const shown = (expected['scripts'] ?? []) as { name: string; timeoutMs: number; weight: number }[]
  return withoutUndefined({
    instances: instances.map(instanceOf),
    groups: groups.map((one) => ({
      name: one.name,
      members: one.members,
      trackScripts: tracksOf(one.tracks.scripts),
      trackInterfaces: tracksOf(one.tracks.interfaces),
      hooks: hooksOf(one.hooks),
      mail: false,
    })),
    scripts: scripts.map(({ name, command, intervalMs, timeoutMs, rise, fall }) => {
      const limit = shown.find((one) => one.name === name)
      const weight = limit?.weight
      return {
        name,
        argv: command.argv,
        intervalMs,
        timeoutMs: limit?.timeoutMs === 0 ? 0 : timeoutMs,
        weight,
        rise,
        fall,
      }
    }),
    trackProcesses: listed(
      processes.map(({ name, process, quorum, forkDelayMs }) => {
        const tracks = instances.flatMap((one) => one.tracks.processes)
        return { name, process, weight: tracks.find((one) => one.name === name)?.weight, quorum, delayMs: forkDelayMs }
      }),
    ),
    virtualServers: balancers.map(balancerOf),
  })
}

/** The expected meaning, without what depends on the host's addresses and on time. */
function fromFile(meaning: Record<string, unknown>) {
  const copy = structuredClone(meaning)
  for (const one of copy['instances'] as Record<string, unknown>[]) {
    const source = one['source'] as { address: string; configured: boolean }
    if (source.configured) one['configuredSource'] = source.address
    delete one['source']
    delete one['effectivePriority']
  }
  return copy
}

describe('a keepalived.conf of the corpus', () => {
  it('is there', () => assert.ok(names.length >= 22, `${names.length} configurations`))

  for (const name of names) {
    const { expected, found } = read(name)
    const told = found.issues.map(({ where }) => lineOf(where))
    const refused = found.issues.filter(({ severity }) => severity === 'error').map(({ where }) => lineOf(where))

    it(`${name}: tells of every line that must be told of`, () => {
      for (const { line, why } of expected.mustWarn) assert.ok(told.includes(line), `line ${line}: ${why}`)
      for (const { line, why } of expected.mustRefuse) assert.ok(refused.includes(line), `line ${line}: ${why}`)
    })

    const may = expected.mayRefuse.map(({ line }) => line)
    const isRefused = refused.length > 0
    it(`${name}: ${isRefused ? 'is refused for a reason' : 'means what keepalived takes it for'}`, () => {
      if (isRefused) {
        assert.equal(found.options, undefined)
        assert.ok(expected.mustRefuse.length > 0 || refused.every((line) => may.includes(line)), `lines ${refused}`)
        return
      }
      assert.ok(found.options)
      const meaning = fromFile(expected.meaning ?? {})
      assert.deepEqual(meaningOf(found.options, meaning), meaning)
    })
  }
})
