import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pairwise } from '../lab/heartbeat/pairwise.ts'

describe('pairwise coverage', () => {
  const factors = { method: ['a', 'b', 'c'], medium: ['u', 'm', 's', 't'], links: [1, 2], way: ['x', 'y'] } as const

  it('lets every value meet every value of the other factors', () => {
    const rows = pairwise(factors)
    const names = Object.keys(factors) as (keyof typeof factors)[]
    for (const [index, one] of names.entries())
      for (const two of names.slice(index + 1))
        for (const first of factors[one])
          for (const second of factors[two])
            assert.ok(
              rows.some((row) => row[one] === first && row[two] === second),
              `${one}=${first} with ${two}=${second}`,
            )
  })

  it('takes few rows, and the same ones every time', () => {
    assert.ok(pairwise(factors).length <= 14)
    assert.deepEqual(pairwise(factors), pairwise(factors))
  })
})
