import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Agent,
  addressesOf,
  buildNetwork,
  ip,
  namespaceOf,
  opened,
  removeNetwork,
  run,
  sysctl,
  until,
  whyNot,
} from './vip.network.ts'

/** Host c has addresses in networks in which the other hosts have none: they reach it through the floating address only. */
const floating = '10.88.0.100'
const second = '10.88.0.101'
const client = '10.88.0.9'
const floating6 = 'fd88::100'
const client6 = 'fd88::9'
const own = '10.88.0.5'

/** Does c get an answer from the floating address? */
function answers(address: string): boolean {
  try {
    run('ip', 'netns', 'exec', namespaceOf('c'), 'ping', '-c', '1', '-W', '1', address)
    return true
  } catch {
    return false
  }
}

const routesOfA = (): string => ip('a', 'route', 'show') + ip('a', '-6', 'route', 'show')
const shownOnA = (address: string): string => ip('a', '-o', 'addr', 'show', 'dev', 'eth0', 'to', address)
const here = (form: string): boolean => addressesOf('a').includes(form)

/** Asks for the status when the agent says that something changed, as the core does, until the address has that form. */
async function takesForm(agent: Agent, form: string): Promise<void> {
  const begun = agent.said.length
  assert.ok((await until(() => agent.said.slice(begun - 1).some(({ changed }) => changed))) !== undefined, 'is told')
  for (let tries = 0; tries < 20 && !here(form); tries++) {
    assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    await sleep(20)
  }
  assert.ok(here(form), `${form} in ${addressesOf('a')}`)
}

const reason = whyNot()
if (reason) console.log(`skipped: ${reason}`)

