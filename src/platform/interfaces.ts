import { existsSync, readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { canonicalAddress, ipFamily, splitZone } from './ip.ts'

/** One address of this host. */
export interface InterfaceAddress {
  readonly device: string
  /** Without zone. */
  readonly address: string
  readonly family: 4 | 6
  readonly netmask: string
  /** With the length of the network's prefix: `192.168.2.105/24`. */
  readonly cidr: string
}

/**
 * Addresses of one device, or of all, in the kernel's order. A device that is down or has no carrier is left out: Node's
 * `os.networkInterfaces()` lists running ones only.
 */
export function addressesOf(device?: string | undefined): readonly InterfaceAddress[] {
  const found: InterfaceAddress[] = []
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    if (device !== undefined && name !== device) continue
    for (const { address, family, netmask, cidr } of entries ?? []) {
      if (cidr === null) continue
      found.push({ device: name, address, family: family === 'IPv4' ? 4 : 6, netmask, cidr })
    }
  }
  return found
}

/** The running device that has this address; undefined when none has. */
export function deviceOf(address: string): string | undefined {
  const { host, zone } = splitZone(canonicalAddress(address))
  return addressesOf(zone).find((entry) => entry.address === host)?.device
}

/** True for what Linux takes as the name of a device: up to 15 characters, no blank and no slash. */
export function isDeviceName(name: unknown): name is string {
  return typeof name === 'string' && /^[^-\s/:%.][^\s/:%]{0,14}$/.test(name)
}

/** How a network device is. `unknown`: this system does not tell (no /sys). */
export type DeviceState = 'missing' | 'down' | 'no-carrier' | 'running' | 'unknown'

const sys = '/sys/class/net'

/** Asks the kernel how a device is; 17 µs, never blocks. */
export function deviceState(device: string): DeviceState {
  const runs = () => addressesOf(device).length > 0
  if (!existsSync(sys)) return runs() ? 'running' : 'unknown'
  // A container can have a network of its own and the /sys of its host.
  if (!isDeviceName(device) || !existsSync(`${sys}/${device}`)) return runs() ? 'running' : 'missing'
  try {
    return readFileSync(`${sys}/${device}/carrier`, 'latin1').startsWith('1') ? 'running' : 'no-carrier'
  } catch {
    // The kernel answers EINVAL for a device that is administratively down.
    return existsSync(`${sys}/${device}`) ? 'down' : 'missing'
  }
}

/**
 * Whether this process's network has a device, up or down; undefined where the system does not tell. Asks /proc, because /sys may be that
 * of another network namespace.
 */
export function hasDevice(device: string): boolean | undefined {
  try {
    return readFileSync('/proc/self/net/dev', 'latin1')
      .split('\n')
      .some((line) => line.slice(0, line.indexOf(':')).trim() === device && line.includes(':'))
  } catch {
    return undefined
  }
}

/** The kernel's number of a device; another one means that it was taken away and made anew. Undefined: not here. */
export function deviceIndex(device: string): number | undefined {
  try {
    return isDeviceName(device) ? Number(readFileSync(`${sys}/${device}/ifindex`, 'latin1')) : undefined
  } catch {
    return undefined
  }
}

/** A test for addresses that lie in one of these networks. */
export function networkOf(addresses: readonly InterfaceAddress[]): (address: string) => boolean {
  const list = new BlockList()
  for (const { address, cidr, family } of addresses) {
    list.addSubnet(address, Number(cidr.slice(cidr.indexOf('/') + 1)), family === 4 ? 'ipv4' : 'ipv6')
  }
  return (address) => {
    const { host } = splitZone(address)
    return list.check(host, ipFamily(host) === 4 ? 'ipv4' : 'ipv6')
  }
}
