import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openSigningRing } from '../../src/authenticators/keyring.ts'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import type { SigningRing } from '../../src/roles/key-ring.ts'
import { fromBase64, toBase64 } from '../../src/wire/base64.ts'
import { attachClassic, cutClassic, decodeClassic, encodeClassic } from '../../src/wire/classic.ts'
import { classicCutter } from '../../src/wire/classic-cutter.ts'
import { type Codec, createCodec } from '../../src/wire/codec.ts'
import { bytes, decimalOf, hexOf, type Message, message, text } from '../../src/wire/message.ts'
import { attachNetstring, cutNetstring, decodeNetstring, encodeNetstring } from '../../src/wire/netstring.ts'

interface Vector {
  readonly name: string
  readonly method: string
  readonly authIndex: number
  readonly key: string
  readonly format: 'netstring' | 'classic'
  readonly hex: string
  readonly fields: readonly {
    readonly name: string
    readonly type: number
    readonly value?: string
    readonly hex?: string
  }[]
  readonly auth: string
  readonly innerAuth: string | null
  readonly innerValid?: boolean
  readonly signedLength?: number
}

const folder = join(import.meta.dirname, '../vectors/heartbeat')
const read = (file: string): Vector[] => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector[]
const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
const genuine = files.filter((file) => file !== 'tampered.json').flatMap(read)

/** A ring as a node has it: read from an authkeys file. */
function ringOf(authkeys: string): SigningRing {
  const { plugin, issues } = parseAuthkeys(authkeys, 'authkeys')
  assert.ok(plugin, JSON.stringify(issues))
  return openSigningRing(plugin, () => assert.fail('no key file'))
}

const ringOfVector = ({ authIndex, method, key }: Vector): SigningRing =>
  ringOf(`auth ${authIndex}\n${authIndex} ${method} ${key}\n`)

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const ascii = (string: string): Uint8Array => Uint8Array.from(Buffer.from(string, 'latin1'))
const signedOf = ({ format, hex }: Vector): { signed: Uint8Array; auth: string } => {
  const cut = format === 'netstring' ? cutNetstring(fromHex(hex)) : cutClassic(fromHex(hex))
  assert.ok(cut, 'the frame was not cut')
  return cut
}

/** Fields as the vectors write them. */
const plain = (fields: Message): unknown[] =>
  fields.map(({ name, type, value }) =>
    typeof value === 'string' ? { name, type, value } : { name, type, hex: Buffer.from(value).toString('hex') },
  )

describe('captured datagrams', () => {
  it('are all here', () => {
    assert.equal(genuine.length, 245)
    assert.equal(read('tampered.json').length, 10)
  })

  for (const [index, vector] of genuine.entries()) {
    it(`${index} ${vector.method} ${vector.format} ${vector.name}`, () => {
      const { signed, auth } = signedOf(vector)
      const netstring = vector.format === 'netstring'
      assert.equal(auth, vector.auth)
      if (vector.signedLength !== undefined) assert.equal(signed.length, vector.signedLength)

      const fields = netstring ? decodeNetstring(signed) : decodeClassic(signed)
      const expected = vector.fields.filter(({ name }) => netstring || name !== 'auth')
      assert.deepEqual(plain(fields), expected)

      const ring = ringOfVector(vector)
      const encoded = netstring ? encodeNetstring(fields) : encodeClassic(fields)
      const signature = ring.sign(encoded)
      assert.equal(signature, vector.auth)
      const frame = netstring ? attachNetstring(encoded, signature) : attachClassic(encoded, signature)
      assert.equal(Buffer.from(frame).toString('hex'), vector.hex)

      // The redundant inner signature of a netstring frame is the one of the classic form.
      if (netstring && typeof vector.innerAuth === 'string') {
        const inner = ring.sign(encodeClassic(fields))
        assert.equal(inner === vector.innerAuth, vector.innerValid !== false)
      }

      const opened = createCodec({ ring, framing: 'datagram' }).open(fromHex(vector.hex))
      if (text(fields, '_compression_algorithm') === undefined) {
        assert.deepEqual(opened, { ok: true, message: fields, keyId: vector.authIndex })
        const framing = netstring ? 'datagram' : 'stream'
        const sealed = createCodec({ ring, framing }).seal(fields)
        assert.equal(Buffer.from(sealed).toString('hex'), vector.hex)
      } else {
        assert.ok(!opened.ok && opened.reason === 'compressed')
      }
    })
  }

  it('that were tampered with are refused by the receive path, under every ring that holds their key', () => {
    for (const vector of read('tampered.json')) {
      const line = `${vector.authIndex} ${vector.method} ${vector.key}`
      for (const ring of [
        ringOfVector(vector),
        ringOf('auth 3\n1 crc\n2 sha1 HI!\n3 md5 hello!\n'),
        ringOf(`auth 1\n1 crc\n${line}\n`),
        ringOf(`auth ${vector.authIndex}\n1 md5 hello?\n${line}\n`),
      ]) {
        const opened = createCodec({ ring, framing: 'datagram' }).open(fromHex(vector.hex))
        assert.equal(opened.ok, false, vector.name)
      }
    }
  })

  it('with a wrong inner signature are accepted', () => {
    const found = genuine.filter(({ innerValid }) => innerValid === false)
    assert.equal(found.length, 1)
    const opened = createCodec({ ring: ringOfVector(found[0]!), framing: 'datagram' }).open(fromHex(found[0]!.hex))
    assert.equal(opened.ok && text(opened.message, 'auth'), '3 0123456789abcdef0123456789abcdef')
  })

  it('signed by crc are refused as keyless while a keyed method is active', () => {
    const codec = createCodec({ ring: ringOf('auth 3\n1 crc\n3 md5 hello!\n'), framing: 'datagram' })
    for (const { hex } of read('crc-classic.json')) {
      assert.deepEqual(codec.open(fromHex(hex)), { ok: false, reason: 'keyless' })
    }
  })
})

