import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type DaemonWord, daemonClaims, daemonWord, rscHold } from '../../src/core/handover/heartbeat-word.ts'
import { claimOf } from '../../src/core/peer/claims.ts'
import { type Message, message } from '../../src/wire/message.ts'
import { Conversation, daemonPair, groupOf } from '../support/conversation.ts'

const [mail, web] = [groupOf('mail', 'master'), groupOf('web', 'slave')]

/** One group, which prefers the master: the slave's set is empty. */
const pairOf = (self: string, groups = [mail]) => daemonPair(self, groups)

const report = (rsc_hold: string, info?: string): Message =>
  message({ t: 'resource', rsc_hold, isstable: info ? '0' : '1', ...(info ? { info } : {}) })

describe('what a daemon says of its groups', () => {
  const pair = pairOf('master', [mail, web])
  const ours = () => ({ state: 'active', epoch: 7 }) as const

  it('becomes claims, whose epoch grows when it took over', () => {
    const first = daemonClaims(pair, report('local'), undefined, ours)
    assert.deepEqual(first.get('web'), claimOf('active', 8))
    assert.deepEqual(first.get('mail'), claimOf('standby', 7))
    const second = daemonClaims(pair, report('all'), first, ours)
    assert.deepEqual(second.get('web'), claimOf('active', 8), 'it held it already')
    assert.deepEqual(second.get('mail'), claimOf('active', 8))
  })

  it('still claims what it gives up: its scripts run after that report', () => {
    const held = daemonClaims(pair, report('all'), undefined, ours)
    for (const info of ['standby', 'shutdown']) {
      const giving = daemonClaims(pair, report('none', info), held, ours)
      assert.deepEqual(giving.get('mail'), claimOf('stopping', 8), info)
    }
    assert.equal(daemonClaims(pair, report('none'), held, ours).get('mail')?.state, 'standby')
  })

  it('is final when it says so, and was once final for the rest of its run', () => {
    const before = daemonWord(undefined, report('none', 'standby'))
    assert.deepEqual(before, { hold: 'none', stable: false, everStable: false })
    const after = daemonWord(daemonWord(before, report('all')), report('none', 'standby'))
    assert.deepEqual(after, { hold: 'none', stable: false, everStable: true })
  })
})

describe('Heartbeat’s word for what we hold', () => {
  it('names the sets that we hold', () => {
    const word = (...held: string[]) => rscHold(pairOf('master', [mail, web]), (name) => held.includes(name), undefined)
    assert.deepEqual([word(), word('mail'), word('web'), word('mail', 'web')], ['none', 'local', 'foreign', 'all'])
  })

  it('counts an empty set as ours while the daemon does not claim it', () => {
    const says = (hold: string): DaemonWord => ({ hold, stable: true, everStable: true })
    const slave = (word: DaemonWord | undefined) => rscHold(pairOf('slave'), () => false, word)
    assert.deepEqual([slave(undefined), slave(says('local')), slave(says('all'))], ['local', 'local', 'none'])
    const master = (word: DaemonWord | undefined) => rscHold(pairOf('master'), () => true, word)
    assert.deepEqual([master(undefined), master(says('local')), master(says('none'))], ['local', 'local', 'all'])
  })
})

