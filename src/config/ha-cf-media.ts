import { icmpPing } from '../arbiters/icmp-ping.ts'
import { pingGroup } from '../arbiters/ping-group.ts'
import type { ArbiterPlugin } from '../roles/arbiter.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { serial } from '../transports/serial.ts'
import { udpBroadcast } from '../transports/udp-broadcast.ts'
import { udpMulticast } from '../transports/udp-multicast.ts'
import { udpUnicast } from '../transports/udp-unicast.ts'
import type { HaCfDraft, WrittenOptions } from './ha-cf-draft.ts'
import { address, between, device, devices, fullPath, integer, oneOf } from './ha-cf-values.ts'
import { badValue, quoted } from './problems.ts'

// The directives of ha.cf that name a link to the peer or a ping target.

type Apply = (draft: HaCfDraft, words: readonly string[]) => void

/** Heartbeat names a link by its device; a second medium on one device gets a name of its own. */
function linkName(draft: HaCfDraft, name: string, suffix: string): string {
  const isTaken = (link: string): boolean => draft.media.some(({ value }) => value.link === link)
  const names = [name, `${name}-${suffix}`]
  for (let number = 2; isTaken(names.at(-1)!); number++) names.push(`${name}-${suffix}-${number}`)
  return names.find((link) => !isTaken(link))!
}

/** Adds a medium. One that is there already, to the word, would only send everything twice, on a port that is taken. */
function addMedium(draft: HaCfDraft, key: string, value: TransportPlugin, options: WrittenOptions): void {
  const before = draft.mediaLines.get(key)
  if (before !== undefined)
    return draft.remark(
      'warning',
      `${key.split(' ').slice(1).join(' ')} is a link already, in line ${before}; it counts once`,
    )
  draft.mediaLines.set(key, draft.line)
  draft.media.push({ line: draft.line, value, options })
}

/** `bcast`, `udp`: a link on each device. */
export const broadcast: Apply = (draft, words) => {
  for (const name of devices(words)) {
    const options = { device: name, port: draft.port, link: linkName(draft, name, 'bcast') }
    addMedium(draft, `bcast ${name} port ${draft.port}`, udpBroadcast(options), options)
  }
}

/** `ucast`, `ucast6`. */
export function unicast(family: 4 | 6): Apply {
  return (draft, words) => {
    const [name, peer] = between(2, 2)(words.slice(0, 2))
    const others = words.slice(2)
    if (others.length > 0)
      draft.remark(
        'warning',
        `${others.map(quoted).join(' ')} behind the address is read by nobody, as in Heartbeat; the port is ${draft.port}, that of udpport`,
      )
    const link = linkName(draft, device(name!), peer!)
    const options = { device: name!, peer: address(family)(peer!), port: draft.port, link }
    addMedium(draft, `ucast ${name} ${peer} port ${draft.port}`, udpUnicast(options), options)
  }
}

/** `mcast`, `mcast6`. */
export function multicast(family: 4 | 6): Apply {
  return (draft, words) => {
    const [name, group, port, ttl, loop] = between(5, 5)(words)
    if (integer(0, 4)([ttl!]) === 0) {
      return draft.remark(
        'warning',
        'a TTL of 0 keeps every packet on this host, so the medium is left out; 1 reaches the network of the device',
      )
    }
    const options = {
      device: device(name!),
      group: address(family)(group!),
      port: integer(1, 65535)([port!]),
      ttl: integer(1, 4)([ttl!]),
      loop: integer(0, 1)([loop!]) === 1,
      link: linkName(draft, name!, 'mcast'),
    }
    addMedium(draft, `mcast ${name} ${group} port ${port}`, udpMulticast(options), options)
  }
}

/** `serial`: a link on each device, at the speed that stands before it. */
export const serialLines: Apply = (draft, words) => {
  if (words.length === 0) throw badValue('the device is missing')
  for (const tty of words) {
    const options = { device: fullPath([tty]), baud: draft.baud }
    addMedium(draft, `serial ${tty}`, serial(options), options)
  }
}

/** `baud`, as the daemon takes it, of the `serial` lines after it. */
export const baud: Apply = (draft, words) => {
  const rate = Number(oneOf('9600', '19200', '38400', '57600', '115200', '230400', '460800')(words))
  const early = draft.media.find(({ value }) => value.type === 'serial')
  if (early && rate !== draft.baud) {
    draft.remark(
      'warning',
      `baud counts for the serial lines behind it, as in Heartbeat: that in line ${early.line} keeps ${draft.baud}; ` +
        `move baud above it if both nodes are to use ${rate}`,
    )
  }
  draft.baud = rate
}

/** `ping`, `ping6`: a target for each address. */
export function ping(family: 4 | 6): Apply {
  return (draft, words) => {
    if (words.length === 0) throw badValue('the address is missing')
    for (const word of words) {
      const target = address(family)(word)
      addTarget(draft, icmpPing(target), { address: target })
    }
  }
}

/** `ping_group`: one target of several addresses. */
export const pingGroupOf: Apply = (draft, words) => {
  const [name, ...addresses] = between(2, 64)(words)
  const options = { addresses: addresses.map(address(4, 6)) }
  addTarget(draft, pingGroup(name!, options.addresses), options)
}

function addTarget(draft: HaCfDraft, value: ArbiterPlugin, options: WrittenOptions): void {
  const before = draft.arbiters.find((other) => other.value.target === value.target)
  if (before)
    return draft.remark(
      'warning',
      `${quoted(value.target)} is a ping target already, in line ${before.line}; it counts once`,
    )
  draft.arbiters.push({ line: draft.line, value, options })
}

/** `udpport`, of the lines after it. */
export const udpport: Apply = (draft, words) => {
  const written = integer(0, 2 ** 31 - 1)(words)
  const port = written % 65_536
  if (port === 0) throw badValue(`${quoted(words.join(' '))} is not a whole number from 1 to 65535`)
  if (port !== written)
    draft.remark(
      'warning',
      `${written} is no port: ${port} is used, as in Heartbeat, where 16 bits of it count; write that`,
    )
  const early = draft.media.find(({ value }) => value.type === 'udp-unicast' || value.type === 'udp-broadcast')
  if (early && port !== draft.port) {
    draft.remark(
      'warning',
      `udpport counts for the ucast and bcast lines behind it, as in Heartbeat: the medium in line ${early.line} keeps ` +
        `port ${draft.port}; move udpport above it if both nodes are to use ${port}`,
    )
  }
  draft.port = port
}
