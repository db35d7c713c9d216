import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { complaintsOf } from '../lab/heartbeat/complaints.ts'

describe("a daemon's complaints", () => {
  it('are its warnings and errors, each once, without what differs from run to run', () => {
    const log = [
      'Nov 22 16:39:26 master heartbeat: [22]: info: Status update for node slave: status active',
      'Nov 22 16:39:27 master heartbeat: [22]: WARN: 1 lost packet(s) for [slave] [33:35]',
      'Nov 22 16:39:28 slave heartbeat: [31]: WARN: 12 lost packet(s) for [master] [7:20]',
      '2026/11/22_16:39:37  mach_down(default)[95]:  ERROR: cannot take 192.168.1.106',
    ].join('\n')
    assert.deepEqual(complaintsOf(log), ['WARN: N lost packet(s) for [NODE] [N:N]', 'ERROR: cannot take N.N.N.N'])
  })

  it('are none in a quiet log', () => {
    assert.deepEqual(complaintsOf('Nov 22 16:39:26 master heartbeat: [22]: info: heartbeat: version 3.0.6\n'), [])
  })
})
