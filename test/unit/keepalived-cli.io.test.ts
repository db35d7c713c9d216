import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readKeepalivedConf } from '../../src/index.ts'
import { hasDevice } from '../../src/platform/interfaces.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { hotStandby } from '../support/command.ts'

/** A directory with a configuration in several files, as it lies in /etc/keepalived. */
function written(t: Parameters<typeof temporaryDirectory>[0]): string {
  const dir = temporaryDirectory(t)
  mkdirSync(join(dir, 'conf.d'))
  const main = [
    'global_defs {',
    '  dynamic_interfaces',
    '}',
    'include conf.d/*.conf',
    'vrrp_instance GATE {',
    '  interface hs-none0',
    '  virtual_router_id 61',
    '  @north priority 150',
    '  @^north priority 50',
    '  virtual_ipaddress {',
    '    192.0.2.61/24 dev hs-none0',
    '  }',
    '  track_script {',
    '    up',
    '  }',
    `  notify "\${_PWD}/hook.sh told"`,
    '}',
  ]
  writeFileSync(join(dir, 'keepalived.conf'), `${main.join('\n')}\n`)
  writeFileSync(join(dir, 'conf.d/10-script.conf'), `vrrp_script up {\n  script "${dir}/up.sh -q"\n  interval 2\n}\n`)
  writeFileSync(join(dir, 'conf.d/20-run.conf'), 'no_keyword\n')
  chmodSync(join(dir, 'conf.d/20-run.conf'), 0o755)
  for (const name of ['up.sh', 'hook.sh']) {
    writeFileSync(join(dir, name), '#!/bin/sh\n')
    chmodSync(join(dir, name), 0o755)
  }
  return dir
}

describe('hot-standby --config keepalived.conf', () => {
  it('checks it with everything that it includes, and says what each block became', async (t) => {
    const dir = written(t)
    const file = join(dir, 'keepalived.conf')
    const { code, out } = await hotStandby('check', '--config', file, '--node', 'north')
    assert.equal(code, 0, out)
    assert.match(out, /keepalived\.conf:4: warning: .*20-run\.conf is executable/)
    assert.match(out, /keepalived\.conf:5: vrrp_instance GATE -> VRRP version 2, router 61 on hs-none0, priority 150,/)
    assert.match(out, /10-script\.conf:2: vrrp_script up -> runs \S+\/up\.sh -q .*every 2 s/)
    assert.match(out, /keepalived\.conf: no errors\n$/)
    assert.match((await hotStandby('check', '--config', file, '--node', 'south')).out, /priority 50/)
    const [one] = readKeepalivedConf(file, { configId: 'north' }).instances
    assert.deepEqual([one?.priority, one?.hooks.any?.argv.slice(1)], [150, ['told']])
  })

  it('ends with 1 and the place of every error', async (t) => {
    const dir = written(t)
    chmodSync(join(dir, 'up.sh'), 0o644)
    const { code, out } = await hotStandby('check', '--config', join(dir, 'keepalived.conf'), '--node', 'north')
    assert.equal(code, 1)
    assert.match(out, /10-script\.conf:2: script: '\S+up\.sh' is not executable .*runs unguarded/)
    assert.match(out, /keepalived\.conf: 1 error\n$/)
  })

  it('is not run by this version, and says so', async (t) => {
    const file = join(written(t), 'keepalived.conf')
    const { code, err } = await hotStandby('run', '--config', file)
    assert.equal(code, 1)
    assert.match(err, /this version reads a keepalived\.conf and does not run it yet; hot-standby check --config/)
  })

  it('takes a directory or a file, not both', async (t) => {
    const dir = written(t)
    const { code, err } = await hotStandby('check', '--dir', dir, '--config', join(dir, 'keepalived.conf'))
    assert.equal(code, 2)
    assert.match(err, /check takes --dir or --config, not both/)
  })
})

describe('whether a device is there', () => {
  it('is asked of the own network', { skip: process.platform !== 'linux' && 'only Linux tells' }, () => {
    assert.deepEqual([hasDevice('lo'), hasDevice('hs-none0'), hasDevice('')], [true, false, false])
  })
})
