import { join } from 'node:path'
import { DiskChild, diskHangs, diskLimitMs } from './disk-child.ts'
import { withinLimit } from './limit.ts'

/** Writes small files of one directory without ever making this process wait for the disk. */
export interface DiskWriter {
  /**
   * Replaces a file, or removes it (`null`), after everything that was asked for before. Resolves when it is done, `durable` also
   * on the disk; rejects when that fails or takes longer than the limit. What failed is tried again until it is done or replaced.
   */
  put(name: string, content: Uint8Array | null, options?: { readonly durable?: boolean | undefined }): Promise<void>
  /**
   * Writes what is left, but waits no longer than two seconds for that, nor for the child's end; true when everything was
   * written. Idempotent.
   */
  close(): Promise<boolean>
}

interface Entry {
  readonly name: string
  readonly content: Uint8Array | null
  readonly durable: boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /** It has failed, and waits for the next round. */
  tried: boolean
}

/** What a pipe of Linux takes without a reader, with room to spare. */
const pipeBytes = 32_768
const retryFirstMs = 1000
const retryLastMs = 30_000

/**
 * `onTrouble` hears the first failure after everything went well, and undefined once everything is written again. `keeps`: a
 * descriptor that the child holds open until everything it was given is written, also when this process is killed.
 */
export function createDiskWriter(
  directory: string,
  onTrouble: (error: Error | undefined) => void = () => {},
  keeps?: number,
): DiskWriter {
  /** What is still to be written, the newest of each file, in the order of the calls. */
  const wanted = new Map<string, Entry>()
  const child = new DiskChild(answered, keeps)
  /** What the child was given and has not answered yet; it is at the first. What it was given is written also when we are killed. */
  const given: Entry[] = []
  let givenBytes = 0
  let failures = 0
  let retry: NodeJS.Timeout | undefined
  let limit: NodeJS.Timeout | undefined
  /** What the child is at takes longer than the limit. */
  let hangs = false
  let whenIdle: (() => void) | undefined
  let closed = false

  function failed(entry: Entry, reason: string): void {
    const error = new Error(reason)
    entry.reject(error)
    if (failures++ === 0) onTrouble(error)
  }

  function answered(failure: string | undefined): void {
    const entry = given.shift()
    hangs = false
    clearTimeout(limit)
    limit = undefined
    if (entry) settled(entry, failure)
    next()
    if (given.length > 0) return
    if (closed) whenIdle?.()
    else if (wanted.size > 0) {
      clearTimeout(retry)
      const pauseMs = Math.min(retryFirstMs * 2 ** Math.min(failures - 1, 10), retryLastMs)
      retry = setTimeout(again, pauseMs).unref()
    }
  }

  function settled(entry: Entry, failure: string | undefined): void {
    if (failure !== undefined) {
      entry.tried = true
      failed(entry, failure)
      return
    }
    if (wanted.get(entry.name) === entry) wanted.delete(entry.name)
    entry.resolve()
    if (wanted.size > 0) return
    if (failures > 0) onTrouble(undefined)
    failures = 0
  }

  function again(): void {
    for (const entry of wanted.values()) entry.tried = false
    next()
  }

  /** Gives the child what was not tried in this round, as much as its pipe takes at once. */
  function next(): void {
    if (given.length === 0) givenBytes = 0
    for (const entry of wanted.values()) {
      if (entry.tried || given.includes(entry)) continue
      if (given.length > 0 && (hangs || givenBytes > pipeBytes)) break
      const verb = entry.content === null ? 'remove' : entry.durable ? 'durable' : 'plain'
      const path = join(directory, entry.name)
      given.push(entry)
      givenBytes += child.ask({ verb, path, content: entry.content ?? undefined, inline: true })
    }
    if (given.length > 0 && !hangs) limit ??= setTimeout(gaveUp, diskLimitMs)
  }

  /** The child does not come back from the first; what waits behind it waits on, and its callers do not. */
  function gaveUp(): void {
    hangs = true
    const [at] = given
    for (const waiting of new Set([...given, ...wanted.values()]))
      if (waiting !== at) waiting.reject(new Error(diskHangs))
    if (at) failed(at, diskHangs)
    child.hold(false)
  }

  child.start()
  return {
    put(name, content, { durable = false } = {}) {
      return new Promise((resolve, reject) => {
        const before = wanted.get(name)
        wanted.delete(name)
        const entry = { name, content, durable, resolve, reject, tried: false }
        // Who asked for an older content is served with the newer one.
        if (before && !given.includes(before)) chain(before, entry)
        else wanted.set(name, entry)
        if (hangs) reject(new Error(diskHangs))
        next()
      })
    },
    async close() {
      if (closed) return wanted.size === 0
      closed = true
      clearTimeout(retry)
      if (wanted.size > 0) {
        const idle = new Promise<void>((resolve) => {
          whenIdle = resolve
        })
        again()
        await withinLimit(idle, diskLimitMs).catch(() => {})
      }
      clearTimeout(limit)
      await child.end()
      return wanted.size === 0
    },
  }

  function chain(before: Entry, { name, content, durable, resolve, reject }: Entry): void {
    wanted.set(name, {
      name,
      content,
      tried: false,
      durable: durable || before.durable,
      resolve() {
        before.resolve()
        resolve()
      },
      reject(error) {
        before.reject(error)
        reject(error)
      },
    })
  }
}
