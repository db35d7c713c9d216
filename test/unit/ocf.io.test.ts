import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type OcfOptions, ocf } from '../../src/resources/ocf.ts'
import { advisedTimes } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, collectingLogger, temporaryDirectory, within, writeScript } from '../support/agents.ts'

const metadata = `<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<!-- <parameter name="commented" required="1"/> -->
<resource-agent name="lab">
<parameters>
<parameter name="state" required="1"><content type="string" default="a &gt; b" /></parameter>
<parameter name='level'><content type="integer"/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s" /><action name="stop" timeout="2min"/>
<action name="monitor" timeout="20" interval="10"/><action name="monitor" depth="10" timeout="40s"/>
<action name="validate-all" timeout="5s"/>
</actions>
</resource-agent>`

/** An agent whose whole life is one file. */
const service = `
case "$1" in
  start) [ -e "$OCF_RESKEY_state.hang" ] && sleep 60; echo $OCF_RESOURCE_INSTANCE >"$OCF_RESKEY_state";;
  stop) rm -f "$OCF_RESKEY_state";;
  monitor) [ -e "$OCF_RESKEY_state" ] || exit 7;;
  validate-all) exit 0;;
  *) exit 3;;
esac`

/** Writes an agent that answers to meta-data below a root of its own; `options` name that root. */
function agentIn(directory: string, body: string, described = metadata): OcfOptions & { root: string } {
  const folder = join(directory, 'resource.d', 'test')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(directory, 'metadata'), described)
  writeScript(folder, 'lab', `[ "$1" = meta-data ] && exec cat ${directory}/metadata\n${body}`)
  return { root: directory, parameters: { state: join(directory, 'state') } }
}

const make = (options: OcfOptions, context = agentContext('/tmp')) => ocf('ocf:test:lab', options).create(context)

resourceAgentSuite({
  manifest: { sees: true, breaks: true, hangs: true },
  test: (name, run) => test(`ocf: ${name}`, run),
  create() {
    let remove = (): void => {}
    const directory = temporaryDirectory({
      after(run) {
        remove = run
      },
    })
    const state = join(directory, 'state')
    return {
      plugin: ocf('ocf:test:lab', agentIn(directory, service)),
      serves: () => existsSync(state),
      break: () => rmSync(state),
      hang: () => writeFileSync(`${state}.hang`, ''),
      cleanup: remove,
    }
  },
})

test('the environment is what OCF prescribes', async (t) => {
  const directory = temporaryDirectory(t)
  const options = agentIn(directory, `env >${directory}/env.$1; ${service}`)
  const agent = make({ ...options, instance: 'first', checkLevel: 10, parameters: { ...options.parameters, level: 3 } })
  await agent.open?.()
  await agent.prepare?.(within())
  await agent.status(within())
  const probe = readFileSync(join(directory, 'env.monitor'), 'utf8')
  for (const line of [
    `OCF_ROOT=${directory}`,
    'OCF_RA_VERSION_MAJOR=1',
    'OCF_RESOURCE_INSTANCE=first',
    'OCF_RESOURCE_TYPE=lab',
    'OCF_RESOURCE_PROVIDER=test',
    'OCF_CHECK_LEVEL=10',
    `OCF_RESKEY_state=${directory}/state`,
    'OCF_RESKEY_level=3',
    'OCF_RESKEY_CRM_meta_interval=0',
    'OCF_RESKEY_CRM_meta_timeout=40000',
  ]) {
    assert.ok(probe.split('\n').includes(line), line)
  }
  await agent.start(within())
  await agent.status(within())
  assert.match(readFileSync(join(directory, 'env.monitor'), 'utf8'), /^OCF_RESKEY_CRM_meta_interval=10000$/m)
})

