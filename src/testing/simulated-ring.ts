import { createKeyRing } from '../authenticators/keyring.ts'
import { sha1 } from '../authenticators/sha1.ts'
import type { KeyRing } from '../roles/key-ring.ts'

/** One key for both nodes of a simulation: real sha1 signatures on every packet. */
export function simulatedRing(): KeyRing {
  return ringOf('a key for simulations')
}

/** The key of somebody else. */
export function foreignRing(): KeyRing {
  return ringOf('a key of another cluster')
}

function ringOf(secret: string): KeyRing {
  const plugin = sha1({ key: secret, id: 1 })
  const entries = plugin.keys.map(({ id, key, create }) => ({
    id,
    authenticator: create(typeof key === 'string' ? new TextEncoder().encode(key) : key),
  }))
  return createKeyRing(entries, plugin.active)
}
