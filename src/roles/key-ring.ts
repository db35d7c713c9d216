/** Why a signature is not believed. */
export type SignatureRefusal =
  /** The signature names a key that this node does not have. */
  | 'unknown-key'
  /** Its method needs no key (`crc`), so anybody can compute it, and it is not the method this node signs with. */
  | 'keyless'
  /** The signature does not belong to the bytes and the key it names. */
  | 'bad-signature'

/** The keys of a running node: several are accepted, one signs. Replaced as a whole when keys are reloaded. */
export interface KeyRing {
  /** Id of the key that signs by default. */
  readonly active: number
  /**
   * Signature of the bytes as Heartbeat writes it: the key's id, a blank, the token (`3 cb71f2…`). Signs with key `keyId`
   * where the ring holds it, otherwise with the active one: a key removed by a reload must not stop the beats.
   */
  sign(bytes: Uint8Array, keyId?: number | undefined): string
  /** Verifies a signature with the key it names, and only with that one. Never throws. */
  verify(bytes: Uint8Array, auth: string): { readonly ok: true; readonly keyId: number } | SignatureRefused
}

/** Answer of {@link KeyRing.verify} for a signature that is not believed. */
export interface SignatureRefused {
  readonly ok: false
  readonly reason: SignatureRefusal
}
