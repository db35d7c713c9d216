import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pairOf, until } from '../support/pair.ts'

test('a service that starts on neither node: both say so, to the process as well, with the reason and the next try', async (t) => {
  const warned: string[] = []
  const onWarning = ({ name, message }: Error) => void (name === 'HotStandbyWarning' && warned.push(message))
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const start = () => {
    throw new Error('the licence has run out')
  }
  const { one, two } = pairOf(t, { agent: { start } })
  await Promise.all([one.start(), two.start()])
  await until('both have tried twice', () =>
    [one, two].every((member) => (member.snapshot().groups[0]?.epoch ?? 0) > 2),
  )
  for (const member of [one, two]) {
    const [failure, ...more] = member.snapshot().failures
    assert.deepEqual(
      [more, failure?.group, failure?.reason],
      [[], 'jobs', 'app: start() of app failed: the licence has run out'],
    )
    const waitsMs = Date.parse(failure?.nextTry ?? '') - Date.parse(failure?.time ?? '')
    assert.ok(waitsMs > 0, `${failure?.time} ${failure?.nextTry}`)
    const sentences = member.explain('jobs').sentences.join('\n')
    assert.match(
      sentences,
      /^The last failure of jobs, at 2.*Z: app: start\(\) of app failed: the licence has run out\./m,
    )
    const told = warned.filter((text) => text.startsWith(`pair, ${member.node}: jobs cannot run on this node: `))
    assert.equal(told.length, 1, `once, though it failed again: ${warned}`)
  }
})

test('nothing is said to the process where somebody listens or logs', async (t) => {
  const warned: string[] = []
  const onWarning = ({ name, message }: Error) => void (name === 'HotStandbyWarning' && warned.push(message))
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const start = () => {
    throw new Error('no')
  }
  const { one, two } = pairOf(t, { agent: { start } })
  let heard = 0
  for (const member of [one, two]) member.on('group:failed', () => void heard++)
  await Promise.all([one.start(), two.start()])
  await until('both have failed', () => heard > 2)
  assert.deepEqual(warned, [])
})
