import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Authenticator, SigningPlugin } from '../roles/authenticator.ts'
import { configurationError, HotStandbyError, type Issue } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import { idIssues, ringOfOne } from './ring-of-one.ts'

/** Options of {@link md5}, {@link sha1} and {@link sha256}: the key itself, or the file that holds it. */
export interface HmacOptions {
  /** Index of the key, 0–15, as in authkeys. It travels with every signature. @defaultValue 1 */
  readonly id?: number | undefined
  /** The key: bytes, or a string whose UTF-8 bytes are the key. */
  readonly key?: string | Uint8Array | undefined
  /** File that holds the key, without its last line end; nobody else may read it. Read at start and at every reload. */
  readonly keyFile?: string | undefined
}

const knownOptions: OptionTable<HmacOptions> = {
  id: 'any',
  key: 'any',
  keyFile: 'text',
}

type Method = 'md5' | 'sha1' | 'sha256'

/** Why a key is refused, by method. Heartbeat's short keys stay possible for Heartbeat's methods. */
const weakness: Readonly<Record<Method, (key: Uint8Array) => string | undefined>> = {
  md5: emptiness,
  sha1: emptiness,
  sha256: (key) => {
    if (key.length < 32) return `the key has ${key.length} bytes; sha256 wants at least 32 random ones`
    if (new Set(key).size < 8) return 'the key repeats a few bytes; take 32 random ones'
    return undefined
  },
}

function emptiness(key: Uint8Array): string | undefined {
  return key.length === 0 ? 'the key is empty' : undefined
}

/** RFC 2104 with a key that is imported once. */
function authenticator(method: Method, bytes: Uint8Array): Authenticator {
  const key = createSecretKey(bytes)
  const digest = (data: Uint8Array): string => createHmac(method, key).update(data).digest('hex')
  return {
    method,
    keyed: true,
    sign: digest,
    verify(data, token) {
      const expected = Buffer.from(digest(data), 'latin1')
      const found = Buffer.from(token, 'utf8')
      return found.length === expected.length && timingSafeEqual(found, expected)
    },
  }
}

function create(method: Method, key: Uint8Array | undefined): Authenticator {
  const weak = key === undefined ? 'a key is needed' : weakness[method](key)
  if (key === undefined || weak !== undefined) throw new HotStandbyError('HS_KEY', `${method}: ${weak}`)
  const made = authenticator(method, key)
  try {
    made.sign(new Uint8Array())
  } catch (cause) {
    throw new HotStandbyError('HS_HOST', `${method}: this host's OpenSSL refuses it (FIPS mode); use sha256`, { cause })
  }
  return made
}

/**
 * The plug-in of an HMAC method.
 * @throws {HotStandbyError} `HS_CONFIG` unless there is exactly one of `key` and `keyFile`, for a wrong id and for a weak key.
 */
export function hmac(method: Method, options: HmacOptions): SigningPlugin {
  checkOptionNames(method, options, knownOptions)
  const { id = 1, key, keyFile } = options
  const issues: Issue[] = idIssues(id)
  const refuse = (message: string): void => {
    issues.push({ where: 'authenticator.key', message: `${method}: ${message}`, severity: 'error' })
  }
  if ((key === undefined) === (keyFile === undefined)) refuse('give either key or keyFile')
  else if (key !== undefined) {
    const weak = weakness[method](typeof key === 'string' ? Buffer.from(key, 'utf8') : key)
    if (weak !== undefined) refuse(weak)
  } else if (keyFile === '') refuse('keyFile is empty')
  if (issues.length > 0) throw configurationError(issues)
  return ringOfOne({ id, method, protects: 'signing', key, keyFile, create: (bytes) => create(method, bytes) })
}
