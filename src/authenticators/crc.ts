import type { Authenticator, SigningPlugin } from '../roles/authenticator.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { ringOfOne } from './ring-of-one.ts'

/** Options of {@link crc}. */
export interface CrcOptions {
  /** Index of the key, 0–15, as in authkeys. @defaultValue 1 */
  readonly id?: number | undefined
}

const knownOptions: OptionTable<CrcOptions> = {
  id: 'any',
}

const polynomial = 0x04c11db7

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? polynomial : 0)
  return value
})

/** As Heartbeat's crc.c: most significant bit first, initially 0, complemented at the end, no length appended (unlike cksum). */
function checksum(bytes: Uint8Array): string {
  let value = 0
  for (let at = 0; at < bytes.length; at++) value = (value << 8) ^ table[(value >>> 24) ^ bytes[at]!]!
  return (~value >>> 0).toString(16)
}

/** Keyless, so there is no secret that a comparison could give away. */
const authenticator: Authenticator = {
  method: 'crc',
  keyed: false,
  sign: checksum,
  verify: (bytes, token) => token === checksum(bytes),
}

/**
 * Heartbeat's `crc`: a checksum without a key. It finds damaged packets and keeps nobody out: use it only where nobody else
 * can send to the link. Accepted only while it is the method this node signs with.
 * @throws {HotStandbyError} `HS_CONFIG` for an id outside 0–15.
 */
export function crc(options: CrcOptions = {}): SigningPlugin {
  checkOptionNames('crc', options, knownOptions)
  return ringOfOne({ id: options.id ?? 1, method: 'crc', protects: 'signing', create: () => authenticator })
}
