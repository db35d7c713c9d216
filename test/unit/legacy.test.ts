import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Conversation, daemonPair, groupOf } from '../support/conversation.ts'

const [mail, web] = [groupOf('mail', 'master'), groupOf('web', 'slave')]

const ourSlave = () => new Conversation(daemonPair('slave', [mail, web], { autoFailback: 'legacy' }))

describe('auto_failback legacy', () => {
  it('asks for what prefers this node, and takes it when it is given', () => {
    const slave = ourSlave()
    assert.deepEqual(slave.hearsStatus('up'), [])
    assert.deepEqual(slave.hearsStatus('active'), ['ip-request IPaddr::web'])
    assert.equal(slave.serves('web'), false)
    assert.deepEqual(slave.passes(2500), ['ip-request IPaddr::web'], 'again, since it was not answered')
    slave.hears({ t: 'ip-request-resp', dest: 'slave', ipaddr: 'IPaddr::web', weown: 'yes', ok: 'OK' })
    assert.ok(slave.serves('web'))
    assert.deepEqual(slave.passes(5000), [])
    assert.equal(slave.serves('mail'), false, 'it is with the node that it prefers')
  })

  it('gives what prefers the daemon when that asks, after it has stopped', () => {
    const slave = ourSlave()
    slave.passes(4000, 'silent')
    assert.ok(slave.serves('mail') && slave.serves('web'))
    assert.deepEqual(slave.restarts(), [])
    const said = slave.hears({ t: 'ip-request', ipaddr: 'IPaddr::mail' })
    assert.deepEqual(said, ['ip-request-resp IPaddr::mail yes'])
    assert.deepEqual([slave.serves('mail'), slave.serves('web')], [false, true])
    assert.deepEqual(slave.passes(3000), [], 'no report, no handshake')
    assert.equal(slave.serves('mail'), false)
  })

  it('two lines that are one group here: taken when both are given, given when either is asked for', () => {
    const both = { ...groupOf('both', 'slave'), key: ['IPaddr::one', 'IPaddr::two'] }
    const slave = new Conversation(daemonPair('slave', [mail, both], { autoFailback: 'legacy' }))
    assert.deepEqual(slave.hearsStatus('active'), ['ip-request IPaddr::one', 'ip-request IPaddr::two'])
    const given = (ipaddr: string) =>
      slave.hears({ t: 'ip-request-resp', dest: 'slave', ipaddr, weown: 'yes', ok: 'OK' })
    given('IPaddr::two')
    given('IPaddr::two')
    assert.equal(slave.serves('both'), false, 'the daemon still runs the other line')
    given('IPaddr::one')
    assert.ok(slave.serves('both'))
    assert.deepEqual(slave.hears({ t: 'ip-request', ipaddr: 'IPaddr::two' }), ['ip-request-resp IPaddr::two yes'])
    assert.equal(slave.serves('both'), false)
    assert.deepEqual(slave.hears({ t: 'ip-request', ipaddr: 'IPaddr::one' }), ['ip-request-resp IPaddr::one no'])
  })

  it('answers for a group that is not here', () => {
    const slave = ourSlave()
    slave.hearsStatus('active')
    const asked = (ipaddr: string) => slave.hears({ t: 'ip-request', ipaddr })
    assert.deepEqual(asked('IPaddr::mail'), ['ip-request-resp IPaddr::mail no'])
    assert.deepEqual(asked('IPaddr::unknown'), ['ip-request-resp IPaddr::unknown no'])
  })

  it('takes everything when the daemon dies, and gives it back when it returns', () => {
    const slave = ourSlave()
    slave.hearsStatus('active')
    slave.hears({ t: 'ip-request-resp', dest: 'slave', ipaddr: 'IPaddr::web', weown: 'no', ok: 'OK' })
    slave.passes(1500, 'silent')
    assert.ok(slave.serves('mail'))
    slave.restarts()
    slave.hears({ t: 'ip-request', ipaddr: 'IPaddr::mail' })
    assert.deepEqual([slave.serves('mail'), slave.serves('web')], [false, true])
  })

  it('refuses every move by hand, with the reason', () => {
    const slave = ourSlave()
    slave.hearsStatus('active')
    assert.deepEqual([...slave.commands('takeover'), ...slave.commands('standby')], [])
    const replies = slave.replies()
    assert.equal(replies.length, 2)
    for (const reply of replies) assert.match(reply, /auto_failback legacy/)
    assert.deepEqual(slave.asks('me', 'all'), [], 'nor does it answer the daemon’s')
    assert.match(slave.told('move:failed')[0]?.why ?? '', /auto_failback legacy/)
  })

  it('says nothing of groups when it leaves', () => {
    const slave = ourSlave()
    slave.hearsStatus('active')
    assert.deepEqual(slave.leaves(), ['shutdone'])
  })

  it('is not what a daemon speaks that reports: told once, and spoken to as it speaks', () => {
    const slave = ourSlave()
    slave.hearsStatus('active')
    slave.hears({ t: 'starting' })
    slave.hears({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
    assert.deepEqual(
      slave.told('config:differs').map(({ ours, theirs }) => [ours, theirs]),
      [['auto_failback legacy', 'auto_failback on or off']],
    )
    assert.deepEqual(slave.asks('me', 'local'), ['ask_resources local other'])
  })

  it('is understood when only the daemon is configured so', () => {
    const slave = new Conversation(daemonPair('slave', [mail, web]))
    slave.hearsStatus('active')
    assert.deepEqual(slave.hears({ t: 'ip-request', ipaddr: 'IPaddr::mail' }), [
      'ip-request IPaddr::web',
      'ip-request-resp IPaddr::mail no',
    ])
    assert.equal(slave.told('config:differs').length, 1)
  })
})
