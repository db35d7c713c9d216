import assert from 'node:assert/strict'
import { it } from 'node:test'
import { playSeed } from './swarm.ts'

/** `SEEDS=500` plays the first 500; `SEED=17` that one alone, with its whole story. */
const single = process.env['SEED']
const count = Number(process.env['SEEDS'] ?? 120)
const seeds = single === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(single)]

it(`the pair settles after whatever befell it (${seeds.length} seeds)`, () => {
  for (const seed of seeds) {
    const { problems, story } = playSeed(seed)
    if (problems.length === 0 && single === undefined) continue
    const shown = single === undefined ? story.slice(-60) : story
    console.log(`${shown.join('\n')}\n`)
    assert.deepEqual(problems, [], `SEED=${seed}`)
  }
})

it('the same seed gives the same run', () => {
  assert.deepEqual(playSeed(seeds[0] ?? 1).story, playSeed(seeds[0] ?? 1).story)
})
