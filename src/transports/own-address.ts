import { addressesOf, type InterfaceAddress, networkOf } from '../platform/interfaces.ts'
import { isLinkLocal, splitZone, withZone } from '../platform/ip.ts'
import { HotStandbyError } from '../roles/error.ts'
import { deviceError } from './udp-errors.ts'

/**
 * The address of the device that a link should use: one of the family, in the network of `near` if there is such a one
 * (the order of a device's addresses says nothing), never one that floats, link-local only where that is asked for or nothing else is there.
 * @throws {HotStandbyError} `HS_TRANSPORT` when the device has none.
 */
export function ownAddress(
  own: readonly InterfaceAddress[],
  device: string,
  family: 4 | 6,
  near?: string | undefined,
  floating: readonly string[] = [],
): InterfaceAddress {
  if (own.length === 0) throw deviceError(device)
  const candidates = own.filter((entry) => entry.family === family && !floating.includes(entry.address))
  const beside = near === undefined ? undefined : candidates.find((entry) => networkOf([entry])(near))
  const found = beside ?? candidates.find((entry) => !isLinkLocal(entry.address)) ?? candidates[0]
  if (found) return found
  const others = own.map(({ address }) => (floating.includes(address) ? `${address}, which floats` : address))
  throw new HotStandbyError(
    'HS_TRANSPORT',
    `device ${device} has no IPv${family} address of its own (it has ${others.join(', ')})`,
  )
}

/** The text to bind to: with the device as zone where the address is link-local. */
export function bindable(entry: InterfaceAddress): string {
  return withZone(entry.address, entry.device)
}

/** The entry of an address that the options name. */
export function entryOf(own: readonly InterfaceAddress[], address: string): InterfaceAddress | undefined {
  return own.find((entry) => entry.address === address || bindable(entry) === address)
}

/**
 * Who may be the peer on a link that has no address for it. Linux hands a datagram for a group or for everybody to every
 * socket that waits for it, whatever device it came in by, and two links would vouch for each other: a sender in the network
 * of another device only is that one's. In no network at all it may be the peer, whose end of the line is numbered otherwise.
 */
export function heardOn({ device, family }: InterfaceAddress): (address: string) => boolean {
  const all = addressesOf().filter((each) => each.family === family && !isLinkLocal(each.address))
  const here = networkOf(all.filter((each) => each.device === device))
  const another = networkOf(all.filter((each) => each.device !== device))
  const isHeard = (address: string): boolean => {
    const { zone } = splitZone(address)
    if (zone !== undefined) return zone === device
    return here(address) || !another(address)
  }
  // Asked for every datagram of a flood, and a comparison of networks costs as much as all else that is done with it.
  const verdicts = new Map<string, boolean>()
  return (address) => {
    const known = verdicts.get(address)
    if (known !== undefined) return known
    if (verdicts.size >= verdictsMax) verdicts.clear()
    const verdict = isHeard(address)
    verdicts.set(address, verdict)
    return verdict
  }
}

/** Senders that are remembered; more are judged anew. */
const verdictsMax = 256
