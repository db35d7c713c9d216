import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { describe, it, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { etcd, isHotStandbyError } from '../../src/index.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import { type LeaseStoreFixture, leaseStoreSuite } from '../../src/testing/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, stateOf, until } from '../support/pair.ts'

const here = spawnSync('etcd', ['--version']).status === 0
const skip = here ? false : 'etcd is not installed'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A real etcd of one member on loopback. */
class Etcd {
  readonly #directory: string
  readonly #port: number
  readonly #peerPort: number
  #child: ChildProcess | undefined

  constructor(directory: string, port: number, peerPort: number) {
    this.#directory = directory
    this.#port = port
    this.#peerPort = peerPort
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const peers = `http://127.0.0.1:${this.#peerPort}`
    const args = ['--name', 'one', '--data-dir', this.#directory, '--logger', 'zap', '--log-level', 'error']
    const urls = ['--listen-client-urls', this.url, '--advertise-client-urls', this.url]
    const peer = [
      '--listen-peer-urls',
      peers,
      '--initial-advertise-peer-urls',
      peers,
      '--initial-cluster',
      `one=${peers}`,
    ]
    this.#child = spawn('etcd', [...args, ...urls, ...peer], { stdio: 'ignore' })
    for (let tries = 0; tries < 300; tries++) {
      const well = await fetch(`${this.url}/health`).then(
        (answer) => answer.ok,
        () => false,
      )
      if (well) return
      await sleep(50)
    }
    throw new Error('etcd did not come up within 15 s')
  }

  /** It stands still; a signal takes its time. */
  async pause(): Promise<void> {
    this.#child?.kill('SIGSTOP')
    const answers = () =>
      fetch(`${this.url}/health`, { signal: AbortSignal.timeout(200) }).then(
        () => true,
        () => false,
      )
    while (await answers()) await sleep(10)
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}

async function running(t: Parameters<typeof temporaryDirectory>[0]): Promise<Etcd> {
  const server = new Etcd(temporaryDirectory(t), await freePort(), await freePort())
  t.after(() => server.stop())
  await server.start()
  return server
}

const soon = () => AbortSignal.timeout(10_000)

describe('etcd', { skip }, () => {
  const leftovers: (() => unknown)[] = []
  const create = async (): Promise<LeaseStoreFixture> => {
    const server = await running({ after: (run) => void leftovers.push(run) })
    return {
      plugin: etcd({ endpoints: [server.url] }),
      restart: async () => {
        await server.stop()
        await server.start()
      },
      silence: () => server.pause(),
      cleanup: async () => {
        server.resume()
        for (const run of leftovers.splice(0)) await run()
      },
    }
  }
  leaseStoreSuite({ test, create, manifest: { restarts: true, silences: true } })

  it('goes on with the next member where one is not there, and never sends a write twice', async (t) => {
    const server = await running(t)
    const nobody = `http://127.0.0.1:${await freePort()}`
    const store = etcd({ endpoints: [nobody, server.url] }).create({ cluster: 'c', logger: silentLogger, problem() {} })
    t.after(() => store.close())
    assert.equal((await store.swap('web', null, 'x', soon())).swapped, true)
    let asked = 0
    // It takes the request and hangs up: nobody can know what it has done.
    const deaf = createServer((socket) => {
      asked++
      socket.once('data', () => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(deaf, 'listening')
    t.after(() => deaf.close())
    const { port } = deaf.address() as { port: number }
    const doubtful = etcd({ endpoints: [`http://127.0.0.1:${port}`, server.url] })
    const other = doubtful.create({ cluster: 'c', logger: silentLogger, problem() {} })
    t.after(() => other.close())
    await assert.rejects(other.swap('mail', null, 'x', soon()), (error: unknown) => {
      assert.ok(isHotStandbyError(error))
      return error.code === 'HS_STORE'
    })
    assert.equal(asked, 1)
    assert.equal(await other.read('mail', soon()), null)
  })

  it('takes a store that was made anew for another one', async (t) => {
    const first = await running(t)
    const store = etcd({ endpoints: [first.url] }).create({ cluster: 'c', logger: silentLogger, problem() {} })
    t.after(() => store.close())
    const wrote = await store.swap('web', null, 'x', soon())
    assert.ok(wrote.swapped)
    assert.match(wrote.version, /^\d+\.\d+$/)
    const foreign = `7.${wrote.version.split('.')[1]}`
    assert.deepEqual(await store.swap('web', foreign, 'y', soon()), { swapped: false })
    assert.equal((await store.read('web', soon()))?.value, 'x')
  })

  it('leases a pair, which never has two owners while its lines are cut', async (t) => {
    const server = await running(t)
    const lease = { store: etcd({ endpoints: [server.url] }), ttl: '3s' } as const
    const { one, two } = pairOf(t, { lease, agent: { stopTimeout: '300ms' }, requireGuarantee: 'G2' })
    await Promise.all([one.start(), two.start()])
    await until('one serves', () => stateOf(one) === 'active')
    await one.standby()
    await until('two serves', () => stateOf(two) === 'active')
    assert.equal(stateOf(one), 'standby')
    const lost = new Promise<string>((resolve) => two.on('lease:lost', ({ why }) => resolve(why)))
    await server.pause()
    assert.equal(await lost, 'expired')
    assert.notEqual(stateOf(one), 'active')
    server.resume()
    await until('somebody serves again', () => [one, two].filter((node) => stateOf(node) === 'active').length === 1)
  })
})

describe('what is not etcd', () => {
  const answers: readonly (readonly [answer: string, status: number, says: RegExp])[] = [
    ['<html>It works!</html>', 200, /an answer that is not JSON/],
    ['null', 200, /its answer names no cluster/],
    ['{"header":{"cluster_id":"7"},"kvs":5}', 200, /records that are not a list/],
    ['{"header":{"cluster_id":"7"},"kvs":[null]}', 200, /a record without a revision/],
    ['{"header":{"cluster_id":"7"},"kvs":[{"mod_revision":5}]}', 200, /a record without a revision/],
    ['{"error":"etcdserver: no leader"}', 503, /etcd answers 503: etcdserver: no leader/],
    [`"${'x'.repeat(2_000_000)}"`, 200, /an answer of more than 1048576 bytes/],
  ]
  for (const [answer, status, says] of answers)
    it(`is not believed: ${answer.slice(0, 60)}`, async (t) => {
      const server = createHttpServer((_, response) => response.writeHead(status).end(answer)).listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => server.close())
      const { port } = server.address() as { port: number }
      const store = etcd({ endpoints: [`http://127.0.0.1:${port}`] })
      const opened = store.create({ cluster: 'c', logger: silentLogger, problem() {} })
      t.after(() => opened.close())
      await assert.rejects(opened.read('web', soon()), (error: unknown) => {
        assert.ok(isHotStandbyError(error))
        assert.equal(error.code, 'HS_STORE')
        assert.match(error.message, says)
        return true
      })
    })
})

describe('options of etcd', () => {
  const refusal = (options: unknown): string => {
    try {
      etcd(options as Parameters<typeof etcd>[0])
    } catch (error) {
      assert.ok(isHotStandbyError(error))
      assert.equal(error.code, 'HS_CONFIG')
      return error.message
    }
    return ''
  }

  it('are told where they are wrong', () => {
    assert.match(refusal({ endpoints: [] }), /etcd\.endpoints: must name at least one member/)
    assert.match(
      refusal({ endpoints: ['10.0.0.5:2379'] }),
      /etcd\.endpoints\[0\]: '10\.0\.0\.5:2379' is not an address/,
    )
    assert.match(refusal({ endpoints: ['http://u:p@10.0.0.5:2379'] }), /is not an address/)
    assert.match(refusal({ endpoints: ['http://10.0.0.5:2379'], user: 'root' }), /user and password belong together/)
    assert.match(refusal({ endpoint: ['http://10.0.0.5:2379'] }), /did you mean 'endpoints'/)
    assert.match(refusal(undefined), /the options must be an object/)
  })

  it('keep secrets to themselves', () => {
    const plugin = etcd({ endpoints: ['https://10.0.0.5:2379'], user: 'root', password: 'secret', key: 'secret key' })
    assert.ok(!JSON.stringify(plugin).includes('secret'))
    assert.equal(plugin.description, 'etcd at 10.0.0.5:2379')
  })
})
