import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { KeepalivedHost } from '../../src/config/keepalived/host.ts'
import { inspectKeepalivedConf, readKeepalivedConf } from '../../src/config/keepalived/read.ts'
import { tables } from '../../src/config/keepalived/tables.ts'
import type { VrrpInstanceOptions, VrrpOptions } from '../../src/options/vrrp-options.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { shapes } from '../fixtures/keepalived-in-the-wild.ts'
import { keepalivedHost } from '../support/keepalived-host.ts'

const main = '/etc/keepalived/keepalived.conf'

type Files = Readonly<Record<string, string>>

const inspect = (text: string, files: Files = {}, own: Partial<KeepalivedHost> = {}) =>
  inspectKeepalivedConf(main, {}, keepalivedHost({ [main]: text, ...files }, own))

const said = (text: string, files: Files = {}, own: Partial<KeepalivedHost> = {}): readonly string[] =>
  inspect(text, files, own).issues.map(
    ({ where, message, severity }) => `${severity} ${where.replace('/etc/keepalived/', '')}: ${message}`,
  )

function options(text: string, files: Files = {}, own: Partial<KeepalivedHost> = {}): VrrpOptions {
  const found = inspect(text, files, own)
  assert.ok(found.options, found.issues.map(({ where, message }) => `${where}: ${message}`).join('\n'))
  return found.options
}

/** An instance with what every instance needs, in lines of its own from line 1 on; `more` begins in line 4. */
const instance = (more: string, vip = '192.0.2.9'): string =>
  `vrrp_instance A {\ninterface eth0\nvirtual_router_id 9\n${more}\nvirtual_ipaddress {\n${vip}\n}\n}\n`

const first = (text: string, files: Files = {}, own: Partial<KeepalivedHost> = {}): VrrpInstanceOptions =>
  options(text, files, own).instances[0] as VrrpInstanceOptions

/** The one error that a text has. */
function refusal(text: string, files: Files = {}, own: Partial<KeepalivedHost> = {}): string {
  const found = inspect(text, files, own)
  assert.equal(found.options, undefined)
  const errors = found.issues.filter(({ severity }) => severity === 'error')
  assert.equal(errors.length, 1, errors.map(({ where, message }) => `${where}: ${message}`).join('\n'))
  return `${errors[0]?.where.replace('/etc/keepalived/', '')}: ${errors[0]?.message}`
}

