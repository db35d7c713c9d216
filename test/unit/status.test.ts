import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { table, wantsColour } from '../../src/cli/layout.ts'
import { statusLines } from '../../src/cli/status.ts'
import { checkFailure, statusCheck } from '../../src/cli/status-check.ts'
import { type Watched, watchScreen } from '../../src/cli/watch.ts'
import type { Snapshot, WrittenEvent } from '../../src/index.ts'
import { pairOf } from '../support/pair.ts'

const plain = { width: 80, colour: false }

/** A member that serves, with a peer that stands by. */
function well(t: TestContext): Snapshot {
  const found = pairOf(t).one.snapshot()
  const link = {
    link: 'udp-unicast eth0',
    up: true,
    packets: 70,
    lossRatio: 0,
    slow: false,
    rttMs: 1.5,
    quality: { ...found.quality.peer, down: 0 },
    dropped: { key: 12, replay: 3 },
    traffic: { sentFrames: 70, sentBytes: 7000, receivedFrames: 70, receivedBytes: 7000 },
    type: 'udp-unicast',
    path: '192.0.2.1:694 -> 192.0.2.2:694',
  }
  const group = { ...found.groups[0]!, epoch: 7, reason: 'preferred' as const }
  return {
    ...found,
    life: 'running',
    phase: 'settled',
    peer: {
      ...found.peer,
      liveness: 'alive',
      heardEver: true,
      kind: 'hot-standby',
      silentMs: 40,
      deadtimeMs: 10_000,
      groups: { jobs: { claim: 'free', state: 'standby', epoch: 6 } as Snapshot['peer']['groups'][string] },
    },
    links: [link, { ...link, link: 'serial ttyS0', path: '/dev/ttyS0 at 115200 baud' }],
    groups: [
      { ...group, state: 'active', servedBy: 'one', resources: ['2001:db8:1234:5678:9abc:def0:1234:5678/64', 'nginx'] },
    ],
  }
}

/** The same pair, after the other node has died while it served. */
function alone(t: TestContext): Snapshot {
  const found = well(t)
  const groups = { jobs: { claim: 'holds', state: 'active', epoch: 7 } as Snapshot['peer']['groups'][string] }
  return {
    ...found,
    peer: { ...found.peer, liveness: 'dead', silentMs: 12_345, lastWordAgeMs: 12_345, groups },
    groups: found.groups.map((group) => ({ ...group, state: 'failed', servedBy: null, maintenance: true })),
    failures: [
      {
        group: 'jobs',
        resource: 'nginx',
        reason: 'nginx: [emerg] bind() to 192.0.2.9:80 failed (99: Cannot assign requested address)',
        time: '2026-11-30T08:59:01.123Z',
        nextTry: '2026-11-30T09:04:01.123Z',
      },
    ],
  }
}

