import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Cluster, memoryNetwork, type ResourcePlugin } from '../../src/index.ts'
import { freePort, temporaryDirectory } from '../support/agents.ts'
import { memberOptions, startPair, stateOf } from '../support/pair.ts'
import { root } from '../support/sources.ts'

/** The first example of the page, as a module that one node loads: with a port of this test, and answers that have no end. */
async function example(
  folder: string,
  node: string,
  port: number,
): Promise<{ readonly server: Server; readonly service: ResourcePlugin }> {
  const [, code = ''] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'docs/resources/app.md'), 'utf8')) ?? []
  const changes: readonly (readonly [RegExp, string])[] = [
    [/'hot-standby'/, JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href)],
    [/8080/, `${port}, '127.0.0.1'`],
    [/response\.end\('hello\\n'\)/, `response.write('data: ${node}\\n\\n')`],
    [/$/, 'export { server, service }\n'],
  ]
  let text = code
  for (const [what, by] of changes) {
    assert.match(text, what)
    text = text.replace(what, by)
  }
  const file = join(folder, `${node}.ts`)
  writeFileSync(file, text)
  return import(pathToFileURL(file).href)
}

async function client(port: number, head: string): Promise<{ readonly socket: Socket; readonly first: string }> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write(head)
  const [bytes] = await once(socket, 'data')
  return { socket, first: String(bytes) }
}

const stream = 'GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n'
const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

test("the page's server moves within a moment, whatever is open to it", { timeout: 60_000 }, async (t) => {
  const folder = temporaryDirectory(t)
  const port = await freePort()
  const network = memoryNetwork()
  const make = async (node: 'one' | 'two') => {
    const { server, service } = await example(folder, node, port)
    server.on('upgrade', (_request, socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    )
    const groups = [{ name: 'jobs', preferred: 'one', resources: [service] }]
    return new Cluster(memberOptions(t, node, [network.transport('a'), network.transport('b')], { groups }))
  }
  const [one, two] = [await make('one'), await make('two')]
  t.after(() => Promise.allSettled([one.stop(), two.stop()]))
  await startPair(one, two)
  // There and back: what a first start has left behind must not hinder the second.
  for (const [owner, next, name] of [
    [one, two, 'one'],
    [two, one, 'two'],
    [one, two, 'one'],
  ] as const) {
    const [events, socket] = [await client(port, stream), await client(port, upgrade)]
    assert.match(events.first, new RegExp(`data: ${name}`))
    assert.match(socket.first, /101 Switching/)
    for (const each of [events, socket]) each.socket.resume()
    const startMs = performance.now()
    await owner.standby()
    const tookMs = performance.now() - startMs
    assert.ok(tookMs < 1000, `the move took ${tookMs} ms`)
    t.diagnostic(`the move took ${Math.round(tookMs)} ms`)
    assert.deepEqual([stateOf(owner), stateOf(next)], ['standby', 'active'])
    for (const each of [events, socket]) if (!each.socket.closed) await once(each.socket, 'close')
  }
})
