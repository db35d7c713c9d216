import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { usage } from '../../src/cli/usage.ts'

interface Man {
  manPage(help: string, about: { readonly version: string; readonly homepage: string }): string
}
// A script has no declarations.
const { manPage } = (await import(String(new URL('../../scripts/man.mjs', import.meta.url)))) as Man

const about = { version: '1.2.3', homepage: 'https://example.net/#readme' }

const help = `hot-standby: does things

  hot-standby one [--dir DIR]
      does one thing
  hot-standby two FILE...
      does two things, of which this line
      'goes on' with a \\ in it

  --dir DIR   where
              things are
  --all       everything

Exit codes: 0 well, 1 failed, or
something else.
`

describe('the man page', () => {
  const page = manPage(help, about)

  it('has every command with its words, and every option', () => {
    assert.match(page, /^\.SH NAME\nhot\\-standby \\- does things$/m)
    assert.match(page, /^\.TP\n\\fBone \[\\-\\-dir DIR\]\\fR\ndoes one thing$/m)
    assert.match(page, /^\.TP\n\\fB\\-\\-dir DIR\\fR\nwhere things are$/m)
    assert.match(page, /^\.TP\n\\fB\\-\\-all\\fR\neverything$/m)
    assert.match(page, /^\.SH EXIT STATUS\n0 well, 1 failed, or something else\.$/m)
  })

  it('has no text that roff takes for its own', () => {
    assert.match(page, /of which this line 'goes on' with a \\e in it/)
    const quoted = manPage(help.replace('does one thing', "'.so file' of roff"), about)
    assert.match(quoted, /^\\&'\.so file' of roff$/m)
  })

  it('refuses a help with a line it does not understand', () => {
    assert.throws(
      () => manPage(help.replace('  hot-standby two', 'hot-standby two'), about),
      /fits its line: hot-standby two/,
    )
    assert.throws(() => manPage(help.slice(0, help.indexOf('Exit')), about), /no exit codes/)
  })

  it('says all that the real help says', () => {
    const words = (text: string): string[] => text.replaceAll('\\-', '-').match(/[\w-]{4,}/g) ?? []
    const there = new Set(words(manPage(usage, about)))
    const left = words(usage.replace('Exit codes', '')).filter((word) => !there.has(word))
    assert.deepEqual(left, [])
  })
})
