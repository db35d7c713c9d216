import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Connectivity } from '../../src/core/authority/connectivity.ts'
import { Timers } from '../../src/core/timers.ts'
import type { CoreConfig } from '../../src/core/types.ts'
import { message } from '../../src/wire/message.ts'

type Fields = Record<string, string>

/** One node's side: what it says to the other is collected, and its targets are observed by hand. */
function side(
  targets: readonly string[],
  peerIsDaemon = false,
): {
  readonly connectivity: Connectivity
  readonly sent: Fields[]
  readonly timers: Timers
  readonly poorer: number[]
  readonly clock: { monoMs: number }
} {
  const sent: Fields[] = []
  const clock = { monoMs: 1000 }
  const timers = new Timers()
  const poorer: number[] = []
  const config = {
    targets: targets.map((target) => ({ target, deadpingMs: 500 })),
    times: { keepaliveMs: 200 },
    deadpingMs: 500,
    onIsolated: 'stop',
  } as unknown as CoreConfig
  const connectivity = new Connectivity({
    timers,
    event() {},
    monoMs: () => clock.monoMs,
    stalledMs: () => 0,
    config: () => config,
    peerAlive: () => true,
    peerIsDaemon: () => peerIsDaemon,
    peerLeft: () => false,
    peerSilentMs: () => 0,
    sendToPeer: (fields: Fields) => void sent.push(fields),
    onPoorer: () => poorer.push(clock.monoMs) > 0,
    onBalance() {},
    onIsolation() {},
  })
  connectivity.start()
  for (const target of targets) connectivity.observe({ target, reachable: true })
  return { connectivity, sent, clock, timers, poorer }
}

/** What was said since the last call reaches the other side. */
function carry(from: ReturnType<typeof side>, to: ReturnType<typeof side>): string[] {
  const said = from.sent.splice(0)
  for (const fields of said) to.connectivity.receive(fields['t'] ?? '', message(fields))
  return said.map(({ t = '' }) => t)
}

describe('the counts of ping targets', () => {
  it('a peer that counts more than there are makes nobody poor that reaches all of them', () => {
    const ours = side(['a', 'b'])
    ours.connectivity.receive('num_ping_nodes', message({ num_ping: '3' }))
    assert.deepEqual([ours.connectivity.ours, ours.connectivity.theirs], [2, 2])
    assert.deepEqual(
      ours.sent.map(({ t }) => t),
      ['abort_giveup'],
    )
    assert.equal(ours.connectivity.weArePoorer, false)
    ours.connectivity.observe({ target: 'a', reachable: false })
    assert.equal(ours.connectivity.weArePoorer, true, 'one of two is less than three, and than both')
  })

  const cases: readonly [what: string, lost: readonly [ours: boolean, theirs: boolean], answer: string][] = [
    ['equal', [false, false], 'abort_giveup'],
    ['poorer at the other', [false, true], 'num_ping_nodes'],
    ['richer at the other', [true, false], 'you_are_dead'],
  ]
  for (const [what, [ours, theirs], answer] of cases)
    it(`are known to both again after one side has forgotten the other, ${what}`, () => {
      const one = side(['a', 'b'])
      const other = side(['a', 'b'])
      if (ours) one.connectivity.observe({ target: 'a', reachable: false })
      if (theirs) other.connectivity.observe({ target: 'a', reachable: false })
      one.sent.length = 0
      other.sent.length = 0
      one.connectivity.forgetPeer()
      one.connectivity.greet()
      assert.deepEqual(carry(one, other), ['num_ping_nodes'])
      assert.equal(carry(other, one)[0], answer, 'who hears a count answers, whatever it has told before')
      assert.equal(one.connectivity.peerIsPoorer, theirs)
      assert.equal(one.connectivity.weArePoorer, ours)
      assert.equal(other.connectivity.peerIsPoorer, ours)
      for (let round = 0; round < 5; round++) carry(round % 2 ? other : one, round % 2 ? one : other)
      assert.deepEqual([one.sent, other.sent], [[], []], 'and the answers end')
    })

  it('are never more than there are targets: an answer to an older count moves nothing', () => {
    const one = side(['a', 'b'])
    const other = side(['a', 'b'])
    one.connectivity.observe({ target: 'b', reachable: false })
    carry(one, other) // a count of one, and the answer to it is on its way
    one.connectivity.observe({ target: 'b', reachable: true })
    one.sent.length = 0
    carry(other, one)
    assert.equal(one.connectivity.weArePoorer, false)
    assert.notEqual(one.connectivity.theirs, 3)
    for (let round = 0; round < 5; round++) carry(round % 2 ? other : one, round % 2 ? one : other)
    assert.deepEqual([one.connectivity.theirs, other.connectivity.theirs], [2, 2])
    assert.deepEqual([one.sent, other.sent], [[], []])
  })

  it('are what the last answer says, whatever was known', () => {
    const one = side(['a'])
    one.connectivity.observe({ target: 'a', reachable: false })
    one.connectivity.receive('abort_giveup', message({})) // to a count from before: the other has one more
    one.connectivity.receive('you_are_dead', message({}))
    assert.equal(one.connectivity.weArePoorer, true)
    one.connectivity.observe({ target: 'a', reachable: true })
    one.connectivity.receive('abort_giveup', message({}))
    assert.deepEqual([one.connectivity.weArePoorer, one.connectivity.peerIsPoorer], [false, false])
  })

  it('that were unequal before a silence do not keep a group from home when they are equal after it', () => {
    const one = side(['a'])
    one.connectivity.receive('num_ping_nodes', message({ num_ping: '0' }))
    assert.equal(one.connectivity.peerAtLeastEqualForMs(), 0)
    one.connectivity.forgetPeer()
    one.connectivity.receive('abort_giveup', message({}))
    assert.equal(one.connectivity.theirs, 1)
    one.clock.monoMs += 600
    assert.equal(one.connectivity.peerAtLeastEqualForMs(), 600)
  })
})