describe('the lines of a keepalived.conf', () => {
  it('keep their places through files that include each other', () => {
    const files = {
      '/etc/keepalived/conf.d/b.conf': 'priority 7\n\nno_such_word\n',
      '/etc/keepalived/conf.d/a.conf': 'include more/*.inc\nstate BACKUP\n',
      '/etc/keepalived/conf.d/more/x.inc': 'advert_int 2\nadvert_int x\n',
    }
    const text = instance('include conf.d/*.conf')
    assert.deepEqual(said(text, files), [
      'warning conf.d/more/x.inc:2: advert_int is already set in /etc/keepalived/conf.d/more/x.inc:1; as in keepalived, the last one counts',
      "warning conf.d/more/x.inc:2: advert_int: 'x' is not a number; keepalived uses 1 s, and so does this",
      "warning conf.d/b.conf:3: 'no_such_word' is not a keyword in vrrp_instance A; as in keepalived its line has no effect",
    ])
    assert.deepEqual([first(text, files).priority, first(text, files).advertMs], [7, 2000])
  })

  it('do not follow a file into itself, and end after sixteen', () => {
    const self = { '/etc/keepalived/a.conf': 'include a.conf\n' }
    assert.match(refusal(`include a.conf\n${instance('')}`, self), /a\.conf:1: .*includes itself/)
    const chain = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`/etc/keepalived/${at}.conf`, `include ${at + 1}.conf\n`]),
    )
    assert.match(refusal(`include 0.conf\n${instance('')}`, chain), /nested more than 16 deep/)
  })

  it('say of an include that finds nothing what keepalived does', () => {
    assert.match(
      said(`include gone.conf\n${instance('')}`).join(),
      /warning .*:1: no file is 'gone.conf'; keepalived goes on/,
    )
    assert.match(refusal(`includea gone.conf\n${instance('')}`), /:1: no file is 'gone.conf'/)
    assert.match(refusal(`includew gone/*\n${instance('')}`), /:1: no file is 'gone\/\*'/)
    assert.match(said(`includem gone/*\n${instance('')}`).join(), /warning/)
    const own = { whyNotIncluded: () => 'is a directory' }
    const files = { '/etc/keepalived/d': '' }
    assert.match(
      said(`include d\n${instance('')}`, files, own).join(),
      /warning .*:1: \/etc\/keepalived\/d is a directory/,
    )
    assert.match(refusal(`includer d\n${instance('')}`, files, own), /:1: \/etc\/keepalived\/d is a directory/)
  })

  it('are chosen by the id of the node', () => {
    const text = instance('@north priority 7\n@south priority 8\n@^north advert_int 9\n@^south advert_int 3\n@north')
    assert.deepEqual([first(text).priority, first(text).advertMs], [7, 3000])
    assert.equal(first(text, {}, { configId: 'south' }).priority, 8)
  })

  it('have their definitions replaced when they are read, and again in what came of it', () => {
    const text = `$A=\${B}.9\n$B=192.0.\${C}\n$C=2\n$WHO=@north\n${instance('$WHO priority 4\n@south $X=1\n$C=3', `\${A}/24`)}`
    const { priority, addresses } = first(text)
    assert.deepEqual([priority, addresses[0]?.address, addresses[0]?.prefix], [4, '192.0.3.9', 24])
  })

  it('say of a line of a long definition where it stands, not where it is used', () => {
    const text = `$LONG= \\\nadvert_int 2 \\\npriority zero\n${instance('$LONG')}`
    assert.deepEqual(said(text), [
      "warning keepalived.conf:3: priority: 'zero' is not a number; keepalived uses 100, and so does this",
    ])
  })

  it('refuse a name without a definition outside quotes, and tell of it inside', () => {
    assert.match(
      refusal(instance(`priority \${PRIO}`)),
      /^keepalived.conf:4: \$\{PRIO\} is not defined, and keepalived reads its braces/,
    )
    assert.match(refusal(instance('', `\${VIP:-192.0.2.3}/24`)), /:6: \$\{VIP:-192\.0\.2\.3\} is not defined/)
    assert.match(said(instance(`notify "/bin/x \${OLD} $NEW"`)).join(), /warning .*:4: '\$\{OLD\}' is not defined./s)
  })

  it('refuse what could be told apart from a mistake by nobody', () => {
    assert.match(refusal(instance('', `~SEQ(N, 1, 3) 192.0.2.\${N}`)), /:6: ~SEQ generates lines that are in no file/)
    assert.match(refusal(instance(`priority \${_RANDOM 1 9}`)), /:4: _RANDOM means something else/)
  })

  it('end a definition that names itself', () => {
    assert.match(refusal(`$A=x\${A}\n${instance('state $A')}`), /:5: is longer than 1023 bytes with its definitions/)
    const text = `$A= \\\nstate BACKUP \\\n$A\n${instance('$A')}`
    assert.match(refusal(text), /more than 200000 lines|longer than/)
  })

  it('refuse a line that keepalived would cut', () => {
    assert.match(refusal(instance(`notify_master "/bin/x ${'y'.repeat(1020)}"`)), /:4: is longer than 1023 bytes/)
  })

  it('lose comments where keepalived loses them', () => {
    const { priority, hooks } = first(instance('priority 5#6\nnotify "/bin/x #1 !2" # three\nnotify_stop /bin/\\#y'))
    assert.equal(priority, 5)
    assert.deepEqual(hooks.any?.argv, ['/bin/x', '#1', '!2'])
    assert.deepEqual(hooks.stop?.argv, ['/bin/#y'])
  })
})

