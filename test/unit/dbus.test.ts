import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  completeTypes,
  DBusFormatError,
  type DBusMessage,
  type DBusValue,
  decodeMessage,
  encodeMessage,
  maxMessageBytes,
  messageLength,
} from '../../src/platform/dbus-message.ts'

/** The call of `Hello` as sd-bus sends it, byte by byte (little-endian). */
const hello = Buffer.from(
  '6c0100010000000001000000' +
    '6e000000' +
    '01016f00150000002f6f72672f667265656465736b746f702f44427573000000' +
    '02017300140000006f72672e667265656465736b746f702e4442757300000000' +
    '06017300140000006f72672e667265656465736b746f702e4442757300000000' +
    '030173000500000048656c6c6f000000',
  'hex',
)

test('reads the call of Hello', () => {
  assert.equal(messageLength(hello), hello.length)
  assert.deepEqual(decodeMessage(hello), {
    type: 'call',
    serial: 1,
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
    member: 'Hello',
    destination: 'org.freedesktop.DBus',
    body: [],
  })
})

test('splits signatures into complete types, and refuses what is none', () => {
  assert.deepEqual(completeTypes('sa{sv}(ua(so))asv'), ['s', 'a{sv}', '(ua(so))', 'as', 'v'])
  const wrong = ['z', 'a', '(', '()', '(s', 'a{s}', 'a{vs}', '{sv}', ')', 'a{sv', 's'.repeat(256), 'a'.repeat(70)]
  for (const signature of wrong) assert.throws(() => completeTypes(signature), DBusFormatError, signature)
})

/** A type and a value of it, in the types that are written. */
const typed = fc.letrec<{ typed: [string, DBusValue] }>((tie) => ({
  typed: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(fc.constant('u'), fc.nat({ max: 0xffffffff })),
    fc.tuple(fc.constant('y'), fc.nat({ max: 255 })),
    fc.tuple(fc.constant('b'), fc.boolean()),
    fc.tuple(fc.constant('s'), fc.string({ unit: 'grapheme', maxLength: 20 })),
    fc.tuple(fc.constant('o'), fc.constantFrom('/', '/a', '/org/freedesktop/systemd1')),
    tie('typed').map(([type, value]): [string, DBusValue] => [`a${type}`, [value, value]]),
    fc
      .array(tie('typed'), { minLength: 1, maxLength: 3 })
      .map((members): [string, DBusValue] => [
        `(${members.map(([type]) => type).join('')})`,
        members.map(([, value]) => value),
      ]),
    fc
      .tuple(fc.string({ maxLength: 5 }), tie('typed'))
      .map(([key, [type, value]]): [string, DBusValue] => [`a{s${type}}`, new Map([[key, value]])]),
  ),
})).typed

test('what is written is read again', () => {
  fc.assert(
    fc.property(fc.array(typed, { maxLength: 4 }), (all) => {
      const signature = all.map(([type]) => type).join('')
      fc.pre(signature.length < 256)
      const message: DBusMessage = {
        type: 'signal',
        serial: 7,
        path: '/a',
        interface: 'b.c',
        member: 'D',
        signature,
        body: all.map(([, value]) => value),
      }
      const bytes = encodeMessage(message)
      assert.equal(messageLength(bytes), bytes.length)
      assert.deepEqual(decodeMessage(bytes), { ...message, ...(signature === '' ? { signature: '' } : {}) })
    }),
    { numRuns: 300 },
  )
})

test('a variant is read as what it holds', () => {
  const value = new Map<DBusValue, DBusValue>([['ActiveState', { signature: 's', value: 'active' }]])
  const bytes = encodeMessage({ type: 'return', serial: 2, replySerial: 1, signature: 'a{sv}', body: [value] })
  assert.deepEqual(decodeMessage(bytes)?.body, [new Map([['ActiveState', 'active']])])
})

test('any bytes are a message or a format error', () => {
  const begin = encodeMessage({
    type: 'return',
    serial: 2,
    replySerial: 1,
    signature: 'sas',
    body: ['abc', ['d', 'e']],
  })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(begin.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const bytes = Buffer.from(begin)
        for (const [at, byte] of changes) bytes[at] = byte
        try {
          const length = messageLength(bytes)
          if (length === bytes.length) decodeMessage(bytes)
        } catch (error) {
          assert.ok(error instanceof DBusFormatError, String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('refuses what is too long, of another version, or padded with something', () => {
  assert.equal(messageLength(hello.subarray(0, 15)), null)
  const changed = (at: number, ...bytes: readonly number[]): Buffer => {
    const copy = Buffer.from(hello)
    for (const [index, byte] of bytes.entries()) copy[at + index] = byte
    return copy
  }
  assert.throws(() => messageLength(changed(0, 0x58)), /byte order 88/)
  assert.throws(() => messageLength(changed(3, 2)), /version 2 of the protocol/)
  assert.throws(
    () => messageLength(changed(4, 0xff, 0xff, 0xff, 0xff)),
    new RegExp(`more than ${maxMessageBytes} bytes`),
  )
  assert.throws(
    () => messageLength(changed(12, 0xff, 0xff, 0xff, 0xff)),
    new RegExp(`more than ${maxMessageBytes} bytes`),
  )
  assert.throws(() => decodeMessage(changed(hello.length - 1, 1)), /padding at byte \d+ is not zero/)
  assert.equal(decodeMessage(changed(1, 9)), null)
  assert.throws(() => decodeMessage(changed(1, 2)), /a return without replySerial/)
})
