import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { IpBatch } from './ip-batch.ts'

/** A device of its own for floating addresses, on top of another one, with a hardware address that floats along. */
export interface Macvlan {
  readonly name: string
  readonly parent: string
  readonly mac: string
}

/** Makes and removes such devices, and removes no others. */
export interface MacvlanManager {
  /** Makes it and sets it up; one that was made here already is left alone. Rejects with `HS_RESOURCE` and nothing left. */
  add(macvlan: Macvlan, signal?: AbortSignal): Promise<void>
  /** Removes it, with all its addresses, if it was made here. */
  remove(name: string, signal?: AbortSignal): Promise<void>
  /** Takes over what a killed predecessor had made, so that `remove` may remove it. */
  adopt(macvlan: Macvlan, signal?: AbortSignal): Promise<boolean>
}

/**
 * Name and hardware address for these addresses, the same on both nodes: neighbours then need not learn a new one, only the
 * switches do. Locally administered (IEEE 802: second bit of the first octet).
 */
export function macvlanOf(addresses: readonly string[], parent: string): Macvlan {
  const digest = createHash('sha256')
    .update([...addresses].sort().join(' '))
    .digest('hex')
  const octets = digest.slice(0, 10).match(/../g) ?? []
  return { name: `hs${digest.slice(0, 8)}`, parent, mac: ['02', ...octets].join(':') }
}

/**
 * So that each device answers for its own addresses only, and none speaks in the name of the other: otherwise neighbours learn
 * the parent's hardware address for the floating address. Of the parent's switches only those that are 0 are touched.
 */
const parentSwitches = { arp_ignore: '1', arp_announce: '2' } as const
/** The way back to a neighbour is the parent's, which a strict reverse path filter would refuse: 2 is the loose one. */
const ownSwitches = { 'ipv4/arp_ignore': '1', 'ipv4/rp_filter': '2', 'ipv6/accept_ra': '0' } as const

const pathOf = (family: string, device: string, name: string): string =>
  `/proc/sys/net/${family}/conf/${device}/${name}`

/** Devices through the persistent `ip`; its guardian removes them when this process dies. */
export function createMacvlanManager({ batch }: { batch: IpBatch }): MacvlanManager {
  const made = new Map<string, Macvlan>()
  /** What was raised on a parent, until the last device on it is gone. */
  const raised = new Map<string, readonly string[]>()

  function hold(): void {
    batch.undo('devices', [...[...made.keys()].map((name) => `link del ${name}`), ...[...raised.values()].flat()])
  }

  function raise(parent: string): void {
    if (raised.has(parent)) return
    const switches = Object.entries(parentSwitches).map(
      ([name, value]) => [pathOf('ipv4', parent, name), value] as const,
    )
    const off = switches.filter(([path]) => readFileSync(path, 'utf8').trim() === '0')
    raised.set(
      parent,
      off.map(([path]) => path),
    )
    // The guardian learns of them before the kernel does.
    hold()
    for (const [path, value] of off) writeFileSync(path, value)
  }

  function lower(parent: string): void {
    if ([...made.values()].some((other) => other.parent === parent)) return
    for (const path of raised.get(parent) ?? []) {
      try {
        writeFileSync(path, '0')
      } catch {
        // The parent has gone, and its switches with it.
      }
    }
    raised.delete(parent)
  }

  async function exists(name: string, signal?: AbortSignal): Promise<boolean> {
    const { json } = await batch.run([`link show dev ${name}`], signal)
    return json.length > 0
  }

  const manager: MacvlanManager = {
    async add({ name, parent, mac }, signal) {
      if (made.has(name) && (await exists(name, signal))) return
      // The guardian learns of it before the kernel does.
      made.set(name, { name, parent, mac })
      hold()
      const kind = `link add link ${parent} name ${name} address ${mac} type macvlan mode bridge`
      const { errors, repeated } = await batch.run([kind, `link set dev ${name} addrgenmode none`], signal)
      if (errors[0] && !repeated) {
        // What is there under this name is somebody else's.
        made.delete(name)
        hold()
        throw new HotStandbyError('HS_RESOURCE', `ip link add ${name} on ${parent}, type macvlan: ${errors[0]}`)
      }
      try {
        raise(parent)
        for (const [key, value] of Object.entries(ownSwitches)) {
          const [family = '', word = ''] = key.split('/')
          writeSwitch(pathOf(family, name, word), value)
        }
        const up = await batch.run([`link set dev ${name} up`], signal)
        if (up.errors[0]) throw new HotStandbyError('HS_RESOURCE', `ip link set ${name} up: ${up.errors[0]}`)
      } catch (error) {
        await manager.remove(name)
        if (error instanceof HotStandbyError) throw error
        throw new HotStandbyError('HS_HOST', `a macvlan needs a writable /proc/sys/net: ${messageOf(error)}`)
      }
    },

    async remove(name, signal) {
      const macvlan = made.get(name)
      if (!macvlan) return
      await batch.run([`link del ${name}`], signal)
      if (await exists(name, signal))
        throw new HotStandbyError('HS_RESOURCE', `device ${name} is still there after its removal`)
      made.delete(name)
      lower(macvlan.parent)
      hold()
    },

    async adopt(macvlan, signal) {
      if (!(await exists(macvlan.name, signal))) return false
      made.set(macvlan.name, macvlan)
      hold()
      return true
    },
  }
  return manager
}

/** IPv6 may be off: then its switches are missing. */
function writeSwitch(path: string, value: string): void {
  try {
    writeFileSync(path, value)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
