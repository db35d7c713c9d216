import { findDevice, type NetworkDevice, whyUnusable } from '../platform/address.ts'
import { isLinkLocal } from '../platform/ip.ts'
import { type IpAddress, inSubnet, isNetwork, parseIpAddress } from '../platform/ip-address.ts'
import { acquireNetHost, type NetHost } from '../platform/net-host.ts'
import { type Route, routeWords } from '../platform/route-manager.ts'
import type { Share } from '../platform/shared.ts'
import { configurationError, HotStandbyError, type Issue } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
} from '../roles/resource-agent.ts'
import { isDeviceName } from './ipaddr.ts'
import { type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** Options of {@link route}. */
export interface RouteOptions extends ResourceTimeOptions {
  /** Gateway. Without it the destination lies on `device` itself. */
  readonly via?: string | undefined
  /** Network device; needed without `via`, and with a link-local gateway. */
  readonly device?: string | undefined
  /** Preference among routes to one destination, smaller first. @defaultValue the kernel's: 0 (IPv4), 1024 (IPv6) */
  readonly metric?: number | undefined
  /** Number of the routing table. @defaultValue the main one, 254 */
  readonly table?: number | undefined
  /** Address that this host's own packets take as source, a floating one mostly: then declare its `vip` before the route. */
  readonly source?: string | undefined
}

const knownOptions: OptionTable<RouteOptions> = {
  ...timeOptions,
  via: 'any',
  device: 'any',
  metric: 'any',
  table: 'any',
  source: 'any',
}

/** What the agent needs of the host. */
export type RouteHost = Pick<NetHost, 'addresses' | 'routes'>

/** The largest metric and table number of the kernel. */
const largest = 2 ** 32 - 1

/**
 * A route that only the owner has: the way out through a floating gateway, or to a network that it alone shall reach.
 * `destination` is `'default'`, or a network as `'10.1.0.0/16'`.
 * @throws {HotStandbyError} `HS_CONFIG` listing everything that is wrong.
 * @example
 * ```ts
 * import { route, vip } from 'hot-standby'
 *
 * const resources = [vip('10.0.0.1/24', { device: 'eth1' }), route('default', { via: '192.0.2.1', device: 'eth0' })]
 * ```
 */
export function route(destination: string, options: RouteOptions = {}): ResourcePlugin {
  checkOptionNames('route', options, knownOptions)
  const wanted = readRoute(destination, options)
  const times = resourceTimes('route', options, {
    startTimeout: '5s',
    stopTimeout: '5s',
    statusTimeout: '2s',
    statusInterval: '2s',
  })
  const { table, metric } = wanted
  const besides = [table === undefined ? '' : `table ${table}`, metric === undefined ? '' : `metric ${metric}`]
  return {
    kind: 'resource',
    settings: wanted,
    type: 'route',
    exclusive: 'address',
    name: ['route:', wanted.destination, ...besides.filter((text) => text !== '').map((text) => ` ${text}`)].join(''),
    times,
    device: wanted.device,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => createRouteAgent(wanted, context, () => acquireNetHost(context.logger)),
  }
}

/** Reads and checks everything at once. */
function readRoute(destination: unknown, options: RouteOptions): Route {
  const issues: Issue[] = []
  const problem = (where: string, message: string): void => {
    issues.push({ where, message, severity: 'error' })
  }
  const address = (where: string, text: unknown): IpAddress | undefined => {
    if (text === undefined) return undefined
    const read = typeof text === 'string' ? parseIpAddress(text) : `${String(text)} is not a string`
    if (typeof read !== 'string' && read.prefix === undefined) return read
    problem(where, typeof read === 'string' ? read : `'${String(text)}' has a prefix length; it is one address`)
    return undefined
  }
  const via = address('route.via', options.via)
  const source = address('route.source', options.source)
  const { device, metric, table } = options
  if (device !== undefined && !(typeof device === 'string' && isDeviceName(device)))
    problem('route.device', `'${String(device)}' is not a valid name for a network device`)
  if (options.via === undefined && device === undefined)
    problem('route.via', "a route needs a gateway or a device: via: '192.0.2.1', or device: 'eth0'")
  for (const [name, value] of Object.entries({ metric, table })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= largest))
      problem(`route.${name}`, `must be an integer from 1 to ${largest}, got ${shownValue(value)}`)
  }
  const family = via?.family ?? source?.family ?? 4
  const to = readDestination(destination, family)
  if (typeof to === 'string') problem('route.destination', to)
  else if ([via, source].some((entry) => entry !== undefined && entry.family !== to.family))
    problem('route', 'destination, gateway and source are of different families, IPv4 and IPv6')
  if (via && isLinkLocal(via.address) && device === undefined)
    problem('route.device', `${via.address} is link-local; name the device on which it is`)
  if (issues.length > 0 || typeof to === 'string') throw configurationError(issues)
  return {
    destination: `${to.address}/${to.prefix ?? hostPrefix[to.family]}`,
    family: to.family,
    via: via?.address,
    device,
    metric,
    table,
    source: source?.address,
  }
}

