import type {
  Authenticator,
  AuthenticatorPlugin,
  KeyScope,
  KeySource,
  KeySpec,
  Sealer,
  SealingKeySpec,
  SigningKeySpec,
  SigningPlugin,
} from '../roles/authenticator.ts'
import { configurationError, HotStandbyError, type Issue, isHotStandbyError, messageOf } from '../roles/error.ts'
import type { KeyRefusal, KeyRefused, KeyRing, SealingRing, SigningRing } from '../roles/key-ring.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { idIssues } from './ring-of-one.ts'

/** Options of {@link keyring}. */
export interface KeyringOptions<Spec extends KeySpec = KeySpec> {
  /** Id of the key that signs or seals. */
  readonly active: number
  /** The keys that are accepted, each made by `sealed`, or each by one of `sha256`, `sha1`, `md5`, `crc`, with its own id. */
  readonly keys: readonly AuthenticatorPlugin<Spec>[]
}

const knownOptions: OptionTable<KeyringOptions> = {
  active: 'number',
  keys: 'list',
}

function checkIds(ids: readonly number[], active: number, more: readonly Issue[] = []): void {
  const issues: Issue[] = [...ids.flatMap(idIssues), ...more]
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

/** A signing key left beside sealing ones would let everybody in who knows it. */
export function mixIssues(keys: AuthenticatorPlugin['keys']): Issue[] {
  if (new Set(keys.map(({ protects }) => protects)).size < 2) return []
  const message = 'sealed keys stand in a ring of their own: a signing key beside them would still let its holder in'
  return [{ where: 'authenticator.keys', message, severity: 'error' }]
}

/**
 * Several keys at once, so that keys change without an outage: add the new key on both nodes, make it the active one on one
 * node and then on the other, remove the old key on both.
 * @throws {HotStandbyError} `HS_CONFIG` for an id that is used twice, missing or outside 0–15, and for `sealed` keys beside others.
 */
export function keyring<Spec extends KeySpec>(options: KeyringOptions<Spec>): AuthenticatorPlugin<Spec> {
  checkOptionNames('keyring', options, knownOptions)
  const keys = options.keys.flatMap((plugin) => plugin.keys)
  checkIds(
    keys.map(({ id }) => id),
    options.active,
    mixIssues(keys),
  )
  return { kind: 'authenticator', active: options.active, keys }
}

/** A key that is ready for use. */
export interface RingEntry {
  readonly id: number
  readonly authenticator: Authenticator
}

// Made once: a flood of forged packets then costs no allocation.
const refused = (reason: KeyRefusal): KeyRefused => ({ ok: false, reason })
const unknownKey = refused('unknown-key')
const keyless = refused('keyless')
const badSignature = refused('bad-signature')
const otherCluster = refused('other-cluster')
const ownFrame = refused('own-frame')
const malformed = refused('malformed')

/**
 * The run-time ring. Each signature is verified with the key it names: Heartbeat takes the named method with the active key,
 * which breaks rotation. A keyless method is accepted only while it is the active one: with Heartbeat a line `1 crc` left in
 * authkeys opens the cluster to everybody.
 * @throws {HotStandbyError} `HS_CONFIG` for an id that is used twice, missing or outside 0–15.
 */
export function createKeyRing(entries: readonly RingEntry[], active: number): SigningRing {
  checkIds(
    entries.map(({ id }) => id),
    active,
  )
  const ring = new Map(entries.map(({ id, authenticator }) => [id, authenticator]))
  // By the text that travels: `03` and `3.0` name no key.
  const byText = new Map(entries.map((entry) => [String(entry.id), entry]))
  const signing = ring.get(active)!
  return {
    protects: 'signing',
    active,
    held: entries.map(({ id, authenticator }) => `${id}:${authenticator.method}`),
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

/** The run-time ring of sealing keys. */
function createSealingRing(
  sealers: ReadonlyMap<number, Sealer>,
  active: number,
  { self, peer }: KeyScope,
): SealingRing {
  checkIds([...sealers.keys()], active)
  const sender = self.toLowerCase() < peer.toLowerCase() ? 0 : 1
  return {
    protects: 'sealing',
    active,
    held: [...sealers].map(([id, { tag }]) => `${id}:${Buffer.from(tag).toString('hex', 0, 4)}`),
    seal(bytes, nonce, wanted = active) {
      const keyId = sealers.has(wanted) ? wanted : active
      const sealer = sealers.get(keyId)!
      return { head: { keyId, tag: sealer.tag, sender }, box: sealer.seal(bytes, nonce) }
    },
    admits(head) {
      const tag = sealers.get(head.keyId)?.tag
      if (!tag) return unknownKey
      for (let at = 0; at < tag.length; at++) if (tag[at] !== head.tag[at]) return otherCluster
      if (head.sender === sender) return ownFrame
      return head.sender === 1 - sender ? undefined : malformed
    },
    open: ({ keyId }, nonce, box) => sealers.get(keyId)?.open(box, nonce),
  }
}

const signs = (spec: KeySpec): spec is SigningKeySpec => spec.protects === 'signing'
const seals = (spec: KeySpec): spec is SealingKeySpec => spec.protects === 'sealing'

/**
 * Makes the run-time ring of a plug-in. `readKeyFile` returns the content of a key file, or throws `HS_KEY`; the content is
 * overwritten once the key is made of it. `scope` says whose frames sealing keys are for.
 * @throws {HotStandbyError} `HS_KEY` or `HS_HOST` naming the key that cannot be used; `HS_CONFIG` as {@link createKeyRing}.
 */
export function openKeyRing(
  { keys, active }: AuthenticatorPlugin,
  readKeyFile: (path: string) => Uint8Array,
  scope: KeyScope,
): KeyRing {
  const mixed = mixIssues(keys)
  if (mixed.length > 0) throw configurationError(mixed)
  const sealing = keys.filter(seals)
  if (sealing.length === 0)
    return openSigningRing({ kind: 'authenticator', keys: keys.filter(signs), active }, readKeyFile)
  checkIds(
    sealing.map(({ id }) => id),
    active,
  )
  const sealers = sealing.map((spec) => [spec.id, made(spec, readKeyFile, (key) => spec.create(key, scope))] as const)
  return createSealingRing(new Map(sealers), active, scope)
}

/** {@link openKeyRing} for keys that sign. */
export function openSigningRing(
  { keys, active }: SigningPlugin,
  readKeyFile: (path: string) => Uint8Array,
): SigningRing {
  const entries = keys.map((spec) => ({ id: spec.id, authenticator: made(spec, readKeyFile, spec.create) }))
  return createKeyRing(entries, active)
}

function made<Made>(
  { id, key, keyFile }: KeySource,
  readKeyFile: (path: string) => Uint8Array,
  create: (key: Uint8Array | undefined) => Made,
): Made {
  try {
    if (keyFile === undefined) return create(typeof key === 'string' ? Buffer.from(key, 'utf8') : key)
    const content = readKeyFile(keyFile)
    try {
      return create(content)
    } finally {
      content.fill(0)
    }
  } catch (error) {
    if (!isHotStandbyError(error)) throw error
    const { code } = error as HotStandbyError
    const where = keyFile === undefined ? '' : ` of ${keyFile}`
    throw new HotStandbyError(code, `key ${id}${where}: ${messageOf(error)}`, { cause: error })
  }
}
