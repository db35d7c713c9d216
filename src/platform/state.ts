import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { highestNumber, type PersistentState } from '../roles/host.ts'
import { type Logger, silentLogger } from '../roles/logger.ts'
import { wallClockMs } from './clocks.ts'
import { createDiskWriter, type DiskWriter } from './disk-writer.ts'
import { readOwnFile, replaceFileSync } from './durable-file.ts'
import { type DirectoryLock, lockDirectory } from './lock.ts'
import { bootId } from './process.ts'
import { runtimeDirectory } from './runtime-directory.ts'
import { distrust } from './trust.ts'

/** Under this name the state directory holds what `respawn` runs. */
export const respawnRecord = 'respawn'

/** What was written down about one resource. Plain data. */
export type ResourceRecord = Readonly<Record<string, unknown>>

/**
 * Where a node keeps what it must know after a restart. One per cluster and node, locked against a second process. Nothing here
 * makes its caller wait for a disk: what is written is in memory at once and, where there is a directory in memory, also there,
 * so that it outlives this process; the disk follows, and is tried again when it is full, read-only or hangs.
 */
export interface StateDirectory {
  readonly path: string
  /** What was last written; null when nothing was, or when it cannot be read any more (which is logged). */
  read(): PersistentState | null
  /** Resolves when the state is on the disk; rejects with `HS_STATE_DIRECTORY` when that fails or takes long, and is tried again. */
  write(state: PersistentState): Promise<void>
  /** What {@link remember} last wrote down for this resource since this host was booted. */
  remembered(resource: string): ResourceRecord | null
  /** Names of all resources that something is written down for, also of those no longer configured. */
  rememberedResources(): readonly string[]
  /** Writes a record down, or removes it (`null`). Never waits and never fails while it is open; it outlives this process, not a reboot. */
  remember(resource: string, record: ResourceRecord | null): void
  /** What {@link keepHistory} was given last, also by an earlier run; nothing when it cannot be read any more. */
  history(): readonly unknown[]
  /** Writes down what is to outlive restarts for people: never waits, never fails, and nothing depends on it. */
  keepHistory(entries: readonly object[]): void
  /** This node's 16 bytes, made once; those that a heartbeat daemon has for it are taken over. */
  uuid(known?: Uint8Array | undefined): Uint8Array
  /** A directory for the resource's agent alone, made on demand; in memory where that can be had. */
  directoryFor(resource: string): string
  /** Finishes writing, as far as the disk answers, and gives the lock back; idempotent. */
  close(): Promise<void>
}

/** What {@link openStateDirectory} may be told. */
export interface StateDirectoryOptions {
  readonly logger?: Logger | undefined
  /** Hears that the disk takes nothing at present: everything goes on, and it is tried again. */
  readonly problem?: ((message: string) => void) | undefined
  /** The directory in memory, or null for none. @defaultValue one of its own under /run or `$XDG_RUNTIME_DIR` */
  readonly runtime?: string | null | undefined
}

/**
 * Opens the state directory and locks it; it is made, mode 0700, when it is missing. A disk that takes nothing is a problem and
 * no reason not to start, where there is a directory in memory.
 * @throws {HotStandbyError} `HS_STATE_DIRECTORY`: in use by another process (named), not a directory of this user, writable by
 * others, or not usable.
 */