describe('the blocks of a keepalived.conf', () => {
  it('that are not closed are told where the brace is missing', () => {
    const text = instance('authentication {\nauth_type PASS\nauth_pass x')
    assert.match(
      refusal(text),
      /^keepalived.conf:4: the block of authentication is not closed: 'virtual_ipaddress' .*:7/,
    )
    assert.match(
      refusal('global_defs {\nrouter_id x\n'),
      /^keepalived.conf:1: the block of 'global_defs' is not closed/,
    )
  })

  it('that are closed twice are refused', () => assert.match(refusal(`${instance('')}}\n`), /:9: one '}' too many/))

  it('that a keyword does not have, or lacks, are refused', () => {
    assert.match(refusal(instance('priority 5 {\n}')), /:4: priority does not take a block/)
    assert.match(refusal(instance('track_script one')), /:4: track_script needs a block/)
    assert.match(
      refusal(instance('track_scripts {\none\n}')),
      /:4: 'track_scripts' is not a keyword.*did you mean 'track_script'/,
    )
  })

  it('may stand in one line', () => {
    const text = 'vrrp_instance A { interface eth0\nvirtual_router_id 9\nvirtual_ipaddress { 192.0.2.9/24 } }'
    assert.equal(first(text).addresses[0]?.prefix, 24)
  })

  it('of a name that is taken are refused', () => {
    assert.match(refusal(instance('') + instance('').replace('9', '8')), /:9: vrrp_instance 'A' is there already/)
  })

  it('must hold something', () => {
    assert.match(refusal('# nothing\n'), /holds neither a vrrp_instance nor a virtual_server/)
    assert.match(
      refusal(
        '',
        {},
        {
          read: () => {
            throw new Error('EACCES')
          },
        },
      ),
      /cannot be read: EACCES/,
    )
  })
})

describe('commands', () => {
  const script = (line: string) => `vrrp_script s {\n${line}\n}\n${instance('track_script {\ns\n}')}`
  const secure = 'global_defs {\nscript_user root\nenable_script_security\n}\n'

  it('are cut as keepalived cuts them, twice', () => {
    const argv = (line: string) => options(`${secure}${script(line)}`).scripts[0]?.command.argv
    assert.deepEqual(argv(`script "/bin/x 'a b' c\\\\ d"`), ['/bin/x', 'a b', 'c d'])
    assert.deepEqual(argv('script killall'), ['/usr/bin/killall'])
    assert.deepEqual(argv(`script '/bin/x "a  b"'`), ['/bin/x', 'a  b'])
    assert.deepEqual(argv('script "/bin/x \\\\x41\\\\101\\\\t"'), ['/bin/x', 'AA\t'])
  })

  it('that cannot run are an error as a check, and left out as a hook', () => {
    const gone = { program: (file: string) => ({ path: file, problem: 'does not exist' }) }
    assert.match(
      refusal(secure + script('script /bin/x'), {}, gone),
      /:6: script: '\/bin\/x' does not exist; keepalived drops/,
    )
    const { hooks } = first(secure + instance('notify_master /bin/x'), {}, gone)
    assert.equal(hooks.master, undefined)
    assert.match(
      said(secure + instance('notify_master /bin/x'), {}, gone).join(),
      /warning .*:8: notify_master: .*it is not run/,
    )
  })

  it('with arguments outside quotes name a user, and are told so', () => {
    const text = secure + instance('notify_stop /bin/x stop DB')
    assert.match(said(text).join(), /warning .*:8: notify_stop: outside the quotes 'stop DB' names a user and a group/)
    assert.equal(first(text).hooks.stop, undefined)
    assert.deepEqual(first(secure + instance('notify_stop /bin/x nobody')).hooks.stop?.user?.uid, 65_534)
  })

  it('of a shell are passed on as arguments, with a warning', () => {
    assert.match(
      said(secure + script('script "/bin/x && /bin/y"')).join(),
      /warning .*:6: script: no shell is used.*'&&'/,
    )
  })

  it('without a user need one when they are to be secure', () => {
    const text = `global_defs {\nenable_script_security\n}\n${script('script /bin/x')}`
    assert.match(
      refusal(text),
      /:5: script: enable_script_security without script_user wants the user keepalived_script/,
    )
    assert.match(
      refusal(`global_defs {\nscript_user who\n}\n${instance('')}`),
      /:2: script_user: 'who' or its group does not exist/,
    )
  })

  it('that check whether a file can be opened are refused', () => {
    assert.match(refusal(secure + script('script "</dev/tcp/127.0.0.1/443"')), /:6: script: '<' before a path/)
  })
})