describe('the conversation with a daemon', () => {
  it('begins when the daemon is active, not before', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.hearsStatus('up'), [])
    assert.deepEqual(slave.hearsStatus('active'), ['starting'])
    assert.deepEqual(slave.hearsStatus('active'), [])
  })

  it('frees a daemon that starts from its ten seconds: we are stable as soon as we know what it holds', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.meets('none', '0'), ['resource local 1'])
    const master = new Conversation(pairOf('master'))
    assert.deepEqual(master.meets('none', '0'), ['resource local 1'])
    assert.ok(master.serves('mail'))
  })

  it('leaves its groups to a daemon that starts, however late it takes them', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.meets('none', '0')
    slave.passes(9000)
    assert.equal(slave.serves('mail'), false)
    slave.hears({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '1' })
    slave.passes(1000)
    assert.ok(slave.serves('mail'), 'it has come to rest without them')
  })

  it('keeps what it serves when a daemon starts', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.passes(4000, 'silent')
    slave.meets('none', '0')
    slave.passes(3000)
    assert.ok(slave.serves('mail'))
    assert.deepEqual(slave.told('contested'), [])
  })

  it('takes what the daemon gives after its done, not after its report', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.meets('local')
    assert.deepEqual(slave.asks('me', 'all'), ['ask_resources all other'])
    slave.hears({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'standby' })
    assert.equal(slave.serves('mail'), false)
    assert.deepEqual(slave.asks('done', 'all'), ['ask_resources all done', 'resource all 1'])
    assert.ok(slave.serves('mail'))
  })

  it('accepts the gift of an empty set', () => {
    const slave = new Conversation(pairOf('slave'))
    assert.deepEqual(slave.meets('all').at(-1), 'resource none 1')
    assert.deepEqual(slave.asks('me', 'foreign'), ['ask_resources foreign other'])
    slave.hears({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '0', info: 'standby' })
    assert.deepEqual(slave.asks('done', 'foreign'), ['ask_resources foreign done', 'resource local 1'])
    assert.equal(slave.serves('mail'), false)
  })

  it('gives, reports without what it gives, and ends with the daemon’s done', () => {
    const master = new Conversation(pairOf('master'))
    master.meets('local')
    assert.deepEqual(master.commands('standby'), ['ask_resources local me'])
    assert.deepEqual(master.asks('other', 'local'), ['resource none 0 standby', 'ask_resources local done'])
    assert.deepEqual(master.asks('done', 'local'), ['resource none 1'])
    assert.equal(master.serves('mail'), false, 'it is not taken back before the daemon reports it')
  })

  it('asks for nothing while the daemon has not come to rest', () => {
    const master = new Conversation(pairOf('master'))
    master.meets('none', '0')
    assert.deepEqual(master.commands('standby'), [])
    master.hears({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
    assert.deepEqual(master.commands('standby'), ['ask_resources local me'])
  })

  it('accepts a whole set of which it serves a part already, and keeps that', () => {
    const slave = new Conversation(pairOf('slave', [mail, web]))
    slave.meets('local')
    assert.ok(slave.serves('web'))
    assert.deepEqual(slave.asks('me', 'all'), ['ask_resources all other'])
    slave.hears({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'standby' })
    assert.deepEqual(slave.asks('done', 'all'), ['ask_resources all done', 'resource all 1'])
    assert.ok(slave.serves('mail') && slave.serves('web'))
  })

  it('drops its own offer for the daemon’s', () => {
    const master = new Conversation(pairOf('master', [mail, web]))
    master.meets('local')
    assert.deepEqual(master.commands('standby'), ['ask_resources local me'])
    assert.deepEqual(master.asks('me', 'local'), ['ask_resources local other'])
    assert.match(master.replies()[0] ?? '', /gives groups itself at this moment/)
    assert.deepEqual(master.asks('done', 'local'), ['ask_resources local done', 'resource all 1'])
    assert.ok(master.serves('mail') && master.serves('web'))
  })

  it('gives after all when the daemon had taken the offer first: it would wait for an hour', () => {
    const slave = new Conversation(pairOf('slave', [mail, web]))
    slave.meets('local')
    slave.commands('standby')
    slave.asks('me', 'all')
    const said = slave.asks('other', 'local')
    assert.deepEqual(said, ['resource none 0 standby', 'ask_resources local done'])
    assert.deepEqual(slave.asks('done', 'local'), ['resource none 1'])
    assert.equal(slave.serves('web'), false)
  })

  it('signs with the key of the daemon’s last datagram', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.meets('local')
    assert.equal(slave.keyIds.at(-1), undefined)
    slave.keyId = 2
    slave.hearsStatus('active')
    slave.passes(500)
    assert.equal(slave.keyIds.at(-1), 2)
  })
})

describe('the first beats', () => {
  it('are signed with the active key, whatever else is in the ring: a daemon complains of every other', () => {
    const slave = new Conversation(daemonPair('slave', [mail], { held: ['1:sha1', '2:sha1'] }))
    slave.passes(2000, 'silent')
    assert.ok(slave.keyIds.length > 5)
    assert.deepEqual(new Set(slave.keyIds), new Set([undefined]))
  })
})

