import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { statusLines } from '../../src/cli/status.ts'
import { logText } from '../../src/platform/log-line.ts'
import { describe as sentenceOf } from '../../src/recorder/describe.ts'
import { printable, printableFields, printableJson, printableLines } from '../../src/roles/printable.ts'

const evil = 'ok\r\n\u001b]8;;http://x\u0007\u009b31m\u2028\u2029\u202e\u2066\u200b\ufeff\ud800'

describe('text from outside', () => {
  it('stays one line in which a terminal finds nothing to obey', () => {
    const shown = printable(evil)
    assert.equal(/[\p{C}\p{Zl}\p{Zp}]/u.test(shown), false)
    assert.match(shown, /^ok\\x0d\\x0a\\x1b\]8;;/)
    assert.match(shown, /\\u202e/)
    assert.equal(printable('Grüße 你好 😀 a\\b'), 'Grüße 你好 😀 a\\b')
  })

  it('is cut where it is very long, and says so', () => {
    assert.match(printable('x'.repeat(1_000_000)), /^x{4096} … \(1000000 characters in all\)$/)
  })

  it('stays the same value as JSON', () => {
    const text = printableJson({ evil, list: [evil] })
    assert.equal(/[\p{C}\p{Zl}\p{Zp}]/u.test(text), false)
    assert.deepEqual(JSON.parse(text), { evil, list: [evil] })
  })

  it('keeps only the line ends that were written here', () => {
    assert.equal(printableLines('a\u001bb\nc\rd'), 'a\\x1bb\nc\\x0dd')
  })

  it('is escaped in every field, and bytes stay bytes', () => {
    const bytes = new Uint8Array([27])
    assert.deepEqual(printableFields({ a: '\n', b: ['\t', { c: '\u0085' }], bytes, n: 1 }), {
      a: '\\x0a',
      b: ['\\x09', { c: '\\x85' }],
      bytes,
      n: 1,
    })
  })

  it('forges no line of a log, of an event and of a status', () => {
    assert.equal(/[\p{C}\p{Zl}\p{Zp}]/u.test(logText('info', { evil }, evil)), false)
    const payload = { group: 'g', resource: 'db', reason: evil, action: 'move' } as const
    assert.equal(/[\p{C}\p{Zl}\p{Zp}]/u.test(sentenceOf({ name: 'resource:failed', time: '', payload })), false)
    const quality = { peer: { late: 0, dead: 0, mistakes: 0 }, stalls: { count: 0 } }
    const longest = { longestDetectionMs: null, accuracy: null, mistakesPerHour: null, mistakesPerHourIsBound: false }
    const found = {
      cluster: 'c',
      node: 'n',
      peer: { name: evil, liveness: 'unheard', kind: 'unknown', groups: {}, lastWordAgeMs: null },
      groups: [
        { name: 'g', servedBy: null, state: 'failed', epoch: 1, preferred: 'n', reason: evil, resources: [evil] },
      ],
      links: [],
      targets: [],
      failures: [{ group: 'g', resource: evil, time: evil, nextTry: null, reason: evil }],
      quality: { ...quality, peer: { ...quality.peer, ...longest } },
    } as unknown as Parameters<typeof statusLines>[0]
    const status = statusLines(found, { width: 80, colour: false }).join('\n')
    assert.equal(status.replaceAll('\n', '').match(/[\p{C}\p{Zl}\p{Zp}]/u), null)
    assert.equal(status.split('\n').filter((line) => /^ok/.test(line)).length, 0)
  })
})
