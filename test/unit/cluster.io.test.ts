import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import {
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  isHotStandbyError,
  type Logger,
  memoryNetwork,
  type NamedEvent,
  type ResourcePlugin,
  sha256,
  udpUnicast,
} from '../../src/index.ts'
import { openStateDirectory } from '../../src/platform/state.ts'
import { collectingLogger, temporaryDirectory } from '../support/agents.ts'
import { freeUdpPorts, memberOptions, pairOf, startPair, stateOf, until } from '../support/pair.ts'
import { root } from '../support/sources.ts'

/** Matches an error of the library by its code, and its message. */
const failure =
  (code: string, message: RegExp = /./) =>
  (error: unknown) => {
    assert.ok(isHotStandbyError(error), String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  }

const hangs = <T = void>() => new Promise<T>(() => {})

describe('a pair', () => {
  it('on loopback UDP: starts, hands over, takes back, sends, stops', async (t) => {
    const [a = 0, b = 0] = await freeUdpPorts(2)
    const link = udpUnicast({ addresses: { one: `127.0.0.1:${a}`, two: `127.0.0.1:${b}` } })
    const one = new Cluster(memberOptions(t, 'one', [link]))
    const two = new Cluster(memberOptions(t, 'two', [link]))
    t.after(() => Promise.allSettled([one.stop(), two.stop()]))
    await startPair(one, two)
    await one.standby()
    assert.deepEqual([stateOf(one), stateOf(two)], ['standby', 'active'])
    await one.takeover(['jobs'])
    assert.deepEqual([stateOf(one), stateOf(two)], ['active', 'standby'])
    const heard = two.once('message')
    await one.send('hello')
    assert.equal(Buffer.from((await heard).payload).toString(), 'hello')
    await one.stop()
    assert.equal(stateOf(two), 'active', 'stop() hands over before it resolves')
    assert.equal(two.snapshot().peer.liveness, 'left')
    await two.stop()
  })

  it('on one machine uses every link, the one on loopback too', async (t) => {
    const [a = 0, b = 0] = await freeUdpPorts(2)
    const loopback = udpUnicast({ addresses: { one: `127.0.0.1:${a}`, two: `127.0.0.1:${b}` } })
    const { one, two } = pairOf(t, { transports: [loopback, memoryNetwork().transport()] })
    await startPair(one, two)
    assert.deepEqual(
      one.snapshot().links.map(({ type }) => type),
      ['udp-unicast', 'memory'],
    )
  })

  it('in memory: the peer takes over with a higher epoch when a member falls silent, and one is left after the merge', async (t) => {
    const { one, two, network } = pairOf(t)
    await startPair(one, two)
    const before = one.snapshot().groups[0]?.epoch ?? 0
    const contested = two.once('contested')
    network.partition('one', 'two')
    const acquired = await two.once('group:acquired')
    assert.equal(acquired.reason, 'peer-dead')
    assert.ok(acquired.epoch > before)
    network.repair('one', 'two')
    await contested
    await until('one owner', () => [stateOf(one), stateOf(two)].filter((state) => state === 'active').length === 1)
  })

  it('tells who serves in its snapshot, which is frozen and plain', async (t) => {
    const { one, two } = pairOf(t)
    assert.equal(one.snapshot().life, 'new')
    await startPair(one, two)
    await until('the other one knows', () => two.snapshot().groups[0]?.servedBy === 'one')
    const snapshot = two.snapshot()
    assert.deepEqual(structuredClone(snapshot), snapshot)
    assert.throws(() => Object.assign(snapshot.groups[0] as object, { state: 'active' }), TypeError)
    assert.deepEqual(
      snapshot.links.map(({ link, type, path }) => [link, type, path]),
      [
        ['a', 'memory', 'two -> one'],
        ['b', 'memory', 'two -> one'],
      ],
    )
  })

  it('serves groups with different preferred nodes on both', async (t) => {
    const plugin = (name: string) => app({ name, start() {}, stop() {} })
    const { one, two } = pairOf(t, {
      groups: [
        { name: 'left', preferred: 'one', resources: [plugin('left')] },
        { name: 'right', preferred: 'two', resources: [plugin('right')] },
      ],
    })
    await Promise.all([one.start(), two.start()])
    const served = () => one.snapshot().groups.map(({ servedBy }) => servedBy)
    await until('each serves its own', () => served().join() === 'one,two')
    await one.standby('local')
    assert.deepEqual(served(), ['two', 'two'])
    await assert.rejects(one.standby('local'), failure('HS_MOVE'))
  })

  it('stops at the end of an `await using` block', async (t) => {
    const { one, two, calls } = pairOf(t)
    await startPair(one, two)
    {
      await using member = one
      assert.equal(member.snapshot().life, 'running')
    }
    assert.equal(one.snapshot().life, 'stopped')
    assert.deepEqual(calls.one, ['start', 'stop'])
    await until('two serves', () => stateOf(two) === 'active')
  })
})

describe('calls in the wrong state', () => {
  it('are refused with HS_STATE', async (t) => {
    const { one } = pairOf(t)
    await assert.rejects(one.standby(), failure('HS_STATE', /not started/))
    await assert.rejects(one.takeover(), failure('HS_STATE', /not started/))
    await assert.rejects(one.send('x'), failure('HS_STATE', /not started/))
    await assert.rejects(one.reload({} as never), failure('HS_STATE', /not started/))
    await one.stop()
    await one.stop()
    await assert.rejects(one.start(), failure('HS_STATE', /stopped; make a new one/))
  })

  it('start and stop are idempotent', async (t) => {
    const { one, two, calls } = pairOf(t)
    assert.equal(one.start(), one.start())
    await startPair(one, two)
    const names: string[] = []
    one.onAny(({ name }) => names.push(name))
    await Promise.all([one.stop(), one.stop()])
    await one.stop()
    assert.deepEqual(calls.one, ['start', 'stop'])
    assert.equal(names.filter((name) => name === 'stopped').length, 1)
    assert.equal(names.at(-1), 'stopped', 'nothing follows')
    await assert.rejects(one.standby(), failure('HS_STATE', /stopped/))
  })

  it('stop() ends a start that hangs', async (t) => {
    const agent = {
      ...app({ start() {}, stop() {} }),
      create: () => ({ open: hangs, start: hangs, stop: hangs, status: hangs }),
    }
    const { one } = pairOf(t, { groups: [{ name: 'jobs', preferred: 'one', resources: [agent as never] }] })
    const starting = assert.rejects(one.start(), failure('HS_STATE', /stopped while it was starting/))
    await sleep(20)
    await one.stop()
    await starting
  })

  it('a peer that is absent is told apart from a refusal', async (t) => {
    const { one } = pairOf(t)
    await one.start()
    await until('serves alone', () => stateOf(one) === 'active')
    await assert.rejects(one.standby(), failure('HS_PEER', /two/))
    await assert.rejects(one.send('x'), failure('HS_PEER', /two/))
    assert.equal(stateOf(one), 'active')
  })

  it('what is no scope, and no message, is refused by name', async (t) => {
    const { one, two } = pairOf(t)
    await startPair(one, two)
    await assert.rejects(one.standby('jobs' as never), failure('HS_MOVE', /'jobs' is neither/))
    await assert.rejects(one.standby(['nobody']), failure('HS_MOVE', /nobody.*known groups: jobs/))
    await assert.rejects(one.standby([]), failure('HS_MOVE'))
    await assert.rejects(one.takeover(null as never), failure('HS_MOVE', /'null' is neither/))
    await assert.rejects(one.send(5 as never), failure('HS_MESSAGE', /not number/))
    await assert.rejects(one.send(new Uint8Array(60_001)), failure('HS_MESSAGE', /60001 bytes are too many/))
    await one.send(new Uint8Array(60_000))
    assert.equal(stateOf(one), 'active')
  })
})

describe('an AbortSignal', () => {
  const reason = new Error('enough')

  it('that is aborted lets nothing begin', async (t) => {
    const { one, two, calls } = pairOf(t)
    await startPair(one, two)
    const signal = AbortSignal.abort(reason)
    for (const call of [one.standby('all', { signal }), one.takeover('all', { signal }), one.send('x', { signal })])
      await assert.rejects(call, reason)
    await assert.rejects(one.stop({ signal }), reason)
    await assert.rejects(one.once('phase', { signal }), reason)
    for await (const _ of one.events('phase', { signal })) assert.fail('nothing is heard')
    assert.deepEqual([stateOf(one), calls.one], ['active', ['start']])
  })

  it('ends the waiting, not what was begun', async (t) => {
    let release = () => {}
    let hangs = true
    const stop = () =>
      new Promise<void>((done) => {
        if (hangs) release = done
        else done()
      })
    const { one, two } = pairOf(t, { agent: { stop } })
    await startPair(one, two)
    const controller = new AbortController()
    const moving = assert.rejects(one.standby('all', { signal: controller.signal }), reason)
    await one.once('group:stopping')
    controller.abort(reason)
    await moving
    await until('the move went on', () => {
      release()
      return stateOf(two) === 'active'
    })
    const stopping = new AbortController()
    const ended = assert.rejects(two.stop({ signal: stopping.signal }), reason)
    stopping.abort(reason)
    await ended
    await until('the stop went on', () => {
      release()
      return two.snapshot().life === 'stopped'
    })
    hangs = false
    release()
  })

  it('ends a start and leaves nothing behind', async (t) => {
    const network = memoryNetwork()
    const slow: ResourcePlugin = {
      ...app({ start() {}, stop() {} }),
      create: () => ({ open: hangs, start: hangs, stop: hangs, status: async () => ({ state: 'stopped' }) }),
    }
    const options = memberOptions(t, 'one', [network.transport()], {
      groups: [{ name: 'jobs', preferred: 'one', resources: [slow] }],
    })
    const controller = new AbortController()
    const cluster = new Cluster(options)
    const starting = assert.rejects(cluster.start({ signal: controller.signal }), reason)
    await sleep(20)
    controller.abort(reason)
    await starting
    await assert.rejects(cluster.start(), failure('HS_STATE', /failed; make a new one/))
    const next = new Cluster({ ...options, groups: memberOptions(t, 'one', []).groups })
    await next.start()
    await next.stop()
  })
})

describe('a start that fails leaves nothing behind', () => {
  it('port in use: HS_TRANSPORT, and the state directory is free again', async (t) => {
    const [a = 0, b = 0] = await freeUdpPorts(2)
    const link = udpUnicast({ addresses: { one: `127.0.0.1:${a}`, two: `127.0.0.1:${b}` } })
    const taken = createSocket('udp4')
    await new Promise<void>((done) => taken.bind(a, '127.0.0.1', done))
    const options = memberOptions(t, 'one', [link])
    const cluster = new Cluster(options)
    const next = cluster.once('stopped')
    await assert.rejects(cluster.start(), failure('HS_TRANSPORT', new RegExp(`${a}.*in use`)))
    await assert.rejects(next, failure('HS_STATE'))
    await cluster.stop()
    assert.equal(cluster.snapshot().life, 'failed')
    taken.close()
    const again = new Cluster(options)
    await again.start()
    await again.stop()
  })

  it('a second link that fails closes the first', async (t) => {
    const [a = 0, b = 0, c = 0] = await freeUdpPorts(3)
    const good = udpUnicast({ addresses: { one: `127.0.0.1:${a}`, two: `127.0.0.1:${b}` }, link: 'good' })
    const bad = udpUnicast({ peer: '127.0.0.1', localAddress: '192.0.2.1', port: c, link: 'bad' })
    await assert.rejects(
      new Cluster(memberOptions(t, 'one', [good, bad])).start(),
      failure('HS_TRANSPORT', /192\.0\.2\.1/),
    )
    const socket = createSocket('udp4')
    await new Promise<void>((done, fail) => socket.once('error', fail).bind(a, '127.0.0.1', done))
    socket.close()
  })

  it('a locked state directory: HS_STATE_DIRECTORY names the holder', async (t) => {
    const { one } = pairOf(t)
    const options = memberOptions(t, 'one', [memoryNetwork().transport()])
    const first = new Cluster(options)
    await first.start()
    await assert.rejects(new Cluster(options).start(), failure('HS_STATE_DIRECTORY', /in use by this process itself/))
    await first.stop()
    await one.stop()
  })

  it('a missing key file, and one that others may read: HS_KEY', async (t) => {
    const directory = temporaryDirectory(t)
    const keyFile = join(directory, 'key')
    const options = memberOptions(t, 'one', [memoryNetwork().transport()], { authenticator: sha256({ keyFile }) })
    await assert.rejects(new Cluster(options).start(), failure('HS_KEY', /key/))
    writeFileSync(keyFile, 'a secret of at least 32 characters!!')
    chmodSync(keyFile, 0o644)
    await assert.rejects(new Cluster(options).start(), failure('HS_KEY', /0?644/))
    chmodSync(keyFile, 0o600)
    const cluster = new Cluster(options)
    await cluster.start()
    await cluster.stop()
  })

  it('an agent that refuses to open', async (t) => {
    const plugin: ResourcePlugin = {
      ...app({ start() {}, stop() {} }),
      create: () => ({
        open: async () => {
          throw new Error('no such device')
        },
        start: hangs,
        stop: hangs,
        status: async () => ({ state: 'stopped' }),
      }),
    }
    const { one } = pairOf(t, { groups: [{ name: 'jobs', preferred: 'one', resources: [plugin] }] })
    await assert.rejects(one.start(), /no such device/)
  })
})

describe('the heart goes on beating', () => {
  it('when listeners throw, reject or hang', async (t) => {
    const { logger, lines } = collectingLogger()
    const { one, two } = pairOf(t, { logger })
    const problems: string[] = []
    const heard: string[] = []
    one.on('group:starting', () => {
      throw new Error('thrown')
    })
    one.on('group:starting', () => Promise.reject(new Error('rejected')))
    one.on('group:starting', hangs)
    one.on('group:starting', ({ group }) => heard.push(group))
    one.onAny(({ name }) => {
      if (name === 'group:acquired') throw new Error('any')
    })
    one.on('problem', ({ where, code, message }) => {
      problems.push(`${where}: ${message} (${code})`)
      throw new Error('a listener of problem')
    })
    await startPair(one, two)
    await until('all three are told', () => problems.length >= 3)
    assert.deepEqual(problems.sort(), [
      'listener group:acquired: any (HS_HOST)',
      'listener group:starting: rejected (HS_HOST)',
      'listener group:starting: thrown (HS_HOST)',
    ])
    assert.deepEqual(heard, ['jobs'])
    assert.ok(lines.some((line) => line === "error a listener of 'problem' failed: a listener of problem"))
  })

  it('when the logger throws or rejects', async (t) => {
    const broken = () => {
      throw new Error('the disk is full')
    }
    const rejecting = (async () => broken()) as () => void
    const logger: Logger = { debug: broken, info: broken, warn: rejecting, error: broken }
    const { one, two } = pairOf(t, { logger })
    await startPair(one, two)
    await one.standby()
    assert.equal(stateOf(two), 'active')
  })

  it('when an agent hangs: its limit ends the start, the peer tries', async (t) => {
    const network = memoryNetwork()
    const links = [network.transport('a'), network.transport('b')]
    const signals: AbortSignal[] = []
    const stuck = app({
      start: ({ signal }) => {
        signals.push(signal)
        return hangs()
      },
      stop() {},
      startTimeout: '200ms',
    })
    const one = new Cluster(
      memberOptions(t, 'one', links, { groups: [{ name: 'jobs', preferred: 'one', resources: [stuck] }] }),
    )
    const two = new Cluster(memberOptions(t, 'two', links))
    t.after(() => Promise.allSettled([one.stop(), two.stop()]))
    const failed = one.once('group:failed')
    const beats: number[] = []
    const beating = setInterval(() => beats.push(one.snapshot().peer.silentMs), 20)
    t.after(() => clearInterval(beating))
    await Promise.all([one.start(), two.start()])
    assert.match((await failed).reason, /start was not finished within 200 ms/)
    await until('two serves', () => stateOf(two) === 'active')
    assert.ok(signals[0]?.aborted)
    assert.ok(two.snapshot().peer.silentMs < 1000)
  })

  it('when an agent throws and its status lies', async (t) => {
    const network = memoryNetwork()
    const links = [network.transport('a'), network.transport('b')]
    const agents: readonly Parameters<typeof app>[0][] = [
      {
        name: 'throws',
        start() {
          throw new Error('cannot')
        },
        stop() {},
      },
      { name: 'lies', start() {}, stop() {}, status: (() => 'fine') as never, statusInterval: '50ms' },
      {
        name: 'throws-at-status',
        start() {},
        stop() {},
        status() {
          throw new Error('asked too often')
        },
        statusInterval: '50ms',
      },
    ]
    const groups = (make: (agent: Parameters<typeof app>[0]) => ResourcePlugin) =>
      agents.map((agent) => ({ name: agent.name ?? '', preferred: 'one', resources: [make(agent)] }))
    const one = new Cluster(memberOptions(t, 'one', links, { groups: groups(app) }))
    const two = new Cluster(
      memberOptions(t, 'two', links, { groups: groups(({ name }) => app({ name, start() {}, stop() {} })) }),
    )
    t.after(() => Promise.allSettled([one.stop(), two.stop()]))
    const reasons: string[] = []
    one.on('resource:failed', ({ resource, reason }) => reasons.push(`${resource}: ${reason}`))
    one.on('group:failed', ({ group, reason }) => reasons.push(`${group}: ${reason}`))
    await Promise.all([one.start(), two.start()])
    await until('two serves all of them', () => two.snapshot().groups.every(({ state }) => state === 'active'))
    const all = reasons.join('\n')
    assert.match(all, /throws: .*start\(\) of throws failed: cannot/)
    assert.match(all, /lies: .*status\(\) returned "fine"/)
    assert.match(all, /throws-at-status: .*asked too often/)
  })

  it('when an agent never closes, stop() still ends', { timeout: 30_000 }, async (t) => {
    const plugin: ResourcePlugin = {
      ...app({ start() {}, stop() {} }),
      create: () => ({
        start: async () => {},
        stop: async () => {},
        status: async () => ({ state: 'running' }),
        close: hangs,
      }),
    }
    const { logger, lines } = collectingLogger()
    const { one } = pairOf(t, { groups: [{ name: 'jobs', preferred: 'one', resources: [plugin] }], logger })
    await one.start()
    await one.stop()
    assert.ok(lines.includes('warn closing: not finished after 10000 ms'), lines.join('\n'))
  })
})

describe('a stop that fails', () => {
  it('calls onFatal when nothing can cut the resource off, and stop() rejects', async (t) => {
    const errors: unknown[] = []
    const { one } = pairOf(t, {
      agent: {
        stop() {
          throw new Error('will not')
        },
        stopTimeout: '100ms',
      },
      onFatal: (error) => {
        errors.push(error)
        throw new Error('onFatal itself fails')
      },
    })
    await one.start()
    await until('serves', () => stateOf(one) === 'active')
    const fatal = one.once('fatal')
    await assert.rejects(one.stop(), failure('HS_STOP_FAILED', /jobs.*will not/))
    assert.equal((await fatal).group, 'jobs')
    await until('onFatal was called', () => errors.length === 1)
    assert.ok(failure('HS_STOP_FAILED')(errors[0]))
    assert.equal(one.snapshot().life, 'stopped')
  })
})

describe('waiting for events', () => {
  it('`once` resolves with the payload and is heard once', async (t) => {
    const { one, two } = pairOf(t)
    const acquired = one.once('group:acquired')
    await startPair(one, two)
    assert.equal((await acquired).group, 'jobs')
  })

  it('`events` hears from the call on, in order, and ends with the cluster', async (t) => {
    const { one, two } = pairOf(t)
    const states = one.events('group:acquired')
    await startPair(one, two)
    await one.standby()
    await one.takeover()
    const epochs: number[] = []
    const reading = (async () => {
      for await (const { epoch } of states) epochs.push(epoch)
    })()
    await one.stop()
    await reading
    assert.equal(epochs.length, 2)
    assert.ok((epochs[0] as number) < (epochs[1] as number))
    for await (const _ of one.events('phase')) assert.fail('nothing follows')
    await assert.rejects(one.once('phase'), failure('HS_STATE', /no 'phase' follows/))
  })

  it('`events` is left at once, also while it waits', async (t) => {
    const { one } = pairOf(t)
    const messages = one.events('message')
    const next = messages.next()
    await messages.return?.()
    assert.deepEqual(await next, { done: true, value: undefined })
    const controller = new AbortController()
    const other = one.events('message', { signal: controller.signal })
    const waiting = other.next()
    controller.abort()
    assert.deepEqual(await waiting, { done: true, value: undefined })
  })

  it('the function that `on` returns ends it', async (t) => {
    const { one, two } = pairOf(t)
    const heard: string[] = []
    const off = one.on('group:starting', () => heard.push('on'))
    const offAny = one.onAny(() => heard.push('any'))
    off()
    offAny()
    off()
    await startPair(one, two)
    assert.deepEqual(heard, [])
  })

  it('diagnostics_channel carries every event with cluster and node', async (t) => {
    const { one, two } = pairOf(t)
    const heard: (NamedEvent & { cluster: string; node: string })[] = []
    const listener = (message: unknown) => void heard.push(message as (typeof heard)[0])
    subscribe('hot-standby:group:acquired', listener)
    t.after(() => unsubscribe('hot-standby:group:acquired', listener))
    await startPair(one, two)
    assert.equal(heard.length, 1)
    const [{ cluster, node, name, payload } = assert.fail()] = heard
    assert.deepEqual(
      [cluster, node, name, (payload as { group: string }).group],
      ['pair', 'one', 'group:acquired', 'jobs'],
    )
  })

  it('pino and console fit as loggers', async (t) => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    const { one, two } = pairOf(t, { logger: logger.child({ component: 'pair' }) })
    assert.ok(new Cluster(memberOptions(t, 'one', [memoryNetwork().transport()], { logger: console })))
    await startPair(one, two)
    const line = lines.find(({ event }) => event === 'group:acquired')
    assert.equal(line?.['component'], 'pair')
    assert.match(String(line?.['msg']), /^jobs is served here \(epoch \d+/)
  })
})

describe('messages of the application', () => {
  it('arrive once, in order, as they were', async (t) => {
    const { one, two, network } = pairOf(t)
    await startPair(one, two)
    const got: string[] = []
    two.on('message', ({ payload }) => got.push(Buffer.from(payload).toString()))
    network.loss(0.2)
    const sent = Array.from({ length: 50 }, (_, index) => `message ${index} \n\0 ü`)
    await Promise.all(sent.map((text) => one.send(text)))
    assert.deepEqual(got, sent)
    network.loss(0)
  })

  it('reject when the peer dies before it has acknowledged', async (t) => {
    const { one, two, network } = pairOf(t)
    await startPair(one, two)
    network.partition('one', 'two')
    const dead = one.once('peer:dead')
    // Not HS_PEER: it was sent, and nobody knows whether it has arrived. Which of both is known first is the clock's.
    await assert.rejects(one.send('lost'), failure('HS_MESSAGE', /two is dead|two does not hear this node/))
    await dead
    await assert.rejects(one.send('not sent'), failure('HS_PEER', /two is dead/))
  })

  it('reject when this member stops', async (t) => {
    const { one, two, network } = pairOf(t)
    await startPair(one, two)
    network.hold('one', 'two')
    const lost = assert.rejects(one.send('lost'), isHotStandbyError)
    await one.stop()
    await lost
  })
})

describe('reload', () => {
  it('adds and removes groups, changes times and keys, while a group is served', async (t) => {
    const { one, two, calls, options } = pairOf(t)
    await startPair(one, two)
    const changed = (node: 'one' | 'two') => ({
      ...options[node],
      authenticator: sha256({ key: 'another secret of at least 32 chars!!' }),
      liveness: deadtime({ keepalive: '40ms', deadtime: '1200ms', initdead: '2s' }),
      groups: [
        ...options[node].groups,
        { name: 'more', preferred: 'two', resources: [app({ name: 'more', start() {}, stop() {} })] },
      ],
    })
    await Promise.all([one.reload(changed('one')), two.reload(changed('two'))])
    await until('the new group is served by two', () => one.snapshot().groups[1]?.servedBy === 'two')
    assert.equal(one.snapshot().peer.deadtimeMs, 1200)
    await Promise.all([one.reload(options.one), two.reload(options.two)])
    await until(
      'one group is left',
      () => one.snapshot().groups.length === 1 && one.snapshot().peer.deadtimeMs === 1000,
    )
    assert.deepEqual([stateOf(one), stateOf(two), calls.one, calls.two], ['active', 'standby', ['start'], []])
  })

  it('refuses what needs a restart, and changes nothing', async (t) => {
    const network = memoryNetwork()
    const options = memberOptions(t, 'one', [network.transport()])
    const cluster = new Cluster(options)
    t.after(() => cluster.stop())
    await cluster.start()
    const refused: readonly (readonly [object, RegExp])[] = [
      [{ name: 'other' }, /name: 'pair' became 'other'; that needs a restart/],
      [{ nodes: ['one', 'three'] }, /nodes/],
      [{ transports: [network.transport('b')] }, /transports/],
      [{ respawn: [{ command: '/bin/true', args: [] }] }, /respawn/],
      [{ groups: [] }, /groups/],
    ]
    for (const [change, message] of refused)
      await assert.rejects(cluster.reload({ ...options, ...change } as never), failure('HS_CONFIG', message))
    const bad = app({ name: 'bad', start() {}, stop() {} })
    const groups = [
      ...options.groups,
      { name: 'good', preferred: 'one', resources: [app({ name: 'good', start() {}, stop() {} })] },
      {
        name: 'bad',
        preferred: 'one',
        resources: [
          {
            ...bad,
            create: () => ({
              open: () => Promise.reject(new Error('cannot open')),
              start: hangs,
              stop: hangs,
              status: hangs,
            }),
          },
        ],
      },
    ]
    await assert.rejects(cluster.reload({ ...options, groups } as never), /cannot open/)
    assert.deepEqual(Object.keys(cluster.snapshot().resources), ['app'])
    await cluster.reload({ ...options, groups: groups.slice(0, 2) })
    await until('the new group is served too', () => cluster.snapshot().groups.every(({ state }) => state === 'active'))
    await cluster.reload(options)
    assert.deepEqual(
      cluster.snapshot().groups.map(({ name }) => name),
      ['jobs'],
    )
  })
})

describe('reloads that overlap', () => {
  const slowApp = (name: string, openMs: number | undefined) => ({
    ...app({ name, start() {}, stop() {} }),
    create: () => ({
      // Without a time it never opens, and holds no timer that would keep this process.
      open: () => new Promise<void>((resolve) => openMs !== undefined && setTimeout(resolve, openMs)),
      start: async () => {},
      stop: async () => {},
      status: async () => ({ state: 'running' as const }),
    }),
  })

  it('end with the newest options, and the overtaken call says so', async (t) => {
    const options = memberOptions(t, 'one', [memoryNetwork().transport()])
    const cluster = new Cluster(options)
    t.after(() => cluster.stop())
    await cluster.start()
    const extra = { name: 'extra', preferred: 'one', resources: [slowApp('extra', 5000)] }
    const older = cluster.reload({ ...options, groups: [...options.groups, extra], holdDown: '9s' })
    const overtaken = assert.rejects(older, failure('HS_SUPERSEDED', /newer reload/))
    await new Promise((resolve) => setImmediate(resolve))
    await cluster.reload({ ...options, holdDown: '7s' })
    await overtaken
    assert.deepEqual(Object.keys(cluster.snapshot().resources), ['app'])
  })

  it('do not hold up a stop: an agent that never opens is left behind at once', async (t) => {
    const options = memberOptions(t, 'one', [memoryNetwork().transport()])
    const cluster = new Cluster(options)
    await cluster.start()
    const hung = { name: 'hung', preferred: 'one', resources: [slowApp('hung', undefined)] }
    const reload = cluster.reload({ ...options, groups: [...options.groups, hung] })
    const ended = assert.rejects(reload, failure('HS_STATE', /stopped/))
    await new Promise((resolve) => setImmediate(resolve))
    await cluster.stop()
    await ended
  })
})

describe('what is left of an earlier run', () => {
  /** What a killed member would have written down. */
  const leave = async (options: ClusterOptions, resource: string, record: Record<string, unknown>) => {
    const state = openStateDirectory(options.stateDirectory as string)
    state.remember(resource, record)
    await state.close()
  }

  it('of a resource that is configured no more is told, and stays', async (t) => {
    const options = memberOptions(t, 'one', [memoryNetwork().transport()])
    await leave(options, 'old', { address: '192.0.2.1' })
    const cluster = new Cluster(options)
    const problem = cluster.once('problem')
    await cluster.start()
    assert.match((await problem).message, /has left something of old on this host/)
    await cluster.stop()
    assert.ok(readdirSync(options.stateDirectory as string).includes('added-old.json'))
  })

  it('is given to the agent, which cleanUp() opens and closes; not while a member runs', async (t) => {
    const seen: unknown[] = []
    const plugin: ResourcePlugin = {
      ...app({ start() {}, stop() {} }),
      create: (context) => ({
        open: async () => {
          seen.push(context.leftover)
          context.remember(null)
        },
        close: async () => void seen.push('closed'),
        start: async () => context.remember({ pid: 1 }),
        stop: async () => context.remember(null),
        status: async () => ({ state: 'running' }),
      }),
    }
    const options = memberOptions(t, 'one', [memoryNetwork().transport()], {
      groups: [{ name: 'jobs', preferred: 'one', resources: [plugin] }],
    })
    const directory = options.stateDirectory as string
    await leave(options, 'app', { pid: 7 })
    await Cluster.cleanUp(options)
    assert.deepEqual(seen, [{ pid: 7 }, 'closed'])
    assert.ok(!readdirSync(directory).includes('added-app.json'))
    const cluster = new Cluster(options)
    await cluster.start()
    await assert.rejects(Cluster.cleanUp(options), failure('HS_STATE_DIRECTORY', /in use/))
    await cluster.stop()
  })
})

describe('nothing keeps the process alive', () => {
  const program = `
    import { Cluster, app, deadtime, sha256, udpUnicast } from './src/index.ts'
    const [a, b, directory, how] = process.argv.slice(1)
    const cluster = new Cluster({
      name: 'pair', nodes: ['one', 'two'], node: 'one', stateDirectory: directory,
      transports: [udpUnicast({ addresses: { one: '127.0.0.1:' + a, two: '127.0.0.1:' + b } })],
      authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
      liveness: deadtime({ keepalive: '50ms', deadtime: '1s', initdead: '1s' }),
      groups: [{ name: 'jobs', preferred: 'one', resources: [app({ start() {}, stop() {} })] }],
    })
    if (how === 'fails') cluster.start().catch(({ code }) => console.log(code))
    else {
      await cluster.start()
      await cluster.once('group:acquired')
      await cluster.stop()
      console.log('stopped')
    }`
  const run = (args: string[]) =>
    new Promise<{ code: number | null; out: string }>((resolve) => {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, ...args], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let out = ''
      child.stdout.on('data', (chunk) => (out += chunk))
      const kill = setTimeout(() => child.kill('SIGKILL'), 60_000)
      child.on('close', (code) => {
        clearTimeout(kill)
        resolve({ code, out: out.trim() })
      })
    })

  it('after stop()', async (t) => {
    const [a, b] = await freeUdpPorts(2)
    const directory = join(temporaryDirectory(t), 'state')
    assert.deepEqual(await run([String(a), String(b), directory, 'stops']), { code: 0, out: 'stopped' })
  })

  it('after a start that failed', async (t) => {
    const taken = createSocket('udp4')
    await new Promise<void>((done) => taken.bind(0, '127.0.0.1', done))
    t.after(() => taken.close())
    const [b] = await freeUdpPorts(1)
    const directory = join(temporaryDirectory(t), 'state')
    const args = [String(taken.address().port), String(b), directory, 'fails']
    assert.deepEqual(await run(args), { code: 0, out: 'HS_TRANSPORT' })
  })
})
