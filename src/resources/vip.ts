import { findDevice, foreign, type NetworkDevice, placed, whyUnusable } from '../platform/address.ts'
import type { Announced, AnnounceMode } from '../platform/announce.ts'
import {
  hostForm,
  type IpAddress,
  inSubnet,
  parseIpAddress,
  whyNotFloatable,
  writtenForm,
} from '../platform/ip-address.ts'
import { type Macvlan, macvlanOf } from '../platform/macvlan.ts'
import { acquireNetHost, type NetHost } from '../platform/net-host.ts'
import type { Share } from '../platform/shared.ts'
import { configurationError, HotStandbyError, type Issue, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
} from '../roles/resource-agent.ts'
import { deviceNameIs, type Ipaddr, isDeviceName, parseIpaddr } from './ipaddr.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** Options of {@link vip}. */
export interface VipOptions extends ResourceTimeOptions {
  /**
   * Network device that gets the addresses, by its name or an alternative one.
   * @defaultValue the one device that has an address in the same network; where none has, the one to which the routes lead
   */
  readonly device?: string | undefined
  /** Label of the IPv4 addresses, for people and for `ifconfig`: `eth0:web`. It begins with the device's name and has at most 15 characters. */
  readonly label?: string | undefined
  /**
   * How the network is told: `'arping'` by that program, `'kernel'` by setting the device's hardware address to what it is,
   * `'auto'` by the first that works. IPv6 is announced by the kernel only.
   * @defaultValue `'auto'`
   */
  readonly announce?: AnnounceMode | undefined
  /**
   * Puts the addresses on a device of their own (macvlan) on top of `device`, with a hardware address that is the same on both
   * nodes: neighbours need not learn another one at a takeover, only the switches do.
   * @defaultValue `false`
   */
  readonly macvlan?: boolean | undefined
  /**
   * On the standby, asks the network now and then who answers for the addresses; two hosts that do are one too many.
   * @defaultValue `true`
   */
  readonly duplicateProbe?: boolean | undefined
}

const knownOptions: OptionTable<VipOptions> = {
  ...timeOptions,
  device: 'any',
  label: 'any',
  announce: 'any',
  macvlan: 'boolean',
  duplicateProbe: 'boolean',
}

/** What the agent needs of the host. One for all floating addresses of this process. */
export type VipHost = Pick<NetHost, 'addresses' | 'announcer' | 'macvlans'>

/** A checked set of options. */
interface Settings {
  readonly name: string
  readonly addresses: readonly IpAddress[]
  readonly device: string | undefined
  readonly label: string | undefined
  readonly announce: AnnounceMode
  readonly macvlan: boolean
  readonly duplicateProbe: boolean
}

const announceModes: readonly AnnounceMode[] = ['auto', 'arping', 'kernel']

/**
 * One or more floating addresses: the owner of the group has them on a device of its service network, the other node has not.
 * Accepts `'192.168.1.100'`, `'192.168.1.100/24'`, `'2001:db8::100/64'` and Heartbeat's `'192.168.1.100/24/eth0'`. It is added
 * with the prefix that was written, so that its network is reached through it; as `/32` or `/128` where the device has an address
 * of its own in that network, or no prefix was written.
 * @throws {HotStandbyError} `HS_CONFIG` listing everything that is wrong.
 * @example
 * ```ts
 * import { vip } from 'hot-standby'
 *
 * const address = vip(['192.168.1.100/24', '2001:db8::100/64'], { device: 'eth0' })
 * ```
 */
export function vip(address: string | readonly string[], options: VipOptions = {}): ResourcePlugin {
  checkOptionNames('vip', options, knownOptions)
  if (typeof address !== 'string' && !Array.isArray(address))
    throw optionError(
      'vip.address',
      `must be a text such as '192.0.2.9/24', or a list of texts, got ${shownValue(address)}`,
    )
  const settings = readSettings(typeof address === 'string' ? [address] : address, options)
  const times = resourceTimes('vip', options, {
    startTimeout: '5s',
    stopTimeout: '5s',
    statusTimeout: '2s',
    statusInterval: '2s',
  })
  return {
    kind: 'resource',
    settings,
    type: 'vip',
    exclusive: 'address',
    overlaps: true,
    name: settings.name,
    times,
    device: settings.device,
    addresses: settings.addresses.map((entry) => entry.address),
    operations: ['prepare', 'start', 'stop', 'status', 'announce', 'isolate', 'restore'],
    create: (context) => createVipAgent(settings, context, () => acquireNetHost(context.logger)),
  }
}

