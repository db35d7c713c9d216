import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  icmpPing,
  isHotStandbyError,
  memoryNetwork,
  sha256,
  udpUnicast,
  vip,
} from '../../src/index.ts'
import { resolveOptions } from '../../src/options/resolve.ts'

const link = memoryNetwork().transport('a')
const jobs = app({ start() {}, stop() {} })
const good: ClusterOptions = {
  name: 'pair',
  nodes: ['one', 'two'],
  node: 'one',
  transports: [link, memoryNetwork().transport('b')],
  authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
  groups: [{ name: 'jobs', preferred: 'one', resources: [jobs] }],
}

/** Every problem of options as `path: message`. */
function problems(options: unknown): string[] {
  try {
    return new Cluster(options as ClusterOptions).warnings.map(({ where, message }) => `warning ${where}: ${message}`)
  } catch (error) {
    assert.ok(isHotStandbyError(error) && error.code === 'HS_CONFIG', String(error))
    return error.issues.map(({ where, message }) => `${where}: ${message}`)
  }
}

describe('good options', () => {
  it('have no problem', () => {
    assert.deepEqual(problems(good), [])
  })

  it('say which node this is, whatever the case', () => {
    const { name, node, peer } = new Cluster({ ...good, node: 'TWO' })
    assert.deepEqual([name, node, peer], ['pair', 'two', 'one'])
  })

  it('are not changed by what the application does to its object later', () => {
    const groups = [...good.groups]
    const cluster = new Cluster({ ...good, groups })
    groups.length = 0
    assert.deepEqual(
      cluster.snapshot().groups.map(({ name }) => name),
      ['jobs'],
    )
  })

  it('say which node this is by the name of the host too, whose letters may be of the other case', () => {
    const own = hostname() === hostname().toUpperCase() ? hostname().toLowerCase() : hostname().toUpperCase()
    const groups = [{ name: 'jobs', preferred: 'other', resources: [jobs] }]
    const { node, peer } = resolveOptions({ ...good, nodes: [own, 'other'], node: undefined, groups })
    assert.deepEqual([node, peer], [own, 'other'])
  })

  it('have what is missing filled in', () => {
    const { restartWindowMs, holdDownMs, deadpingMs, liveness, arbiters, respawn, stateDirectory } =
      resolveOptions(good)
    assert.deepEqual([restartWindowMs, holdDownMs], [60_000, 60_000])
    assert.ok(deadpingMs > 2 * liveness.times.keepaliveMs && deadpingMs <= liveness.times.deadtimeMs)
    assert.deepEqual([arbiters, respawn], [[], []])
    assert.match(stateDirectory, /^\/.*pair/)
  })

  it('are copied as deep as a list of links or resources goes', () => {
    const transports = [...good.transports]
    const resources = [jobs]
    const arbiters = [icmpPing('192.0.2.1')]
    const resolved = resolveOptions({
      ...good,
      transports,
      arbiters,
      groups: [{ name: 'jobs', preferred: 'one', resources }],
    })
    for (const list of [transports, arbiters, resources]) list.length = 0
    const { groups } = resolved
    assert.deepEqual([resolved.transports.length, resolved.arbiters.length, groups[0]?.resources.length], [2, 1, 1])
  })

  it('of a detector of the application are held to the times of the pair', () => {
    const own = {
      ...deadtime(),
      issues: [],
      times: { keepaliveMs: 1000, warntimeMs: 1500, deadtimeMs: 1500, initdeadMs: 9000 },
    }
    assert.match(problems({ ...good, liveness: own }).join(), /liveness\.deadtime: 1500 ms/)
  })

  it('may have a group of addresses change hands by make-before-break', () => {
    const front = { name: 'front', preferred: 'one', handover: 'make-before-break', resources: [vip('192.0.2.1/24')] }
    assert.deepEqual(problems({ ...good, groups: [front] }), [])
    assert.match(
      problems({ ...good, groups: [{ ...front, resources: [vip('192.0.2.1/24'), jobs] }] }).join(),
      /^groups\[0\]\.handover: 'make-before-break' is for addresses .*; app must not run twice$/,
    )
    assert.match(problems({ ...good, groups: [{ ...front, handover: 'both' }] }).join(), /handover: 'both' is neither/)
  })

  it('with one link only are questionable', () => {
    assert.match(problems({ ...good, transports: [link] }).join(), /^warning transports: only one link/)
  })

  it('with a deadtime below a second name the risk', () => {
    const liveness = deadtime({ keepalive: '100ms', deadtime: '500ms' })
    assert.match(problems({ ...good, liveness }).join(), /^warning liveness\.deadtime: 500 ms is below 1 s/)
  })
})