export function openStateDirectory(path: string, options: StateDirectoryOptions = {}): StateDirectory {
  const { logger = silentLogger, problem = () => {} } = options
  const runtime = options.runtime === undefined ? runtimeDirectory(path) : (options.runtime ?? undefined)
  const withoutDisk = (error: unknown): void => {
    const { cause = error } = error as { cause?: unknown }
    const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException
    if (runtime === undefined || !diskErrors.includes(code)) throw error
    problem(`${messageOf(error)}; going on with ${runtime}, which a reboot empties`)
  }
  try {
    prepareDirectory(path)
  } catch (error) {
    withoutDisk(error)
  }
  const locks: DirectoryLock[] = []
  try {
    // Both, so that one that finds the disk full still meets one that found it well.
    if (runtime !== undefined) locks.push(lockDirectory(runtime))
    locks.push(lockDirectory(path))
  } catch (error) {
    try {
      withoutDisk(error)
    } catch (refused) {
      for (const lock of locks) lock.release()
      throw inPlaceOf(refused, runtime, path)
    }
  }
  // What is in memory is there at once. Without that, the next run waits until the disk has what this one wrote.
  const keeps = runtime === undefined ? locks[0]?.descriptor : undefined
  return new OpenStateDirectory(path, runtime, { logger, problem, keeps }, () => {
    for (const lock of locks.reverse()) {
      try {
        lock.release()
      } catch (error) {
        // On a disk that takes nothing a lock stays, and its holder is gone: nobody is kept out by it.
        logger.debug({ path, reason: messageOf(error) }, `state directory ${path}: the lock file stays`)
      }
    }
  })
}

/** What a disk says that is full, read-only, over its quota, broken or gone. */
const diskErrors: readonly string[] = ['ENOSPC', 'EROFS', 'EDQUOT', 'EIO', 'ENOENT', 'ESTALE', 'ENOTCONN']

/** Who is refused is told of the directory that was configured. */
function inPlaceOf(error: unknown, runtime: string | undefined, path: string): unknown {
  if (runtime === undefined || !(error instanceof HotStandbyError) || !error.message.includes(runtime)) return error
  return new HotStandbyError(error.code, error.message.replaceAll(runtime, path), { cause: error })
}

/**
 * Default place of a node's state: `/var/lib/hot-standby/CLUSTER-NODE` for root, else `hot-standby/CLUSTER-NODE` under
 * `$XDG_STATE_HOME` or `~/.local/state`. Two nodes on one file system do not meet.
 */
export function defaultStateDirectory(cluster: string, node: string): string {
  const name = `${fileName(cluster)}-${fileName(node)}`
  if (process.getuid?.() === 0) return join('/var/lib/hot-standby', name)
  const { XDG_STATE_HOME: configured } = process.env
  const base = configured && isAbsolute(configured) ? configured : join(homedir(), '.local/state')
  return join(base, 'hot-standby', name)
}

