import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, it } from 'node:test'
import * as all from '../../src/index.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { meantName } from '../../src/roles/option-table.ts'

const start = () => {}
const key = Uint8Array.from({ length: 32 }, (_, at) => at * 5)

/** Arguments before the options, good options, and one of a wrong kind with what is said about it. */
type Row = readonly [args: readonly unknown[], good: object, wrong: object, says: RegExp]

/** Every exported function that takes options of a plug-in. */
const factories: Readonly<Record<string, Row>> = {
  icmpPing: [['192.0.2.1'], { deadping: '3s' }, { name: 7 }, /icmpPing\.name: must be a text, got number 7/],
  etcd: [[], { endpoints: ['http://192.0.2.1:2379'] }, { prefix: 7 }, /etcd\.prefix: must be a text, got number 7/],
  pingGroup: [['g', ['192.0.2.1']], {}, { deadping: 3 }, /write '3s' or '3ms'/],
  crc: [[], { id: 2 }, { id: 'two' }, /'?two'? is not a key ID/],
  md5: [[], { key }, { keyFile: 3 }, /md5\.keyFile: must be a text, got number 3/],
  sha1: [[], { key }, { keyFile: 3 }, /sha1\.keyFile: must be a text, got number 3/],
  sha256: [[], { key }, { keyFile: null }, /sha256\.keyFile: must be a text, got null/],
  sealed: [[], { key }, { keyFile: [] }, /sealed\.keyFile: must be a text, got a list/],
  keyring: [[], { active: 1, keys: [all.sha256({ key })] }, { keys: 'k' }, /keyring\.keys: must be a list, got 'k'/],
  app: [[], { start, stop: start }, { name: 5 }, /app\.name: must be a text, got number 5/],
  check: [['c'], { tcp: '127.0.0.1:80' }, { standby: 'no' }, /check\.standby: must be true or false, got 'no'/],
  drbd: [['r0'], {}, { binary: 1 }, /drbd\.binary: must be a text, got number 1/],
  fs: [['/dev/x', '/mnt/x', 'ext4'], {}, { mountOptions: [] }, /fs\.mountOptions: must be a text, got a list/],
  hook: [['h'], { start }, { required: 1 }, /hook\.required: must be true or false, got number 1/],
  nginx: [[], {}, { args: '-q' }, /nginx\.args: must be a list of texts, got '-q'/],
  ocf: [['ocf:heartbeat:Dummy'], {}, { parameters: 'a=b' }, /ocf\.parameters: must be an object, got 'a=b'/],
  route: [['192.0.2.0/24'], { device: 'eth9' }, { metric: '1' }, /metric/],
  script: [['/x'], {}, { args: ['a', 1] }, /script\.args: must be a list of texts, got a list/],
  server: [[createServer()], { port: 80 }, { port: '80' }, /server\.port: must be a number, got '80'/],
  systemd: [['x'], {}, { reload: 'yes' }, /systemd\.reload: must be true or false, got 'yes'/],
  vip: [['192.0.2.9/24'], {}, { macvlan: 'on' }, /vip\.macvlan: must be true or false, got 'on'/],
  deadtime: [[], {}, [], /deadtime: the options must be an object, got a list/],
  phiAccrual: [[], {}, [], /phiAccrual: the options must be an object, got a list/],
  memoryNetwork: [[], {}, { random: 4 }, /memoryNetwork\.random: must be a function, got number 4/],
  serial: [[], { device: '/dev/ttyS9' }, [], /serial: the options must be an object/],
  udpBroadcast: [[], { device: 'eth9' }, [], /udpBroadcast: the options must be an object/],
  udpMulticast: [[], { group: '239.0.0.9' }, { loop: 1 }, /udpMulticast\.loop: must be true or false, got number 1/],
  udpUnicast: [
    [],
    { device: 'eth9', peer: '192.0.2.1' },
    { addresses: 'x' },
    /udpUnicast\.addresses: must be an object/,
  ],
}

/** Exported functions that make no plug-in. */
const others = [
  'Cluster',
  'HotStandbyError',
  'advisedTimes',
  'configurationError',
  'connectControl',
  'defaultControlPath',
  'describe',
  'handleSignals',
  'healthHandler',
  'levelOf',
  'nftGuard',
  'prometheusText',
  'statusServer',
  'timelinePicture',
  'explain',
  'isHotStandbyError',
  'readHaDir',
  'readKeepalivedConf',
  'replay',
  'serveControl',
  'timelineLines',
]

const call = (name: string, args: readonly unknown[]): unknown =>
  (all as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[name]?.(...args)

describe('options that a factory does not know', () => {
  it('every exported function is here', () => {
    const found = Object.entries(all).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
    assert.deepEqual(found.sort(), [...others, ...Object.keys(factories)].sort())
  })
  for (const [name, [args, good, wrong, says]] of Object.entries(factories)) {
    it(`${name} names them, and takes those that it knows`, () => {
      call(name, [...args, good])
      const refused = (error: unknown) => {
        assert.ok(isHotStandbyError(error) && error.code === 'HS_CONFIG', String(error))
        assert.match(error.message, new RegExp(`^${name}: unknown option 'qqq'; known options: `))
        return true
      }
      assert.throws(() => call(name, [...args, { ...good, qqq: 1 }]), refused)
      const { constructor: _, ...rest } = { ...good } as Record<string, unknown>
      assert.throws(() => call(name, [...args, { ...rest, toString: 1 }]), /unknown option 'toString'/)
    })
    it(`${name} says what a value must be`, () => {
      assert.throws(() => call(name, [...args, Array.isArray(wrong) ? wrong : { ...good, ...wrong }]), says)
    })
  }
  it('and arguments that are missing or of another kind are said, too', async () => {
    assert.throws(() => call('vip', []), /vip\.address: must be a text such as '.*', or a list of texts, got undefined/)
    assert.throws(() => call('vip', [['192.0.2.9', 7]]), /number 7|7 is not a string/)
    assert.throws(() => call('readHaDir', [4]), /readHaDir: the directory must be a text, got number 4/)
    const network = all.memoryNetwork() as unknown as { transport(link: unknown): unknown }
    assert.throws(() => network.transport({ name: 'a' }), /the name of the link must be a text, got an object/)
    await assert.rejects(call('connectControl', []) as Promise<unknown>, /connectControl: the path must be a text/)
    assert.throws(() => call('handleSignals', [{}, { signal: [] }]), /unknown option 'signal'; did you mean 'signals'/)
    const serving = call('serveControl', [{}, { socket: '/x' }]) as Promise<unknown>
    await assert.rejects(serving, /serveControl: unknown option 'socket'; known options: path/)
  })
  it('tells which name was meant', () => {
    const known = ['device', 'deadtime', 'warntime', 'statusTimeout']
    for (const [found, meant] of [
      ['dead_time', 'deadtime'],
      ['warntme', 'warntime'],
      ['Interface', 'device'],
      ['StatusTimeOut', 'statusTimeout'],
      ['colour', undefined],
      ['x'.repeat(100_000), undefined],
    ] as const)
      assert.equal(meantName(found, known), meant)
  })
})
