import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root, type Sources } from '../support/sources.ts'

/** Made by the tools, never committed: the same as in .gitignore, and git's own folder. */
const generated = ['.git', '.lab', 'coverage', 'dist', 'docs/api', 'node_modules']

/** Captured from other programs byte by byte. */
const captured = 'test/vectors'

// A limit against two rooms in one file, wide enough that nobody cuts scraps off to stay below it.
const maxSourceLines = 550

/** One thing that must not be in the repository. The patterns are written so that they do not match themselves. */
interface Rule {
  readonly what: string
  readonly pattern: RegExp
  readonly in: (path: string) => boolean
}

const everywhere = (): boolean => true
const inCode = (path: string): boolean => /\.(ts|mjs|js|json|md|yml|css|html)$/.test(path)
const inTests = (path: string): boolean => path.startsWith('test/') && path.endsWith('.ts')

const rules: readonly Rule[] = [
  { what: 'an unfinished place', pattern: /\b(?:TOD[O]|FIXM[E]|XX[X])\b/, in: everywhere },
  { what: "a path of somebody's machine", pattern: /(?<![\w.~}-])\/(?:work|root|farm)[/]/, in: everywhere },
  { what: 'a package registry', pattern: /https?:[/]{2}[\w.-]*\bregistry\b|"resolved": "http[s]?:/, in: everywhere },
  { what: 'a tab', pattern: /\t/, in: inCode },
  {
    what: 'a test that shuts the others out',
    pattern: /\b(?:test|it|describe|suite)\.only[(]|\bonly: tru[e]/,
    in: inTests,
  },
  // `{ skip: 'reason' }` and `t.skip('reason')` say why; the other spellings cannot.
  { what: 'a skip without its reason', pattern: /\b(?:test|it|describe|suite)\.skip[(]|\bskip: tru[e]/, in: inTests },
  { what: 'a skip without its reason', pattern: /\bt\.skip\((?!['"`\w])/, in: inTests },
]

function offences(sources: Sources): string[] {
  const found: string[] = []
  for (const [path, text] of sources) {
    const lines = text.split('\n')
    const active = rules.filter((rule) => rule.in(path))
    for (const [index, line] of lines.entries()) {
      for (const { what, pattern } of active) {
        const match = pattern.exec(line)
        if (match) found.push(`${path}:${index + 1}: ${what}: ${JSON.stringify(match[0])}`)
      }
    }
    if (path.startsWith('src/') && lines.length > maxSourceLines + 1) {
      found.push(`${path}: ${lines.length - 1} lines; more than ${maxSourceLines} are several concepts in one file`)
    }
  }
  return found
}

/** Every text file of the repository. */
function textFiles(folder = ''): Sources {
  const sources = new Map<string, string>()
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (generated.includes(path) || path === captured || path.endsWith('.tgz')) continue
    if (entry.isDirectory()) for (const [inner, text] of textFiles(path)) sources.set(inner, text)
    if (entry.isFile()) {
      const text = readFileSync(join(root, path), 'latin1')
      if (!text.includes('\0')) sources.set(path, text)
    }
  }
  return sources
}

describe('the repository', () => {
  it('is tidy', () => {
    const sources = textFiles()
    assert.ok(sources.has('package-lock.json') && sources.has('test/unit/tidy.test.ts'))
    assert.deepEqual(offences(sources), [])
  })
})

/** Optional dependencies (binaries of other platforms, mostly) that a lock file requires but does not list. */
function unlistedOptionals(lock: string): string[] {
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  return Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {})
      .filter((name) => !packages[`${path}/node_modules/${name}`] && !packages[`node_modules/${name}`])
      .map((name) => `${path} needs ${name}`),
  )
}

describe('the lock file', () => {
  // npm leaves out what a registry did not have when the file was written, and `npm ci` then refuses the file.
  it('lists the optional dependencies of every platform', () => {
    assert.deepEqual(unlistedOptionals(readFileSync(join(root, 'package-lock.json'), 'utf8')), [])
  })

  it('is found incomplete when it is', () => {
    const lock = {
      packages: { 'node_modules/a': { optionalDependencies: { b: '1.0.0', c: '1.0.0' } }, 'node_modules/b': {} },
    }
    assert.deepEqual(unlistedOptionals(JSON.stringify(lock)), ['node_modules/a needs c'])
  })
})

describe('the check of tidiness sees', () => {
  const slash = '/'
  const planted: readonly (readonly [what: string, path: string, text: string])[] = [
    ['an unfinished place', 'docs/a.md', ['TO', 'DO'].join('')],
    ['a path of a machine', 'scripts/a.mjs', `'${slash}work/main'`],
    ['a registry in the lock file', 'package-lock.json', ['"resolved": "http', 's://example.net/a.tgz"'].join('')],
    ['the address of a registry', '.npmrc', `https:${slash}/registry.example.net`],
    ['a tab', 'src/core/a.ts', '\tconst a = 1'],
    ['a test that shuts the others out', 'test/unit/a.test.ts', ['it.only', "('a', () => {})"].join('')],
    ['a skipped test', 'test/unit/a.test.ts', ['it.skip', "('a', () => {})"].join('')],
    ['a skip without its reason', 'test/unit/a.test.ts', ['t.skip', '()'].join('')],
    ['a file that is too long', 'src/core/a.ts', 'a\n'.repeat(maxSourceLines + 1)],
  ]
  for (const [what, path, text] of planted) {
    it(what, () => {
      assert.equal(offences(new Map([[path, text]])).length, 1)
    })
  }

  it('nothing wrong in what is allowed', () => {
    const fine = {
      'docs/a.md': 'mktemp /tmp/a.XXXXXX; ~/work/; https://example.net/work/registry',
      'test/unit/a.test.ts': "t.skip('no IPv6 here'); it('a', { skip: reason }, () => {})",
      'test/lab/ha.cf': 'keepalive\t2',
      'src/core/a.ts': 'a\n'.repeat(maxSourceLines),
    }
    assert.deepEqual(offences(new Map(Object.entries(fine))), [])
  })
})