describe('a virtual_server', () => {
  const server = (more: string, check = 'TCP_CHECK {\n}') =>
    `virtual_server 192.0.2.80 80 {\nprotocol TCP\n${more}\nreal_server 198.51.100.1 8080 {\n${check}\n}\nreal_server 198.51.100.2 {\nweight 3\n}\n}\n`
  const balancer = (text: string) => options(text).balancers[0]

  it('hands its times down to its servers and their checks', () => {
    const text = server(
      'delay_loop 2\nretry 4\nlb_algo wrr\nwarmup 0',
      'delay_loop 3\nHTTP_GET {\nurl {\npath /\nstatus_code 200-204 301\n}\nconnect_port 81\n}',
    )
    const [one, two] = balancer(text)?.members ?? []
    const [check] = one?.checks ?? []
    assert.deepEqual([check?.intervalMs, check?.retries, check?.retryDelayMs, check?.warmupMs], [3000, 4, 3000, 0])
    assert.ok(check?.type === 'http')
    assert.deepEqual(
      [check.port, check.urls[0]?.status],
      [
        81,
        [
          [200, 204],
          [301, 301],
        ],
      ],
    )
    assert.deepEqual([two?.port, two?.weight, two?.checks], [80, 3, []])
  })

  it('says what is already set in for a scheduler that counts connections, and takes DR with a hash only', () => {
    assert.match(said(server('lb_algo wlc')).join(), /warning .*:3: lb_algo wlc: nftables cannot count connections/)
    assert.match(
      refusal(server('lb_algo rr\nlb_kind DR').replaceAll('8080', '80')),
      /:4: lb_kind DR is refused with this lb_algo/,
    )
    assert.equal(balancer(server('lb_algo sh\nlb_kind DR').replaceAll('8080', '80'))?.method, 'DR')
    assert.match(refusal(server('lb_algo rr\nlb_kind dr')), /:4: lb_kind: 'dr' is none of NAT, DR/)
  })

  it('refuses a check that it does not know rather than dropping it', () => {
    for (const name of ['PING_CHECK', 'UDP_CHECK', 'FILE_CHECK', 'BFD_CHECK'])
      assert.match(refusal(server('lb_algo rr', `${name} {\n}`)), new RegExp(`:5: ${name} is refused`))
    assert.match(refusal(server('lb_algo rr', 'HTTP_GET {\n}')), /:5: HTTP_GET needs a url/)
  })

  it('of a group has every address of its ranges', () => {
    const text = `virtual_server_group G {\n192.0.2.8/30 53\n192.0.2.20-22 53\n192.0.2.30-192.0.2.31 53\n2001:db8::53 53\n}\n`
    const used = server('lb_algo rr').replace('192.0.2.80 80', 'group G')
    const addresses = balancer(text + used)?.services.map(({ address }) => address)
    assert.equal(addresses?.length, 4 + 3 + 2 + 1)
    assert.deepEqual(addresses?.slice(3, 6), ['192.0.2.11', '192.0.2.20', '192.0.2.21'])
    assert.match(refusal(used), /:1: virtual_server_group 'G' is not defined above/)
  })

  it('lowers a quorum that could never be reached', () => {
    const found = balancer(server('lb_algo rr\nquorum 9\nhysteresis 5'))
    assert.deepEqual([found?.quorum, found?.hysteresis], [4, 3])
  })
})

