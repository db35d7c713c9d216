import { Pinger } from '../platform/icmp.ts'
import type { Arbiter, ArbiterContext, ArbiterPlugin } from '../roles/arbiter.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
import { configurationError } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { pingableAddress } from './icmp-ping.ts'

/** Options of {@link pingGroup}. */
export interface PingGroupOptions {
  /** Silence of all members after which the group counts as unreachable. @defaultValue the pair's `deadping` */
  readonly deadping?: Duration | undefined
}

const knownOptions: OptionTable<PingGroupOptions> = {
  deadping: 'any',
}

/**
 * Several hosts that count as one ping node, reachable while any of them answers: Heartbeat's `ping_group`.
 *
 * @param name - name of the target
 * @param addresses - IPv4 or IPv6 addresses, at least one
 * @throws {HotStandbyError} `HS_CONFIG` when an address or `deadping` is malformed
 *
 * @example
 * ```ts
 * import { pingGroup } from 'hot-standby'
 *
 * const uplink = pingGroup('uplink', ['192.168.1.1', '192.168.1.2'])
 * ```
 */
export function pingGroup(name: string, addresses: readonly string[], options: PingGroupOptions = {}): ArbiterPlugin {
  checkOptionNames('pingGroup', options, knownOptions)
  if (addresses.length === 0) {
    const message = `the ping group '${name}' has no addresses; name at least one`
    throw configurationError([{ where: 'addresses', message, severity: 'error' }])
  }
  const targets = [...new Set(addresses.map((address, index) => pingableAddress(address, `addresses.${index}`)))]
  return {
    kind: 'arbiter',
    type: 'ping-group',
    target: name,
    addresses: targets,
    deadpingMs: options.deadping === undefined ? undefined : durationMs(options.deadping, 'deadping'),
    create: (context) => new PingGroup(name, targets, context),
  }
}

class PingGroup implements Arbiter {
  readonly #pingers: readonly Pinger[]

  constructor(name: string, addresses: readonly string[], context: ArbiterContext) {
    this.#pingers = addresses.map(
      (address) =>
        new Pinger({
          address,
          intervalMs: context.intervalMs,
          onReply: ({ rttMs }) => context.observe({ target: name, reachable: true, rttMs }),
          onProblem: (error) => context.problem(error),
        }),
    )
  }

  async open(): Promise<void> {
    const opened = await Promise.allSettled(this.#pingers.map((pinger) => pinger.open()))
    const failed = opened.find((result) => result.status === 'rejected')
    if (!failed) return
    await this.close()
    throw failed.reason
  }

  async close(): Promise<void> {
    await Promise.all(this.#pingers.map((pinger) => pinger.close()))
  }
}
