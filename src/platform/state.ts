import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { PersistentState } from '../roles/host.ts'
import { type Logger, silentLogger } from '../roles/logger.ts'
import { readOwnFile, replaceFile, replaceFileSync } from './durable-file.ts'
import { lockDirectory } from './lock.ts'
import { bootId } from './process.ts'
import { distrust } from './trust.ts'

/** What was written down about one resource. Plain data. */
export type ResourceRecord = Readonly<Record<string, unknown>>

/** Where a node keeps what it must know after a restart. One per cluster and node, locked against a second process. */
export interface StateDirectory {
  readonly path: string
  /** What was last written; null when nothing was, or when it cannot be read any more (which is logged). */
  read(): PersistentState | null
  /** Resolves when the state is on the disk. Writes happen in the order of the calls. Rejects with `HS_STATE_DIRECTORY`. */
  write(state: PersistentState): Promise<void>
  /** What {@link remember} last wrote down for this resource since this host was booted. */
  remembered(resource: string): ResourceRecord | null
  /** Names of all resources that something is written down for, also of those no longer configured. */
  rememberedResources(): readonly string[]
  /** Writes a record down, or removes it (`null`). Synchronous; it outlives this process, not a reboot. Throws `HS_STATE_DIRECTORY`. */
  remember(resource: string, record: ResourceRecord | null): void
  /** This node's 16 bytes, made once; those that a heartbeat daemon has for it are taken over. */
  uuid(known?: Uint8Array | undefined): Uint8Array
  /** A directory for the resource's agent alone, made on demand. */
  directoryFor(resource: string): string
  /** Finishes writing and gives the lock back; idempotent. */
  close(): Promise<void>
}

/**
 * Opens the state directory and locks it; it is made, mode 0700, when it is missing.
 * @throws {HotStandbyError} `HS_STATE_DIRECTORY`: in use by another process (named), not a directory of this user, writable by
 * others, or not usable.
 */
export function openStateDirectory(path: string, { logger = silentLogger }: { logger?: Logger } = {}): StateDirectory {
  prepareDirectory(path)
  const unlock = lockDirectory(path)
  return new OpenStateDirectory(path, logger, unlock)
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
  const refuse = (message: string): never => {
    throw new HotStandbyError('HS_STATE_DIRECTORY', `state directory ${path}: ${message}`)
  }
  if (!isAbsolute(path)) refuse('is not an absolute path')
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    refuse(`cannot be made: ${whyNotWritable(dirname(path)) ?? messageOf(error)}`)
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

class OpenStateDirectory implements StateDirectory {
  readonly path: string
  readonly #logger: Logger
  readonly #unlock: () => void
  #writing: Promise<void> = Promise.resolve()
  #open = true

  constructor(path: string, logger: Logger, unlock: () => void) {
    this.path = path
    this.#logger = logger
    this.#unlock = unlock
  }

  read(): PersistentState | null {
    return this.#load('state.json', (bytes) => asState(JSON.parse(bytes.toString('utf8'))))
  }

  write(state: PersistentState): Promise<void> {
    const written = this.#writing.then(async () => {
      try {
        this.#mustBeOpen()
        await replaceFile(join(this.path, 'state.json'), `${JSON.stringify(state)}\n`)
      } catch (error) {
        throw unusable(this.path, error)
      }
    })
    this.#writing = written.catch(() => {})
    return written
  }

  remembered(resource: string): ResourceRecord | null {
    const found = this.#load(recordFile(resource), asRecord)
    return found?.boot === bootId() ? found.record : null
  }

  rememberedResources(): readonly string[] {
    const files = readdirSync(this.path).filter((name) => name.startsWith('added-') && name.endsWith('.json'))
    return files.flatMap((name) => this.#load(name, asRecord)?.resource ?? [])
  }

  remember(resource: string, record: ResourceRecord | null): void {
    const path = join(this.path, recordFile(resource))
    try {
      this.#mustBeOpen()
      // No fsync in the path of a takeover: a power cut takes what was added with it, and the next boot ignores the record.
      if (record) replaceFileSync(path, `${JSON.stringify({ resource, boot: bootId(), record })}\n`, { durable: false })
      else rmSync(path, { force: true })
    } catch (error) {
      throw unusable(this.path, error)
    }
  }

  uuid(known?: Uint8Array | undefined): Uint8Array {
    const kept = this.#load('uuid', (bytes) => {
      if (bytes.length !== 16) throw new Error(`it has ${bytes.length} bytes instead of 16`)
      return bytes
    })
    if (kept && (known === undefined || kept.equals(known))) return Uint8Array.from(kept)
    const made = known ?? randomBytes(16)
    try {
      this.#mustBeOpen()
      replaceFileSync(join(this.path, 'uuid'), made, { durable: true })
    } catch (error) {
      throw unusable(this.path, error)
    }
    return Uint8Array.from(made)
  }

  directoryFor(resource: string): string {
    const directory = join(this.path, `agent-${fileName(resource)}`)
    prepareDirectory(directory)
    return directory
  }

  async close(): Promise<void> {
    if (!this.#open) return
    await this.#writing
    if (!this.#open) return
    this.#open = false
    this.#unlock()
  }

  #mustBeOpen(): void {
    if (!this.#open) throw new Error('it was closed')
  }

  /** A file that cannot be understood counts as lost: said once here, never a crash. */
  #load<T>(name: string, parse: (bytes: Buffer) => T): T | null {
    const path = join(this.path, name)
    try {
      const bytes = readOwnFile(path)
      return bytes === null ? null : parse(bytes)
    } catch (error) {
      this.#logger.warn(
        { path, reason: messageOf(error) },
        `${path} cannot be read and counts as lost: ${messageOf(error)}`,
      )
      return null
    }
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
      throw new Error(`${JSON.stringify(number)} is no count`)
  }
  return {
    generation: generation as number,
    peerGeneration: peerGeneration as number,
    epochCeilings: ceilings as Record<string, number>,
  }
}

function asRecord(bytes: Buffer): { resource: string; boot: unknown; record: ResourceRecord } {
  const { resource, boot, record } = asObject(JSON.parse(bytes.toString('utf8')))
  if (typeof resource !== 'string') throw new Error('it names no resource')
  return { resource, boot, record: asObject(record) }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it does not hold an object')
  return value as Record<string, unknown>
}
