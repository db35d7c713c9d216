import type { Authenticator, KeySpec, Sealer, SealingKeySpec, SigningKeySpec } from '../roles/authenticator.ts'
import { check, equal } from './assert.ts'

/** What {@link authenticatorSuite} is given. */
export interface AuthenticatorSuiteOptions {
  /** Registers one test: `test` of `node:test`, or any function of that shape. */
  readonly test: (name: string, run: () => void | Promise<void>) => unknown
  /** A key of the plug-in, as `keys[0]`. The suite gives its `create` keys of 64 bytes; a keyless method ignores them. */
  readonly spec: KeySpec
}

const keyOf = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 64 }, (_, index) => (index * 7 + seed * 31) & 0xff)

const sample = Uint8Array.from({ length: 200 }, (_, index) => (index * 13 + 1) & 0xff)

/** A token with the character at `index` replaced by another one that a token could hold. */
function altered(token: string, index: number): string {
  return token.slice(0, index) + (token[index] === '0' ? '1' : '0') + token.slice(index + 1)
}

/**
 * What every authenticator must do. Run it in the tests of a plug-in of your own:
 * `authenticatorSuite({ test, spec: mine({ key }).keys[0] })`.
 */
export function authenticatorSuite({ test, spec }: AuthenticatorSuiteOptions): void {
  if (spec.protects === 'signing') signingSuite(test, spec.create)
  else sealingSuite(test, spec.create)
}

const scope = { cluster: 'pair', self: 'One', peer: 'two' }
const back = { cluster: 'pair', self: 'two', peer: 'one' }

function sealingSuite(test: AuthenticatorSuiteOptions['test'], create: SealingKeySpec['create']): void {
  const make = (at = scope, seed = 1): Sealer => create(keyOf(seed), at)
  const nonce = Uint8Array.from({ length: 24 }, (_, index) => index)

  test('authenticator: what one node seals the other opens, whatever its length', () => {
    for (const length of [0, 1, 63, 64, 65, 1500, 60_000]) {
      const bytes = new Uint8Array(length).fill(length & 0xff)
      const opened = make(back).open(make().seal(bytes, nonce), nonce)
      equal(opened && Array.from(opened), Array.from(bytes), `${length} bytes`)
    }
    check(/^[a-z0-9-]+$/.test(make().method), 'the name of the method has small letters, digits and dashes')
  })

  test('authenticator: opens nothing that was changed by one bit or cut, and never throws', () => {
    const box = make().seal(sample, nonce)
    const other = make(back)
    for (let bit = 0; bit < box.length * 8; bit++) {
      box[bit >> 3]! ^= 1 << (bit & 7)
      equal(other.open(box, nonce), undefined, `bit ${bit} was turned over`)
      box[bit >> 3]! ^= 1 << (bit & 7)
    }
    for (let length = 0; length < box.length; length++)
      equal(other.open(box.subarray(0, length), nonce), undefined, `only ${length} bytes`)
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      const wrong = Uint8Array.from(nonce)
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      equal(other.open(box, wrong), undefined, `bit ${bit} of the nonce was turned over`)
    }
  })

  test('authenticator: opens nothing of another key, of another cluster, or that it has sealed itself', () => {
    const box = make().seal(sample, nonce)
    equal(make(back, 2).open(box, nonce), undefined, 'another key')
    equal(make({ ...back, cluster: 'other' }).open(box, nonce), undefined, 'another cluster')
    equal(make({ ...back, peer: 'three' }).open(box, nonce), undefined, 'another sender')
    equal(make().open(box, nonce), undefined, 'the own frame, sent back')
  })

  test('authenticator: the tag is alike on both nodes and differs by key and cluster', () => {
    const tag = (sealer: Sealer): string => Array.from(sealer.tag).join(' ')
    equal(make().tag.length, 8, 'length of the tag')
    equal(tag(make(back)), tag(make()), 'the tag of the other node')
    for (const other of [make(scope, 2), make({ ...scope, cluster: 'other' }), make({ ...scope, peer: 'three' })])
      check(tag(other) !== tag(make()), 'another key, cluster or pair has the same tag')
  })

  test('authenticator: hides what it seals, and another nonce gives another box', () => {
    const plain = new Uint8Array(64).fill(0x41)
    const box = make().seal(plain, nonce)
    check(new Set(box).size > 16, 'the box repeats itself as the content does')
    const next = Uint8Array.from(nonce).fill(9, 16)
    check(Array.from(make().seal(plain, next)).join() !== Array.from(box).join(), 'two nonces, one box')
  })
}

