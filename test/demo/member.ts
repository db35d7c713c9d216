/**
 * One node of the pair on loopback: an application that owns its own failover. It serves a page by an HTTP server of its
 * own; whoever owns the group listens on the one port of the page, as a floating address is on one host only.
 *
 * Started as `member.ts SETTINGS`; writes its events as JSON lines; `standby` on its standard input gives the page to the
 * other node and is answered by a line `{"standby":null}`, or with the reason. Ends when its input ends.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { type ArbiterPlugin, app, Cluster, deadtime, sha256, udpUnicast } from 'hot-standby'

/** What a member is started with. */
export interface MemberSettings {
  readonly node: 'master' | 'slave'
  /** Heartbeat addresses of both. */
  readonly heartbeat: Readonly<Record<string, string>>
  readonly pagePort: number
  readonly echoPort: number
  readonly keepaliveMs: number
  readonly deadtimeMs: number
  readonly initdeadMs: number
  readonly deadpingMs: number
  readonly stateDirectory: string
}

/** A ping target that needs no privilege: a UDP port that answers with what it is sent. */
const echoTarget = (port: number, self: string): ArbiterPlugin => ({
  kind: 'arbiter',
  type: 'udp-echo',
  target: 'echo',
  addresses: ['127.0.0.1'],
  create({ intervalMs, observe, problem }) {
    const socket = createSocket('udp4')
    let timer: NodeJS.Timeout | undefined
    return {
      async open() {
        socket.on('error', problem).on('message', () => observe({ target: 'echo', reachable: true }))
        timer = setInterval(() => socket.send(self, port, '127.0.0.1'), intervalMs)
      },
      async close() {
        clearInterval(timer)
        socket.close()
      },
    }
  },
})

const main = async (settings: MemberSettings): Promise<void> => {
  const { node, pagePort } = settings
  const server = createServer((_request, response) => {
    response.setHeader('Connection', 'close').end(`page of ${node}\n`)
  })
  const service = app({
    name: 'page',
    async start() {
      server.listen(pagePort, '127.0.0.1')
      await once(server, 'listening')
    },
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  })
  const cluster = new Cluster({
    name: 'demo',
    nodes: ['master', 'slave'],
    node,
    transports: [udpUnicast({ addresses: settings.heartbeat })],
    authenticator: sha256({ key: 'only for the demo, and long enough for it' }),
    liveness: deadtime({
      keepalive: `${settings.keepaliveMs}ms`,
      deadtime: `${settings.deadtimeMs}ms`,
      initdead: `${settings.initdeadMs}ms`,
    }),
    arbiters: [echoTarget(settings.echoPort, node)],
    deadping: `${settings.deadpingMs}ms`,
    groups: [{ name: 'page', preferred: 'master', resources: [service] }],
    autoFailback: true,
    stateDirectory: settings.stateDirectory,
  })
  const write = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
  cluster.onAny(write)
  createInterface({ input: process.stdin })
    .on('line', () => {
      cluster.standby().then(
        () => write({ standby: null }),
        (error: Error) => write({ standby: error.message }),
      )
    })
    .on('close', () => process.exit(0))
  await cluster.start()
}

await main(JSON.parse(process.argv[2] ?? '{}') as MemberSettings)
