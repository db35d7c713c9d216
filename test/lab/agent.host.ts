/**
 * Runs resource agents where it is started (in the namespaces of a host) and does what it reads from standard input, one JSON
 * line each. Its other end is `remote-agent.ts`.
 */
import { createInterface } from 'node:readline'
import { drbd, fs, nginx, ocf, route, script, systemd, vip } from '../../src/index.ts'
import type { Operation, ResourceAgent, ResourceContext, ResourcePlugin } from '../../src/roles/resource-agent.ts'

// biome-ignore lint/suspicious/noExplicitAny: the arguments come as JSON
const factories: Readonly<Record<string, (...args: any[]) => ResourcePlugin>> = {
  drbd,
  fs,
  nginx,
  ocf,
  route,
  script,
  systemd,
  vip,
}

interface Line {
  readonly agent: number
  readonly make?: { readonly factory: string; readonly args: readonly unknown[]; readonly context: ResourceContext }
  readonly call?: Operation | 'open' | 'close' | 'inspect'
  readonly seq?: number
  readonly abort?: number
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const agents = new Map<number, ResourceAgent>()
const limits = new Map<number, AbortController>()

function make({ agent, make: wanted }: Line): void {
  if (!wanted) return
  const log = (level: string) => (_fields: object, message: string) => say({ agent, log: `${level} ${message}` })
  const logger = { debug: () => {}, info: log('info'), warn: log('warn'), error: log('error') }
  const plugin = factories[wanted.factory]?.(...wanted.args)
  const made = plugin?.create({
    ...wanted.context,
    logger,
    changed: () => say({ agent, changed: true }),
    remember: (record) => say({ agent, remember: record }),
  })
  if (made) agents.set(agent, made)
}

async function perform({ agent, call, seq = 0 }: Line): Promise<void> {
  const limit = new AbortController()
  limits.set(seq, limit)
  const begun = performance.now()
  try {
    const value = await agents.get(agent)?.[call as Operation]?.({ epoch: 1, signal: limit.signal })
    say({ seq, ms: performance.now() - begun, value: value ?? null })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    say({ seq, ms: performance.now() - begun, error: { code, message } })
  }
  limits.delete(seq)
}

const input = createInterface({ input: process.stdin })
input.on('line', (text) => {
  const line = JSON.parse(text) as Line
  if (line.make) make(line)
  else if (line.abort !== undefined) limits.get(line.abort)?.abort(new Error('the limit of the operation is over'))
  else void perform(line)
})
input.once('close', () => process.exit())
