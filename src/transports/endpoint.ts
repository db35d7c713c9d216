import { isDeviceName } from '../platform/interfaces.ts'
import { canonicalAddress, ipFamily, isLinkLocal, isMulticast, isUnspecified, withZone } from '../platform/ip.ts'

/** One end of a link. */
export interface Endpoint {
  /** In the kernel's spelling, with the zone where one is needed. */
  readonly address: string
  readonly port: number
}

/** Problem of an option; the path is relative to the plug-in. */
export interface OptionIssue {
  readonly path: string
  readonly message: string
}

/** `192.168.2.105:694`, `[fe80::1%eth1]:694`. */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * Reads `addr`, `addr:port`, `[v6]` or `[v6]:port`; undefined when it is none of them. `device` becomes the zone of a
 * link-local address that names none, so that one file serves two hosts whose devices are called alike.
 */
export function parseEndpoint(text: unknown, port: number, device?: string | undefined): Endpoint | undefined {
  if (typeof text !== 'string') return undefined
  const match = ipFamily(text) ? [text, text] : /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d+))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (!host || !ipFamily(host) || (text.startsWith('[') && ipFamily(host) !== 6)) return undefined
  const own = match?.[3] === undefined ? port : Number(match[3])
  return { address: canonicalAddress(withZone(host, device)), port: own }
}

/** What is wrong with the address of one host, if anything. */
export function hostAddressIssue(value: unknown, device: string | undefined): string | undefined {
  const found = parseEndpoint(value, 694, device)
  const shown = typeof value === 'string' ? `'${value}'` : `${typeof value} ${String(value)}`
  if (!found)
    return `${shown} is not an IP address; write '192.168.2.105', '192.168.2.105:694' or '[fd00::5]:694' (names are not looked up)`
  if (isUnspecified(found.address)) return `${shown} names no host; write the address of one host`
  if (isMulticast(found.address)) return `${shown} is a group; use udpMulticast for groups`
  if (isLinkLocal(found.address) && !found.address.includes('%')) {
    return `${shown} is link-local and needs a device; write '${found.address}%eth1' or name the device`
  }
  return portIssue(found.port)
}

/** What is wrong with a port, if anything. */
export function portIssue(port: unknown): string | undefined {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return undefined
  return `${typeof port === 'string' ? `'${port}'` : String(port)} is not a valid port; write a number from 1 to 65535`
}

/** What is wrong with the name of a device, if anything. Linux allows 15 characters without blank and slash. */
export function deviceIssue(device: unknown): string | undefined {
  if (isDeviceName(device)) return undefined
  return `'${String(device)}' is not a valid name for a network device; write one as 'ip link' shows it, for example 'eth1'`
}

/** Issues of the options that every UDP transport has; a missing option is none. */
export function commonIssues(options: { readonly [name: string]: unknown }): OptionIssue[] {
  const issues: OptionIssue[] = []
  const note = (path: string, message: string | undefined) => {
    if (message !== undefined) issues.push({ path, message })
  }
  for (const path of ['port', 'peerPort', 'localPort']) {
    if (options[path] !== undefined) note(path, portIssue(options[path]))
  }
  if (options['device'] !== undefined) note('device', deviceIssue(options['device']))
  const link = options['link']
  if (link !== undefined && (typeof link !== 'string' || link === '')) note('link', 'write a name, or leave it out')
  return issues
}
