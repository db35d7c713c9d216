import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { script } from '../../src/resources/script.ts'
import { agentContext, within } from '../support/agents.ts'
import { lacking } from './netns.ts'

const manager = '/usr/share/heartbeat/ResourceManager'
const reason = lacking('unshare') ?? (existsSync(manager) ? undefined : 'the Debian package heartbeat is missing')
if (reason) console.log(`skipped: ${reason}`)

/** What became of a script in one life: looked at, taken, looked at, given back, looked at. */
interface Life {
  /** `status` said running before. */
  readonly before: boolean
  /** The group came up: its start succeeded, or it was found running. */
  readonly taken: boolean
  /** The script's `start` was run. */
  readonly started: boolean
  /** `status` said running while it was up. */
  readonly up: boolean
  /** The group was given up in order; for a daemon: without a reboot. */
  readonly given: boolean
  /** The script's own mark of being up is gone. */
  readonly gone: boolean
}

interface Manner {
  readonly name: string
  /** `D` is the directory of its mark `on` and its journal `log`. */
  readonly text: string | Buffer
  readonly args?: readonly string[]
  readonly mode?: number
  /** Where we differ from Heartbeat on purpose, and why. */
  readonly differs?: Partial<Life> & { readonly why: string }
}

const head = '#!/bin/sh\nD=$(dirname "$0"); for last; do :; done; echo "$*" >> $D/log\n'
/** A well-behaved service but for its `status`. */
const service = (status: string, start = 'touch $D/on', stop = 'rm -f $D/on') =>
  `${head}case $last in start) ${start};; stop) ${stop};; status) ${status};; esac\n`
const words = '[ -e $D/on ] && echo running || echo stopped'
const blindUp = { up: true, why: 'its status says nothing, so what was started is remembered as running' }
const byCode = { up: true, why: 'the exit code of its status changed from 3 to 0 with the start' }

const manners: readonly Manner[] = [
  { name: 'words and codes', text: service('[ -e $D/on ] && echo running || { echo stopped; exit 3; }') },
  { name: 'words, always 0', text: service(words) },
  { name: 'OK', text: service('[ -e $D/on ] && echo OK || echo "not there"') },
  { name: 'words, always 1', text: service(`${words}; exit 1`) },
  {
    name: 'not running, with a pid before',
    text: service('[ -e $D/on ] && echo "pid 5 Running" || echo "is Not running"'),
  },
  { name: 'codes alone', text: service('[ -e $D/on ] || exit 3'), differs: byCode },
  {
    name: 'codes, and words on the other output',
    text: service('[ -e $D/on ] && echo running >&2 || exit 3'),
    differs: byCode,
  },
  { name: 'capitals', text: service('[ -e $D/on ] && echo RUNNING || echo STOPPED'), differs: blindUp },
  { name: 'a word that holds ok', text: service('[ -e $D/on ] && echo "state: LOOKOK" || echo broken') },
  {
    name: 'what was, and what is',
    text: service('[ -e $D/on ] && echo "is running" || echo "was running, is stopped"'),
  },
  { name: 'a blank before the interpreter', text: service(words).replace('#!/bin/sh', '#! /bin/sh') },
  { name: 'an option of the interpreter', text: service(words).replace('/bin/sh', '/bin/sh -e') },
  { name: 'another interpreter', text: service(words).replace('/bin/sh', '/bin/bash') },
  {
    name: 'colours',
    text: service('[ -e $D/on ] && printf "\\033[32mrunning\\033[0m\\n" || printf "\\033[31mdead\\033[0m\\n"'),
  },
  {
    name: 'several lines',
    text: service('echo "one: stopped"; [ -e $D/on ] && echo "two: running" || echo "two: dead"'),
  },
  { name: 'a NUL in the words', text: service('[ -e $D/on ] && printf "running\\0\\n" || printf "down\\0\\n"') },
  { name: 'another directory', text: service(words, 'cd /; touch $D/on') },
  { name: 'always 0, silent', text: service(':'), differs: blindUp },
  { name: 'always 0, words on the other output', text: service('echo running >&2'), differs: blindUp },
  { name: 'always yes', text: service('echo running') },
  {
    name: 'start and stop only',
    text: `${head}case $last in start) touch $D/on;; stop) rm -f $D/on;; esac\n`,
    differs: blindUp,
  },
  {
    name: 'usage for what it does not know',
    text: `${head}case $last in start) touch $D/on;; stop) rm -f $D/on;; *) echo "Usage: $0 {start|stop}"; exit 1;; esac\n`,
    differs: blindUp,
  },
  { name: 'no first line', text: service(words).replace('#!/bin/sh\n', '') },
  { name: 'CR LF', text: service(words).replaceAll('\n', '\r\n') },
  { name: 'interpreter missing', text: service(words).replace('/bin/sh', '/usr/bin/no-such-shell') },
  { name: 'interpreter missing, by env', text: service(words).replace('/bin/sh', '/usr/bin/env no-such-shell') },
  { name: 'empty', text: '', differs: { up: true, why: 'as every script without a status' } },
  { name: 'binary garbage', text: Buffer.from([0x07, 0x00, 0x91, 0x0a, 0x28, 0x29, 0x0a]) },
  { name: 'not executable', text: service(words), mode: 0o644 },
  { name: 'arguments', text: service('[ "$1 $2" = "one two" ] && [ -e $D/on ] && echo running'), args: ['one', 'two'] },
  {
    name: 'a daemon that keeps the output',
    text: service(words, 'sleep 5 & echo $! > $D/on', 'kill $(cat $D/on); rm -f $D/on'),
  },
  { name: 'start fails', text: service(words, 'exit 1') },
  { name: 'start ends with 147', text: service(words, 'exit 147') },
  { name: 'start ends with 200', text: service(words, 'exit 200') },
  { name: 'start is killed', text: service(words, 'kill -9 $$') },
  { name: 'reads its input', text: service(words, 'read x; touch $D/on') },
  { name: 'megabytes', text: service(words, 'head -c 5000000 /dev/zero | tr "\\\\0" x; touch $D/on') },
  { name: 'stop fails, though it stops', text: service(words, 'touch $D/on', 'rm -f $D/on; exit 1') },
  { name: 'stop fails and does not stop', text: service(words, 'touch $D/on', 'exit 1') },
  {
    name: 'stop succeeds and does not stop',
    text: service(words, 'touch $D/on', ':'),
    differs: { given: false, why: 'its status says that it still runs, so it could run twice' },
  },
  {
    name: 'start succeeds and does not start',
    text: service(words, ':'),
    differs: { taken: false, why: 'its status denies it, so nobody would serve' },
  },
  { name: 'status breaks', text: service('no-such-program'), differs: blindUp },
  { name: 'status is killed', text: service('kill -9 $$'), differs: blindUp },
]

