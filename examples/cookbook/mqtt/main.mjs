// An MQTT broker (aedes) that one of two members serves. Sessions and retained messages live in its memory: clients connect and
// subscribe again after a takeover; with a persistence that both hosts reach (aedes-persistence-redis) they are kept.
import { createServer } from 'node:net'
import aedes from 'aedes'
import { Cluster, handleSignals, sealed, server, udpUnicast } from 'hot-standby'

const [node = 'one', first = '8080'] = process.argv.slice(2)
const port = Number(first)

const broker = aedes()
const listener = createServer(broker.handle)

const cluster = new Cluster({
  name: 'cookbook-mqtt',
  nodes: ['one', 'two'],
  node,
  // Two terminals of one machine; on two hosts their own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sealed({ keyFile: 'key' }),
  // Its epochs outlive a restart; left out it is a directory of the system's own.
  stateDirectory: `${import.meta.dirname}/state-${node}`,
  groups: [{ name: 'mqtt', preferred: 'one', resources: [server(listener, { port, grace: '0s' })] }],
})
cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
handleSignals(cluster)
await cluster.start()
