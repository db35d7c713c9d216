import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCore } from '../../src/core/core.ts'
import type { CoreConfig, Reconfiguration } from '../../src/core/types.ts'
import { Agents } from '../../src/engine/agents.ts'
import { NewestWins } from '../../src/engine/newest-wins.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { phiAccrual } from '../../src/liveness/phi-accrual.ts'
import type { Duration } from '../../src/roles/duration.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type { ResourceContext, ResourcePlugin } from '../../src/roles/resource-agent.ts'
import { message } from '../../src/wire/message.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A promise that the test resolves. */
function gate() {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

describe('changes of which the newest wins', () => {
  it('run one at a time, in order', async () => {
    const changes = new NewestWins()
    const order: string[] = []
    await changes.run(async () => void order.push('first'))
    await changes.run(async () => void order.push('second'))
    assert.deepEqual(order, ['first', 'second'])
  })

  it('overtake what is under way and what waits, which is never applied afterwards', async () => {
    const changes = new NewestWins()
    const { passed, open } = gate()
    const order: string[] = []
    const first = changes.run(async (signal) => {
      await passed
      signal.throwIfAborted()
      order.push('first')
    })
    await turn()
    const second = changes.run(async () => void order.push('second'))
    const third = changes.run(async () => void order.push('third'))
    open()
    await assert.rejects(first, { code: 'HS_SUPERSEDED' })
    await assert.rejects(second, { code: 'HS_SUPERSEDED' })
    await third
    assert.deepEqual(order, ['third'])
  })

  it('are over at the end: what is under way is told, what comes later is refused', async () => {
    const changes = new NewestWins()
    const first = changes.run(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    await turn()
    changes.end(new Error('stopped'))
    await assert.rejects(first, /stopped/)
    await assert.rejects(
      changes.run(async () => assert.fail('it ran')),
      /stopped/,
    )
  })
})

describe('agents at a reload', () => {
  const context = { epoch: 1, signal: new AbortController().signal }

  /** Plug-ins of which everything that is opened and closed is written down. */
  function workshop() {
    const book: string[] = []
    const plugin = (name: string, settings: object, opening: () => Promise<void> = async () => {}) =>
      ({
        kind: 'resource',
        type: 'test',
        name,
        settings,
        create: () => ({
          async open() {
            book.push(`open ${name} ${JSON.stringify(settings)}`)
            await opening()
          },
          async close() {
            book.push(`close ${name} ${JSON.stringify(settings)}`)
          },
          async start() {},
          async stop() {},
          async status() {
            return { state: 'running' } as const
          },
        }),
      }) as unknown as ResourcePlugin
    const agents = new Agents(() => ({}) as ResourceContext, silentLogger)
    const closedOnce = () => {
      const opened = book.filter((line) => line.startsWith('open')).map((line) => line.slice(5))
      const closed = book.filter((line) => line.startsWith('close')).map((line) => line.slice(6))
      assert.deepEqual(closed.sort(), opened.sort())
    }
    return { book, plugin, agents, closedOnce }
  }

  it('that is ended while an agent opens closes each of them once, and takes none', async () => {
    const { book, plugin, agents, closedOnce } = workshop()
    const { passed, open } = gate()
    const ended = new AbortController()
    const resources = [plugin('quick', { v: 1 }), plugin('slow', { v: 1 }, () => passed)]
    const reload = agents.reload([{ name: 'g', resources }], ended.signal)
    await turn()
    ended.abort(new Error('enough'))
    await assert.rejects(reload, /enough/)
    open()
    await turn()
    assert.equal(agents.size, 0)
    assert.equal(book.length, 4)
    closedOnce()
  })

  it('is closed with everything that a reload under way has opened, each once', async () => {
    const { plugin, agents, closedOnce } = workshop()
    const { passed, open } = gate()
    await agents.open('g', plugin('old', { v: 1 }))
    const ended = new AbortController()
    const reload = agents.reload([{ name: 'g', resources: [plugin('new', {}, () => passed)] }], ended.signal)
    await turn()
    ended.abort(new Error('stop'))
    await Promise.all([agents.close(), assert.rejects(reload, /stop/)])
    open()
    closedOnce()
  })

  it('lets one follower in, also when the operation that waited for it was given up and the next one begins', async () => {
    const { book, plugin, agents, closedOnce } = workshop()
    const { passed, open } = gate()
    await agents.open('g', plugin('r', { v: 1 }))
    const slot = agents.get('r')
    await slot?.start(context)
    await agents.reload([{ name: 'g', resources: [plugin('r', { v: 2 }, () => passed)] }])
    await slot?.stop(context)
    const prepared = slot?.prepare?.(context)
    await turn()
    const started = slot?.start(context)
    open()
    await Promise.all([prepared, started])
    assert.deepEqual(
      book.filter((line) => line.startsWith('open')),
      ['open r {"v":1}', 'open r {"v":2}'],
    )
    await agents.close()
    closedOnce()
  })

  it('lets the newest follower in when a second reload comes while the first one’s is opened', async () => {
    const { book, plugin, agents, closedOnce } = workshop()
    const { passed, open } = gate()
    await agents.open('g', plugin('r', { v: 1 }))
    const slot = agents.get('r')
    await slot?.start(context)
    await agents.reload([{ name: 'g', resources: [plugin('r', { v: 2 }, () => passed)] }])
    await slot?.stop(context)
    const prepared = slot?.prepare?.(context)
    await turn()
    // The seat is free, so the newest is opened and seated at once; what opens late finds its place taken.
    await agents.reload([{ name: 'g', resources: [plugin('r', { v: 3 })] }])
    open()
    await prepared
    assert.equal(book.at(-1), 'close r {"v":2}')
    await agents.close()
    closedOnce()
  })

  it('closes an agent once whose follower cannot be opened, however often that is tried', async () => {
    const { plugin, agents, closedOnce } = workshop()
    await agents.open('g', plugin('r', { v: 1 }))
    const slot = agents.get('r')
    await slot?.start(context)
    await agents.reload([
      { name: 'g', resources: [plugin('r', { v: 2 }, () => Promise.reject(new Error('no such disk')))] },
    ])
    await slot?.stop(context)
    await assert.rejects(async () => slot?.prepare?.(context), /no such disk/)
    await assert.rejects(async () => slot?.start(context), /no such disk/)
    await agents.close()
    closedOnce()
  })
})

describe('the core at a reload of times', () => {
  const times = (deadMs: Duration, warn: Duration) =>
    deadtime({ keepalive: '200ms', warntime: warn, deadtime: deadMs, initdead: '10s' })

  const config = (liveness: ReturnType<typeof deadtime>, deadpingMs: number): CoreConfig => ({
    self: 'one',
    peer: 'two',
    uuid: new Uint8Array(16),
    bootId: '00000000000000b1',
    generation: 2,
    state: { generation: 2, peerGeneration: 1, epochCeilings: {} },
    times: liveness.times,
    deadpingMs,
    keyId: 1,
    groups: [],
    links: ['eth1'],
    targets: [{ target: 'router', deadpingMs }],
    autoFailback: false,
    onIsolated: 'stop',
    restartWindowMs: 60_000,
    holdDownMs: 60_000,
  })
  const at = (monoMs: number) => ({ monoMs, bootMs: monoMs, wallMs: 1_700_000_000_000 + monoMs })
  const changed = (full: CoreConfig): Reconfiguration => full

  /** A core that has heard its peer and its target at 0. */
  function running(liveness = times('8s', '4s'), deadpingMs = 6000) {
    const core = createCore(config(liveness, deadpingMs), liveness.create())
    core.step({ type: 'start', at: at(0) })
    const beat = message({
      t: 'status',
      st: 'active',
      src: 'two',
      dt: '1f40',
      seq: '1',
      hg: '1',
      ts: '1',
      protocol: '1',
    })
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(1), message: beat })
    core.step({ type: 'observation', observation: { target: 'router', reachable: true }, at: at(1) })
    return core
  }

  /** The names of the events of a turn. */
  const events = (effects: ReturnType<ReturnType<typeof createCore>['step']>): string[] =>
    effects.flatMap((effect) => (effect.type === 'emit' ? [effect.event.name] : []))

  it('counts another deadping at once, for a silence that goes on already too', () => {
    for (const [deadpingMs, expected] of [
      [1500, ['ping:down']],
      [9000, []],
    ] as const) {
      const core = running()
      const reload = changed(config(times('8s', '4s'), deadpingMs))
      core.step({ type: 'command', id: 1, command: { name: 'configure', config: reload }, at: at(1000) })
      assert.deepEqual(
        events(core.step({ type: 'tick', at: at(6500) })).filter((name) => name.startsWith('ping')),
        expected,
        `deadping ${deadpingMs} ms`,
      )
    }
  })

  it('judges by another warntime at once', () => {
    const core = running()
    const reload = changed(config(times('8s', '1s'), 6000))
    core.step({ type: 'command', id: 1, command: { name: 'configure', config: reload }, at: at(500) })
    core.step({ type: 'tick', at: at(1100) })
    core.step({ type: 'drained', at: at(1101) })
    assert.equal(core.view().peer.liveness, 'late')
  })

  it('does not shorten a dead time that the peer announces because ours became shorter', () => {
    const liveness = times('300s', '100s')
    const core = createCore(config(liveness, 6000), liveness.create())
    core.step({ type: 'start', at: at(0) })
    const beat = (seq: string) =>
      message({
        t: 'status',
        st: 'active',
        src: 'two',
        dt: (200_000).toString(16),
        seq,
        hg: '1',
        ts: '1',
        protocol: '1',
      })
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(1), message: beat('1') })
    const reload = changed(config(times('2s', '1s'), 1000))
    core.step({ type: 'command', id: 1, command: { name: 'configure', config: reload }, at: at(500) })
    core.step({ type: 'message', link: 'eth1', keyId: 1, at: at(600), message: beat('2') })
    assert.equal(core.view().peer.deadtimeMs, 200_000)
  })

  it('keeps what a phi-accrual detector has learned', () => {
    const before = phiAccrual({ keepalive: '200ms', warntime: '1s', deadtime: '4s' })
    const detector = before.create()
    detector.reset(0, 4000)
    for (let now = 200; now <= 20_000; now += 200) detector.heard(now, 4000)
    const { meanMs } = detector.inspect?.() ?? {}
    detector.retime?.({ ...before.times, warntimeMs: 2000 })
    assert.equal(detector.inspect?.()['meanMs'], meanMs)
    detector.heard(20_200, 4000)
    assert.equal(detector.check(22_100), 'alive')
    assert.equal(detector.check(22_300), 'late')
  })
})