describe("scripts of many manners, beside heartbeat's own ResourceManager", { skip: reason ?? false }, () => {
  let scratch = ''
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'hot-standby-'))
    chmodSync(scratch, 0o755)
  })
  after(() => scratch !== '' && rmSync(scratch, { recursive: true, force: true }))

  function place(name: string, { text, mode = 0o755 }: Manner): string {
    const directory = join(scratch, name)
    mkdirSync(directory)
    writeFileSync(join(directory, 'service'), text)
    chmodSync(join(directory, 'service'), mode)
    return directory
  }

  const wasStarted = (directory: string): boolean =>
    existsSync(join(directory, 'log')) && /start$/m.test(readFileSync(join(directory, 'log'), 'utf8'))

  /** In namespaces of its own: heartbeat answers a stop that failed with a reboot. */
  function byHeartbeat(directory: string, args: readonly string[]): Life {
    const word = ['service', ...args].join('::')
    writeFileSync(join(directory, 'haresources'), `here ${word}\n`)
    const play = `set -e
      mkdir ${directory}/ha.d; cp /etc/ha.d/shellfuncs ${directory}/ha.d; mkdir ${directory}/ha.d/resource.d
      cp ${directory}/haresources ${directory}/ha.d
      mount --bind ${directory}/ha.d /etc/ha.d
      touch /etc/ha.d/resource.d/service
      mount --bind ${directory} /etc/ha.d/resource.d
      printf '#!/bin/sh\\necho reboot >> ${directory}/reboot\\n' > ${directory}/reboot.sh; chmod 755 ${directory}/reboot.sh
      for f in /sbin/reboot /sbin/init /usr/bin/pkill; do [ ! -e $f ] || mount --bind ${directory}/reboot.sh $(readlink -f $f); done
      export HA_CURHOST=here HA_STOPRETRYMAX=1 HA_DEBUGLOG=${directory}/debug HA_LOGFILE=${directory}/debug
      set +e
      ${manager} status ${word}; echo $?; ${manager} takegroup ${word}; echo $?
      ${manager} status ${word}; echo $?; ${manager} givegroup ${word}; echo $?`
    const options = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private']
    const { stdout, stderr } = spawnSync('/usr/bin/unshare', [...options, '/bin/sh', '-c', play], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const codes = stdout.split('\n').filter((line) => /^\d+$/.test(line))
    assert.equal(codes.length, 4, `${stdout}${stderr}`)
    // The exit code of takegroup is lost on the way: the release of the group overwrites it.
    const [earlier, , up] = codes.map((code) => code === '0')
    const journal = readFileSync(join(directory, 'debug'), 'utf8')
    const started = wasStarted(directory)
    return {
      before: earlier as boolean,
      taken: !journal.includes('Giving up resources due to failure'),
      started,
      up: up as boolean,
      given: !existsSync(join(directory, 'reboot')),
      gone: !existsSync(join(directory, 'on')),
    }
  }

  async function byUs(directory: string, args: readonly string[]): Promise<Life> {
    const agent = script(join(directory, 'service'), { args }).create(agentContext(directory))
    const runs = async (): Promise<boolean> =>
      agent.status(within()).then(
        ({ state }) => state === 'running',
        () => false,
      )
    const succeeds = (operation: Promise<void>): Promise<boolean> =>
      operation.then(
        () => true,
        () => false,
      )
    const earlier = await runs()
    const taken = await succeeds(agent.start(within()))
    // A group whose start failed is stopped, here as there.
    const given = taken ? undefined : await succeeds(agent.stop(within()))
    const up = await runs()
    return {
      before: earlier,
      taken,
      started: wasStarted(directory),
      up,
      given: given ?? (await succeeds(agent.stop(within()))),
      gone: !existsSync(join(directory, 'on')),
    }
  }

  for (const [index, manner] of manners.entries()) {
    const { name, args = [], differs } = manner
    it(`${name}${differs ? `; otherwise than heartbeat: ${differs.why}` : ''}`, { timeout: 120_000 }, async () => {
      const theirs = byHeartbeat(place(`${index}-theirs`, manner), args)
      const { why: _, ...difference } = differs ?? { why: '' }
      assert.deepEqual(await byUs(place(`${index}-ours`, manner), args), { ...theirs, ...difference })
    })
  }
})
