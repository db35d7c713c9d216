import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import { parseHaCf } from '../../src/config/ha-cf.ts'
import { directives } from '../../src/config/ha-cf-directives.ts'
import { parseHaresources } from '../../src/config/haresources.ts'
import { inspectHaDir } from '../../src/config/read-ha-dir.ts'

/** Where Debian's package has the daemon's own samples. */
const SAMPLES = '/usr/share/doc/heartbeat'

const skip = existsSync(`${SAMPLES}/ha.cf.gz`)
  ? false
  : `${SAMPLES} is missing: the Debian package heartbeat, with its documentation`
if (skip !== false) console.log(`skipped: ${skip}`)

const sample = (name: string): string =>
  existsSync(`${SAMPLES}/${name}.gz`)
    ? gunzipSync(readFileSync(`${SAMPLES}/${name}.gz`)).toString()
    : readFileSync(`${SAMPLES}/${name}`, 'utf8')

/** Lines that the sample shows as examples: a directive behind the comment sign, as one would uncomment it. */
const examplesOf = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => {
    const [, example = '', name = ''] = /^#\s?((\w+)\s+\S.*)$/.exec(line) ?? []
    return line.startsWith(`#${name}`) && directives.some((row) => row.name === name) ? [example] : []
  })

/** Examples of other systems, or of what no pair has, and what is said of them. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  stonith: /^stonith is refused: /,
  stonith_host: /^stonith_host is refused: /,
  watchdog: /^watchdog is refused: /,
  hbaping: /^hbaping is refused: /,
}
/** Lines of explanation that begin with a directive's name, and examples that are none: `classic/netstring` is to be chosen from. */
const NO_EXAMPLE = /^(?:msgfmt {2}classic\/netstring|respawn userid |apiauth client-name |hopfudge maximum)/

describe("the daemon's own sample files", { skip }, () => {
  it('are read by check as they are: only what they leave out is missing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    try {
      for (const name of ['ha.cf', 'authkeys', 'haresources']) {
        writeFileSync(join(directory, name), sample(name))
        chmodSync(join(directory, name), 0o600)
      }
      const { issues } = inspectHaDir(directory)
      const errors = issues.filter(({ severity }) => severity === 'error').map(({ message }) => message)
      assert.equal(errors.length, 4, errors.join('\n'))
      for (const says of [/no node is named/, /no link to the peer is named/, /auth/, /group|resource/])
        assert.ok(
          errors.some((message) => says.test(message)),
          `${says} in ${errors.join('\n')}`,
        )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('ha.cf: every example is understood, or refused with the reason', () => {
    const examples = examplesOf(sample('ha.cf')).filter((example) => !NO_EXAMPLE.test(example))
    assert.ok(examples.length >= 40, `${examples.length} examples`)
    for (const example of examples) {
      const name = example.split(/\s/)[0] ?? ''
      const isNode = name === 'node'
      const base = ['auto_failback on', ...(isNode ? ['node other'] : ['node a b']), 'udpport 694']
      const media = ['bcast', 'udp', 'ucast', 'mcast', 'serial', 'baud', 'udpport'].includes(name) ? [] : ['bcast eth9']
      const ahead = name === 'udpport' || name === 'baud' ? [example, 'bcast eth9'] : [...media, example]
      const errors = parseHaCf([...base, ...ahead, ''].join('\n'), 'ha.cf').issues.filter(
        ({ severity }) => severity === 'error',
      )
      const refusal = REFUSED[name]
      if (refusal) assert.match(errors.map(({ message }) => message).join('\n'), refusal, example)
      // A dead time that is right beside other times only.
      else assert.deepEqual(errors, [], example)
    }
  })

  it('authkeys: its three methods, uncommented', () => {
    const text = sample('authkeys').replaceAll(/^#(auth \d|\d .*)$/gm, '$1')
    const { issues, plugin } = parseAuthkeys(text, 'authkeys')
    assert.deepEqual(
      issues.filter(({ severity }) => severity === 'error'),
      [],
    )
    assert.deepEqual(
      plugin?.keys.map(({ id, method }) => `${id} ${method}`),
      ['1 crc', '2 sha1', '3 md5'],
    )
  })

  it('haresources: every example line', () => {
    const lines = sample('haresources')
      .split('\n')
      .flatMap((line) => /^#((?:just\.linux-ha\.org|node1)\s+\S.*)$/.exec(line)?.[1] ?? [])
    assert.equal(lines.length, 5, lines.join('\n'))
    const found = (name: string) => ({ path: `/etc/ha.d/resource.d/${name}`, executable: true }) as const
    const builtIn = ['IPaddr', 'IPaddr2', 'nginx']
    for (const line of lines) {
      const nodes = ['just.linux-ha.org', 'node1']
      const { issues, groups } = parseHaresources(`${line}\n`, 'haresources', nodes, (name) =>
        builtIn.includes(name) ? undefined : found(name),
      )
      assert.deepEqual(
        issues.filter(({ severity }) => severity === 'error'),
        [],
        line,
      )
      assert.equal(groups.length, 1, line)
      assert.equal(groups[0]?.resources.length, line.trim().split(/\s+/).length - 1, line)
    }
  })
})
