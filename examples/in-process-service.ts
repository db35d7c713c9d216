/**
 * A service inside the application: no root, no floating address, no scripts. Two terminals on one machine:
 *
 *     npm install hot-standby tsx
 *     node --import tsx in-process-service.ts one
 *     node --import tsx in-process-service.ts two
 *
 * and in a third one, as often as you like:
 *
 *     curl http://127.0.0.1:8080/
 *
 * Press Ctrl-C in the terminal that serves: the other one takes over at once. Kill it with `kill -9` instead, and the other
 * one takes over after a second. In a clone of the repository 'hot-standby' is the package itself: `npm ci && npm run build`
 * instead, and the file is in `examples`. Ports 8080 to 8082 are used; another first port may follow the name.
 */
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { app, Cluster, deadtime, sha256, udpUnicast } from 'hot-standby'

const [node = '', first = '8080'] = process.argv.slice(2)
const port = Number(first)

let server: Server | undefined

const cluster = new Cluster({
  name: 'in-process-example',
  nodes: ['one', 'two'],
  node,
  // Two members on one machine are told apart by their ports; on two hosts these would be the hosts' own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sha256({ key: 'an example needs no secret, a real pair does' }),
  liveness: deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '2s' }),
  // An example leaves nothing behind in your home directory.
  stateDirectory: join(tmpdir(), `hot-standby-example-${port}-${node}`),
  groups: [
    {
      name: 'greeter',
      preferred: 'one',
      resources: [
        app({
          // Resolves when it serves. `epoch` grows with every change of owner: hand it to whatever must refuse a late writer.
          start: ({ epoch }) =>
            new Promise((resolve, reject) => {
              server = createServer((_request, response) => response.end(`hello from ${node}, epoch ${epoch}\n`))
              server.once('error', reject)
              server.listen(port, '127.0.0.1', () => resolve())
            }),
          // Resolves when nothing is answered any more: only then the peer begins.
          stop: () =>
            new Promise((resolve) => {
              if (!server?.listening) return resolve()
              server.close(() => resolve())
              server.closeAllConnections()
            }),
        }),
      ],
    },
  ],
})

cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
cluster.on('group:released', ({ group }) => console.log(`${node} no longer serves ${group}`))
cluster.on('peer:alive', ({ peer }) => console.log(`${peer} is alive`))
cluster.on('peer:dead', ({ peer, silentMs }) => console.log(`${peer} is dead: silent for ${Math.round(silentMs)} ms`))
cluster.on('peer:left', ({ peer }) => console.log(`${peer} has left`))
cluster.on('problem', ({ where, message }) => console.log(`${where}: ${message}`))

await cluster.start()
console.log(`${node} runs; ask http://127.0.0.1:${port}/ who serves`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void cluster.stop())
