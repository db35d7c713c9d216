import { BlockList } from 'node:net'
import { canonicalAddress, ipFamily, isMulticast, isUnspecified } from './ip.ts'

/** An IP address as the kernel prints it, with the prefix that was written beside it. */
export interface IpAddress {
  /** Canonical text (RFC 5952 for IPv6), so that two spellings of one address compare equal. */
  readonly address: string
  readonly family: 4 | 6
  /** Prefix length, where one was written. */
  readonly prefix?: number | undefined
  /** Broadcast address of its network, where one was written; it goes with the prefix. */
  readonly broadcast?: string | undefined
}

const maxPrefix = { 4: 32, 6: 128 } as const

/** What cannot belong to one host of a network (RFC 6890, RFC 4291 §2). */
const notFloatable: readonly [test: (address: string) => boolean, what: string][] = [
  [isUnspecified, 'names no host'],
  [isMulticast, 'is a multicast address'],
  [(address) => address === '::1' || address.startsWith('127.'), "is every host's own loopback address"],
  [(address) => address === '255.255.255.255', 'is the broadcast address'],
]

/**
 * Reads `address` or `address/prefix`, IPv4 or IPv6.
 * @returns the address, or a sentence that says what is wrong and what would be right.
 */
export function parseIpAddress(text: string): IpAddress | string {
  const [host = '', prefixText, ...rest] = text.split('/')
  const family = ipFamily(host)
  if (rest.length > 0 || host.includes('%') || family === 0) {
    return `'${text}' is not an IP address; write '192.168.1.100', '192.168.1.100/24' or '2001:db8::100/64'`
  }
  const address = canonicalAddress(host)
  if (prefixText === undefined) return { address, family }
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : Number.NaN
  if (!(prefix >= 1 && prefix <= maxPrefix[family])) {
    return `'${text}' has no usable prefix length; it is a number from 1 to ${maxPrefix[family]}`
  }
  return { address, family, prefix }
}

/** Why an address cannot float between two hosts, or undefined when it can. */
export function whyNotFloatable({ address }: IpAddress): string | undefined {
  const hit = notFloatable.find(([test]) => test(address))
  return hit && `${address} ${hit[1]}; a floating address is one that a host of the service network could have`
}

/** True when `address` lies in the network that `network`/`prefix` belongs to. */
export function inSubnet(address: IpAddress, network: string, prefix: number): boolean {
  if (ipFamily(network) !== address.family) return false
  const family = address.family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(network, prefix, family)
  return list.check(address.address, family)
}

/** An address as one host, `/32` or `/128`, whatever network it lies in. */
export function hostForm({ address, family }: IpAddress): string {
  return `${address}/${maxPrefix[family]}`
}

/** An address with the prefix that was written, or as one host where none was. */
export function writtenForm({ address, family, prefix = maxPrefix[family] }: IpAddress): string {
  return `${address}/${prefix}`
}

/** True for one host: no network goes with the address. */
export function isHost({ family, prefix = maxPrefix[family] }: IpAddress): boolean {
  return prefix === maxPrefix[family]
}

/** True when nothing of the address lies behind its prefix; without one it is a host, a network of its own. */
export function isNetwork({ address, family, prefix = maxPrefix[family] }: IpAddress): boolean {
  const behind = BigInt(maxPrefix[family] - prefix)
  const value = numberOf(address, family)
  return (value >> behind) << behind === value
}

function numberOf(address: string, family: 4 | 6): bigint {
  if (family === 4) return address.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n)
  const plain = address.replace(/[^:]+$/, (last) => {
    if (!last.includes('.')) return last
    const value = numberOf(last, 4)
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
  })
  const [left = [], right = []] = plain.split('::').map((half) => half.split(':').filter((word) => word !== ''))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((value, word) => value * 65_536n + BigInt(`0x${word}`), 0n)
}
