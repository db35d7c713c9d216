import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { connect, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import { describe, it, type TestContext, test } from 'node:test'
import {
  Cluster,
  deadtime,
  describe as describeEvent,
  memoryNetwork,
  type ResourcePlugin,
  type ServerOptions,
  server,
} from '../../src/index.ts'
import { resourceAgentSuite } from '../../src/testing/index.ts'
import { agentContext, collectingLogger, freePort, within } from '../support/agents.ts'
import { memberOptions, stateOf, until } from '../support/pair.ts'

/** Does anybody accept a connection there? */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return accepted
}

async function refused(port: number): Promise<void> {
  const startMs = performance.now()
  while (await accepts(port)) assert.ok(performance.now() - startMs < 20_000, `${port} still accepts`)
}

/** A server whose next `listen()` never comes to listen, as while a name is looked up. */
function hangOnce(listener: NetServer): void {
  const { listen } = listener
  listener.listen = function hang(this: NetServer): NetServer {
    listener.listen = listen
    return this
  }
}

const makers: Readonly<Record<string, () => NetServer>> = {
  'node:http': () => createServer((_request, response) => response.end('hello\n')),
  'node:net': () => createNetServer((socket) => socket.on('error', () => {}).end('hello\n')),
}

for (const [kind, make] of Object.entries(makers)) {
  describe(`server() of ${kind}`, () => {
    let port = 0
    resourceAgentSuite({
      test: it,
      manifest: { sees: true, breaks: true, hangs: true },
      async create() {
        port ||= await freePort()
        const listener = make()
        return {
          plugin: server(listener, { port, host: '127.0.0.1' }),
          serves: () => accepts(port),
          break: () => void listener.close(),
          hang: () => hangOnce(listener),
          cleanup: () => void listener.close(),
        }
      },
    })
  })
}

/** An agent of a server, opened; it is closed, with every connection, when the test is over. */
async function bench(t: TestContext, listener: NetServer, options: Partial<ServerOptions> = {}) {
  const port = options.port ?? (await freePort())
  const { logger, lines } = collectingLogger()
  const plugin: ResourcePlugin = server(listener, { host: '127.0.0.1', ...options, port })
  const context = agentContext('/tmp', null, logger)
  const agent = plugin.create(context)
  await agent.open?.()
  t.after(async () => {
    await agent.isolate?.(within())
    await agent.close?.()
  })
  const stop = async () => {
    const startMs = performance.now()
    await agent.stop(within())
    return performance.now() - startMs
  }
  return { agent, port, context, lines, stop }
}

/** A client whose connection says whether it is open still. */
async function client(port: number, text = ''): Promise<Socket & { readonly heard: () => string }> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  let heard = ''
  socket.on('data', (chunk) => {
    heard += chunk
  })
  if (text !== '') socket.write(text)
  return Object.assign(socket, { heard: () => heard })
}

const ask = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

