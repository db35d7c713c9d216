import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { app, Cluster, type ClusterOptions, isHotStandbyError, memoryNetwork } from '../../src/index.ts'
import { SharedRecords, storeOf } from '../support/lease-store.ts'
import { memberOptions, pairOf, stateOf, until } from '../support/pair.ts'

/** Its stop must fit into a lease. */
const agent = { stopTimeout: '300ms' } as const

describe('members with leases', () => {
  it('serve one at a time, hand over, and take over when the owner stops', async (t) => {
    const lease = { store: storeOf(), ttl: '2s' } as const
    const { one, two, calls } = pairOf(t, { lease, agent })
    await Promise.all([one.start(), two.start()])
    await until('one serves', () => stateOf(one) === 'active')
    const snapshot = one.snapshot()
    assert.equal(snapshot.guarantee, 'G2')
    assert.equal(snapshot.groups[0]?.lease?.holder, 'one')
    assert.ok((snapshot.groups[0]?.lease?.endsInMs ?? 0) > 0)
    await until('two sees who holds it', () => two.snapshot().groups[0]?.lease?.holder === 'one')
    assert.equal(two.snapshot().groups[0]?.lease?.endsInMs, null)
    await one.standby()
    await until('two serves', () => stateOf(two) === 'active')
    assert.equal(stateOf(one), 'standby')
    await two.stop()
    await until('one serves again', () => stateOf(one) === 'active')
    assert.deepEqual(calls, { one: ['start', 'stop', 'start'], two: ['start', 'stop'] })
  })

  it('do not serve when nothing is heard of each other and the lease is held', async (t) => {
    const store = storeOf()
    const lease = { store, ttl: '2s' } as const
    const { one, calls, options } = pairOf(t, { lease, agent })
    await one.start()
    await until('one serves', () => stateOf(one) === 'active')
    // The other one on a network of its own: every line is cut, and both reach the store.
    const network = memoryNetwork()
    const alone = new Cluster({ ...options.two, transports: [network.transport('a'), network.transport('b')] })
    t.after(() => alone.stop())
    const waits = new Promise<void>((resolve) => alone.on('group:candidate', () => resolve()))
    await alone.start()
    await waits
    assert.equal(stateOf(alone), 'candidate')
    assert.deepEqual(calls, { one: ['start'], two: [] })
    await one.stop()
    await until('the other one serves', () => stateOf(alone) === 'active')
  })

  it('stop when the store does not answer any more, and serve again when it does', async (t) => {
    const records = new SharedRecords()
    const { one, two, calls } = pairOf(t, { lease: { store: storeOf(records), ttl: '1500ms' }, agent })
    await Promise.all([one.start(), two.start()])
    await until('one serves', () => stateOf(one) === 'active')
    const lost: string[] = []
    one.on('lease:lost', ({ why }) => lost.push(why))
    records.down = true
    await until('one has stopped', () => calls.one.includes('stop'))
    assert.deepEqual([lost, calls.two], [['expired'], []])
    records.down = false
    await until('one of them serves', () => [one, two].some((member) => stateOf(member) === 'active'))
  })

  const refused = (t: Parameters<typeof memberOptions>[0], more: Partial<ClusterOptions>): string => {
    try {
      new Cluster(memberOptions(t, 'one', [memoryNetwork().transport()], more))
    } catch (error) {
      if (isHotStandbyError(error)) return error.issues.map(({ where, message }) => `${where}: ${message}`).join('\n')
      throw error
    }
    return ''
  }

  it('are refused with times in which the owner could not stop', (t) => {
    const resources = [app({ start() {}, stop() {}, stopTimeout: '20s' })]
    const groups = [{ name: 'jobs', preferred: 'one', resources }]
    assert.match(
      refused(t, { lease: { store: storeOf() }, groups }),
      /lease\.ttl: 3000 ms is too short: jobs cannot be cut off/,
    )
    assert.equal(refused(t, { lease: { store: storeOf(), ttl: '60s' }, groups }), '')
  })

  it('are refused with what is no store, and with what is no option', (t) => {
    const lease = { store: new Map(), tll: '3s' } as never
    const text = refused(t, { lease })
    assert.match(text, /lease\.tll: .*ttl/)
    assert.match(text, /lease\.store: a store is made by/)
    assert.match(refused(t, { lease: 7 as never }), /lease: must be an object of options, got number 7/)
  })

  it('are refused below the class that is required, and say what is missing', async (t) => {
    assert.match(refused(t, { requireGuarantee: 'G2' }), /class G2 needs a lease/)
    assert.match(refused(t, { requireGuarantee: 'G1' }), /class G1 needs a third opinion/)
    assert.match(refused(t, { requireGuarantee: 'G3' }), /class G3 needs a lease/)
    assert.match(
      refused(t, { requireGuarantee: 'G4' as never }),
      /requireGuarantee: 'G4' is none of 'G1', 'G2' and 'G3'/,
    )
    assert.match(refused(t, { requireGuarantee: 'constructor' as never }), /'constructor' is none of/)
    const weak = storeOf(new SharedRecords(), { linearizable: false, note: 'its replica is asynchronous' })
    const options = pairOf(t, { agent, lease: { store: weak, ttl: '2s' }, requireGuarantee: 'G2' }).options.one
    await assert.rejects(new Cluster(options).start(), /class G2 is required, .* gives G1: its replica is asynchronous/)
    const { one } = pairOf(t, { agent, lease: { store: storeOf(), ttl: '2s' }, requireGuarantee: 'G2' })
    await one.start()
    assert.equal(one.snapshot().guarantee, 'G2')
  })

  it('tell what is wrong with the answers of a store, and go on asking', async (t) => {
    const records = new SharedRecords()
    const store = storeOf(records)
    let rubbish: unknown
    const talks = {
      ...store,
      create: (context: Parameters<typeof store.create>[0]) => {
        const well = store.create(context)
        const read = (name: string, signal: AbortSignal) =>
          rubbish === 'well' ? well.read(name, signal) : Promise.resolve(rubbish as null)
        return { ...well, read, swap: well.swap }
      },
    }
    const { one } = pairOf(t, { agent, lease: { store: talks, ttl: '2s' } })
    const reasons: string[] = []
    one.on('store:down', ({ reason }) => reasons.push(reason))
    await one.start()
    await until('it is told', () => reasons.length > 0)
    assert.match(reasons[0] ?? '', /its read answered nothing; right is null or \{ value: string, version: string \}/)
    rubbish = { value: 'x', version: 7 }

    assert.notEqual(stateOf(one), 'active')
    rubbish = 'well'
    await until('it serves', () => stateOf(one) === 'active')
  })
})
