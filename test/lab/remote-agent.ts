import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { HotStandbyError, type HotStandbyErrorCode } from '../../src/roles/error.ts'
import { silentLogger } from '../../src/roles/logger.ts'
import type {
  Operation,
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
} from '../../src/roles/resource-agent.ts'

const program = fileURLToPath(new URL('./agent.host.ts', import.meta.url))
/** By its address: over there, the working directory is another one. */
const loader = import.meta.resolve('tsx')

/** What an agent's operation gave, from the other side. */
interface Answer {
  readonly seq: number
  readonly ms: number
  readonly value: unknown
  readonly error?: { readonly code: HotStandbyErrorCode; readonly message: string }
}

/** A process that runs resource agents in the namespaces of a host. */
export class AgentHost {
  readonly child: ChildProcess
  readonly #contexts = new Map<number, ResourceContext>()
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  #agents = 0
  #calls = 0
  #stderr = ''
  #ended: Error | null = null

  /** `enter`: the command that goes into the namespaces and then runs the words after it. */
  constructor(enter: readonly string[]) {
    const [file = '', ...args] = [...enter, process.execPath, '--import', loader, program]
    this.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.child.stderr?.on('data', (text) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-2000)
    })
    this.child.stdin?.on('error', () => {})
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (text) => this.#hear(text))
    this.child.once('close', () => {
      this.#ended = new Error(`the agents' process ended: ${this.#stderr}`)
      for (const { reject } of this.#waiting.values()) reject(this.#ended)
      this.#waiting.clear()
    })
  }

  /** The same plug-in, its agents made over there. `args` are the factory's, as JSON. */
  plugin(factory: string, plugin: ResourcePlugin, ...args: readonly unknown[]): ResourcePlugin {
    return { ...plugin, create: (context) => this.#create(factory, args, plugin.operations, context) }
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill(signal)
    await exit
  }

  #create(
    factory: string,
    args: readonly unknown[],
    operations: readonly Operation[],
    context: ResourceContext,
  ): ResourceAgent {
    this.#agents += 1
    const agent = this.#agents
    const { self, group, directory, leftover } = context
    this.#contexts.set(agent, context)
    this.#send({ agent, make: { factory, args, context: { self, group, directory, leftover } } })
    const call =
      (name: string) =>
      async (circumstances?: OperationContext): Promise<never> =>
        (await this.#call(agent, name, circumstances?.signal)) as never
    const optional = Object.fromEntries(operations.map((name) => [name, call(name)]))
    return {
      start: call('start'),
      stop: call('stop'),
      status: call('status'),
      ...optional,
      open: call('open'),
      // Over there it answers at once; here it takes a while: to be awaited.
      inspect: call('inspect') as () => never,
      close: call('close'),
    }
  }

  async #call(agent: number, call: string, signal?: AbortSignal): Promise<unknown> {
    this.#calls += 1
    const seq = this.#calls
    const abort = (): void => this.#send({ agent, abort: seq })
    const { value, error } = await new Promise<Answer>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      this.#waiting.set(seq, { resolve, reject })
      this.#send({ agent, call, seq })
      signal?.addEventListener('abort', abort, { once: true })
    })
    signal?.removeEventListener('abort', abort)
    if (error) throw new HotStandbyError(error.code, error.message)
    return value
  }

  #send(line: object): void {
    this.child.stdin?.write(`${JSON.stringify(line)}\n`)
  }

  #hear(text: string): void {
    const line = JSON.parse(text)
    if ('seq' in line) {
      this.#waiting.get(line.seq)?.resolve(line)
      this.#waiting.delete(line.seq)
      return
    }
    const context = this.#contexts.get(line.agent)
    if ('remember' in line) context?.remember(line.remember)
    if ('changed' in line) context?.changed()
    if ('log' in line) (context?.logger ?? silentLogger).warn({}, line.log)
  }
}