function signingSuite(test: AuthenticatorSuiteOptions['test'], create: SigningKeySpec['create']): void {
  const make = (seed = 1): Authenticator => create(keyOf(seed))

  test('authenticator: signs the same bytes alike, as printable text without blanks and capitals', () => {
    const one = make()
    const token = one.sign(sample)
    equal(one.sign(sample), token, 'a second signature of the same instance')
    equal(make().sign(sample), token, 'the signature of another instance with the same key')
    check(/^[!-@[-~]{1,128}$/.test(token), `the token ${token} must be 1 to 128 printable characters without capitals`)
    check(/^[a-z0-9-]+$/.test(one.method), 'the name of the method has small letters, digits and dashes')
  })

  test('authenticator: accepts what another instance with the same key has signed', () => {
    for (const length of [0, 1, 63, 64, 65, 1500, 65_507]) {
      const bytes = new Uint8Array(length).fill(length & 0xff)
      check(make().verify(bytes, make().sign(bytes)), `${length} bytes`)
    }
  })

  test('authenticator: refuses every change of one bit', () => {
    const one = make()
    const token = one.sign(sample)
    const changed = Uint8Array.from(sample)
    for (let bit = 0; bit < sample.length * 8; bit++) {
      changed[bit >> 3]! ^= 1 << (bit & 7)
      check(!one.verify(changed, token), `bit ${bit} was turned over and the signature still accepted`)
      changed[bit >> 3]! ^= 1 << (bit & 7)
    }
    check(one.verify(changed, token), 'the restored bytes')
    check(!one.verify(sample.subarray(1), token), 'without the first byte')
    check(!one.verify(sample.subarray(0, -1), token), 'without the last byte')
  })

  test('authenticator: refuses every other token and never throws', () => {
    const one = make()
    const token = one.sign(sample)
    const wrong = ['', ' ', '0', `${token} `, ` ${token}`, `${token}0`, token.slice(0, -1), token.slice(1)]
    wrong.push(`0${token}`, `${token}\0`, `${token}\n`, token + token, 'ä'.repeat(token.length), '0'.repeat(70_000))
    wrong.push(String.fromCharCode(token.charCodeAt(0) + 0x100) + token.slice(1))
    if (token.toUpperCase() !== token) wrong.push(token.toUpperCase())
    for (let index = 0; index < token.length; index++) wrong.push(altered(token, index))
    for (const text of wrong) check(!one.verify(sample, text), `the token ${JSON.stringify(text.slice(0, 80))}`)
  })

  test('authenticator: reads a view of a larger buffer as the bytes it shows, and changes none', () => {
    const one = make()
    const large = new Uint8Array(sample.length + 20).fill(0xaa)
    large.set(sample, 10)
    const view = large.subarray(10, 10 + sample.length)
    equal(one.sign(view), one.sign(sample), 'the signature of the view')
    one.verify(view, one.sign(sample))
    equal(Array.from(view), Array.from(sample), 'the bytes after signing and verifying')
  })

  test('authenticator: with a key, another key signs otherwise and is refused; tokens have one length', () => {
    const one = make(1)
    const other = make(2)
    const mine = one.sign(sample)
    equal(one.verify(sample, other.sign(sample)), !one.keyed, 'a signature made with another key is accepted')
    equal(mine === other.sign(sample), !one.keyed, 'two keys give the same signature')
    if (one.keyed) equal(one.sign(new Uint8Array()).length, mine.length, 'the length of a token')
  })
}
