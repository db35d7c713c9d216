import { createSocket } from 'node:dgram'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { type AddressManager, findDevice, type NetworkDevice } from './address.ts'
import { type IpAddress, inSubnet } from './ip-address.ts'
import { switchOn } from './kernel-switch.ts'
import { createShellHelper, type ShellHelper } from './shell-helper.ts'

/** Which way the network may be told. `auto`: the first that works. */
export type AnnounceMode = 'auto' | 'arping' | 'kernel'

/** The way that was taken: an `arping`, the kernel's own announcement, the ARP request before a datagram. */
export type AnnouncePath = 'arping' | 'kernel' | 'datagram'

/** Ways taken in one round; a family without addresses is left out. */
export interface Announced {
  readonly ipv4?: AnnouncePath | undefined
  readonly ipv6?: AnnouncePath | undefined
}

/** Tells the neighbours where addresses live now. */
export interface Announcer {
  /** Finds out which `arping` there is, if any. */
  open(): Promise<void>
  close(): Promise<void>
  /** Sends one round and resolves when it is on its way. Rejects with `HS_RESOURCE` when no way worked. */
  announce(
    device: string,
    addresses: readonly IpAddress[],
    mode: AnnounceMode,
    signal?: AbortSignal,
  ): Promise<Announced>
  /** The arping that was found: `iputils`, `habets`, or why none is used. */
  arping(): string
  /**
   * Which hosts answer for these addresses now, by hardware address; takes a second. Undefined where nobody can be asked:
   * IPv4 needs iputils' arping, IPv6 an `ip` of iproute2 5.16.
   */
  whoAnswers(
    device: string,
    addresses: readonly IpAddress[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly string[]> | undefined>
}

/** What no repetition mends: no privilege (CAP_NET_RAW), no program. Anything else may be over with the next round. */
const hopelessArping = /not permitted|permission denied|not found/i

type Flavour = 'iputils' | 'habets'

/** Two programs of one name. Each line sends one frame: a gratuitous request, then a gratuitous reply (RFC 5227 §3, ARP op 1 and 2). */
const arpingLines: Readonly<Record<Flavour, (device: string, address: string) => readonly string[]>> = {
  iputils: (device, address) => ['-U', '-A'].map((form) => `arping ${form} -c 1 -q -I ${device} ${address}`),
  habets: (device, address) =>
    ['-U', '-U -P'].map((form) => `arping ${form} -c 1 -q -i ${device} -S ${address} ${address}`),
}

/** Found in what `arping -V` prints; busybox understands iputils' letters. */
const flavourOf: readonly [pattern: RegExp, flavour: Flavour][] = [
  [/iputils|busybox/i, 'iputils'],
  [/Habets/, 'habets'],
]

/**
 * The ladder: `arping`; the kernel itself, which announces every address of a device when its hardware address is set (to
 * what it is) while `arp_notify` and `ndisc_notify` are on; at last a datagram from the address to a neighbour nobody knows,
 * before which the kernel asks everybody for that neighbour in the name of the address. For IPv6 there is the kernel's way only.
 */
export function createAnnouncer({ manager, logger }: { manager: AddressManager; logger: Logger }): Announcer {
  let shell: ShellHelper | undefined
  /** Of its own: an announcement must not wait until a question is over. */
  const asking = createShellHelper()
  let flavour: Flavour | undefined
  let whyNoArping = 'not looked for yet'
  let neighboursAsked = true
  /** Ends when the last use of the kernel's way on that device has put its switches back. */
  const kernelTurns = new Map<string, Promise<void>>()

  async function giveUpArping(why: string): Promise<void> {
    flavour = undefined
    whyNoArping = why.trim().slice(0, 200) || 'there is none'
    const old = shell
    shell = undefined
    await old?.close()
  }

  /** An arping that is content prints nothing. It runs in the background, so its complaints come when they come. */
  function complaint(text: string): void {
    if (!text.trim()) return
    const hopeless = hopelessArping.test(text)
    logger.warn(
      { text: text.trim() },
      hopeless ? 'arping does not work here; announcing another way' : 'arping complains',
    )
    if (hopeless) void giveUpArping(text)
  }

  async function byArping(device: string, addresses: readonly IpAddress[]): Promise<void> {
    if (!flavour || !shell) throw new HotStandbyError('HS_HOST', `no usable arping: ${whyNoArping}`)
    const linesOf = arpingLines[flavour]
    const lines = addresses.flatMap(({ address }) => linesOf(device, address))
    // Not waited for: iputils' arping sends at once and then stays a second for nothing.
    const { output } = await shell.launch(lines.map((line) => `${line} &`).join(' '))
    complaint(output)
    if (!flavour) throw new HotStandbyError('HS_HOST', `arping: ${whyNoArping}`)
  }

  async function byKernel(device: string, signal: AbortSignal | undefined): Promise<void> {
    const earlier = kernelTurns.get(device)
    const turn = (async () => {
      await earlier
      const restore = switchOn([
        `/proc/sys/net/ipv4/conf/${device}/arp_notify`,
        `/proc/sys/net/ipv6/conf/${device}/ndisc_notify`,
      ])
      try {
        await manager.touchHardwareAddress(device, signal)
      } finally {
        restore()
      }
    })()
    const settled = turn.catch(() => {})
    kernelTurns.set(device, settled)
    await turn.finally(() => {
      if (kernelTurns.get(device) === settled) kernelTurns.delete(device)
    })
  }

  return {
    async open() {
      const started = createShellHelper({ onStray: complaint })
      shell = started
      // The second command needs the same raw socket as a real one, and sends nothing: lo knows no ARP.
      const { output } = await started.run('arping -V; arping -c 1 -I lo 127.0.0.1')
      flavour = flavourOf.find(([pattern]) => pattern.test(output))?.[1]
      if (!flavour || hopelessArping.test(output)) await giveUpArping(output)
    },

    async close() {
      await Promise.all([shell?.close(), asking.close(), ...kernelTurns.values()])
      shell = undefined
    },

    arping: () => flavour ?? whyNoArping,

    async whoAnswers(device, addresses, signal) {
      const ofFamily = (wanted: 4 | 6) => addresses.filter(({ family }) => family === wanted)
      const ipv4 = flavour === 'iputils' ? ofFamily(4) : []
      const ipv6 = neighboursAsked ? ofFamily(6) : []
      if (ipv4.length + ipv6.length === 0) return undefined
      const { output } = await asking.run(
        [...arpQuestions(device, ipv4), ...ndpQuestions(device, ipv6)].join('\n'),
        signal,
      )
      if (unknownUse.test(output)) {
        neighboursAsked = false
        logger.warn({ device }, 'IPv6 duplicates are not looked for: that needs an ip of iproute2 5.16 or newer')
      }
      return answersOf(output, addresses)
    },

    async announce(device, addresses, mode, signal) {
      const ipv4 = addresses.filter(({ family }) => family === 4)
      const ipv6 = addresses.filter(({ family }) => family === 6)
      const rungs: [AnnouncePath, () => Promise<void>][] = [
        ['arping', () => byArping(device, ipv4)],
        ['kernel', () => byKernel(device, signal)],
        ['datagram', async () => byDatagram(findDevice(await manager.list(signal), device), ipv4)],
      ]
      const allowed = rungs.filter(([path]) => mode === 'auto' || path === mode)
      const result: { ipv4?: AnnouncePath; ipv6?: AnnouncePath } = {}
      if (ipv4.length > 0) result.ipv4 = await climb(device, allowed)
      if (ipv6.length > 0) {
        // One touch of the device announces both families.
        const done = result.ipv4 === 'kernel'
        result.ipv6 = done ? 'kernel' : await climb(device, [['kernel', () => byKernel(device, signal)]])
      }
      return result
    },
  }
}

/**
 * Not -D: it stops at the first answer. From 0.0.0.0, so that nobody learns anything of it (RFC 5227 §2.1.1). Its exit status
 * means nothing: it is 1 for a wrong option as well as for an answer.
 */
function arpQuestions(device: string, addresses: readonly IpAddress[]): readonly string[] {
  return addresses.map(({ address }) => `arping -b -c 4 -w 1 -s 0.0.0.0 -I ${device} ${address} &`)
}

/**
 * The kernel asks (a neighbour solicitation, RFC 4861 §4.3), and each answer that names another hardware address changes its entry
 * and is shown by the monitor. The entry is not kept: it would name whoever answered last.
 */
function ndpQuestions(device: string, addresses: readonly IpAddress[]): readonly string[] {
  const entries = addresses.map(({ address }) => `${address} dev ${device}`)
  const forget = entries.map((entry) => `ip neigh del ${entry} 2>/dev/null`)
  if (entries.length === 0) return ['wait']
  return [
    ...forget,
    `ip -6 -o monitor neigh dev ${device} & monitor=$!`,
    // It listens when it has started.
    'sleep 0.1',
    ...entries.map((entry) => `ip neigh replace ${entry} nud none use`),
    'sleep 0.9; kill $monitor; wait',
    ...forget,
  ]
}

/** What an older `ip` says to `ip neigh replace … use`. */
const unknownUse = /"use" is a garbage/

/**
 * Who answered, by address, in what arping prints (`Unicast reply from 10.0.0.100 [02:37:A3:17:29:ED]  0.540ms`) and what
 * `ip monitor neigh` does (`fd77::100 lladdr 02:37:a3:17:29:ed REACHABLE`), which also tells of neighbours that were not asked for.
 */
export function answersOf(
  output: string,
  asked: readonly Pick<IpAddress, 'address'>[],
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  const answer = /(?:reply from (?<v4>\S+) \[|^(?<v6>\S+) (?:dev \S+ )?lladdr )(?<mac>[0-9a-f:]{17})/gim
  for (const { groups } of output.matchAll(answer)) {
    const { v4, v6, mac = '' } = groups ?? {}
    const address = v4 ?? v6 ?? ''
    if (!asked.some((entry) => entry.address === address)) continue
    const macs = found.get(address) ?? []
    if (!macs.includes(mac.toLowerCase())) found.set(address, [...macs, mac.toLowerCase()])
  }
  return found
}

/** The first rung that holds. */
async function climb(device: string, rungs: readonly [AnnouncePath, () => Promise<void>][]): Promise<AnnouncePath> {
  const reasons: string[] = []
  for (const [path, attempt] of rungs) {
    try {
      await attempt()
      return path
    } catch (error) {
      reasons.push(`${path}: ${messageOf(error)}`)
    }
  }
  throw new HotStandbyError('HS_RESOURCE', `cannot announce on ${device}: ${reasons.join('; ')}`)
}

const discardPort = 9

/** The last rung: reaches only neighbours whose entry is older than a second (`locktime`). */
async function byDatagram(device: NetworkDevice, addresses: readonly IpAddress[]): Promise<void> {
  for (const address of addresses) {
    const network = device.addresses.find(
      (entry) => entry.family === 4 && entry.prefix < 31 && inSubnet(address, entry.address, entry.prefix),
    )
    if (!network) throw new HotStandbyError('HS_RESOURCE', `${address.address} is in no network of ${device.name}`)
    const socket = createSocket('udp4')
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind(0, address.address, () => {
          socket.send('', discardPort, anyHostOf(network.address, network.prefix), (error) =>
            error ? reject(error) : resolve(),
          )
        })
      })
    } finally {
      socket.close()
    }
  }
}

/** Some host address of a network, another one each time: most likely nobody's, and if somebody's, no harm is done. */
function anyHostOf(address: string, prefix: number): string {
  const hosts = 2 ** (32 - prefix) - 2
  const network = address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0)
  const chosen = Math.floor(network / (hosts + 2)) * (hosts + 2) + 1 + Math.floor(Math.random() * hosts)
  return [24, 16, 8, 0].map((shift) => Math.floor(chosen / 2 ** shift) % 256).join('.')
}
