import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import type { Core } from '../../src/core/core.ts'
import type { CoreConfig, Effect } from '../../src/core/types.ts'
import { isHotStandbyError } from '../../src/index.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import { explain } from '../../src/recorder/explain.ts'
import { Recorder, type RecordingSink } from '../../src/recorder/recorder.ts'
import { SegmentWriter } from '../../src/recorder/recording.ts'
import { replay } from '../../src/recorder/replay.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { message } from '../../src/wire/message.ts'

const liveness = deadtime({ keepalive: '200ms', deadtime: '1s', initdead: '3s' })

/** A pair in virtual time, every process of it recorded. */
function recorded(
  memoryBytes = 10_000_000,
  sink?: RecordingSink,
  onFull?: () => void,
): { pair: Simulation; recorders: Record<string, Recorder> } {
  const recorders: Record<string, Recorder> = {}
  const pair = new Simulation({
    seed: 7,
    nodes: ['master', 'slave'],
    groups: [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }],
    liveness,
    ring: simulatedRing,
    links: ['eth1', 'eth2'],
    targets: ['gateway'],
    trace: (node, step) => recorders[node]?.decided(step),
    wrap(node, core, config) {
      const { type, times } = liveness
      const head = { library: 'test', config, liveness: { type, times } }
      const watched = node === 'master' ? { sink, onFull } : {}
      const recorder = new Recorder({ head, memoryBytes, ...watched })
      recorders[node] = recorder
      return recorder.wrap(core)
    },
  })
  return { pair, recorders }
}

/** A recorder around a core that does what it is told, and the moments at which a change of role was kept. */
function keeping() {
  const kept: string[] = []
  const { type, times } = liveness
  const head = { library: 'test', config: {} as CoreConfig, liveness: { type, times } }
  const recorder = new Recorder({
    head,
    memoryBytes: 1_000_000,
    onRoleChange: ({ name }) => void kept.push(`${name} ${recorder.lastWallMs}`),
  })
  let effects: readonly Effect[] = []
  const core = recorder.wrap({
    step: () => effects,
    view: () => ({ groups: [], links: [] }) as unknown as ReturnType<Core['view']>,
    isNew: () => true,
    news: () => false,
  } as unknown as Core)
  const at = (monoMs: number, ...names: string[]): void => {
    effects = names.map((name) => ({ type: 'emit', event: { name, monoMs, payload: {} } }) as unknown as Effect)
    core.step({ type: 'tick', at: { monoMs, bootMs: monoMs, wallMs: monoMs } })
  }
  return { kept, recorder, at }
}

/** Start, an operator's move, messages, a freeze, a crash: something of everything. */
function eventfulLife(): { pair: Simulation; recording: string } {
  const { pair, recorders } = recorded()
  pair.start('master')
  pair.start('slave')
  pair.run(2000)
  pair.command('master', { name: 'send', payload: new TextEncoder().encode('a password: tr0ub4dor') })
  pair.command('slave', { name: 'send', payload: new TextEncoder().encode('another secret') })
  pair.run(1000)
  pair.command('slave', { name: 'takeover', scope: 'all' })
  pair.run(2000)
  pair.freeze('master')
  pair.run(400)
  pair.thaw('master')
  pair.run(1000)
  pair.crash('slave')
  pair.run(3000)
  assert.deepEqual(pair.serving('web'), ['master'])
  return { pair, recording: recorders['master']?.recording() ?? '' }
}

