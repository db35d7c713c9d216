import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type DropNotice, Gate } from '../../src/cluster/gate.ts'

const none = (): null => null
const gateOf = () => {
  const told: DropNotice[] = []
  return { told, gate: new Gate((notice) => told.push(notice)) }
}

it('a source of junk is held off until it has been quiet, and no other source with it', () => {
  const { gate } = gateOf()
  for (let count = 0; count < 1000; count++) gate.refused('eth1', 'malformed', 'junk:1', none, 0)
  assert.equal(gate.admits('eth1', 'junk:1', 0), false)
  assert.equal(gate.admits('eth1', 'peer:1', 0), true)
  assert.equal(gate.admits('eth0', 'junk:1', 0), true)
  assert.equal(gate.admits('eth1', 'junk:1', 100), true)
})

it('the source of the last believed frame is never held off', () => {
  const { gate } = gateOf()
  gate.verified('eth1', 'peer:1')
  for (let count = 0; count < 1000; count++) gate.refused('eth1', 'bad-signature', 'peer:1', none, 0)
  assert.equal(gate.admits('eth1', 'peer:1', 0), true)
  gate.verified('eth1', 'peer:2')
  assert.equal(gate.admits('eth1', 'peer:1', 0), false)
})

it('invented ports share one allowance, and little is kept of them', () => {
  const { gate, told } = gateOf()
  for (let port = 0; port < 20_000; port++) gate.refused('eth1', 'malformed', `junk:${port}`, none, 0)
  assert.equal(gate.admits('eth1', 'junk:99999', 0), false)
  assert.equal(gate.admits('eth1', 'junk:99999', 1000), true)
  assert.deepEqual(gate.counts('eth1'), { malformed: 20_000 })
  assert.equal(told.length, 1)
})

it('is told once a second for each link and reason, with how many came since', () => {
  const { gate, told } = gateOf()
  for (let ms = 0; ms < 2500; ms += 10) gate.dropped('eth1', 'flood', 'junk:1', none, ms)
  gate.dropped('eth1', 'foreign-address', 'junk:1', () => 'why', 2500)
  assert.deepEqual(
    told.map(({ reason, count, detail }) => [reason, count, detail]),
    [
      ['flood', 1, null],
      ['flood', 100, null],
      ['flood', 100, null],
      ['foreign-address', 1, 'why'],
    ],
  )
  assert.equal(gate.junk('eth1'), 250)
})
