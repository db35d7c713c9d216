import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type HaCf, parseHaCf } from '../../src/config/ha-cf.ts'
import { directives } from '../../src/config/ha-cf-directives.ts'
import type { Issue } from '../../src/roles/error.ts'

/** A file that is right and says as little as possible: three lines, so that an example stands in line 4. */
const base = 'auto_failback on\nnode master slave\nbcast eth0\n'

/** One good and one bad file for a directive. */
interface Example {
  /** Appended to `before`. */
  readonly good: string
  /** What the good one leads to; for an ignored directive the remark is checked instead. */
  readonly leadsTo?: (found: HaCf) => void
  readonly bad: string
  /** Line of the bad one's only error. */
  readonly badLine?: number
  readonly says: RegExp
  /** @defaultValue {@link base} */
  readonly before?: string
}

const time = (name: string, field: (found: HaCf) => number): Example => ({
  good: `${name} 40.5`,
  leadsTo: (found) => assert.equal(field(found), 40_500),
  bad: `${name} 40s`,
  says: /'40s' is not a time: write seconds/,
})
const ignoredBool = (name: string): Example => ({
  good: `${name} Yes`,
  bad: `${name} maybe`,
  says: /'maybe' is neither on nor off/,
})
const switchedOff = (name: string): Example => ({
  good: `${name} off`,
  bad: `${name} yes`,
  says: new RegExp(`^${name} is refused: `),
})
const refusedAlways = (line: string): Example => ({
  good: `# ${line}`,
  bad: line,
  says: /is refused: /,
})
const link = (found: HaCf): string => found.transports.map(({ type, link: name }) => `${type} ${name}`).join(', ')
const targets = (found: HaCf): string =>
  found.arbiters.map(({ target, addresses }) => `${target} ${addresses.join(' ')}`).join(', ')