describe('a daemon that was thought dead', () => {
  const split = () => {
    const slave = new Conversation(pairOf('slave'))
    slave.meets('local')
    slave.passes(1500, 'silent')
    assert.ok(slave.serves('mail'))
    slave.told('contested')
    slave.said()
    slave.performed('announce')
    return slave
  }

  it('gives up and restarts when it returns: we go on, and say so with every beat until it has', () => {
    const slave = split()
    slave.passes(2000)
    assert.deepEqual(
      slave.told('contested').map(({ winner }) => winner),
      ['slave'],
    )
    assert.ok(slave.serves('mail'))
    assert.ok(slave.performed('announce') >= 9)
    slave.hears({ t: 'resource', rsc_hold: 'none', isstable: '0', info: 'shutdown' })
    slave.performed('announce')
    slave.hears({ t: 'shutdone', st: 'dead' })
    assert.equal(slave.performed('announce'), 1, 'at once, when nobody else announces any more')
    slave.passes(1500, 'silent')
    assert.ok(slave.performed('announce') >= 3)
  })

  it('still answers for the address while its scripts run, though it says that it holds nothing: we go on saying so', () => {
    const slave = split()
    slave.hears({ t: 'resource', rsc_hold: 'none', isstable: '0' })
    slave.performed('announce')
    slave.passes(3000)
    assert.ok(slave.performed('announce') >= 14)
    slave.passes(3500)
    slave.performed('announce')
    slave.passes(3000)
    assert.ok(slave.performed('announce') <= 3, 'and not for ever: it may have been spared the restart')
  })

  it('is asked for the group when it has not noticed anything and goes on', () => {
    const slave = split()
    const said = [...slave.passes(300), ...slave.hears({ t: 'resource', rsc_hold: 'local', isstable: '1' })]
    assert.ok(!said.includes('hb_takeover foreign'))
    assert.ok(slave.passes(7000).includes('hb_takeover foreign'))
    assert.deepEqual(slave.asks('me', 'local'), ['ask_resources local other'])
    assert.ok(slave.serves('mail'))
  })
})

describe('a daemon with ipfail', () => {
  const targets = [{ target: 'gateway', deadpingMs: 5000 }]

  it('gives because it reaches fewer targets, and gets its groups back when it reaches as many', () => {
    const slave = new Conversation(daemonPair('slave', [mail], { targets }))
    slave.meets('local')
    slave.observes('gateway', true)
    assert.deepEqual(slave.hears({ t: 'num_ping_nodes', num_ping: '0' }), [])
    assert.ok(slave.passes(1100).includes('you_are_dead'), 'when our own count has settled')
    slave.asks('me', 'all')
    slave.asks('done', 'all')
    slave.hears({ t: 'resource', rsc_hold: 'none', isstable: '1' })
    assert.deepEqual(slave.told('group:starting').at(-1)?.reason, 'connectivity')
    slave.observes('gateway', true)
    assert.ok(!slave.passes(450).includes('ask_resources foreign me'))
    assert.deepEqual(slave.hears({ t: 'num_ping_nodes', num_ping: '1' }), ['abort_giveup'])
    slave.observes('gateway', true)
    assert.ok(slave.passes(900).includes('ask_resources foreign me'))
  })
})

describe('a daemon with other times', () => {
  it('is told once, and counts for itself', () => {
    const slave = new Conversation(pairOf('slave'))
    slave.hearsStatus('active', '1388')
    for (let second = 0; second < 30; second++) {
      slave.passes(900, 'silent')
      slave.hearsStatus('active', '1388')
    }
    const told = slave.told('config:differs')
    assert.deepEqual(
      told.map(({ ours, theirs }) => [ours, theirs]),
      [['deadtime 1000 ms', 'deadtime 5000 ms']],
    )
  })

  it('may announce more for a while: at its start, and while it starts a program', () => {
    const slave = new Conversation(pairOf('slave'))
    for (let second = 0; second < 5; second++) {
      slave.hearsStatus('active', 'bb8')
      slave.passes(900, 'silent')
    }
    slave.hearsStatus('active', 'bb8')
    slave.passes(9000, 'silent')
    slave.restarts()
    slave.hearsStatus('active', 'bb8')
    slave.passes(20_000)
    assert.deepEqual(slave.told('config:differs'), [])
  })
})
