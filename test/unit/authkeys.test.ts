import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Authkeys, parseAuthkeys, readAuthkeys } from '../../src/config/authkeys.ts'

const strong = '0123456789abcdef'
const lines = ({ issues }: Authkeys): string[] =>
  issues.map(({ where, message, severity }) => `${severity} ${where}: ${message}`)
const keysOf = ({ plugin }: Authkeys): string[] =>
  plugin?.keys.map(({ id, method, key }) =>
    `${id} ${method} ${key === undefined ? '' : Buffer.from(key).toString('latin1')}`.trim(),
  ) ?? []

interface Rule {
  readonly rule: string
  readonly good: string
  readonly bad: string
  readonly line: number
  readonly message: RegExp
}

const rules: readonly Rule[] = [
  {
    rule: 'auth N stands before line N',
    good: `1 md5 ${strong}\nauth 3\n3 sha1 ${strong}\n`,
    bad: `# keys\n3 sha1 ${strong}\nauth 3\n`,
    line: 3,
    message: /auth 3 must stand before line '3 …', which is line 2/,
  },
  {
    rule: 'there is an auth line',
    good: `auth 1\n1 md5 ${strong}\n`,
    bad: `1 md5 ${strong}\n`,
    line: 1,
    message: /no line says which key signs/,
  },
  {
    rule: 'there is a line for the active key',
    good: `auth 2\n1 md5 ${strong}\n2 md5 ${strong}x\n`,
    bad: `\nauth 2\n1 md5 ${strong}\n`,
    line: 2,
    message: /no line '2 METHOD KEY' follows/,
  },
  {
    rule: 'a line that begins with a is an auth line',
    good: `auth\t1\n1 md5 ${strong}\n`,
    bad: `auth 1\n1 md5 ${strong}\nactive 1\n`,
    line: 3,
    message: /write 'auth N'/,
  },
  {
    rule: 'a line that begins with a has the whole word auth',
    good: `auth 1 and more\n1 md5 ${strong}\n`,
    bad: `# keys\na 1\n1 md5 ${strong}\n`,
    line: 2,
    message: /write 'auth N'/,
  },
  {
    rule: 'auth names a number',
    good: `  auth 0\n0 md5 ${strong}\n`,
    bad: `auth x\n1 md5 ${strong}\n`,
    line: 1,
    message: /write 'auth N'/,
  },
  {
    rule: 'the active id is at most 15',
    good: `auth 15\n15 md5 ${strong}\n`,
    bad: `auth 16\n15 md5 ${strong}\n`,
    line: 1,
    message: /auth 16: ids of keys go from 0 to 15/,
  },
  {
    rule: 'every id is at most 15',
    good: `auth 1\n1 md5 ${strong}\n0 md5 ${strong}x\n`,
    bad: `auth 1\n1 md5 ${strong}\n16 md5 ${strong}x\n`,
    line: 3,
    message: /16 is not a key ID/,
  },
  {
    rule: 'a key line is N METHOD KEY',
    good: `auth 1\r\n1\tmd5\t${strong}\r\n`,
    bad: `auth 1\n1 md5 ${strong}\nmd5 ${strong}\n`,
    line: 3,
    message: /neither 'auth N' nor 'N METHOD KEY' nor a comment/,
  },
  {
    rule: 'the method is a known one, in small letters',
    good: `auth 1\n1 sha256 ${strong}${strong}\n`,
    bad: `auth 1\n1 MD5 ${strong}\n`,
    line: 2,
    message: /'MD5' is not a method; valid are crc, md5, sha1 and sha256/,
  },
  {
    rule: 'the names of object members are no methods',
    good: `auth 1\n1 sha1 constructor-constructor\n`,
    bad: `auth 1\n1 constructor ${strong}\n`,
    line: 2,
    message: /is not a method/,
  },
  {
    rule: 'md5 needs a key',
    good: `auth 1\n1 md5 ${strong}\n`,
    bad: 'auth 1\n1 md5\n',
    line: 2,
    message: /md5 needs a key: write '1 md5 KEY'/,
  },
  {
    rule: 'sha1 needs a key',
    good: `auth 1\n1 sha1 ${strong}\n`,
    bad: 'auth 1\n1 sha1  \n',
    line: 2,
    message: /sha1 needs a key/,
  },
  {
    rule: 'crc has no key',
    good: 'auth 1\n1 crc\n',
    bad: `auth 1\n1 crc ${strong}\n`,
    line: 2,
    message: /crc uses no key/,
  },
  {
    rule: 'crc has nothing behind it',
    good: 'auth 1\n1 crc \t\n',
    bad: `auth 1\n2 md5 ${strong}\n1 crc # none\n`,
    line: 3,
    message: /crc uses no key; remove what follows it/,
  },
  {
    rule: 'sha256 wants a long key',
    good: `auth 1\n1 sha256 ${strong}${strong}\n`,
    bad: `auth 1\n1 sha256 ${strong}\n`,
    line: 2,
    message: /16 bytes; sha256 wants at least 32/,
  },
]