/** Reads and checks everything at once. */
function readSettings(texts: readonly string[], options: VipOptions): Settings {
  const issues: Issue[] = []
  const problem = (where: string, message: string): void => {
    issues.push({ where, message, severity: 'error' })
  }
  const parsed = texts.flatMap((text): Ipaddr[] => {
    const entry = typeof text === 'string' ? parseIpaddr(text) : `${String(text)} is not a string`
    const wrong = typeof entry === 'string' ? entry : whyNotFloatable(entry)
    if (wrong) problem('vip', wrong)
    return wrong || typeof entry === 'string' ? [] : [entry]
  })
  if (texts.length === 0) problem('vip', 'no address was given')
  const twice = parsed.find((entry, index) => parsed.findIndex(({ address }) => address === entry.address) < index)
  if (twice) problem('vip', `${twice.address} is given twice`)

  const named = [
    ...new Set([options.device, ...parsed.map((entry) => entry.device)].filter((name) => name !== undefined)),
  ]
  if (named.length > 1) {
    problem(
      'vip.device',
      `several devices are named: ${named.join(', ')}; one vip has one device, make one vip for each`,
    )
  }
  const [alias] = named
  if (alias !== undefined && !(typeof alias === 'string' && isDeviceName(alias))) {
    problem('vip.device', `'${alias}' is not a valid name for a network device; ${deviceNameIs}`)
  }
  // An alias as in ifconfig's time: eth0:1 is the device eth0 and the label eth0:1.
  const device = typeof alias === 'string' ? alias.split(':')[0] : undefined
  const label = options.label ?? (alias === device ? undefined : alias)
  const isLabel = (text: string): boolean =>
    isDeviceName(text) && text.length <= 15 && device !== undefined && text.startsWith(`${device}:`)
  if (label !== undefined && !isLabel(label)) {
    problem(
      'vip.label',
      `'${label}' is not a valid label; with device: 'eth0' it is 'eth0:NAME', at most 15 characters in all`,
    )
  }
  const announce = options.announce ?? 'auto'
  if (!announceModes.includes(announce)) {
    problem('vip.announce', `'${String(announce)}' is none of ${announceModes.map((mode) => `'${mode}'`).join(', ')}`)
  }
  if (announce === 'arping' && parsed.some(({ family }) => family === 6)) {
    problem('vip.announce', "arping announces IPv4 addresses only; write 'auto' or 'kernel'")
  }
  const { macvlan = false, duplicateProbe = true } = options
  for (const [key, value] of Object.entries({ macvlan, duplicateProbe })) {
    if (typeof value !== 'boolean') problem(`vip.${key}`, `'${String(value)}' is neither true nor false`)
  }
  if (macvlan && label !== undefined)
    problem('vip.macvlan', `the addresses have a device of their own then; leave the label '${label}' out`)
  if (issues.length > 0) throw configurationError(issues)
  const shown = parsed.map(({ address, prefix }) => (prefix === undefined ? address : `${address}/${prefix}`))
  const addresses = parsed.map(({ address, family, prefix, broadcast }) => ({ address, family, prefix, broadcast }))
  return { name: `vip:${shown.join(',')}`, addresses, device, label, announce, macvlan, duplicateProbe }
}

