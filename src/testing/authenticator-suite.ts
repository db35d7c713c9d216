import type { Authenticator, KeySpec } from '../roles/authenticator.ts'
import { check, equal } from './assert.ts'

/** What {@link authenticatorSuite} is given. */
export interface AuthenticatorSuiteOptions {
  /** Registers one test: `test` of `node:test`, or any function of that shape. */
  readonly test: (name: string, run: () => void | Promise<void>) => unknown
  /** Makes a new authenticator of a key of 64 bytes, as a plug-in's `keys[0].create` does; a keyless method ignores the key. */
  readonly create: KeySpec['create']
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
 * `authenticatorSuite({ test, create: mine({ key }).keys[0].create })`.
 */
export function authenticatorSuite({ test, create }: AuthenticatorSuiteOptions): void {
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
