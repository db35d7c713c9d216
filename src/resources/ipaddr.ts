import { type IpAddress, parseIpAddress } from '../platform/ip-address.ts'

/** What an argument of Heartbeat's `IPaddr` says. */
export interface Ipaddr {
  /** The address in the kernel's spelling. */
  readonly address: string
  readonly family: 4 | 6
  /** Prefix length of its network, where one was written. */
  readonly prefix?: number | undefined
  /** Device, or an alias of one (`eth0:1`), where one was written. */
  readonly device?: string | undefined
  /** Broadcast address of its network, where one was written. */
  readonly broadcast?: string | undefined
}

/** Names that Linux takes for a device (`dev_valid_name`) or as its alternative name (ALTIFNAMSIZ), with an alias behind a colon. */
const devicePattern = /^(?!-)(?!\.\.?$)[A-Za-z0-9_.:-]{1,127}$/

/** What such a name is, for people. */
export const deviceNameIs =
  "it has at most 127 letters, digits, '_', '.', ':' or '-' (15 where it is no alternative name)"

/** True for a name that a device or an alias can have. */
export function isDeviceName(text: string): boolean {
  return devicePattern.test(text)
}

/** Prefix length of a netmask such as `255.255.255.0`; any other text as it is. */
function prefixOf(text: string): string {
  if (!isIpv4(text)) return text
  const octets = text.split('.').map((octet) => Number(octet).toString(2).padStart(8, '0'))
  const ones = /^(1*)0*$/.exec(octets.join(''))?.[1]
  return ones === undefined ? text : String(ones.length)
}

/**
 * Reads Heartbeat's forms of an address: `ip`, `ip/prefix`, `ip/prefix/nic`, `ip/prefix/nic/broadcast` and
 * `ip/prefix/broadcast` (resource script IPaddr of heartbeat 3.0.6). As there, the prefix may be a netmask, and slashes that are
 * doubled or at the end say nothing. IPv6 in the same forms, without a broadcast address and a netmask.
 * @returns what was read, or a sentence that says what is wrong and what would be right.
 */
export function parseIpaddr(text: string): Ipaddr | string {
  const [host = '', length, third, fourth, ...rest] = text.replace(/\/+/g, '/').replace(/\/$/, '').split('/')
  const prefix = length !== undefined && isIpv4(host) ? prefixOf(length) : length
  if (rest.length > 0) return `'${text}' has too many parts; write ADDRESS[/PREFIX[/DEVICE[/BROADCAST]]]`
  const address = parseIpAddress(prefix === undefined ? host : `${host}/${prefix}`)
  if (typeof address === 'string') return address
  if (third === undefined) return address
  const thirdIsBroadcast = fourth === undefined && isIpv4(third)
  const device = thirdIsBroadcast ? undefined : third
  const broadcast = thirdIsBroadcast ? third : fourth
  if (device !== undefined && !isDeviceName(device)) {
    return `'${text}': '${device}' is not a valid name for a network device; ${deviceNameIs}`
  }
  if (broadcast !== undefined && !(isIpv4(broadcast) && address.family === 4)) {
    return `'${text}': '${broadcast}' is no IPv4 broadcast address, as '192.168.1.255' is`
  }
  return { ...address, device, broadcast }
}

function isIpv4(text: string): boolean {
  const parsed: IpAddress | string = parseIpAddress(text)
  return typeof parsed !== 'string' && parsed.family === 4
}
