/**
 * A member of a guarded pair. Its argument: JSON with its node, its directory and its guarded address. Tells every event as one JSON
 * line, and does what it reads: `stop`, or `block MS`, which keeps its only thread busy.
 */
import { createInterface } from 'node:readline'
import { Cluster, deadtime, nftGuard, sealed, udpUnicast, vip } from '../../src/index.ts'

const { node, directory, address } = JSON.parse(process.argv[2] ?? '{}') as Record<
  'node' | 'directory' | 'address',
  string
>
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const peerOf = (net: number) => `10.99.${net}.${node === 'a' ? 2 : 1}`
const cluster = new Cluster({
  name: 'guarded',
  nodes: ['a', 'b'],
  node,
  transports: [1, 2].map((net) => udpUnicast({ device: `eth${net}`, peer: peerOf(net) })),
  authenticator: sealed({ key: Uint8Array.from({ length: 32 }, (_, at) => at * 5) }),
  liveness: deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' }),
  groups: [{ name: 'web', preferred: 'a', resources: [vip(address, { device: 'eth1' })] }],
  stateDirectory: directory,
  guard: nftGuard(),
})
cluster.onAny(({ name, payload }) => say({ name, payload }))
await cluster.start()
say({ name: 'started' })
for await (const line of createInterface({ input: process.stdin })) {
  const [word, ms] = line.split(' ')
  if (word === 'block') {
    const untilMs = performance.now() + Number(ms)
    while (performance.now() < untilMs);
  } else if (word === 'stop') {
    await cluster.stop()
    process.exit()
  }
}
