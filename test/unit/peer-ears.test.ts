import assert from 'node:assert/strict'
import type { Socket } from 'node:dgram'
import { describe, it } from 'node:test'
import { PeerEars } from '../../src/transports/peer-ears.ts'

const socketOf = (name: string) => ({ name }) as unknown as Socket
const frameOf = (number: number) => Buffer.from(`a frame, and its end ${String(number).padStart(24, '0')}`)
const earsOf = () => {
  const closed: Socket[] = []
  return { closed, ears: new PeerEars((socket) => closed.push(socket)) }
}

describe('the sockets that hear the ends of a peer', () => {
  it('are two: a third end takes the place, and the socket, of the one heard longest ago', () => {
    const { closed, ears } = earsOf()
    const [first, second, third] = [socketOf('1'), socketOf('2'), socketOf('3')]
    ears.add('a:1', first)
    ears.add('a:2', second)
    assert.equal(ears.knows('a:1'), true)
    assert.deepEqual(closed, [])
    ears.add('a:3', third)
    assert.deepEqual(closed, [second])
    assert.deepEqual(
      ['a:1', 'a:2', 'a:3'].map((end) => ears.knows(end)),
      [true, false, true],
    )
  })

  it('take the second coming of a frame for a copy, and the third for a frame', () => {
    const { ears } = earsOf()
    ears.add('a:1', socketOf('1'))
    assert.deepEqual(
      [1, 1, 1].map((number) => ears.isCopy('a:1', frameOf(number))),
      [false, true, false],
    )
    assert.equal(ears.isCopy('a:2', frameOf(1)), false)
  })

  it('remember a bounded number of frames', () => {
    const { ears } = earsOf()
    ears.add('a:1', socketOf('1'))
    for (let number = 0; number < 100; number++) assert.equal(ears.isCopy('a:1', frameOf(number)), false)
    assert.equal(ears.isCopy('a:1', frameOf(99)), true)
    assert.equal(ears.isCopy('a:1', frameOf(0)), false)
  })

  it('call nothing a copy where no second socket hears', () => {
    const { ears } = earsOf()
    ears.add('a:1', undefined)
    assert.deepEqual(
      [1, 1].map((number) => ears.isCopy('a:1', frameOf(number))),
      [false, false],
    )
  })
})
