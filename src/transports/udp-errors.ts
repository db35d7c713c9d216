import { addressesOf, type DeviceState, deviceState } from '../platform/interfaces.ts'
import { HotStandbyError } from '../roles/error.ts'
import { type Endpoint, endpointText } from './endpoint.ts'

const deviceTroubles: Partial<Record<DeviceState, string>> = {
  missing: 'there is no such device on this host',
  down: "it is down; 'ip link set DEVICE up' starts it",
  'no-carrier': 'it has no carrier: cable, switch port, or the peer at the other end of a crossover cable',
}

/** The device cannot be used: what it is, and what would be right. */
export function deviceError(device: string, state: DeviceState = deviceState(device)): HotStandbyError {
  const trouble = deviceTroubles[state] ?? 'it has no address'
  const running = [...new Set(addressesOf().map((entry) => entry.device))].join(', ')
  const hint = state === 'missing' ? ` (running: ${running})` : ''
  return new HotStandbyError('HS_TRANSPORT', `device ${device}: ${trouble.replace('DEVICE', device)}${hint}`)
}

const bindCauses: Readonly<Record<string, (at: Endpoint) => string>> = {
  EADDRINUSE: ({ port }) =>
    `the port is in use on this host: a second pair or a heartbeat daemon ('ss -ulpn sport = :${port}' names it)`,
  EACCES: ({ port }) =>
    `ports below net.ipv4.ip_unprivileged_port_start need a privilege: run as root, or give the service the ambient capability CAP_NET_BIND_SERVICE, or set that sysctl to ${port}`,
  EADDRNOTAVAIL: () => {
    const own = addressesOf().map((entry) => `${entry.address} on ${entry.device}`)
    return `it is not an address of this host (there are ${own.join(', ')})`
  },
  EINVAL: () => 'the address cannot be bound; a link-local one needs its device',
  ENODEV: () => 'its device is not there',
}

/** A socket could not be bound or set up. */
export function bindError(error: NodeJS.ErrnoException, at: Endpoint, device: string | undefined): HotStandbyError {
  const cause = bindCauses[error.code ?? '']?.(at) ?? error.message
  const where = device === undefined ? '' : ` on ${device}`
  return new HotStandbyError('HS_TRANSPORT', `cannot use ${endpointText(at)}${where}: ${cause}`, { cause: error })
}

const sendCauses: Readonly<Record<string, string>> = {
  EACCES: 'the destination is a broadcast address; use udpBroadcast',
  EADDRNOTAVAIL: 'the own address is gone from this host',
  ECONNREFUSED: "nothing listens at the peer's port: its member is not running, or uses another port",
  EHOSTUNREACH: 'the peer is unreachable: the link is down',
  EINVAL: 'the own address is gone from this host',
  EMSGSIZE: 'the frame is larger than the link carries',
  ENETDOWN: 'the link is down',
  ENETUNREACH: 'no route to the peer: the link is down or the route is gone',
  ENOBUFS: 'the network does not take what is sent; frames are dropped',
  ENODEV: 'the device is gone',
  ENXIO: 'the device is gone',
  EPERM: "this host's firewall refuses it (nftables or iptables, output chain)",
}

/** A frame could not be sent; `path` is the link as `describe()` shows it. */
export function sendError(code: string, path: string, device: string | undefined, cause: unknown): HotStandbyError {
  const likely = sendCauses[code] ?? code
  const state = device === undefined ? 'unknown' : deviceState(device)
  const now = device !== undefined && deviceTroubles[state] ? ` (${device}: ${state})` : ''
  return new HotStandbyError('HS_TRANSPORT', `cannot send ${path}: ${likely}${now}`, { cause })
}
