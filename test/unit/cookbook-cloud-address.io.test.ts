import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { cloudAddress } from '../../examples/cookbook/cloud-address/cloud-address.ts'
import type { ResourceAgent } from '../../src/index.ts'

/** What the stand-in does with the next request: it may lose it, lose the reply, or hold it until it is let go. */
type Fate = 'well' | 'lost' | 'reply lost' | 'held'

/** A provider's interface on loopback. */
async function provider(t: TestContext) {
  const state = { machine: null as string | null, epoch: 0, version: 1 }
  const fates: Fate[] = []
  const held: (() => void)[] = []
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const fate = fates.shift() ?? 'well'
    if (fate === 'lost') return void request.socket.destroy()
    const act = () => {
      seen.push(`${request.method} ${answer(request.method, request.headers['if-match'], body, response, fate)}`)
      if (fate === 'reply lost') request.socket.destroy()
    }
    if (fate === 'held') held.push(act)
    else act()
  })
  const answer = (
    method: string | undefined,
    match: string | undefined,
    body: string,
    response: ServerResponse,
    fate: Fate,
  ): number => {
    const refused = method === 'PUT' && match !== String(state.version)
    if (method === 'PUT' && !refused) Object.assign(state, JSON.parse(body), { version: state.version + 1 })
    const code = refused ? 412 : 200
    if (fate !== 'reply lost')
      response.writeHead(code).end(JSON.stringify({ ...state, version: String(state.version) }))
    return code
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const agent = (machine: string): ResourceAgent =>
    cloudAddress({ url, address: '192.0.2.10', machine, token: 'x', retryMs: 0 }).create({} as never)
  return { state, fates, held, seen, agent }
}

const at = (epoch: number, signal: AbortSignal = new AbortController().signal) => ({ epoch, signal })

describe('the floating address of the cookbook', () => {
  it('is read, written with what was read, and read again', async (t) => {
    const { state, seen, agent } = await provider(t)
    const one = agent('one')
    assert.deepEqual(await one.status(at(1)), { state: 'stopped' })
    await one.start(at(1))
    assert.deepEqual([state.machine, state.epoch], ['one', 1])
    assert.deepEqual(seen, ['GET 200', 'GET 200', 'PUT 200', 'GET 200'])
    assert.deepEqual(await one.status(at(1)), { state: 'running' })
    await one.start(at(1))
    assert.equal(seen.filter((what) => what.startsWith('PUT')).length, 1, 'what it has already is not written again')
    await one.stop(at(1))
    assert.equal(state.machine, null)
  })

  for (const fate of ['lost', 'reply lost'] as const)
    it(`comes to the end when each kind of request is ${fate}`, async (t) => {
      const { state, fates, agent } = await provider(t)
      fates.push(fate, 'well', fate)
      await agent('one').start(at(3))
      assert.deepEqual([state.machine, state.epoch], ['one', 3])
      assert.equal(state.version, 2, 'what was done is not done twice')
      fates.push(fate, 'well', fate)
      await agent('one').stop(at(3))
      assert.equal(state.machine, null)
    })

  it('is not taken from a later owner, neither by a start nor by a write that was delayed', async (t) => {
    const { state, fates, held, agent } = await provider(t)
    fates.push('well', 'held')
    const gaveUp = new AbortController()
    const late = agent('one').start(at(1, gaveUp.signal))
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
    gaveUp.abort(new Error('the limit is over'))
    await assert.rejects(late, /the limit is over/)
    await agent('two').start(at(2))
    // The provider comes to the delayed request only now.
    held[0]?.()
    assert.deepEqual([state.machine, state.epoch], ['two', 2])
    await assert.rejects(agent('one').start(at(1)), /belongs to two by epoch 2, later than ours, 1/)
    await agent('one').stop(at(1))
    assert.deepEqual([state.machine, state.epoch], ['two', 2], 'a stop leaves what the other one has')
  })

  it('that cannot be asked about is unknown, and what the provider refuses is said', async (t) => {
    const { fates, agent } = await provider(t)
    fates.push('lost')
    assert.equal((await agent('one').status(at(1))).state, 'unknown')
    const nobody = cloudAddress({ url: 'http://127.0.0.1:9', address: '192.0.2.10', machine: 'one', token: 'x' })
    await assert.rejects(async () => nobody.create({} as never).prepare?.(at(1)))
  })
})
