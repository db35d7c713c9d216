import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Namesakes } from '../../src/core/peer/duplicate-names.ts'
import { Sessions } from '../../src/core/peer/sessions.ts'
import type { Effect } from '../../src/core/types.ts'
import { bytes, message } from '../../src/wire/message.ts'

const deadtimeMs = 1000
const beat = (seq: number) => message({ t: 'status', src: 'master', seq: seq.toString(16) })

function told(): { readonly nodes: string[]; readonly namesakes: Namesakes } {
  const nodes: string[] = []
  const namesakes = new Namesakes(
    (_name, payload) => nodes.push((payload as { node: string }).node),
    () => deadtimeMs,
  )
  return { nodes, namesakes }
}

describe('two hosts of one name', () => {
  it('are told once while messages of the other go on', () => {
    const { nodes, namesakes } = told()
    for (let seq = 1; seq <= 100; seq++) namesakes.heard('master', beat(seq), seq * 200)
    assert.deepEqual(nodes, ['master'])
    for (let seq = 101; seq <= 120; seq++) namesakes.heard('master', beat(seq), 60_000 + seq * 200)
    assert.deepEqual(nodes, ['master', 'master'], 'it was over, and has begun again')
  })

  it('are not told because of the last messages before a restart, nor of one that is repeated', () => {
    const { nodes, namesakes } = told()
    for (let seq = 1; seq <= 9; seq++) namesakes.heard('master', beat(seq), seq * 200)
    for (let atMs = 2000; atMs < 30_000; atMs += 200) namesakes.heard('slave', beat(7), atMs)
    namesakes.heard('slave', message({ t: 'NS_ackmsg', src: 'slave' }), 30_000)
    assert.deepEqual(nodes, [])
  })
})

describe('two runs that both prove themselves', () => {
  /** A node that challenges; the last challenge is `nonce`. */
  const node = (lives: () => boolean) => {
    let drawn = 0
    let twice = 0
    let nonce = new Uint8Array(16)
    const effect = (made: Effect) => {
      if (made.type === 'send') nonce = Uint8Array.from(bytes(made.message, 'nonce') ?? [])
    }
    const sessions = new Sessions({
      effect,
      monoMs: () => drawn * 1000,
      suspect() {},
      currentLives: lives,
      twice: () => twice++,
    })
    const draw = () => sessions.drawn(new Uint8Array(16).fill(++drawn))
    let sequence = 0
    /** The run sends a beat, is challenged, and answers. */
    const proves = (session: string) => {
      draw()
      sessions.receive({ session, sequence: ++sequence }, beat(1), 1)
      return sessions.receive({ session, sequence: ++sequence }, message({ t: 'hs-session', answer: nonce }), 1)
    }
    return { proves, twice: () => twice }
  }

  it('do not take turns while the newer one is heard', () => {
    const { proves, twice } = node(() => true)
    assert.equal(proves('first'), 'proven')
    assert.equal(proves('second'), 'proven')
    assert.equal(proves('first'), 'unproven')
    assert.equal(twice(), 1)
    assert.equal(proves('third'), 'proven')
    assert.equal(proves('second'), 'unproven')
  })

  it('the older one is believed again when nothing is heard of the newer one', () => {
    let lives = true
    const { proves, twice } = node(() => lives)
    proves('first')
    proves('second')
    lives = false
    assert.equal(proves('first'), 'proven')
    assert.equal(twice(), 0)
  })
})
