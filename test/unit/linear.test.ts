import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import { parseHaCf } from '../../src/config/ha-cf.ts'
import { parseHaresources } from '../../src/config/haresources.ts'
import { parseIni } from '../../src/config/ini.ts'
import { configFault } from '../../src/resources/nginx-config.ts'
import { ocfMetadata } from '../../src/resources/ocf-metadata.ts'
import { heartbeatScriptState } from '../../src/resources/script-witness.ts'
import { durationMs } from '../../src/roles/duration.ts'

const find = () => undefined

/** Each input is such that a reader which is not linear takes minutes for it; the limit leaves a busy machine a lot of room. */
const readers: readonly [string, () => unknown][] = [
  [
    'an OCF tag of one long word',
    () => ocfMetadata(`<resource-agent ><action ${'b-'.repeat(60_000)} /></resource-agent>`),
  ],
  [
    'an OCF time of blanks',
    () => ocfMetadata(`<resource-agent ><action name="start" timeout="1${' '.repeat(120_000)}x"/></resource-agent>`),
  ],
  ['status output that says not', () => heartbeatScriptState('NOT '.repeat(500_000))],
  ['complaints of nginx', () => configFault(1, `${'bind() to '.repeat(100_000)}\n`.repeat(3))],
  ['blanks within authkeys', () => parseAuthkeys(`1${' \t'.repeat(400_000)}#`, 'f')],
  ['wrong words in ha.cf', () => parseHaCf('deadtyme 1\n'.repeat(150_000), 'f')],
  [
    'wrong nodes in haresources',
    () => parseHaresources('nowhere IPadr::192.0.2.1\n'.repeat(40_000), 'f', ['a', 'b'], find),
  ],
  [
    'wrong words in one line of haresources',
    () => parseHaresources(`a ${'IPadr::1 '.repeat(80_000)}`, 'f', ['a'], find),
  ],
  [
    'wrong keys of an ini',
    () => parseIni(Array.from({ length: 80_000 }, (_, at) => `naime${at} = 1`).join('\n'), 'f', { find }),
  ],
  [
    'sections of an ini',
    () => parseIni(Array.from({ length: 20_000 }, (_, at) => `[resource.r${at}]`).join('\n'), 'f', { find }),
  ],
]

for (const [what, read] of readers)
  test(`${what}: read in linear time`, () => {
    const beganMs = performance.now()
    read()
    const tookMs = performance.now() - beganMs
    assert.ok(tookMs < 5000, `${tookMs} ms`)
  })

test('a file with very many problems says so once, and the rest is not read', () => {
  const issues = [
    parseHaCf('deadtyme 1\n'.repeat(5000), 'f').issues,
    parseIni(Array.from({ length: 5000 }, (_, at) => `naime${at} = 1`).join('\n'), 'f', { find }).issues,
    parseAuthkeys('7 foo x\n'.repeat(5000), 'f').issues,
  ]
  for (const found of issues) {
    assert.ok(found.length < 120, String(found.length))
    assert.equal(found.filter(({ message }) => /the rest of the file was not read/.test(message)).length, 1)
  }
})

test('a status that says running before not, and not without running, is judged as Heartbeat does', () => {
  assert.equal(heartbeatScriptState('it is running, not stopped'), 'running')
  assert.equal(heartbeatScriptState('nOt\nfound; not yet Running'), 'stopped')
  assert.equal(heartbeatScriptState('not here\nOK'), 'running')
})

test('a time that no timer holds is refused, the longest is not', () => {
  assert.equal(durationMs('576h', 'x'), 2_073_600_000)
  for (const long of ['577h', '2073600001ms', `${'9'.repeat(400)}h`] as const)
    assert.throws(
      () => durationMs(long as '577h', 'stopTimeout'),
      /stopTimeout: '.*' is too long; at most 24 days \(576h\)/,
    )
  const { issues } = parseHaCf('deadtime 2073601\n', 'f')
  assert.ok(issues.some(({ message }) => /at most 2073600 seconds \(24 days\)/.test(message)))
})
