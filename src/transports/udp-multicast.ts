import type { InterfaceAddress } from '../platform/interfaces.ts'
import { canonicalAddress, ipFamily, isMulticast, splitZone } from '../platform/ip.ts'
import { configurationError, HotStandbyError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { commonIssues, hostAddressIssue, type OptionIssue } from './endpoint.ts'
import { bindable, entryOf, heardOn, ownAddress } from './own-address.ts'
import { UdpLink, type UdpPlan } from './udp-link.ts'

/** Options of {@link udpMulticast}: a group, and a device or an own address on it. */
export interface UdpMulticastOptions {
  /** Group address, IPv4 (`239.0.0.43`) or IPv6 (`ff02::694`). */
  readonly group: string
  /** Network device of the link. */
  readonly device?: string | undefined
  /** Own address to send from. @defaultValue the device's first one that does not float; for IPv6 its link-local one */
  readonly localAddress?: string | undefined
  /** UDP port. @defaultValue 694 */
  readonly port?: number | undefined
  /** Hops a datagram may make, 1–255; with 1 it stays in the network. @defaultValue 1 */
  readonly ttl?: number | undefined
  /** Whether other sockets of this host hear it too (two nodes on one host); own datagrams are dropped either way. @defaultValue false */
  readonly loop?: boolean | undefined
  /** Name of the link. @defaultValue the device, else the own address */
  readonly link?: string | undefined
}

const knownOptions: OptionTable<UdpMulticastOptions> = {
  group: 'any',
  device: 'any',
  localAddress: 'any',
  port: 'any',
  ttl: 'any',
  loop: 'boolean',
  link: 'any',
}

/**
 * A link of UDP datagrams to a multicast group, IPv4 or IPv6: Heartbeat's `mcast`. Needs no address of the peer.
 *
 * @example
 * ```ts
 * import { udpMulticast } from 'hot-standby'
 *
 * const line = udpMulticast({ group: '239.0.0.43', device: 'eth1' })
 * ```
 */
export function udpMulticast(options: UdpMulticastOptions): TransportPlugin {
  checkOptionNames('udpMulticast', options, knownOptions)
  const { device, localAddress } = options
  const validate = () => issuesOf(options)
  return {
    kind: 'transport',
    type: 'udp-multicast',
    link: options.link ?? device ?? String(localAddress),
    device,
    settings: { ...options },
    validate,
    create(context) {
      const issues = validate()
      if (issues.length > 0) {
        throw configurationError(issues.map(({ path, message }) => ({ where: path, message, severity: 'error' })))
      }
      return new UdpLink({ device, plan: (own) => planOf(options, own, context.floating) }, context)
    },
  }
}

function issuesOf(options: UdpMulticastOptions): readonly OptionIssue[] {
  const { group, device, localAddress, ttl = 1 } = options
  const issues = commonIssues({ ...options })
  const note = (path: string, message: string) => issues.push({ path, message })
  const known = typeof group === 'string' && isMulticast(group) && splitZone(group).zone === undefined
  if (!known) note('group', `'${String(group)}' is not a group address; write one as '239.0.0.43' or 'ff02::694'`)
  if (device === undefined && localAddress === undefined) {
    note('device', "name the 'device' of the link, or a 'localAddress'")
  }
  if (localAddress !== undefined) {
    const message = hostAddressIssue(localAddress, device)
    if (message !== undefined) note('localAddress', message)
    else if (known && ipFamily(localAddress) !== ipFamily(group)) {
      note(
        'localAddress',
        `'${localAddress}' is not an address of the group's family; write an IPv${ipFamily(group)} one`,
      )
    }
  }
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > 255) note('ttl', `${String(ttl)} is not a hop limit; write 1 to 255`)
  return issues
}

function planOf(
  options: UdpMulticastOptions,
  own: readonly InterfaceAddress[],
  floating: readonly string[] | undefined,
): UdpPlan {
  const { port = 694, ttl = 1, loop = false } = options
  const family = ipFamily(options.group) === 6 ? 6 : 4
  const entry = ownEntry(options, own, family, floating)
  // IPv6 chooses the device by zone, IPv4 by the device's address.
  const via = family === 6 ? `::%${entry.device}` : entry.address
  const group = canonicalAddress(options.group)
  const zoned = family === 6 ? `${group}%${entry.device}` : group
  const heard = heardOn(entry)
  return {
    sending: {
      address: bindable(entry),
      // Any port: 694 of this address stays free for a unicast link on the same device, and no receiver looks at it.
      port: 0,
      prepare(socket) {
        socket.setMulticastInterface(via)
        socket.setMulticastTTL(ttl)
        socket.setMulticastLoopback(loop)
      },
    },
    receiving: { address: zoned, port, shared: true, prepare: (socket) => socket.addMembership(group, via) },
    to: { address: zoned, port },
    accepts: heard,
    elsewhere: (address) => !heard(address),
  }
}

function ownEntry(
  options: UdpMulticastOptions,
  own: readonly InterfaceAddress[],
  family: 4 | 6,
  floating: readonly string[] | undefined,
): InterfaceAddress {
  const { device, localAddress } = options
  if (localAddress === undefined)
    return ownAddress(own, device ?? '', family, family === 6 ? 'fe80::' : undefined, floating)
  const entry =
    entryOf(own, canonicalAddress(localAddress)) ?? entryOf(own, splitZone(canonicalAddress(localAddress)).host)
  if (entry) return entry
  const where = device === undefined ? 'this host' : `device ${device}`
  throw new HotStandbyError('HS_TRANSPORT', `${localAddress} is not an address of ${where} now`)
}
