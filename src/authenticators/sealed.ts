import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
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

/**
 * Share of letters in words of three and more (`Word`, `word`) above which a text is a phrase: of a million random
 * keys 80 have it, and `keygen` writes none of them.
 */
const phraseShare = 0.75

/**
 * Whether a text is a phrase rather than random bytes in base64, although it decodes as such: a phrase of 43 letters gives 32 bytes
 * too. Random text of that length lacks capitals or small letters less than once in 10^9 times, and has few runs of small letters.
 */
function isPhrase(text: string): boolean {
  if (!/[a-z]/.test(text) || !/[A-Z]/.test(text)) return true
  const inWords = (text.match(/[A-Z][a-z]{2,}|[a-z]{3,}/g) ?? []).join('').length
  return inWords >= phraseShare * text.replace(/=+$/, '').length
}

const hexadecimal = /^(?:[0-9a-f]{2})+$/i
const base64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/** The bytes of a key's text: hexadecimal or base64; `undefined` when it is neither, or a phrase. */
function decoded(text: string): Uint8Array | undefined {
  const bare = text.trim()
  // Random bytes in hexadecimal have letters; a number has none. What repeats a few bytes is told as that.
  const isNumber = !/[a-f]/i.test(bare) && new Set(bare).size > 2
  if (hexadecimal.test(bare)) return isNumber ? undefined : Buffer.from(bare, 'hex')
  return base64.test(bare) && !isPhrase(bare) ? Buffer.from(bare, 'base64') : undefined
}

/** Why a key is refused. A phrase that a person can remember is no key: whoever records one frame can try phrases at leisure. */
function weakness(key: Uint8Array | undefined): string | undefined {
  if (key === undefined)
    return "the key is neither hexadecimal nor random base64, and a phrase is not accepted; 'hot-standby keygen FILE' writes a key"
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

/** Length of the code in front of every box. */
const codeBytes = 16

/**
 * Code of a box, HMAC-SHA256 cut to 16 bytes. It stands in front of the box and is checked first: the hash is native code, and
 * turns a forged frame of 65 kB away ten times as fast as the cipher in JavaScript.
 */
function codeOf(key: KeyObject, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(nonce).update(box).digest().subarray(0, codeBytes)
}

function create(id: number, key: Uint8Array, { cluster, self, peer }: KeyScope): Sealer {
  const box = secretbox()
  const [own, other] = [self.toLowerCase(), peer.toLowerCase()]
  const keysOf = (from: string, to: string) => {
    const scope = [cluster, from, to, String(id)]
    return {
      frame: derive(key, box.keyLength, 'frame', ...scope),
      code: createSecretKey(derive(key, 32, 'code', ...scope)),
    }
  }
  const sending = keysOf(own, other)
  const receiving = keysOf(other, own)
  return {
    method: 'sealed',
    tag: derive(key, 8, 'tag', cluster, ...[own, other].sort(), String(id)),
    seal(bytes, nonce) {
      const sealed = box(bytes, nonce, sending.frame)
      return Buffer.concat([codeOf(sending.code, nonce, sealed), sealed])
    },
    open(coded, nonce) {
      if (coded.length < codeBytes + box.overheadLength) return undefined
      const sealed = coded.subarray(codeBytes)
      if (!timingSafeEqual(coded.subarray(0, codeBytes), codeOf(receiving.code, nonce, sealed))) return undefined
      return box.open(sealed, nonce, receiving.frame) ?? undefined
    },
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
