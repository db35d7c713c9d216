import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { isHotStandbyError, timelinePicture } from '../../src/index.ts'
import { pairOf, startPair, until } from '../support/pair.ts'

/** Recordings of both nodes: a move, and then a cut of every link, after which the second one takes over. */
async function recorded(t: TestContext): Promise<{ one: string; two: string }> {
  const { one, two, network } = pairOf(t)
  await startPair(one, two)
  await until('the start is over', () => [one, two].every((member) => member.snapshot().phase === 'settled'))
  await one.standby()
  await two.standby()
  network.partition('one', 'two')
  await until('the links are down', () => two.snapshot().links.every(({ up }) => up === false))
  await until('two takes over', () => two.snapshot().groups[0]?.state === 'active')
  return { one: one.recording(), two: two.recording() }
}

/** Spans of a lane, as their titles tell them. */
const spansOf = (svg: string, what: string): string[] =>
  [...svg.matchAll(/<title>([^<]*)<\/title>/g)].flatMap(([, title = '']) =>
    title.startsWith(`${what}, `) ? [title] : [],
  )

describe('a picture of a recording', () => {
  it('has both nodes, beats, losses, decisions and the outage', async (t) => {
    const { two } = await recorded(t)
    const svg = timelinePicture(two, { everything: true })
    assert.match(svg, /^<svg xmlns=/)
    for (const label of [
      'group jobs',
      'on two',
      'on one, as heard',
      'nobody serves',
      'link a',
      'link b',
      'events, decisions',
    ])
      assert.ok(svg.includes(`>${label}</text>`), label)
    assert.equal(spansOf(svg, 'down').length, 2, 'both links went down')
    // The move there, the move back, and the death, which is counted from the last word.
    const lengths = spansOf(svg, 'outage').map((title) => /\(([\d.]+) (m?s)\)/.exec(title))
    assert.ok(lengths.length >= 1, svg)
    const [, last = '0', unit] = lengths.at(-1) ?? []
    assert.ok(unit === 's' && Number(last) >= 0.9, `${last} ${unit}`)
    assert.equal(spansOf(svg, 'silent').length, 1)
    assert.ok(spansOf(svg, 'active').length >= 2)
    assert.ok((svg.match(/M\d+ \d+v12/g) ?? []).length > 20, 'beats')
    assert.match(svg, /<title>[\d:.]+ jobs: standby -&gt; starting: /)
  })

  it('shows the last change alone unless everything is wanted, and both nodes by their own recordings', async (t) => {
    const { one, two } = await recorded(t)
    const [start = '', end = ''] =
      timelinePicture(two)
        .match(/aria-label="[^"]*, (\S+) to (\S+) UTC"/)
        ?.slice(1) ?? []
    assert.match(start, /^\d{4}-/)
    assert.match(end, /^[\d:.]+$/)
    const both = timelinePicture([one, two], { format: 'html', everything: true })
    assert.match(both, /^<!doctype html>/)
    for (const label of ['on one', 'on two', 'what one heard of two, and did', 'what two heard of one, and did'])
      assert.ok(both.includes(`>${label}</text>`), label)
    assert.doesNotMatch(both, /as heard</)
    assert.match(both, /<td>two<\/td><td>error<\/td><td>one is dead: /)
  })

  it('refuses what is no recording, and options that are none', () => {
    const refused = (code: string, message: RegExp) => (error: unknown) => {
      assert.ok(isHotStandbyError(error) && error.code === code, String(error))
      assert.match(error.message, message)
      return true
    }
    assert.throws(() => timelinePicture('hello\n'), refused('HS_RECORDING', /line 1: no line of a recording/))
    assert.throws(
      () => timelinePicture('', { format: 'png' as never }),
      refused('HS_CONFIG', /'svg' or 'html', got 'png'/),
    )
    assert.throws(() => timelinePicture('', { formt: 'svg' } as never), refused('HS_CONFIG', /did you mean 'format'/))
    const headOf = (node: string) => `${JSON.stringify({ config: { self: node } })}\n`
    assert.throws(
      () => timelinePicture(['a', 'b', 'c'].map(headOf)),
      refused('HS_RECORDING', /a pair has two nodes.*a, b, c/),
    )
  })
})
