// A SIP server over UDP behind a floating address: phones know the address only. A datagram has no connection that could be drained,
// so a move is over as soon as the address and the socket are on the other host; clients repeat what was not answered.
import { createSocket } from 'node:dgram'
import { app, Cluster, handleSignals, sealed, udpUnicast, vip } from 'hot-standby'

const [node = 'one', first = '8080'] = process.argv.slice(2)
const port = Number(first)

/** The answer to OPTIONS, by which phones and load balancers ask whether a server is there (RFC 3261, 11.2). */
function answerTo(request) {
  const [start = '', ...lines] = request.split('\r\n')
  const of = (name) => lines.filter((line) => line.toLowerCase().startsWith(`${name}:`))
  const [to = 'To: <sip:unknown>'] = of('to')
  const status = start.startsWith('OPTIONS ') ? '200 OK' : '501 Not Implemented'
  const head = [
    ...of('via'),
    ...of('from'),
    to.includes(';tag=') ? to : `${to};tag=${node}`,
    ...of('call-id'),
    ...of('cseq'),
  ]
  return [`SIP/2.0 ${status}`, ...head, `Server: ${node}`, 'Allow: OPTIONS', 'Content-Length: 0', '', ''].join('\r\n')
}

let socket
const sip = app({
  name: 'sip',
  async start() {
    socket = createSocket('udp4')
    socket.on('message', (bytes, from) => socket.send(answerTo(bytes.toString('utf8')), from.port, from.address))
    await new Promise((resolve, reject) => {
      socket.once('error', reject)
      // All addresses: the floating one comes and goes, the socket need not know it.
      socket.bind(port, resolve)
    })
  },
  async stop() {
    await new Promise((resolve) => (socket ? socket.close(resolve) : resolve()))
    socket = undefined
  },
})

// FLOATING=192.0.2.10/24 on both hosts, as root or with CAP_NET_ADMIN and CAP_NET_RAW; without it the two terminals share a port.
const { FLOATING: floating } = process.env

const cluster = new Cluster({
  name: 'cookbook-sip',
  nodes: ['one', 'two'],
  node,
  // Two terminals of one machine; on two hosts their own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sealed({ keyFile: 'key' }),
  // Its epochs outlive a restart; left out it is a directory of the system's own.
  stateDirectory: `${import.meta.dirname}/state-${node}`,
  // The socket first: no phone finds the address without a server behind it.
  groups: [{ name: 'sip', preferred: 'one', resources: [sip, ...(floating ? [vip(floating)] : [])] }],
})
cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
handleSignals(cluster)
await cluster.start()
