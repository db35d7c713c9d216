import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { openSigningRing } from '../../src/authenticators/keyring.ts'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import { classicCutter } from '../../src/wire/classic-cutter.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { message } from '../../src/wire/message.ts'
import { damages, generator, insert, type Mutation } from '../support/mutations.ts'

const count = Number(process.env['FUZZ'] ?? 1_000_000)
const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fffffff)

const random = generator(seed)
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

const { plugin } = parseAuthkeys(
  'auth 3\n1 crc\n2 sha1 HI!\n3 md5 hello!\n4 sha256 0123456789abcdef0123456789abcdef\n',
  'authkeys',
)
const ring = openSigningRing(plugin!, () => assert.fail('no key file'))
const codecs = [createCodec({ ring, framing: 'datagram' }), createCodec({ ring, framing: 'stream' })] as const

const captured = ['md5-classic', 'sha1-classic', 'md5-classic-serial', 'foreign-accepted-classic'].flatMap((file) => {
  const path = join(import.meta.dirname, `../vectors/heartbeat/${file}.json`)
  return (JSON.parse(readFileSync(path, 'utf8')) as { hex: string }[]).map(({ hex }) => Buffer.from(hex, 'hex'))
})
const own = codecs.flatMap((codec) =>
  [2, 3, 4].map((keyId) =>
    Buffer.from(
      codec.seal(message({ t: 'resource', info: 'x', srcuuid: Uint8Array.of(1, 10, 0, 255), seq: '1f' }), keyId),
    ),
  ),
)
const originals = [...captured, ...own]

/** What an original says; a frame that verifies must say the same. */
const contents = new Set(
  originals.flatMap((frame) => {
    const opened = codecs[0].open(frame)
    return opened.ok ? [JSON.stringify(opened)] : []
  }),
)
const frames = new Set(originals.map((frame) => frame.toString('latin1')))

const pieces = [
  '###\n',
  '%%%\n',
  '>>>\n',
  '<<<\n',
  '\n',
  '\r',
  '\0',
  ',',
  ':',
  '=',
  '(0)',
  '(1)',
  '(2)',
  '9999999999:',
  '-1:',
]
pieces.push('0:', '5:(0)a=,', 'auth=3 ', '34:3 ', '__proto__', '_compression_algorithm=zlib', '\xff\xfe')

const mutations: readonly Mutation[] = [
  ...damages(random, () => pick(originals)),
  (frame) => insert(frame, random(frame.length + 1), Buffer.from(pick(pieces), 'latin1')),
  (frame) => {
    const keyId = pick(['1', '2', '3', '4', '7', '16'])
    return Buffer.from(frame.toString('latin1').replace(/\d( [0-9a-f]+(?:,|\n<<<\n))$/, `${keyId}$1`), 'latin1')
  },
  () => Buffer.from(Array.from({ length: random(30) }, () => pick(pieces)).join(''), 'latin1'),
  (frame) => frame,
]

it(`${count} random and mutated datagrams: nothing throws, nothing verifies but what was signed (SEED=${seed})`, (t) => {
  t.diagnostic(`replay with SEED=${seed} FUZZ=${count}`)
  const outcomes = new Map<string, number>()
  const cutter = classicCutter(2048)
  for (let round = 0; round < count; round++) {
    let frame: Buffer = pick(originals)
    for (let times = random(8) === 0 ? 2 : 1; times > 0; times--)
      frame = frame.length > 0 ? pick(mutations)(frame) : frame
    const opened = codecs[round & 1]!.open(frame)
    const outcome = opened.ok ? 'ok' : opened.reason
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    if (opened.ok) {
      // A classic frame may differ by line ends that both sides skip, and both by a NUL behind them: then it says the same.
      const known = frames.has(frame.toString('latin1')) || contents.has(JSON.stringify(opened))
      assert.ok(known, `round ${round}: ${frame.toString('hex')}`)
    } else {
      // Only one captured frame is both signed and refused: the compressed one.
      assert.notEqual(opened.reason, 'undecodable', `round ${round}: ${frame.toString('hex')}`)
      assert.ok(
        opened.reason === 'compressed' || !frames.has(frame.toString('latin1')),
        `round ${round} lost an original`,
      )
    }
    if (round % 16 === 0) for (const found of cutter.push(frame)) assert.ok(found.length <= 2048)
  }
  t.diagnostic([...outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(', '))
  if (count >= 10_000) {
    for (const outcome of ['ok', 'malformed', 'bad-signature', 'unknown-key', 'keyless']) {
      assert.ok((outcomes.get(outcome) ?? 0) > 0, `no datagram ended as ${outcome}: the mutations are too weak`)
    }
  }
})

it('the largest junk costs little memory', () => {
  const size = 65_507
  const junk = ['###\n', '>>>\n', '###\n5:(0)a=,', '>>>\na=b\n', '>>>\n\n', '>>>\nauth=3 a\n'].flatMap((piece) => {
    const repeated = Buffer.from(piece.repeat(Math.ceil(size / piece.length)).slice(0, size), 'latin1')
    const started = Buffer.concat([Buffer.from(piece), Buffer.alloc(size - piece.length, piece.slice(4) || 'x')])
    return [
      repeated,
      started,
      ...['%%%\n34:3 cb71f2787cc785a4ba86f33c53c4000f,', '\nauth=3 ab\n<<<\n'].map((end) => {
        const ended = Buffer.from(repeated)
        ended.write(end, size - end.length, 'latin1')
        return ended
      }),
    ]
  })
  const before = process.memoryUsage()
  for (let round = 0; round < 50; round++) {
    for (const frame of junk) assert.equal(codecs[0].open(frame).ok, false)
  }
  const after = process.memoryUsage()
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  assert.ok(grown < 64 * 1024 * 1024, `grown by ${grown} bytes`)
})