describe('the form of a floating address', { skip: reason, timeout: 900_000 }, () => {
  before(() => {
    removeNetwork()
    buildNetwork()
    ip('c', 'addr', 'add', `${client}/24`, 'dev', 'eth0')
    ip('c', 'addr', 'add', `${client6}/64`, 'dev', 'eth0', 'nodad')
    ip('a', 'link', 'property', 'add', 'dev', 'eth0', 'altname', 'enp1s0')
    ip('a', 'link', 'property', 'add', 'dev', 'eth0', 'altname', 'enx0123456789abcdef')
  })
  after(removeNetwork)
  afterEach(async () => {
    for (const agent of Agent.running) await agent.end()
    await until(() => !addressesOf('a').some((entry) => entry.startsWith(floating) || entry.startsWith(floating6)))
    for (const entry of addressesOf('a'))
      if (/^(10\.88|198\.51|fd88)/.test(entry)) ip('a', 'addr', 'del', entry, 'dev', 'eth0')
  })

  it('brings its network where the device has no address in it, and takes it along', async () => {
    const address = [`${floating}/24`, `${floating6}/64`]
    const agent = await opened('a', { address })
    await agent.ask('start')
    assert.match(shownOnA(floating), /10\.88\.0\.100\/24 brd 10\.88\.0\.255 /)
    assert.ok(here(`${floating6}/64`))
    assert.match(routesOfA(), /10\.88\.0\.0\/24 dev eth0/)
    assert.ok(answers(floating) && answers(floating6), 'the client reaches it')
    run('ip', 'netns', 'exec', namespaceOf('a'), 'ping', '-c', '1', '-W', '1', client)
    assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    assert.deepEqual(agent.said.find(({ remember }) => remember)?.remember, { device: 'eth0', addresses: address })
    await agent.ask('isolate')
    assert.ok(!answers(floating))
    await agent.ask('restore')
    assert.ok(answers(floating) && answers(floating6))
    await agent.ask('stop')
    assert.doesNotMatch(routesOfA(), /10\.88\.0\.0|fd88/)
    assert.doesNotMatch(addressesOf('a').join(), /10\.88|fd88/)
  })

  it('is written as its network has it: another broadcast address, /32, /128, no prefix, a network of two', async () => {
    const forms: readonly [written: string, shown: RegExp][] = [
      [`${floating}/25/eth0/10.88.0.63`, /10\.88\.0\.100\/25 brd 10\.88\.0\.63 /],
      [`${floating}/255.255.255.0/eth0`, /10\.88\.0\.100\/24 brd 10\.88\.0\.255 /],
      [`${floating}/32/eth0`, /10\.88\.0\.100\/32 scope/],
      [floating, /10\.88\.0\.100\/32 scope/],
      [`${floating}/31`, /10\.88\.0\.100\/31 scope/],
    ]
    for (const [written, shown] of forms) {
      const options = written.includes('eth0') ? {} : { device: 'eth0' }
      const agent = await opened('a', { address: written, options })
      await agent.ask('start')
      assert.match(shownOnA(floating), shown, written)
      await agent.ask('stop')
      assert.equal(shownOnA(floating), '', written)
      await agent.end()
    }
    const agent = await opened('a', { address: `${floating6}/128` })
    await agent.ask('start')
    assert.ok(here(`${floating6}/128`))
    assert.doesNotMatch(routesOfA(), /fd88::\/64/)
  })

  it('goes after kill -9 in that form, and what a predecessor left goes in that form only', async () => {
    const agent = await opened('a', { address: [`${floating}/24`, `${floating6}/64`] })
    await agent.ask('start')
    await agent.end('SIGKILL')
    assert.ok((await until(() => !/10\.88|fd88/.test(addressesOf('a').join() + routesOfA()))) !== undefined)

    const leftover = { device: 'eth0', addresses: [`${floating}/24`] }
    ip('a', 'addr', 'add', `${floating}/24`, 'dev', 'eth0')
    await opened('a', { address: `${floating}/24`, leftover })
    assert.ok(!here(`${floating}/24`))
    ip('a', 'addr', 'add', `${floating}/25`, 'dev', 'eth0')
    const refused = await new Agent('a', { address: `${floating}/24`, leftover }).attempt('open')
    assert.equal(refused.error?.code, 'HS_RESOURCE')
    assert.ok(here(`${floating}/25`))
  })

  it("becomes one host when an address of the host's own comes, and that one stays", async () => {
    const agent = await opened('a', { address: [`${floating}/24`, `${floating6}/64`] })
    await agent.ask('start')
    ip('a', 'addr', 'add', `${own}/24`, 'brd', '+', 'dev', 'eth0')
    await takesForm(agent, `${floating}/32`)
    assert.ok(here(`${own}/24`) && !here(`${floating}/24`), addressesOf('a').join())
    assert.doesNotMatch(ip('a', 'addr', 'show', 'dev', 'eth0'), /secondary/)
    assert.ok(answers(floating) && answers(own))
    assert.deepEqual(agent.said.findLast((line) => 'remember' in line)?.remember, {
      device: 'eth0',
      addresses: [`${floating}/32`, `${floating6}/64`],
    })
    ip('a', 'addr', 'add', 'fd88::5/64', 'dev', 'eth0', 'nodad')
    await takesForm(agent, `${floating6}/128`)
    assert.ok(answers(floating6) && answers('fd88::5'))
    await agent.end('SIGKILL')
    assert.ok((await until(() => !here(`${floating}/32`) && !here(`${floating6}/128`))) !== undefined)
    assert.ok(here(`${own}/24`) && here('fd88::5/64'))
    assert.equal(sysctl('a', 'ipv4/conf/eth0/promote_secondaries'), '0')
  })

  it("takes no address of the host's own along when it stops before it has seen it", async () => {
    const agent = await opened('a', { address: `${floating}/24` })
    await agent.ask('start')
    ip('a', 'addr', 'add', `${own}/24`, 'brd', '+', 'dev', 'eth0')
    await agent.ask('stop')
    assert.ok(here(`${own}/24`) && !here(`${floating}/24`), addressesOf('a').join())
    assert.ok(answers(own))
    assert.equal(sysctl('a', 'ipv4/conf/eth0/promote_secondaries'), '0')
  })

  it("brings its network when the host's own address goes", async () => {
    ip('a', 'addr', 'add', `${own}/24`, 'brd', '+', 'dev', 'eth0')
    ip('a', 'addr', 'add', 'fd88::5/64', 'dev', 'eth0', 'nodad')
    const agent = await opened('a', { address: [`${floating}/24`, `${floating6}/64`] })
    await agent.ask('start')
    assert.ok(here(`${floating}/32`) && here(`${floating6}/128`))
    ip('a', 'addr', 'del', `${own}/24`, 'dev', 'eth0')
    await takesForm(agent, `${floating}/24`)
    ip('a', 'addr', 'del', 'fd88::5/64', 'dev', 'eth0')
    await takesForm(agent, `${floating6}/64`)
    assert.ok(answers(floating) && answers(floating6))
    await agent.ask('stop')
    assert.doesNotMatch(addressesOf('a').join() + routesOfA(), /10\.88|fd88/)
  })

  it('shares a network that exists only through two of them: each goes without the other', async () => {
    for (const leaves of ['first', 'second'] as const) {
      const agent = await opened('a', { address: `${floating}/24`, second: `${second}/24` })
      await agent.ask('open', 'second')
      await agent.ask('start')
      await agent.ask('start', 'second')
      await agent.ask('stop', leaves)
      const [stays, gone, other] =
        leaves === 'first' ? [second, floating, 'second' as const] : [floating, second, 'first' as const]
      assert.ok(here(`${stays}/24`) && !here(`${gone}/24`), addressesOf('a').join())
      assert.ok(answers(stays) && !answers(gone))
      assert.deepEqual((await agent.ask('status', other)).value, { state: 'running' })
      await agent.end('SIGKILL')
      assert.ok((await until(() => !/10\.88/.test(addressesOf('a').join() + routesOfA()))) !== undefined)
    }
  })

  it('is held by a device of its own, with its network', async () => {
    const agent = await opened('a', { address: `${floating}/24`, options: { device: 'eth0', macvlan: true } })
    await agent.ask('start')
    assert.ok(answers(floating))
    assert.deepEqual((await agent.ask('status')).value, { state: 'running' })
    await agent.ask('stop')
    assert.doesNotMatch(routesOfA(), /10\.88/)
  })

  it('goes onto a device by an alternative name', async () => {
    for (const name of ['enp1s0', 'enx0123456789abcdef', 'enp1s0:w']) {
      const agent = await opened('a', { address: `${floating}/24/${name}`, options: {} })
      assert.equal((await agent.ask('inspect')).value.device, 'eth0')
      await agent.ask('start')
      assert.match(shownOnA(floating), name.includes(':') ? / eth0:w\\/ : / eth0\\/)
      ip('sw', 'link', 'set', 'port-a', 'down')
      assert.ok((await until(() => agent.said.some(({ changed }) => changed))) !== undefined, 'its carrier is watched')
      ip('sw', 'link', 'set', 'port-a', 'up')
      await agent.end()
      await until(() => !here(`${floating}/24`))
    }
  })

  it('goes to the device of the route, at last the default one, where none lies in its network', async () => {
    const address = '198.51.100.10/24'
    const refused = await new Agent('a', { address, options: {} }).attempt('open')
    assert.match(String(refused.error?.message), /no device lies in the network of 198\.51\.100\.10\/24.*routes/)
    ip('a', 'route', 'add', 'default', 'via', '10.77.0.3')
    try {
      const agent = await opened('a', { address, options: {} })
      await agent.ask('start')
      assert.ok(here(address))
      await agent.ask('stop')
      assert.match(ip('a', 'route', 'show', 'default'), /via 10\.77\.0\.3/)
    } finally {
      ip('a', 'route', 'del', 'default')
    }
  })
})
