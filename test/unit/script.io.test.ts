import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readPidFile, signalProcess } from '../../src/platform/process.ts'
import { type ScriptOptions, script } from '../../src/resources/script.ts'
import type { ResourceAgent } from '../../src/roles/resource-agent.ts'
import { resourceAgentSuite } from '../../src/testing/resource-agent-suite.ts'
import { agentContext, temporaryDirectory, within, writeScript } from '../support/agents.ts'

const asRoot = process.getuid?.() === 0

/** A service whose whole life is one file, controlled in both dialects. */
const service = `
state=$(dirname "$0")/on
case "$1" in
  start) [ -e "$(dirname "$0")/hang" ] && sleep 60; echo 1 > $state;;
  stop) rm -f $state;;
  status) if [ -e $state ]; then echo running; exit 0; else echo stopped; exit 3; fi;;
esac`

for (const dialect of ['heartbeat', 'lsb'] as const) {
  resourceAgentSuite({
    manifest: { sees: true, breaks: true, hangs: true },
    test: (name, run) => test(`${dialect} script: ${name}`, run),
    create() {
      let remove = (): void => {}
      const directory = temporaryDirectory({
        after(run) {
          remove = run
        },
      })
      return {
        plugin: script(writeScript(directory, 'service', service), { dialect }),
        serves: () => existsSync(join(directory, 'on')),
        break: () => rmSync(join(directory, 'on')),
        hang: () => writeFileSync(join(directory, 'hang'), ''),
        cleanup: remove,
      }
    },
  })
}

async function opened(path: string, directory: string, options: ScriptOptions = {}): Promise<ResourceAgent> {
  const agent = script(path, options).create(agentContext(directory))
  await agent.open?.()
  return agent
}

test('arguments come before the verb, and the node is in the environment', async (t) => {
  const directory = temporaryDirectory(t)
  const body = `echo "$@ by $HA_CURHOST in $HOT_STANDBY_GROUP at $HOT_STANDBY_EPOCH $HA_mood" >> ${directory}/log
    case $3 in status) test -e ${directory}/on && echo running;; start) touch ${directory}/on;; stop) rm ${directory}/on;; esac`
  const agent = await opened(writeScript(directory, 'Filesystem', body), directory, {
    args: ['/dev/x', 'a b; id'],
    env: { HA_mood: 'good', HA_CURHOST: 'nobody' },
  })
  await agent.start(within(20_000, 42))
  await agent.stop(within(20_000, 42))
  const verbs = ['status', 'start', 'status', 'stop', 'status']
  const expected = verbs.map((verb) => `/dev/x a b; id ${verb} by master in web at 42 good`)
  assert.deepEqual(readFileSync(join(directory, 'log'), 'utf8').trim().split('\n'), expected)
})

test('what runs already is not started', async (t) => {
  const directory = temporaryDirectory(t)
  const body = `case $1 in status) echo OK;; *) echo $1 >> ${directory}/log;; esac`
  await (await opened(writeScript(directory, 'on', body), directory)).start(within())
  assert.equal(existsSync(join(directory, 'log')), false)
})

test('success without doing it is found out', { timeout: 60_000 }, async (t) => {
  const directory = temporaryDirectory(t)
  const starter = await opened(writeScript(directory, 'liar', 'echo stopped'), directory)
  await assert.rejects(starter.start(within()), { code: 'HS_RESOURCE', message: /its status does not say running/ })
  const clinger = `[ -e ${directory}/on ] && echo running; touch ${directory}/on`
  const stopper = await opened(writeScript(directory, 'clinger', clinger), directory)
  assert.deepEqual(await stopper.status(within()), { state: 'stopped' })
  await assert.rejects(stopper.stop(within()), { code: 'HS_RESOURCE', message: /it still runs by its status/ })
})

test('a failing start shows the exit code and the last words', async (t) => {
  const directory = temporaryDirectory(t)
  const body = 'case $1 in start) echo "mount: no such device" >&2; exit 5;; esac'
  const agent = await opened(writeScript(directory, 'fs', body), directory)
  await assert.rejects(agent.start(within()), /fs start ended with exit code 5: mount: no such device/)
})

test('a failing stop of what does not run succeeds, as Heartbeat has it', { timeout: 60_000 }, async (t) => {
  const directory = temporaryDirectory(t)
  const path = writeScript(directory, 'rude', 'case $1 in stop) exit 1;; status) echo stopped;; esac')
  await (await opened(path, directory)).stop(within())
  const running = writeScript(directory, 'rude2', 'case $1 in stop) echo busy; exit 1;; status) echo running;; esac')
  await assert.rejects((await opened(running, directory)).stop(within()), /rude2 stop ended with exit code 1: busy/)
})

