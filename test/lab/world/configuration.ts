import { type Device, FLOATING, plugOf } from './layout.ts'

/** What differs from one scenario to the next; everything else is as in the tutorial, with shorter times. */
export interface PairSettings {
  /** Heartbeat's three files, or `hot-standby.ini`, which alone knows `onIsolated`, `holdDown` and `restartWindow`. */
  readonly source: 'ha.cf' | 'ini'
  readonly autoFailback: boolean
  /** The heartbeat lines. */
  readonly links: readonly Device[]
  /** The gateway's address that is pinged: `192.168.2.1` lies behind the heartbeat line, `192.168.1.1` does not. */
  readonly ping: string
  readonly onIsolated: 'stop' | 'continue' | undefined
  /** `outside`: it runs on both hosts, and the pair has the address alone. */
  readonly nginx: 'cold' | 'hot' | 'outside'
  readonly handover: 'break-before-make' | 'make-before-break'
  readonly deadtimeMs: number
  readonly initdeadMs: number
  /** Of the ini: frames are sealed, with the key of `/etc/ha.d/key`, instead of signed. */
  readonly sealed: boolean
  /** Of the ini: the lines are broadcast, so that every host on them hears the pair. */
  readonly broadcast: boolean
}

export const TUTORIAL: PairSettings = {
  source: 'ha.cf',
  autoFailback: true,
  links: ['eth1'],
  ping: '192.168.2.1',
  onIsolated: undefined,
  nginx: 'cold',
  handover: 'break-before-make',
  deadtimeMs: 1000,
  // Long, so that a busy machine which starts one node seconds after the other does not look like a node alone.
  initdeadMs: 10_000,
  sealed: false,
  broadcast: false,
}

/** Times that no scenario varies, ms. */
export const TIMES = { keepaliveMs: 200, deadpingMs: 600, restartWindowMs: 20_000, holdDownMs: 2000 } as const

/** A file of the configuration directory. */
export interface ConfigurationFile {
  readonly name: string
  readonly text: string
  readonly mode: number
}

const peerOf = (node: 'master' | 'slave') => (node === 'master' ? 'slave' : 'master')

const haCf = (node: 'master' | 'slave', settings: PairSettings): string =>
  [
    'logfile /var/log/ha-log',
    'debugfile /var/log/ha-debug',
    `keepalive ${TIMES.keepaliveMs}ms`,
    `deadtime ${settings.deadtimeMs}ms`,
    `warntime ${settings.deadtimeMs / 2}ms`,
    `initdead ${settings.initdeadMs}ms`,
    `deadping ${TIMES.deadpingMs}ms`,
    'udpport 694',
    ...settings.links.map((device) => `ucast ${device} ${plugOf(peerOf(node), device).address}`),
    `auto_failback ${settings.autoFailback ? 'on' : 'off'}`,
    'node master',
    'node slave',
    `ping ${settings.ping}`,
    'respawn hacluster /usr/lib64/heartbeat/ipfail',
    '',
  ].join('\n')

const ini = (settings: PairSettings): string =>
  [
    'name = web-pair',
    'nodes = master, slave',
    `autoFailback = ${settings.autoFailback}`,
    ...(settings.onIsolated ? [`onIsolated = ${settings.onIsolated}`] : []),
    `restartWindow = ${TIMES.restartWindowMs}ms`,
    `holdDown = ${TIMES.holdDownMs}ms`,
    '[liveness]',
    `keepalive = ${TIMES.keepaliveMs}ms`,
    `deadtime = ${settings.deadtimeMs}ms`,
    `initdead = ${settings.initdeadMs}ms`,
    '[authenticator]',
    ...(settings.sealed
      ? ['method = sealed', 'keyFile = /etc/ha.d/key']
      : ['method = sha256', 'key = a key of the laboratory, long enough']),
    ...settings.links.flatMap((device) => [
      `[transport.${device}]`,
      ...(settings.broadcast
        ? ['type = udp-broadcast']
        : [
            'type = udp-unicast',
            `addresses.master = ${plugOf('master', device).address}`,
            `addresses.slave = ${plugOf('slave', device).address}`,
          ]),
      `device = ${device}`,
    ]),
    '[arbiter.gateway]',
    'type = icmp-ping',
    `address = ${settings.ping}`,
    '[group.web]',
    'preferred = master',
    `resources[] = ${FLOATING}/24/eth0`,
    ...(settings.nginx === 'outside' ? [] : [`resources[] = ${settings.nginx === 'hot' ? 'nginx::hot' : 'nginx'}`]),
    `handover = ${settings.handover}`,
    '',
  ].join('\n')

/** The files of a node's configuration directory. */
export const configurationOf = (node: 'master' | 'slave', settings: PairSettings): readonly ConfigurationFile[] => {
  if (settings.source === 'ini') return [{ name: 'hot-standby.ini', text: ini(settings), mode: 0o600 }]
  const nginx = settings.nginx === 'hot' ? 'nginx::hot' : 'nginx'
  return [
    { name: 'ha.cf', text: haCf(node, settings), mode: 0o644 },
    { name: 'authkeys', text: 'auth 3\n3 md5 hello!\n', mode: 0o600 },
    { name: 'haresources', text: `master ${FLOATING}/24/eth0 ${nginx}\n`, mode: 0o644 },
  ]
}
