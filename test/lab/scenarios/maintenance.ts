import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { LIMITS, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { FLOATING } from '../world/layout.ts'

const { planned, noGap } = LIMITS

scenario(
  'maintenance',
  { row: 'maintenance: what fails is told and not touched, moves are refused; when it ends the owner mends it' },
  async (world) => {
    const stage = await Stage.up(world, { source: 'ini', autoFailback: false })
    await stage.act(
      'maintenance on, said at the slave',
      async () => {
        const said = { code: 0, stdout: 'web: maintenance on\n', stderr: '' }
        assert.deepEqual(await stage.command('slave', 'maintenance', 'on', 'web'), said)
        await waitFor(() => stage.told('master', 'maintenance'), { what: 'the master knows' })
        assert.match((await stage.command('master', 'status')).stdout, /active, MAINTENANCE/)
        const { code, stderr } = await stage.command('master', 'standby')
        assert.deepEqual([code, stderr], [1, 'hot-standby: web is in maintenance; end the maintenance first\n'])
      },
      { servedBy: ['master'], limitMs: noGap },
    )
    await stage.act(
      'the address is deleted by hand',
      async () => {
        await world.host('master').run(['ip', 'addr', 'del', `${FLOATING}/32`, 'dev', 'eth0'])
        await waitFor(() => stage.told('master', 'resource:failed'), { what: 'the master says that it is gone' })
      },
      { servedBy: ['master'], ends: 'nobody', limitMs: 0, holdMs: 3000 },
    )
    assert.deepEqual(await world.holders(), [], 'nobody has put it back')
    await stage.act(
      'maintenance off, said at the master',
      async () => assert.equal((await stage.command('master', 'maintenance', 'off')).code, 0),
      { servedBy: ['master'], limitMs: planned + 1000 },
    )
    for (const node of ['master', 'slave'] as const) assert.equal(stage.count(node, 'group:stopping'), 0, node)
    return stage.end('master')
  },
)
