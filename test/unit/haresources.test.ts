import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Haresources, parseHaresources } from '../../src/config/haresources.ts'
import type { FindScript, FoundScript, ResourceWord } from '../../src/config/resource-words.ts'

const scripts: Readonly<Record<string, FoundScript>> = {
  Raid1: { path: '/etc/ha.d/resource.d/Raid1', executable: true },
  httpd: { path: '/etc/init.d/httpd', executable: true },
  broken: { path: '/etc/init.d/broken', executable: false },
}
const none: FindScript = (name) => (Object.hasOwn(scripts, name) ? scripts[name] : undefined)

function parse(text: string, find: FindScript = none): Haresources {
  return parseHaresources(text, 'haresources', ['master', 'slave'], find)
}

const problems = ({ issues }: Haresources): string[] => issues.map(({ where, message }) => `${where}: ${message}`)
const shape = ({ groups }: Haresources): string[] =>
  groups.map(({ name, preferred, resources }) =>
    [preferred, name, ...resources.map((resource) => resource.name)].join(' '),
  )

/** What `check` prints of a word. */
const toldOf = ({ where, word, became }: ResourceWord) => ({ where, word, became })

describe('haresources', () => {
  it("what Heartbeat's script of an address could not read is said before a takeover", () => {
    const installed: FindScript = (name) =>
      name.startsWith('IPaddr') ? { path: `/etc/ha.d/resource.d/${name}`, executable: true } : undefined
    const said = (word: string) => parse(`master ${word}`, installed).issues.map(({ message }) => message)
    for (const word of ['10.90.0.100/33/eth0', '010.090.000.100', '10.90.0.100;', 'IPaddr2::10.90.0/24']) {
      assert.equal(said(word).length, 1, word)
      assert.match(said(word)[0] ?? '', /resource\.d\/IPaddr2? will not start it: /)
    }
    for (const word of ['10.90.0.100/24/eth0:0', 'IPaddr2::10.90.0.100/24/eth0/10.90.0.255', '10.90.0.100'])
      assert.deepEqual(said(word), [], word)
  })

  it('lines that are one group keep the key of each: a daemon asks for every line', () => {
    const text = 'master 10.0.0.1 httpd\nmaster 10.0.0.2 httpd\nmaster 10.0.0.1 Raid1::/dev/sda1\nslave 10.0.0.9\n'
    assert.deepEqual(
      parse(text).groups.map(({ key }) => key),
      [['10.0.0.1', '10.0.0.2'], '10.0.0.9'],
    )
  })

  it("reads the tutorial's line, and tells what each word became", () => {
    const found = parse('master 192.168.1.106/24/eth0 nginx\n')
    assert.deepEqual(found.issues, [])
    assert.deepEqual(
      found.groups.map(({ name, preferred }) => [name, preferred]),
      [['192.168.1.106', 'master']],
    )
    const [address, server] = found.groups[0]!.resources
    assert.deepEqual([address!.type, address!.device, address!.addresses], ['vip', 'eth0', ['192.168.1.106']])
    assert.equal(server!.type, 'nginx')
    assert.deepEqual(found.words.map(toldOf), [
      { where: 'haresources:1', word: '192.168.1.106/24/eth0', became: 'vip 192.168.1.106/24 on eth0' },
      {
        where: 'haresources:1',
        word: 'nginx',
        became: 'nginx, cold (started at takeover), configuration of the package',
      },
    ])
  })

  const same: readonly (readonly [what: string, text: string])[] = [
    ['tabs and blanks', '\t master \t 10.0.0.1   httpd  '],
    ['comments', '# all\nmaster 10.0.0.1 httpd # and more\n   # end'],
    ['a node in capitals', 'MASTER 10.0.0.1 httpd'],
    ['CRLF', 'master 10.0.0.1 httpd\r\n'],
    ['a continued line', 'master \\\n  10.0.0.1 \\\n\thttpd'],
    ['a word that goes on in the next line', 'master 10.0.\\\n0.1 ht\\\ntpd'],
    ['the address by its script', 'master IPaddr::10.0.0.1 httpd'],
    ['the address by its other script', 'master IPaddr2::10.0.0.1 httpd'],
  ]
  for (const [what, text] of same) {
    it(`reads ${what}`, () => {
      const found = parse(text)
      assert.deepEqual(found.issues, [])
      assert.deepEqual(shape(found), ['master 10.0.0.1 vip:10.0.0.1 script:httpd'])
    })
  }

  it('makes one group of every line, several per node', () => {
    const found = parse('master 10.0.0.1\nmaster 10.0.0.2/24 httpd\nslave Raid1::/dev/sda1::/data::ext4')
    assert.deepEqual(found.issues, [])
    assert.deepEqual(shape(found), [
      'master 10.0.0.1 vip:10.0.0.1',
      'master 10.0.0.2 vip:10.0.0.2/24 script:httpd',
      'slave Raid1-/dev/sda1-/data-ext4 script:Raid1::/dev/sda1::/data::ext4',
    ])
  })

  it('tells an init script from a resource script, and passes the arguments', () => {
    const { words } = parse('master Raid1::/dev/sda1::/data httpd')
    assert.deepEqual(
      words.map(({ became }) => became),
      [
        'script /etc/ha.d/resource.d/Raid1 /dev/sda1 /data (judged by the words of its status, then by its exit code)',
        'script /etc/init.d/httpd (judged by the words of its status, then by its exit code)',
      ],
    )
  })

  it('warns of a comment in a continued line, which a daemon takes for resources', () => {
    const found = parse('# fine \\\nmaster 10.0.0.1 \\\nhttpd # end\nslave 10.0.0.2 # fine')
    assert.deepEqual(shape(found), ['master 10.0.0.1 vip:10.0.0.1 script:httpd', 'slave 10.0.0.2 vip:10.0.0.2'])
    assert.deepEqual(
      found.issues.map(({ where, severity }) => `${severity} ${where}`),
      ['warning haresources:3'],
    )
    assert.match(problems(found)[0]!, /a daemon takes a comment in a continued line for resources/)
  })

  it("warns of Debian's SendArp behind the script of the same address, and of no other order", () => {
    const debian: FindScript = (name) => ({
      path: `/etc/ha.d/resource.d/${name}`,
      executable: true,
    })
    const warned = (line: string, find: FindScript): string[] =>
      parse(`master ${line}`, find).issues.map(({ severity, message }) => `${severity} ${message}`)
    for (const name of ['IPaddr', 'IPaddr2', 'IPaddr::10.0.0.2 IPaddr'])
      assert.deepEqual(warned(`${name}::10.0.0.1/24/eth0 SendArp::10.0.0.1/eth0`, debian), [
        "warning 'SendArp::10.0.0.1/eth0' says running while the address before it is announced; put it before",
      ])
    assert.deepEqual(warned('SendArp::10.0.0.1/eth0 IPaddr::10.0.0.1/24/eth0', debian), [])
    assert.deepEqual(warned('IPaddr::10.0.0.1/24/eth0 SendArp::10.0.0.10/eth0', debian), [])
    const onlySendArp: FindScript = (name, all) => (name === 'SendArp' ? debian(name, all) : undefined)
    assert.deepEqual(warned('IPaddr::10.0.0.1/24/eth0 SendArp::10.0.0.1/eth0', onlySendArp), [])
  })

  it('ends a group at an empty line behind the backslash, as Heartbeat does', () => {
    assert.deepEqual(shape(parse('\\\nmaster 10.0.0.1 \\\n\nslave 10.0.0.2')), [
      'master 10.0.0.1 vip:10.0.0.1',
      'slave 10.0.0.2 vip:10.0.0.2',
    ])
  })

  it('leaves empty arguments out, as the shell of Heartbeat does', () => {
    const { words } = parse('master Raid1::::/dev/sda1::')
    assert.equal(
      words[0]!.became,
      'script /etc/ha.d/resource.d/Raid1 /dev/sda1 (judged by the words of its status, then by its exit code)',
    )
  })

  const addresses: readonly (readonly [text: string, became: string])[] = [
    ['10.0.0.1', '10.0.0.1 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/', '10.0.0.1 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/24', '10.0.0.1/24 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/24/', '10.0.0.1/24 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/24/eth0', '10.0.0.1/24 on eth0'],
    ['10.0.0.1/24/eth0:2', '10.0.0.1/24 on eth0:2'],
    ['10.0.0.1/24/eth0/10.0.0.255', '10.0.0.1/24 on eth0'],
    ['10.0.0.1/24/10.0.0.255', '10.0.0.1/24 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/24//10.0.0.255', '10.0.0.1/24 on the device whose network holds it, else that of the default route'],
    ['10.0.0.1/255.255.252.0/eth0', '10.0.0.1/22 on eth0'],
    ['10.0.0.1/255.255.255.255', '10.0.0.1/32 on the device whose network holds it, else that of the default route'],
  ]
  for (const [text, became] of addresses) {
    it(`reads ${text} bare and behind its script's name`, () => {
      for (const word of [text, `IPaddr::${text}`, `IPaddr2::${text}`]) {
        const { words, issues } = parse(`# one\nmaster ${word}`)
        assert.deepEqual(issues, [])
        assert.deepEqual(words.map(toldOf), [{ where: 'haresources:2', word, became: `vip ${became}` }])
      }
    })
  }

  it('reads all forms of an address', () => {
    const { words, issues } = parse(
      'master 10.0.0.1/24/eth0:1/10.0.0.255 10.0.0.2/24/10.0.0.255 IPaddr::fd00::10/64/eth1 fd00::11/64 nginx::/x.conf::hot',
    )
    assert.deepEqual(issues, [])
    assert.deepEqual(
      words.map(({ became }) => became),
      [
        'vip 10.0.0.1/24 on eth0:1',
        'vip 10.0.0.2/24 on the device whose network holds it, else that of the default route',
        'vip fd00::10/64 on eth1',
        'vip fd00::11/64 on the device whose network holds it, else that of the default route',
        'nginx, hot (stays up on both nodes), configuration /x.conf',
      ],
    )
  })

  it('reads the stack of a mirrored disk as Heartbeat has it', () => {
    const { words, groups, issues } = parse(
      'master drbddisk::r0 Filesystem::/dev/drbd0::/data::ext4::noatime,nodev Filesystem::-Lmail::/mail::xfs 10.0.0.1',
    )
    assert.deepEqual(issues, [])
    assert.deepEqual(words.map(({ became }) => became).slice(0, 3), [
      'drbd r0, primary on the owner',
      'fs /dev/drbd0 on /data, ext4',
      'fs LABEL=mail on /mail, xfs',
    ])
    assert.deepEqual(
      groups[0]!.resources.map(({ name }) => name),
      ['drbd:r0', 'fs:/data', 'fs:/mail', 'vip:10.0.0.1'],
    )
  })

  it('names the group of an IPv6 address without colons', () => {
    assert.deepEqual(
      parse('master fd00::10/64').groups.map(({ name }) => name),
      ['fd00-10'],
    )
  })

  it('lets a resource script of the same name replace a built-in agent', () => {
    const asked: [string, boolean][] = []
    const find: FindScript = (name, all) => {
      asked.push([name, all])
      return { path: `/etc/ha.d/resource.d/${name}`, executable: true }
    }
    const found = parse('master 10.0.0.1/24/eth0 nginx httpd', find)
    assert.deepEqual(
      found.groups[0]!.resources.map(({ name }) => name),
      ['script:IPaddr::10.0.0.1/24/eth0', 'script:nginx', 'script:httpd'],
    )
    assert.equal(found.groups[0]!.name, '10.0.0.1')
    assert.deepEqual(asked, [
      ['IPaddr', false],
      ['nginx', false],
      ['httpd', true],
    ])
  })

  it('keeps the built-in agent where the script of that name may not be executed, and says so', () => {
    const find: FindScript = () => ({ path: '/etc/ha.d/resource.d/nginx', executable: false })
    const found = parse('master nginx', find)
    assert.deepEqual(shape(found), ['master nginx nginx'])
    assert.deepEqual(problems(found), [
      'haresources:1: /etc/ha.d/resource.d/nginx is not executable; run chmod 755 /etc/ha.d/resource.d/nginx if it is meant',
    ])
  })

  const bad: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    [
      'an unknown node',
      '\nmastr 10.0.0.1',
      /^haresources:2: 'mastr' begins the line but is not a node of ha\.cf; did you mean 'master'\?$/,
    ],
    ['a file without a group', '# nobody', /^haresources: no group is declared/],
    [
      'an unknown resource',
      'master 10.0.0.1 \\\n ngix',
      /^haresources:2: there is no resource 'ngix': .*; did you mean 'nginx'\?$/,
    ],
    ['a script that may not be executed', 'master broken', /^haresources:1: \/etc\/init\.d\/broken is not executable/],
    [
      'a group named twice',
      'master 10.0.0.1\nslave IPaddr::10.0.0.1/24',
      /^haresources:2: the first resource names its group and must be unique; line 1 has '10\.0\.0\.1' too$/,
    ],
    [
      'a resource in two groups',
      'master 10.0.0.1 nginx\nslave 10.0.0.2 nginx',
      /^haresources:2: 'nginx' is already in line 1/,
    ],
    ['a bad address', 'master 10.0.0.1/33/eth0', /^haresources:1: .*33/],
    ['a netmask with holes', 'master 10.0.0.1/255.0.255.0/eth0', /^haresources:1: .*no usable prefix length/],
    ['a netmask of IPv6', 'master fd00::1/255.255.255.0', /^haresources:1: .*no usable prefix length/],
    ['a device where the prefix belongs', 'master 10.0.0.1//eth0', /^haresources:1: '10\.0\.0\.1\/eth0' has no usable/],
    [
      'an address with too many parts',
      'master 10.0.0.1/24/eth0/10.0.0.255/x',
      /^haresources:1: .*has too many parts; write ADDRESS/,
    ],
    ['a broadcast that is none', 'master 10.0.0.1/24/eth0/all', /^haresources:1: .*'all' is no IPv4 broadcast address/],
    [
      'a group whose nodes differ named twice',
      'master 10.0.0.1\n\n# x\nSLAVE 10.0.0.2\nSlave 10.0.0.1/24/eth0',
      /^haresources:5: the first resource names its group and must be unique; line 1 has '10\.0\.0\.1' too$/,
    ],
    ['an address script without address', 'master IPaddr', /^haresources:1: the address is missing/],
    ['a path as a script', 'master ../../bin/sh', /^haresources:1: '\.\.\/\.\.\/bin\/sh' is not a resource/],
    ['a mount without its directory', 'master Filesystem::/dev/sda1', /^haresources:1: write 'Filesystem::DEVICE::/],
    [
      'a mount on a relative path',
      'master Filesystem::/dev/sda1::data::ext4',
      /^haresources:1: .*not an absolute path/,
    ],
    ['two mirrored disks in one word', 'master drbddisk::r0::r1', /^haresources:1: write 'drbddisk::RESOURCE'/],
    ['a relative configuration', 'master nginx::nginx.conf', /^haresources:1: .*'nginx\.conf'/],
    [
      'two configurations',
      'master nginx::/a::/b',
      /^haresources:1: must be 'nginx\[::CONF\]\[::hot\]', got the configurations '\/a' and '\/b'/,
    ],
    [
      'a comment behind the backslash',
      'master 10.0.0.1 \\ # more\nhttpd',
      /^haresources:1: blanks or a comment follow the backslash/,
    ],
    ['a backslash at the end', 'master 10.0.0.1 \\', /^haresources:1: the last line ends with a backslash/],
    ['an empty file', '# nothing\n', /^haresources: no group is declared/],
  ]
  for (const [what, text, says] of bad) {
    it(`refuses ${what}`, () => {
      const found = problems(parse(text))
      assert.equal(found.length, 1, found.join('\n'))
      assert.match(found[0]!, says)
    })
  }

  it('reports every problem at once', () => {
    assert.deepEqual(
      problems(parse('nobody 10.0.0.1\nmaster nothing nowhere')).map((message) => message.slice(0, 14)),
      ['haresources:1:', 'haresources:2:', 'haresources:2:'],
    )
  })

  it('never throws and never hangs, whatever the file holds', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'master',
        '10.0.0.1',
        'IPaddr::',
        '::',
        '\\',
        '\\\n',
        '\n',
        '#',
        'nginx::',
        'constructor',
        '__proto__',
      ),
      fc.string({ maxLength: 10 }),
    )
    const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(text, (content) => Array.isArray(parse(content).issues)),
      { numRuns: 500 },
    )
    for (const long of ['1.'.repeat(50_000), ':'.repeat(100_000), '\\ '.repeat(50_000), '1/'.repeat(50_000)]) {
      assert.notEqual(parse(`master ${long}`).issues.length, 0)
    }
  })
})
