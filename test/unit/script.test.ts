import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script } from '../../src/resources/script.ts'
import { heartbeatScriptState } from '../../src/resources/script-witness.ts'

test("Heartbeat's status rule", () => {
  const running = [
    'running',
    'httpd is Running',
    'OK',
    '10.0.0.1 is running\nnot needed',
    'unrunning',
    'nothing\nrunning',
  ]
  const stopped = [
    '',
    'stopped',
    'not running',
    'Not Running',
    'NOT running',
    'is not currently running',
    'RUNNING',
    'ok',
    'not\nx OK not running',
  ]
  for (const text of running) assert.equal(heartbeatScriptState(text), 'running', text)
  for (const text of stopped) assert.equal(heartbeatScriptState(text), 'stopped', text)
})

test('a script is named as haresources names it', () => {
  const args = ['/dev/sda1', '/mnt', 'ext4']
  assert.equal(script('/etc/ha.d/resource.d/Filesystem', { args }).name, 'script:Filesystem::/dev/sda1::/mnt::ext4')
  assert.equal(script('/etc/init.d/postfix').name, 'script:postfix')
})

test('options are checked when they are given', () => {
  assert.throws(() => script('Filesystem'), { code: 'HS_CONFIG', message: /'Filesystem' is not an absolute path/ })
  assert.throws(
    () => script('/x', { dialect: 'ocf' as 'lsb' }),
    /script\.dialect: 'ocf' is neither 'heartbeat' nor 'lsb'/,
  )
  assert.throws(() => script('/x', { startTimeout: 5 as unknown as '5s' }), /script\.startTimeout/)
})
