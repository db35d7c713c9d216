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
export class Agents extends Map<string, Seat> {
  readonly #contextOf: ContextOf
  readonly #logger: Logger

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
    const seat = new Seat(plugin, () => this.#contextOf(group, plugin.name))
    this.set(plugin.name, seat)
    signal?.throwIfAborted()
    await abortable(seat.open(), signal)
  }

  /**
   * Opens what is new and what has other settings. Rejects, with everything as it was, when one of them cannot work here; one
   * that is to follow an agent that serves can only be tried when that has stopped.
   */
  async reload(
    groups: readonly { readonly name: string; readonly resources: readonly ResourcePlugin[] }[],
  ): Promise<void> {
    const undo: (() => Promise<void>)[] = []
    const commit: (() => Promise<void> | void)[] = []
    try {
      for (const { name: group, resources } of groups)
        for (const plugin of resources) {
          const { name } = plugin
          const seat = this.get(name)
          if (seat?.has(plugin)) continue
          if (seat?.busy) commit.push(() => seat.follow(plugin))
          else {
            const next = plugin.create(this.#contextOf(group, name))
            undo.push(() => this.#close(next))
            await next.open?.()
            commit.push(async () => {
              // It was started meanwhile.
              if (seat?.busy) {
                seat.follow(plugin)
                await this.#close(next)
              } else if (seat) await this.#close(seat.take(plugin, next))
              else this.set(name, new Seat(plugin, () => this.#contextOf(group, name), next))
            })
          }
        }
    } catch (error) {
      for (const step of undo) await step()
      throw error
    }
    for (const step of commit) await step()
  }

  async close(): Promise<void> {
    for (const seat of [...this.values()].reverse()) await this.#close(seat)
  }

  async #close(agent: ResourceAgent): Promise<void> {
    try {
      await withinLimit(Promise.resolve(agent.close?.()), closeLimitMs)
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, `closing: ${messageOf(error)}`)
    }
  }
}

const settingsOf = ({ type, settings }: ResourcePlugin): string => JSON.stringify([type, settings])

/** Where the agent of a resource sits. What an agent has started it also stops; then the one with the new settings takes its seat. */
class Seat implements ResourceAgent {
  #plugin: ResourcePlugin
  #agent: ResourceAgent
  /** Its settings are wanted, but the agent on the seat has still something to stop. */
  #follower: ResourcePlugin | undefined
  readonly #context: () => ResourceContext
  /** A start was tried and no stop has succeeded since. */
  busy = false
  revision = 0

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

  /** Seats another agent; returns the old one. */
  take(plugin: ResourcePlugin, agent: ResourceAgent): ResourceAgent {
    const old = this.#agent
    this.#plugin = plugin
    this.#agent = agent
    this.#follower = undefined
    this.revision++
    return old
  }

  async #succeed(): Promise<void> {
    const plugin = this.#follower
    if (!plugin || this.busy) return
    await this.#agent.close?.()
    const next = plugin.create(this.#context())
    try {
      await next.open?.()
    } catch (error) {
      await next.close?.()
      throw error
    }
    this.#plugin = plugin
    this.#agent = next
    this.#follower = undefined
  }

  async open(): Promise<void> {
    await this.#agent.open?.()
  }

  async close(): Promise<void> {
    await this.#agent.close?.()
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
