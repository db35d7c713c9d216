import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { helpOf, overview } from '../../src/cli/help.ts'
import * as table from '../../src/cli/table.ts'

interface Man {
  manPage(about: typeof table, from: { readonly version: string; readonly homepage: string }): string
}
// A script has no declarations.
const { manPage } = (await import(String(new URL('../../scripts/man.mjs', import.meta.url)))) as Man

const about = { version: '1.2.3', homepage: 'https://example.net/#readme' }

const wordsOf = (text: string): string[] => text.replaceAll('\\-', '-').match(/[\w-]{4,}/g) ?? []

describe('the man page', () => {
  const page = manPage(table, about)

  it('has every command with its words, every option and every exit code', () => {
    assert.match(page, /^\.SH NAME\nhot\\-standby \\- a high\\-availability pair/m)
    for (const name of table.commandNames)
      assert.ok(page.includes(`.TP\n\\fB${table.synopsis(name).join(' ').replaceAll('-', '\\-')}\\fR\n`), name)
    assert.match(page, /^\.TP\n\\fB\\-\\-dir DIR\\fR\ndirectory with ha\.cf/m)
    assert.match(page, /^\.TP\n\\fB2\\fR\nthe command line is wrong/m)
  })

  it('has no text that roff takes for its own', () => {
    const run = { ...table.commands.run, summary: "'.so file' of \\ roff", details: [] }
    const quoted = manPage({ ...table, commands: { ...table.commands, run } }, about)
    assert.match(quoted, /^\\&'\.so file' of \\e roff\.$/m)
  })

  it('says all that the helps say', () => {
    const there = new Set(wordsOf(page))
    const helps = [overview(), ...table.commandNames.map(helpOf)].join('\n')
    const own = ['Exit', 'codes', 'usage', 'Which', 'takes', '--help', 'this', 'text', 'OPTIONS']
    assert.deepEqual(
      wordsOf(helps).filter((word) => !there.has(word) && !own.includes(word)),
      [],
    )
  })
})

describe('the help', () => {
  it('fits 80 columns, whatever it is about', () => {
    for (const text of [overview(), ...table.commandNames.map(helpOf)])
      for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  })

  it('of a command says what it takes, and nothing else', () => {
    assert.match(helpOf('standby'), /^usage: hot-standby standby \[GROUP\.\.\.\] \[--dir DIR\]/)
    assert.match(helpOf('maintenance'), /^usage: hot-standby maintenance on\|off \[GROUP\.\.\.\] /)
    assert.doesNotMatch(helpOf('keygen'), /--dir/)
    for (const name of table.commandNames)
      for (const option of table.commands[name].options)
        assert.ok(helpOf(name).includes(`  ${table.optionTerm(option)}  `), `${name} --${option}`)
  })
})
