import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { floatingAddresses, groupConfig } from '../../src/engine/group-config.ts'
import { app, vip } from '../../src/index.ts'

const agents = { advice: () => ({}), revision: () => 3 }
const jobs = app({ start() {}, stop() {} })
const group = { name: 'g', preferred: 'one', resources: [jobs] }

describe('a group as the core knows it', () => {
  it('takes the restarts of the pair where it says nothing, and 0 of its own for something', () => {
    assert.equal(groupConfig(group, 4, agents).restarts, 4)
    assert.equal(groupConfig({ ...group, restarts: 0 }, 4, agents).restarts, 0)
  })

  it('takes a resource that does not say what it guards for one of data', () => {
    const { exclusive: _, ...silent } = jobs
    const config = groupConfig({ ...group, resources: [silent, vip('192.0.2.1/24')] }, undefined, agents)
    assert.deepEqual(
      config.resources.map(({ exclusive, revision }) => [exclusive, revision]),
      [
        ['data', 3],
        ['address', 3],
      ],
    )
  })

  it('has its times in milliseconds, and none where none is given', () => {
    const { restartWindowMs, holdDownMs } = groupConfig({ ...group, restartWindow: '2m' }, 1, agents)
    assert.deepEqual([restartWindowMs, holdDownMs], [120_000, undefined])
  })

  it('names every address that comes and goes with it, so that no link sends from one', () => {
    const resources = [jobs, vip(['192.0.2.1/24', '192.0.2.2/24'])]
    assert.deepEqual(floatingAddresses([group, { ...group, resources }]), ['192.0.2.1', '192.0.2.2'])
  })
})
