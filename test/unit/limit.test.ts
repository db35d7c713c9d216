import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { unlessAborted, withinLimit } from '../../src/platform/limit.ts'

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

describe('a limit', () => {
  it('leaves no timer behind, however the work ends', async () => {
    const before = timers()
    assert.equal(await withinLimit(Promise.resolve(7), 3_600_000), 7)
    await assert.rejects(withinLimit(Promise.reject(new Error('broken')), 3_600_000), /broken/)
    assert.equal(timers(), before)
  })
})

describe('work that a signal ends', () => {
  it('leaves no listener on the signal, however it ends', async () => {
    const { signal } = new AbortController()
    for (let round = 0; round < 3; round++) await unlessAborted(Promise.resolve(), signal, 'too late')
    await assert.rejects(unlessAborted(Promise.reject(new Error('broken')), signal, 'too late'), /broken/)
    await Promise.resolve()
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  it('is given up at once where the signal has aborted already', async () => {
    await assert.rejects(unlessAborted(new Promise(() => {}), AbortSignal.abort(), 'too late'), /too late/)
  })
})