test('every return code has its words and its code', async (t) => {
  const directory = temporaryDirectory(t)
  const agent = make(agentIn(directory, `echo first >&2; echo last words >&2; exit $(cat ${directory}/code)`))
  const cases: readonly (readonly [code: number, error: string, meaning: RegExp])[] = [
    [1, 'HS_RESOURCE', /ocf:test:lab start ended with 1 \(it failed\): first; last words/],
    [2, 'HS_CONFIG', /its parameters are wrong on this host/],
    [3, 'HS_RESOURCE', /does not know this action/],
    [4, 'HS_HOST', /lacks a permission/],
    [5, 'HS_HOST', /is not installed/],
    [6, 'HS_CONFIG', /its parameters are wrong/],
    [7, 'HS_RESOURCE', /is not running/],
    [8, 'HS_RESOURCE', /runs as promoted/],
    [9, 'HS_RESOURCE', /failed as promoted/],
    [42, 'HS_RESOURCE', /42 \(a code that OCF does not know\)/],
  ]
  for (const [code, error, message] of cases) {
    writeFileSync(join(directory, 'code'), String(code))
    await assert.rejects(agent.start(within()), { code: error, message })
    await assert.rejects(agent.stop(within()), { code: error })
    const { state } = await agent.status(within())
    assert.equal(state, code === 7 ? 'stopped' : code === 8 ? 'running' : 'failed', `monitor ${code}`)
    if (code !== 3) await assert.rejects(async () => agent.prepare?.(within()), { code: error })
  }
  writeFileSync(join(directory, 'code'), '3')
  await agent.prepare?.(within())
})

test('success without doing it is found out', { timeout: 60_000 }, async (t) => {
  const directory = temporaryDirectory(t)
  const liar = make(agentIn(directory, `[ "$1" = monitor ] && exit $(cat ${directory}/monitor); exit 0`))
  writeFileSync(join(directory, 'monitor'), '7')
  await assert.rejects(liar.start(within()), /start ended with success, yet ocf:test:lab monitor ended with 7/)
  writeFileSync(join(directory, 'monitor'), '0')
  await assert.rejects(liar.stop(within()), /stop ended with success, yet ocf:test:lab monitor ended with 0/)
})

test('unknown and missing parameters are refused', async (t) => {
  const options = agentIn(temporaryDirectory(t), service)
  await assert.rejects(async () => make({ ...options, parameters: {} }).open?.(), {
    code: 'HS_CONFIG',
    message: /ocf\.parameters: ocf:test:lab needs state$/,
  })
  await assert.rejects(async () => make({ ...options, parameters: { state: '/x', commented: 1 } }).open?.(), {
    code: 'HS_CONFIG',
    message: /ocf\.parameters\.commented: ocf:test:lab has no such parameter; it has: state, level$/,
  })
})

test('limits below what the agent advises are told', async (t) => {
  const { logger, lines } = collectingLogger()
  const options = agentIn(temporaryDirectory(t), service)
  const written = { ...options, stopTimeout: '60s', statusTimeout: '10s' } as const
  await make(written, agentContext('/tmp', null, logger)).open?.()
  const advice = lines.filter((line) => line.startsWith('warn'))
  assert.deepEqual(advice, [
    'warn ocf:test:lab advises 120 s for stop, its limit here is 60 s',
    'warn ocf:test:lab advises 20 s for monitor, its limit here is 10 s',
  ])
})

test('the times that the agent advises stand where the configuration leaves them open', async (t) => {
  const { logger, lines } = collectingLogger()
  const options = agentIn(temporaryDirectory(t), service)
  const ofLevel = async (checkLevel: number) => {
    const plugin = ocf('ocf:test:lab', { ...options, checkLevel, startTimeout: '33s' })
    const agent = plugin.create(agentContext('/tmp', null, logger))
    assert.deepEqual(agent.advice?.(), {}, 'nothing is known before it is open')
    await agent.open?.()
    assert.deepEqual(agent.inspect?.()['advice'], agent.advice?.())
    return advisedTimes(plugin, agent.advice?.() ?? {})
  }
  const written = { startMs: 33_000, stopMs: 120_000 }
  assert.deepEqual(await ofLevel(0), { ...written, statusMs: 20_000, intervalMs: 10_000 })
  assert.deepEqual(await ofLevel(10), { ...written, statusMs: 40_000, intervalMs: 10_000 }, 'the default interval')
  assert.deepEqual(await ofLevel(20), { ...written, statusMs: 20_000, intervalMs: 10_000 })
  assert.deepEqual(
    lines.filter((line) => line.startsWith('warn')),
    [],
  )
})