/** The agent, with the host handed in. */
export function createVipAgent(
  settings: Settings,
  context: ResourceContext,
  acquire: () => Promise<Share<VipHost>>,
): ResourceAgent {
  const { addresses, announce: mode } = settings
  let share: Share<VipHost> | undefined
  let device = settings.device ?? ''
  /** The device of their own, where they have one. */
  let own: Macvlan | undefined
  let unwatch = (): void => {}
  /** It was started here and neither stopped nor isolated since. */
  let serving = false
  let announced: Announced | undefined
  /** Who answered when the network was asked last. */
  let answering: ReadonlyMap<string, readonly string[]> | undefined

  function host(): VipHost {
    if (!share) throw new HotStandbyError('HS_STATE', `${settings.name} is not open`)
    return share.value
  }

  function refuseForeign(devices: readonly NetworkDevice[]): void {
    for (const address of addresses) {
      const owner = host().addresses.foreignDevice(devices, address)
      if (owner) throw foreign(address, owner)
    }
  }

  /** Removes what a killed predecessor left, in the form in which it was added, and nothing else. */
  async function clearLeftover(): Promise<void> {
    const record = readRecord(context.leftover)
    if (!record) return
    const { macvlan } = record
    if (macvlan && (await host().macvlans.adopt(macvlan))) {
      await host().macvlans.remove(macvlan.name)
      context.logger.warn({ device: macvlan.name }, 'removed the device that a killed predecessor left')
    }
    const stale = await host().addresses.adopt(record.device, record.addresses)
    await host().addresses.remove(stale)
    const removed = stale.map(writtenForm)
    if (removed.length > 0)
      context.logger.warn({ device: record.device, removed }, 'removed what a killed predecessor left')
    context.remember(null)
  }

  async function announceNow(signal: AbortSignal): Promise<void> {
    announced = undefined
    announced = await host().announcer.announce(carrying(), addresses, mode, signal)
  }

  /** The device that has the addresses, or gets them. */
  function carrying(): string {
    return own?.name ?? device
  }

  /**
   * Who serves has the address, and only one may. Which hardware address is the peer's is not known, but for a device of the
   * addresses' own it is that of both nodes.
   */
  async function refuseDuplicates(signal: AbortSignal): Promise<void> {
    if (!settings.duplicateProbe) return
    answering = await host().announcer.whoAnswers(device, addresses, signal)
    for (const [address, macs] of answering ?? []) {
      const strangers = own ? macs.filter((mac) => mac !== own?.mac) : macs.length > 1 ? macs : []
      if (strangers.length === 0) continue
      const who = own ? `has another host, ${strangers.join(', ')}` : `have several hosts: ${strangers.join(', ')}`
      throw new HotStandbyError(
        'HS_RESOURCE',
        `${address} ${who}; take it away from the one that is not the pair's (ip neigh and the switch tell which), or set ` +
          'vip.duplicateProbe to false where one host answers with several hardware addresses',
      )
    }
  }

  /** Written down before it is done: in which forms the addresses are on the host, or may be. */
  function remember(forms: readonly string[]): void {
    context.remember({ device: carrying(), addresses: [...new Set(forms)], ...(own ? { macvlan: own } : {}) })
  }

  const formOf = (address: IpAddress): string => host().addresses.heldForm(address) ?? writtenForm(address)

  /** The addresses in the forms that the device's other addresses ask for now. */
  function place(devices: readonly NetworkDevice[]): readonly IpAddress[] {
    const target = findDevice(devices, device)
    const floats = (address: string) =>
      host().addresses.heldForm({ address, family: 4 }) !== undefined ||
      addresses.some((entry) => entry.address === address)
    return addresses.map((address) => placed(address, target, floats))
  }

  /** An address of the host's own came into the network, or the last one left it: then ours takes the other form. */
  async function reform(devices: readonly NetworkDevice[], signal: AbortSignal): Promise<boolean> {
    // Nothing may come between this look and the order to `ip`: after a stop nothing is added.
    if (!serving || !devices.some(({ name }) => name === device)) return false
    const has = new Set(devices.flatMap((entry) => (entry.name === carrying() ? entry.addresses.map(writtenForm) : [])))
    const moving = place(devices).filter((to) => formOf(to) !== writtenForm(to) && has.has(formOf(to)))
    if (moving.length === 0) return false
    remember([...addresses.map(formOf), ...moving.map(writtenForm)])
    await host().addresses.reform(carrying(), moving, { label: labelHere(), signal })
    if (serving) remember(addresses.map(formOf))
    context.logger.info(
      { device: carrying(), addresses: moving.map(writtenForm) },
      "the floating address follows a change of the device's own addresses",
    )
    return true
  }

  /** With the name that the device has, where another one of its names was written. */
  function labelHere(): string | undefined {
    return settings.label?.replace(/^[^:]+/, device)
  }

  async function start({ signal }: OperationContext): Promise<void> {
    const devices = await host().addresses.list(signal)
    const wanted = place(devices)
    remember(wanted.map((address) => host().addresses.heldForm(address) ?? writtenForm(address)))
    if (own) {
      // On a device that is down or without carrier it would be made for nothing.
      const trouble = whyUnusable(devices, device)
      if (trouble) throw new HotStandbyError('HS_RESOURCE', trouble)
      await host().macvlans.add(own, signal)
    }
    await host().addresses.add(carrying(), wanted, { label: labelHere(), signal })
    serving = true
    try {
      await announceNow(signal)
    } catch (error) {
      // The address serves, and whoever asks for it anew finds it; not to serve would help nobody.
      context.logger.warn({ device, error: messageOf(error) }, 'the address is up but could not be announced')
    }
  }

  async function remove({ signal }: OperationContext): Promise<void> {
    serving = false
    await host().addresses.remove(addresses, signal)
    if (own) await host().macvlans.remove(own.name, signal)
    context.remember(null)
  }

  return {
    async open() {
      share = await acquire()
      try {
        await clearLeftover()
        const devices = await host().addresses.list()
        refuseForeign(devices)
        device = findDevice(devices, settings.device ?? deviceFor(addresses, devices, host().addresses)).name
        if (mode === 'arping' && !/^(iputils|habets)$/.test(host().announcer.arping())) {
          throw new HotStandbyError(
            'HS_HOST',
            `announce: 'arping' is asked for, but there is no usable arping (${host().announcer.arping()}); install iputils-arping or write 'auto'`,
          )
        }
        if (settings.macvlan) own = macvlanOf(addresses.map(hostForm), device)
        const names = own ? [device, own.name] : [device]
        const ends = names.map((name) => host().addresses.watch(name, () => context.changed()))
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
      const devices = await host().addresses.list(signal)
      const trouble = whyUnusable(devices, device)
      if (trouble) throw new HotStandbyError('HS_RESOURCE', trouble)
      refuseForeign(devices)
      await refuseDuplicates(signal)
    },

    start,
    stop: remove,

    async status({ signal }): Promise<ResourceStatus> {
      let devices = await host().addresses.list(signal)
      if (await reform(devices, signal)) devices = await host().addresses.list(signal)
      const onDevice = devices.find(({ name }) => name === carrying())?.addresses ?? []
      if (!serving) {
        const found = addresses.find((address) => host().addresses.foreignDevice(devices, address))
        return found
          ? { state: 'failed', reason: `${found.address} is configured here by somebody else` }
          : { state: 'stopped' }
      }
      const trouble = whyUnusable(devices, device)
      if (trouble) return { state: 'failed', reason: trouble }
      const gone = addresses.filter(
        (address) => !onDevice.some((entry) => entry.usable && writtenForm(entry) === formOf(address)),
      )
      if (gone.length === 0) return { state: 'running' }
      return {
        state: 'failed',
        reason: `no longer on ${carrying()}, removed by somebody else: ${gone.map(formOf).join(', ')}`,
      }
    },

    announce: ({ signal }) => announceNow(signal),
    isolate: remove,
    restore: start,

    inspect: () => ({
      device,
      macvlan: own ?? null,
      answering: Object.fromEntries(answering ?? []),
      addresses: addresses.map((address) => share?.value.addresses.heldForm(address) ?? writtenForm(address)),
      serving,
      announced: announced ?? null,
      arping: share?.value.announcer.arping() ?? null,
      host: share?.value.addresses.inspect() ?? null,
    }),
  }
}

/**
 * The one device with an address in the network of every floating address; where there is none, that to which the routes lead, at
 * last the default route (as `findif`, which Heartbeat's scripts ask).
 */
function deviceFor(
  addresses: readonly IpAddress[],
  devices: readonly NetworkDevice[],
  { deviceByRoute }: Pick<VipHost['addresses'], 'deviceByRoute'>,
): string {
  const candidates = devices.filter((device) => !device.loopback)
  const fits = (device: NetworkDevice, address: IpAddress, prefix?: number | undefined): boolean =>
    device.addresses.some(
      (entry) =>
        `${entry.address}/${entry.prefix}` !== hostForm(entry) &&
        (prefix === undefined || prefix === entry.prefix) &&
        inSubnet(address, entry.address, entry.prefix),
    )
  const near = candidates.filter((device) => addresses.every((address) => fits(device, address)))
  // The prefix that was written tells apart a network and a larger one around it.
  const exact = near.filter((device) => addresses.every((address) => fits(device, address, address.prefix)))
  const found = near.length > 1 && exact.length > 0 ? exact : near
  if (found.length === 1 && found[0]) return found[0].name
  const [routed, ...others] = [...new Set(found.length === 0 ? addresses.map(deviceByRoute) : [])]
  if (others.length === 0 && candidates.some(({ name }) => name === routed)) return routed as string
  const what = addresses
    .map(({ address, prefix }) => (prefix === undefined ? address : `${address}/${prefix}`))
    .join(', ')
  const shown = (found.length > 0 ? found : candidates).map(
    ({ name, addresses: has }) =>
      `${name} (${has.map((entry) => `${entry.address}/${entry.prefix}`).join(' ') || 'no address'})`,
  )
  const how = found.length > 0 ? 'several devices lie' : 'no device lies'
  const routes = found.length > 0 ? '' : ', and the routes lead to none of them'
  throw new HotStandbyError(
    'HS_RESOURCE',
    `${how} in the network of ${what}: ${shown.join(', ') || 'this host has none'}${routes}; name one with the option device`,
  )
}

/** What `remember` was given, read back; undefined for anything else. */
function readRecord(
  record: Readonly<Record<string, unknown>> | null,
): { device: string; addresses: IpAddress[]; macvlan: Macvlan | undefined } | undefined {
  const device = record?.['device']
  const texts = record?.['addresses']
  if (typeof device !== 'string' || !isDeviceName(device) || !Array.isArray(texts)) return undefined
  const addresses = texts.map((text) => parseIpAddress(String(text))).filter((entry) => typeof entry !== 'string')
  const { name, parent, mac } = (record?.['macvlan'] ?? {}) as Partial<Macvlan>
  const known = name === device && typeof parent === 'string' && typeof mac === 'string'
  return { device, addresses, macvlan: known ? { name, parent, mac } : undefined }
}
