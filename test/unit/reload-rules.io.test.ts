import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Reconfiguration } from '../../src/core/types.ts'
import { nftGuard } from '../../src/guards/nft-guard.ts'
import {
  type ArbiterPlugin,
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  type GroupOptions,
  isHotStandbyError,
  memoryNetwork,
  phiAccrual,
  sealed,
  sha1,
  sha256,
} from '../../src/index.ts'
import { reloadRules } from '../../src/options/reload-rules.ts'
import { readRecording } from '../../src/recorder/recording.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import { storeOf } from '../support/lease-store.ts'
import { memberOptions } from '../support/pair.ts'

const times = { keepalive: '100ms', warntime: '400ms', deadtime: '2s', initdead: '3s' } as const
const jobs = app({ start() {}, stop() {}, stopTimeout: '1s' })
const group: GroupOptions = { name: 'jobs', preferred: 'one', resources: [jobs] }

/** A target that answers once, and says how often it is asked. */
function target(book: string[] = [], change: Partial<ArbiterPlugin> = {}): ArbiterPlugin {
  return {
    kind: 'arbiter',
    type: 'test',
    target: 'router',
    addresses: [],
    create: ({ intervalMs, observe }) => ({
      open: async () => {
        book.push(`open ${intervalMs}`)
        observe({ target: 'router', reachable: true })
      },
      close: async () => void book.push(`close ${intervalMs}`),
    }),
    ...change,
  }
}

async function member(t: TestContext, change: Partial<ClusterOptions> = {}) {
  const options: ClusterOptions = {
    ...memberOptions(t, 'one', [memoryNetwork().transport()]),
    authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
    liveness: deadtime(times),
    arbiters: [target()],
    deadping: '500ms',
    groups: [group],
    ...change,
  }
  const cluster = new Cluster(options)
  t.after(() => cluster.stop())
  await cluster.start()
  return { cluster, options }
}

/** What the core was told by the last reload, and what it began with. */
function told(cluster: Cluster): readonly [last: Reconfiguration, first: Reconfiguration] {
  let first: Reconfiguration | undefined
  let last: Reconfiguration | undefined
  for (const line of readRecording([cluster.recording()])) {
    if (line.kind === 'head') first = line.head.config
    if (line.kind === 'input' && line.input.type === 'command' && line.input.command.name === 'configure')
      last = line.input.command.config
  }
  assert.ok(first && last, 'the core was told nothing')
  return [last, first]
}

/** What a reload changes, and how one sees that it has come into force. */
interface Play {
  readonly change: Partial<ClusterOptions>
  /** Left out: the reload is refused, and the error names the option. */
  readonly seen?: (config: Reconfiguration, before: Reconfiguration) => void
}

const inGroup = (change: Partial<GroupOptions>): Partial<ClusterOptions> => ({ groups: [{ ...group, ...change }] })
/** Every field of `expected`, however deep, is in `found`. */
function isIn(found: unknown, expected: unknown): void {
  if (typeof expected !== 'object' || expected === null) return assert.equal(found, expected)
  for (const [key, value] of Object.entries(expected)) isIn((found as Record<string, unknown>)[key], value)
}
/** Nothing of it reaches the core: that the reload is accepted is all that can be seen of it here. */
const accepted = (): void => {}