describe('a stop of server()', { timeout: 60_000 }, () => {
  it('lets what is being answered end, tells the client so, and accepts nobody meanwhile', async (t) => {
    const open: ServerResponse[] = []
    const { agent, port, stop } = await bench(
      t,
      createServer((_request, response) => void open.push(response)),
      { grace: '20s' },
    )
    await agent.start(within())
    const waiting = await client(port, ask)
    await until('it is asked', () => open.length === 1)
    const stopped = stop()
    await refused(port)
    open[0]?.end('done')
    assert.ok((await stopped) < 15_000, 'the grace is not waited for')
    await until('its connection is closed', () => waiting.closed)
    assert.match(waiting.heard(), /^HTTP\/1\.1 200 OK\r\nConnection: close\r\n[\s\S]*done/)
  })

  it('closes at once what waits for nothing: kept alive, or opened in advance', async (t) => {
    const { agent, port, stop } = await bench(
      t,
      createServer((_request, response) => response.end('x')),
      { grace: '20s' },
    )
    await agent.start(within())
    const clients = [await client(port, ask), await client(port)]
    await until('one is answered', () => clients[0]?.heard() !== '')
    assert.deepEqual(agent.inspect?.()['connections'], 2)
    assert.ok((await stop()) < 15_000)
    for (const each of clients) await until('it is closed', () => each.closed)
  })

  it('ends a kept connection after the answer that had begun before', async (t) => {
    const open: ServerResponse[] = []
    const { agent, port, stop } = await bench(
      t,
      createServer((_request, response) => void open.push(response.writeHead(200, { 'Content-Length': 4 }))),
      { grace: '20s' },
    )
    await agent.start(within())
    const waiting = await client(port, ask)
    await until('it is asked', () => open.length === 1)
    open[0]?.write('do')
    await until('it hears', () => /do$/.test(waiting.heard()))
    const stopped = stop()
    open[0]?.end('ne')
    assert.ok((await stopped) < 15_000)
    assert.match(waiting.heard(), /keep-alive[\s\S]*done$/)
  })

  it('closes after the grace what has no end, and tells the application before', async (t) => {
    const told: number[] = []
    const startMs = performance.now()
    const listener = createServer((_request, response) => void response.write('data: 1\n\n'))
    listener.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
    const onDrain = () => {
      told.push(performance.now() - startMs)
      throw new Error('no broker')
    }
    const { agent, port, lines, stop } = await bench(t, listener, { grace: '300ms', onDrain })
    await agent.start(within())
    const clients = [
      await client(port, ask),
      await client(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    ]
    await until('both are served', () => clients.every((each) => each.heard() !== ''))
    const tookMs = await stop()
    assert.ok(tookMs >= 290, `closed after ${tookMs} ms`)
    assert.equal(told.length, 1)
    for (const each of clients) await until('it is closed', () => each.closed)
    assert.deepEqual(lines, [`warn server:127.0.0.1:${port}: onDrain failed: no broker`])
    assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  })

  it('of net: what the application ends by itself is not cut short', async (t) => {
    const sockets: Socket[] = []
    const listener = createNetServer((socket) => void sockets.push(socket.on('error', () => {})))
    const { agent, port, stop } = await bench(t, listener, {
      grace: '20s',
      onDrain: () => sockets[0]?.end('bye'),
    })
    await agent.start(within())
    const waiting = await client(port)
    await until('it is accepted', () => sockets.length === 1)
    waiting.once('end', () => waiting.end())
    assert.ok((await stop()) < 15_000)
    assert.equal(waiting.heard(), 'bye')
  })

  it('of HTTP/2: the session is told, the stream ends', async (t) => {
    const open: { end(text: string): void }[] = []
    const { agent, port, stop } = await bench(
      t,
      createHttp2Server((_request, response) => void open.push(response)),
      { grace: '20s' },
    )
    await agent.start(within())
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    const goneAway = once(session, 'goaway')
    const stream = session.request({ ':path': '/' }).setEncoding('utf8')
    let heard = ''
    stream.on('data', (chunk) => {
      heard += chunk
    })
    await until('it is asked', () => open.length === 1)
    const stopped = stop()
    await goneAway
    open[0]?.end('done')
    assert.ok((await stopped) < 15_000)
    assert.equal(heard, 'done')
  })

  it('that is given up closes everything, rejects, and can be done again', async (t) => {
    const listener = createServer((_request, response) => void response.write('data: 1\n\n'))
    const { agent, port } = await bench(t, listener, { grace: '20s' })
    await agent.start(within())
    const waiting = await client(port, ask)
    await until('it is served', () => waiting.heard() !== '')
    const limit = new AbortController()
    const stopped = agent.stop({ epoch: 1, signal: limit.signal })
    limit.abort(new Error('time is up'))
    await assert.rejects(stopped, /time is up/)
    await until('it is closed', () => waiting.closed)
    assert.equal((await agent.status(within())).state, 'failed')
    await agent.stop(within())
    await agent.start(within())
    assert.ok(await accepts(port))
  })
})

describe('server()', { timeout: 60_000 }, () => {
  it('is cut off in the middle of an answer and of a stop, and restored', async (t) => {
    const listener = createServer((_request, response) => void response.write('data: 1\n\n'))
    const { agent, port } = await bench(t, listener, { grace: '20s' })
    await agent.start(within())
    const first = await client(port, ask)
    await until('it is served', () => first.heard() !== '')
    await agent.isolate?.(within(2000))
    assert.ok(!(await accepts(port)))
    await until('the client is gone', () => first.closed)
    assert.deepEqual(await agent.status(within()), { state: 'failed', reason: `server:127.0.0.1:${port} was cut off` })
    await agent.restore?.(within())
    const second = await client(port, ask)
    await until('it is served again', () => second.heard() !== '')
    const stopped = agent.stop(within())
    await agent.isolate?.(within(2000))
    await stopped
    assert.ok(!(await accepts(port)))
  })

  it('says whose port it is, and goes on when it is free', async (t) => {
    const other = createNetServer()
    const { agent, port } = await bench(t, createServer())
    other.listen(port, '127.0.0.1')
    await once(other, 'listening')
    await assert.rejects(agent.start(within()), {
      code: 'HS_RESOURCE',
      message: new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port} \\(EADDRINUSE\\): another program`),
    })
    await new Promise((resolve) => other.close(resolve))
    await agent.start(within())
    assert.equal((await agent.status(within())).state, 'running')
  })

  it('refuses a server that the application itself has made listen', async (t) => {
    const listener = createServer()
    const { agent, port } = await bench(t, listener)
    listener.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    for (const asked of [agent.prepare?.(within()), agent.start(within())])
      await assert.rejects(asked ?? Promise.resolve(), /listens already; take listen\(\) out of the application/)
    listener.close()
  })

  it('notices that somebody has closed it, and still waits for what is open', async (t) => {
    const listener = createNetServer((socket) => socket.on('error', () => {}).write('hello'))
    const { agent, port, context } = await bench(t, listener, { grace: '200ms' })
    await agent.start(within())
    const waiting = await client(port)
    await until('it is accepted', () => waiting.heard() !== '')
    listener.close()
    const found = await agent.status(within())
    assert.match(found.state === 'failed' ? found.reason : '', /no longer listens on .*: something has closed it/)
    await agent.stop(within())
    await until('the client is gone', () => waiting.closed)
    assert.equal(context.changes(), 1)
  })

  it('that comes to listen after its start was given up is closed again', async (t) => {
    const listener = createServer()
    const { agent, port } = await bench(t, listener)
    let listenNow: (() => void) | undefined
    const { listen } = listener
    listener.listen = function later(this: HttpServer, ...args: unknown[]): HttpServer {
      listener.listen = listen
      listenNow = () => void Reflect.apply(listen, listener, args)
      return this
    } as typeof listen
    const limit = new AbortController()
    const started = agent.start({ epoch: 1, signal: limit.signal })
    await until('it is told to listen', () => listenNow !== undefined)
    limit.abort(new Error('time is up'))
    await assert.rejects(started, /does not listen yet/)
    listenNow?.()
    await once(listener, 'listening')
    await refused(port)
    assert.ok(!listener.listening)
  })

  it('says what is wrong with its options', () => {
    const wrong: readonly (readonly [() => unknown, RegExp])[] = [
      [() => server({} as NetServer, { port: 1 }), /server: a server of node:http.* is needed, got an object/],
      [() => server(createServer(), {} as ServerOptions), /server\.port: must be an integer.*got undefined/],
      [() => server(createServer(), { port: 70_000 }), /server\.port: must be an integer from 0 to 65535/],
      [() => server(createServer(), { port: 1, grace: '9s', stopTimeout: '9s' }), /grace: 9000 ms must be shorter/],
      [() => server(createServer(), { port: 1, name: 'my web' }), /server\.name: 'my web'/],
    ]
    for (const [make, message] of wrong) assert.throws(make, message)
    assert.equal(server(createServer(), { port: 80, host: '::1' }).name, 'server:[::1]:80')
  })
})

test('a pair of one HTTP application: a planned move answers every request that was accepted', {
  timeout: 60_000,
}, async (t) => {
  const port = await freePort()
  const network = memoryNetwork()
  let accepted = 0
  const make = (node: 'one' | 'two') => {
    const listener = createServer((_request, response) => {
      accepted++
      setTimeout(() => response.end(node), 20)
    })
    const groups = [{ name: 'web', preferred: 'one', resources: [server(listener, { port, host: '127.0.0.1' })] }]
    // Both listen on one port of this host: a machine that is busy must not look like a death.
    const liveness = deadtime({ keepalive: '50ms', deadtime: '4s', initdead: '4s' })
    return new Cluster(memberOptions(t, node, [network.transport('a'), network.transport('b')], { groups, liveness }))
  }
  const [one, two] = [make('one'), make('two')]
  t.after(() => Promise.allSettled([one.stop(), two.stop()]))
  for (const member of [one, two]) member.onAny((event) => t.diagnostic(`${member.node} ${describeEvent(event)}`))
  await one.start()
  await until('one serves', () => stateOf(one) === 'active')
  await two.start()
  await until('two stands by', () => stateOf(two) === 'standby')
  const answers: string[] = []
  let asking = true
  t.after(() => {
    asking = false
  })
  const ask = () =>
    new Promise<string>((resolve) => {
      const sent = get({ host: '127.0.0.1', port, agent: false }, (response: IncomingMessage) => {
        response
          .setEncoding('utf8')
          .once('data', resolve)
          .once('error', ({ message }) => resolve(message))
      })
      sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
  const asks = (async () => {
    while (asking) {
      const answer = await ask()
      if (answer === 'one' || answer === 'two') answers.push(answer)
      else await new Promise((done) => setTimeout(done, 2))
    }
  })()
  await until('one answers', () => answers.includes('one'))
  await one.standby()
  assert.deepEqual([stateOf(one), stateOf(two)], ['standby', 'active'])
  await until('two answers', () => answers.includes('two'))
  asking = false
  await asks
  assert.equal(answers.length, accepted)
})