describe('authkeys', () => {
  for (const { rule, good, bad, line, message } of rules) {
    it(`${rule}: good`, () => {
      const read = parseAuthkeys(good, 'authkeys')
      assert.deepEqual(
        lines(read).filter((text) => text.startsWith('error')),
        [],
      )
      assert.ok(read.plugin)
    })

    it(`${rule}: bad`, () => {
      const read = parseAuthkeys(bad, 'authkeys')
      const errors = read.issues.filter(({ severity }) => severity === 'error')
      assert.deepEqual(
        errors.map(({ where }) => where),
        [`authkeys:${line}`],
      )
      assert.match(errors[0]!.message, message)
      assert.equal(read.plugin, undefined)
    })
  }

  it("is read as in Heartbeat's sample file", () => {
    const read = parseAuthkeys('#\n#\tcomment\n\nauth 3\n#1 crc\n2 sha1 HI!\n3 md5 hello!\n', 'authkeys')
    assert.equal(read.plugin?.active, 3)
    assert.deepEqual(keysOf(read), ['2 sha1 HI!', '3 md5 hello!'])
    assert.deepEqual(
      read.issues.map(({ where, severity }) => `${severity} ${where}`),
      ['warning authkeys:6', 'warning authkeys:7'],
    )
  })

  it('needs no line end at the end', () => {
    assert.deepEqual(keysOf(parseAuthkeys(`auth 1\n1 md5 ${strong}`, 'authkeys')), [`1 md5 ${strong}`])
  })

  it('keeps the bytes of a key, and takes one word of it', () => {
    const read = parseAuthkeys(`auth 1\n1 md5 schlüsselwörter\u00a0x rest\n`, 'authkeys')
    assert.deepEqual(keysOf(read), [`1 md5 ${Buffer.from('schlüsselwörter\u00a0x').toString('latin1')}`])
    assert.deepEqual(lines(read), [
      'warning authkeys:2: a key is one word: what follows it is ignored, as Heartbeat does',
    ])
    assert.deepEqual(lines(parseAuthkeys(`auth 1\n1 md5 ${strong} # mine\n`, 'authkeys')), [])
  })

  it('warns of a crc line beside keyed ones, and of crc alone', () => {
    const beside = parseAuthkeys(`auth 3\n1 crc\n3 md5 ${strong}\n`, 'authkeys')
    assert.deepEqual(keysOf(beside), ['1 crc', `3 md5 ${strong}`])
    assert.match(lines(beside).join('\n'), /^warning authkeys:2: crc is not accepted while another method signs.*$/)
    assert.match(lines(parseAuthkeys('auth 1\n1 crc\n', 'a')).join('\n'), /^warning a:2: crc has no key: whoever.*$/)
  })

  it('warns of short keys', () => {
    assert.match(lines(parseAuthkeys('auth 3\n3 md5 hello!\n', 'a')).join('\n'), /^warning a:2: a key of 6 bytes .*$/)
  })

  it('notes that a daemon does not know sha256', () => {
    assert.match(
      lines(parseAuthkeys(`auth 1\n1 sha256 ${strong}${strong}\n`, 'a')).join('\n'),
      /^note a:2: .*sha256.*$/,
    )
  })

  it('reports every problem at once', () => {
    const read = parseAuthkeys(`auth 3\n1 md5\n2 foo ${strong}\n99 md5 x\nnonsense\n`, 'keys')
    const errors = read.issues.filter(({ severity }) => severity === 'error')
    assert.deepEqual(
      errors.map(({ where }) => where),
      ['keys:2', 'keys:3', 'keys:4', 'keys:5', 'keys:1'],
    )
  })

  it('never shows a key, wherever it stands', () => {
    const secret = 'sesame-open-sesame'
    for (const text of [
      secret,
      `auth ${secret}`,
      `a${secret}`,
      `auth 1\n1 ${secret}`,
      `auth 1\n1 ${secret} md5`,
      `auth 1\n1 crc ${secret}`,
      `auth 1\n99 md5 ${secret}`,
      `auth 1\n1 md5 ${secret} ${secret}`,
      `auth 1\n1 sha256 ${secret}`,
      `auth 1\n1 md5 ${secret}\n1 md5 ${secret}`,
    ]) {
      const read = parseAuthkeys(text, 'authkeys')
      assert.ok(read.issues.length > 0, text)
      assert.ok(!JSON.stringify(read.issues).includes(secret), text)
    }
  })

  it('survives any text', () => {
    for (const text of ['', '\n', '\0', '\r', 'a', '1', '#', '0 0 0', '1 md5 \0', '٣ md5 x', '\ufeffauth 1\n1 crc']) {
      assert.equal(parseAuthkeys(text, 'authkeys').plugin, undefined, JSON.stringify(text))
    }
  })
})

