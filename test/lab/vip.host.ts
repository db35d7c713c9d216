/** One host of the address laboratory: runs a real `vip` agent and does what it reads from standard input, one JSON line each. */
import { createInterface } from 'node:readline'
import { vip } from '../../src/resources/vip.ts'
import type { OperationContext, ResourceAgent } from '../../src/roles/resource-agent.ts'

const [settings = '{}'] = process.argv.slice(2)
const { address, options, leftover, second } = JSON.parse(settings)

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function log(fields: object, message: string): void {
  say({ log: message, fields })
}

const made = (of: string, first: string | string[]): ResourceAgent =>
  vip(first, options).create({
    self: 'host',
    group: of,
    directory: '/nonexistent',
    logger: { debug: log, info: log, warn: log, error: log },
    changed: () => say({ changed: true }),
    remember: (record) => say({ remember: record }),
    leftover: leftover ?? null,
  })

const agents: Record<string, ResourceAgent> = { first: made('web', address) }
if (second) agents['second'] = made('mail', second)

type Call = 'open' | 'close' | 'prepare' | 'start' | 'stop' | 'status' | 'announce' | 'isolate' | 'restore' | 'inspect'

for await (const line of createInterface({ input: process.stdin })) {
  const { call, limitMs = 5000, of = 'first' } = JSON.parse(line) as { call: Call; limitMs?: number; of?: string }
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), limitMs)
  const context: OperationContext = { epoch: 1, signal: limit.signal }
  const begun = performance.now()
  try {
    const value = await agents[of]?.[call]?.(context)
    say({ done: call, ms: performance.now() - begun, value: value ?? null })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    say({ done: call, ms: performance.now() - begun, error: { code, message } })
  }
  clearTimeout(timer)
}
