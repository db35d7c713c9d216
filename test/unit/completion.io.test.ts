import assert from 'node:assert/strict'
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { completion } from '../../src/cli/completion.ts'
import { commandNames, commands } from '../../src/cli/table.ts'
import { temporaryDirectory } from '../support/agents.ts'

/** What the shells are asked, and what must be offered, in any order. */
const asked: readonly (readonly [typed: readonly string[], offered: readonly string[]])[] = [
  [['sta'], ['standby', 'status']],
  [['--dir', 'folder', 'takeo'], ['takeover']],
  [
    ['maintenance', ''],
    ['on', 'off'],
  ],
  [['maintenance', 'on', 'l'], ['local']],
  [['standby', 'jobs', 'fo'], ['foreign']],
  [['standby', '--j'], ['--json']],
  [['run', '--on-fatal', 're'], ['reboot']],
  [['check', '--dir', 'fo'], ['folder']],
  [['record', 'a'], ['a file']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['help', 'rep'], ['replay']],
]

/** A program that answers, for one line that was typed, a line for each word that is offered. */
const shells: Readonly<Record<string, (file: string, typed: readonly string[]) => readonly string[]>> = {
  bash: (file, typed) => [
    '--norc',
    '-c',
    `source '${file}'; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hot_standby; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    'hot-standby',
    ...typed,
  ],
  fish: (file, typed) => ['--no-config', '-c', `source ${file}; complete -C "hot-standby ${typed.join(' ')}"`],
}

const installed = (shell: string): string | undefined =>
  ['/bin', '/usr/bin', '/usr/local/bin'].map((place) => join(place, shell)).find((path) => existsSync(path))

function place(t: TestContext, shell: string): { dir: string; file: string } {
  const dir = temporaryDirectory(t)
  const file = join(dir, `completion.${shell}`)
  mkdirSync(join(dir, 'folder'))
  writeFileSync(join(dir, 'a file'), '')
  writeFileSync(file, completion(shell))
  return { dir, file }
}

describe('the completion', () => {
  // A shell that is not here cannot be asked.
  for (const [shell, argumentsFor] of Object.entries(shells)) {
    const program = installed(shell)
    if (program !== undefined)
      it(`offers in ${shell} what may come next`, (t) => {
        const { dir, file } = place(t, shell)
        for (const [typed, offered] of asked) {
          const { stdout, stderr }: SpawnSyncReturns<string> = spawnSync(program, argumentsFor(file, typed), {
            cwd: dir,
            encoding: 'utf8',
            env: { ...process.env, HOME: dir },
          })
          const words = stdout.split('\n').filter((word) => word !== '')
          const bare = words.map((word) => word.replace(/\t.*$/, '').replace(/\/$/, '').replaceAll('\\', ''))
          assert.deepEqual(bare.sort(), [...offered].sort(), `${typed.join(' ')}: ${stderr}`)
        }
      })
  }

  for (const shell of ['bash', 'zsh', 'fish']) {
    const program = installed(shell)
    if (program !== undefined)
      it(`is a program that ${shell} can read`, (t) => {
        const { status, stderr } = spawnSync(program, ['-n', place(t, shell).file], { encoding: 'utf8' })
        assert.deepEqual([status, stderr], [0, ''])
      })
    it(`names in ${shell} every command and each of its options`, () => {
      const text = completion(shell)
      for (const name of commandNames) {
        assert.ok(text.includes(name), name)
        for (const option of commands[name].options)
          assert.match(text, new RegExp(`(-l |--)${option}\\b`), `${name} --${option}`)
      }
    })
  }
})
