// A user's file: `npm run check` compiles it against the packed and installed package, under a strict configuration.
import {
  app,
  Cluster,
  type ClusterOptions,
  deadtime,
  type HotStandbyError,
  icmpPing,
  nginx,
  type ResourcePlugin,
  sha1,
  udpUnicast,
  vip,
} from 'hot-standby'
import * as testing from 'hot-standby/testing'

const web: ResourcePlugin[] = [vip('192.168.1.100/24', { device: 'eth0' }), nginx()]

export const options: ClusterOptions = {
  name: 'web-pair',
  nodes: ['master', 'slave'],
  node: undefined,
  transports: [udpUnicast({ addresses: { master: '192.168.2.105', slave: '192.168.2.106' }, device: 'eth1' })],
  authenticator: sha1({ keyFile: '/etc/ha.d/key' }),
  liveness: deadtime({ keepalive: '2s', warntime: '10s', deadtime: '30s', initdead: '60s' }),
  arbiters: [icmpPing('192.168.1.1')],
  groups: [
    { name: 'web', preferred: 'master', resources: web },
    { name: 'jobs', preferred: 'slave', resources: [app({ async start() {}, async stop() {} })] },
  ],
  autoFailback: true,
  onFatal: (error: HotStandbyError) => console.error(error.code),
}

// @ts-expect-error A bare number would be seconds to some and milliseconds to others.
deadtime({ keepalive: 2 })

export async function serve(): Promise<number> {
  await using cluster = new Cluster(options)
  const forget: () => void = cluster.on('group:acquired', ({ group, epoch }) => console.log(group, epoch))
  await cluster.start()
  forget()
  return Object.keys(testing).length
}
