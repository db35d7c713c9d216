import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'eventemitter3'
import type { ClusterEvents, EventPayload, NamedEvent } from '../core/cluster-events.ts'
import { eventNames } from '../recorder/describe.ts'
import { HotStandbyError } from '../roles/error.ts'
import { meantName, shownValue } from '../roles/option-table.ts'
import { printableFields } from '../roles/printable.ts'

type Listener<Name extends keyof ClusterEvents> = (...args: ClusterEvents[Name]) => unknown

/** For who wants all of every member in this process. */
const everyEvent = channel('hot-standby:event')

/** Every event of a kind from now on, for `for await`. */
export type EventIterator<T> = AsyncIterator<T, undefined, undefined> & AsyncIterable<T>

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
    checkName('on', name)
    checkListener('on', listener)
    const guarded = (event: object) => this.#guard(name, () => (listener as (event: object) => unknown)(event))
    this.#emitter.on(name, guarded)
    return () => void this.#emitter.off(name, guarded)
  }

  /** Somebody listens to this event, or to all. */
  hears(name: NamedEvent['name']): boolean {
    return this.#any.size > 0 || this.#emitter.listenerCount(name) > 0
  }

  onAny(listener: (event: NamedEvent) => unknown): () => void {
    checkListener('onAny', listener)
    this.#any.add(listener)
    return () => void this.#any.delete(listener)
  }

  once<Name extends keyof ClusterEvents>(
    name: Name,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<EventPayload<Name>> {
    checkName('once', name)
    if (typeof options === 'function')
      throw argumentError(`once: it returns a promise and takes no listener; on('${name}', listener) does`)
    const { signal } = options
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

  events<Name extends keyof ClusterEvents>(
    name: Name,
    options: { signal?: AbortSignal | undefined } = {},
  ): EventIterator<EventPayload<Name>> {
    checkName('events', name)
    return this.#iterate((push) => this.on(name, push as Listener<Name>), options)
  }

  /** As {@link events}, of every name. */
  allEvents(options: { signal?: AbortSignal | undefined } = {}): EventIterator<NamedEvent> {
    return this.#iterate((push) => this.onAny(push), options)
  }

  /** Listens from the call on, not from the first `next()`; not an async generator, whose `return()` would wait for the next event. */
  #iterate<T>(
    listen: (push: (value: T) => void) => () => void,
    { signal }: { signal?: AbortSignal | undefined },
  ): EventIterator<T> {
    type Result = IteratorResult<T, undefined>
    const backlog: T[] = []
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
    const off = listen((value) => {
      const resolve = waiting.shift()
      if (resolve) return resolve({ done: false, value })
      backlog.push(value)
      if (backlog.length > backlogMax) backlog.shift()
    })
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
    const event = { ...found, payload: printableFields(found.payload) } as NamedEvent
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

/** No type check keeps a user of JavaScript from a name that is none; a listener would then wait for ever. */
function checkName(call: string, name: unknown): void {
  if (typeof name === 'string' && (eventNames as readonly string[]).includes(name)) return
  if (typeof name !== 'string') throw argumentError(`${call}: the name of an event is a text, got ${shownValue(name)}`)
  if (name === '*') throw argumentError(`${call}: '*' is no event; onAny(listener) hears every event`)
  const meant = meantName(name, eventNames)
  const right = meant === undefined ? `there are: ${eventNames.join(', ')}` : `did you mean '${meant}'?`
  throw argumentError(`${call}: there is no event '${name}'; ${right}`)
}

function checkListener(call: string, listener: unknown): void {
  if (typeof listener !== 'function')
    throw argumentError(`${call}: the listener must be a function, got ${shownValue(listener)}`)
}

const argumentError = (message: string): HotStandbyError => new HotStandbyError('HS_CONFIG', message)

/** The error of a call that was made in a state which does not allow it. */
export function stateError(message: string): HotStandbyError {
  return new HotStandbyError('HS_STATE', message)
}
