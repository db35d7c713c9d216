import { readFileSync } from 'node:fs'
import { splitZone } from './ip.ts'
import { type IpAddress, inSubnet } from './ip-address.ts'
import { findProgram, runProgram } from './process.ts'

/** Reads the device out of one answer of `ip -o route get`: `10.0.0.1 via 10.1.1.1 dev eth0 src 10.1.1.2 …`. */
export function deviceInRoute(answer: string): string | undefined {
  return /\bdev (\S+)/.exec(answer)?.[1]
}

/**
 * The device through which this host would reach an address now; undefined when there is no route or `ip` is missing.
 * It runs a program: ask at start, not while a takeover waits.
 */
export async function deviceTowards(address: string): Promise<string | undefined> {
  const { host, zone } = splitZone(address)
  if (zone !== undefined) return zone
  const file = findProgram('ip')
  if (file === null) return undefined
  try {
    const { exitCode, stdout } = await runProgram({ file, args: ['-o', 'route', 'get', host], timeoutMs: 2000 })
    return exitCode === 0 ? deviceInRoute(stdout) : undefined
  } catch {
    return undefined
  }
}

/** One route of the kernel's main table. */
export interface Route {
  readonly device: string
  readonly network: string
  readonly prefix: number
  readonly metric: number
}

const octetsOf = (hex: string): readonly number[] => (hex.match(/../g) ?? []).map((octet) => Number.parseInt(octet, 16))
const onesOf = (octets: readonly number[]): number =>
  octets.map((octet) => octet.toString(2).replaceAll('0', '').length).reduce((sum, ones) => sum + ones, 0)

/** RTF_UP, and RTF_REJECT: `unreachable`, which leads nowhere. */
const [up, reject] = [0x1, 0x200]
const leadsSomewhere = (flags: string): boolean => (Number.parseInt(flags, 16) & (up | reject)) === up

/** Reads `/proc/net/route`: numbers in hexadecimal, addresses in the order of this machine (little-endian). */
export function readIpv4Routes(text: string): readonly Route[] {
  return text.split('\n').flatMap((line): Route[] => {
    const [device = '', network = '', , flags = '', , , metric, mask = ''] = line.split('\t').map((word) => word.trim())
    if (!/^[\dA-F]{8}$/.test(network) || !leadsSomewhere(flags)) return []
    return [
      {
        device,
        network: [...octetsOf(network)].reverse().join('.'),
        prefix: onesOf(octetsOf(mask)),
        metric: Number(metric),
      },
    ]
  })
}

/** Reads `/proc/net/ipv6_route`. */
export function readIpv6Routes(text: string): readonly Route[] {
  return text.split('\n').flatMap((line): Route[] => {
    const [network = '', prefix = '', , , , metric = '', , , flags = '', device = ''] = line.trim().split(/\s+/)
    if (!/^[\da-f]{32}$/.test(network) || !leadsSomewhere(flags)) return []
    return [
      {
        device,
        network: network.match(/.{4}/g)?.join(':') ?? '',
        prefix: Number.parseInt(prefix, 16),
        metric: Number.parseInt(metric, 16),
      },
    ]
  })
}

/** The device of the route that the kernel would take: the longest prefix, then the smallest metric. */
export function bestDevice(routes: readonly Route[], address: IpAddress): string | undefined {
  const [best] = routes
    .filter(({ network, prefix }) => prefix === 0 || inSubnet(address, network, prefix))
    .sort((one, two) => two.prefix - one.prefix || one.metric - two.metric)
  return best?.device
}

/** The device through which this host would reach an address now, the default route included; never blocks, starts no program. */
export function deviceByRoute(address: IpAddress): string | undefined {
  const [file, read] =
    address.family === 4
      ? (['/proc/net/route', readIpv4Routes] as const)
      : (['/proc/net/ipv6_route', readIpv6Routes] as const)
  try {
    return bestDevice(read(readFileSync(file, 'latin1')), address)
  } catch {
    return undefined
  }
}