test('LSB exit codes of status', async (t) => {
  const directory = temporaryDirectory(t)
  const agent = await opened(writeScript(directory, 'lsb', `exit $(cat ${directory}/code)`), directory, {
    dialect: 'lsb',
  })
  const at = async (code: number) => {
    writeFileSync(join(directory, 'code'), String(code))
    return agent.status(within())
  }
  assert.deepEqual(await at(0), { state: 'running' })
  assert.deepEqual(await at(3), { state: 'stopped' })
  for (const [code, pattern] of [
    [1, /pid file/],
    [2, /lock file/],
    [4, /unknown \(exit code 4\)/],
    [150, /unknown/],
  ] as const) {
    const status = await at(code)
    assert.equal(status.state, code > 3 ? 'unknown' : 'failed')
    assert.match('reason' in status ? status.reason : '', pattern)
  }
})

test('LSB exit codes of start, each with its words and its code; a Heartbeat script has none', async (t) => {
  const cases: readonly (readonly [exit: number, code: string, says: RegExp])[] = [
    [1, 'HS_RESOURCE', /ended with exit code 1 \(it failed\)/],
    [2, 'HS_CONFIG', /\(its arguments are wrong\)/],
    [3, 'HS_RESOURCE', /\(it does not know this action\)/],
    [4, 'HS_HOST', /\(it lacks a permission\)/],
    [5, 'HS_HOST', /\(its program is not installed\)/],
    [6, 'HS_HOST', /\(its program is not configured\)/],
    [7, 'HS_RESOURCE', /\(its program is not running\)/],
    [150, 'HS_RESOURCE', /ended with exit code 150: /],
  ]
  const directory = temporaryDirectory(t)
  for (const [exit, code, says] of cases) {
    const path = writeScript(directory, `lsb-${exit}`, `[ "$1" = start ] && exit ${exit}\nexit 3`)
    const start = (dialect: 'lsb' | 'heartbeat') =>
      script(path, { dialect }).create(agentContext(directory)).start(within())
    await assert.rejects(start('lsb'), { code, message: says })
    await assert.rejects(start('heartbeat'), { code: 'HS_RESOURCE' })
  }
})

test('a hanging status ends with its signal', async (t) => {
  const directory = temporaryDirectory(t)
  const agent = await opened(writeScript(directory, 'hang', 'sleep 60'), directory)
  await assert.rejects(agent.status(within(200)), { code: 'HS_TIMEOUT' })
})

test("statusInterval '0s' believes the exit codes", async (t) => {
  const directory = temporaryDirectory(t)
  const path = writeScript(directory, 'mail', `echo $1 >> ${directory}/log; test "$1" != status`)
  const agent = await opened(path, directory, { statusInterval: '0s' })
  assert.deepEqual(await agent.status(within()), { state: 'stopped' })
  await agent.start(within())
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  await agent.stop(within())
  assert.equal(readFileSync(join(directory, 'log'), 'utf8'), 'start\nstop\n')
})

test('a daemon that a script starts and that keeps its output lives on', async (t) => {
  const directory = temporaryDirectory(t)
  const body = `case $1 in
    start) sh -c 'while :; do echo tick; sleep 1; done' & echo $! > ${directory}/pid;;
    status) kill -0 $(cat ${directory}/pid) && echo running;;
    stop) kill -9 $(cat ${directory}/pid); sleep 0.1;; esac 2>/dev/null`
  const agent = await opened(writeScript(directory, 'daemon', body), directory)
  t.after(() => {
    const pid = readPidFile(join(directory, 'pid'))
    if (pid !== null) signalProcess(pid, 'SIGKILL')
  })
  await agent.start(within())
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  await agent.stop(within())
})

test('a script that somebody else could change is refused', async (t) => {
  const directory = temporaryDirectory(t)
  const refused = (path: string, pattern: RegExp) =>
    assert.rejects(opened(path, directory), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'HS_HOST')
      assert.match(error.message, pattern)
      return true
    })
  await refused(join(directory, 'missing'), /does not exist/)
  await refused(directory, /not a regular file/)
  await refused(writeScript(directory, 'plain', 'true', 0o644), /not executable.*chmod 755/)
  await refused(writeScript(directory, 'open', 'true', 0o777), /has mode 0777/)
  const inner = join(directory, 'inner')
  mkdirSync(inner)
  const inside = writeScript(inner, 'fine', 'true')
  chmodSync(inner, 0o777)
  await refused(inside, /its directory .*inner has mode 0777/)
  chmodSync(inner, 0o755)
  await opened(inside, directory)
  if (!asRoot) return
  chownSync(inside, 65534, 65534)
  await refused(inside, /belongs to user 65534/)
})

