import { hostForm, type IpAddress, whyNotFloatable } from '../platform/ip-address.ts'
import { acquireNetHost, type NetHost } from '../platform/net-host.ts'
import type { Share } from '../platform/shared.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { OperationContext, ResourceAgent, ResourceContext, ResourcePlugin } from '../roles/resource-agent.ts'
import { parseIpaddr } from './ipaddr.ts'

/** What this needs of the host. */
export type CarriedHost = Pick<NetHost, 'addresses' | 'announcer'>

/** Scripts whose first argument is a floating address, as Heartbeat's package brings them. */
const addressScripts: readonly string[] = ['IPaddr', 'IPaddr2', 'IPv6addr']

/** OCF agents of the provider `heartbeat`, and the parameter that is their floating address. */
const addressAgents: Readonly<Record<string, string>> = { IPaddr: 'ip', IPaddr2: 'ip', IPv6addr: 'ipv6addr' }

/** The floating address that a resource script is called with: `IPaddr2 192.168.1.100/24/eth0`. */
export function addressOfScript(name: string, [word]: readonly string[]): readonly IpAddress[] {
  return addressScripts.includes(name) ? read(word) : []
}

/** The floating address among the parameters of an OCF agent. */
export function addressOfAgent(
  provider: string,
  type: string,
  parameters: Readonly<Record<string, string>>,
): readonly IpAddress[] {
  const name = provider === 'heartbeat' && Object.hasOwn(addressAgents, type) ? addressAgents[type] : undefined
  return name === undefined ? [] : read(parameters[name])
}

/** Words of another kind are the script's own business. */
function read(word: string | undefined): readonly IpAddress[] {
  const found = word === undefined ? '' : parseIpaddr(word)
  return typeof found === 'string' || whyNotFloatable(found) !== undefined
    ? []
    : [{ address: found.address, family: found.family }]
}

/**
 * A resource whose script adds floating addresses by itself: it is announced again as a `vip` is, and cut off in an emergency and
 * when this process is killed, whoever added it. The script goes on starting, stopping and looking.
 */
export function withAddresses(plugin: ResourcePlugin, addresses: readonly IpAddress[]): ResourcePlugin {
  if (addresses.length === 0) return plugin
  return {
    ...plugin,
    exclusive: 'address',
    addresses: addresses.map(({ address }) => address),
    operations: [...plugin.operations, 'announce', 'isolate', 'restore'],
    create: (context) =>
      createCarriedAgent(plugin.create(context), addresses, `${context.group} ${plugin.name}`, context, () =>
        acquireNetHost(context.logger),
      ),
  }
}

/** The agent, with the script's agent and the host handed in. */
export function createCarriedAgent(
  script: ResourceAgent,
  addresses: readonly IpAddress[],
  holder: string,
  { leftover, logger }: Pick<ResourceContext, 'leftover' | 'logger'>,
  acquire: () => Promise<Share<CarriedHost>>,
): ResourceAgent {
  const shown = addresses.map(({ address }) => address).join(', ')
  let share: Share<CarriedHost> | undefined
  let whyNot = 'it is not open'

  function host(): CarriedHost {
    if (!share) throw new HotStandbyError('HS_HOST', `${shown} can be neither cut off nor announced here: ${whyNot}`)
    return share.value
  }

  async function start(context: OperationContext): Promise<void> {
    // Before the script adds it: this process can be killed at any moment.
    share?.value.addresses.guard(holder, addresses)
    await script.start(context)
  }

  return {
    ...delegated(script),

    async open() {
      try {
        share = await acquire()
        // What a killed predecessor left must not stay for the want of a script that stops.
        if (leftover) await share.value.addresses.cut(addresses)
      } catch (error) {
        whyNot = messageOf(error)
        logger.warn(
          { addresses: addresses.map(hostForm), error: whyNot },
          `${shown}: only its script can take it away: ${whyNot}`,
        )
      }
      try {
        await script.open?.()
      } catch (error) {
        await share?.release()
        share = undefined
        throw error
      }
    },

    async close() {
      await script.close?.()
      await share?.release()
      share = undefined
    },

    start,

    async stop(context) {
      await script.stop(context)
      share?.value.addresses.guard(holder, [])
    },

    async announce({ signal }) {
      const devices = await host().addresses.list(signal)
      for (const address of addresses) {
        const device = devices.find(
          ({ loopback, addresses: has }) => !loopback && has.some((entry) => entry.address === address.address),
        )
        if (!device) throw new HotStandbyError('HS_RESOURCE', `${address.address} is on no device of this host`)
        await host().announcer.announce(device.name, [address], 'auto', signal)
      }
    },

    isolate: ({ signal }) => host().addresses.cut(addresses, signal),
    restore: start,
    inspect: () => ({ ...script.inspect?.(), addresses: addresses.map(({ address }) => address) }),
  }
}

/** The operations that stay the script's own. */
function delegated(script: ResourceAgent): Pick<ResourceAgent, 'prepare' | 'status' | 'advice'> {
  return {
    status: (context) => script.status(context),
    prepare: async (context) => script.prepare?.(context),
    advice: () => script.advice?.() ?? {},
  }
}
