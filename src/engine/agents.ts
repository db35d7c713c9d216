import { withinLimit } from '../platform/limit.ts'
import { messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
  ResourceTimes,
} from '../roles/resource-agent.ts'
import { abortable } from './abortable.ts'

/** What an agent is opened with, by the names of its group and resource. */
export type ContextOf = (group: string, resource: string) => ResourceContext

/** How long one agent may take to close before it is left to itself. */
const closeLimitMs = 10_000

/** The agents of this member, one for each resource; a reload adds some and replaces those whose settings it changes. */
export class Agents extends Map<string, AgentSlot> {
  readonly #contextOf: ContextOf
  readonly #logger: Logger
  /** Opened by a reload that is not finished. */
  readonly #reserves = new Set<ResourceAgent>()
  readonly #closing = new WeakMap<ResourceAgent, Promise<void>>()

  constructor(contextOf: ContextOf, logger: Logger) {
    super()
    this.#contextOf = contextOf
    this.#logger = logger
  }

  /** Which settings of the resource, counted from the first that it was started with. */
  revision(name: string): number | undefined {
    return this.get(name)?.revision || undefined
  }

  /** Times that the agent of the resource advises. */
  advice(name: string): Partial<ResourceTimes> {
    try {
      return this.get(name)?.advice() ?? {}
    } catch (error) {
      this.#logger.warn({ resource: name, reason: messageOf(error) }, `${name}: its advice: ${messageOf(error)}`)
      return {}
    }
  }