const examples: Readonly<Record<string, Example>> = {
  node: {
    before: 'bcast eth0\nauto_failback on\n',
    good: 'node Master, SLAVE',
    leadsTo: ({ nodes }) => assert.deepEqual(nodes, ['master', 'slave']),
    bad: 'node a b\nnode c',
    badLine: 4,
    says: /node c is one too many \(a and b are there\)/,
  },
  cluster: {
    good: 'cluster web',
    leadsTo: ({ name }) => assert.equal(name, 'web'),
    bad: 'cluster two/words',
    says: /^cluster: 'two\/words' is not a valid name for a node/,
  },
  keepalive: {
    good: 'keepalive 1500000us',
    leadsTo: ({ times }) => assert.equal(times.keepaliveMs, 1500),
    bad: 'keepalive soon',
    says: /^keepalive: 'soon' is not a time: .*; right is 'keepalive TIME'/,
  },
  deadtime: {
    ...time('deadtime', ({ times }) => times.deadtimeMs),
    bad: 'deadtime 2',
    says: /^deadtime: 2000 ms is not more than 2 × keepalive/,
  },
  warntime: { ...time('warntime', ({ times }) => times.warntimeMs), before: `deadtime 60\n${base}`, badLine: 5 },
  initdead: {
    ...time('initdead', ({ times }) => times.initdeadMs),
    bad: 'initdead 29',
    says: /^initdead: 29000 ms is less than deadtime/,
  },
  deadping: {
    ...time('deadping', ({ deadpingMs }) => deadpingMs),
    bad: 'deadping 2',
    says: /^deadping: 2000 ms is not more than 2 × keepalive/,
  },
  udpport: {
    before: 'auto_failback on\nnode a b\n',
    good: 'udpport 7000\nmcast eth1 239.0.0.1 694 1 0\nucast eth0 10.0.0.1',
    leadsTo: (found) => assert.equal(link(found), 'udp-multicast eth1, udp-unicast eth0'),
    bad: 'bcast eth0\nudpport 65536',
    badLine: 4,
    says: /^udpport: '65536' is not a whole number from 1 to 65535/,
  },
  bcast: {
    good: 'bcast eth1 eth2',
    leadsTo: (found) => assert.equal(link(found), 'udp-broadcast eth0, udp-broadcast eth1, udp-broadcast eth2'),
    bad: 'bcast a/b',
    says: /^bcast: 'a\/b' is not a valid name for a network device/,
  },
  udp: {
    good: 'udp eth1',
    leadsTo: (found) => assert.equal(link(found), 'udp-broadcast eth0, udp-broadcast eth1'),
    bad: 'udp a-name-longer-than-linux-has',
    says: /is not a valid name for a network device/,
  },
  ucast: {
    good: 'ucast eth1 192.168.2.106',
    leadsTo: (found) => {
      assert.equal(link(found), 'udp-broadcast eth0, udp-unicast eth1')
      assert.equal(found.transports[1]!.remoteAddress!('master', 'slave'), '192.168.2.106')
    },
    bad: 'ucast eth1 slave',
    says: /'slave' is no IPv4 address, and no name that .etc.hosts has .*; right is 'ucast DEVICE ADDRESS'/,
  },
  ucast6: {
    good: 'ucast6 eth1 FE80::1',
    leadsTo: ({ transports }) => assert.equal(transports[1]!.remoteAddress!('master', 'slave'), 'fe80::1%eth1'),
    bad: 'ucast6 eth1 192.168.2.106',
    says: /'192\.168\.2\.106' is no IPv6 address/,
  },
  mcast: {
    good: 'mcast eth0 239.0.0.1 694 1 0',
    leadsTo: (found) => assert.equal(link(found), 'udp-broadcast eth0, udp-multicast eth0-mcast'),
    bad: 'mcast eth1 239.0.0.1 694 5 0',
    says: /'5' is not a whole number from 0 to 4/,
  },
  mcast6: {
    good: 'mcast6 eth1 ff12::1:2:3:4 694 1 0',
    leadsTo: (found) => assert.equal(link(found), 'udp-broadcast eth0, udp-multicast eth1'),
    bad: 'mcast6 eth1 fd00::1 694 1 0',
    says: /'fd00::1' is not a group address/,
  },
  serial: {
    good: 'serial /dev/ttyS0 /dev/ttyUSB0 # Linux',
    leadsTo: (found) => {
      assert.equal(link(found), 'udp-broadcast eth0, serial /dev/ttyS0, serial /dev/ttyUSB0')
      assert.deepEqual(
        found.transports.map(({ bitsPerSecond }) => bitsPerSecond),
        [undefined, 19_200, 19_200],
      )
    },
    bad: 'serial ttyS0',
    says: /^serial: 'ttyS0' is not a full path; it must begin with \/; right is 'serial TTY …'/,
  },
  baud: {
    good: 'baud 115200\nserial /dev/ttyS0',
    leadsTo: (found) => assert.equal(found.transports[1]!.bitsPerSecond, 115_200),
    bad: 'baud 12345',
    says: /must be one of 9600, 19200, .*, 460800, got '12345'/,
  },
  ping: {
    good: 'ping 10.0.0.1 10.0.0.2',
    leadsTo: (found) => assert.equal(targets(found), '10.0.0.1 10.0.0.1, 10.0.0.2 10.0.0.2'),
    bad: 'ping 10.0.0.256',
    says: /'10\.0\.0\.256' is no IPv4 address/,
  },
  ping6: {
    good: 'ping6 fd00::1',
    leadsTo: (found) => assert.equal(targets(found), 'fd00::1 fd00::1'),
    bad: 'ping6 gateway',
    says: /'gateway' is no IPv6 address/,
  },
  ping_group: {
    good: 'ping_group routers 10.0.0.1 10.0.0.2',
    leadsTo: (found) => assert.equal(targets(found), 'routers 10.0.0.1 10.0.0.2'),
    bad: 'ping_group routers',
    says: /must have 2 to 64 values, got 'routers'; right is 'ping_group NAME ADDRESS …'/,
  },
  hbaping: refusedAlways('hbaping qlogic-0'),
  auto_failback: {
    before: 'node a b\nbcast eth0\n',
    good: 'auto_failback OFF',
    leadsTo: ({ autoFailback }) => assert.equal(autoFailback, false),
    bad: 'auto_failback sometimes',
    badLine: 3,
    says: /must be on, off or legacy, got 'sometimes'/,
  },
  nice_failback: {
    before: 'node a b\nbcast eth0\n',
    good: 'nice_failback on',
    leadsTo: ({ autoFailback }) => assert.equal(autoFailback, false),
    bad: 'nice_failback legacy',
    badLine: 3,
    says: /'legacy' is neither on nor off/,
  },
  respawn: {
    good: 'respawn hacluster /usr/bin/thing --list a,b # kept alive',
    leadsTo: ({ respawn }) =>
      assert.deepEqual(respawn, [{ user: 'hacluster', command: '/usr/bin/thing', args: ['--list', 'a,b'], env: {} }]),
    bad: 'respawn hacluster thing',
    says: /'thing' is not a full path/,
  },
  logfile: {
    good: 'logfile /var/log/ha-log',
    leadsTo: ({ logging }) => assert.deepEqual({ ...logging }, { ...silent, file: '/var/log/ha-log' }),
    bad: 'logfile ha-log',
    says: /'ha-log' is not a full path/,
  },
  debugfile: {
    good: 'debugfile /var/log/ha-debug',
    leadsTo: ({ logging }) => assert.deepEqual({ ...logging }, { ...silent, debugFile: '/var/log/ha-debug' }),
    bad: 'debugfile var/log',
    says: /'var\/log' is not a full path/,
  },
  logfacility: {
    good: 'logfacility security',
    leadsTo: ({ logging }) => assert.deepEqual({ ...logging }, { ...silent, facility: 'auth' }),
    bad: 'logfacility local8',
    says: /must be one of auth, .*local7, security, none, got 'local8'/,
  },
  debug: {
    good: 'debug 255',
    leadsTo: ({ logging }) => assert.equal(logging.debug, 255),
    bad: 'debug 256',
    says: /'256' is not a whole number from 0 to 255/,
  },
  use_logd: ignoredBool('use_logd'),
  conn_logd_time: { good: 'conn_logd_time 60', bad: 'conn_logd_time 0', says: /'0' is 0 ms/ },
  log_badpack: ignoredBool('log_badpack'),
  syslogmsgfmt: ignoredBool('syslogmsgfmt'),
  stonith: refusedAlways('stonith baytech /etc/ha.d/conf/stonith.baytech'),
  stonith_host: refusedAlways('stonith_host * baytech 10.0.0.3 login secret'),
  watchdog: refusedAlways('watchdog /dev/watchdog'),
  failfast: refusedAlways('failfast root /usr/bin/thing'),
  use_apphbd: switchedOff('use_apphbd'),
  crm: switchedOff('crm'),
  pacemaker: { ...switchedOff('pacemaker'), bad: 'pacemaker respawn' },
  autojoin: { good: 'autojoin None', bad: 'autojoin any', says: /^autojoin is refused: / },
  crm_daemon_dir: { good: 'crm_daemon_dir /usr/lib', bad: 'crm_daemon_dir lib', says: /'lib' is not a full path/ },
  crmd_spawns_pengine: ignoredBool('crmd_spawns_pengine'),
  record_config_changes: ignoredBool('record_config_changes'),
  record_pengine_inputs: ignoredBool('record_pengine_inputs'),
  enable_config_writes: ignoredBool('enable_config_writes'),
  quorum_server: { good: 'quorum_server q', bad: 'quorum_server q\nkeepalive x', badLine: 5, says: /^keepalive/ },
  apiauth: {
    good: 'apiauth ipfail gid=haclient uid=hacluster,root',
    bad: 'apiauth ipfail hacluster',
    says: /must be followed by 'uid=LIST' or 'gid=LIST', got 'hacluster'/,
  },
  env: {
    good: 'env logpriority=debug, OTHER=x=y\nrespawn root /bin/thing',
    leadsTo: (found) => {
      const env = { HA_logpriority: 'debug', HA_OTHER: 'x=y' }
      assert.deepEqual([found.env, found.respawn[0]!.env], [env, env])
    },
    bad: 'env logpriority',
    says: /must be 'NAME=VALUE', got 'logpriority'/,
  },
  realtime: ignoredBool('realtime'),
  rtprio: { good: 'rtprio 5', bad: 'rtprio 100', says: /'100' is not a whole number from 1 to 99/ },
  memreserve: { good: 'memreserve 6500', bad: 'memreserve 0', says: /'0' is not a whole number from 1/ },
  coredumps: ignoredBool('coredumps'),
  coreroot: { good: 'coreroot /var/cores', bad: 'coreroot cores', says: /'cores' is not a full path/ },
  msgfmt: { good: 'msgfmt netstring', bad: 'msgfmt xml', says: /must be one of classic, netstring, got '/ },
  compression: { good: 'compression bz2', bad: 'compression lz4', says: /must be one of zlib, bz2, got '/ },
  compression_threshold: {
    good: 'compression_threshold 2',
    bad: 'compression_threshold 0',
    says: /'0' is not a whole number from 1/,
  },
  traditional_compression: ignoredBool('traditional_compression'),
  max_rexmit_delay: { good: 'max_rexmit_delay 250', bad: 'max_rexmit_delay 250ms', says: /'250ms' is not a whole/ },
  hbgenmethod: {
    good: 'hbgenmethod time',
    leadsTo: (found) => assert.equal(found.generationFrom, 'time'),
    bad: 'hbgenmethod clock',
    says: /must be one of file, time, got '/,
  },
  uuidfrom: {
    good: 'uuidfrom nodename',
    leadsTo: (found) => assert.equal(found.uuidFrom, 'nodename'),
    bad: 'uuidfrom dns',
    says: /must be one of file, nodename, got '/,
  },
  hopfudge: { good: 'hopfudge 1', bad: 'hopfudge -1', says: /'-1' is not a whole number/ },
  normalpoll: ignoredBool('normalpoll'),
}

const silent = { file: undefined, debugFile: undefined, facility: undefined, debug: 0 }
const errors = (issues: readonly Issue[]): readonly Issue[] => issues.filter(({ severity }) => severity === 'error')
const parse = (text: string): HaCf => parseHaCf(text, 'ha.cf')

describe('every directive of ha.cf', () => {
  it('has an example, and no example is left over', () => {
    assert.deepEqual(Object.keys(examples).sort(), directives.map(({ name }) => name).sort())
  })

  for (const { name, fate } of directives) {
    const example = examples[name]
    if (!example) continue
    const { before = base, good, leadsTo, bad, badLine = 4, says } = example

    it(`${name}: a good file`, () => {
      const found = parse(before + good)
      assert.deepEqual(errors(found.issues), [])
      assert.equal(leadsTo !== undefined, fate === 'honoured', 'every honoured directive shows what it leads to')
      leadsTo?.(found)
      if (fate === 'ignored') {
        const remark = found.issues.find(({ message }) => message.startsWith(`${name} is ignored: `))
        assert.deepEqual([remark?.where, remark?.severity], ['ha.cf:4', 'note'])
      }
    })

    it(`${name}: a bad file`, () => {
      const found = errors(parse(before + bad).issues)
      assert.equal(found.length, 1, JSON.stringify(found))
      assert.equal(found[0]!.where, `ha.cf:${badLine}`)
      assert.match(found[0]!.message, says)
    })
  }
})

describe('ha.cf as a whole', () => {
  const messages = (text: string, severity: Issue['severity']): string[] =>
    parse(text)
      .issues.filter((issue) => issue.severity === severity)
      .map(({ where, message }) => `${where}: ${message}`)

  it('has the defaults of the daemon', () => {
    const { name, times, deadpingMs, logging, liveness } = parse(base)
    assert.deepEqual(times, { keepaliveMs: 1000, warntimeMs: 15_000, deadtimeMs: 30_000, initdeadMs: 30_000 })
    assert.equal(deadpingMs, 30_000)
    assert.equal(name, 'linux-ha')
    assert.deepEqual({ ...logging }, { ...silent, facility: 'daemon' })
    assert.deepEqual(liveness!.times, times)
  })

  for (const [deadtime, initdeadMs] of [
    ['5', 12_000],
    ['6', 12_000],
    ['10', 20_000],
    ['10.001', 10_001],
  ] as const) {
    it(`derives initdead from deadtime ${deadtime}`, () => {
      assert.equal(parse(`${base}deadtime ${deadtime}`).times.initdeadMs, initdeadMs)
    })
  }

  it('reads comments, commas, tabs and CRLF', () => {
    const found = parse('node master,slave # both\r\n\tbcast\teth0,eth1\r\n#keepalive x\r\n  auto_failback on\r\n')
    assert.deepEqual(found.issues, [])
    assert.equal(link(found), 'udp-broadcast eth0, udp-broadcast eth1')
  })

  it('demands deadtime strictly above 2 × keepalive', () => {
    assert.deepEqual(errors(parse(`${base}keepalive 1\ndeadtime 2001ms`).issues), [])
    assert.equal(errors(parse(`${base}keepalive 1\ndeadtime 2000ms`).issues).length, 1)
  })

  it('reports every problem at once, by line', () => {
    const found = messages('keepalive x\nnodes a b\nstonith a b\nucast eth1', 'error')
    for (const [index, head] of [
      'ha.cf:1: keepalive: ',
      'ha.cf:2: unknown directive ',
      'ha.cf:3: stonith is refused: ',
      "ha.cf:4: ucast: must have 2 values, got 'eth1'; right is 'ucast DEVICE ADDRESS'",
      'ha.cf: no node is named; ',
    ].entries()) {
      assert.equal(found[index]?.slice(0, head.length), head)
    }
    assert.equal(found.length, 5)
    assert.match(found[1]!, /unknown directive 'nodes'; did you mean 'node'\?/)
  })

  it('names the missing medium and the missing node', () => {
    assert.match(
      messages('node a\nauto_failback on', 'error').join('\n'),
      /ha\.cf:1: only node a is named; a pair has two/,
    )
    assert.match(messages('node a b\nauto_failback on', 'error').join('\n'), /ha\.cf: no link to the peer is named/)
    // Together with whatever else is wrong; a medium whose line is wrong has its own error.
    assert.match(messages('node a\nkeepalive fast', 'error').join('\n'), /ha\.cf: no link to the peer is named/)
    assert.doesNotMatch(messages('node a b\nucast eth0', 'error').join('\n'), /no link to the peer is named/)
  })

  it('takes a missing auto_failback for legacy and says what that means', () => {
    const text = 'node a b\nbcast eth0'
    assert.equal(parse(text).autoFailback, 'legacy')
    assert.match(messages(text, 'warning').join(), /^ha\.cf: auto_failback is missing, .* read as on/)
    assert.deepEqual(messages(`${text}\nauto_failback maybe`, 'warning'), [])
    assert.equal(parse(`${text}\nauto_failback legacy`).autoFailback, 'legacy')
    assert.match(messages(`${text}\nauto_failback legacy`, 'warning').join(), /^ha\.cf:3: auto_failback is legacy/)
  })

  it('warns of a directive that stands there twice; the last one counts', () => {
    const text = `${base}deadtime 20\ndeadtime 40`
    assert.equal(parse(text).times.deadtimeMs, 40_000)
    assert.deepEqual(messages(text, 'warning'), [
      'ha.cf:5: deadtime is already in line 4; as in Heartbeat the last one counts',
    ])
  })

  it('understands ipfail as its own rule and never runs it', () => {
    const found = parse(`${base}ping 10.0.0.1\nrespawn hacluster /usr/lib64/heartbeat/ipfail`)
    assert.deepEqual(found.respawn, [])
    assert.match(
      messages(`${base}respawn hacluster /usr/lib/heartbeat/ipfail`, 'note').join(),
      /ha\.cf:4: ipfail is built in/,
    )
    assert.match(
      messages(`${base}ping 10.0.0.1`, 'note').join(),
      /ha\.cf:4: ping targets count here although no ipfail/,
    )
  })

  for (const [what, text, says, quiet] of [
    [
      'udpport',
      'ucast eth1 10.0.0.1\nudpport 7000',
      /^ha\.cf:5: udpport counts for .* line 3 keeps port 694/,
      'udpport 694',
    ],
    [
      'baud',
      'serial /dev/ttyS0\nbaud 9600',
      /^ha\.cf:5: baud counts for .* line 4 keeps 19200/,
      'serial /dev/ttyS0\nbaud 19200',
    ],
    [
      'a ping target',
      'ping 10.0.0.1\nping 10.0.0.1',
      /^ha\.cf:5: .*'10\.0\.0\.1' is a ping target already, in line 4/,
      'hopfudge 1',
    ],
    ['a value', 'debug\nwarntime', /^ha\.cf:4: debug has no value and says nothing.*\n?.*/, 'debug 1'],
    [
      'several values',
      'initdead 10\ndebug 0 1',
      /^ha\.cf:5: debug has 2 values \('0' '1'\); as in Heartbeat the last one/,
      'debug 1',
    ],
  ] as const)
    it(`warns of ${what} that does not say what it seems to say`, () => {
      assert.match(messages(base + text, 'warning').join('\n'), says)
      assert.deepEqual(messages(base + quiet, 'warning'), [])
      assert.deepEqual(
        messages(base + text, 'error').filter((message) => !message.includes('initdead')),
        [],
      )
    })

  it('leaves out a medium that reaches nobody, and wants another', () => {
    const dead = 'mcast eth1 225.0.0.9 694 0 0'
    assert.match(messages(base + dead, 'warning').join(), /^ha\.cf:4: .*TTL of 0/)
    assert.deepEqual(
      parse(base + dead).transports.map(({ type }) => type),
      ['udp-broadcast'],
    )
    assert.match(messages(`auto_failback on\nnode a b\n${dead}`, 'error').join(), /no link to the peer is named/)
  })

  it('knows the names of this host, and asks nobody for others', () => {
    assert.deepEqual(
      parse(`${base}ucast eth1 localhost`).transports.map(({ link }) => link),
      ['eth0', 'eth1'],
    )
    assert.match(
      messages(`${base}ping no-such.example`, 'error').join(),
      /'no-such\.example' is no IPv4 address, and no name/,
    )
  })

  it('names what only the host can tell', () => {
    assert.deepEqual(parse(`${base}respawn nobody /bin/thing`).hostChecks, [
      'ha.cf:3: whether this host has the device eth0',
      'ha.cf:4: whether the user nobody exists and may run /bin/thing',
    ])
  })

  it('never throws, whatever the file holds', () => {
    const word = fc.oneof(
      fc.constantFrom(...directives.map(({ name }) => name)),
      fc.constantFrom('a', '1', 'on', 'eth0', '10.0.0.1', '/x', '#', ',', '\n', '\t', '__proto__', 'constructor'),
      fc.string({ maxLength: 12 }),
    )
    const text = fc.array(word, { maxLength: 40 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(text, (content) => Array.isArray(parse(content).issues)),
      { numRuns: 500 },
    )
  })
})

/** Where a directive is seen at work, beside its good and its bad file here: a test, and a word by which it is known there. */
const seenIn: Readonly<Record<string, readonly [file: string, word: string]>> = {
  node: ['lab/world/configuration.ts', 'node master'],
  keepalive: ['lab/world/configuration.ts', 'keepalive'],
  deadtime: ['lab/world/configuration.ts', 'deadtime'],
  warntime: ['lab/world/configuration.ts', 'warntime'],
  initdead: ['lab/world/configuration.ts', 'initdead'],
  deadping: ['lab/world/configuration.ts', 'deadping'],
  udpport: ['lab/world/configuration.ts', 'udpport'],
  bcast: ['lab/heartbeat/media.ts', 'bcast'],
  ucast: ['lab/heartbeat/media.ts', 'ucast'],
  mcast: ['lab/heartbeat/media.ts', 'mcast'],
  ucast6: ['lab/transports.lab.test.ts', 'IPv6 link-local'],
  mcast6: ['lab/transports.lab.test.ts', 'multicast, IPv6'],
  serial: ['lab/heartbeat/serial.ts', 'serial'],
  baud: ['lab/heartbeat/serial.ts', 'baud'],
  ping: ['lab/heartbeat/connectivity.ts', 'ping'],
  ping_group: ['unit/icmp.io.test.ts', 'pingGroup'],
  auto_failback: ['lab/heartbeat/legacy.ts', 'auto_failback'],
  respawn: ['unit/respawn.io.test.ts', 'respawn'],
  env: ['unit/script.io.test.ts', 'HA_mood'],
  logfile: ['unit/log.io.test.ts', 'logfile'],
  debugfile: ['unit/log.io.test.ts', 'debug'],
  logfacility: ['unit/log.io.test.ts', 'facility'],
  msgfmt: ['lab/heartbeat/media.ts', 'netstring'],
}

describe('docs/ha-cf.md', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

  it('shows every directive with its fate and reason, and where it is tested', () => {
    const rows = read('docs/ha-cf.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    const expected = directives.map(({ name, form, fate, reason }) => {
      const further = seenIn[name] ? `, ${seenIn[name][0]}` : ''
      return `| \`${name} ${form.replaceAll('|', '\\|')}\` | ${fate} | ${reason} | unit/ha-cf.test.ts${further} |`
    })
    assert.deepEqual(rows, expected)
  })

  it('names tests that are there', () => {
    for (const [name, [file, word]] of Object.entries(seenIn))
      assert.ok(read(`test/${file}`).includes(word), `${name}: ${word} in test/${file}`)
  })
})
