import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AppOptions,
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  type MemoryNetwork,
  memoryNetwork,
  sha256,
  type TransportPlugin,
} from '../../src/index.ts'
import { temporaryDirectory } from './agents.ts'

/** What one node's `app` was asked to do, in order. */
export type Calls = string[]

/** Options of a member of the pair `one`, `two` with one `app`; whatever a test needs else wins. */
export function memberOptions(
  t: { after(run: () => unknown): void },
  node: 'one' | 'two',
  transports: readonly TransportPlugin[],
  { agent, ...more }: Partial<ClusterOptions> & { readonly agent?: Partial<AppOptions> | undefined } = {},
): ClusterOptions {
  return {
    name: 'pair',
    nodes: ['one', 'two'],
    node,
    transports,
    authenticator: sha256({ key: 'a secret of at least 32 characters!!' }),
    liveness: deadtime({ keepalive: '50ms', deadtime: '1s', initdead: '1s' }),
    groups: [{ name: 'jobs', preferred: 'one', resources: [app({ start() {}, stop() {}, ...agent })] }],
    stateDirectory: join(temporaryDirectory(t), node),
    ...more,
  }
}

/** Two members in this process, not started, and what their agents are asked. Both are stopped when the test is over. */
export function pairOf(
  t: { after(run: () => unknown): void },
  more: Parameters<typeof memberOptions>[3] = {},
): {
  one: Cluster
  two: Cluster
  calls: Record<'one' | 'two', Calls>
  network: MemoryNetwork
  options: Record<'one' | 'two', ClusterOptions>
} {
  const network = memoryNetwork()
  const calls = { one: [] as Calls, two: [] as Calls }
  const optionsOf = (node: 'one' | 'two') => {
    const agent = {
      start: () => void calls[node].push('start'),
      stop: () => void calls[node].push('stop'),
      ...more.agent,
    }
    return memberOptions(t, node, [network.transport('a'), network.transport('b')], { ...more, agent })
  }
  const options = { one: optionsOf('one'), two: optionsOf('two') }
  const [one, two] = [new Cluster(options.one), new Cluster(options.two)]
  t.after(() => Promise.allSettled([one.stop(), two.stop()]))
  return { one, two, calls, network, options }
}

/** Waits until `check` holds; fails with what is seen after the limit. */
export async function until(what: string, check: () => boolean, limitMs = 20_000): Promise<void> {
  const startMs = performance.now()
  while (!check()) {
    if (performance.now() - startMs > limitMs) throw new Error(`not seen within ${limitMs} ms: ${what}`)
    await sleep(5)
  }
}

/** State of the only group on a member. */
export function stateOf(cluster: Cluster): string {
  return cluster.snapshot().groups[0]?.state ?? 'none'
}

/** Starts both members; resolves when the first one serves and the second stands by. */
export async function startPair(one: Cluster, two: Cluster): Promise<void> {
  await Promise.all([one.start(), two.start()])
  await until('one serves and two stands by', () => stateOf(one) === 'active' && stateOf(two) === 'standby')
}

/** UDP ports of loopback that nobody uses. */
export async function freeUdpPorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'))
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.bind(0, '127.0.0.1', done))))
  const ports = sockets.map((socket) => socket.address().port)
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))))
  return ports
}
