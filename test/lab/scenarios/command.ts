import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { scenario } from '../scenario.ts'
import { LIMITS, type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'

const { noGap, planned } = LIMITS
const NODES: readonly NodeName[] = ['master', 'slave']

for (const nginx of ['cold', 'hot'] as const) {
  scenario(
    `switch-by-command-${nginx}-nginx`,
    { row: 'planned standby and takeover by the command: exit code 0 only when the other side has confirmed' },
    async (world) => {
      const stage = await Stage.up(world, { autoFailback: false, nginx })
      const move = (node: NodeName, command: 'standby' | 'takeover') => async () => {
        const { code, stderr } = await stage.command(node, command)
        assert.equal(code, 0, stderr)
      }
      const there = { servedBy: ['master', 'slave'], limitMs: planned } as const
      const back = { servedBy: ['slave', 'master'], limitMs: planned } as const
      await stage.act('master: hot-standby standby', move('master', 'standby'), there)
      await stage.act('master: hot-standby takeover', move('master', 'takeover'), back)
      await stage.act('slave: hot-standby takeover', move('slave', 'takeover'), there)
      await stage.act('slave: hot-standby standby', move('slave', 'standby'), back)
      return stage.end('master')
    },
  )
}

scenario(
  'switch-refused',
  { row: 'standby without a peer: refused with the reason, exit code 1, master goes on' },
  async (world) => {
    const stage = await Stage.up(world)
    await world.crash('slave')
    await waitFor(() => stage.told('master', 'peer:dead'), { what: 'the master misses the slave' })
    await stage.act(
      'master: hot-standby standby',
      async () => {
        const { code, stderr } = await stage.command('master', 'standby')
        assert.equal(code, 1, stderr)
        assert.match(stderr, /slave/)
      },
      { servedBy: ['master'], limitMs: noGap },
    )
    const { stdout } = await stage.command('master', 'status', '--json')
    const { groups } = JSON.parse(stdout) as { groups: readonly { servedBy: string }[] }
    assert.deepEqual(
      groups.map(({ servedBy }) => servedBy),
      ['master'],
    )
    return stage.end('master')
  },
)

scenario(
  'tutorial-unchanged',
  { row: "the tutorial's own files: check has no errors, and they start a pair; a stop of the master moves the page" },
  async (world) => {
    const stage = await Stage.set(world)
    for (const node of NODES)
      for (const [file, mode] of [
        ['ha.cf', 0o644],
        ['authkeys', 0o600],
        ['haresources', 0o644],
      ] as const) {
        const text = readFileSync(new URL(`../../fixtures/tutorial/${node}/${file}`, import.meta.url), 'utf8')
        await world.host(node).write(`/etc/ha.d/${file}`, text, { mode })
      }
    for (const node of NODES) {
      const { code, stdout } = await stage.command(node, 'check')
      assert.equal(code, 0, stdout)
      assert.match(stdout, /haresources:1: nginx -> nginx, cold/)
      assert.match(stdout, /192\.168\.1\.106\/24\/eth0 -> vip 192\.168\.1\.106\/24 on eth0/)
    }
    await stage.act('both start', () => stage.start('slave', 'master'), { servedBy: ['master'], limitMs: 8000 })
    await waitFor(() => NODES.every((node) => stage.told(node, 'peer:alive')), { what: 'both know each other' })
    await stage.act('SIGTERM to the master', async () => assert.equal(await stage.stop('master'), 0), {
      servedBy: ['master', 'slave'],
      limitMs: planned,
      withinMs: 20_000,
    })
    assert.match(await world.host('slave').read('/var/log/ha-log'), /192\.168\.1\.106/, 'logfile really logs')
    return stage.end('slave')
  },
)

scenario(
  'address-by-hand',
  { row: 'a node that has the floating address configured by hand refuses to start, says why, and leaves it alone' },
  async (world) => {
    const stage = await Stage.set(world)
    await world.host('slave').run(['ip', 'addr', 'add', `${world.floating}/24`, 'dev', 'eth0'])
    const { code, stderr } = await stage.command('slave', 'run')
    assert.equal(code, 1, stderr)
    assert.match(stderr, /192\.168\.1\.106.*eth0/, 'the reason')
    const { stdout } = await world.host('slave').run(['ip', '-brief', 'addr', 'show', 'eth0'])
    assert.match(stdout, /192\.168\.1\.106\/24/, 'nobody removed it')
    return stage.end('slave')
  },
)

scenario(
  'reload',
  { row: 'SIGHUP: new keys and autoFailback are taken while everything runs on; wrong files change nothing' },
  async (world) => {
    const stage = await Stage.up(world, { autoFailback: false })
    const hangUp = async (): Promise<void> => {
      for (const node of NODES) world.pair(node).signal('SIGHUP')
      await sleep(1500)
    }
    const still = { servedBy: ['master'], limitMs: noGap } as const
    await stage.act(
      'a wrong file',
      async () => {
        for (const node of NODES) await stage.rewrite(node, 'ha.cf', (text) => text.replace('keepalive', 'keepalife'))
        await hangUp()
        for (const node of NODES) await stage.rewrite(node, 'ha.cf', (text) => text.replace('keepalife', 'keepalive'))
      },
      still,
    )
    await stage.act(
      'a new key beside the old one',
      async () => {
        for (const node of NODES) await stage.rewrite(node, 'authkeys', (text) => `${text}4 sha1 another secret\n`)
        await hangUp()
      },
      still,
    )
    await stage.act(
      'the new key signs',
      async () => {
        for (const node of NODES) await stage.rewrite(node, 'authkeys', (text) => text.replace('auth 3', 'auth 4'))
        await hangUp()
      },
      still,
    )
    await stage.act(
      'autoFailback on, and the group is away',
      async () => {
        assert.equal((await stage.command('master', 'standby')).code, 0)
        await stage.client.waitForServing('slave')
        for (const node of NODES)
          await stage.rewrite(node, 'ha.cf', (text) => text.replace('auto_failback off', 'auto_failback on'))
        await hangUp()
        assert.equal((await stage.command('master', 'takeover')).code, 0)
      },
      { servedBy: ['master', 'slave', 'master'], limitMs: planned },
    )
    for (const node of NODES) assert.equal(stage.count(node, 'peer:dead'), 0)
    return stage.end('master')
  },
)

scenario(
  'configured-differently',
  { row: 'two nodes configured differently: both say so in an event, and nothing goes home by itself' },
  async (world) => {
    const stage = await Stage.set(world, { autoFailback: true, initdeadMs: 2000 })
    await stage.rewrite('slave', 'haresources', (text) => `${text}slave 192.168.1.200/24/eth0\n`)
    await stage.act('the slave starts alone', () => stage.start('slave'), { servedBy: ['slave'], limitMs: 6000 })
    await stage.act('the master comes', () => stage.join('master'), {
      servedBy: ['slave'],
      limitMs: noGap,
      holdMs: 3000,
    })
    for (const node of NODES) assert.ok(stage.told(node, 'config:differs'), `${node} says so`)
    return stage.end('slave')
  },
)
