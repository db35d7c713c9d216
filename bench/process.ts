import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Figure } from './figure.ts'

const run = promisify(execFile)
const index = new URL('../dist/index.js', import.meta.url).href
const root = fileURLToPath(new URL('..', import.meta.url))

async function measured(program: string, args: readonly string[] = []): Promise<number> {
  const { stdout } = await run(process.execPath, [...args, '--input-type=module', '-e', program], { cwd: root })
  return Number(stdout.trim())
}

/** Time of `import 'hot-standby'` in a fresh process. */
export async function importTime(): Promise<Figure> {
  const program = `const t = performance.now(); await import('${index}'); console.log(performance.now() - t)`
  const values: number[] = []
  for (let round = 0; round < 15; round++) values.push(await measured(program))
  return { what: "import 'hot-standby'", unit: 'ms', values, goal: 'median under 40 ms' }
}

/** Resident memory of an idle member above that of a bare Node process, both after a garbage collection. */
export async function idleMemory(): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'hot-standby-bench-'))
  const rest = 'await new Promise((done) => setTimeout(done, 4000)); gc(); gc();'
  const told = `console.log(process.memoryUsage().rss / 1e6); process.exit(0)`
  const member = `
    const { app, Cluster, sha1, udpUnicast } = await import('${index}')
    const cluster = new Cluster({
      name: 'bench', nodes: ['one', 'two'], node: 'one', stateDirectory: ${JSON.stringify(directory)},
      transports: [udpUnicast({ addresses: { one: '127.0.0.1:17001', two: '127.0.0.1:17002' } })],
      authenticator: sha1({ key: 'bench' }),
      groups: [{ name: 'g', preferred: 'one', resources: [app({ start() {}, stop() {} })] }],
    })
    await cluster.start()`
  try {
    const bare: number[] = []
    const above: number[] = []
    for (let round = 0; round < 5; round++) {
      const base = await measured(`${rest} ${told}`, ['--expose-gc'])
      bare.push(base)
      above.push((await measured(`${member}\n${rest} ${told}`, ['--expose-gc'])) - base)
    }
    return [
      { what: 'bare Node process, resident', unit: 'MB', values: bare },
      { what: 'idle member above it (app agent; no children)', unit: 'MB', values: above, goal: 'under 15 MB' },
    ]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
