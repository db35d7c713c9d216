import { isIP, SocketAddress } from 'node:net'

/** 4, 6, or 0 when the text is no IP address. A zone (`fe80::1%eth1`) is allowed. */
export function ipFamily(text: string): 0 | 4 | 6 {
  return isIP(text) as 0 | 4 | 6
}

/** The one spelling of an address that the kernel uses too: `FE80:0::1%eth1` becomes `fe80::1%eth1`. */
export function canonicalAddress(address: string): string {
  const { host, zone } = splitZone(address)
  const plain = ipFamily(host) === 6 ? new SocketAddress({ address: host, family: 'ipv6' }).address : host
  return zone === undefined ? plain : `${plain}%${zone}`
}

/** Address and zone of `fe80::1%eth1`. */
export function splitZone(address: string): { readonly host: string; readonly zone: string | undefined } {
  const at = address.indexOf('%')
  return at < 0 ? { host: address, zone: undefined } : { host: address.slice(0, at), zone: address.slice(at + 1) }
}

/** The address with the device as zone where it is link-local and has none yet; otherwise as it is. */
export function withZone(address: string, device: string | undefined): string {
  return device !== undefined && isLinkLocal(address) && !address.includes('%') ? `${address}%${device}` : address
}

/** True for IPv6 addresses that mean something only together with a device (fe80::/10; RFC 4007). */
export function isLinkLocal(address: string): boolean {
  return ipFamily(address) === 6 && /^fe[89ab]/i.test(address)
}

/** True for group addresses: 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: string): boolean {
  const family = ipFamily(address)
  if (family === 6) return /^ff/i.test(address)
  const first = Number(address.split('.')[0])
  return family === 4 && first >= 224 && first <= 239
}

/** True for 0.0.0.0 and ::, which name no host. */
export function isUnspecified(address: string): boolean {
  return ipFamily(address) !== 0 && /^[0:.]+$/.test(address)
}

/** Broadcast address of an IPv4 network, `192.168.2.105` with `255.255.255.0` say; undefined for /31 and /32, which have none (RFC 3021). */
export function broadcastOf(address: string, netmask: string): string | undefined {
  const mask = netmask.split('.').map(Number)
  if ((mask[3] ?? 255) >= 254) return undefined
  return address
    .split('.')
    .map((byte, index) => Number(byte) | (~(mask[index] ?? 255) & 255))
    .join('.')
}
