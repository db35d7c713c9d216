import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { lacking } from './netns.ts'
import { waitFor } from './wait-for.ts'

const reason = lacking('unshare', 'losetup', 'mount')
if (reason) console.log(`skipped: ${reason}`)

/** A run with something of everything: namespaces, programs in them and beside them, a mount, a loop device, files. */
const program = `
  import { execFileSync, spawn } from 'node:child_process'
  import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  import { join } from 'node:path'
  import { TwoHosts } from ${JSON.stringify(new URL('./netns.ts', import.meta.url).href)}
  const hosts = new TwoHosts([1, 2])
  const folder = mkdtempSync(join(tmpdir(), 'half-done-'))
  mkdirSync(join(folder, 'data'))
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(folder, 'data')])
  writeFileSync(join(folder, 'image'), Buffer.alloc(65536))
  let loop = ''
  try {
    loop = String(execFileSync('losetup', ['-f', '--show', join(folder, 'image')], { stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    // This machine has no loop devices.
  }
  // Each in a session of its own and deaf to what ends others; the last two without the variables of this process.
  const deaf = ['sh', '-c', "trap '' INT TERM HUP; sleep 3600 & sleep 3600 & wait"]
  const options = { detached: true, stdio: 'ignore' }
  const bare = { ...options, env: { PATH: process.env.PATH } }
  const children = [
    spawn('sh', deaf.slice(1), options),
    spawn('ip', ['netns', 'exec', hosts.namespace('a'), ...deaf], bare),
    spawn('unshare', ['--mount', 'sh', '-c', 'env -i setsid sleep 3600 & wait'], options),
  ]
  setTimeout(() => {
    const below = (pid) => {
      const own = readFileSync(\`/proc/\${pid}/task/\${pid}/children\`, 'utf8').split(' ').filter(Boolean)
      return [pid, ...own.flatMap((child) => below(Number(child)))]
    }
    const pids = children.flatMap(({ pid }) => below(pid))
    console.log(JSON.stringify({ folder, loop: loop.trim(), pids }))
  }, 500)
  setInterval(() => {}, 1000)`

interface Run {
  readonly child: ChildProcess
  readonly folder: string
  readonly loop: string
  /** All that it has begun, sleepers in sessions of their own too. */
  readonly pids: readonly number[]
}

/** In a process group of its own, as a terminal gives to what it runs. */
async function begin(): Promise<Run> {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const argv = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program]
  const child = spawn(process.execPath, argv, { detached: true, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return { child, ...JSON.parse(text) }
}

/** Everything that a run has on this machine. */
function belongings({ child, folder, loop, pids }: Run): string[] {
  const namespaces = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).split('\n')
  return [
    ...namespaces.filter((name) => name.startsWith(`hs-${child.pid}-`)),
    ...pids.filter((pid) => existsSync(`/proc/${pid}`)).map((pid) => `process ${pid}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder)),
    ...(loop !== '' && execFileSync('losetup', ['-l', '-n'], { encoding: 'utf8' }).includes(folder) ? [loop] : []),
    ...(existsSync(folder) ? [folder] : []),
  ]
}

describe('a run of the laboratory that is cut short', { skip: reason ?? false, timeout: 900_000 }, () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
    it(`leaves nothing after ${signal} to its process group`, async () => {
      const run = await begin()
      const had = belongings(run)
      assert.ok(had.length >= 13, `three namespaces, programs, a mount and files: ${had}`)
      const end = once(run.child, 'exit')
      process.kill(-(run.child.pid as number), signal)
      await end
      await waitFor(() => belongings(run).length === 0, {
        what: 'nothing of it is left',
        withinMs: 5000,
        everyMs: 100,
        seen: () => belongings(run),
      })
    })
})
