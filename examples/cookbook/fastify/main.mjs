// A Fastify application that one of two members serves: node main.mjs one, node main.mjs two.
import Fastify from 'fastify'
import { Cluster, handleSignals, sealed, server, udpUnicast } from 'hot-standby'

const [node = 'one', first = '8080'] = process.argv.slice(2)
const port = Number(first)

const app = Fastify()
app.get('/', async () => `hello from ${node}\n`)
// Not app.listen(): the pair decides who listens. The server is there as soon as the plug-ins are.
await app.ready()

const cluster = new Cluster({
  name: 'cookbook-fastify',
  nodes: ['one', 'two'],
  node,
  // Two terminals of one machine; on two hosts their own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sealed({ keyFile: 'key' }),
  // Its epochs outlive a restart; left out it is a directory of the system's own.
  stateDirectory: `${import.meta.dirname}/state-${node}`,
  groups: [{ name: 'fastify', preferred: 'one', resources: [server(app.server, { port, grace: '5s' })] }],
})
cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
handleSignals(cluster)
await cluster.start()
