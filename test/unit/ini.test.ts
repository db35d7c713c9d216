import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Ini, parseIni } from '../../src/config/ini.ts'
import { iniSections, resourceTypes, type ValueKind } from '../../src/config/ini-schema.ts'
import type { FindScript } from '../../src/config/resource-words.ts'

const find: FindScript = (name) => (name === 'httpd' ? { path: '/etc/init.d/httpd', executable: true } : undefined)

const parse = (text: string, openMode?: string): Ini => parseIni(text, 'hot-standby.ini', { find, openMode })
const problems = ({ issues }: Ini): string[] => issues.map(({ where, message }) => `${where}: ${message}`)

const whole = `; the tutorial's pair
name = web-pair
nodes = master, slave
node = master
autoFailback = true
onIsolated = continue
deadping = 10s
restartWindow = 90s
holdDown = 2m
stateDirectory = /var/lib/pair

[liveness]
keepalive = 2s
warntime = 10s
deadtime = 30s
initdead = 60s

[authenticator]
method = sha1
keyFile = /etc/ha.d/key
id = 3

[transport.eth1]
type = udp-unicast
addresses.master = 192.168.2.105
addresses.slave = 192.168.2.106
device = eth1

[transport.eth2]
type = udp-multicast
group = 239.0.0.43
device = eth2
port = 7000
ttl = 2
loop = false

[arbiter.gateway]
type = icmp-ping
address = 192.168.1.1

[arbiter.uplink]
type = ping-group
addresses[] = 192.168.1.2
addresses[] = 192.168.1.3
deadping = 5s

[group.192.168.1.106]
preferred = Master
resources[] = 192.168.1.106/24/eth0
resources[] = web server

[resource.web server]
type = nginx
mode = hot
config = "/etc/nginx/pair;1.conf"
url = http://127.0.0.1/

[group.batch]
preferred = slave
resources = httpd

[respawn.watcher]
user = nobody
command = /usr/bin/watcher
args[] = --list
args[] = "a, b"

[recorder]
memoryBytes = 1048576
file = /var/log/pair.recording

[logging]
file = /var/log/pair
facility = local0
debug = 1
`

/** The smallest file that is right, 11 lines. */
const small = `name = p
nodes = a b
[authenticator]
method = md5
keyFile = /k
[transport.eth1]
type = udp-broadcast
device = eth1
[group.g]
preferred = a
resources = httpd`