describe('the flight recorder', () => {
  it('gives the same effects when the recording is run again, with the reason of every decision', () => {
    const { recording } = eventfulLife()
    const result = replay(recording)
    assert.equal(result.difference, undefined)
    assert.ok(result.inputs > 50)
    const decisions = result.timeline.filter(({ kind }) => kind === 'decision').map(({ text }) => text)
    assert.ok(
      decisions.includes('standby -> starting: the peer is dead, has left or never came: take the group over'),
      decisions.join('\n'),
    )
    assert.equal(result.after.groups[0]?.state, 'active')
    assert.ok(result.timeline.some(({ name }) => name === 'peer:dead'))
  })

  it('notices one altered, one missing and one moved input', () => {
    const { recording } = eventfulLife()
    const lines = recording.split('\n')
    const isInput = (line: string | undefined) => line !== undefined && /^\["(?:message|tick)"/.test(line)
    const first = lines.findIndex((line) => line.startsWith('["message"') && line.includes(',"status",'))
    const message = lines.findIndex((line, index) => index >= first + 40 && isInput(line) && isInput(lines[index + 1]))
    const later = lines.findIndex((line, index) => index > message && /^\["message".*,1,"status"/.test(line))
    const altered = lines.with(later, (lines[later] as string).replace(',1,"status"', ',2,"status"'))
    assert.equal(replay(altered.join('\n')).difference?.line, later + 1)
    assert.equal(replay(lines.toSpliced(message, 1).join('\n')).difference?.line, message + 1)
    const swapped = lines.with(message, lines[message + 1] as string).with(message + 1, lines[message] as string)
    assert.equal(replay(swapped.join('\n')).difference?.line, message + 1)
  })

  it('notices when the core decides otherwise', () => {
    const { recording } = eventfulLife()
    const [head = '', ...rest] = recording.split('\n')
    const other = [head.replace('"deadtimeMs":1000', '"deadtimeMs":1100'), ...rest].join('\n')
    assert.notEqual(other, recording)
    assert.notEqual(replay(other).difference, undefined)
  })

  it('holds neither payloads nor keys', () => {
    const { recording } = eventfulLife()
    for (const secret of ['tr0ub4dor', 'another secret', Buffer.from('another secret').toString('base64').slice(0, 12)])
      assert.ok(!recording.includes(secret), secret)
    assert.ok(recording.includes('"$tag":"14:'), 'the payload that arrived is told by length and hash')
    assert.ok(!recording.includes('a key for simulations'))
  })

  it('says which line is none', () => {
    const failure = (message: RegExp) => (error: unknown) =>
      isHotStandbyError(error) && error.code === 'HS_RECORDING' && message.test(error.message)
    assert.throws(() => replay(''), failure(/empty/))
    assert.throws(() => replay('{"a":1}'), failure(/line 1.*no head/))
    assert.throws(() => replay('["tick",0,0,"x"]'), failure(/line 1.*does not begin with a head/))
    const { recording } = eventfulLife()
    assert.throws(() => replay(recording.slice(0, -20)), failure(/line \d+/))
    assert.throws(() => replay(recording.replace('"recording":2', '"recording":99')), failure(/format 99/))
  })
})

describe('a line of a recording', () => {
  it('hides the text that a daemon makes of a payload, too', () => {
    const at = { monoMs: 1, bootMs: 1, wallMs: 1 }
    const text = message({ t: 'hs-message', src: 'slave', payload: 'a text as secret' })
    const line = new SegmentWriter().input({ type: 'message', link: 'eth1', message: text, keyId: 1, at })
    assert.ok(!line.includes('secret'), line)
    assert.ok(line.includes('"$tag":"16:'), line)
  })
})

/** A change of role long after the start, while a sink takes what the recorder of `master` writes. */
function longLife(memoryBytes: number, sinkBytes = Number.POSITIVE_INFINITY) {
  const files: string[] = []
  let fulls = 0
  const sink: RecordingSink = {
    get full() {
      return (files.at(-1)?.length ?? 0) >= sinkBytes
    },
    write(text, begins) {
      if (files.length === 0 || (begins && this.full)) files.push(text)
      else files[files.length - 1] += text
    },
    flush() {},
  }
  const { pair, recorders } = recorded(memoryBytes, sink, () => fulls++)
  pair.start('master')
  pair.start('slave')
  pair.run(200_000)
  pair.command('slave', { name: 'takeover', scope: 'all' })
  pair.command('slave', { name: 'send', payload: new TextEncoder().encode('a late secret') })
  pair.run(3000)
  pair.crash('slave')
  pair.run(4000)
  return { recording: recorders['master']?.recording() ?? '', files, fulls: () => fulls }
}

describe('a change of role', () => {
  it('is kept with what followed for three seconds, once for all that came meanwhile', () => {
    const { kept, at } = keeping()
    at(1000, 'group:acquired')
    at(2000, 'group:released')
    at(3999)
    assert.deepEqual(kept, [])
    at(4000)
    at(9000)
    assert.deepEqual(kept, ['group:acquired 4000'])
  })

  it('is kept at once where the member ends before', () => {
    const { kept, recorder, at } = keeping()
    at(1000, 'peer:dead', 'contested')
    recorder.close()
    recorder.close()
    assert.deepEqual(kept, ['contested 1000'])
  })
})

describe('a recorder whose memory is full', () => {
  it('goes on with the newest, which can be read but not run again', () => {
    const { recording, files, fulls } = longLife(65_536)
    assert.equal(fulls(), 1, 'it is said once')
    assert.ok(deflateRawSync(recording).length <= 65_536, 'memory is kept to')
    assert.ok(recording.length > 65_536, 'and lasts longer, since it holds it deflated')
    const whole = replay(files)
    const tail = replay(recording)
    assert.deepEqual([whole.fromStart, whole.difference], [true, undefined])
    assert.deepEqual([tail.fromStart, tail.difference], [false, undefined])
    assert.ok(tail.inputs > 100 && tail.inputs < whole.inputs / 2)
    assert.ok(tail.timeline.length > 10)
    const plain = (value: unknown) => JSON.parse(JSON.stringify(value))
    const end = whole.timeline.slice(-tail.timeline.length)
    assert.deepEqual(plain(tail.timeline), plain(end), 'what was told is what a replay tells')
    assert.deepEqual(plain(tail.after), plain(whole.after))
    assert.deepEqual(explain(tail), explain(whole))
    assert.match(explain(tail).sentences.join('\n'), /web standby -> starting: the peer is dead/)
    assert.ok(!recording.includes('a late secret'))
  })

  it('writes on into its sink, in files that make one recording together', () => {
    const { files } = longLife(65_536, 65_536)
    assert.ok(files.length > 2, String(files.length))
    const { difference, inputs, fromStart } = replay(files)
    assert.deepEqual([difference, fromStart], [undefined, true])
    assert.ok(inputs > replay(files.slice(0, -1)).inputs)
    assert.equal(replay(files.slice(1)).fromStart, false)
    const failure = (message: RegExp) => (error: unknown) => isHotStandbyError(error) && message.test(error.message)
    assert.throws(
      () => replay(files.toSpliced(1, 1)),
      failure(/file 2, line 1: segment \d+ follows segment \d+: a file is/),
    )
    assert.throws(() => replay(files.toReversed()), failure(/file 2, line 1: segment/))
    assert.throws(() => replay([...files, ...files]), failure(/another process begins here/))
  })

  it('notices a line that is missing where a file ends', () => {
    const { files } = longLife(65_536, 65_536)
    const [first = '', ...rest] = files
    const shorter = first.slice(0, first.lastIndexOf('\n', first.length - 2) + 1)
    const { difference } = replay([shorter, ...rest])
    assert.deepEqual([difference?.part, difference?.line], [1, 1])
  })

  it('needs no segment of its own while there is room', () => {
    const { recording, fulls } = longLife(10_000_000)
    assert.equal(fulls(), 0)
    assert.deepEqual([replay(recording).difference, replay(recording).fromStart], [undefined, true])
  })
})
