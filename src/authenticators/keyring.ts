import type { Authenticator, AuthenticatorPlugin, KeySpec } from '../roles/authenticator.ts'
import { configurationError, HotStandbyError, type Issue, isHotStandbyError, messageOf } from '../roles/error.ts'
import type { KeyRing, SignatureRefusal, SignatureRefused } from '../roles/key-ring.ts'
import { idIssues } from './ring-of-one.ts'

/** Options of {@link keyring}. */
export interface KeyringOptions {
  /** Id of the key that signs. */
  readonly active: number
  /** The keys that are accepted, each made by `md5`, `sha1`, `sha256` or `crc` with its own id. */
  readonly keys: readonly AuthenticatorPlugin[]
}

function checkIds(ids: readonly number[], active: number): void {
  const issues: Issue[] = ids.flatMap(idIssues)
  const refuse = (where: string, message: string): void => {
    issues.push({ where: `authenticator.${where}`, message, severity: 'error' })
  }
  for (const id of new Set(ids.filter((one, index) => ids.indexOf(one) !== index))) {
    refuse('keys', `two keys have the id ${id}; give each its own`)
  }
  if (!ids.includes(active)) {
    refuse('active', `no key has the id ${active}; the ring holds ${ids.length === 0 ? 'no key' : ids.join(', ')}`)
  }
  if (issues.length > 0) throw configurationError(issues)
}

/**
 * Several keys at once, so that keys change without an outage: add the new key on both nodes, make it the active one on one
 * node and then on the other, remove the old key on both.
 * @throws {HotStandbyError} `HS_CONFIG` for an id that is used twice, missing or outside 0–15.
 */
export function keyring(options: KeyringOptions): AuthenticatorPlugin {
  const keys = options.keys.flatMap((plugin) => plugin.keys)
  checkIds(
    keys.map(({ id }) => id),
    options.active,
  )
  return { kind: 'authenticator', active: options.active, keys }
}

/** A key that is ready for use. */
export interface RingEntry {
  readonly id: number
  readonly authenticator: Authenticator
}

// Made once: a flood of forged packets then costs no allocation.
const refused = (reason: SignatureRefusal): SignatureRefused => ({ ok: false, reason })
const unknownKey = refused('unknown-key')
const keyless = refused('keyless')
const badSignature = refused('bad-signature')

/**
 * The run-time ring. Each signature is verified with the key it names: Heartbeat takes the named method with the active key,
 * which breaks rotation. A keyless method is accepted only while it is the active one: with Heartbeat a line `1 crc` left in
 * authkeys opens the cluster to everybody.
 * @throws {HotStandbyError} `HS_CONFIG` for an id that is used twice, missing or outside 0–15.
 */
export function createKeyRing(entries: readonly RingEntry[], active: number): KeyRing {
  checkIds(
    entries.map(({ id }) => id),
    active,
  )
  const ring = new Map(entries.map(({ id, authenticator }) => [id, authenticator]))
  // By the text that travels: `03` and `3.0` name no key.
  const byText = new Map(entries.map((entry) => [String(entry.id), entry]))
  const signing = ring.get(active)!
  return {
    active,
    sign(bytes, keyId = active) {
      const chosen = ring.get(keyId)
      return chosen ? `${keyId} ${chosen.sign(bytes)}` : `${active} ${signing.sign(bytes)}`
    },
    verify(bytes, auth) {
      const blank = auth.indexOf(' ')
      const entry = byText.get(auth.slice(0, Math.max(blank, 0)))
      if (!entry) return unknownKey
      const { id, authenticator } = entry
      if (!authenticator.keyed && authenticator.method !== signing.method) return keyless
      return authenticator.verify(bytes, auth.slice(blank + 1)) ? { ok: true, keyId: id } : badSignature
    },
  }
}

/**
 * Makes the run-time ring of a plug-in. `readKeyFile` returns the content of a key file, or throws `HS_KEY`.
 * @throws {HotStandbyError} `HS_KEY` or `HS_HOST` naming the key that cannot be used; `HS_CONFIG` as {@link createKeyRing}.
 */
export function openKeyRing(plugin: AuthenticatorPlugin, readKeyFile: (path: string) => Uint8Array): KeyRing {
  const entries = plugin.keys.map((spec) => ({ id: spec.id, authenticator: authenticatorOf(spec, readKeyFile) }))
  return createKeyRing(entries, plugin.active)
}

function authenticatorOf(spec: KeySpec, readKeyFile: (path: string) => Uint8Array): Authenticator {
  const { id, key, keyFile, create } = spec
  try {
    if (keyFile !== undefined) return create(readKeyFile(keyFile))
    return create(typeof key === 'string' ? Buffer.from(key, 'utf8') : key)
  } catch (error) {
    if (!isHotStandbyError(error)) throw error
    const { code } = error as HotStandbyError
    const where = keyFile === undefined ? '' : ` of ${keyFile}`
    throw new HotStandbyError(code, `key ${id}${where}: ${messageOf(error)}`, { cause: error })
  }
}
