/** One host of the address laboratory: runs a real `vip` agent and does what it reads from standard input, one JSON line each. */
import { createInterface } from 'node:readline'
import { vip } from '../../src/resources/vip.ts'
import type { OperationContext, ResourceAgent } from '../../src/roles/resource-agent.ts'

const [settings = '{}'] = process.argv.slice(2)
const { address, options, leftover } = JSON.parse(settings)

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function log(fields: object, message: string): void {
  say({ log: message, fields })
}

const agent: ResourceAgent = vip(address, options).create({
  self: 'host',
  group: 'web',
  directory: '/nonexistent',
  logger: { debug: log, info: log, warn: log, error: log },
  changed: () => say({ changed: true }),
  remember: (record) => say({ remember: record }),
  leftover: leftover ?? null,
})

type Call = 'open' | 'close' | 'prepare' | 'start' | 'stop' | 'status' | 'announce' | 'isolate' | 'restore' | 'inspect'

for await (const line of createInterface({ input: process.stdin })) {
  const { call, limitMs = 5000 } = JSON.parse(line) as { call: Call; limitMs?: number }
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), limitMs)
  const context: OperationContext = { epoch: 1, signal: limit.signal }
  const begun = performance.now()
  try {
    const value = await agent[call]?.(context)
    say({ done: call, ms: performance.now() - begun, value: value ?? null })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    say({ done: call, ms: performance.now() - begun, error: { code, message } })
  }
  clearTimeout(timer)
}
