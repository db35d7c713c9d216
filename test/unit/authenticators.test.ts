import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { crc } from '../../src/authenticators/crc.ts'
import { createKeyRing, keyring, openSigningRing } from '../../src/authenticators/keyring.ts'
import { md5 } from '../../src/authenticators/md5.ts'
import { sha1 } from '../../src/authenticators/sha1.ts'
import { sha256 } from '../../src/authenticators/sha256.ts'
import type { AuthenticatorPlugin, KeySpec, SigningKeySpec, SigningPlugin } from '../../src/roles/authenticator.ts'
import type { SigningRing } from '../../src/roles/key-ring.ts'
import { authenticatorSuite } from '../../src/testing/authenticator-suite.ts'

const longKey = '0123456789abcdef0123456789abcdef'
const specOf = (plugin: AuthenticatorPlugin): KeySpec => plugin.keys[0]!
const firstOf = (plugin: SigningPlugin): SigningKeySpec['create'] => plugin.keys[0]!.create
const test = (name: string, run: () => void | Promise<void>): unknown => it(name, run)
const bytes = new TextEncoder().encode('123456789')

const ringOf = (plugin: SigningPlugin): SigningRing => openSigningRing(plugin, () => assert.fail('no key file'))
const messages = (error: unknown): string =>
  (error as { issues: readonly { where: string; message: string }[] }).issues
    .map(({ where, message }) => `${where}: ${message}`)
    .join('\n')

describe('crc', () => {
  authenticatorSuite({ test, spec: specOf(crc()) })

  it('is the checksum of the POSIX polynomial, unpadded', () => {
    const { sign } = firstOf(crc())(undefined)
    assert.equal(sign(new Uint8Array()), 'ffffffff')
    // Catalogue of parametrised CRC algorithms: CRC-32/CKSUM without the length, 123456789 -> 765e7680.
    assert.equal(sign(bytes), '765e7680')
    const short = Array.from({ length: 256 }, (_, index) => sign(Uint8Array.of(1, index))).find(
      (token) => token.length < 8,
    )
    assert.match(short ?? 'none', /^[1-9a-f][0-9a-f]{0,6}$/)
  })

  it('has the id 1 unless told otherwise', () => {
    assert.deepEqual([crc().active, crc({ id: 0 }).active, crc({ id: 15 }).keys[0]!.id], [1, 0, 15])
  })
})

for (const [name, make] of Object.entries({ md5, sha1, sha256 })) {
  describe(name, () => {
    authenticatorSuite({ test, spec: specOf(make({ key: longKey })) })

    it('is the HMAC of RFC 2104, with keys of any length', () => {
      for (const key of [longKey, 'x'.repeat(8) + longKey.repeat(3), `${longKey}ä`]) {
        const expected = createHmac(name, key).update(bytes).digest('hex')
        assert.equal(firstOf(make({ key: longKey }))(Buffer.from(key)).sign(bytes), expected)
        assert.equal(ringOf(make({ key })).sign(bytes), `1 ${expected}`)
      }
    })

    it('wants either a key or the file of one', () => {
      for (const options of [{}, { key: longKey, keyFile: '/etc/key' }]) {
        assert.throws(
          () => make(options),
          (error) => /either key or keyFile/.test(messages(error)),
        )
      }
      assert.throws(() => make({ keyFile: '' }), { code: 'HS_CONFIG' })
      assert.throws(() => make({ key: '' }), { code: 'HS_CONFIG' })
      assert.throws(() => firstOf(make({ keyFile: '/etc/key' }))(undefined), { code: 'HS_KEY' })
      assert.throws(() => firstOf(make({ keyFile: '/etc/key' }))(new Uint8Array()), { code: 'HS_KEY' })
    })

    it('refuses ids outside 0 to 15, and never shows the key', () => {
      for (const id of [-1, 16, 1.5, Number.NaN]) {
        assert.throws(
          () => make({ id, key: longKey }),
          (error) => /whole number from 0 to 15/.test(messages(error)) && !String(error).includes(longKey),
        )
      }
    })

    it('reads the key file when the ring is opened, and names it when it is wrong', () => {
      const plugin = make({ id: 4, keyFile: '/etc/ha.d/key' })
      const paths: string[] = []
      const ring = openSigningRing(plugin, (path) => {
        paths.push(path)
        return Buffer.from(longKey)
      })
      assert.deepEqual(paths, ['/etc/ha.d/key'])
      assert.equal(ring.sign(bytes), ringOf(make({ id: 4, key: longKey })).sign(bytes))
      assert.throws(() => openSigningRing(plugin, () => new Uint8Array()), {
        code: 'HS_KEY',
        message: /key 4 of \/etc\/ha\.d\/key/,
      })
    })
  })
}