  async open(group: string, plugin: ResourcePlugin, signal?: AbortSignal): Promise<void> {
    const slot = new AgentSlot(plugin, () => this.#contextOf(group, plugin.name))
    this.set(plugin.name, slot)
    signal?.throwIfAborted()
    await abortable(slot.open(), signal)
  }

  /**
   * Opens what is new and what has other settings. Rejects, with everything as it was, when one of them cannot work here or the
   * signal aborts; one that is to follow an agent that serves can only be tried when that has stopped.
   */
  async reload(
    groups: readonly { readonly name: string; readonly resources: readonly ResourcePlugin[] }[],
    signal?: AbortSignal,
  ): Promise<void> {
    const opened = new Map<ResourcePlugin, ResourceAgent>()
    const changed = groups.flatMap(({ name: group, resources }) =>
      resources.filter((plugin) => !this.get(plugin.name)?.has(plugin)).map((plugin) => ({ group, plugin })),
    )
    try {
      for (const { group, plugin } of changed) {
        if (this.get(plugin.name)?.busy) continue
        const agent = plugin.create(this.#contextOf(group, plugin.name))
        opened.set(plugin, agent)
        this.#reserves.add(agent)
        await abortable(Promise.resolve(agent.open?.()), signal)
      }
      signal?.throwIfAborted()
    } catch (error) {
      await Promise.all([...opened.values()].map((agent) => this.#close(agent)))
      throw error
    }
    // From here on nothing is awaited until every seat is taken, so that nobody sees half of a reload.
    const leaving: ResourceAgent[] = []
    for (const { group, plugin } of changed) {
      const { name } = plugin
      const slot = this.get(name)
      const agent = opened.get(plugin)
      if (agent) this.#reserves.delete(agent)
      if (!agent || slot?.busy) {
        // It serves, perhaps only since a moment ago: what it has started it also stops.
        slot?.follow(plugin)
        if (agent) leaving.push(agent)
      } else if (slot) {
        slot.revision++
        leaving.push(...[slot.take(plugin, agent)].filter((old) => old !== undefined))
      } else this.set(name, new AgentSlot(plugin, () => this.#contextOf(group, name), agent))
    }
    await Promise.all(leaving.map((agent) => this.#close(agent)))
  }

  /** Closes every agent, those of a reload that has not come to its end included; each of them once. */
  async close(): Promise<void> {
    for (const agent of [...this.values(), ...this.#reserves].reverse()) await this.#close(agent)
  }

  #close(agent: ResourceAgent): Promise<void> {
    const closing = this.#closing.get(agent) ?? this.#closeNow(agent)
    this.#closing.set(agent, closing)
    this.#reserves.delete(agent)
    return closing
  }

  async #closeNow(agent: ResourceAgent): Promise<void> {
    try {
      await withinLimit(Promise.resolve(agent.close?.()), closeLimitMs)
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, `closing: ${messageOf(error)}`)
    }
  }
}

const settingsOf = ({ type, settings }: ResourcePlugin): string => JSON.stringify([type, settings])

/** Where the agent of a resource sits. What an agent has started it also stops; then the one with the new settings takes its seat. */
class AgentSlot implements ResourceAgent {
  #plugin: ResourcePlugin
  #agent: ResourceAgent
  /** Its settings are wanted, but the agent on the seat has still something to stop. */
  #follower: ResourcePlugin | undefined
  readonly #context: () => ResourceContext
  /** A start was tried and no stop has succeeded since. */
  busy = false
  revision = 0
  #succession: Promise<void> | undefined
  /** The agent on the seat is closed already: its follower could not be opened yet. */
  #retired = false
  #closed = false

  constructor(plugin: ResourcePlugin, context: () => ResourceContext, agent: ResourceAgent = plugin.create(context())) {
    this.#plugin = plugin
    this.#agent = agent
    this.#context = context
  }

  /** Are these the settings that are wanted already? Where a plug-in tells none, what runs is kept. */
  has(plugin: ResourcePlugin): boolean {
    return settingsOf(plugin) === settingsOf(this.#follower ?? this.#plugin)
  }

  follow(plugin: ResourcePlugin): void {
    this.#follower = plugin
    this.revision++
  }

  /** Seats another agent; returns the old one if that is still open. */
  take(plugin: ResourcePlugin, agent: ResourceAgent): ResourceAgent | undefined {
    const old = this.#retired ? undefined : this.#agent
    this.#plugin = plugin
    this.#agent = agent
    this.#follower = undefined
    this.#retired = false
    return old
  }

  /** One succession at a time: an operation that was given up may still wait for it when the next one begins. */
  #succeed(): Promise<void> {
    if (!this.#follower || this.busy) return Promise.resolve()
    this.#succession ??= this.#letFollow().finally(() => {
      this.#succession = undefined
    })
    return this.#succession
  }

  async #letFollow(): Promise<void> {
    for (let plugin = this.#follower; plugin; plugin = this.#follower) {
      await this.#retire()
      const next = plugin.create(this.#context())
      try {
        await next.open?.()
      } catch (error) {
        await next.close?.()
        throw error
      }
      if (this.#closed) return void (await next.close?.())
      // A newer reload may want another one by now.
      if (this.#follower === plugin) this.take(plugin, next)
      else await next.close?.()
    }
  }

  /** Closes the agent on the seat, once. */
  async #retire(): Promise<void> {
    if (this.#retired) return
    this.#retired = true
    await this.#agent.close?.()
  }

  async open(): Promise<void> {
    await this.#agent.open?.()
  }

  async close(): Promise<void> {
    this.#closed = true
    const succession = this.#succession
    await this.#retire()
    await succession?.catch(() => {})
  }

  async prepare(context: OperationContext): Promise<void> {
    await this.#succeed()
    await this.#agent.prepare?.(context)
  }

  async start(context: OperationContext): Promise<void> {
    await this.#succeed()
    this.busy = true
    await this.#agent.start(context)
  }

  async stop(context: OperationContext): Promise<void> {
    await this.#agent.stop(context)
    this.busy = false
  }

  status(context: OperationContext): Promise<ResourceStatus> {
    return this.#agent.status(context)
  }

  async announce(context: OperationContext): Promise<void> {
    await this.#agent.announce?.(context)
  }

  async isolate(context: OperationContext): Promise<void> {
    await this.#agent.isolate?.(context)
  }

  async restore(context: OperationContext): Promise<void> {
    await this.#agent.restore?.(context)
  }

  advice(): Partial<ResourceTimes> {
    return this.#agent.advice?.() ?? {}
  }

  inspect(): Readonly<Record<string, unknown>> {
    return this.#agent.inspect?.() ?? {}
  }
}