test('advice that is no sensible time is left aside and told', async (t) => {
  const { logger, lines } = collectingLogger()
  const actions = `
    <action name="start" timeout="soon"/><action name="stop" timeout="2h"/><action name="stop" timeout="90"/>
    <action name="monitor" timeout="0s" interval="0"/><action name="monitor" interval="100ms"/>
    <action name="monitor" interval="1min" role="Promoted"/><action name="monitor" interval="-5s"/>`
  const described = metadata.replace(/<actions>[\s\S]*<\/actions>/, `<actions>${actions}</actions>`)
  const plugin = ocf('ocf:test:lab', agentIn(temporaryDirectory(t), service, described))
  const agent = plugin.create(agentContext('/tmp', null, logger))
  await agent.open?.()
  assert.deepEqual(agent.advice?.(), { stopMs: 90_000 })
  const told = (what: string) => `warn ocf:test:lab advises ${what}, no time from 1 s to 1 h: it is left aside`
  assert.deepEqual(
    lines.filter((line) => line.startsWith('warn')),
    [
      told("'soon' as timeout of start"),
      told("'2h' as timeout of stop"),
      told("'0s' as timeout of monitor"),
      told("'100ms' as interval of monitor"),
      told("'-5s' as interval of monitor"),
    ],
  )
})

test('what can be promoted never is: told, and refused where nothing serves without', async (t) => {
  const { logger, lines } = collectingLogger()
  const promotable = metadata.replace('<actions>', '<actions><action name="promote" timeout="10s"/>')
  const options = agentIn(temporaryDirectory(t), service, promotable)
  await make({ ...options, statusTimeout: '20s', stopTimeout: '2m' }, agentContext('/tmp', null, logger)).open?.()
  assert.deepEqual(
    lines.filter((line) => line.startsWith('warn')),
    ['warn ocf:test:lab can be promoted; here it is started and never promoted: right for what serves without'],
  )
  assert.throws(() => ocf('ocf:linbit:drbd'), { code: 'HS_CONFIG', message: /right is drbd\('NAME'\)/ })
  const meta = { ...options, parameters: { ...options.parameters, CRM_meta_clone_max: 2 } }
  await assert.rejects(async () => make(meta).open?.(), { code: 'HS_CONFIG', message: /no such parameter/ })
})

test('an agent that is missing, open to others or no agent is refused', async (t) => {
  const directory = temporaryDirectory(t)
  const options = agentIn(directory, service, 'Usage: lab start|stop')
  const open = async (): Promise<void> => make(options).open?.()
  await assert.rejects(open(), { code: 'HS_HOST', message: /printed no metadata: "Usage: lab/ })
  chmodSync(join(directory, 'resource.d/test/lab'), 0o777)
  await assert.rejects(open(), { code: 'HS_HOST', message: /everybody could change it; run chmod go-w/ })
  rmSync(join(directory, 'resource.d/test/lab'))
  await assert.rejects(open(), { code: 'HS_HOST', message: /resource\.d\/test\/lab: does not exist/ })
})

test('what a killed process left is stopped as it was started', async (t) => {
  const directory = temporaryDirectory(t)
  const options = agentIn(directory, service)
  const context = agentContext('/tmp')
  await make(options, context).start(within())
  const record = context.record()
  const next = agentContext('/tmp', record)
  await make({ ...options, parameters: { state: join(directory, 'elsewhere') } }, next).open?.()
  assert.equal(existsSync(join(directory, 'state')), false)
  assert.equal(next.record(), null)
})

test('bad names and options are refused at construction', () => {
  const cases: readonly (readonly [name: string, options: OcfOptions, message: RegExp])[] = [
    ['IPaddr2', {}, /'IPaddr2' is not an agent; right is 'ocf:PROVIDER:NAME'/],
    ['ocf:heartbeat:../x', {}, /is not an agent/],
    ['ocf:heartbeat:..', {}, /is not an agent/],
    ['ocf:a:b', { parameters: { 'a b': 1 } }, /ocf\.parameters\.a b/],
    ['ocf:a:b', { parameters: { a: null as unknown as string } }, /null is neither a text/],
    ['ocf:a:b', { instance: 'a/b' }, /ocf\.instance/],
    ['ocf:a:b', { root: 'ocf' }, /ocf\.root/],
    ['ocf:a:b', { checkLevel: -1 }, /ocf\.checkLevel/],
  ]
  for (const [name, options, message] of cases) assert.throws(() => ocf(name, options), { code: 'HS_CONFIG', message })
  assert.equal(ocf('heartbeat:IPaddr2').name, 'ocf:heartbeat:IPaddr2')
})
