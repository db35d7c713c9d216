import type { SigningPlugin } from '../roles/authenticator.ts'
import { type HmacOptions, hmac } from './hmac.ts'

/**
 * HMAC-SHA256 (RFC 2104) of the frame with a shared key: the method for two nodes of our own. A Heartbeat daemon does not
 * know it. Keeps out who does not know the key; hides nothing.
 * @throws {HotStandbyError} `HS_CONFIG` unless there is exactly one of `key` and `keyFile`, for a wrong id, and for a key of
 * fewer than 32 bytes or of a few repeated ones.
 */
export function sha256(options: HmacOptions): SigningPlugin {
  return hmac('sha256', options)
}
