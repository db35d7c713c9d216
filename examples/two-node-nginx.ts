/**
 * The classic pair: two hosts, one floating address, nginx on both. Run the same file on both hosts, as root:
 *
 *     npm install hot-standby tsx
 *     node --import tsx two-node-nginx.ts            # on the hosts named master and slave
 *     node --import tsx two-node-nginx.ts master     # where the host is called otherwise
 *
 * In a clone of the repository 'hot-standby' is the package itself: `npm ci && npm run build` instead, and the file is in
 * `examples`.
 *
 * Before that, on both hosts: install nginx and keep the system from starting the floating address by itself; make a key
 * that only root may read, and copy it to the other host:
 *
 *     (umask 077; head -c 32 /dev/urandom | base64 > /etc/ha.d/key)
 */
import { Cluster, deadtime, describe, icmpPing, nginx, serveControl, sha256, udpUnicast, vip } from 'hot-standby'

const cluster = new Cluster({
  // Names the pair: two pairs in one network do not take each other for their own.
  name: 'web-pair',
  // The two hosts, as `uname -n` calls them. Which of them this one is, it sees by its name, or you say it.
  nodes: ['master', 'slave'],
  node: process.argv[2],

  // Two ways to hear each other, over different devices and switches. One cable cut is then no reason to take over.
  transports: [
    udpUnicast({ addresses: { master: '192.168.2.105', slave: '192.168.2.106' }, device: 'eth1' }),
    udpUnicast({ addresses: { master: '192.168.1.105', slave: '192.168.1.107' }, device: 'eth0' }),
  ],

  // Every packet is signed; what does not verify is not believed.
  authenticator: sha256({ keyFile: '/etc/ha.d/key' }),

  // A beat every 200 ms; after one second of silence the peer is dead. A host that comes up alone waits for 5 s.
  liveness: deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '5s' }),

  // The router of the service network, as a third opinion: the node that no longer reaches it gives the service up.
  arbiters: [icmpPing('192.168.1.1')],

  // Started in this order, stopped in reverse. nginx stays up on both hosts ('hot'), so a move is the address alone;
  // { mode: 'cold' } starts it at the takeover.
  groups: [
    {
      name: 'web',
      preferred: 'master',
      resources: [vip('192.168.1.106/24', { device: 'eth0' }), nginx({ mode: 'hot' })],
    },
  ],

  // The service returns to the master when that is well again. With `false` it stays where it is: one outage less.
  autoFailback: true,

  // The last resort: the address could neither be removed nor cut off here. The peer serves by now; this host must not.
  onFatal: (error) => {
    console.error(error.message)
    process.exit(1)
  },
})

// Everything that happens, one line each.
cluster.onAny((event) => console.log(event.time, event.name.padEnd(16), describe(event)))

await cluster.start()

// `npx hot-standby status --control PATH` and its like work for this process too.
const control = await serveControl(cluster)
console.log(`${cluster.node} runs; control socket ${control.path}`)

// Stopping hands the service over first, so that a restart for an update costs a few milliseconds.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    cluster.stop().then(
      () => process.exit(0),
      (error: Error) => {
        console.error(error.message)
        process.exit(1)
      },
    )
  })
}
