import type { SigningPlugin } from '../roles/authenticator.ts'
import { type HmacOptions, hmac } from './hmac.ts'

/**
 * Heartbeat's `sha1`: HMAC-SHA1 (RFC 2104) of the frame with a shared key. Keeps out who does not know the key; hides nothing.
 * Short keys work as in Heartbeat and can be guessed from one recorded packet: take 32 random characters.
 * @throws {HotStandbyError} `HS_CONFIG` unless there is exactly one of `key` and `keyFile`, for an empty key or a wrong id.
 */
export function sha1(options: HmacOptions): SigningPlugin {
  return hmac('sha1', options)
}