describe('status', () => {
  it('says who holds each lease, and until when', (t) => {
    const found = well(t)
    assert.ok(!statusLines(found, plain).join('\n').includes('lease'), 'there is none')
    const leased = (lease: Snapshot['groups'][number]['lease']) =>
      statusLines({ ...found, groups: found.groups.map((group) => ({ ...group, lease })) }, plain).join('\n')
    assert.match(leased({ holder: 'one', epoch: 7, endsInMs: 2310 }), /jobs +one +7 +in 2\.3 s unless renewed/)
    assert.match(leased({ holder: 'two', epoch: 6, endsInMs: null }), /jobs +two +- +-/)
    assert.match(leased({ holder: null, epoch: 0, endsInMs: null }), /jobs +nobody/)
  })

  it('tells now from the last word of a dead peer, in 80 columns', (t) => {
    const now = statusLines(well(t), plain)
    assert.match(now[0] ?? '', /^pair: one is running \(settled\), guarantee class G0$/)
    assert.match(now[1] ?? '', /^peer two: alive, last heard 40 ms ago \(dead after 10\.0 s\), hot-standby$/)
    assert.match(now.join('\n'), /^jobs +one +active +standby +7 +one +preferred$/m)
    const then = statusLines(alone(t), plain)
    assert.match(then.join('\n'), /^what two said of the groups is its last word, 12\.3 s old$/m)
    assert.match(then.join('\n'), /^jobs +NOBODY +failed, MAINTENANCE +was active /m)
    assert.match(then.join('\n'), /^jobs +nginx +2026-11-30 08:59:01Z: nginx/m)
    assert.match(then.join(' ').replaceAll(/\s+/g, ' '), /assign requested address\), next try 2026-11-30 09:04:01Z/)
    for (const line of [...now, ...then]) assert.ok(line.length <= 80, line)
  })

  it('fits narrower terminals too, and a longer one shows names whole', (t) => {
    for (const line of statusLines(alone(t), { width: 60, colour: false })) assert.ok(line.length <= 60, line)
    assert.match(statusLines(well(t), { width: 40, colour: false }).join('\n'), /2001:.*…/)
    assert.match(statusLines(well(t), { width: 120, colour: false }).join('\n'), /def0:1234:5678\/64 /)
  })

  it('has colours that say nothing which the words do not', (t) => {
    const coloured = statusLines(alone(t), { width: 80, colour: true })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what colours are
    const bare = coloured.map((line) => line.replaceAll(/\x1b\[[0-9;]*m/g, '').trimEnd())
    assert.ok(coloured.join('').includes('\x1b['))
    assert.deepEqual(bare, statusLines(alone(t), plain))
  })
})

describe('colour', () => {
  const terminal = { isTTY: true, hasColors: () => true }
  const cases: readonly (readonly [
    string,
    boolean,
    { isTTY?: boolean; hasColors?(): boolean },
    Record<string, string>,
  ])[] = [
    ['a terminal', true, terminal, {}],
    ['a terminal without', false, { isTTY: true, hasColors: () => false }, {}],
    ['a pipe', false, {}, {}],
    ['NO_COLOR', false, terminal, { NO_COLOR: '1' }],
    ['an empty NO_COLOR says nothing', true, terminal, { NO_COLOR: '' }],
    ['FORCE_COLOR', true, {}, { FORCE_COLOR: '1' }],
    ['NO_COLOR against FORCE_COLOR', false, terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }],
    ['FORCE_COLOR=0', false, terminal, { FORCE_COLOR: '0' }],
  ]
  for (const [what, wanted, stream, env] of cases)
    it(what, () => {
      assert.equal(wantsColour(stream, env), wanted)
    })
})

describe('a table', () => {
  it('cuts what is wide and breaks the last column', () => {
    const rows = [[{ text: 'a'.repeat(50) }, { text: 'b' }, { text: `${'word '.repeat(12)}end` }]]
    const lines = table(['name', 'x', 'why'], rows, { width: 50, colour: false })
    for (const line of lines) assert.ok(line.length <= 50, line)
    assert.match(lines[1] ?? '', /^a+… +b +word/)
    assert.match(lines.at(-1) ?? '', /^ {20,}.*end$/)
  })
})

