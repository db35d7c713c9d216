import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { lacking } from './netns.ts'
import { FLOATING, KINDS, NODES, type Node, peerOf, SystemdPair } from './systemd-pair.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking('nsenter', 'unshare', 'setpriv', 'systemctl', 'dbus-daemon', 'nginx', 'curl')
if (reason) console.log(`skipped: ${reason}`)

describe('a pair of hosts with a real systemd', { skip: reason ?? false, timeout: 900_000 }, () => {
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

  /** Why a node could not have the group. */
  const reasonsOf = (node: Node): readonly string[] =>
    pair.told(node, 'group:failed').map(({ reason: why }) => String(why))

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

  type Kind = keyof typeof KINDS
  const exit = (code: number, rest = ''): Readonly<Record<Kind, RegExp>> => ({
    script: new RegExp(`script:lab: .* ended with exit code ${code}: .*${rest}`),
    lsb: new RegExp(`script:lsb: .* ended with exit code ${code}.*: .*${rest}`),
    ocf: new RegExp(`ocf:lab:ocf: .* ended with ${code} \\(.*: .*${rest}`),
    // Its own words, and the code of what comes before the main process, are in the journal.
    systemd: /systemd:lab-app.service: .* start: it failed \(exit-code\), .* journalctl -u lab-app.service/,
  })
  const tooLong: Readonly<Record<Kind, RegExp>> = {
    script: /script:lab: start was not finished within 4000 ms/,
    lsb: /script:lsb: start was not finished within 4000 ms/,
    ocf: /ocf:lab:ocf: start was not finished within 4000 ms/,
    systemd: /systemd:lab-app.service: start was not finished within 4000 ms/,
  }
  /** What goes wrong, how that is played, and what is said of it, by the kind of agent. */
  const failing: readonly (readonly [what: string, step: string, says: Partial<Record<Kind, RegExp>>])[] = [
    ['hangs', 'sleep 1000', tooLong],
    ['hangs and ignores SIGTERM', "trap '' TERM; while :; do sleep 0.1; done", tooLong],
    [
      'says that it did it, and did not',
      'exit 0',
      {
        script: /script:lab: .* ended with success, yet its status does not say running/,
        lsb: /script:lsb: .* ended with success, yet its status does not say running/,
        ocf: /ocf:lab:ocf: .* ended with success, yet .* ended with 7 \(it is not running\)/,
        // systemd looks itself whether a service runs.
      },
    ],
    [
      'prints megabytes, then fails',
      'head -c 5000000 /dev/zero | tr "\\0" x; echo; echo out of paper >&2; exit 1',
      exit(1, 'out of paper'),
    ],
    ['needs a program that is missing', '/nonexistent/program || exit', exit(127, 'No such file')],
    ['lacks a permission', 'echo denied >&2; exit 4', exit(4, 'denied')],
  ]
  for (const [what, step, says] of failing)
    for (const [kind, words] of Object.entries(says) as [Kind, RegExp][])
      it(`${kind}: an agent whose start ${what}: said why, and the owner goes on serving`, async () => {
        pair.put('b', `/run/${KINDS[kind]}.start`, step)
        const { code, said } = await pair.command('a', 'standby')
        assert.equal(code, 1, said)
        await pair.serves('a')
        assert.match(reasonsOf('b').join('\n'), words)
        assert.equal(pair.sh('b', 'pgrep -f "[s]leep (1000|0.1)$" || true'), '', 'nothing of it runs on')
        await pair.renew('b')
      })

  for (const kind of ['script', 'lsb', 'ocf'] as const)
    it(`${kind}: an agent that prints megabytes and leaves children: it serves all the same, and stops`, async () => {
      pair.put('b', `/run/${KINDS[kind]}.start`, 'head -c 5000000 /dev/zero | tr 0 x; (sleep 30; :) &')
      const { code, said } = await pair.command('a', 'standby')
      assert.equal(code, 0, said)
      await pair.serves('b')
      await pair.ready('b')
      assert.equal((await pair.command('b', 'standby')).code, 0)
      await pair.serves('a')
    })

  it('an agent that may not be executed on the standby: said why, and the owner goes on serving', async () => {
    for (const path of ['/etc/ha.d/lab', '/etc/ha.d/lsb', '/etc/ha.d/ocf/resource.d/lab/ocf']) {
      pair.forget()
      pair.sh('b', `chmod 644 ${path}`)
      const { code, said } = await pair.command('a', 'standby')
      assert.equal(code, 1, `${path}: ${said} ${JSON.stringify([pair.all('a'), pair.all('b')])}`)
      await pair.serves('a')
      assert.match(reasonsOf('b').join(), new RegExp(`${path}.*not executable`))
      pair.sh('b', `chmod 755 ${path}`)
      await pair.renew('b')
      await pair.ready('a')
    }
  })

  for (const [kind, name] of Object.entries(KINDS) as [Kind, string][])
    for (const [verb, killed] of [
      ['start', 'b'],
      ['stop', 'a'],
    ] as const)
      it(`${kind}: kill -9 of the member while its ${verb} is under way: the other serves, and nothing of it stays`, async () => {
        pair.put(killed, `/run/${name}.${verb}`, 'sleep 1')
        const moved = pair.command('a', 'standby')
        await waitFor(() => pair.sh(killed, `ls /run/${name}.${verb}.begun`) !== '', {
          what: `the ${verb} is under way`,
          everyMs: 5,
        })
        await pair.kill(killed)
        await moved
        pair.sh(killed, `rm -f /run/${name}.st*`)
        const other = peerOf(killed)
        await waitFor(() => FLOATING.every((address) => pair.page(address) === `page of ${other}`), {
          what: `${other} serves the clients`,
        })
        await pair.start(killed)
        await pair.serves(other)
      })

  it('the device of the addresses vanishes: the peer serves; once it is back, it can be moved home', async () => {
    pair.unplug('a', 0)
    try {
      await pair.serves('b')
      const said = pair.told('a', 'resource:failed').map(({ reason: why }) => String(why))
      assert.match(said.join(), /device eth0 does not exist/)
    } finally {
      pair.plug('a', 0)
    }
    await pair.ready('b')
    assert.equal((await pair.command('b', 'standby')).code, 0)
    await pair.serves('a')
  })

  it("nginx's configuration is broken on the standby: said why, and the owner goes on; mended, it takes over", async () => {
    pair.sh('b', 'echo "nonsense on;" >>/etc/nginx/nginx.conf')
    try {
      const { code, said } = await pair.command('a', 'standby')
      assert.equal(code, 1, said)
      await pair.serves('a')
      assert.match(reasonsOf('b').join(), /nginx refuses its configuration .*unknown directive "nonsense"/)
      // It takes over all the same when the owner has gone, fails in a stated way, and has nothing of the group.
      await pair.kill('a')
      await waitFor(() => pair.told('b', 'peer:dead').length > 0, { what: 'b knows it' })
      await waitFor(() => pair.has('b').length === 0, { what: 'b has nothing of it' })
      await pair.start('a')
      await pair.serves('a')
    } finally {
      pair.sh('b', 'sed -i /nonsense/d /etc/nginx/nginx.conf')
    }
    await pair.renew('b')
    await pair.ready('a')
    assert.equal((await pair.command('a', 'standby')).code, 0)
    await pair.serves('b')
  })

  for (const address of FLOATING)
    it(`another host has ${address} too: the standby says so, and no move is made; once it is gone all is well`, async () => {
      pair.stranger('add', address)
      try {
        await waitFor(() => reasonsOf('b').some((text) => text.includes(address)), {
          what: 'the standby has found the other host',
          withinMs: 45_000,
          seen: () => pair.all('b').slice(-4),
        })
        assert.match(reasonsOf('b').join(), new RegExp(`${address} have several hosts: .*, .*take it away`))
        const { code, said } = await pair.command('a', 'standby')
        assert.equal(code, 1, said)
      } finally {
        pair.stranger('del', address)
      }
      await pair.renew('b')
      await pair.ready('a')
      await pair.serves('a')
    })
})