const hostPrefix = { 4: 32, 6: 128 } as const
/** `default`, and both written out. */
const everywhere: Readonly<Record<string, 4 | 6>> = { '0.0.0.0/0': 4, '::/0': 6 }

function readDestination(text: unknown, family: 4 | 6): IpAddress | string {
  if (typeof text !== 'string') return `${String(text)} is not a string`
  const whole = text === 'default' ? family : everywhere[text]
  if (whole !== undefined) return { address: whole === 6 ? '::' : '0.0.0.0', family: whole, prefix: 0 }
  const read = parseIpAddress(text)
  if (typeof read === 'string') return `${read}; or 'default'`
  // The kernel says only "Invalid argument" to it, or takes it for another one.
  return isNetwork(read) ? read : `'${text}' is not a network: there are bits behind its prefix`
}

/** The agent, with the host handed in. */
export function createRouteAgent(
  wanted: Route,
  context: ResourceContext,
  acquire: () => Promise<Share<RouteHost>>,
): ResourceAgent {
  const words = routeWords(wanted)
  let share: Share<RouteHost> | undefined
  let unwatch = (): void => {}
  let serving = false

  function host(): RouteHost {
    if (!share) throw new HotStandbyError('HS_STATE', `the route ${words} is not open`)
    return share.value
  }

  /** Removes what a killed predecessor left, in the form in which it was added. */
  async function clearLeftover(): Promise<void> {
    const { leftover } = context
    if (leftover === null) return
    const earlier = leftover as unknown as Route
    if (typeof earlier.destination === 'string' && (await host().routes.adopt(earlier))) {
      await host().routes.remove(earlier)
      context.logger.warn({ route: routeWords(earlier) }, 'removed the route that a killed predecessor left')
    }
    context.remember(null)
  }

  /** Why the route could not be added now, as far as that can be told beforehand. */
  async function trouble(signal?: AbortSignal): Promise<string | undefined> {
    const devices = await host().addresses.list(signal)
    if (wanted.device !== undefined) return whyUnusable(devices, wanted.device) ?? unreachable(devices)
    return unreachable(devices)
  }

  function unreachable(devices: readonly NetworkDevice[]): string | undefined {
    const { via, device } = wanted
    const gateway = via === undefined ? undefined : parseIpAddress(via)
    if (gateway === undefined || typeof gateway === 'string' || isLinkLocal(gateway.address)) return undefined
    const near = devices.filter(({ name }) => device === undefined || name === device)
    if (near.some(({ addresses }) => addresses.some((entry) => inSubnet(gateway, entry.address, entry.prefix))))
      return undefined
    return `the gateway ${via} lies in no network of ${device ?? 'any device of this host'}`
  }

  async function refuseForeign(signal?: AbortSignal): Promise<void> {
    if (host().routes.holds(wanted) || !(await host().routes.has(wanted, signal))) return
    throw new HotStandbyError('HS_RESOURCE', `the route ${words} is on this host by somebody else; remove it there`)
  }

  return {
    async open() {
      share = await acquire()
      try {
        await clearLeftover()
        if (wanted.device !== undefined) findDevice(await host().addresses.list(), wanted.device)
        await refuseForeign()
        const changed = (): void => context.changed()
        const ends = [host().routes.watch(wanted, changed)]
        if (wanted.device !== undefined) ends.push(host().addresses.watch(wanted.device, changed))
        unwatch = () => {
          for (const end of ends) end()
        }
      } catch (error) {
        await share.release()
        share = undefined
        throw error
      }
    },

    async close() {
      unwatch()
      await share?.release()
      share = undefined
    },

    async prepare({ signal }) {
      const why = await trouble(signal)
      if (why !== undefined) throw new HotStandbyError('HS_RESOURCE', why)
      await refuseForeign(signal)
    },

    async start({ signal }: OperationContext) {
      const why = await trouble(signal)
      if (why !== undefined) throw new HotStandbyError('HS_RESOURCE', why)
      context.remember({ ...wanted })
      await host().routes.add(wanted, signal)
      serving = true
    },

    async stop({ signal }: OperationContext) {
      serving = false
      await host().routes.remove(wanted, signal)
      context.remember(null)
    },

    async status({ signal }): Promise<ResourceStatus> {
      const there = await host().routes.has(wanted, signal)
      if (!serving)
        return there && !host().routes.holds(wanted)
          ? { state: 'failed', reason: `the route ${words} is on this host by somebody else` }
          : { state: 'stopped' }
      if (there) return { state: 'running' }
      const why = await trouble(signal)
      return { state: 'failed', reason: `the route ${words} is gone: ${why ?? 'somebody removed it'}` }
    },

    inspect: () => ({ route: words, serving }),
  }
}
