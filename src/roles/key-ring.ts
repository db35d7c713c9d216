/** Why a frame is not believed. */
export type KeyRefusal =
  /** It names a key that this node does not have. */
  | 'unknown-key'
  /** Its method needs no key (`crc`), so anybody can compute the signature, and it is not the method this node signs with. */
  | 'keyless'
  /** The signature does not belong to the bytes and the key it names. */
  | 'bad-signature'
  /** It is sealed for another cluster, or with another key of that id. */
  | 'other-cluster'
  /** It was sealed by this node itself and has come back. */
  | 'own-frame'
  /** No frame: what stands in the clear is not what it can be. */
  | 'malformed'
  /** It is no frame that the peer has sealed with the key it names. */
  | 'bad-seal'

/** Answer for a frame that is not believed. */
export interface KeyRefused {
  readonly ok: false
  readonly reason: KeyRefusal
}

/** What every ring tells of its keys. */
interface Ring {
  /** Id of the key that signs or seals by default. */
  readonly active: number
  /** Every key that is accepted, as `ID:CHECK`, by which two nodes see whether they mean the same one: eight digits derived from a sealing key, the method of a signing one. */
  readonly held: readonly string[]
}

/** Keys that sign: several are accepted, one signs. Replaced as a whole when keys are reloaded. */
export interface SigningRing extends Ring {
  readonly protects: 'signing'
  /**
   * Signature of the bytes as Heartbeat writes it: the key's id, a blank, the token (`3 cb71f2…`). Signs with key `keyId`
   * where the ring holds it, otherwise with the active one: a key removed by a reload must not stop the beats.
   */
  sign(bytes: Uint8Array, keyId?: number | undefined): string
  /** Verifies a signature with the key it names, and only with that one. Never throws. */
  verify(bytes: Uint8Array, auth: string): { readonly ok: true; readonly keyId: number } | KeyRefused
}

/** What of a sealed frame stands in the clear. All of it is authenticated: it chooses the key, or it is the nonce. */
export interface SealedHead {
  readonly keyId: number
  readonly tag: Uint8Array
  /** Which of the two nodes has sealed it: 0 is the first by name. */
  readonly sender: number
}

/** Keys that seal: several are accepted, one seals. Replaced as a whole when keys are reloaded. */
export interface SealingRing extends Ring {
  readonly protects: 'sealing'
  /** Seals with key `keyId` where the ring holds it, otherwise with the active one. A nonce must never be used twice. */
  seal(bytes: Uint8Array, nonce: Uint8Array, keyId?: number | undefined): { head: SealedHead; box: Uint8Array }
  /** Whether a frame with this head is one to be opened at all: the cheap questions, before any key is used. */
  admits(head: SealedHead): KeyRefused | undefined
  /** Opens with the key that the head names, and only with that one. Never throws. */
  open(head: SealedHead, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined
}

/** The keys of a running node. */
export type KeyRing = SigningRing | SealingRing
