import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { lacking } from './netns.ts'
import { FLOATING, NODES, type Node, peerOf, SystemdPair } from './systemd-pair.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking('nsenter', 'unshare', 'setpriv', 'systemctl', 'dbus-daemon', 'nginx', 'curl')
if (reason) console.log(`skipped: ${reason}`)

describe('a pair of hosts with a real systemd', { skip: reason ?? false, timeout: 400_000 }, () => {
  let pair: SystemdPair

  before(async () => {
    pair = await SystemdPair.boot()
    await Promise.all(NODES.map((node) => pair.start(node)))
    await pair.serves('a', 30_000)
    await waitFor(() => NODES.every((node) => pair.told(node, 'peer:alive').length > 0), {
      what: 'both know each other',
    })
  })
  after(() => pair?.end())
  beforeEach(() => pair.home())

  /** Waits until it is the peer's to serve, after `again` has failed the resource within the window of the first failure. */
  async function failsTwice(owner: Node, fail: () => void, resource: RegExp): Promise<void> {
    const restarts = () =>
      pair.told(owner, 'resource:restarted').filter(({ resource: name }) => resource.test(String(name)))
    fail()
    await waitFor(() => restarts().length === 1, { what: 'restarted in place' })
    await pair.serves(owner)
    await pair.ready(owner)
    fail()
    await pair.serves(peerOf(owner))
    const failures = pair.told(owner, 'resource:failed').map(({ action }) => action)
    assert.deepEqual(failures, ['restart', 'move'])
  }

  it('serves both families, by a unit, a script and nginx; a planned move takes all of it along', async () => {
    for (const owner of NODES) {
      await pair.ready(owner)
      const { code, said } = await pair.command(owner, 'standby')
      assert.equal(code, 0, said)
      await pair.serves(peerOf(owner))
    }
  })

  it('ip addr del by hand: put back; again within the window: the peer serves', async (t) => {
    for (const [owner, address] of [
      ['a', `${FLOATING[0]}/32`],
      ['b', `${FLOATING[1]}/128`],
    ] as const) {
      pair.forget()
      await failsTwice(owner, () => void pair.sh(owner, `ip addr del ${address} dev eth0`), /^vip:/)
      t.diagnostic(`${address}: put back in ${pair.told(owner, 'resource:restarted')[0]?.['tookMs']} ms`)
    }
  })

  it('the unit stopped by hand, and killed: started again at once; again within the window: the peer serves', async () => {
    await failsTwice('a', () => void pair.sh('a', 'systemctl stop lab-app'), /^systemd:/)
    pair.forget()
    await failsTwice('b', () => void pair.sh('b', 'systemctl kill -s KILL lab-app'), /^systemd:/)
  })

  it('kill -9 of nginx, master and workers: started again by its unit; again: the peer serves', async () => {
    await failsTwice('a', () => void pair.sh('a', 'systemctl kill -s KILL nginx'), /^nginx/)
    pair.forget()
    await failsTwice('b', () => void pair.sh('b', 'kill -9 $(cat /run/nginx.pid)'), /^nginx/)
  })

  it('kill -9 of the script that starts: the start fails there, and the owner goes on', async () => {
    pair.sh('b', 'echo "exec -a lab-starting sleep 1000" >/run/lab.start')
    const moved = pair.command('a', 'standby')
    await waitFor(() => pair.sh('b', 'pgrep -f [l]ab-starting') !== '', { what: 'the start is under way' })
    pair.sh('b', 'kill -9 $(pgrep -f [l]ab-starting)')
    const { code, said } = await moved
    assert.equal(code, 1, said)
    assert.match(said, /HS_MOVE|was ended by SIGKILL|web/)
    await pair.serves('a')
  })

  it('kill -9 of the member while it starts: its peer serves; once it is back nothing of it is left', async () => {
    // It takes its time on b.
    pair.sh('b', 'echo "sleep 1" >/run/lab.start')
    const moved = pair.command('a', 'standby')
    await waitFor(() => pair.sh('b', 'ls /run/lab.start.begun') !== '', { what: 'b is starting', everyMs: 5 })
    await pair.kill('b')
    assert.equal((await moved).code, 1)
    for (const node of NODES) pair.sh(node, 'rm -f /run/lab.st*')
    await waitFor(() => FLOATING.every((address) => pair.page(address) === 'page of a'), {
      what: 'a serves the clients',
    })
    // The start died with the member, though it would have been done by now.
    assert.deepEqual(pair.has('b'), [])
    await pair.start('b')
    await pair.serves('a')
  })

  it('kill -9 of the member while it stops: its peer serves; once it is back nothing of it is left', async () => {
    pair.sh('a', 'echo "sleep 1" >/run/lab.stop')
    const moved = pair.command('a', 'standby')
    await waitFor(() => pair.sh('a', 'ls /run/lab.stop.begun') !== '', { what: 'a is stopping', everyMs: 5 })
    await pair.kill('a')
    await moved
    for (const node of NODES) pair.sh(node, 'rm -f /run/lab.st*')
    await waitFor(() => FLOATING.every((address) => pair.page(address) === 'page of b'), {
      what: 'b serves the clients',
    })
    // The addresses went with the member, the script's work is still there: a copy that answers nobody.
    assert.ok(!pair.has('a').some((word) => word.includes('88')), pair.has('a').join())
    await pair.start('a')
    await pair.serves('b')
    await pair.ready('b')
    const { code, said } = await pair.command('b', 'standby')
    assert.equal(code, 0, said)
    await pair.serves('a')
  })

  it('kill -9 of the member that serves: its peer serves; once it is back its leftovers are gone', async () => {
    await pair.kill('a')
    await waitFor(() => FLOATING.every((address) => pair.page(address) === 'page of b'), {
      what: 'b serves the clients',
    })
    await pair.start('a')
    await pair.serves('b')
    await pair.ready('b')
    assert.equal((await pair.command('b', 'standby')).code, 0)
    await pair.serves('a')
  })

  const failing: readonly (readonly [what: string, step: string, says: RegExp])[] = [
    ['hangs', 'sleep 1000', /not finished within 4000 ms/],
    ['hangs and ignores SIGTERM', "trap '' TERM; while :; do sleep 0.1; done", /not finished within 4000 ms/],
    ['says that it did it, and did not', 'exit 0', /ended with success, yet its status does not say running/],
    [
      'prints megabytes, then fails',
      'head -c 5000000 /dev/zero | tr "\\0" x; echo; echo out of paper >&2; exit 1',
      /out of paper/,
    ],
    ['needs a program that is missing', '/nonexistent/program || exit', /ended with exit code 127: .*No such file/],
    [
      'lacks a permission',
      'cat /proc/1/mem; echo 1 2>&1 >/proc/1/oom_adj_nothing || exit 4',
      /ended with exit code [1-9]/,
    ],
  ]
  for (const [what, step, says] of failing) {
    it(`an agent whose start ${what}: said why, and the owner goes on serving`, async () => {
      pair.put('b', '/run/lab.start', step)
      const { code, said } = await pair.command('a', 'standby')
      assert.equal(code, 1, said)
      await pair.serves('a')
      const reasons = pair.told('b', 'group:failed').map(({ reason: why }) => String(why))
      assert.match(reasons.join('\n'), says)
      assert.equal(pair.sh('b', 'pgrep -f "[s]leep (1000|0.1)$" || true'), '', 'nothing of it runs on')
    })
  }

  it('an agent that prints megabytes and leaves children: it serves all the same, and stops', async () => {
    pair.sh('b', 'echo "head -c 5000000 /dev/zero | tr 0 x; (sleep 30; :) &" >/run/lab.start')
    const { code, said } = await pair.command('a', 'standby')
    assert.equal(code, 0, said)
    await pair.serves('b')
    await pair.ready('b')
    assert.equal((await pair.command('b', 'standby')).code, 0)
    await pair.serves('a')
  })

  it('an agent that may not be executed on the standby: said why, and the owner goes on serving', async () => {
    pair.sh('b', 'chmod 644 /etc/ha.d/lab')
    const { code, said } = await pair.command('a', 'standby')
    assert.equal(code, 1, `${said} ${JSON.stringify([pair.all('a'), pair.all('b')])}`)
    await pair.serves('a')
    assert.match(
      pair
        .told('b', 'group:failed')
        .map(({ reason: why }) => String(why))
        .join(),
      /not executable/,
    )
  })
})
