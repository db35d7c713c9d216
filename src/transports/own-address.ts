import { type InterfaceAddress, networkOf } from '../platform/interfaces.ts'
import { isLinkLocal, withZone } from '../platform/ip.ts'
import { HotStandbyError } from '../roles/error.ts'
import { deviceError } from './udp-errors.ts'

/**
 * The address of the device that a link should use: one of the family, in the network of `near` if there is such a one
 * (a floating address on the same device is often the other), link-local only where that is asked for or nothing else is there.
 * @throws {HotStandbyError} `HS_TRANSPORT` when the device has none.
 */
export function ownAddress(
  own: readonly InterfaceAddress[],
  device: string,
  family: 4 | 6,
  near?: string | undefined,
): InterfaceAddress {
  if (own.length === 0) throw deviceError(device)
  const candidates = own.filter((entry) => entry.family === family)
  const beside = near === undefined ? undefined : candidates.find((entry) => networkOf([entry])(near))
  const found = beside ?? candidates.find((entry) => !isLinkLocal(entry.address)) ?? candidates[0]
  if (found) return found
  const others = own.map((entry) => entry.address).join(', ')
  throw new HotStandbyError('HS_TRANSPORT', `device ${device} has no IPv${family} address (it has ${others})`)
}

/** The text to bind to: with the device as zone where the address is link-local. */
export function bindable(entry: InterfaceAddress): string {
  return withZone(entry.address, entry.device)
}

/** The entry of an address that the options name. */
export function entryOf(own: readonly InterfaceAddress[], address: string): InterfaceAddress | undefined {
  return own.find((entry) => entry.address === address || bindable(entry) === address)
}
