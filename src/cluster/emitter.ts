import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'eventemitter3'
import { HotStandbyError } from '../roles/error.ts'
import { printableFields } from '../roles/printable.ts'
import type { ClusterEvents, NamedEvent } from './events.ts'

type Listener<Name extends keyof ClusterEvents> = (...args: ClusterEvents[Name]) => unknown

/** For who wants all of every member in this process. */
const everyEvent = channel('hot-standby:event')

/** How many events an async iterator keeps for a reader that is slower than they come; older ones give way. */
const backlogMax = 1000

/**
 * Events for listeners that may throw, reject or hang: each call is guarded, so that a mistake in one harms neither the
 * other listeners nor the heart.
 */
export class GuardedEmitter {
  readonly #emitter = new EventEmitter<Record<string, (event: object) => void>>()
  readonly #any = new Set<(event: NamedEvent) => unknown>()
  readonly #onEnd = new Set<() => void>()
  #ended = false
  readonly #onFailure: (name: string, error: unknown) => void

  constructor(onFailure: (name: string, error: unknown) => void) {
    this.#onFailure = onFailure
  }

  on<Name extends keyof ClusterEvents>(name: Name, listener: Listener<Name>): () => void {
    const guarded = (event: object) => this.#guard(name, () => (listener as (event: object) => unknown)(event))
    this.#emitter.on(name, guarded)
    return () => void this.#emitter.off(name, guarded)
  }

  /** Somebody listens to this event, or to all. */
  hears(name: NamedEvent['name']): boolean {
    return this.#any.size > 0 || this.#emitter.listenerCount(name) > 0
  }

  onAny(listener: (event: NamedEvent) => unknown): () => void {
    this.#any.add(listener)
    return () => void this.#any.delete(listener)
  }

  once<Name extends keyof ClusterEvents>(
    name: Name,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<ClusterEvents[Name][0]> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void): void => {
        off()
        this.#onEnd.delete(onEnd)
        signal?.removeEventListener('abort', onAbort)
        action()
      }
      const off = this.on(name, ((event: ClusterEvents[Name][0]) => settle(() => resolve(event))) as Listener<Name>)
      const onAbort = () => settle(() => reject(signal?.reason))
      const onEnd = () => settle(() => reject(stateError(`no '${name}' follows: the cluster is stopped`)))
      this.#onEnd.add(onEnd)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
      else if (this.#ended) onEnd()
    })
  }

  /** Listens from the call on, not from the first `next()`; not an async generator, whose `return()` would wait for the next event. */
  events<Name extends keyof ClusterEvents>(
    name: Name,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterator<ClusterEvents[Name][0], undefined, undefined> & AsyncIterable<ClusterEvents[Name][0]> {
    type Result = IteratorResult<ClusterEvents[Name][0], undefined>
    const backlog: ClusterEvents[Name][0][] = []
    const waiting: ((result: Result) => void)[] = []
    const over: Result = { done: true, value: undefined }
    let ended = false
    const end = () => {
      ended = true
      off()
      this.#onEnd.delete(end)
      signal?.removeEventListener('abort', end)
      for (const resolve of waiting.splice(0)) resolve(over)
    }
    const off = this.on(name, ((value: ClusterEvents[Name][0]) => {
      const resolve = waiting.shift()
      if (resolve) return resolve({ done: false, value })
      backlog.push(value)
      if (backlog.length > backlogMax) backlog.shift()
    }) as Listener<Name>)
    this.#onEnd.add(end)
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted || this.#ended) end()
    return {
      next: async () => {
        const value = backlog.shift()
        if (value !== undefined) return { done: false, value }
        return ended ? over : new Promise<Result>((resolve) => waiting.push(resolve))
      },
      return: async () => {
        backlog.length = 0
        end()
        return over
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** Nothing follows: who waits for an event is told so. */
  end(): void {
    this.#ended = true
    for (const end of [...this.#onEnd]) end()
  }

  /** Tells the listeners, those of every event, and the diagnostics channels `hot-standby:NAME` and `hot-standby:event`. */
  emit(source: { readonly cluster: string; readonly node: string }, found: NamedEvent): void {
    // The one place where events leave: what packets, agents and files put into them becomes printable here.
    const event: NamedEvent = { ...found, payload: printableFields(found.payload) }
    const { name, payload } = event
    this.#emitter.emit(name, payload)
    for (const listener of this.#any) this.#guard(name, () => listener(event))
    for (const diagnostics of [channel(`hot-standby:${name}`), everyEvent])
      if (diagnostics.hasSubscribers) this.#guard(name, () => diagnostics.publish({ ...source, ...event }))
  }

  #guard(name: string, call: () => unknown): void {
    try {
      const result = call()
      if (result instanceof Promise) result.catch((error: unknown) => this.#onFailure(name, error))
    } catch (error) {
      this.#onFailure(name, error)
    }
  }
}

/** The error of a call that was made in a state which does not allow it. */
export function stateError(message: string): HotStandbyError {
  return new HotStandbyError('HS_STATE', message)
}
