/** A member in a container: serves one floating address, prints its log and its events, and stops on SIGTERM. Arguments: directory, address. */
import { join } from 'node:path'
import { Cluster, type ClusterOptions, deadtime, sha256, udpUnicast, vip } from '../../src/index.ts'

const [directory = '', address = '', command = 'run'] = process.argv.slice(2)
const say = (_fields: object, message: string): void => void process.stdout.write(`${message}\n`)

const options: ClusterOptions = {
  name: 'boxes',
  nodes: ['a', 'b'],
  node: 'a',
  stateDirectory: join(directory, 'state'),
  transports: [udpUnicast({ addresses: { a: '10.99.1.1', b: '10.99.1.2' }, device: 'eth1' })],
  authenticator: sha256({ key: 'containers of the laboratory share this secret' }),
  liveness: deadtime({ keepalive: '100ms', deadtime: '1s', initdead: '1s' }),
  groups: [{ name: 'web', preferred: 'a', resources: [vip(address, { device: 'eth1' })] }],
  logger: { debug: () => {}, info: say, warn: say, error: say },
}

const end = (error: Error): void => {
  console.log(error.message)
  process.exit(1)
}

if (command === 'cleanup') await Cluster.cleanUp(options).then(() => process.exit(0), end)
const cluster = new Cluster(options)
process.on('SIGTERM', () => void cluster.stop().then(() => process.exit(0)))
cluster.onAny(({ name, payload }) => say({}, `${name} ${JSON.stringify(payload)}`))
await cluster.start().catch(end)
