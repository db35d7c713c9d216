import { HotStandbyError } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { hostForm, type IpAddress, inSubnet, isHost, writtenForm } from './ip-address.ts'
import type { IpBatch } from './ip-batch.ts'
import { createIpMonitor, monitoredDevice } from './ip-monitor.ts'
import { createPromotion } from './kernel-switch.ts'
import { deviceByRoute } from './route.ts'

/** An address that a device of this host has. */
export interface DeviceAddress {
  readonly address: string
  readonly prefix: number
  readonly family: 4 | 6
  /** False while duplicate address detection runs or after it failed: nobody is answered then. */
  readonly usable: boolean
}

/** A network device of this host. */
export interface NetworkDevice {
  readonly name: string
  /** Further names under which the kernel knows it (`ip link property add dev eth0 altname enp1s0`). */
  readonly altnames?: readonly string[] | undefined
  readonly up: boolean
  /** The other end of the wire is there. */
  readonly carrier: boolean
  readonly loopback: boolean
  /** Hardware address; undefined where the device has none that ARP or NDP would carry. */
  readonly mac?: string | undefined
  readonly addresses: readonly DeviceAddress[]
}

/** Adds and removes floating addresses, and removes nothing else. */
export interface AddressManager {
  /** Starts the helpers. Rejects with `HS_HOST` when `ip` or the privilege (CAP_NET_ADMIN) is missing. */
  open(): Promise<void>
  /** Ends the helpers. What is still held is then removed. Idempotent. */
  close(): Promise<void>
  /** Every device with its addresses, those of devices that are down included. */
  list(signal?: AbortSignal): Promise<readonly NetworkDevice[]>
  /**
   * Adds all addresses in one go, each with the prefix that it has, and verifies them; what was added here already is left alone.
   * Rejects with `HS_RESOURCE`, and with nothing of this call left, when one cannot be added, would be
   * of no use (the device is down or without carrier), or is on this host by somebody else's doing.
   */
  add(device: string, addresses: readonly IpAddress[], options?: AddOptions): Promise<void>
  /**
   * Gives addresses that were added here another prefix, without a moment in which the host has none of the two (IPv4). The other
   * addresses of the network stay, whichever of them the kernel took for its first.
   */
  reform(device: string, addresses: readonly IpAddress[], options?: AddOptions): Promise<void>
  /** The form in which an address was added here and is held. */
  heldForm(address: IpAddress): string | undefined
  /** Removes those of the addresses that were added here and verifies that the host has them no more. */
  remove(addresses: readonly IpAddress[], signal?: AbortSignal): Promise<void>
  /** Takes over what a killed predecessor had added and is still there in exactly that form, so that `remove` may remove it. */
  adopt(device: string, addresses: readonly IpAddress[], signal?: AbortSignal): Promise<readonly IpAddress[]>
  /** The device that has the address without this process having added it, if any. */
  foreignDevice(devices: readonly NetworkDevice[], address: IpAddress): string | undefined
  /**
   * Cuts addresses off whoever added them, in whatever form and on whatever device, and verifies it. For those that a resource
   * script holds: the words of the configuration say that they are ours to float.
   */
  cut(addresses: readonly IpAddress[], signal?: AbortSignal): Promise<void>
  /** Replaces the addresses that are cut off for `holder` when this process ends in whatever way. */
  guard(holder: string, addresses: readonly IpAddress[]): void
  /** The device through which this host would reach the address now, the default route included. */
  deviceByRoute(address: IpAddress): string | undefined
  /** Sets the device's hardware address to what it is, which makes the kernel announce (see `announce.ts`). */
  touchHardwareAddress(device: string, signal?: AbortSignal): Promise<void>
  /** Calls `onChange` as soon as an address or the link of the device changes; at times for nothing. Returns the end of it. */
  watch(device: string, onChange: () => void): () => void
  /** For people. */
  inspect(): Readonly<Record<string, unknown>>
}

