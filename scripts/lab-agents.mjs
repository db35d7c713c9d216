// `npm run lab -- agents [PATTERN…]`: the resource agents against what they are for: a real systemd, nginx, OCF agents and init
// scripts, mounts, addresses of both families. A line for each test, the counts last. All of it is also part of `npm test`.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePackages, LISTS } from './packages.mjs'

const root = join(import.meta.dirname, '..')

/** What a test file is about, by its name; the others of these folders are about the pair itself. */
const about = /^(?:agents?-|vip|nginx|systemd|script|ocf|fs|route|drbd|process\.io|shell-helper)/

const files = () =>
  ['test/unit', 'test/lab'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => about.test(name) && /\.(?:io|lab)\.test\.ts$/.test(name))
      .map((name) => join(folder, name))
      .sort(),
  )

/**
 * Runs them one after the other, or only those tests whose names match one of the patterns.
 * @param {readonly string[]} patterns
 * @returns {Promise<number>} the exit code
 */
export const runAgentTests = async (patterns) => {
  ensurePackages(LISTS.lab)
  const total = { passed: 0, failed: 0, skipped: 0 }
  const notRun = []
  const scratch = mkdtempSync(join(tmpdir(), 'hot-standby-agents-'))
  for (const file of files()) {
    const tally = join(scratch, 'counts.json')
    const args = ['--import', 'tsx', '--test', `--test-reporter=${new URL('./tally.mjs', import.meta.url).href}`]
    const env = { ...process.env, TALLY_FILE: tally, TALLY_LINES: '1' }
    console.log(`-- ${file}`)
    const child = spawn(process.execPath, [...args, ...patterns.map((name) => `--test-name-pattern=${name}`), file], {
      cwd: root,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const status = await new Promise((done) => child.once('exit', done))
    const counts = read(tally) ?? { passed: 0, failed: 1, skipped: 0 }
    if (status !== 0 && counts.failed === 0) counts.failed = 1
    for (const name of Object.keys(total)) total[name] += counts[name]
    notRun.push(...(counts.notRun ?? []))
    rmSync(tally, { force: true })
  }
  rmSync(scratch, { recursive: true, force: true })
  const { passed, failed, skipped } = total
  const nothing = passed + failed === 0
  if (nothing) console.log(`lab: no test of an agent matches ${patterns.join(' ')}`)
  for (const what of notRun) console.log(`not run, and not counted: ${what}`)
  console.log(
    `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}${notRun.length > 0 ? `, ${notRun.length} not run` : ''}`,
  )
  return failed > 0 || nothing ? 1 : 0
}

/** @param {string} file */
const read = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
