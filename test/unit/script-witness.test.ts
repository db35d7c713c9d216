import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RunResult } from '../../src/platform/process.ts'
import { heartbeatScriptState, ScriptWitness } from '../../src/resources/script-witness.ts'

function look(exitCode: number | null, stdout = '', stderr = ''): RunResult {
  return { exitCode, signal: exitCode === null ? 'SIGSEGV' : null, stdout, stderr, truncated: false }
}

/** A witness of a script that answered `idle` before its start. */
function witness(idle: RunResult, hasAction = true): ScriptWitness {
  const made = new ScriptWitness(() => hasAction)
  assert.equal(made.runsAlready(idle), heartbeatScriptState(idle.stdout) === 'running')
  return made
}

describe('what the status of a script is worth', () => {
  it('an exit code of 0 alone is no reason not to start', () => {
    assert.equal(witness(look(0)).isBlind, false)
    assert.equal(new ScriptWitness(() => true).runsAlready(look(0, 'done')), false)
    assert.equal(new ScriptWitness(() => true).runsAlready(look(3, 'is running')), true)
  })

  const cases: readonly (readonly [
    string,
    idle: RunResult,
    up: RunResult,
    confirmed: boolean,
    blind: boolean,
    action?: boolean,
  ])[] = [
    ['words', look(0, 'down'), look(0, 'OK'), true, false],
    ['a code that changed to 0', look(3), look(0), true, false],
    ['a code that changed to 0, with a word that denies', look(3), look(0, 'up, 0 dead workers'), true, false],
    ['always 0 and silent', look(0), look(0), true, true],
    ['always 0 and chatty', look(0, 'fine'), look(0, 'fine'), true, true],
    ['a usage', look(2, '', 'Usage: x {start|stop}'), look(2, '', 'Usage: x {start|stop}'), true, true],
    ['always 4, no status in its text', look(4), look(4), true, true, false],
    ['always 127', look(127), look(127), true, true],
    ['always killed', look(null), look(null), true, true],
    ['always 0, and says stopped', look(0, 'x: stopped'), look(0, 'x: stopped'), false, false],
    ['always 3, with a status in its text', look(3), look(3), false, false],
    ['dead after its start', look(3), look(1), false, false],
    ['not running', look(0, 'not running'), look(0, 'x is not yet running'), false, false],
  ]
  for (const [name, idle, up, confirmed, blind, action = true] of cases) {
    it(`${name}: ${confirmed ? (blind ? 'says nothing' : 'started') : 'denied'}`, () => {
      const seen = witness(idle, action)
      assert.equal(seen.confirms(up), confirmed)
      assert.equal(seen.isBlind, blind)
      if (confirmed) assert.equal(seen.now(up).state, 'running')
      if (blind) assert.equal(seen.now(look(5)).state, 'running')
      if (confirmed && !blind) assert.equal(seen.now(idle).state, 'stopped')
    })
  }

  it('a look that breaks proves nothing', () => {
    const byCode = witness(look(3))
    assert.ok(byCode.confirms(look(0)))
    for (const broken of [look(126), look(127), look(null), look(143)])
      assert.equal(byCode.now(broken).state, 'unknown')
    assert.equal(byCode.now(look(1)).state, 'stopped')
    assert.match(byCode.now(look(1, 'a\nfailed\n')).reason, /printed 'failed' and ended with exit code 1/)
  })

  it('words that come later are believed from then on', () => {
    const late = witness(look(0))
    assert.ok(late.confirms(look(0)))
    assert.equal(late.now(look(0, 'running')).state, 'running')
    assert.equal(late.isBlind, false)
    assert.equal(late.now(look(0)).state, 'stopped')
  })

  it('after a stop, words and a code that is known to tell say whether it still runs', () => {
    const byCode = witness(look(3))
    assert.ok(byCode.confirms(look(0)))
    assert.equal(byCode.confirmsStop(look(0)), false)
    assert.equal(byCode.confirmsStop(look(3)), true)
    const byWords = new ScriptWitness(() => true)
    assert.equal(byWords.confirmsStop(look(0, 'running')), false)
    assert.equal(byWords.neverDenied, true)
    assert.equal(byWords.confirmsStop(look(0)), true)
    assert.equal(byWords.neverDenied, false)
  })

  it('is linear in what a script prints', () => {
    const text = 'not '.repeat(250_000)
    const startMs = performance.now()
    assert.equal(heartbeatScriptState(text), 'stopped')
    assert.equal(witness(look(0, text)).confirms(look(0, text)), true)
    assert.ok(performance.now() - startMs < 1000)
  })
})
