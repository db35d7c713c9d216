import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AppOptions, app } from '../../src/resources/app.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext } from '../support/agents.ts'

resourceAgentSuite({
  manifest: { sees: true, breaks: true, hangs: true },
  test,
  create() {
    let on = false
    let cut = false
    let hanging = false
    const plugin = app({
      start({ signal }) {
        if (hanging) return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        on = true
        return undefined
      },
      async stop() {
        on = false
        cut = false
      },
      status: () => (on ? { state: 'running' } : { state: 'failed', reason: 'it is off' }),
      isolate() {
        cut = true
      },
      restore() {
        cut = false
      },
      announce() {},
      prepare() {},
    })
    return {
      plugin,
      serves: () => on && !cut,
      break() {
        on = false
      },
      hang() {
        hanging = true
      },
    }
  },
})

function agentOf(options: Partial<AppOptions>): ResourceAgent {
  return app({ start() {}, stop() {}, ...options }).create(agentContext('/'))
}

const calm = { epoch: 3, signal: new AbortController().signal }

test('what a function throws or rejects with becomes an error with a code and the cause', async () => {
  const cause = new Error('port taken')
  for (const start of [
    () => {
      throw cause
    },
    () => Promise.reject(cause),
  ]) {
    const agent = agentOf({ start })
    await assert.rejects(agent.start(calm), {
      code: 'HS_RESOURCE',
      message: 'start() of app failed: port taken',
      cause,
    })
    assert.equal((await agent.status(calm)).state, 'failed')
  }
})

test('start is given the epoch and the signal', async () => {
  let given: unknown
  await agentOf({
    start(context) {
      given = context
    },
  }).start(calm)
  assert.equal(given, calm)
})

test('a start that never returns ends with its limit; the next one waits for it, and stop is called meanwhile', async () => {
  const calls: string[] = []
  let release: () => void = () => {}
  const agent = agentOf({
    start() {
      calls.push('start')
      return new Promise((resolve) => {
        release = resolve
      })
    },
    stop() {
      calls.push('stop')
    },
  })
  const abort = new AbortController()
  const first = agent.start({ epoch: 1, signal: abort.signal })
  await Promise.resolve()
  abort.abort(new Error('limit'))
  await assert.rejects(first, { code: 'HS_TIMEOUT', message: /start\(\) of app did not return in time/ })
  await agent.stop(calm)
  const impatient = new AbortController()
  const second = agent.start({ epoch: 2, signal: impatient.signal })
  impatient.abort(new Error('limit'))
  await assert.rejects(second, /an earlier start\(\) of app has not returned yet/)
  assert.deepEqual(calls, ['start', 'stop'])
  const third = agent.start(calm)
  release()
  await new Promise((resolve) => setImmediate(resolve))
  release()
  await third
  assert.deepEqual(calls, ['start', 'stop', 'start'])
})

test('a stop that failed is called again; one that succeeded is not', async () => {
  let calls = 0
  const agent = agentOf({
    stop() {
      if (++calls === 1) throw new Error('busy')
    },
  })
  await agent.stop(calm)
  assert.equal(calls, 0)
  await agent.start(calm)
  await assert.rejects(agent.stop(calm), /stop\(\) of app failed: busy/)
  await agent.stop(calm)
  await agent.stop(calm)
  assert.equal(calls, 2)
})

test('a status that makes no sense is a failure that says so', async () => {
  for (const nonsense of [undefined, true, { state: 'well' }, null]) {
    const agent = agentOf({ status: () => nonsense as never })
    await agent.start(calm)
    const status = await agent.status(calm)
    assert.equal(status.state, 'failed')
    assert.match(status.state === 'failed' ? status.reason : '', /status\(\) returned .*right is/)
  }
  const agent = agentOf({ status: () => ({ state: 'failed', reason: 'slow' }) })
  await agent.start(calm)
  assert.deepEqual(await agent.status(calm), { state: 'failed', reason: 'slow' })
})

test('operations are what was given; without a status it is never asked', () => {
  const plain = app({ start() {}, stop() {} })
  assert.deepEqual([plain.name, plain.operations, plain.times.intervalMs], ['app', ['start', 'stop', 'status'], 0])
  const rich = app({ name: 'api', start() {}, stop() {}, status: () => ({ state: 'running' }), announce() {} })
  assert.deepEqual(
    [rich.name, rich.operations, rich.times.intervalMs],
    ['api', ['start', 'stop', 'status', 'announce'], 1000],
  )
})

test('options are checked when they are given', () => {
  assert.throws(() => app({ start() {} } as unknown as AppOptions), /app\.stop: a function is needed, found nothing/)
  assert.throws(
    () => app({ start: 1, stop() {} } as unknown as AppOptions),
    /app\.start: a function is needed, found number/,
  )
  assert.throws(() => app({ start() {}, stop() {}, isolate() {} }), /app\.isolate: isolate and restore belong together/)
  assert.throws(() => app({ name: 'a b', start() {}, stop() {} }), /app\.name: 'a b'/)
})
