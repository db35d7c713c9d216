import { hkdfSync } from 'node:crypto'
import { createRequire } from 'node:module'
import type nacl from 'tweetnacl'
import type { KeyScope, Sealer, SealingPlugin } from '../roles/authenticator.ts'
import { configurationError, HotStandbyError, type Issue } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { idIssues, ringOfOne } from './ring-of-one.ts'

/** Options of {@link sealed}: the key itself, or the file that holds it. */
export interface SealedOptions {
  /** Index of the key, 0–15. It travels with every frame. @defaultValue 1 */
  readonly id?: number | undefined
  /** The key: at least 32 random bytes, or their text in hexadecimal or base64. */
  readonly key?: string | Uint8Array | undefined
  /** File that holds that text, as `hot-standby keygen FILE` writes it. Read at start and at every reload. */
  readonly keyFile?: string | undefined
}

const knownOptions: OptionTable<SealedOptions> = {
  id: 'any',
  key: 'any',
  keyFile: 'text',
}

/** Fewest bytes of a key, and how many different ones among them. */
const keyBytes = 32
const differentBytes = 8

/** Loaded when a key is first made: it takes 8 MB of memory, which a member that only signs shall not pay. */
let loaded: typeof nacl.secretbox | undefined
function secretbox(): typeof nacl.secretbox {
  loaded ??= (createRequire(import.meta.url)('tweetnacl') as typeof nacl).secretbox
  return loaded
}

const hexadecimal = /^(?:[0-9a-f]{2})+$/i
const base64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/** The bytes of a key's text: hexadecimal or base64; `undefined` when it is neither. */
function decoded(text: string): Uint8Array | undefined {
  const bare = text.trim()
  if (hexadecimal.test(bare)) return Buffer.from(bare, 'hex')
  return base64.test(bare) ? Buffer.from(bare, 'base64') : undefined
}

/** Why a key is refused. A phrase that a person can remember is no key: whoever records one frame can try phrases at leisure. */
function weakness(key: Uint8Array | undefined): string | undefined {
  if (key === undefined)
    return "the key is neither hexadecimal nor base64; 'hot-standby keygen FILE' writes one, a phrase is none"
  if (key.length < keyBytes)
    return `the key has ${key.length} bytes after decoding; sealed wants at least ${keyBytes} random ones`
  if (new Set(key).size < differentBytes) return `the key repeats a few bytes; take ${keyBytes} random ones`
  return undefined
}

/** Every field with its length before it, so that no two lists of fields give the same bytes. */
function info(...fields: readonly string[]): Uint8Array {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = Buffer.from(field, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )
}

/**
 * HKDF-SHA256 (RFC 5869): another key for each purpose, cluster, direction and key id, so that a frame that is carried
 * elsewhere, or back to its sender, opens nothing.
 */
function derive(key: Uint8Array, length: number, purpose: string, ...fields: readonly string[]): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), info('hot-standby', '1', purpose, ...fields), length))
}

function create(id: number, key: Uint8Array, { cluster, self, peer }: KeyScope): Sealer {
  const box = secretbox()
  const [own, other] = [self.toLowerCase(), peer.toLowerCase()]
  const towards = (from: string, to: string) => derive(key, box.keyLength, 'frame', cluster, from, to, String(id))
  const sending = towards(own, other)
  const receiving = towards(other, own)
  return {
    method: 'sealed',
    tag: derive(key, 8, 'tag', cluster, ...[own, other].sort(), String(id)),
    seal: (bytes, nonce) => box(bytes, nonce, sending),
    open: (sealed, nonce) => box.open(sealed, nonce, receiving) ?? undefined,
  }
}

/**
 * Encrypts and authenticates every frame (XSalsa20-Poly1305, `secretbox` of tweetnacl) with keys derived from one secret for
 * each cluster and direction, and lets a new run of the peer prove that it is alive now before it believes it: what was
 * recorded before, elsewhere or in the other direction is refused. For two nodes of our own; a Heartbeat daemon does not know it.
 *
 * @example
 * ```ts
 * import { sealed } from 'hot-standby'
 *
 * const authenticator = sealed({ keyFile: '/etc/ha.d/key' }) // made by: hot-standby keygen /etc/ha.d/key
 * ```
 * @throws {HotStandbyError} `HS_CONFIG` unless there is exactly one of `key` and `keyFile`, for a wrong id, and for a weak key.
 */
export function sealed(options: SealedOptions): SealingPlugin {
  checkOptionNames('sealed', options, knownOptions)
  const { id = 1, key, keyFile } = options
  const issues: Issue[] = idIssues(id)
  const refuse = (message: string): void => {
    issues.push({ where: 'authenticator.key', message: `sealed: ${message}`, severity: 'error' })
  }
  const bytes = typeof key === 'string' ? decoded(key) : key
  if ((key === undefined) === (keyFile === undefined)) refuse('give either key or keyFile')
  else if (keyFile === '') refuse('keyFile is empty')
  else if (key !== undefined) {
    const weak = weakness(bytes)
    if (weak !== undefined) refuse(weak)
  }
  if (issues.length > 0) throw configurationError(issues)
  return ringOfOne({
    id,
    method: 'sealed',
    protects: 'sealing',
    key: bytes,
    keyFile,
    create(found, scope) {
      const usable =
        keyFile === undefined || found === undefined ? found : decoded(Buffer.from(found).toString('latin1'))
      const weak = weakness(usable)
      if (usable === undefined || weak !== undefined) throw new HotStandbyError('HS_KEY', `sealed: ${weak}`)
      return create(id, usable, scope)
    },
  })
}