describe('the file of authkeys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hot-standby-authkeys-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'authkeys')
  const write = (content: string | Uint8Array, mode: number): Authkeys => {
    writeFileSync(path, content)
    chmodSync(path, mode)
    return readAuthkeys(path)
  }
  const good = `auth 1\n1 md5 ${strong}\n`

  it('is read where only its owner may', () => {
    for (const mode of [0o600, 0o400, 0o700, 0o611]) {
      const read = write(good, mode)
      assert.deepEqual(lines(read), [], mode.toString(8))
      assert.ok(read.plugin)
    }
  })

  it('is refused where group or others may read it', () => {
    for (const mode of [0o640, 0o644, 0o604]) {
      const read = write(good, mode)
      assert.equal(read.plugin, undefined)
      const shown = `0${mode.toString(8)}`
      assert.deepEqual(lines(read), [
        `error ${path}: has mode ${shown}, so that others can read the keys; run chmod 600 ${path}`,
      ])
    }
  })

  it('is refused where others may write it, although Heartbeat reads it: whoever can write it makes the keys', () => {
    for (const mode of [0o622, 0o602]) {
      const read = write(good, mode)
      assert.equal(read.plugin, undefined)
      assert.match(
        lines(read).join('\n'),
        /^error .* has mode 06[02]2, so that everybody could change it; run chmod go-w/,
      )
    }
  })

  it('has its lines in the issues', () => {
    assert.match(lines(write('auth 1\n1 md5\n', 0o600)).join('\n'), /authkeys:2: md5 needs a key/)
  })

  it('may hold keys that are no UTF-8', () => {
    const read = write(Buffer.from('auth 1\n1 sha1 \xff\xfe-0123456789abcd\n', 'latin1'), 0o600)
    assert.deepEqual(keysOf(read), ['1 sha1 \xff\xfe-0123456789abcd'])
  })

  it('may be a symbolic link to a file that passes', () => {
    write(good, 0o600)
    const link = join(folder, 'link')
    symlinkSync(path, link)
    assert.ok(readAuthkeys(link).plugin)
    chmodSync(path, 0o644)
    assert.equal(readAuthkeys(link).plugin, undefined)
  })

  it('is an issue when it is absent, a directory or huge', () => {
    assert.match(lines(readAuthkeys(join(folder, 'absent'))).join('\n'), /^error .*absent: cannot be opened: ENOENT/)
    const directory = join(folder, 'directory')
    mkdirSync(directory, { mode: 0o700 })
    assert.match(lines(readAuthkeys(directory)).join('\n'), /^error .*directory: is not a regular file/)
    assert.match(lines(write('#'.repeat(70_000), 0o600)).join('\n'), /^error .*has 70000 bytes/)
  })
})