describe("the counts of a daemon's ipfail, which reads a message a second", () => {
  const at = (node: ReturnType<typeof side>, monoMs: number): void => {
    node.clock.monoMs = monoMs
    node.timers.run(monoMs)
  }

  it('are waited for when both lose a target for a moment', () => {
    const ours = side(['a'], true)
    ours.connectivity.observe({ target: 'a', reachable: false })
    ours.connectivity.receive('you_are_dead', message({}))
    at(ours, 2800)
    ours.connectivity.receive('num_ping_nodes', message({ num_ping: '0' }))
    at(ours, 9000)
    assert.deepEqual(ours.poorer, [], 'nothing moves')
  })

  it('move the group when ours stays the poorer one', () => {
    const ours = side(['a'], true)
    ours.connectivity.observe({ target: 'a', reachable: false })
    ours.connectivity.receive('you_are_dead', message({}))
    at(ours, 2999)
    assert.deepEqual(ours.poorer, [])
    at(ours, 3000)
    assert.deepEqual(ours.poorer, [3000])
  })

  it('are answered when ours have settled', () => {
    const ours = side(['a'], true)
    ours.sent.length = 0
    ours.connectivity.receive('num_ping_nodes', message({ num_ping: '0' }))
    at(ours, 1400)
    assert.deepEqual(ours.sent, [])
    ours.connectivity.observe({ target: 'a', reachable: false })
    at(ours, 2100)
    assert.deepEqual(
      ours.sent.map(({ t }) => t),
      ['num_ping_nodes'],
      'it has the target no more either: it is told so, and not to give up',
    )
    ours.connectivity.observe({ target: 'a', reachable: true })
    ours.connectivity.receive('num_ping_nodes', message({ num_ping: '0' }))
    for (const monoMs of [2500, 2900, 3100]) {
      at(ours, monoMs)
      ours.connectivity.observe({ target: 'a', reachable: true })
    }
    assert.equal(ours.sent.at(-1)?.['t'], 'you_are_dead')
  })
})