/** A name as part of a path: what is not plain becomes `_`, and then a digest keeps different names different. */
export function fileName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 64)
  if (plain === name && /^[A-Za-z0-9]/.test(plain)) return plain
  return `${plain.replace(/^\.+/, '_')}~${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}

function prepareDirectory(path: string): void {
  const refuse = (message: string, cause?: unknown): never => {
    throw new HotStandbyError('HS_STATE_DIRECTORY', `state directory ${path}: ${message}`, { cause })
  }
  if (!isAbsolute(path)) refuse('is not an absolute path')
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    refuse(`cannot be made: ${whyNotWritable(dirname(path)) ?? messageOf(error)}`, error)
  }
  const stat = lstatSync(path)
  const self = process.geteuid?.() ?? stat.uid
  const mode = stat.mode & 0o7777
  if (!stat.isDirectory()) refuse('is not a directory')
  if (stat.uid !== self) refuse(`belongs to user ${stat.uid}, not to user ${self}`)
  if (mode & 0o022)
    refuse(`has mode ${mode.toString(8).padStart(4, '0')}, others could change it; run chmod 700 ${path}`)
  const above = distrust(path)
  if (above !== undefined) refuse(above)
}

/** On a read-only file system `mkdir -p` of Node says that there is no such directory; this says where, and why not. */
function whyNotWritable(parent: string): string | undefined {
  try {
    accessSync(parent, constants.W_OK)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== dirname(parent))
      return whyNotWritable(dirname(parent))
    return `${parent} is not writable (${messageOf(error)}); mount a writable directory there, or set stateDirectory`
  }
}

interface StateSupport {
  readonly logger: Logger
  readonly problem: (message: string) => void
  readonly keeps: number | undefined
}

class OpenStateDirectory implements StateDirectory {
  readonly path: string
  /** The directory in memory. */
  readonly #runtime: string | undefined
  readonly #logger: Logger
  readonly #unlock: () => void
  readonly #disk: DiskWriter
  /** What this process has written, whatever the disk says. */
  readonly #written = new Map<string, Buffer>()
  #open = true

  constructor(path: string, runtime: string | undefined, { logger, problem, keeps }: StateSupport, unlock: () => void) {
    this.path = path
    this.#runtime = runtime
    this.#logger = logger
    this.#unlock = unlock
    const kept = runtime === undefined ? 'in memory only' : `in ${runtime}, which a reboot empties`
    const tell = (error: Error | undefined): void => {
      if (error) problem(`cannot be written: ${error.message}; kept ${kept}, and tried again`)
      else logger.info({ path }, `state directory ${path} can be written again`)
    }
    this.#disk = createDiskWriter(path, tell, keeps)
  }

  read(): PersistentState | null {
    const parse = (bytes: Buffer) => asState(JSON.parse(bytes.toString('utf8')))
    // Its numbers only grow: whatever place is behind, the highest of each is right.
    return this.#load('state.json', parse).reduce<PersistentState | null>(
      (known, state) => (known === null ? state : highest(known, state)),
      null,
    )
  }

  async write(state: PersistentState): Promise<void> {
    await this.#put('state.json', Buffer.from(`${JSON.stringify(state)}\n`), true)
  }

  remembered(resource: string): ResourceRecord | null {
    return this.#newest(recordFile(resource))?.record ?? null
  }

  rememberedResources(): readonly string[] {
    const listed = [this.path, ...(this.#runtime === undefined ? [] : [this.#runtime])].flatMap((place) => {
      try {
        return readdirSync(place)
      } catch {
        return []
      }
    })
    const files = [...new Set([...listed, ...this.#written.keys()])]
    return files
      .filter((name) => name.startsWith('added-') && name.endsWith('.json'))
      .flatMap((name) => this.#newest(name)?.resource ?? [])
  }

  remember(resource: string, record: ResourceRecord | null): void {
    this.#mustBeOpen()
    const name = recordFile(resource)
    const atMs = Math.round(performance.timeOrigin + performance.now())
    const content = Buffer.from(`${JSON.stringify({ resource, boot: bootId(), atMs, record })}\n`)
    // No fsync: a power cut takes what was added with it, and the next boot ignores the record.
    void this.#put(name, content, false, record === null).catch(() => {})
  }

  history(): readonly unknown[] {
    const found = this.#load('history.json', (bytes) => {
      const { atMs, entries } = asObject(JSON.parse(bytes.toString('utf8')))
      if (typeof atMs !== 'number' || !Array.isArray(entries)) throw new Error('it holds no history')
      return { atMs, entries: entries as readonly unknown[] }
    })
    return found.sort((a, b) => b.atMs - a.atMs)[0]?.entries ?? []
  }

  keepHistory(entries: readonly object[]): void {
    if (!this.#open) return
    const content = `${JSON.stringify({ atMs: wallClockMs(), entries })}\n`
    void this.#put('history.json', Buffer.from(content), false).catch(() => {})
  }

  uuid(known?: Uint8Array | undefined): Uint8Array {
    const [kept] = this.#load('uuid', (bytes) => {
      if (bytes.length !== 16) throw new Error(`it has ${bytes.length} bytes instead of 16`)
      return bytes
    })
    if (kept && (known === undefined || kept.equals(known))) return Uint8Array.from(kept)
    const made = known ?? randomBytes(16)
    void this.#put('uuid', Buffer.from(made), true).catch(() => {})
    return Uint8Array.from(made)
  }

  directoryFor(resource: string): string {
    const directory = join(this.#runtime ?? this.path, `agent-${fileName(resource)}`)
    prepareDirectory(directory)
    return directory
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    const complete = await this.#disk.close()
    // Agents have nothing here that is worth more than their process; what the disk has not taken stays for the next run.
    if (complete && this.#runtime !== undefined) rmSync(this.#runtime, { recursive: true, force: true })
    this.#unlock()
  }

  #mustBeOpen(): void {
    if (!this.#open) throw unusable(this.path, new Error('it was closed'))
  }

  /** Memory, then the directory in memory, then the disk; `remove`: nothing of it needs to stay there. */
  async #put(name: string, content: Buffer, durable: boolean, remove = false): Promise<void> {
    this.#mustBeOpen()
    this.#written.set(name, content)
    if (this.#runtime !== undefined) {
      try {
        replaceFileSync(join(this.#runtime, name), content, { durable: false })
      } catch (error) {
        this.#logger.debug({ path: this.#runtime, reason: messageOf(error) }, `${this.#runtime} cannot be written`)
      }
    }
    try {
      await this.#disk.put(name, remove ? null : content, { durable })
    } catch (error) {
      throw unusable(this.path, error)
    }
  }

  /** The newest record of this boot, of whichever place; what was written later may not have reached the disk. */
  #newest(name: string): { readonly resource: string; readonly record: ResourceRecord | null } | undefined {
    const found = this.#load(name, asRecord).filter(({ boot }) => boot === bootId())
    return found.sort((a, b) => b.atMs - a.atMs)[0]
  }

  /** What each place has of a file. One that cannot be understood counts as lost: said once here, never a crash. */
  #load<T>(name: string, parse: (bytes: Buffer) => T): T[] {
    const written = this.#written.get(name)
    if (written) return [parse(written)]
    const places = this.#runtime === undefined ? [this.path] : [this.path, this.#runtime]
    return places.flatMap((place) => {
      const path = join(place, name)
      try {
        const bytes = readOwnFile(path)
        return bytes === null ? [] : [parse(bytes)]
      } catch (error) {
        this.#logger.warn(
          { path, reason: messageOf(error) },
          `${path} cannot be read and counts as lost: ${messageOf(error)}`,
        )
        return []
      }
    })
  }
}