const plays: Readonly<Record<string, Play>> = {
  name: { change: { name: 'other' } },
  nodes: { change: { nodes: ['one', 'three'] } },
  node: { change: { node: 'two' } },
  transports: { change: { transports: [memoryNetwork().transport('other')] } },
  authenticator: {
    change: { authenticator: sha1({ key: 'another secret of at least 32 chars!!' }) },
    seen: ({ held }, before) => assert.notDeepEqual(held, before.held),
  },
  arbiters: { change: { arbiters: [target([], { target: 'other' })] } },
  requireGuarantee: { change: { requireGuarantee: 'G1' }, seen: accepted },
  lease: { change: { lease: { store: storeOf() } } },
  guard: { change: { guard: nftGuard() } },
  deadping: {
    change: { deadping: '300ms' },
    seen: (config) => isIn(config, { deadpingMs: 300, targets: [{ deadpingMs: 300 }] }),
  },
  autoFailback: { change: { autoFailback: true }, seen: (config) => isIn(config, { autoFailback: true }) },
  onIsolated: { change: { onIsolated: 'continue' }, seen: (config) => isIn(config, { onIsolated: 'continue' }) },
  restarts: { change: { restarts: 7 }, seen: (config) => isIn(config, { groups: [{ restarts: 7 }] }) },
  restartWindow: { change: { restartWindow: '7s' }, seen: (config) => isIn(config, { restartWindowMs: 7000 }) },
  holdDown: { change: { holdDown: '7s' }, seen: (config) => isIn(config, { holdDownMs: 7000 }) },
  stateDirectory: { change: { stateDirectory: '/tmp/elsewhere' } },
  heartbeat: { change: { heartbeat: { directory: '/var/lib/heartbeat' } }, seen: accepted },
  respawn: { change: { respawn: [{ command: '/bin/true', args: [] }] } },
  recorder: { change: { recorder: { memoryBytes: 0 } } },
  logger: { change: { logger: silentLogger }, seen: accepted },
  onFatal: { change: { onFatal() {} }, seen: accepted },
  'liveness.keepalive': {
    change: { liveness: deadtime({ ...times, keepalive: '50ms' }) },
    seen: (config) => isIn(config, { times: { keepaliveMs: 50 } }),
  },
  'liveness.warntime': {
    change: { liveness: deadtime({ ...times, warntime: '700ms' }) },
    seen: (config) => isIn(config, { times: { warntimeMs: 700 } }),
  },
  'liveness.deadtime': {
    change: { liveness: deadtime({ ...times, deadtime: '3s' }) },
    seen: (config) => isIn(config, { times: { deadtimeMs: 3000 } }),
  },
  'liveness.initdead': {
    change: { liveness: deadtime({ ...times, initdead: '5s' }) },
    seen: (config) => isIn(config, { times: { initdeadMs: 5000 } }),
  },
  'liveness.type': { change: { liveness: phiAccrual(times) } },
  'liveness.settings': { change: { liveness: deadtime({ ...times, healthMultiplier: true }) } },
  'groups[].name': {
    change: inGroup({ name: 'other' }),
    seen: (config) => isIn(config, { groups: [{ name: 'other' }] }),
  },
  'groups[].preferred': {
    change: inGroup({ preferred: 'two' }),
    seen: (config) => isIn(config, { groups: [{ preferred: 'two' }] }),
  },
  'groups[].key': { change: inGroup({ key: 'other' }), seen: (config) => isIn(config, { groups: [{ key: 'other' }] }) },
  'groups[].resources': {
    change: inGroup({ resources: [jobs, app({ name: 'more', start() {}, stop() {} })] }),
    seen: ({ groups }) =>
      assert.deepEqual(
        groups[0]?.resources.map(({ name }) => name),
        ['app', 'more'],
      ),
  },
  'groups[].handover': {
    change: inGroup({ handover: 'make-before-break', resources: [{ ...jobs, overlaps: true }] }),
    seen: (config) => isIn(config, { groups: [{ handover: 'make-before-break' }] }),
  },
  'groups[].restarts': {
    change: inGroup({ restarts: 3 }),
    seen: (config) => isIn(config, { groups: [{ restarts: 3 }] }),
  },
  'groups[].restartWindow': {
    change: inGroup({ restartWindow: '3s' }),
    seen: (config) => isIn(config, { groups: [{ restartWindowMs: 3000 }] }),
  },
  'groups[].holdDown': {
    change: inGroup({ holdDown: '3s' }),
    seen: (config) => isIn(config, { groups: [{ holdDownMs: 3000 }] }),
  },
}

describe('the table of reload rules', () => {
  it('is played option by option', () =>
    assert.deepEqual(Object.keys(plays).sort(), reloadRules.map(({ option }) => option).sort()))

  for (const { option, when } of reloadRules)
    it(`holds in a running member: ${option}, ${when}`, async (t) => {
      const { change, seen } = plays[option] as Play
      assert.equal(seen === undefined, when === 'after a restart')
      const { cluster, options } = await member(t)
      const reload = cluster.reload({ ...options, ...change })
      if (seen) {
        await reload
        return seen(...told(cluster))
      }
      await assert.rejects(reload, (error) => {
        assert.ok(isHotStandbyError(error) && error.code === 'HS_CONFIG', String(error))
        assert.ok(error.issues.some(({ where, message }) => where === option && message.includes('needs a restart (')))
        return true
      })
    })
})

