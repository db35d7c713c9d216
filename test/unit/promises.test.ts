import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Cluster,
  type ClusterOptions,
  deadtime,
  etcd,
  icmpPing,
  nftGuard,
  sealed,
  udpUnicast,
  vip,
} from '../../src/index.ts'

const options: ClusterOptions = {
  name: 'pair',
  nodes: ['one', 'two'],
  node: 'one',
  transports: [udpUnicast({ addresses: { one: '127.0.0.1:7001', two: '127.0.0.2:7001' } })],
  authenticator: sealed({ key: Uint8Array.from({ length: 32 }, (_, at) => at * 5) }),
  liveness: deadtime({ keepalive: '200ms', deadtime: '1s' }),
  groups: [{ name: 'web', preferred: 'one', resources: [vip('192.0.2.9/24')] }],
}
const lease = { store: etcd({ endpoints: ['http://192.0.2.1:2379'] }), ttl: '3s' } as const
const promises = (changed: Partial<ClusterOptions>) => new Cluster({ ...options, ...changed }).promises

describe('what options promise', () => {
  it('is said by class, with what is missing for the next one', () => {
    const data = [
      {
        name: 'db',
        preferred: 'one',
        resources: [vip('192.0.2.9/24'), { ...vip('192.0.2.8/24'), name: 'd', operations: [], exclusive: 'data' }],
      },
    ] as unknown as ClusterOptions['groups']
    const cases: readonly (readonly [Partial<ClusterOptions>, RegExp])[] = [
      [{}, /^guarantee class G0: both nodes serve while they cannot hear each other$/],
      [{ arbiters: [icmpPing('192.0.2.1')] }, /^guarantee class G1: .*\(192\.0\.2\.1\) notices/],
      [{ lease }, /^guarantee class G2, if etcd at 192\.0\.2\.1:2379 keeps what it confirms: .*; there is no guard$/],
      [{ lease, guard: nftGuard() }, /^guarantee class G3, if etcd/],
      [
        { lease: { ...lease, ttl: '60s' }, guard: nftGuard(), groups: data },
        /^guarantee class G2, .*cannot cut off db$/,
      ],
      [{ guard: nftGuard() }, /^guarantee class G0/],
    ]
    for (const [changed, says] of cases) assert.match(promises(changed)[0] ?? '', says)
  })

  it('names the relations of the times with their numbers', () => {
    assert.deepEqual(promises({}).slice(1), [
      'the peer is dead after 1000 ms of silence, which are 5 keepalives of 200 ms',
    ])
    assert.match(
      promises({ arbiters: [icmpPing('192.0.2.1')] })[2] ?? '',
      /^an isolated owner notices after \d+ ms \(deadping\) and has cut its groups off before its peer takes over$/,
    )
    assert.match(
      promises({ arbiters: [icmpPing('192.0.2.1')], deadping: '2s' })[2] ?? '',
      /after 2000 ms \(deadping\) and has cut its groups off 1\d\d\d ms after its peer can take over$/,
    )
    assert.equal(
      promises({ lease })[2],
      'an owner begins to stop 2800 ms after its last renewal; another node takes the group 3030 ms after the last change at the earliest; 3 renewals take 1200 ms',
    )
    assert.equal(
      promises({ guard: nftGuard() })[2],
      'the guard of an owner lasts 940 ms from a confirmed beat; a beat, its echo and the next beat take 600 ms',
    )
  })
})