test('a script that may not be run and never was needs no stop; one that was started is not taken for stopped', async (t) => {
  const directory = temporaryDirectory(t)
  const state = join(directory, 'state')
  const body = `case $1 in start) touch ${state} ;; stop) rm -f ${state} ;; status) [ -e ${state} ] && echo running ;; esac; :`
  const path = writeScript(directory, 'own', body)
  const agent = await opened(path, directory)
  chmodSync(path, 0o644)
  await assert.rejects(agent.start(within()), { code: 'HS_AGENT_NOT_RUNNABLE', message: /is not executable/ })
  await agent.stop(within())
  chmodSync(path, 0o755)
  await agent.start(within())
  chmodSync(path, 0o644)
  await assert.rejects(agent.stop(within()), { code: 'HS_HOST', message: /is not executable/ })
  chmodSync(path, 0o755)
  await agent.stop(within())
})

test('a script that became writable after the start is not run any more', async (t) => {
  const directory = temporaryDirectory(t)
  const path = writeScript(directory, 'service', service)
  const agent = await opened(path, directory)
  chmodSync(path, 0o777)
  await assert.rejects(agent.start(within()), /has mode 0777/)
})

test('what has no status is started once, remembered, and stopped by its exit code', async (t) => {
  const directory = temporaryDirectory(t)
  const body = `case $1 in start) touch ${directory}/on;; stop) rm ${directory}/on || exit 1;; esac`
  const agent = await opened(writeScript(directory, 'blind', body), directory)
  await agent.start(within())
  assert.deepEqual(await agent.status(within()), { state: 'running' })
  assert.equal(agent.inspect?.()['status'], 'says nothing')
  rmSync(join(directory, 'on'))
  await assert.rejects(agent.stop(within()), /blind stop ended with exit code 1/)
  writeFileSync(join(directory, 'on'), '')
  await agent.stop(within())
  assert.deepEqual(await agent.status(within()), { state: 'stopped' })
})

test('what cannot be executed was never started, and needs no stop', async (t) => {
  const directory = temporaryDirectory(t)
  const cases: readonly (readonly [name: string, text: string, says: RegExp])[] = [
    ['crlf', '#!/bin/sh\r\ntrue\r\n', /end with CR LF.*sed -i 's\/\\r\$\/\/'/],
    ['ksh', '#!/opt/absent/ksh -e\ntrue\n', /interpreter \/opt\/absent\/ksh is not installed/],
    ['env', '#!/usr/bin/env absent-lang\ntrue\n', /interpreter absent-lang is not installed/],
    ['nameless', '#!\ntrue\n', /interpreter has no name/],
    ['garbage', 'PK\x03\0\0\n', /neither a program nor a script/],
  ]
  for (const [name, text, says] of cases) {
    const path = writeScript(directory, name, '')
    writeFileSync(path, text)
    const agent = await opened(path, directory)
    await assert.rejects(agent.prepare!(within()), { code: 'HS_AGENT_NOT_RUNNABLE', message: says })
    await assert.rejects(agent.start(within()), { code: 'HS_AGENT_NOT_RUNNABLE', message: says })
    await agent.stop(within())
  }
})

test('a file without a first line is run by the shell', async (t) => {
  const directory = temporaryDirectory(t)
  const path = writeScript(directory, 'bare', '')
  writeFileSync(path, `case $2 in start) touch "${directory}/$1";; status) [ -e "${directory}/$1" ] && echo OK;; esac`)
  const agent = await opened(path, directory, { args: ['a b'] })
  await agent.start(within())
  assert.equal(existsSync(join(directory, 'a b')), true)
})

test('a status that hangs after a stop leaves the last word to the exit code of the stop', async (t) => {
  const directory = temporaryDirectory(t)
  const body = `case $1 in start) touch ${directory}/on;; stop) rm -f ${directory}/on; exit $(cat ${directory}/code);;
    status) [ -e ${directory}/hang ] && sleep 60; [ -e ${directory}/on ] && echo running;; esac`
  const agent = await opened(writeScript(directory, 'slow', body), directory, { stopTimeout: '2s' })
  await agent.start(within())
  writeFileSync(join(directory, 'hang'), '')
  writeFileSync(join(directory, 'code'), '1')
  await assert.rejects(agent.stop(within()), { code: 'HS_TIMEOUT' })
  writeFileSync(join(directory, 'code'), '0')
  await agent.stop(within())
})

test('a start may end with any exit code', async (t) => {
  const directory = temporaryDirectory(t)
  for (const code of [128, 147, 151, 255]) {
    const path = writeScript(directory, `ends-${code}`, `[ "$1" = start ] && exit ${code}; exit 3`)
    await assert.rejects((await opened(path, directory)).start(within(5000)), { code: 'HS_RESOURCE' })
  }
})