describe('a bad option is told with its path, what was found, and what would be right:', () => {
  const group = good.groups[0]
  const rows: readonly (readonly [change: object, problem: RegExp])[] = [
    [{ name: undefined }, /^name: undefined is not a valid name/],
    [{ name: '' }, /^name: '' is not a valid name: 1 to 64 letters/],
    [{ name: '../etc' }, /^name: '\.\.\/etc' is not a valid name/],
    [{ name: 5 }, /^name: number 5 is not a valid name/],
    [{ nodes: undefined }, /^nodes: a pair has exactly two nodes; found undefined$/],
    [{ nodes: ['one'] }, /^nodes: a pair has exactly two nodes; 1 given$/],
    [{ nodes: ['one', 'two', 'three'] }, /^nodes: a pair has exactly two nodes; 3 given$/],
    [{ nodes: ['one', 'ONE'] }, /^nodes: both are named 'one'; they need different names$/],
    [{ nodes: ['one', 'two words'] }, /^nodes\[1\]: 'two words' is not a valid node name/],
    [{ nodes: ['one', null] }, /^nodes\[1\]: null is not a valid node name/],
    [{ nodes: ['one', 'constructor'] }, /^nodes\[1\]: 'constructor' is not a valid node name/],
    [{ groups: [{ ...group, restarts: -1 }] }, /^groups\[0\]\.restarts: must be an integer >= 0, got number -1$/],
    [{ groups: [{ ...group, holdDown: 'soon' }] }, /^groups\[0\]\.holdDown: /],
    [{ node: 'three' }, /^node: 'three' is not one of the nodes \(one, two\)$/],
    [
      { node: undefined },
      /^node: the host name '.*' is not one of the nodes \(one, two\); say which one this host is$/,
    ],
    [{ node: 5 }, /^node: number 5 is not a valid node name$/],
    [{ transports: undefined }, /^transports: found undefined; a pair needs a list of at least one link/],
    [{ transports: [] }, /^transports: found a list; a pair needs a list of at least one link/],
    [{ transports: link }, /^transports: found an object; a pair needs a list/],
    [{ transports: ['eth1', link] }, /^transports\[0\]: a transport is made by udpUnicast.*; found 'eth1'$/],
    [{ transports: [udpUnicast, link] }, /^transports\[0\]: .*found a function: call it$/],
    [{ transports: [jobs, link] }, /^transports\[0\]: .*found 'resource'$/],
    [{ transports: [link, link] }, /^transports\[1\]\.link: 'a' is already the name of transports\[0\]$/],
    [
      { transports: [link, udpUnicast({ addresses: { one: '192.0.2.1' } })] },
      /^transports\[1\]\.addresses\.two: the address of node 'two' is missing$/,
    ],
    [{ authenticator: undefined }, /^authenticator: missing; use for example sealed/],
    [{ authenticator: 'secret' }, /^authenticator: an authenticator is made by sealed.*; found 'secret'$/],
    [
      { liveness: { deadtime: '1s' } },
      /^liveness: a liveness is made by deadtime\(\) or phiAccrual\(\); found undefined$/,
    ],
    [{ liveness: deadtime({ keepalive: '2s', deadtime: '1s' }) }, /^liveness\.deadtime: 1000 ms/],
    [{ arbiters: icmpPing('192.0.2.1') }, /^arbiters: an object is not a list$/],
    [{ arbiters: ['192.0.2.1'] }, /^arbiters\[0\]: an arbiter is made by icmpPing.*; found '192\.0\.2\.1'$/],
    [{ arbiters: [icmpPing('192.0.2.1'), icmpPing('192.0.2.1')] }, /^arbiters\[1\]: '192\.0\.2\.1' is given twice$/],
    [{ groups: [] }, /^groups: found a list; a pair serves a list of at least one group$/],
    [{ groups: {} }, /^groups: found an object; a pair serves/],
    [{ groups: [null] }, /^groups\[0\]: null is not a group; write \{ name, preferred, resources \}$/],
    [{ groups: [{ ...group, name: 'a b' }] }, /^groups\[0\]\.name: 'a b' is not a valid name/],
    [{ groups: [{ ...group, name: 'a:b' }] }, /^groups\[0\]\.name: 'a:b' is not a valid name/],
    [{ groups: [{ ...group, name: '__proto__' }] }, /^groups\[0\]\.name: '__proto__' is not a valid name/],
    [{ groups: [{ ...group, name: 'toString' }] }, /^groups\[0\]\.name: 'toString' is not a valid name/],
    [
      { groups: [group, { ...group, resources: [app({ name: 'b', start() {}, stop() {} })] }] },
      /^groups\[1\]\.name: 'jobs' is used twice$/,
    ],
    [
      { groups: [group, { ...group, name: 'b' }] },
      /^groups\[1\]\.resources\[0\]: 'app' is used twice; give one of them a name$/,
    ],
    [
      { groups: [{ ...group, key: [] }] },
      /^groups\[0\]\.key: .* is not a key: the first word of a line in haresources/,
    ],
    [{ groups: [{ ...group, key: ['10.0.0.1', 'two words'] }] }, /^groups\[0\]\.key: 'two words' is not a key/],
    [
      { groups: [{ ...group, preferred: 'three' }] },
      /^groups\[0\]\.preferred: 'three' is not one of the nodes \(one, two\)$/,
    ],
    [
      { groups: [{ ...group, resources: [] }] },
      /^groups\[0\]\.resources: found a list; a group is a list of at least one/,
    ],
    [
      { groups: [{ ...group, resources: ['nginx'] }] },
      /^groups\[0\]\.resources\[0\]: a resource is made by vip.*; found 'nginx'$/,
    ],
    [
      { groups: [{ ...group, prefered: 'one' }] },
      /^groups\[0\]\.prefered: unknown option 'prefered'; did you mean 'preferred'\?$/,
    ],
    [{ autoFailback: 'on' }, /^autoFailback: 'on' is neither true nor false nor 'legacy'$/],
    [
      { auto_failback: true },
      /^auto_failback: unknown option '(?:auto_f|autof)ailback'; did you mean 'autoFailback'\?$/,
    ],
    [{ autofailback: true }, /^autofailback: unknown option '(?:auto_f|autof)ailback'; did you mean 'autoFailback'\?$/],
    [{ keepalive: '2s' }, /^keepalive: unknown option 'keepalive'; known options: name, /],
    [{ onIsolated: 'die' }, /^onIsolated: 'die' is neither 'stop' nor 'continue'$/],
    [{ recorder: 'on' }, /^recorder: must be an object of options, got 'on'$/],
    [{ recorder: { memoryBytes: 5 } }, /^recorder.memoryBytes: must be an integer >= 65536, got number 5$/],
    [{ recorder: { file: 'here' } }, /^recorder.file: 'here' is not an absolute path$/],
    [{ recorder: { File: '/x' } }, /^recorder.File: unknown option 'File'; did you mean 'file'\?$/],
    [{ deadping: 5 }, /^deadping: number 5 is not a length of time; write '5s' or '5ms'$/],
    [{ deadping: '5' }, /^deadping: '5' is not a length of time; write '5s' or '5ms'$/],
    [{ deadping: '1ms' }, /^deadping: 1 ms is not more than 2 × keepalive \(400 ms\)$/],
    [{ holdDown: 60 }, /^holdDown: number 60 is not a length of time; write '60s' or '60ms'$/],
    [{ restartWindow: 'soon' }, /^restartWindow: 'soon' is not a length of time; write a number and a unit/],
    [{ stateDirectory: 'state' }, /^stateDirectory: 'state' is not an absolute path$/],
    [{ respawn: {} }, /^respawn: an object is not a list$/],
    [{ respawn: [{ command: 'true', args: [] }] }, /^respawn\[0\]\.command: 'true' is not an absolute path/],
    [{ respawn: [{ command: '/bin/true' }] }, /^respawn\[0\]\.args: found undefined; it must be a list of strings/],
    [{ respawn: [null] }, /^respawn\[0\]\.command: undefined is not an absolute path/],
    [{ logger: { info() {} } }, /^logger: lacks debug, warn, error; a logger has/],
    [{ logger: null }, /^logger: lacks debug, info, warn, error/],
    [{ onFatal: 'reboot' }, /^onFatal: 'reboot' is not a function$/],
  ]
  for (const [change, problem] of rows) {
    it(`${JSON.stringify(change)?.slice(0, 60)} ${problem.source}`, () => {
      const [first = 'nothing'] = problems({ ...good, ...change })
      assert.match(first, problem)
    })
  }
})