describe('the strength of keys', () => {
  it('is asked for by sha256 alone', () => {
    assert.equal(md5({ key: 'x' }).active, 1)
    assert.equal(sha1({ key: 'HI!' }).active, 1)
    assert.throws(
      () => sha256({ key: longKey.slice(1) }),
      (error) => /31 bytes.*at least 32/.test(messages(error)),
    )
    assert.throws(
      () => sha256({ key: 'ab'.repeat(40) }),
      (error) => /repeats/.test(messages(error)),
    )
    assert.throws(() => openSigningRing(sha256({ keyFile: '/k' }), () => Buffer.from('short')), { code: 'HS_KEY' })
  })
})

describe('keyring', () => {
  const ring = keyring({ active: 2, keys: [md5({ id: 1, key: 'old' }), sha1({ id: 2, key: 'new' })] })
  authenticatorSuite({ test, spec: specOf(ring) })

  it('merges rings', () => {
    const three = keyring({ active: 3, keys: [ring, sha256({ id: 3, key: longKey })] })
    assert.deepEqual(
      three.keys.map(({ id, method }) => `${id} ${method}`),
      ['1 md5', '2 sha1', '3 sha256'],
    )
    assert.equal(three.active, 3)
  })

  it('names every problem at once', () => {
    const foreign: SigningPlugin = { ...crc(), keys: [{ ...crc().keys[0]!, id: 99 }] }
    const keys = [md5({ id: 1, key: 'a' }), md5({ id: 1, key: 'b' }), md5({ id: 1, key: 'c' }), foreign]
    assert.throws(
      () => keyring({ active: 7, keys }),
      (error) => {
        const found = messages(error).split('\n')
        assert.equal((error as { code: string }).code, 'HS_CONFIG')
        assert.equal(found.length, 3)
        assert.match(found[0]!, /99 is not a key ID/)
        assert.match(found[1]!, /keys: two keys have the id 1/)
        assert.match(found[2]!, /active: no key has the id 7; the ring holds 1, 1, 1, 99/)
        return true
      },
    )
    assert.throws(
      () => keyring({ active: 1, keys: [] }),
      (error) => /holds no key/.test(messages(error)),
    )
    assert.throws(() => createKeyRing([], 1), { code: 'HS_CONFIG' })
  })

  const open = (active: number, ...keys: SigningPlugin[]): SigningRing => ringOf(keyring({ active, keys }))
  const one = md5({ id: 1, key: 'hello!' })
  const two = sha1({ id: 2, key: 'HI!' })

  it('keeps two nodes together in every step of a rotation', () => {
    const steps = [
      [open(1, one), open(1, one)],
      [open(1, one, two), open(1, one)],
      [open(1, one, two), open(1, one, two)],
      [open(2, one, two), open(1, one, two)],
      [open(2, one, two), open(2, one, two)],
      [open(2, two), open(2, one, two)],
      [open(2, two), open(2, two)],
    ] as const
    for (const [a, b] of steps) {
      assert.deepEqual(b.verify(bytes, a.sign(bytes)), { ok: true, keyId: a.active })
      assert.deepEqual(a.verify(bytes, b.sign(bytes)), { ok: true, keyId: b.active })
    }
  })

  it('verifies each id with its own key and method, unlike Heartbeat', () => {
    const both = open(1, one, two)
    const confused = ringOf(sha1({ id: 2, key: 'hello!' })).sign(bytes)
    assert.deepEqual(both.verify(bytes, confused), { ok: false, reason: 'bad-signature' })
    const swapped = both.sign(bytes, 1).replace(/^1/, '2')
    assert.deepEqual(both.verify(bytes, swapped), { ok: false, reason: 'bad-signature' })
  })

  it('signs with the id that is asked for, and with the active one when that is gone', () => {
    const both = open(1, one, two)
    assert.match(both.sign(bytes), /^1 [0-9a-f]{32}$/)
    assert.match(both.sign(bytes, 2), /^2 [0-9a-f]{40}$/)
    assert.equal(both.sign(bytes, 9), both.sign(bytes))
  })

  it('accepts a keyless method only while it is the active one', () => {
    const forged = ringOf(crc({ id: 3 })).sign(bytes)
    assert.deepEqual(open(1, one, crc({ id: 3 })).verify(bytes, forged), { ok: false, reason: 'keyless' })
    assert.deepEqual(open(3, one, crc({ id: 3 })).verify(bytes, forged), { ok: true, keyId: 3 })
    assert.deepEqual(open(1, one).verify(bytes, forged), { ok: false, reason: 'unknown-key' })
  })

  it('knows ids only as they are written', () => {
    const node = open(1, one)
    const token = node.sign(bytes).slice(2)
    for (const auth of [`01 ${token}`, `1.0 ${token}`, `+1 ${token}`, ` 1 ${token}`, token, '', ' ', '1', '2 x']) {
      assert.deepEqual(node.verify(bytes, auth), { ok: false, reason: 'unknown-key' }, auth)
    }
    for (const auth of ['1 ', `1  ${token}`, `1 ${token} `, `1 ${token.slice(1)}`]) {
      assert.deepEqual(node.verify(bytes, auth), { ok: false, reason: 'bad-signature' }, auth)
    }
  })
})