/** Extras of {@link AddressManager.add}. */
export interface AddOptions {
  /** Label of the IPv4 addresses, `eth0:web`. */
  readonly label?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** An address that can never be assigned: asking to delete it tells whether deleting is allowed, and changes nothing. */
const privilegeProbe = 'addr del 255.255.255.255/32 dev lo'
const notPermitted = /Operation not permitted/

/** Floating addresses through one persistent `ip -batch` child, whose guardian removes them when this process dies. */
export function createAddressManager({ batch, logger }: { batch: IpBatch; logger: Logger }): AddressManager {
  const watch = createIpMonitor({ objects: 'address link', keyOf: monitoredDevice, logger })
  /** What this process has added: the guardian's list. */
  const held = new Map<string, Held>()
  const promoted = createPromotion(logger)

  function hold(): void {
    batch.undo('addresses', [...held.values()].flatMap(deletions))
  }

  function release(addresses: readonly IpAddress[]): void {
    for (const { address } of addresses) held.delete(address)
    hold()
  }

  /** Deletes addresses of these entries; the other addresses of their networks stay. */
  function keepingOthers<T>(entries: readonly Held[], work: () => Promise<T>): Promise<T> {
    const networks = entries.filter(({ address }) => address.family === 4 && !isHost(address))
    return promoted([...new Set(networks.map(({ device }) => device))], work)
  }

  async function run(commands: readonly string[], signal?: AbortSignal) {
    const result = await batch.run([...commands, 'addr show'], signal)
    return { ...result, devices: readDevices(result.json) }
  }

  const manager: AddressManager = {
    async open() {
      const { errors } = await run([privilegeProbe])
      if (notPermitted.test(errors[0] ?? '')) {
        await batch.close()
        throw new HotStandbyError(
          'HS_HOST',
          `ip: ${errors[0]}; floating addresses need CAP_NET_ADMIN: run as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW (a capability on the node binary does not reach the helpers)`,
        )
      }
      watch.open()
    },

    async close() {
      watch.close()
      await batch.close()
      held.clear()
    },

    async list(signal) {
      return (await run([], signal)).devices
    },

    async add(device, addresses, { label, signal } = {}) {
      const before = await manager.list(signal)
      const target = findDevice(before, device)
      const trouble = whyUnusable(before, device)
      if (trouble) throw new HotStandbyError('HS_RESOURCE', trouble)
      for (const address of addresses) {
        const owner = manager.foreignDevice(before, address)
        if (owner) throw foreign(address, owner)
      }
      const missing = addresses.filter((address) => !hasForm(target, held.get(address.address)?.address ?? address))
      // The guardian learns of an address before the kernel does.
      for (const address of missing)
        held.set(address.address, { device, address, former: held.get(address.address)?.former })
      hold()
      const { devices, errors, repeated } = await run(
        missing.map((address) => addition(address, device, label)),
        signal,
      )
      // After a repetition "exists" is our own first attempt; what matters is checked below.
      const failures = missing.flatMap((address, index) =>
        errors[index] && !repeated ? [{ address, text: `${writtenForm(address)}: ${errors[index]}` }] : [],
      )
      const after = devices.find(({ name }) => name === device)
      const absent = addresses.filter(
        (address) => !after || !hasForm(after, held.get(address.address)?.address ?? address),
      )
      release(failures.map(({ address }) => address))
      if (absent.length === 0) return
      await manager.remove(missing, signal)
      const reasons =
        failures.map(({ text }) => text).join(', ') || `${textOf(absent)} is not usable although it was added`
      throw new HotStandbyError('HS_RESOURCE', `ip addr add on ${device}: ${reasons}`)
    },

    async remove(addresses, signal) {
      const ours = addresses.filter(({ address }) => held.has(address))
      if (ours.length === 0) return
      const entries = ours.flatMap(({ address }) => held.get(address) ?? [])
      const { devices } = await keepingOthers(entries, () => run(entries.flatMap(deletions), signal))
      const left = ours.filter((address) => deviceOf(devices, address))
      release(ours.filter((address) => !left.includes(address)))
      if (left.length > 0) {
        const where = left.map((address) => `${address.address} (${deviceOf(devices, address)?.name})`).join(', ')
        throw new HotStandbyError('HS_RESOURCE', `still configured on this host after its removal: ${where}`)
      }
    },

    async reform(device, addresses, { label, signal } = {}) {
      const entries = addresses.flatMap((address): Held[] => {
        const former = held.get(address.address)?.address
        return former ? [{ device, address, former }] : []
      })
      // The guardian learns of both forms before the kernel does.
      for (const entry of entries) held.set(entry.address.address, entry)
      hold()
      const commands = entries.flatMap(({ address, former }) => {
        const steps = [addition(address, device, label), `addr del ${writtenForm(former ?? address)} dev ${device}`]
        // An IPv6 address has one prefix at a time.
        return address.family === 4 ? steps : steps.reverse()
      })
      const formers = entries.map(({ former }) => ({ device, address: former as IpAddress }))
      const { devices } = await keepingOthers(formers, () => run(commands, signal))
      const after = devices.find(({ name }) => name === device)
      for (const entry of entries) {
        const { address, former } = entry
        // Removed meanwhile: no longer ours.
        if (held.get(address.address) !== entry) continue
        const left = former && after && hasForm(after, former, true) ? former : undefined
        const there = after && hasForm(after, address, true)
        held.set(address.address, left && !there ? { device, address: left } : { device, address, former: left })
      }
      hold()
    },

    heldForm(address) {
      const entry = held.get(address.address)
      return entry && writtenForm(entry.address)
    },

    async cut(addresses, signal) {
      const before = await manager.list(signal)
      const entries = addresses.flatMap((address) => {
        const device = deviceOf(before, address)
        const prefix = device?.addresses.find((entry) => entry.address === address.address)?.prefix
        return device ? [{ device: device.name, address: { ...address, prefix } }] : []
      })
      const { devices } = await keepingOthers(entries, () => run(addresses.map(flush), signal))
      const left = addresses.filter((address) => deviceOf(devices, address))
      if (left.length === 0) return
      const where = left.map((address) => `${address.address} (${deviceOf(devices, address)?.name})`).join(', ')
      throw new HotStandbyError('HS_RESOURCE', `still configured on this host after it was cut off: ${where}`)
    },

    guard(holder, addresses) {
      batch.undo(`cut ${holder}`, addresses.map(flush))
    },

    deviceByRoute,

    async adopt(device, addresses, signal) {
      const target = (await manager.list(signal)).find(({ name }) => name === device)
      const stale = target ? addresses.filter((address) => hasForm(target, address, true)) : []
      for (const address of stale) held.set(address.address, { device, address })
      hold()
      return stale
    },

    foreignDevice(devices, address) {
      return held.has(address.address) ? undefined : deviceOf(devices, address)?.name
    },

    async touchHardwareAddress(device, signal) {
      const { mac } = findDevice(await manager.list(signal), device)
      if (!mac) throw new HotStandbyError('HS_RESOURCE', `${device} has no hardware address`)
      const { errors } = await run([`link set dev ${device} address ${mac}`], signal)
      if (errors[0]) throw new HotStandbyError('HS_RESOURCE', `ip link set dev ${device} address ${mac}: ${errors[0]}`)
    },

    watch: (device, onChange) => watch.watch(device, onChange),

    inspect: () => ({ helpers: batch.pids(), held: [...held.values()].map(({ address }) => writtenForm(address)) }),
  }
  return manager
}

/**
 * IPv6: without duplicate address detection (it takes 1.5 s, and a duplicate would block the address for good), and never
 * chosen as the source of this host's own connections (`preferred_lft 0`).
 */
function suffix(address: IpAddress, label: string | undefined): string {
  if (address.family === 6) return ' nodad preferred_lft 0'
  // A network of two addresses has no broadcast address (RFC 3021), nor has one host.
  const broadcast = (address.prefix ?? 32) < 31 ? ` brd ${address.broadcast ?? '+'}` : ''
  return label ? `${broadcast} label ${label}` : broadcast
}

/** An address that was added here; `former`: in another form, while the one is exchanged for the other. */
interface Held {
  readonly device: string
  readonly address: IpAddress
  readonly former?: IpAddress | undefined
}

function addition(address: IpAddress, device: string, label: string | undefined): string {
  return `addr add ${writtenForm(address)} dev ${device}${suffix(address, label)}`
}

function deletions({ device, address, former }: Held): string[] {
  return [address, ...(former ? [former] : [])].map((form) => `addr del ${writtenForm(form)} dev ${device}`)
}

/** Whatever its prefix and its device are. */
function flush(address: IpAddress): string {
  return `addr flush to ${hostForm(address)}`
}

/**
 * The form in which an address goes onto a device: with the prefix that was written, so that its network is reached through it.
 * Where the device lies in that network by an address that does not float, one host is enough: a second address of the network
 * would be the kernel's `secondary` and vanish with the first, and one that came first could become the source of the host's own
 * connections.
 */
export function placed(address: IpAddress, device: NetworkDevice, floats: (address: string) => boolean): IpAddress {
  const { prefix } = address
  const covers = (entry: DeviceAddress): boolean =>
    prefix !== undefined &&
    entry.prefix <= prefix &&
    !floats(entry.address) &&
    inSubnet(address, entry.address, entry.prefix)
  const alone = prefix === undefined || device.addresses.some(covers)
  return alone ? { address: address.address, family: address.family } : address
}

function textOf(addresses: readonly IpAddress[]): string {
  return addresses.map(({ address }) => address).join(', ')
}

function deviceOf(devices: readonly NetworkDevice[], { address }: IpAddress): NetworkDevice | undefined {
  return devices.find((device) => device.addresses.some((entry) => entry.address === address))
}

function hasForm(device: NetworkDevice, address: IpAddress, evenUnusable = false): boolean {
  return device.addresses.some(
    (entry) => `${entry.address}/${entry.prefix}` === writtenForm(address) && (entry.usable || evenUnusable),
  )
}

/** An address that is on this host by somebody else's doing: a refusal, never a deletion. */
export function foreign({ address }: IpAddress, device: string): HotStandbyError {
  return new HotStandbyError(
    'HS_RESOURCE',
    `${address} is configured on ${device} by somebody else; remove it there, or choose another floating address`,
  )
}

/** The device of that name, or of that alternative name. @throws {HotStandbyError} `HS_RESOURCE` naming those that exist. */
export function findDevice(devices: readonly NetworkDevice[], name: string): NetworkDevice {
  const device =
    devices.find((candidate) => candidate.name === name) ?? devices.find(({ altnames }) => altnames?.includes(name))
  if (device) return device
  const others = devices.filter(({ loopback }) => !loopback).map((candidate) => candidate.name)
  throw new HotStandbyError(
    'HS_RESOURCE',
    `device ${name} does not exist; this host has ${others.join(', ') || 'none'}`,
  )
}

/** Why a device cannot carry a floating address now, if so. */
export function whyUnusable(devices: readonly NetworkDevice[], name: string): string | undefined {
  const device = devices.find((candidate) => candidate.name === name)
  if (!device) return `device ${name} does not exist`
  if (!device.up) return `device ${name} is down`
  return device.carrier ? undefined : `device ${name} has no carrier: nothing is at the other end of its cable`
}

/** What `ip -j addr show` says, as far as it is used. */
interface ShownDevice {
  readonly ifname?: string
  readonly altnames?: readonly string[]
  readonly flags?: readonly string[]
  readonly link_type?: string
  readonly address?: string
  readonly addr_info?: readonly {
    readonly family?: string
    readonly local?: string
    readonly prefixlen?: number
    readonly tentative?: boolean
    readonly dadfailed?: boolean
  }[]
}

/** The devices of an answer of `ip -j addr show`. */
export function readDevices(json: readonly unknown[]): NetworkDevice[] {
  return (json as readonly ShownDevice[]).flatMap(
    ({ ifname, altnames, flags = [], link_type, address, addr_info = [] }) => {
      if (ifname === undefined) return []
      const addresses = addr_info.flatMap(({ family, local, prefixlen, tentative, dadfailed }): DeviceAddress[] =>
        local === undefined || prefixlen === undefined
          ? []
          : [
              {
                address: local,
                prefix: prefixlen,
                family: family === 'inet6' ? 6 : 4,
                usable: !tentative && !dadfailed,
              },
            ],
      )
      const up = flags.includes('UP')
      return [
        {
          name: ifname,
          altnames,
          up,
          carrier: up && flags.includes('LOWER_UP'),
          loopback: flags.includes('LOOPBACK'),
          mac: link_type === 'ether' ? address : undefined,
          addresses,
        },
      ]
    },
  )
}