describe('bad options', () => {
  it('are reported all together, in one message', () => {
    const bad = { ...good, name: '', node: 'three', onIsolated: 'die', deadping: 5, surprise: 1 }
    const found = problems(bad)
    assert.deepEqual(
      found.map((line) => line.slice(0, line.indexOf(':'))),
      ['surprise', 'name', 'node', 'onIsolated', 'deadping'],
    )
    assert.throws(() => new Cluster(bad as never), /^HotStandbyError: 5 problems in the configuration:\n {2}surprise: /)
  })

  it('that are no object are refused', () => {
    for (const [options, problem] of [
      [undefined, 'options: must be an object of options, got undefined'],
      [null, 'options: must be an object of options, got null'],
      ['pair', "options: must be an object of options, got 'pair'"],
      [5, 'options: must be an object of options, got number 5'],
    ])
      assert.deepEqual(problems(options), [problem])
  })

  it('cannot reach the prototype of objects', () => {
    const found = problems({ ...good, ...JSON.parse('{"constructor": {"x": 1}}'), groups: good.groups })
    assert.match(found.join(), /^constructor: unknown option 'constructor'; known options/)
    const polluting = JSON.parse('{"__proto__": {"polluted": true}}')
    assert.match(problems(Object.assign(Object.create(null), good, { extra: polluting })).join(), /^extra:/)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  it('of any shape are told, never a crash', () => {
    const keys = [
      ...Object.keys(good),
      'liveness',
      'arbiters',
      'respawn',
      'logger',
      'deadping',
      'onFatal',
      'autoFailback',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...keys),
        fc.anything({ withNullPrototype: true, withBigInt: true }),
        (key, value) => {
          problems({ ...good, [key]: value })
        },
      ),
      { numRuns: 500 },
    )
  })
})