describe('a message', () => {
  const uuid = Uint8Array.of(0, 1, 10, 61, 255)
  const sample = message({ t: 'status', gone: undefined, srcuuid: uuid, seq: '1a', ttl: '10', odd: '0x10' })

  it('is built of a record and read by name', () => {
    assert.deepEqual(
      sample.map(({ name, type }) => `${name}${type}`),
      ['t0', 'srcuuid1', 'seq0', 'ttl0', 'odd0'],
    )
    assert.equal(text(sample, 't'), 'status')
    assert.equal(text(sample, 'srcuuid'), undefined)
    assert.deepEqual(bytes(sample, 'srcuuid'), uuid)
    assert.equal(bytes(sample, 't'), undefined)
  })

  it('is read by the first field of a repeated name', () => {
    const twice = [...message({ seq: '1' }), ...message({ seq: '2' })]
    assert.equal(text(twice, 'seq'), '1')
    const mixed = [...message({ seq: uuid }), ...message({ seq: '2' })]
    assert.equal(text(mixed, 'seq'), undefined)
  })

  it('has numbers only where they are written strictly', () => {
    assert.equal(hexOf(sample, 'seq'), 0x1a)
    assert.equal(decimalOf(sample, 'seq'), undefined)
    assert.equal(decimalOf(sample, 'ttl'), 10)
    for (const name of ['odd', 'absent', 'srcuuid']) assert.equal(hexOf(sample, name), undefined)
    for (const value of ['', ' 1', '1 ', '-1', '+1', '1A', '1.0', '20000000000000', '0'.repeat(17)]) {
      assert.equal(hexOf(message({ n: value }), 'n'), undefined, value)
    }
    for (const value of ['', ' 1', '-1', '1e3', '9007199254740992']) {
      assert.equal(decimalOf(message({ n: value }), 'n'), undefined, value)
    }
    assert.equal(hexOf(message({ n: '1fffffffffffff' }), 'n'), Number.MAX_SAFE_INTEGER)
  })
})

describe('base64', () => {
  it('is that of Buffer, both ways', () => {
    for (let length = 0; length < 70; length++) {
      const raw = Uint8Array.from({ length }, (_, index) => (index * 89 + length * 7) & 0xff)
      assert.equal(toBase64(raw), Buffer.from(raw).toString('base64'))
      assert.deepEqual(fromBase64(toBase64(raw)), raw)
    }
  })

  it('is read strictly', () => {
    for (const wrong of [
      'A',
      'AA',
      'AAA',
      'AA=A',
      '====',
      'A===',
      'AB==',
      'AAB=',
      'AA==AAAA',
      ' AAA',
      'AA-_',
      'ÄAAA',
    ]) {
      assert.equal(fromBase64(wrong), undefined, wrong)
    }
  })
})

const ring = ringOf('auth 2\n1 md5 hello!\n2 sha1 HI!\n')
const codecs: Readonly<Record<'datagram' | 'stream', Codec>> = {
  datagram: createCodec({ ring, framing: 'datagram' }),
  stream: createCodec({ ring, framing: 'stream' }),
}

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index)

