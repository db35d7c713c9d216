import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contestTable, rank } from '../../src/core/authority/contest.ts'
import type { GuardContext } from '../../src/core/authority/context.ts'
import type { GroupState } from '../../src/core/events.ts'
import { claimOf } from '../../src/core/peer/claims.ts'

/** What one node knows of itself, as far as a contest goes by it. */
interface Side {
  readonly state: GroupState
  readonly epoch: number
  readonly activeForMs: number
}

/** What both nodes agree about. */
interface Common {
  readonly failsBack: boolean
  readonly preferredIsPoorer: boolean
  readonly contested: boolean
  readonly slowMs: number
}

const keepaliveMs = 1000

const bare: Omit<GuardContext, keyof Side | keyof Common | 'preferredHere' | 'peerClaim' | 'peerActiveForMs'> = {
  lease: 'none',
  peerFreeForMs: 0,
  peerBeats: true,
  heardByPeer: true,
  peerHeardUsSinceWake: true,
  justWoke: false,
  targetAnsweredSinceWake: true,
  isolated: false,
  onIsolated: 'stop',
  leaving: false,
  changingHands: false,
  handingOver: false,
  maintained: false,
  retryDueForMs: -1,
  halfStopped: false,
  holdsData: false,
  holdsOthers: false,
  peerAlive: true,
  unfit: false,
  peerIsDaemon: false,
  contestKnown: false,
  keepaliveMs,
}

/** How `one` sees `other`; `errorMs`: how much longer it thinks the other has served than that one knows itself. */
function view(one: Side, other: Side, common: Common, preferredHere: boolean, errorMs = 0): GuardContext {
  const peerActiveForMs = other.state === 'active' ? Math.max(0, other.activeForMs + errorMs) : undefined
  return { ...bare, ...one, ...common, preferredHere, peerClaim: claimOf(other.state, other.epoch), peerActiveForMs }
}

/** Every state in which the ownership table asks who goes on, every order of epochs and of times. */
const sides: readonly Side[] = (['active', 'probation', 'starting'] as const).flatMap((state) =>
  [1, 2].flatMap((epoch) =>
    [0, 1, 1500, 2000, 2001, 5000].map((activeForMs) => ({
      state,
      epoch,
      activeForMs: state === 'active' ? activeForMs : 0,
    })),
  ),
)

const commons: readonly Common[] = [false, true].flatMap((failsBack) =>
  [false, true].flatMap((preferredIsPoorer) =>
    [false, true].flatMap((contested) =>
      [0, 700].map((slowMs) => ({ failsBack, preferredIsPoorer, contested, slowMs })),
    ),
  ),
)

/** All mirrored pairs of views with these errors of measurement; the first node is the preferred one. */
function* pairs(errorsMs: readonly number[], only: (common: Common) => boolean = () => true) {
  for (const common of commons.filter(only))
    for (const a of sides)
      for (const b of sides)
        for (const aErrorMs of errorsMs)
          for (const bErrorMs of errorsMs)
            yield [view(a, b, common, true, aErrorMs), view(b, a, common, false, bErrorMs)] as const
}

const story = (one: GuardContext, other: GuardContext): string => JSON.stringify([one, other, rank(one), rank(other)])

describe('a contest', () => {
  it('has one winner for every pair of views that measure alike', () => {
    let count = 0
    const met = new Set<string>()
    for (const [one, other] of pairs([0])) {
      count++
      met.add(rank(one).rule)
      assert.notEqual(rank(one).goesOn, rank(other).goesOn, story(one, other))
    }
    assert.ok(count > 10_000, `${count} pairs`)
    assert.deepEqual([...met].sort(), [
      'equal epochs: the node that has served longer wins',
      'equal epochs: the preferred node wins',
      'the higher epoch wins',
      'the node that was paused and asks gives way',
      'the preferred node wins',
    ])
  })

  it('has one winner at the second look, however differently the two have measured', () => {
    let differently = 0
    for (const [one, other] of pairs([-1900, 0, 1900])) {
      if (rank(one).goesOn !== rank(other).goesOn) continue
      differently++
      const again = [one, other].map((context) => rank({ ...context, contested: true }))
      assert.notEqual(again[0]?.goesOn, again[1]?.goesOn, story(one, other))
    }
    assert.ok(differently > 0, 'no pair has measured differently: the test shows nothing')
  })

  it('is decided against the node that is not heard, whatever else it says', () => {
    for (const [one] of pairs([0])) {
      if (one.state === 'probation' || one.peerClaim?.state === 'probation') continue
      assert.deepEqual(rank({ ...one, heardByPeer: false }), {
        goesOn: false,
        rule: 'the peer does not hear this node',
      })
    }
  })

  it('is over where the peer gives up already, and beside a daemon', () => {
    for (const [one] of pairs([0])) {
      for (const state of ['stopping', 'stuck'] as const)
        assert.equal(rank({ ...one, heardByPeer: false, peerClaim: claimOf(state, 9) }).goesOn, true)
      if ((one.state === 'probation') === (one.peerClaim?.state === 'probation'))
        assert.equal(rank({ ...one, heardByPeer: false, peerIsDaemon: true }).goesOn, true)
    }
  })

  it('has a table whose last rule always applies, with ids and sentences of their own', () => {
    assert.equal(
      contestTable.at(-1)?.when({ ...view(sides[0] as Side, sides[0] as Side, commons[0] as Common, true) }),
      true,
    )
    for (const key of ['id', 'says', 'because'] as const)
      assert.equal(new Set(contestTable.map((rule) => rule[key])).size, contestTable.length)
  })
})