describe('a reload', () => {
  it('tells everything that needs a restart at once', async (t) => {
    const { cluster, options } = await member(t)
    const change = { name: 'other', liveness: phiAccrual(times), recorder: { keep: 1 } }
    await assert.rejects(
      cluster.reload({ ...options, ...change }),
      /^HotStandbyError: 4 problems.*\n {2}name: .*\n {2}recorder: .*\n {2}liveness\.type: .*\n {2}liveness\.settings: /,
    )
  })

  it('refuses a change between signed and sealed, and what an open link or a target is made of', async (t) => {
    const { cluster, options } = await member(t)
    const [link] = options.transports
    const refused: readonly (readonly [Partial<ClusterOptions>, RegExp])[] = [
      [
        { authenticator: sealed({ key: '0123456789abcdef'.repeat(4) }) },
        /authenticator: 'signed' became 'sealed'; that needs a restart$/,
      ],
      [{ transports: [{ ...link!, settings: { port: 695 } }] }, /transports: .*695.*needs a restart/],
      [{ arbiters: [target([], { settings: { device: 'eth9' } })] }, /arbiters: .*eth9.*needs a restart/],
      [{ arbiters: [] }, /arbiters: .*needs a restart/],
    ]
    for (const [change, message] of refused)
      await assert.rejects(cluster.reload({ ...options, ...change }), (error: Error) => message.test(error.message))
  })

  it('has ping targets asked as often as a shorter keepalive needs, and never less often', async (t) => {
    const book: string[] = []
    const { cluster, options } = await member(t, { arbiters: [target(book)] })
    const reload = (keepalive: '50ms' | '200ms') =>
      cluster.reload({ ...options, liveness: deadtime({ ...times, keepalive }) })
    await reload('50ms')
    await reload('200ms')
    await cluster.stop()
    assert.deepEqual(book, ['open 100', 'open 50', 'close 100', 'close 50'])
  })

  it('to a longer dead time says that it waits for the peer, which was never heard here', async (t) => {
    const said: string[] = []
    const logger = { ...silentLogger, info: (_: object, message: string) => void said.push(message) }
    const { cluster, options } = await member(t, { logger })
    await cluster.reload({ ...options, liveness: deadtime({ ...times, deadtime: '3s' }) })
    assert.deepEqual(cluster.snapshot().pending, { deadtimeMs: 3000, inForceMs: 2000 })
    assert.match(
      said.join(),
      /two has not confirmed the new dead time of 3000 ms yet; until then this node goes by 2000 ms/,
    )
    await cluster.reload({ ...options, liveness: deadtime({ ...times, deadtime: '1s' }) })
    assert.equal(cluster.snapshot().pending, null)
  })

  it('whose targets cannot be asked anew changes nothing', async (t) => {
    const book: string[] = []
    const { cluster, options } = await member(t, { arbiters: [target(book)] })
    const broken = target([], {
      create: () => ({
        open: () => Promise.reject(new Error('no socket')),
        close: async () => void book.push('closed'),
      }),
    })
    const liveness = deadtime({ ...times, keepalive: '50ms' })
    await assert.rejects(cluster.reload({ ...options, liveness, arbiters: [broken] }), /no socket/)
    assert.deepEqual(book, ['open 100', 'closed'])
    await cluster.reload({ ...options, liveness })
    assert.deepEqual(book.slice(2), ['open 50', 'close 100'])
  })

  it('has what the engine says go to the new logger as well', async (t) => {
    const { cluster, options } = await member(t, { logger: silentLogger })
    const said: string[] = []
    const logger = { ...silentLogger, warn: (_: object, message: string) => void said.push(message) }
    await cluster.reload({ ...options, logger })
    const slow = {
      ...jobs,
      create: () => ({
        start: async () => {},
        stop: async () => {},
        status: async () => ({ state: 'running' as const }),
        advice: () => ({ stopMs: 9000 }),
      }),
      defaultTimes: ['stopMs' as const],
      name: 'slow',
    }
    await cluster.reload({ ...options, logger, groups: [{ ...group, resources: [slow] }] })
    assert.match(said.join(), /the stop of jobs, which cannot be cut off and may take 9000 ms/)
  })
})

describe('a reload while the member starts', () => {
  /** An agent that opens when the test lets it. */
  function slowGroup() {
    let open = (): void => {}
    const passed = new Promise<void>((resolve) => {
      open = resolve
    })
    const plugin = {
      ...jobs,
      settings: {},
      create: () => ({
        open: () => passed,
        start: async () => {},
        stop: async () => {},
        status: async () => ({ state: 'running' as const }),
      }),
    }
    return { open, groups: [{ ...group, resources: [plugin] }] }
  }
  const options = (t: TestContext, groups: readonly GroupOptions[]): ClusterOptions => ({
    ...memberOptions(t, 'one', [memoryNetwork().transport()]),
    groups,
  })

  it('comes into force behind the start; an older one is superseded', async (t) => {
    const { open, groups } = slowGroup()
    const first = options(t, groups)
    const cluster = new Cluster(first)
    t.after(() => cluster.stop())
    const started = cluster.start()
    const older = assert.rejects(cluster.reload({ ...first, holdDown: '5s' }), { code: 'HS_SUPERSEDED' })
    const newest = cluster.reload({ ...first, holdDown: '7s' })
    await older
    open()
    await Promise.all([started, newest])
    assert.equal(told(cluster)[0].holdDownMs, 7000)
  })

  it('rejects where the start fails, and where stop() ends it', async (t) => {
    const { groups } = slowGroup()
    const first = options(t, groups)
    const cluster = new Cluster(first)
    const started = assert.rejects(cluster.start(), { code: 'HS_STATE' })
    const reload = assert.rejects(cluster.reload(first), { code: 'HS_STATE' })
    await cluster.stop()
    await Promise.all([started, reload])
    await assert.rejects(cluster.reload(first), { code: 'HS_STATE' })
    await assert.rejects(cluster.start(), { code: 'HS_STATE' })
  })
})