describe('auth_hmac', () => {
  const key = 'hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

  it('has keys, one of which signs', () => {
    const { authentication: auth } = first(
      instance(`version 3\nauth_hmac {\nkey 7 ${key}\nactive_key 7\nanti_replay monotonic\n}`),
    )
    assert.ok(auth?.type === 'HMAC')
    assert.deepEqual([auth.activeKey, auth.keys[0]?.key.length, auth.windowMs, auth.mode], [7, 32, 5000, 'enforce'])
    assert.match(refusal(instance(`auth_hmac {\nkey 7 ${key}\nactive_key 8\n}`)), /:4: auth_hmac has no key that signs/)
    assert.match(refusal(instance('auth_hmac {\nkey 7 short\nactive_key 7\n}')).replace(/\n.*/s, ''), /32 to 64 bytes/)
  })
})

describe('readKeepalivedConf', () => {
  it('refuses what is no path and options that it does not know', () => {
    const wrong = readKeepalivedConf as (file: unknown, options?: unknown) => unknown
    for (const [file, more] of [[7], [''], [main, { configID: 'x' }], [main, { configId: 7 }]] as const)
      assert.throws(() => wrong(file, more), isHotStandbyError)
    assert.throws(() => wrong(main, { configID: 'x' }), /did you mean 'configId'/)
    assert.throws(() => readKeepalivedConf('/nonexistent/keepalived.conf'), /cannot be read: .*ENOENT/)
  })
})

describe('the tables', () => {
  const rows = new Map(tables.map(([block, list]) => [block, list.map(({ name }) => name)]))

  it('have a row for each keyword of keepalived 2.2.7, in its block', () => {
    const path = join(import.meta.dirname, '../fixtures/keepalived-keywords.json')
    const keywords = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string[]>
    const missing = Object.entries(keywords).flatMap(([block, names]) =>
      names.filter((name) => !rows.get(block)?.includes(name)).map((name) => `${block}: ${name}`),
    )
    assert.deepEqual(missing, [])
    assert.ok(Object.values(keywords).flat().length > 390)
  })

  it('name each keyword once in a block, with a reason', () => {
    for (const [block, list] of tables)
      for (const [at, { name, reason }] of list.entries()) {
        assert.equal(
          list.findIndex((row) => row.name === name),
          at,
          `${block}: ${name}`,
        )
        assert.ok(reason.length > 7, `${block}: ${name}`)
      }
  })

  it('are what the page shows', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/keepalived-conf.md'), 'utf8')
    const shown = page.split('\n').filter((line) => line.startsWith('| `'))
    assert.equal(shown.length, tables.flatMap(([, list]) => list).length)
    const cell = (text: string) => text.replaceAll('|', '\\|')
    for (const { name, form, fate, reason } of tables.flatMap(([, list]) => list))
      assert.ok(shown.includes(`| \`${cell(`${name} ${form}`.trim())}\` | ${fate} | ${cell(reason)} |`), name)
  })

  it('leave nothing without a word: what is noted or refused is said', () => {
    const outer: Readonly<Record<string, (line: string) => string>> = {
      'The top of a file': (line) => `${line}\n${instance('')}`,
      global_defs: (line) => `global_defs {\n${line}\n}\n${instance('')}`,
      vrrp_instance: (line) => instance(line),
      vrrp_sync_group: (line) => `vrrp_sync_group G {\n${line}\ngroup {\nA\n}\n}\n${instance('')}`,
      virtual_server: (line) => `virtual_server 192.0.2.1 80 {\n${line}\n}\n${instance('')}`,
      real_server: (line) =>
        `virtual_server 192.0.2.1 80 {\nreal_server 192.0.2.2 80 {\n${line}\n}\n}\n${instance('')}`,
    }
    for (const [block, list] of tables)
      for (const { name, form, fate } of list) {
        const inside = outer[block]
        if (inside === undefined || (fate !== 'noted' && fate !== 'refused')) continue
        const words = form.replace(/\{.*/, '').replaceAll(/[[\]]/g, '').replaceAll('…', '').split('|')[0]?.trim()
        const line = `${name} ${words}${form.endsWith('}') ? ' {\n}' : ''}`
        const found = inspect(inside(line)).issues.filter(({ message }) => message.includes(name))
        const isError = found.some(({ severity }) => severity === 'error')
        assert.ok(found.length > 0, `${block}: ${line} is not told`)
        if (fate === 'refused') assert.ok(isError, `${block}: ${line} is not refused`)
        else assert.ok(!isError, `${block}: ${line}: ${found.map(({ message }) => message).join()}`)
      }
  })
})

