import { Pinger } from '../platform/icmp.ts'
import { isDeviceName } from '../platform/interfaces.ts'
import { canonicalAddress, ipFamily, isLinkLocal, isMulticast, isUnspecified, withZone } from '../platform/ip.ts'
import type { ArbiterPlugin } from '../roles/arbiter.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { configurationError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'

/** Options of {@link icmpPing}. */
export interface IcmpPingOptions {
  /** Name of the target. @defaultValue the address */
  readonly name?: string | undefined
  /** Silence after which it counts as unreachable. @defaultValue the pair's `deadping` */
  readonly deadping?: Duration | undefined
  /** Device to ask through. @defaultValue as the routes say */
  readonly device?: string | undefined
}

const knownOptions: OptionTable<IcmpPingOptions> = {
  name: 'text',
  deadping: 'any',
  device: 'any',
}

/**
 * A ping node: a host, best a router, that both nodes ask over and over whether they can still reach it. Heartbeat's `ping`.
 * A node that reaches fewer targets than its peer gives its groups up.
 *
 * @param address - IPv4 or IPv6 address; names are not looked up, because name service is among the first things to fail
 * @throws {HotStandbyError} `HS_CONFIG` when the address or `deadping` is malformed
 *
 * @example
 * ```ts
 * import { icmpPing } from 'hot-standby'
 *
 * const gateway = icmpPing('192.168.1.1', { deadping: '5s' })
 * ```
 */
export function icmpPing(address: string, options: IcmpPingOptions = {}): ArbiterPlugin {
  checkOptionNames('icmpPing', options, knownOptions)
  const { name = address, deadping, device } = options
  const target = pingableAddress(address, 'address', device)
  return {
    kind: 'arbiter',
    type: 'icmp-ping',
    target: name,
    addresses: [target],
    deadpingMs: deadping === undefined ? undefined : durationMs(deadping, 'deadping'),
    settings: { device },
    create: (context) =>
      new Pinger({
        address: target,
        intervalMs: context.intervalMs,
        device,
        onReply: ({ rttMs }) => context.observe({ target: name, reachable: true, rttMs }),
        onProblem: (error) => context.problem(error),
      }),
  }
}

/**
 * The address in the kernel's spelling.
 * @throws {HotStandbyError} `HS_CONFIG` naming `where` when it is no address of one host.
 */
export function pingableAddress(address: string, where: string, device?: string | undefined): string {
  if (device !== undefined && !isDeviceName(device)) {
    const message = `'${String(device)}' is not a valid name for a network device; write one as 'ip link' shows it, for example 'eth1'`
    throw configurationError([{ where: 'device', message, severity: 'error' }])
  }
  const problem = addressProblem(address, device)
  if (problem === undefined) return canonicalAddress(withZone(address, device))
  const message = `'${String(address)}' ${problem}`
  throw configurationError([{ where, message, severity: 'error' }])
}

function addressProblem(address: string, device: string | undefined): string | undefined {
  if (typeof address !== 'string' || !ipFamily(address)) {
    return "is not an IP address; write '192.168.1.1' or 'fd00::1' (names are not looked up)"
  }
  if (isMulticast(address) || isUnspecified(address)) return 'names no single host; write the address of one'
  if (isLinkLocal(address) && !address.includes('%') && device === undefined) {
    return `is link-local and needs a device; write '${address}%eth0'`
  }
  return undefined
}
