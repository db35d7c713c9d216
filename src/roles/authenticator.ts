/** Signs bytes and verifies signatures with one key. Pure: no clock, no randomness, no I/O. */
export interface Authenticator {
  /** Name as in Heartbeat's authkeys: `crc`, `md5`, `sha1`, or ours, `sha256`. */
  readonly method: string
  /** False when anybody can compute the signature (`crc`). A keyless method is accepted only while it is the active one. */
  readonly keyed: boolean
  /** Signature of the bytes, as lower-case text without blanks. */
  sign(bytes: Uint8Array): string
  /** Compares in constant time; the length is fixed by the method, never by what was received. Never throws. */
  verify(bytes: Uint8Array, token: string): boolean
}

/** One key of a ring before it has been read: data, plus how to make the authenticator of it. */
export interface KeySpec {
  /** Index of the key, 0–15 as in Heartbeat's authkeys. It travels with every signature. */
  readonly id: number
  /** Name of the method. */
  readonly method: string
  /** The key itself … */
  readonly key?: string | Uint8Array | undefined
  /** … or the file that holds it: a regular file of root or of this user that nobody else may read. */
  readonly keyFile?: string | undefined
  /** Makes the authenticator from the key's bytes; `undefined` for a keyless method. */
  readonly create: (key: Uint8Array | undefined) => Authenticator
}

/** What the factories `crc`, `md5`, `sha1`, `sha256` and `keyring` return: a ring of keys, one of them active for signing. */
export interface AuthenticatorPlugin {
  readonly kind: 'authenticator'
  /** Id of the key that signs. */
  readonly active: number
  /** Every key that is accepted. */
  readonly keys: readonly KeySpec[]
}