describe('status --check', () => {
  const cases: readonly (readonly [string, (t: TestContext) => Snapshot, number, RegExp])[] = [
    [
      'well',
      well,
      0,
      /^HOT-STANDBY OK - pair: one serves jobs; two is alive \| groups_here=1 links_up=2;;;0;2 peer_silence=0\.04s;;10$/,
    ],
    [
      'nobody serves',
      alone,
      2,
      /CRITICAL - pair: nobody serves jobs; jobs cannot run on one; two is dead; jobs is in maintenance \|/,
    ],
    [
      'no standby',
      (t) => ({ ...well(t), peer: { ...well(t).peer, liveness: 'left' } }),
      1,
      /WARNING - pair: two has left \|/,
    ],
    [
      'a link',
      (t) => ({ ...well(t), links: well(t).links.map((link) => ({ ...link, up: false })) }),
      1,
      /link serial ttyS0 is down/,
    ],
    [
      'cannot run at the peer',
      (t) => {
        const found = well(t)
        const groups = { jobs: { claim: 'failed', state: 'failed', epoch: 7 } as Snapshot['peer']['groups'][string] }
        return { ...found, peer: { ...found.peer, groups } }
      },
      1,
      /WARNING - pair: jobs cannot run on two \|/,
    ],
    ['isolated', (t) => ({ ...well(t), isolated: true }), 2, /CRITICAL - pair: one is isolated/],
    [
      'both serve',
      (t) => {
        const found = well(t)
        const groups = { jobs: { claim: 'holds', state: 'active', epoch: 7 } as Snapshot['peer']['groups'][string] }
        return { ...found, peer: { ...found.peer, groups } }
      },
      2,
      /CRITICAL - pair: both members serve jobs/,
    ],
    [
      'a target',
      (t) => ({ ...well(t), targets: [{ target: '192.0.2.9', reachable: false }] }),
      1,
      /192\.0\.2\.9 does not answer/,
    ],
    ['a bar in a name', (t) => ({ ...well(t), isolated: true, node: 'o|ne' }), 2, /o\/ne is isolated \| groups/],
  ]
  for (const [what, snapshot, code, line] of cases)
    it(what, (t) => {
      const found = statusCheck(snapshot(t))
      assert.equal(found.code, code, found.line)
      assert.match(found.line, line)
      assert.doesNotMatch(found.line, /\n/)
    })

  it('nobody runs, and nobody may ask', () => {
    const failure = (code: string) => Object.assign(new Error('control socket /x: no'), { cause: { code } })
    assert.deepEqual(checkFailure(failure('ENOENT')), { code: 2, line: 'HOT-STANDBY CRITICAL - control socket /x: no' })
    assert.equal(checkFailure(failure('EACCES')).code, 3)
    assert.equal(checkFailure(new Error('files have errors')).code, 3)
  })
})

describe('watch', () => {
  const events: WrittenEvent[] = Array.from({ length: 30 }, (_, index) => ({
    name: 'peer:late',
    time: `2026-11-30T08:59:${String(index).padStart(2, '0')}.000Z`,
    payload: { peer: 'two', silentMs: index, deadtimeMs: 10_000 },
  }))
  const watched = (t: TestContext, more: Partial<Watched> = {}): Watched => ({
    snapshot: well(t),
    trouble: undefined,
    events,
    time: '2026-11-30T09:00:00.000Z',
    ...more,
  })
  const sizes = [
    [80, 24],
    [120, 50],
    [40, 10],
    [20, 3],
  ] as const
  for (const [width, rows] of sizes)
    it(`fills ${width} columns and ${rows} rows, and no more`, (t) => {
      for (const snapshot of [well(t), alone(t), undefined]) {
        const screen = watchScreen(watched(t, { snapshot }), { width, rows, colour: false })
        assert.equal(screen.length, rows)
        for (const line of screen) assert.ok(line.length <= width, line)
      }
    })

  it('shows the newest events, and says what has no room', (t) => {
    const screen = watchScreen(watched(t), { width: 80, rows: 24, colour: false })
    assert.match(screen.at(-2) ?? '', /^08:59:29\.000 +peer:late/)
    assert.match(screen.at(-1) ?? '', /^09:00:00Z {2}q ends it$/)
    const small = watchScreen(watched(t), { width: 80, rows: 12, colour: false })
    assert.match(small.join('\n'), /… \d+ more lines: hot-standby status/)
    assert.equal(small.filter((line) => line.includes('peer:late')).length, 3)
  })

  it('shows what is wrong while nobody answers', (t) => {
    const screen = watchScreen(watched(t, { trouble: 'nobody serves it' }), { width: 80, rows: 24, colour: false })
    assert.equal(screen.at(-1), 'nobody serves it')
  })
})