function highest(a: PersistentState, b: PersistentState): PersistentState {
  const names = Object.keys({ ...a.epochCeilings, ...b.epochCeilings })
  return {
    generation: Math.max(a.generation, b.generation),
    peerGeneration: Math.max(a.peerGeneration, b.peerGeneration),
    epochCeilings: Object.fromEntries(
      names.map((name) => [name, Math.max(a.epochCeilings[name] ?? 0, b.epochCeilings[name] ?? 0)]),
    ),
  }
}

function recordFile(resource: string): string {
  return `added-${fileName(resource)}.json`
}

function unusable(path: string, error: unknown): HotStandbyError {
  return new HotStandbyError('HS_STATE_DIRECTORY', `state directory ${path}: ${messageOf(error)}`, { cause: error })
}

function asState(value: unknown): PersistentState {
  const { generation, peerGeneration, epochCeilings } = asObject(value)
  const ceilings = asObject(epochCeilings)
  for (const number of [generation, peerGeneration, ...Object.values(ceilings)]) {
    if (!Number.isSafeInteger(number) || (number as number) < 0)
      throw new Error(`${JSON.stringify(number)} is not a count`)
  }
  // A number that could not be raised any more would end the group's history; without it the peer's count is gone on from.
  const believed = Object.entries(ceilings).filter(([, epoch]) => (epoch as number) <= highestNumber)
  return {
    generation: generation as number,
    peerGeneration: peerGeneration as number,
    epochCeilings: Object.fromEntries(believed) as Record<string, number>,
  }
}

function asRecord(bytes: Buffer): { resource: string; boot: unknown; atMs: number; record: ResourceRecord | null } {
  const { resource, boot, atMs, record } = asObject(JSON.parse(bytes.toString('utf8')))
  if (typeof resource !== 'string') throw new Error('it names no resource')
  return {
    resource,
    boot,
    atMs: typeof atMs === 'number' ? atMs : 0,
    record: record === null ? null : asObject(record),
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it does not hold an object')
  return value as Record<string, unknown>
}
