import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run as runName } from './janitor.ts'

/** Three hosts on one switch. Needs root on Linux with network namespaces. */
export const hosts = { a: 1, b: 2, c: 3 } as const
export type Host = keyof typeof hosts

export const v4 = '10.77.0.100'

/** Name of a host's network namespace. */
export const namespaceOf = (host: Host | 'sw'): string => `${runName}-${host}`

const hostProgram = fileURLToPath(new URL('./vip.host.ts', import.meta.url))

export function run(...command: string[]): string {
  const [file = '', ...args] = command
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** `ip` in the namespace of a host, or of the switch. */
export function ip(host: Host | 'sw', ...args: string[]): string {
  return run('ip', '-n', namespaceOf(host), ...args)
}

export function whyNot(): string | false {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    run('ip', 'netns', 'add', namespaceOf('sw'))
    run('ip', 'netns', 'del', namespaceOf('sw'))
    return false
  } catch (error) {
    return `ip netns does not work here: ${(error as Error).message}`
  }
}

export function buildNetwork(): void {
  run('ip', 'netns', 'add', namespaceOf('sw'))
  ip('sw', 'link', 'add', 'br0', 'type', 'bridge')
  ip('sw', 'link', 'set', 'br0', 'up')
  for (const [host, number] of Object.entries(hosts) as [Host, number][]) {
    run('ip', 'netns', 'add', namespaceOf(host))
    const peer = ['peer', 'name', 'eth0', 'netns', namespaceOf(host)]
    ip('sw', 'link', 'add', `port-${host}`, 'type', 'veth', ...peer)
    ip('sw', 'link', 'set', `port-${host}`, 'master', 'br0', 'up')
    ip(host, 'link', 'set', 'lo', 'up')
    ip(host, 'link', 'set', 'eth0', 'up')
    ip(host, 'addr', 'add', `10.77.0.${number}/24`, 'dev', 'eth0')
    ip(host, 'addr', 'add', `fd77::${number}/64`, 'dev', 'eth0', 'nodad')
  }
}

export function removeNetwork(): void {
  for (const host of ['sw', ...Object.keys(hosts)]) {
    try {
      run('ip', 'netns', 'del', namespaceOf(host as Host))
    } catch {
      // It was not made.
    }
  }
}

/** Addresses of eth0 as `address/prefix`. */
export function addressesOf(host: Host): string[] {
  const shown = JSON.parse(ip(host, '-j', 'addr', 'show', 'dev', 'eth0'))
  return shown[0].addr_info.map((entry: { local: string; prefixlen: number }) => `${entry.local}/${entry.prefixlen}`)
}

export function macOf(host: Host): string {
  return JSON.parse(ip(host, '-j', 'link', 'show', 'dev', 'eth0'))[0].address
}

/** Where host c believes an address to be. */
export function neighbourOfC(address: string): string | undefined {
  return JSON.parse(ip('c', '-j', 'neigh', 'show', address))[0]?.lladdr
}

export function sysctl(host: Host, path: string): string {
  return run('ip', 'netns', 'exec', namespaceOf(host as Host), 'cat', `/proc/sys/net/${path}`).trim()
}

/** Polls until it holds; the time that took, or undefined after the limit. */
export async function until(holds: () => boolean, limitMs = 3000): Promise<number | undefined> {
  const begun = performance.now()
  while (performance.now() - begun < limitMs) {
    if (holds()) return performance.now() - begun
    await sleep(2)
  }
  return undefined
}

export interface Answer {
  readonly ms: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever the agent's operation answered
  readonly value: any
  readonly error?: { readonly code?: string; readonly message: string }
}

export interface StartOptions {
  readonly address?: string | string[]
  readonly options?: object
  readonly leftover?: object
  /** A second vip in the same process, with the same device. */
  readonly second?: string
  /** Shell commands that run first, in the mount namespace of the program, then `exec "$@"`. */
  readonly setup?: string
}

/** A process with a vip agent in a host's namespace. */
export class Agent {
  static readonly running = new Set<Agent>()
  readonly child: ChildProcess
  readonly said: { remember?: unknown; changed?: boolean; log?: string }[] = []
  readonly #answers: { resolve(answer: Answer): void; reject(error: Error): void }[] = []

  constructor(
    host: Host,
    { address = v4, options = { device: 'eth0' }, leftover, second, setup = '' }: StartOptions = {},
  ) {
    const settings = JSON.stringify({ address, options, leftover, second })
    const node = [process.execPath, '--import', 'tsx', hostProgram, settings]
    const script = `${setup}\nexec "$@"`
    this.child = spawn('ip', ['netns', 'exec', namespaceOf(host as Host), 'sh', '-c', script, 'sh', ...node], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    Agent.running.add(this)
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (text) => {
      const line = JSON.parse(text)
      if ('done' in line) this.#answers.shift()?.resolve(line)
      else this.said.push(line)
    })
    this.child.once('exit', () => {
      for (const { reject } of this.#answers.splice(0)) reject(new Error('the host program ended'))
    })
  }

  /** Asks for one operation and gives its answer, errors included. */
  async attempt(call: string, limitMs = 5000, of: 'first' | 'second' = 'first'): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => this.#answers.push({ resolve, reject }))
    this.child.stdin?.write(`${JSON.stringify({ call, limitMs, of })}\n`)
    return answer
  }

  /** Asks for one operation that must succeed. */
  async ask(call: string, of: 'first' | 'second' = 'first'): Promise<Answer> {
    const answer = await this.attempt(call, undefined, of)
    assert.equal(answer.error, undefined, `${call}: ${answer.error?.message}`)
    return answer
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    Agent.running.delete(this)
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill(signal)
    await exit
  }
}

export async function opened(host: Host, options?: StartOptions): Promise<Agent> {
  const agent = new Agent(host, options)
  await agent.ask('open')
  return agent
}
