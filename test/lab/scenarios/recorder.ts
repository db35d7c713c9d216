import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { scenario } from '../scenario.ts'
import { LIMITS, MAIN, type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import type { CommandResult } from '../world/command.ts'
import { FLOATING } from '../world/layout.ts'
import type { World } from '../world.ts'

const { planned, takeover } = LIMITS
const STATE = '/var/lib/hot-standby'
/** The key of the laboratory's authkeys, in each form in which it could have got into a file. */
const KEY = ['utf8', 'hex', 'base64'] as const

/** What a node must say, sentence by sentence in this order, others in between. */
type Account = readonly RegExp[]

const TAKEOVER: Account = [
  /^\S+ is active on slave since .+ \(epoch \d+\); master is dead\.$/,
  /^At [\d:.]+Z: \S+ standby -> starting: the peer is dead, has left or never came: take the group over\.$/,
  /^At that moment: taking \S+: the peer is dead\.$/,
  /^At that moment: master is dead: nothing heard for \d+ ms/,
]

/** After the master has come back: why it serves, and why it had not. */
const RETURN: Readonly<Record<NodeName, Account>> = {
  slave: [
    /^\S+ is standby on slave since .+ \(epoch \d+\); master says that it is active there\.$/,
    /^At [\d:.]+Z: \S+ active -> stopping: agreed with the peer, which takes it next\.$/,
    /^At that moment: giving up \S+: failback to the preferred node\.$/,
    /^Before that, at [\d:.]+Z: taking \S+: the peer is dead\.$/,
    /^Before that, at [\d:.]+Z: master is dead: nothing heard for \d+ ms/,
  ],
  master: [
    /^\S+ is active on master since .+ \(epoch \d+\); slave says that it is standby there\.$/,
    /^At [\d:.]+Z: \S+ standby -> starting: the peer has given it up for this node\.$/,
    /^At that moment: taking \S+: failback to the preferred node\.$/,
    /^Before that, at [\d:.]+Z: \S+ is cut off until the peer says who owns it: this process was paused for \d+ ms\.$/,
  ],
}

const entry = (kind: string, text: string): RegExp =>
  new RegExp(String.raw`^\d\d:\d\d:\d\d\.\d{3}Z {2}${kind} +${text}`)

/** What the time line of each node tells of it, in this order. */
const TIMELINE: Readonly<Record<NodeName, Account>> = {
  slave: [
    entry('decision', 'master: settled -> alone: the peer was silent for its dead time$'),
    entry('decision', String.raw`\S+: standby -> starting: the peer is dead, has left or never came: take the group`),
    entry('event', String.raw`\S+ is served here \(epoch \d+, \d+ ms\)$`),
    entry('event', String.raw`master reports that its process was paused for \d+ ms$`),
    entry('event', String.raw`giving up \S+: failback to the preferred node$`),
    entry('event', String.raw`\S+ is no longer served here`),
  ],
  master: [
    entry('event', String.raw`\S+ is served here \(epoch \d+, \d+ ms\)$`),
    entry('decision', String.raw`\S+: active -> probation: .+ cut off first, then ask$`),
    entry('event', String.raw`\S+ is no longer served here`),
    entry('event', String.raw`\S+ is served here \(epoch \d+, \d+ ms\)$`),
  ],
}

const assertTold = (what: string, said: string, account: Account): void => {
  const lines = said.split('\n')
  let from = 0
  for (const sentence of account) {
    const found = lines.findIndex((line, at) => at >= from && sentence.test(line))
    assert.ok(found >= 0, `${what}: nothing like ${sentence} from line ${from + 1} on:\n${said}`)
    from = found + 1
  }
}

/** `hot-standby why` on a node. Answers its sentences. */
const why = async (stage: Stage, node: NodeName, account: Account): Promise<readonly string[]> => {
  const { code, stdout, stderr } = await stage.command(node, 'why')
  assert.deepEqual([code, stderr], [0, ''])
  assertTold(`why on ${node}`, stdout, account)
  const [sentences = '', timeline = ''] = stdout.split('\n\n')
  assertTold(`time line of why on ${node}`, timeline, [entry('decision', ''), entry('event', '')])
  return [`${node}: hot-standby why`, ...sentences.split('\n').map((line) => `  ${line}`)]
}

/** Takes a recording to a host that is no member, and runs it again there. */
const replayElsewhere = async (world: World, recording: string): Promise<CommandResult> => {
  await world.host('client').write('/tmp/taken', recording)
  return world.host('client').run([process.execPath, MAIN, 'replay', '/tmp/taken'], { check: false })
}

/** It replays elsewhere, tells what happened, and contains no key. */
const assertReplays = async (world: World, node: NodeName, file: string): Promise<string> => {
  const { stdout: mode } = await world.host(node).run(['stat', '-c', '%a', file])
  assert.equal(mode.trim(), '600', file)
  const recording = await world.host(node).read(file)
  for (const form of KEY) assert.ok(!recording.includes(Buffer.from('hello!').toString(form)), `a key is in ${file}`)
  const { code, stdout, stderr } = await replayElsewhere(world, recording)
  assert.deepEqual([code, stderr], [0, ''], file)
  assert.match(stdout, new RegExp(`^${node} \\(peer .+ from the start of the process; recorded by version \\d`))
  assert.match(stdout, /^\d+ inputs were run again: the same effects came out\.$/m)
  assertTold(`replay of ${file}`, stdout, TIMELINE[node])
  return recording
}

/** The recording with a beat of its second half said to have come 1/1024 ms later, and the number of that line. */
const alter = (recording: string): { readonly text: string; readonly line: number } => {
  const lines = recording.split('\n')
  const index = lines.findIndex((text, at) => at > lines.length / 2 && /^\["message",\d+,/.test(text))
  assert.ok(index > 0, 'there is a message in its second half')
  lines[index] = (lines[index] ?? '').replace(/\d+/, (steps) => String(Number(steps) + 1))
  return { text: lines.join('\n'), line: index + 1 }
}

/** The recording that a node has kept of its last change of role; it is written three seconds later. */
const lastKept = async (world: World, node: NodeName, change: string): Promise<string> => {
  const changed = String(world.pair(node).events.findLast(({ event }) => event['name'] === change)?.event['time'])
  const newest = () =>
    readdirSync(world.host(node).path(STATE), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.recording'))
      .sort()
      .at(-1)
  const isLater = () => (newest()?.split('/').at(-1) ?? '') > changed.replaceAll(':', '-')
  await waitFor(isLater, { what: `${node} has kept what led to ${change} at ${changed}`, seen: newest })
  return `${STATE}/${newest()}`
}

scenario(
  'recorder',
  {
    row: 'master frozen and thawed: both say why; their recordings replay elsewhere, altered ones do not, and hold no key',
  },
  async (world) => {
    const stage = await Stage.up(world, { autoFailback: true })
    await stage.act('the master is frozen', () => world.freeze('master'), {
      servedBy: ['master', 'slave'],
      limitMs: takeover,
    })
    const remarks = [...(await why(stage, 'slave', TAKEOVER))]
    await stage.act('the master is thawed', () => world.thaw('master'), {
      servedBy: ['slave', 'master'],
      limitMs: planned,
    })
    for (const [node, change] of [
      ['slave', 'group:released'],
      ['master', 'group:acquired'],
    ] as const) {
      remarks.push(...(await why(stage, node, RETURN[node])))
      const { code, stderr } = await stage.command(node, 'record', '/tmp/recording')
      assert.equal(code, 0, stderr)
      const { text, line } = alter(await assertReplays(world, node, '/tmp/recording'))
      const refused = await replayElsewhere(world, text)
      assert.equal(refused.code, 1, refused.stdout)
      assert.match(refused.stderr, new RegExp(`^/tmp/taken:${line}: the same input does not lead to the same effects`))
      await assertReplays(world, node, await lastKept(world, node, change))
    }
    assert.match(remarks.join('\n'), new RegExp(`${FLOATING} is active on master`))
    return { ...(await stage.end('master')), remarks }
  },
)