/** A random number generator that always gives the same (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

describe('a keepalived.conf that something has gnawed at', () => {
  const folder = join(import.meta.dirname, '../vectors/keepalived-conf')
  const corpus = readdirSync(folder)
    .filter((name) => /^\d/.test(name))
    .map((name) => readFileSync(join(folder, name, 'keepalived.conf'), 'utf8'))
  const texts = [...corpus, ...shapes.map(({ text }) => text)]
  const bits = [
    '{',
    '}',
    '"',
    "'",
    '\\',
    '\n',
    '$',
    `\${`,
    '~SEQ(',
    '@',
    '#',
    '!',
    ' ',
    '-1',
    '1e9',
    '\0',
    'é',
    '::',
    '/',
    'include *\n',
  ]

  it('is read or refused, and never anything else', () => {
    const random = randomOf(20_261_130)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    let accepted = 0
    for (let round = 0; round < 1500; round++) {
      let text = pick(texts)
      const changes = random() < 0.5 ? 1 : 4
      for (let change = 0; change < changes; change++) {
        const at = Math.floor(random() * text.length)
        const length = Math.floor(random() ** 2 * 12)
        const insert = random() < 0.5 ? pick(bits) : random() < 0.5 ? '' : pick(texts).slice(at, at + 60)
        text = text.slice(0, at) + insert + text.slice(at + length)
      }
      const found = inspect(text)
      const errors = found.issues.filter(({ severity }) => severity === 'error').length
      assert.equal(found.options === undefined, errors > 0, text)
      for (const { where } of found.issues) assert.match(where, /^\/etc\/keepalived\/keepalived\.conf(:\d+)?$/, text)
      if (found.options) accepted++
    }
    assert.ok(accepted > 50 && accepted < 3600, `${accepted} accepted`)
  })

  const many = (count: number, line: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => line(at)).join('\n')
  const large: readonly [string, string][] = [
    ['unknown keywords', instance(many(150_000, (at) => `priorty${at} 1`))],
    ['instances', many(20_000, (at) => instance('').replace('A {', `A${at} {`))],
    [
      'addresses',
      instance(
        '',
        many(4000, (at) => `192.0.${at >> 8}.${at & 255}`),
      ),
    ],
    [
      'scripts',
      many(4500, (at) => `vrrp_script s${at} {\nscript /bin/x\n}`) +
        instance(`track_script {\n${many(4500, (at) => `s${at}`)}\n}`),
    ],
    ['definitions', `${many(50_000, (at) => `$V${at}=\${V${at + 1}}`)}\n${instance('state $V0')}`],
    ['doubling', `${many(60, (at) => `$V${at}= \\\n$V${at + 1} \\\n$V${at + 1}`)}\n${instance('$V0')}`],
    ['braces', '{'.repeat(100_000)],
    ['open blocks', 'a {\n'.repeat(100_000)],
    ['closed blocks', '}\n'.repeat(100_000)],
    ['quotes', `${'"'.repeat(1000)}\n`.repeat(4000)],
    ['dollars', `${'$'.repeat(1000)}\n`.repeat(4000)],
    ['undefined names', `${`\${A} `.repeat(200)}\n`.repeat(4000)],
    ['one line', 'x'.repeat(8_000_000)],
    ['backslashes', '\\\n'.repeat(200_000)],
    ['conditions', '@^a '.repeat(200_000)],
    ['ranges', `virtual_server_group G {\n${many(1000, () => '10.0.0.0/22 80')}\n}\n${instance('')}`],
  ]
  for (const [what, text] of large)
    it(`${what} without end are read in linear time`, () => {
      const beganMs = performance.now()
      inspect(text)
      const tookMs = performance.now() - beganMs
      assert.ok(tookMs < 5000, `${tookMs} ms`)
    })
})