describe('hot-standby.ini', () => {
  it('gives the options of the same names', () => {
    const { options, logging, words, issues } = parse(whole)
    assert.deepEqual(issues, [])
    const { transports, authenticator, liveness, arbiters, groups, ...plain } = options!
    assert.deepEqual(plain, {
      name: 'web-pair',
      nodes: ['master', 'slave'],
      node: 'master',
      autoFailback: true,
      onIsolated: 'continue',
      deadping: '10s',
      restartWindow: '90s',
      holdDown: '2m',
      stateDirectory: '/var/lib/pair',
      respawn: [{ user: 'nobody', command: '/usr/bin/watcher', args: ['--list', 'a, b'] }],
      recorder: { memoryBytes: 1_048_576, file: '/var/log/pair.recording' },
    })
    assert.deepEqual(liveness!.times, { keepaliveMs: 2000, warntimeMs: 10_000, deadtimeMs: 30_000, initdeadMs: 60_000 })
    assert.deepEqual(
      transports.map(({ type, link, device }) => [type, link, device]),
      [
        ['udp-unicast', 'eth1', 'eth1'],
        ['udp-multicast', 'eth2', 'eth2'],
      ],
    )
    assert.equal(transports[0]!.remoteAddress!('master', 'slave'), '192.168.2.106')
    assert.deepEqual(
      arbiters!.map(({ type, target, addresses, deadpingMs }) => [type, target, addresses, deadpingMs]),
      [
        ['icmp-ping', 'gateway', ['192.168.1.1'], undefined],
        ['ping-group', 'uplink', ['192.168.1.2', '192.168.1.3'], 5000],
      ],
    )
    assert.equal(authenticator.active, 3)
    assert.deepEqual(
      authenticator.keys.map(({ id, method, keyFile }) => [id, method, keyFile]),
      [[3, 'sha1', '/etc/ha.d/key']],
    )
    assert.deepEqual(
      groups.map(({ name, preferred, resources }) => [name, preferred, ...resources.map((resource) => resource.name)]),
      [
        ['192.168.1.106', 'master', 'vip:192.168.1.106/24', 'nginx:/etc/nginx/pair;1.conf'],
        ['batch', 'slave', 'script:httpd'],
      ],
    )
    assert.deepEqual({ ...logging }, { file: '/var/log/pair', debugFile: undefined, facility: 'local0', debug: 1 })
    assert.deepEqual(
      words.map(({ where, became }) => `${where}: ${became}`),
      [
        'hot-standby.ini:49: vip 192.168.1.106/24 on eth0',
        'hot-standby.ini:50: nginx:/etc/nginx/pair;1.conf, as section [resource.web server] says',
        'hot-standby.ini:60: script /etc/init.d/httpd (judged by the words of its status, then by its exit code)',
      ],
    )
  })

  it('makes resources of every type', () => {
    const cases: readonly (readonly [section: string, name: string])[] = [
      ['type = vip\naddress = 10.0.0.9/24, fd00::9/64\ndevice = eth0', 'vip:10.0.0.9/24,fd00::9/64'],
      ['type = nginx\nmode = cold', 'nginx'],
      ['type = route\ndestination = default\nvia = 192.0.2.1\nmetric = 5', 'route:0.0.0.0/0 metric 5'],
      ['type = check\ntcp = 127.0.0.1:5432\nfall = 2\nstandby = false', 'check:r'],
      ['type = hook\nstart = /bin/echo, it starts\nrequired = false', 'hook:r'],
      ['type = script\npath = /etc/init.d/x\ndialect = lsb', 'script:x'],
      ['type = systemd\nunit = app@1\nmode = hot\nreload = true', 'systemd:app@1.service'],
      [
        'type = ocf\nagent = ocf:heartbeat:IPaddr2\nparameters.ip = 10.0.0.9\ninstance = one',
        'ocf:heartbeat:IPaddr2:one',
      ],
      ['type = drbd\nresource = r0', 'drbd:r0'],
      ['type = fs\ndevice = UUID=1-2\ndirectory = /data\nfsType = ext4\nkillAfter = 2s', 'fs:/data'],
    ]
    assert.deepEqual(
      cases.map(([section]) => /^type = (.*)/.exec(section)?.[1]),
      Object.keys(resourceTypes),
    )
    for (const [section, name] of cases) {
      const { options, issues } = parse(small.replace('httpd', `r\n[resource.r]\n${section}`))
      assert.deepEqual(issues, [])
      assert.deepEqual(
        options?.groups[0]?.resources.map((resource) => resource.name),
        [name],
      )
    }
  })

  it('leaves to the cluster what is not written', () => {
    const { options, issues } = parse(small)
    assert.deepEqual(issues, [])
    assert.equal(options!.autoFailback, undefined)
    assert.equal(options!.deadping, undefined)
    assert.equal(options!.liveness, undefined)
  })

  it('makes the lease and the guard', () => {
    const text = whole.replace(
      '[liveness]',
      'requireGuarantee = G3\n\n[lease]\ntype = etcd\nendpoints[] = http://10.0.0.5:2379\nttl = 5s\n\n[guard]\ntype = nft\n\n[liveness]',
    )
    const parsed = parse(text)
    assert.deepEqual(problems(parsed), problems(parse(whole)))
    assert.equal(parsed.options?.requireGuarantee, 'G3')
    assert.equal(parsed.options?.lease?.store.description, 'etcd at 10.0.0.5:2379')
    assert.equal(parsed.options?.lease?.ttl, '5s')
    assert.equal(parsed.options?.guard?.type, 'nft')
    const wrong = parse(text.replace('type = nft', 'type = iptables').replace('http://10.0.0.5:2379', '10.0.0.5'))
    assert.match(problems(wrong).join('\n'), /hot-standby\.ini:\d+: type 'iptables' is unknown; valid are nft/)
    assert.match(problems(wrong).join('\n'), /hot-standby\.ini:\d+: .*'10\.0\.0\.5' is not an address of etcd/)
    assert.match(problems(parse(text.replace('[guard]', '[guard.x]'))).join('\n'), /section \[guard\.x\] takes no name/)
  })

  it('reads a ring of keys', () => {
    const ring = small.replace(
      'method = md5\nkeyFile = /k',
      'active = 2\n[authenticator.1]\nmethod = md5\nkey = old\n[authenticator.2]\nmethod = sha1\nkey = "n#w"',
    )
    const { options, issues } = parse(ring)
    assert.deepEqual(issues, [])
    assert.equal(options!.authenticator.active, 2)
    assert.deepEqual(
      options!.authenticator.keys.map(({ id, method, key }) => [id, method, key]),
      [
        [1, 'md5', 'old'],
        [2, 'sha1', 'n#w'],
      ],
    )
  })

  it('refuses a key in a file that others may read', () => {
    const text = small.replace('keyFile = /k', 'key = hello')
    assert.deepEqual(problems(parse(text)), [])
    assert.deepEqual(problems(parse(text, '0644')), [
      'hot-standby.ini:5: key stands in a file of mode 0644, which others may read; run chmod 600 hot-standby.ini, or name a keyFile instead',
    ])
    assert.deepEqual(problems(parse(small, '0644')), [])
  })

  const bad: readonly (readonly [
    what: string,
    replace: string | RegExp,
    by: string,
    line: number | null,
    says: RegExp,
  ])[] = [
    ['an unknown key', 'name = p', 'name = p\nnods = a b', 2, /unknown key 'nods'; did you mean 'nodes'\?/],
    ['an unknown section', '[group.g]', '[gruop.g]', 9, /unknown section 'gruop'; did you mean 'group'\?/],
    ['a section without its name', '[group.g]', '[group]', 9, /section \[group\] needs a name: \[group\.NAME\]/],
    [
      'a section twice',
      '[group.g]',
      '[transport.eth1]\n[group.g]',
      9,
      /section \[transport\.eth1\] is already in line 6/,
    ],
    ['a key twice', 'preferred = a', 'preferred = a\npreferred = b', 11, /preferred is already in line 10/],
    ['a line that is neither', 'preferred = a', 'preferred = a\npreferred', 11, /'preferred' is neither 'key = value'/],
    ['a key without value', 'preferred = a', 'preferred =', 10, /preferred has no value/],
    ['a value cut by a comment sign', '/k', '/k#1', 5, /keyFile holds ';' or '#'/],
    ['a missing key', 'preferred = a\n', '', 9, /preferred is missing; write 'preferred = …'/],
    ['a missing name', 'name = p\n', '', null, /name is missing/],
    ['three nodes', 'a b', 'a b c', 2, /exactly two different nodes, found 'a' 'b' 'c'/],
    ['one node twice', 'a b', 'a A', 2, /exactly two different nodes, found 'a' 'a'/],
    ['an unknown own node', 'nodes = a b', 'nodes = a b\nnode = c', 3, /node: 'c' is neither a nor b/],
    ['an unknown preferred node', 'preferred = a', 'preferred = c', 10, /preferred: 'c' is neither a nor b/],
    [
      'a bare number for a time',
      'nodes = a b',
      'nodes = a b\nholdDown = 2',
      3,
      /holdDown: '2' is not a length of time; write '2s' or '2ms'/,
    ],
    [
      'a wrong truth',
      'nodes = a b',
      'nodes = a b\nautoFailback = yes',
      3,
      /autoFailback: 'yes' is neither true nor false/,
    ],
    [
      'a wrong word',
      'nodes = a b',
      'nodes = a b\nonIsolated = wait',
      3,
      /onIsolated: must be one of stop, continue, got 'wait'/,
    ],
    ['a list for one value', 'nodes = a b', 'nodes = a b\nholdDown[] = 2s', 3, /holdDown: takes one value/],
    [
      'times that do not fit',
      '[group.g]',
      '[liveness]\ndeadtime = 1s\nkeepalive = 1s\n[group.g]',
      10,
      /deadtime: 1000 ms is not more than 2 × keepalive/,
    ],
    [
      'an unknown transport',
      'udp-broadcast',
      'udp',
      7,
      /type 'udp' is unknown; valid are udp-unicast, udp-broadcast, udp-multicast/,
    ],
    ['a transport without type', 'type = udp-broadcast\n', '', 6, /type is missing; valid are udp-unicast/],
    [
      'a wrong transport option',
      'device = eth1',
      'device = a/b',
      8,
      /device: 'a\/b' is not a valid name for a network device/,
    ],
    ['a key of another type', 'device = eth1', 'device = eth1\nttl = 1', 9, /unknown key 'ttl'/],
    [
      'a missing address',
      'udp-broadcast',
      'udp-unicast\naddresses.a = 10.0.0.1',
      6,
      /the address of node 'b' is missing/,
    ],
    [
      'a wrong address',
      'udp-broadcast',
      'udp-unicast\naddresses.a = 10.0.0.1\naddresses.b = ten',
      9,
      /'ten' is not an IP address/,
    ],
    ['addresses without node', 'udp-broadcast', 'udp-broadcast\naddresses = 10.0.0.1', 8, /unknown key 'addresses'/],
    [
      'a wrong arbiter address',
      '[group.g]',
      '[arbiter.r]\ntype = icmp-ping\naddress = router\n[group.g]',
      11,
      /address: 'router' is not an IP address/,
    ],
    ['no transport', /\[transport[^[]*/, '', null, /no link to the peer is named/],
    ['no group', /\[group[\s\S]*/, '', null, /no group is declared/],
    ['no authenticator', /\[auth[^[]*/, '', null, /section \[authenticator\] is missing/],
    ['a wrong method', 'md5', 'rot13', 4, /method: must be one of crc, md5, sha1, sha256, sealed, got 'rot13'/],
    ['a key for crc', 'md5', 'crc', 5, /keyFile: crc uses no key/],
    ['a key and its file', 'keyFile = /k', 'keyFile = /k\nkey = x', null, /key/],
    ['a wrong key id', 'keyFile = /k', 'keyFile = /k\nid = 16', 6, /16 is not a key ID/],
    [
      'an active key that is missing',
      /method = md5\nkeyFile = \/k/,
      'active = 7\n[authenticator.1]\nmethod = crc',
      4,
      /active: there is no section \[authenticator\.7\]/,
    ],
    [
      'a key id that is none',
      /method = md5\nkeyFile = \/k/,
      'active = 1\n[authenticator.1]\nmethod = crc\n[authenticator.x]\nmethod = crc',
      7,
      /'x' is not a key ID/,
    ],
    ['an unknown resource', 'httpd', 'ngix', 11, /there is no resource 'ngix'/],
    [
      'a resource in two groups',
      'resources = httpd',
      'resources = httpd\n[group.h]\npreferred = b\nresources = httpd',
      14,
      /script:httpd is in group 'g' already/,
    ],
    ['a wrong group name', '[group.g]', '[group.g h]', 9, /'g h' is not a valid name for a group/],
    [
      'a wrong resource option',
      'httpd',
      'w\n[resource.w]\ntype = nginx\nconfig = nginx.conf',
      14,
      /'nginx\.conf' is not an absolute path/,
    ],
    [
      'a map without member',
      'httpd',
      'w\n[resource.w]\ntype = ocf\nagent = ocf:heartbeat:Dummy\nparameters = x',
      15,
      /unknown key 'parameters'; write 'parameters\.NAME = …'/,
    ],
    ['a relative command', '[group.g]', '[respawn.x]\ncommand = thing\n[group.g]', 10, /'thing' is not a full path/],
    ['a wrong facility', '[group.g]', '[logging]\nfacility = local9\n[group.g]', 10, /must be one of .*, got 'local9'/],
  ]
  for (const [what, replace, by, line, says] of bad) {
    it(`refuses ${what}, with its line`, () => {
      const text = small.replace(replace, by)
      assert.notEqual(text, small)
      const found = parse(text)
      assert.equal(found.options, undefined)
      const places = found.issues.filter(({ message }) => says.test(message)).map(({ where }) => where)
      assert.notEqual(places.length, 0, problems(found).join('\n'))
      if (line !== null) assert.deepEqual(places, [`hot-standby.ini:${line}`])
    })
  }

  it('reports every problem at once, by line', () => {
    const lines = parse('name =\nnods = a\n[transport.x]\ntype = y\n[authenticator]\nmethod = z').issues.map(
      ({ where }) => where,
    )
    assert.deepEqual(lines.slice(0, 4), [
      'hot-standby.ini:1',
      'hot-standby.ini:2',
      'hot-standby.ini:4',
      'hot-standby.ini:6',
    ])
  })

  it('reads CRLF and a byte order mark', () => {
    assert.deepEqual(parse(`\uFEFF${small.replaceAll('\n', '\r\n')}`).issues, [])
  })

  it('never throws, whatever the file holds', () => {
    const line = fc.oneof(
      fc.constantFrom(
        '[',
        '[a]',
        '[group.]',
        '[.]',
        '[__proto__]',
        '__proto__ = 1',
        'constructor = 1',
        '= 1',
        'a[] = 1',
      ),
      fc.constantFrom(...whole.split('\n')),
      fc.string({ maxLength: 12 }),
    )
    const text = fc.array(line, { maxLength: 25 }).map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(text, (content) => Array.isArray(parse(content).issues)),
      { numRuns: 500 },
    )
  })
})

describe('docs/ini.md', () => {
  const form = (kind: ValueKind): string =>
    typeof kind === 'string' ? kind : kind.map((word) => `\`${word}\``).join(', ')

  it('shows every section and key of the schema', () => {
    const page = readFileSync(new URL('../../docs/ini.md', import.meta.url), 'utf8')
    const found = page.split('\n').filter((line) => /^(### |\| `)/.test(line))
    const expected = iniSections.flatMap(({ title, keys }) => [
      `### ${title}`,
      ...Object.entries(keys).map(
        ([key, { kind, required, doc }]) => `| \`${key}\` | ${form(kind)}${required ? ', required' : ''} | ${doc} |`,
      ),
    ])
    assert.deepEqual(found, expected)
  })
})
