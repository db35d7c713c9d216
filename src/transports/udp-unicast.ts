import { deviceOf, type InterfaceAddress, networkOf } from '../platform/interfaces.ts'
import { ipFamily } from '../platform/ip.ts'
import { configurationError, HotStandbyError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type { TransportContext, TransportPlugin } from '../roles/transport.ts'
import {
  commonIssues,
  type Endpoint,
  endpointText,
  hostAddressIssue,
  type OptionIssue,
  parseEndpoint,
} from './endpoint.ts'
import { bindable, entryOf, ownAddress } from './own-address.ts'
import { UdpLink, type UdpPlan } from './udp-link.ts'

/** Options of {@link udpUnicast}: either `addresses`, or `peer` with `device` or `localAddress`. */
export interface UdpUnicastOptions {
  /** Address of each node on this link: `addr`, `addr:port`, `[v6]` or `[v6]:port`. The same on both hosts. */
  readonly addresses?: Readonly<Record<string, string>> | undefined
  /** Address of the other node, as Heartbeat's `ucast DEV PEER` has it. */
  readonly peer?: string | undefined
  /** Network device of the link. With `peer` its own address is used; with `addresses` it is checked and names the link. */
  readonly device?: string | undefined
  /** With `peer`: the own address to use. @defaultValue the device's, in the peer's network if it has one there */
  readonly localAddress?: string | undefined
  /** UDP port of both ends. @defaultValue 694 */
  readonly port?: number | undefined
  /** With `peer`: port of the other end. @defaultValue `port` */
  readonly peerPort?: number | undefined
  /** With `peer`: port of this end. @defaultValue `port` */
  readonly localPort?: number | undefined
  /** Name of the link. @defaultValue the device, else the local address, else both addresses joined by `-` */
  readonly link?: string | undefined
}

const knownOptions: OptionTable<UdpUnicastOptions> = {
  addresses: 'map',
  peer: 'any',
  device: 'any',
  localAddress: 'any',
  port: 'any',
  peerPort: 'any',
  localPort: 'any',
  link: 'any',
}

/**
 * A link of UDP datagrams between two addresses, IPv4 or IPv6: Heartbeat's `ucast`. Listens to the peer's address only, from
 * whatever port (a heartbeat daemon sends from a changing one), and sends from the port it is bound to. Towards a peer in the
 * same network the hop limit is 1, so that a dead link is not bridged by a router unnoticed.
 *
 * @example
 * ```ts
 * import { udpUnicast } from 'hot-standby'
 *
 * const line = udpUnicast({ addresses: { master: '192.168.2.105', slave: '192.168.2.106' }, device: 'eth1' })
 * ```
 */
export function udpUnicast(options: UdpUnicastOptions): TransportPlugin {
  checkOptionNames('udpUnicast', options, knownOptions)
  const { addresses, device, localAddress, port = 694 } = options
  const both = Object.values(addresses ?? {}).join('-')
  return {
    kind: 'transport',
    type: 'udp-unicast',
    link: options.link ?? device ?? localAddress ?? (both || String(options.peer)),
    device,
    settings: { ...options },
    validate: (nodes) => issuesOf(options, nodes),
    remoteAddress: (_self, peer) => parseEndpoint(addresses ? addresses[peer] : options.peer, port, device)?.address,
    create(context) {
      const issues = issuesOf(options, [context.self, context.peer])
      if (issues.length > 0) {
        throw configurationError(issues.map(({ path, message }) => ({ where: path, message, severity: 'error' })))
      }
      return new UdpLink({ device, plan: (own) => planOf(options, context, own) }, context)
    },
  }
}

/** What the kernel itself would write. */
const routedTtl = 64

function issuesOf(options: UdpUnicastOptions, nodes: readonly string[]): readonly OptionIssue[] {
  const { addresses, peer, device, localAddress } = options
  const issues = commonIssues({ ...options })
  const note = (path: string, message: string | undefined) => {
    if (message !== undefined) issues.push({ path, message })
  }
  if ((addresses === undefined) === (peer === undefined)) {
    note(addresses ? 'peer' : 'addresses', "give either 'addresses' of both nodes, or 'peer' with 'device'")
    return issues
  }
  if (addresses === undefined) {
    note('peer', hostAddressIssue(peer, device))
    if (localAddress !== undefined) note('localAddress', hostAddressIssue(localAddress, device))
    if (localAddress === undefined && device === undefined) {
      note('device', "'peer' needs the 'device' of the link, or a 'localAddress'")
    }
    return issues
  }
  for (const path of ['localAddress', 'localPort', 'peerPort'] as const) {
    if (options[path] !== undefined) note(path, "goes with 'peer' only; 'addresses' takes 'address:port' for each node")
  }
  for (const node of nodes) {
    if (addresses[node] === undefined) note(`addresses.${node}`, `the address of node '${node}' is missing`)
  }
  for (const [node, address] of Object.entries(addresses)) {
    if (!nodes.includes(node))
      note(`addresses.${node}`, `'${node}' is not a node; the nodes are ${nodes.join(' and ')}`)
    note(`addresses.${node}`, hostAddressIssue(address, device))
  }
  if (issues.length === 0) note('addresses', pairIssue(nodes.map((node) => endOf(addresses[node], options))))
  return issues
}

function endOf(text: string | undefined, { port = 694, device }: UdpUnicastOptions): Endpoint {
  const found = parseEndpoint(text, port, device)
  if (!found) throw new HotStandbyError('HS_TRANSPORT', `'${text}' is not an IP address`)
  return found
}

function pairIssue(ends: readonly Endpoint[]): string | undefined {
  const [one, other] = ends
  if (!one || !other) return undefined
  if (endpointText(one) === endpointText(other))
    return `both nodes have ${endpointText(one)}; each needs its own address or port`
  if (ipFamily(one.address) !== ipFamily(other.address))
    return 'one address is IPv4 and the other IPv6; both must be of one family'
  return undefined
}

function planOf(options: UdpUnicastOptions, context: TransportContext, own: readonly InterfaceAddress[]): UdpPlan {
  const { addresses, device, port = 694 } = options
  const to = addresses
    ? endOf(addresses[context.peer], options)
    : endOf(options.peer, { ...options, port: options.peerPort ?? port })
  const from = addresses
    ? endOf(addresses[context.self], options)
    : localEnd({ ...options, port: options.localPort ?? port }, to, own, context.floating)
  const elsewhere = device === undefined ? undefined : deviceOf(from.address)
  if (elsewhere !== undefined && elsewhere !== device) {
    throw new HotStandbyError('HS_TRANSPORT', `${from.address} is on device ${elsewhere}, not on ${device}`)
  }
  const entry = entryOf(own, from.address)
  const onLink = entry !== undefined && networkOf([entry])(to.address)
  let strangers = 0
  return {
    sending: {
      ...from,
      prepare: (socket) => {
        socket.setTTL(onLink ? 1 : routedTtl)
      },
    },
    to,
    connected: context.peerIsOurs === true,
    accepts: (address) => address === to.address,
    refused(address) {
      // Once: whoever sends here from another address may send a great deal.
      if (strangers++ > 0) return
      const fields = { from: address, expected: to.address }
      context.logger.warn(fields, 'datagrams from another address than the peer has are ignored on this link')
    },
  }
}

function localEnd(
  options: UdpUnicastOptions,
  to: Endpoint,
  own: readonly InterfaceAddress[],
  floating: readonly string[] | undefined,
): Endpoint {
  const { device, localAddress, port = 694 } = options
  if (localAddress !== undefined) return endOf(localAddress, options)
  const family = ipFamily(to.address) === 6 ? 6 : 4
  return { address: bindable(ownAddress(own, device ?? '', family, to.address, floating)), port }
}