describe('both framings', () => {
  for (const framing of ['datagram', 'stream'] as const) {
    const codec = codecs[framing]
    const reasonOf = (frame: Uint8Array): string => {
      const opened = codec.open(frame)
      return opened.ok ? 'ok' : opened.reason
    }

    it(`${framing}: carry every byte, empty values, names of objects and letters beyond ASCII`, () => {
      const sent = message({
        t: 'hs-test',
        empty: '',
        info: 'Größe = 日本 (1) ,',
        raw: everyByte,
        none: new Uint8Array(),
        constructor: 'a',
        toString: 'b',
      })
      const opened = codec.open(codec.seal(sent))
      assert.deepEqual(opened, { ok: true, message: sent, keyId: 2 })
      assert.equal(opened.ok && text(opened.message, 'hasOwnProperty'), undefined)
    })

    it(`${framing}: keep a field named __proto__ a field`, () => {
      const sent: Message = [{ name: '__proto__', type: 0, value: 'x' }]
      const opened = codec.open(codec.seal(sent))
      assert.deepEqual(opened.ok && opened.message, sent)
    })

    it(`${framing}: leave nested types as they are`, () => {
      const sent: Message = [2, 3, 4, 5].map((type) => ({ name: `n${type}`, type: type as 2, value: ascii('3:abc,') }))
      const opened = codec.open(codec.seal(sent))
      assert.deepEqual(opened.ok && opened.message, sent)
    })

    it(`${framing}: sign with the key that is asked for, if it is there`, () => {
      const keyIds = [undefined, 1, 2, 7].map((keyId) => {
        const opened = codec.open(codec.seal(message({ t: 'status' }), keyId))
        return opened.ok && opened.keyId
      })
      assert.deepEqual(keyIds, [2, 1, 2, 2])
    })

    it(`${framing}: allow one NUL behind the frame, and nothing else`, () => {
      const frame = codec.seal(message({ t: 'status' }))
      assert.equal(reasonOf(Uint8Array.of(...frame, 0)), 'ok')
      for (const tail of [[0, 0], [10], [32], [0, 10], [...frame]]) {
        assert.equal(reasonOf(Uint8Array.of(...frame, ...tail)) === 'ok', false, tail.join())
      }
    })

    it(`${framing}: refuse every shortened frame`, () => {
      const frame = codec.seal(message({ t: 'status', srcuuid: everyByte }))
      for (let length = 0; length < frame.length; length++) {
        assert.equal(reasonOf(frame.subarray(0, length)), 'malformed', `${length} bytes`)
      }
    })

    it(`${framing}: refuse what is too large, both ways`, () => {
      assert.equal(reasonOf(new Uint8Array(65_508).fill(0x23)), 'oversize')
      assert.equal(reasonOf(new Uint8Array(65_507).fill(0x23)), 'malformed')
      assert.throws(() => codec.seal(message({ t: 'x'.repeat(65_507) })), { code: 'HS_FRAME' })
      const many = Array.from({ length: 257 }, (_, index) => message({ [`n${index}`]: '' })[0]!)
      assert.throws(() => codec.seal(many), { code: 'HS_FRAME' })
      assert.ok(codec.open(codec.seal(many.slice(1))).ok)
    })

    it(`${framing}: refuse to send names that would be read otherwise`, () => {
      for (const name of ['', 'a=b', '(1)a', 'a b', 'a\nb', 'ä', 'x'.repeat(65)]) {
        assert.throws(() => codec.seal([{ name, type: 0, value: '' }]), { code: 'HS_FRAME' }, name)
      }
    })

    it(`${framing}: turn bytes that are no UTF-8 into U+FFFD and keep the message`, () => {
      const latin = framing === 'datagram' ? '###\n12:(0)info=Gr\xf6e,%%%\n' : 'info=Gr\xf6e\n'
      const signed = ascii(latin)
      const attach = framing === 'datagram' ? attachNetstring : attachClassic
      const opened = codec.open(attach(signed, ring.sign(signed)))
      assert.equal(opened.ok && text(opened.message, 'info'), 'Gr\uFFFDe')
    })
  }

  it('are told apart by their first bytes on every link', () => {
    const sent = message({ t: 'status', srcuuid: everyByte })
    for (const codec of Object.values(codecs)) {
      assert.ok(codec.open(codecs.datagram.seal(sent)).ok)
      assert.ok(codec.open(codecs.stream.seal(sent)).ok)
      for (const junk of ['', '#', '##\n', '>>\n', '###', '>>>', 'junk', '<<<\n', '###\r\n']) {
        assert.deepEqual(codec.open(ascii(junk)), { ok: false, reason: 'malformed' })
      }
    }
  })

  it('do not let a value of the classic form break its lines', () => {
    for (const value of ['a\nst=dead', 'a\r', 'a\0']) {
      assert.throws(() => codecs.stream.seal(message({ info: value })), { code: 'HS_FRAME' })
      assert.ok(codecs.datagram.open(codecs.datagram.seal(message({ info: value }))).ok)
    }
  })
})

