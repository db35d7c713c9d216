import { type NodeName, Stage } from '../stage.ts'
import { type Device, plugOf } from '../world/layout.ts'
import { SERIAL_DEVICE } from '../world/serial-line.ts'
import type { World } from '../world.ts'

/** What runs on a host: a real daemon, or this project's command. */
export type Kind = 'daemon' | 'ours'
export type Kinds = Readonly<Record<NodeName, Kind>>

export const NODES: readonly NodeName[] = ['master', 'slave']

export const otherOf = (node: NodeName): NodeName => (node === 'master' ? 'slave' : 'master')

/** Heartbeat's methods. */
export type Authentication = 'crc' | 'md5' | 'sha1'
export type Medium = 'ucast' | 'bcast' | 'mcast' | 'serial'
export type MessageFormat = 'classic' | 'netstring'

/** What differs from one pairing to the next: everything that both nodes' files must say alike. */
export interface PairingSettings {
  readonly kinds: Kinds
  readonly autoFailback: boolean | 'legacy'
  readonly authentication: Authentication
  readonly format: MessageFormat
  readonly medium: Medium
  readonly links: 1 | 2
  /** `two`: each node is preferred by one group, of an address alone; nginx runs on both hosts all the time. */
  readonly groups: 'one' | 'two'
  /** Both ping the gateway, and the daemon runs its ipfail. */
  readonly ping: boolean
  /** Our host has heartbeat's package too, as every host that migrates: its resource.d runs there, not the built-in agents. */
  readonly packaged: boolean
}

export const USUAL: Omit<PairingSettings, 'kinds' | 'autoFailback'> = {
  authentication: 'sha1',
  format: 'classic',
  medium: 'ucast',
  links: 1,
  groups: 'one',
  ping: false,
  packaged: false,
}

/** The group that prefers the slave. */
export const SECOND = '192.168.1.110'

/** A beat that is late because this machine is busy with something else is not what is judged here. */
const WARNTIME = 'warntime 900ms'

/** Speed of a serial line, in bits a second. */
export const BAUD = 38_400

const ucast = (peer: NodeName, device: Device): string => `ucast ${device} ${plugOf(peer, device).address}`

/** The lines of ha.cf, the first link's and the second's. A serial line is one; the second link is then another kind. */
const mediumLines: Readonly<Record<Medium, (peer: NodeName) => readonly [string, string]>> = {
  ucast: (peer) => [ucast(peer, 'eth1'), ucast(peer, 'eth0')],
  bcast: () => ['bcast eth1', 'bcast eth0'],
  // A group for each: one on both devices would be heard on either by every socket.
  mcast: () => ['mcast eth1 239.1.2.3 694 1 0', 'mcast eth0 239.1.2.4 694 1 0'],
  serial: (peer) => [`baud ${BAUD}\nserial ${SERIAL_DEVICE}`, ucast(peer, 'eth1')],
}

const key: Readonly<Record<Authentication, string>> = {
  crc: 'crc',
  md5: 'md5 a-secret-of-the-laboratory',
  sha1: 'sha1 a-secret-of-the-laboratory',
}

const haCf = (text: string, node: NodeName, settings: PairingSettings): string => {
  const dropped = /^(?:ucast|ping|respawn|deadping|warntime|auto_failback) /
  const { autoFailback, format, medium, links, ping } = settings
  return [
    ...text.split('\n').filter((line) => !dropped.test(line)),
    WARNTIME,
    `auto_failback ${autoFailback === 'legacy' ? 'legacy' : autoFailback ? 'on' : 'off'}`,
    `msgfmt ${format}`,
    ...mediumLines[medium](otherOf(node)).slice(0, links),
    ...(ping ? ['ping 192.168.1.1', 'deadping 1500ms', 'respawn hacluster /usr/libexec/heartbeat/ipfail'] : []),
    '',
  ].join('\n')
}

/** Writes the same three files on both hosts; nothing runs yet. */
export const writeFiles = async (world: World, settings: PairingSettings): Promise<Stage> => {
  const stage = await Stage.set(world)
  const resources = {
    one: `master IPaddr::${world.floating}/24/eth0 nginx\n`,
    two: `master IPaddr::${world.floating}/24/eth0\nslave IPaddr::${SECOND}/24/eth0\n`,
  }
  for (const node of NODES) {
    await stage.rewrite(node, 'ha.cf', (text) => haCf(text, node, settings))
    await stage.rewrite(node, 'authkeys', () => `auth 1\n1 ${key[settings.authentication]}\n`)
    await stage.rewrite(node, 'haresources', () => resources[settings.groups])
  }
  return stage
}

/** The settings in a few words. */
export const settingOf = ({ kinds, autoFailback, ...settings }: PairingSettings): string => {
  const ours = NODES.find((node) => kinds[node] === 'ours')
  const { authentication, format, medium, links } = settings
  const failback = autoFailback === 'legacy' ? 'legacy' : autoFailback ? 'failback on' : 'failback off'
  return [
    ours ? `our ${ours}` : 'two daemons',
    authentication,
    medium,
    ...(links === 2 ? ['two links'] : []),
    ...(format === 'netstring' ? ['netstring'] : []),
    failback,
  ].join(', ')
}
