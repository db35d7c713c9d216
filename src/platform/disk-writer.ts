import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { childOptions } from './process.ts'

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

/** How long a write may take before it counts as failed; the writer goes on waiting for it, the caller does not. */
const limitMs = 2000
const retryFirstMs = 1000
const retryLastMs = 30_000
const closeLimitMs = 2000
/** What a pipe of Linux takes without a reader, with room to spare. */
const pipeBytes = 32_768
/** Waits for it, but not long; the process is kept alive meanwhile. */
async function withinLimit(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, closeLimitMs)
  })
  await Promise.race([work, over])
  clearTimeout(timer)
}

const hanging = `the disk has not answered for ${limitMs} ms`

/**
 * A write that hangs can neither be cancelled nor killed. In a thread of this process it would keep a thread of the pool for ever
 * and, after a kill -9, every descriptor open, so that no guardian learns of the death. So a child writes, one file at a time.
 * Each request is three lines: path, mode, content with every byte but plain ones as `\0ooo`.
 */
const script = `trap '' PIPE TERM INT HUP
replace() {
  mkdir -p -m 700 -- "\${path%/*}" && rm -f -- "$path.new" && (umask 077; set -C; : >"$path.new") || return
  printf '%b' "$content" | cat >"$path.new" || return
  [ "$how" = durable ] || { mv -f -- "$path.new" "$path"; return; }
  sync -- "$path.new" && mv -f -- "$path.new" "$path" && sync -- "\${path%/*}"
}
while IFS= read -r path && IFS= read -r how && IFS= read -r content; do
  if [ "$how" = remove ]; then said=$(rm -f -- "$path" 2>&1); else said=$(replace 2>&1); fi &&
    echo ok || printf 'failed %s\\n' "$said" | tr '\\n' ' ' | sed 's/$/\\n/'
done`

function escaped(content: Uint8Array): string {
  const octal = (byte: number) => `\\0${byte.toString(8).padStart(3, '0')}`
  const plain = (byte: number) => /[\w{}:,".[\] /-]/.test(String.fromCharCode(byte)) && byte < 128
  return [...content].map((byte) => (plain(byte) ? String.fromCharCode(byte) : octal(byte))).join('')
}

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
  let child: ChildProcess | undefined
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

  function hold(ref: boolean): void {
    const how = ref ? 'ref' : 'unref'
    child?.[how]()
    for (const stream of [child?.stdin, child?.stdout]) (stream as Socket | null | undefined)?.[how]()
  }

  function start(): ChildProcess {
    const started = spawn('/bin/sh', ['-c', script], {
      ...childOptions(),
      stdio: ['pipe', 'pipe', 'ignore', ...(keeps === undefined ? [] : [keeps])],
    })
    child = started
    let said = ''
    const ended = (detail: unknown): void => {
      if (child !== started) return
      child = undefined
      const reason = `the helper that writes ended (${detail instanceof Error ? detail.message : detail})`
      for (const entry of given.splice(0)) settled(entry, reason)
      goOn()
    }
    started.on('error', ended)
    started.on('exit', (code, signal) => ended(signal ?? `status ${code}`))
    started.stdin?.on('error', () => {})
    started.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const lines = said.split('\n')
      said = lines.pop() ?? ''
      for (const line of lines) {
        const entry = given.shift()
        const failure = line.replace(/^failed /, '').trim() || 'it failed without a word'
        if (entry) settled(entry, line === 'ok' ? undefined : failure)
      }
      goOn()
    })
    return started
  }

  function failed(entry: Entry, reason: string): void {
    const error = new Error(reason)
    entry.reject(error)
    if (failures++ === 0) onTrouble(error)
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

  /** After an answer, or the end of the child. */
  function goOn(): void {
    hangs = false
    clearTimeout(limit)
    limit = undefined
    next()
    if (given.length > 0) return
    hold(false)
    if (closed) whenIdle?.()
    else if (wanted.size > 0) {
      clearTimeout(retry)
      const pauseMs = Math.min(retryFirstMs * 2 ** Math.min(failures - 1, 10), retryLastMs)
      retry = setTimeout(again, pauseMs).unref()
    }
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
      const how = entry.content === null ? 'remove' : entry.durable ? 'durable' : 'plain'
      const request = `${join(directory, entry.name)}\n${how}\n${escaped(entry.content ?? new Uint8Array())}\n`
      if (given.length > 0 && givenBytes + request.length > pipeBytes) break
      givenBytes += request.length
      given.push(entry)
      const to = child ?? start()
      to.stdin?.write(request)
    }
    if (given.length === 0 || hangs) return
    hold(true)
    limit ??= setTimeout(gaveUp, limitMs)
  }

  /** The child does not come back from the first; what waits behind it waits on, and its callers do not. */
  function gaveUp(): void {
    hangs = true
    const [at] = given
    for (const waiting of new Set([...given, ...wanted.values()]))
      if (waiting !== at) waiting.reject(new Error(hanging))
    if (at) failed(at, hanging)
    hold(false)
  }

  // Now, while this process is small.
  start()
  hold(false)
  return {
    put(name, content, { durable = false } = {}) {
      return new Promise((resolve, reject) => {
        const before = wanted.get(name)
        wanted.delete(name)
        const entry = { name, content, durable, resolve, reject, tried: false }
        // Who asked for an older content is served with the newer one.
        if (before && !given.includes(before)) chain(before, entry)
        else wanted.set(name, entry)
        if (hangs) reject(new Error(hanging))
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
        await withinLimit(idle)
      }
      const last = child
      child = undefined
      last?.stdin?.end()
      if (given.length > 0) last?.kill('SIGKILL')
      clearTimeout(limit)
      if (last && keeps !== undefined) await withinLimit(once(last, 'exit'))
      last?.unref()
      for (const stream of [last?.stdin, last?.stdout]) (stream as Socket | null | undefined)?.unref()
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