describe('a signed netstring frame that nobody of us wrote', () => {
  const open = (signed: string): string => {
    const raw = ascii(signed)
    const opened = codecs.datagram.open(attachNetstring(raw, ring.sign(raw)))
    return opened.ok ? 'ok' : `${opened.reason}: ${opened.detail}`
  }

  it('is decoded strictly', () => {
    assert.equal(open('###\n5:(0)a=,%%%\n'), 'ok')
    const wrong = [
      '###\n%%%\n',
      '###\n05:(0)a=,%%%\n',
      '###\n5:(0)a=;%%%\n',
      '###\n4:(0)a=,%%%\n',
      '###\n6:(0)a=,%%%\n',
      '###\n9:(0)a=,%%%\n',
      '###\n99999999999999999999:(0)a=,%%%\n',
      '###\n-5:(0)a=,%%%\n',
      '###\n:(0)a=,%%%\n',
      '###\n5:(6)a=,%%%\n',
      '###\n5:(x)a=,%%%\n',
      '###\n5:0)ab=,%%%\n',
      '###\n5:(0)ab,%%%\n',
      '###\n4:(0)=,%%%\n',
      '###\n6:(0)a =,%%%\n',
      '###\n1:(,%%%\n',
      '###\n0:,%%%\n',
      '###\n5:(0)a=,,%%%\n',
      '###\n5:(0)a=,%%%\n5:(0)a=,%%%\n',
      '%%%\n5:(0)a=,%%%\n',
    ]
    for (const signed of wrong) assert.match(open(signed), /^(undecodable: |malformed)/, signed)
  })

  it('may not hold more fields than the bound', () => {
    assert.equal(open(`###\n${'5:(0)a=,'.repeat(256)}%%%\n`), 'ok')
    assert.match(open(`###\n${'5:(0)a=,'.repeat(257)}%%%\n`), /^undecodable: .*257/)
  })

  it('needs its trailer exactly', () => {
    const signed = ascii('###\n5:(0)a=,%%%\n')
    const auth = ring.sign(signed)
    assert.ok(cutNetstring(attachNetstring(signed, auth)))
    const trailers = ['', ',', `${auth},`, `0${auth.length}:${auth},`, `${auth.length + 1}:${auth},`, `2:2 ,`, '3:x y,']
    trailers.push(`${auth.length}:${auth}`, `${auth.length}:${auth},\n`, `135:2 ${'a'.repeat(133)},`, `5:2\x00abc,`)
    for (const trailer of trailers)
      assert.equal(cutNetstring(Uint8Array.of(...signed, ...ascii(trailer))), undefined, trailer)
  })
})

describe('a signed classic frame that nobody of us wrote', () => {
  const auth = (lines: string): string => `auth=${ring.sign(ascii(lines))}\n`
  const open = (frame: string): string => {
    const opened = codecs.stream.open(ascii(frame))
    return opened.ok ? opened.message.map(({ name, value }) => `${name}=${String(value)}`).join(' ') : opened.reason
  }
  const lines = 't=status\nst=up\n'

  it('may have its auth line anywhere, once, and line ends before a line', () => {
    assert.equal(open(`>>>\n${auth(lines)}${lines}<<<\n`), 't=status st=up')
    assert.equal(open(`>>>\nt=status\n${auth(lines)}st=up\n<<<\n`), 't=status st=up')
    assert.equal(open(`>>>\n\n\r\nt=status\n\n\rst=up\n${auth(lines)}\n<<<\n`), 't=status st=up')
    assert.equal(open(`>>>\n${lines}<<<\n`), 'malformed')
    assert.equal(open(`>>>\n${lines}${auth(lines)}${auth(lines)}<<<\n`), 'malformed')
    assert.equal(open(`>>>\n${lines}${auth(lines).slice(0, -1)}<<<\n`), 'malformed')
    assert.equal(open(`>>>\n${lines}auth=\n<<<\n`), 'malformed')
    assert.equal(open('>>>\n<<<\n'), 'malformed')
  })

  it('is decoded strictly', () => {
    for (const wrong of [
      '=x\n',
      'status\n',
      '(1)a=AB\n',
      '(1)a=A===\n',
      '(6)a=x\n',
      '(1a=x\n',
      'a b=c\n',
      '<<<\n',
      '',
    ]) {
      assert.equal(open(`>>>\n${wrong}${auth(wrong)}<<<\n`), 'undecodable', wrong)
    }
    assert.equal(open(`>>>\n(0)t=x\n${auth('(0)t=x\n')}<<<\n`), 't=x')
  })

  it('may not hold more lines than the bound', () => {
    const many = 'a=\n'.repeat(257)
    assert.equal(open(`>>>\n${many}${auth(many)}<<<\n`), 'malformed')
  })
})

