import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { type CheckOptions, check, type ResourceAgent } from '../../src/index.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import { resourceAgentSuite } from '../../src/testing/index.ts'
import { temporaryDirectory } from '../support/agents.ts'

const listen = (status: () => number): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer((_request, response) => {
      response.statusCode = status()
      response.end()
    })
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
const portOf = (server: Server): number => (server.address() as AddressInfo).port
const close = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve))

function agentOf(options: CheckOptions): ResourceAgent {
  return check('service', options).create({
    self: 'one',
    group: 'web',
    logger: silentLogger,
    directory: tmpdir(),
    changed() {},
    remember() {},
    leftover: null,
  })
}

const once = (signal = new AbortController().signal) => ({ epoch: 1, signal })
const stateOf = async (agent: ResourceAgent): Promise<string> => (await agent.status(once())).state

resourceAgentSuite({
  manifest: { sees: false, breaks: true, hangs: true },
  test,
  keepsRunning: true,
  create() {
    let well = true
    return {
      plugin: check('service', { probe: () => well, fall: 1, rise: 1 }),
      break: () => {
        well = false
        // The application mends it by itself; the look sees that at the next start.
        setTimeout(() => {
          well = true
        }, 100)
      },
      hang: () => {
        well = false
      },
    }
  },
})

describe('check()', () => {
  it('counts: sick after `fall` bad looks in a row, well again after `rise` good ones', async () => {
    const looks = [true, false, false, true, false, false, false, true, false, true, true]
    const seen: string[] = []
    const agent = agentOf({ probe: () => looks.shift(), fall: 3, rise: 2 })
    await agent.start(once())
    while (looks.length > 0) seen.push(await stateOf(agent))
    const [r, f] = ['running', 'failed']
    assert.deepEqual(seen, [r, r, r, r, r, f, f, f, f, r])
  })

  it('waits at the start until a service that fell has risen', async () => {
    const looks = [true, false, true, false, true, true, true]
    const agent = agentOf({ probe: () => looks.shift(), fall: 1, rise: 3, interval: '5ms' })
    await agent.start(once())
    assert.equal(await stateOf(agent), 'failed')
    await agent.start(once())
    assert.deepEqual(looks, [], 'all of them were needed')
  })

  it('fails its start with the reason of the last look when the limit is over', async () => {
    const agent = agentOf({ tcp: '127.0.0.1:1', interval: '5ms' })
    const limit = AbortSignal.timeout(200)
    const keep = setTimeout(() => {}, 5000)
    await assert.rejects(agent.start(once(limit)), /127\.0\.0\.1:1: .*ECONNREFUSED/)
    clearTimeout(keep)
  })

  it('looks by HTTP, by TCP and by a program', async (t) => {
    let status = 200
    const server = await listen(() => status)
    const port = portOf(server)
    const http = agentOf({ http: `http://127.0.0.1:${port}/health`, fall: 1, rise: 1 })
    const tcp = agentOf({ tcp: `127.0.0.1:${port}`, fall: 1, rise: 1 })
    for (const agent of [http, tcp]) await agent.start(once())
    status = 500
    assert.deepEqual(await http.status(once()), {
      state: 'failed',
      reason: `http://127.0.0.1:${port}/health: answered with status 500`,
    })
    assert.equal(await stateOf(tcp), 'running')
    await close(server)
    assert.equal(await stateOf(tcp), 'failed')

    const file = join(temporaryDirectory(t), 'check')
    writeFileSync(file, '')
    const program = agentOf({ command: ['/bin/sh', '-c', `test -s ${file} || { echo it is empty; exit 3; }`], fall: 1 })
    await assert.rejects(program.prepare?.(once()) as Promise<void>, /\/bin\/sh ended with 3: it is empty/)
  })

  it('takes a look that never ends for a bad one', async () => {
    const agent = agentOf({ probe: () => new Promise(() => {}), timeout: '20ms', fall: 1 })
    const keep = setTimeout(() => {}, 5000)
    await assert.rejects(agent.prepare?.(once()) as Promise<void>, /not finished after 20 ms/)
    clearTimeout(keep)
  })

  it('asks for no restart in place: looking again heals nothing', () => {
    assert.equal(check('a', { probe: () => true }).restarts, 0)
  })

  it('refuses what cannot be a check, and says what would be right', () => {
    const bad: readonly [string, unknown, RegExp][] = [
      ['a b', { tcp: 'h:1' }, /check: 'a b' is not a valid name/],
      ['a', {}, /exactly one of http, tcp, command, probe says how to look; none is given/],
      ['a', { tcp: 'h:1', probe() {} }, /tcp and probe are given/],
      ['a', { tcp: 'host' }, /check\.tcp: 'host' is not an address with a port/],
      ['a', { tcp: '127.0.0.1:0' }, /check\.tcp: '127\.0\.0\.1:0' is not an address with a port/],
      ['a', { tcp: '127.0.0.1:65536' }, /is not an address with a port/],
      ['a', { http: 'https://x' }, /check\.http: 'https:\/\/x' is not the URL of a page/],
      ['a', { command: ['ls'] }, /check\.command: a list is needed that begins with the full path/],
      ['a', { probe: 5 }, /check\.probe: a function is needed, found number/],
      ['a', { tcp: 'h:1', fall: 0 }, /check\.fall: must be an integer >= 1, got number 0/],
    ]
    for (const [name, options, message] of bad) assert.throws(() => check(name, options as CheckOptions), message)
  })
})
