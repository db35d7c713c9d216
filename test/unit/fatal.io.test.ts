import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { readArguments } from '../../src/cli/arguments.ts'
import { runFatalAction } from '../../src/cli/fatal.ts'
import { checkFatalAction } from '../../src/config/fatal-action.ts'
import { temporaryDirectory, writeScript } from '../support/agents.ts'

describe('what run does at a fatal failure', () => {
  /** Runs an action with stand-ins for the programs that are named, none of which is the host's. */
  async function play(t: TestContext, action: string, scripts: Readonly<Record<string, string>>) {
    const directory = temporaryDirectory(t)
    const log = join(directory, 'log')
    for (const [name, body] of Object.entries(scripts))
      writeScript(directory, name, `echo "${name} $* because $HOT_STANDBY_REASON" >>${log}\n${body}`)
    const find = (name: string) => (existsSync(join(directory, name)) ? join(directory, name) : null)
    const told: string[] = []
    const ends: number[] = []
    const around = { say: (line: string) => void told.push(line), end: (code: number) => void ends.push(code), find }
    await runFatalAction(action.replace('DIR', directory), 'web will not stop', around)
    const ran = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
    return { ran, told: told.join('\n'), ends }
  }

  it('exit ends, none stays', async (t) => {
    assert.deepEqual(await play(t, 'exit', { reboot: '' }), { ran: [], told: '', ends: [1] })
    const { ran, told, ends } = await play(t, 'none', { reboot: '' })
    assert.deepEqual([ran, ends], [[], []])
    assert.match(told, /stays silent/)
  })

  it('reboot does not wait for disks and services', async (t) => {
    const { ran, ends } = await play(t, 'reboot', { reboot: 'exit 0', systemctl: 'exit 0' })
    assert.deepEqual([ran, ends], [['reboot -n -f because web will not stop'], [1]])
  })

  it('tries the next command when one fails or is missing, and says so when none helps', async (t) => {
    const failed = await play(t, 'reboot', { reboot: 'echo no right >&2; exit 1', systemctl: 'exit 0' })
    assert.deepEqual(
      failed.ran.map((line) => line.split(' because')[0]),
      ['reboot -n -f', 'systemctl reboot --force --force'],
    )
    assert.match(failed.told, /reboot -n -f ended with 1: no right/)
    const none = await play(t, 'reboot', {})
    assert.match(none.told, /reboot is not installed\n.*systemctl is not installed\n.*nothing helped/)
    assert.deepEqual(none.ends, [1])
  })

  it('runs a program of the user', async (t) => {
    const { ran, ends } = await play(t, 'DIR/fence', { fence: 'exit 0' })
    assert.deepEqual([ran, ends], [['fence  because web will not stop'], [1]])
  })

  it('knows its words', () => {
    for (const word of ['exit', 'none', 'reboot', '/usr/local/sbin/fence']) assert.equal(checkFatalAction(word), word)
    for (const word of ['', 'restart', 'reboot now', 'fence', '/a b'])
      assert.throws(() => checkFatalAction(word), {
        code: 'HS_CONFIG',
        message: /must be one of exit, none, reboot or the full path of a program, got /,
      })
    const args = readArguments(['run', '--on-fatal', 'reboot'])
    assert.equal('onFatal' in args && args.onFatal, 'reboot')
    assert.throws(() => readArguments(['run', '--on-fatal', 'x']), /--on-fatal: must be one of .*, got 'x'/)
    assert.throws(() => readArguments(['check', '--on-fatal', 'none']), /check takes no --on-fatal/)
  })
})
