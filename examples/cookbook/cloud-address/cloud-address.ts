import { setTimeout } from 'node:timers/promises'
import type { OperationContext, ResourceAgent, ResourcePlugin, ResourceStatus } from 'hot-standby'

/** Where the provider's interface is, and what is to be moved. */
export interface CloudAddressOptions {
  /** `https://api.example.net/v1`; below it `/addresses/ADDRESS`. */
  readonly url: string
  /** The floating address. */
  readonly address: string
  /** Name of this node's machine at the provider. */
  readonly machine: string
  /** Sent with every request. */
  readonly token: string
  /** Pause before what was lost is asked again. @defaultValue 500 */
  readonly retryMs?: number | undefined
}

/** What the provider knows of an address. `epoch` is a tag that this agent writes; `version` changes with every write. */
interface Assignment {
  readonly machine: string | null
  readonly epoch: number
  readonly version: string
}

/** A reply that says that somebody else was quicker. */
class Overtaken extends Error {}

/**
 * A floating address that the cloud provider routes to one machine. Every write names the version that was read before it, so a
 * write that was delayed, or whose reply was lost, can undo nothing that came later; and it is refused where a later epoch is written.
 */
export function cloudAddress(options: CloudAddressOptions): ResourcePlugin {
  return {
    kind: 'resource',
    type: 'cloud-address',
    name: `cloud-address:${options.address}`,
    settings: { url: options.url, address: options.address, machine: options.machine },
    addresses: [options.address],
    times: { startMs: 30_000, stopMs: 30_000, statusMs: 5000, intervalMs: 10_000 },
    operations: ['prepare', 'start', 'stop', 'status'],
    create: () => new CloudAddressAgent(options),
  }
}

class CloudAddressAgent implements ResourceAgent {
  readonly #options: CloudAddressOptions

  constructor(options: CloudAddressOptions) {
    this.#options = options
  }

  /** The interface answers, and knows the address. */
  async prepare({ signal }: OperationContext): Promise<void> {
    await this.#read(signal)
  }

  async start({ epoch, signal }: OperationContext): Promise<void> {
    const { machine } = this.#options
    await this.#until(signal, async () => {
      const found = await this.#read(signal)
      if (found.epoch > epoch)
        throw new Error(`${this.#name} belongs to ${found.machine} by epoch ${found.epoch}, later than ours, ${epoch}`)
      if (found.machine === machine && found.epoch === epoch) return true
      await this.#write(found, { machine, epoch }, signal)
      return false
    })
  }

  async stop({ epoch, signal }: OperationContext): Promise<void> {
    await this.#until(signal, async () => {
      const found = await this.#read(signal)
      // The peer has it already, or nobody.
      if (found.machine !== this.#options.machine) return true
      await this.#write(found, { machine: null, epoch: Math.max(epoch, found.epoch) }, signal)
      return false
    })
  }

  async status({ signal }: OperationContext): Promise<ResourceStatus> {
    try {
      const { machine } = await this.#read(signal)
      return { state: machine === this.#options.machine ? 'running' : 'stopped' }
    } catch (error) {
      // The provider's interface is down: that says nothing about the address.
      return { state: 'unknown', reason: (error as Error).message }
    }
  }

  get #name(): string {
    return this.#options.address
  }

  /** Repeats read and write until a read shows what is wanted: a reply is never believed where a read can be had. */
  async #until(signal: AbortSignal, step: () => Promise<boolean>): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      try {
        if (await step()) return
      } catch (error) {
        if (!(error instanceof Overtaken) && !isLost(error)) throw error
        await setTimeout(this.#options.retryMs ?? 500, undefined, { signal })
      }
    }
  }

  async #read(signal: AbortSignal): Promise<Assignment> {
    return (await this.#ask('GET', {}, undefined, signal)) as Assignment
  }

  async #write(found: Assignment, body: Omit<Assignment, 'version'>, signal: AbortSignal): Promise<void> {
    await this.#ask('PUT', { 'if-match': found.version }, JSON.stringify(body), signal)
  }

  async #ask(
    method: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { url, address, token } = this.#options
    const response = await fetch(`${url}/addresses/${encodeURIComponent(address)}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      // One request takes no more than this, so that a lost reply is followed by a read in time.
      signal: AbortSignal.any([signal, AbortSignal.timeout(3000)]),
      ...(body === undefined ? {} : { body }),
    })
    if (response.status === 412) throw new Overtaken(`${address} was changed meanwhile`)
    if (!response.ok) throw new Error(`${method} of ${address}: the provider answers ${response.status}`)
    return await response.json()
  }
}

/** No reply came: what was asked may have been done or not. */
const isLost = (error: unknown): boolean => {
  const { name } = error as Error
  return name === 'TimeoutError' || (error instanceof TypeError && 'cause' in error)
}
