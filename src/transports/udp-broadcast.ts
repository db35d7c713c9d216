import type { InterfaceAddress } from '../platform/interfaces.ts'
import { broadcastOf, ipFamily } from '../platform/ip.ts'
import { configurationError, HotStandbyError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { commonIssues, hostAddressIssue, type OptionIssue } from './endpoint.ts'
import { entryOf, heardOn, ownAddress } from './own-address.ts'
import { UdpLink, type UdpPlan } from './udp-link.ts'

/** Options of {@link udpBroadcast}: a device, or an own address on it. */
export interface UdpBroadcastOptions {
  /** Network device of the link. */
  readonly device?: string | undefined
  /** Own IPv4 address to send from. @defaultValue the device's one in the network of `broadcast`, else its first one that does not float */
  readonly localAddress?: string | undefined
  /** Broadcast address. @defaultValue that of the own address's network */
  readonly broadcast?: string | undefined
  /** UDP port. @defaultValue 694 */
  readonly port?: number | undefined
  /** Name of the link. @defaultValue the device, else the own address */
  readonly link?: string | undefined
}

const knownOptions: OptionTable<UdpBroadcastOptions> = {
  device: 'any',
  localAddress: 'any',
  broadcast: 'any',
  port: 'any',
  link: 'any',
}

/**
 * A link of UDP datagrams to everybody in an IPv4 network: Heartbeat's `bcast`. Needs no address of the peer. Own datagrams,
 * which come back, are dropped; so is what comes from the network of another device of this host.
 *
 * @example
 * ```ts
 * import { udpBroadcast } from 'hot-standby'
 *
 * const line = udpBroadcast({ device: 'eth1' })
 * ```
 */
export function udpBroadcast(options: UdpBroadcastOptions): TransportPlugin {
  checkOptionNames('udpBroadcast', options, knownOptions)
  const { device, localAddress } = options
  const validate = () => issuesOf(options)
  return {
    kind: 'transport',
    type: 'udp-broadcast',
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

function issuesOf(options: UdpBroadcastOptions): readonly OptionIssue[] {
  const { device, localAddress, broadcast } = options
  const issues = commonIssues({ ...options })
  if (device === undefined && localAddress === undefined) {
    issues.push({ path: 'device', message: "name the 'device' of the link, or a 'localAddress'" })
  }
  for (const [path, address] of Object.entries({ localAddress, broadcast })) {
    if (address === undefined) continue
    const message = hostAddressIssue(address, undefined)
    if (message !== undefined) issues.push({ path, message })
    else if (ipFamily(address) !== 4) {
      issues.push({
        path,
        message: `'${address}' is not a plain IPv4 address; IPv6 has no broadcast, use udpMulticast`,
      })
    }
  }
  return issues
}

function planOf(
  options: UdpBroadcastOptions,
  own: readonly InterfaceAddress[],
  floating: readonly string[] | undefined,
): UdpPlan {
  const { device, localAddress, port = 694 } = options
  const entry =
    localAddress === undefined
      ? ownAddress(own, device ?? '', 4, options.broadcast, floating)
      : entryOf(own, localAddress)
  if (!entry) {
    const where = device === undefined ? 'this host' : `device ${device}`
    throw new HotStandbyError('HS_TRANSPORT', `${localAddress} is not an address of ${where} now`)
  }
  const broadcast = options.broadcast ?? broadcastOf(entry.address, entry.netmask)
  if (broadcast === undefined) {
    throw new HotStandbyError(
      'HS_TRANSPORT',
      `${entry.cidr} on ${entry.device} has no broadcast address; use udpUnicast`,
    )
  }
  const heard = heardOn(entry)
  return {
    sending: {
      address: entry.address,
      // Any port: 694 of this address stays free for a unicast link on the same device, and no receiver looks at it.
      port: 0,
      prepare(socket) {
        socket.setBroadcast(true)
        // With its device down the route may lead elsewhere; a router then drops the datagram.
        socket.setTTL(1)
      },
    },
    receiving: { address: broadcast, port, shared: true },
    to: { address: broadcast, port },
    accepts: heard,
    elsewhere: (address) => !heard(address),
  }
}
