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

/** Seals bytes with one key, and opens what the other node has sealed with it. Pure: the nonce is given. */
export interface Sealer {
  /** Name of the method: `sealed`. */
  readonly method: string
  /** Eight bytes made of the key and the name of the cluster: a frame that does not carry them is meant for others. Alike on both nodes. */
  readonly tag: Uint8Array
  /** Encrypts and authenticates towards the peer. A nonce (24 bytes) must never be used twice with one key. */
  seal(bytes: Uint8Array, nonce: Uint8Array): Uint8Array
  /** What the peer has sealed with this nonce; `undefined` when it did not. Never throws. */
  open(box: Uint8Array, nonce: Uint8Array): Uint8Array | undefined
}

/** Whose frames a key is for: sealing keys differ by cluster and by direction. */
export interface KeyScope {
  /** Name of the cluster. */
  readonly cluster: string
  /** Configured name of this node. */
  readonly self: string
  /** Configured name of the other node. */
  readonly peer: string
}

/** One key of a ring before it has been read. */
export interface KeySource {
  /** Index of the key, 0–15 as in Heartbeat's authkeys. It travels with every frame. */
  readonly id: number
  /** Name of the method. */
  readonly method: string
  /** The key itself … */
  readonly key?: string | Uint8Array | undefined
  /** … or the file that holds it: a regular file of root or of this user that nobody else may read. */
  readonly keyFile?: string | undefined
}

/** A key that signs: data, plus how to make the authenticator of it. */
export interface SigningKeySpec extends KeySource {
  readonly protects: 'signing'
  /** Makes the authenticator from the key's bytes; `undefined` for a keyless method. */
  readonly create: (key: Uint8Array | undefined) => Authenticator
}

/** A key that seals: data, plus how to make the sealer of it. */
export interface SealingKeySpec extends KeySource {
  readonly protects: 'sealing'
  /** Makes the sealer from the key's bytes, for one node of one cluster. */
  readonly create: (key: Uint8Array | undefined, scope: KeyScope) => Sealer
}

/** One key of a ring before it has been read. */
export type KeySpec = SigningKeySpec | SealingKeySpec

/** What the factories `crc`, `md5`, `sha1`, `sha256`, `sealed` and `keyring` return: a ring of keys, one of them active. */
export interface AuthenticatorPlugin<Spec extends KeySpec = KeySpec> {
  readonly kind: 'authenticator'
  /** Id of the key that signs or seals. */
  readonly active: number
  /** Every key that is accepted: all of them sign, or all of them seal. */
  readonly keys: readonly Spec[]
}

/** A ring of keys that sign. */
export type SigningPlugin = AuthenticatorPlugin<SigningKeySpec>

/** A ring of keys that seal. */
export type SealingPlugin = AuthenticatorPlugin<SealingKeySpec>
