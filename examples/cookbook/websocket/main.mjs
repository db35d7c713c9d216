// WebSockets that one of two members serves. Before it leaves it tells every client to come again (close code 1012).
import { createServer } from 'node:http'
import { Cluster, handleSignals, sealed, server, udpUnicast } from 'hot-standby'
import { WebSocketServer } from 'ws'

const [node = 'one', first = '8080'] = process.argv.slice(2)
const port = Number(first)

const web = createServer((_request, response) => response.end(`hello from ${node}\n`))
const sockets = new WebSocketServer({ server: web })
sockets.on('connection', (socket) => {
  socket.on('error', () => {})
  socket.send(`hello from ${node}`)
})
const onDrain = () => {
  for (const socket of sockets.clients) socket.close(1012, 'served elsewhere')
}

const cluster = new Cluster({
  name: 'cookbook-websocket',
  nodes: ['one', 'two'],
  node,
  // Two terminals of one machine; on two hosts their own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sealed({ keyFile: 'key' }),
  // Its epochs outlive a restart; left out it is a directory of the system's own.
  stateDirectory: `${import.meta.dirname}/state-${node}`,
  groups: [{ name: 'websocket', preferred: 'one', resources: [server(web, { port, grace: '2s', onDrain })] }],
})
cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
handleSignals(cluster)
await cluster.start()