describe('the cutter of a serial line', () => {
  const frames = [
    codecs.stream.seal(message({ t: 'status', seq: '1', srcuuid: everyByte })),
    codecs.stream.seal(message({ t: 'resource', info: 'ends in >>>' })),
    codecs.stream.seal(message({ t: 'NS_ackmsg', ackseq: '2' })),
  ]
  const whole = Uint8Array.from(frames.flatMap((frame) => [...frame]))
  const opened = (found: readonly Uint8Array[]): string[] =>
    found.flatMap((frame) => {
      const result = codecs.stream.open(frame)
      return result.ok ? [text(result.message, 't')!] : []
    })

  it('finds frames whatever the chunks', () => {
    for (let size = 1; size <= whole.length; size += size < 40 ? 1 : 97) {
      const cutter = classicCutter()
      const found: Uint8Array[] = []
      for (let at = 0; at < whole.length; at += size) found.push(...cutter.push(whole.subarray(at, at + size)))
      assert.deepEqual(opened(found), ['status', 'resource', 'NS_ackmsg'], `chunks of ${size}`)
    }
  })

  it('finds the next frame after one that broke off at any byte', () => {
    for (let length = 0; length < frames[0]!.length; length++) {
      const cutter = classicCutter()
      const found = [...cutter.push(frames[0]!.subarray(0, length)), ...cutter.push(frames[2]!)]
      assert.deepEqual(opened(found), ['NS_ackmsg'], `broken off after ${length} bytes`)
    }
  })

  it('finds the next frame after one that lost its beginning at any byte', () => {
    for (let from = 1; from < frames[0]!.length; from++) {
      const cutter = classicCutter()
      const found = [...cutter.push(frames[0]!.subarray(from)), ...cutter.push(frames[2]!)]
      assert.deepEqual(opened(found), ['NS_ackmsg'], `without the first ${from} bytes`)
    }
  })

  it('passes over garbage, with and without line ends', () => {
    for (const garbage of [
      '\0\xff\x80',
      '>',
      '>>',
      '>>>',
      '<<<\n',
      'login: \n',
      '\n\n',
      '>>>\n>>>\n',
      '>>>\r\n',
      'x'.repeat(5000),
    ]) {
      const cutter = classicCutter(1024)
      const found = [...cutter.push(ascii(garbage)), ...cutter.push(frames[0]!), ...cutter.push(frames[2]!)]
      assert.deepEqual(opened(found), ['status', 'NS_ackmsg'], JSON.stringify(garbage.slice(0, 20)))
    }
  })

  it('is bounded: forgets what is too long, without an end or without a start', () => {
    for (const endless of ['>>>\n', '>>>\na=', 'x', '\n', 'a=b\n', 'x>>>\n', '>>>\nx>>>\n']) {
      const cutter = classicCutter(600)
      const flood = ascii(endless + (endless.endsWith('=') ? 'x'.repeat(100_000) : endless.repeat(20_000)))
      for (const frame of cutter.push(flood)) assert.ok(frame.length <= 600)
      const found = [...cutter.push(ascii('\n')), ...cutter.push(frames[2]!), ...cutter.push(frames[2]!)]
      assert.ok(opened(found).includes('NS_ackmsg'), JSON.stringify(endless))
    }
  })

  it('does not hand out memory that it goes on using', () => {
    const cutter = classicCutter()
    const [first] = cutter.push(frames[0]!)
    const before = Buffer.from(first!).toString('hex')
    cutter.push(frames[2]!)
    assert.equal(Buffer.from(first!).toString('hex'), before)
  })
})

describe('a decoded message', () => {
  it('does not share memory with the packet', () => {
    for (const codec of Object.values(codecs)) {
      const packet = Buffer.from(
        codec.seal([...message({ raw: everyByte }), { name: 'n', type: 3, value: ascii('1:a,') }]),
      )
      const opened = codec.open(packet)
      packet.fill(0)
      assert.ok(opened.ok)
      assert.deepEqual(bytes(opened.message, 'raw'), everyByte)
      assert.deepEqual(bytes(opened.message, 'n'), ascii('1:a,'))
    }
  })
})
