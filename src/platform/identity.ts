import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../roles/error.ts'
import type { PersistentState } from '../roles/host.ts'
import { readOwnFile, replaceFileSync } from './durable-file.ts'
import { uuidFromName } from './heartbeat-uuid.ts'
import type { StateDirectory } from './state.ts'

/** Where a heartbeat daemon on this host has its identity, and how its ha.cf makes it. */
export interface HeartbeatFiles {
  /** Heartbeat's directory, with `hb_generation` and `hb_uuid`. */
  readonly directory: string
  /** `hbgenmethod`: one more than the last, or the time. */
  readonly generationFrom: 'file' | 'time'
  /** `uuidfrom`: kept in a file, or made of the node's name. */
  readonly uuidFrom: 'file' | 'nodename'
}

/** Who this node is in the run that begins: what the peer knows it by, and what it remembers. */
export interface Identity {
  readonly uuid: Uint8Array
  readonly state: PersistentState
}

/** What {@link takeIdentity} goes by. */
export interface IdentitySources {
  readonly state: StateDirectory
  readonly node: string
  /** Undefined where no daemon ever ran as this node. */
  readonly heartbeat: HeartbeatFiles | undefined
  readonly wallMs: number
  /** Hears of a file that could not be understood or written. */
  problem(where: string, message: string): void
}

/** Characters of `hb_generation`: a decimal number, right-aligned, and a line end. */
const generationLength = 16
const uuidLength = 16

/**
 * Begins a run: a generation above every one that this node has used, by this program or by a heartbeat daemon, and the node's
 * uuid; both are on the disk when it resolves, before anything is sent, unless the disk takes nothing. A peer takes a generation that is not higher for a
 * replay, and drops everything.
 */
export async function takeIdentity({ state, node, heartbeat, wallMs, problem }: IdentitySources): Promise<Identity> {
  const stored = state.read()
  const files =
    heartbeat && existsSync(heartbeat.directory) ? new IdentityFiles(heartbeat.directory, problem) : undefined
  const daemon = files?.generation() ?? null
  // As Heartbeat has it: the first one is the time, so that a node that lost its file does not begin in the past.
  const clock = Math.floor(wallMs / 1000) + 1
  const known = [stored?.generation, daemon].flatMap((generation) =>
    typeof generation === 'number' ? generation + 1 : [],
  )
  const byClock = known.length === 0 || (files && daemon === null) || heartbeat?.generationFrom === 'time'
  const generation = Math.max(...known, byClock ? clock : 1)

  const uuid =
    heartbeat?.uuidFrom === 'nodename' ? uuidFromName(node.toLowerCase()) : state.uuid(files?.uuid() ?? undefined)
  files?.keep(generation, heartbeat?.uuidFrom === 'nodename' ? undefined : uuid)
  const begun = { peerGeneration: 0, epochCeilings: {}, ...stored, generation }
  try {
    await state.write(begun)
  } catch (error) {
    problem(state.path, `the generation of this run cannot be written: ${messageOf(error)}; going on, and trying again`)
  }
  return { uuid, state: begun }
}

/** Heartbeat's two files: read, and written so that a daemon started here later goes on from them. */
class IdentityFiles {
  readonly #generationPath: string
  readonly #uuidPath: string
  readonly #problem: IdentitySources['problem']

  constructor(directory: string, problem: IdentitySources['problem']) {
    this.#generationPath = join(directory, 'hb_generation')
    this.#uuidPath = join(directory, 'hb_uuid')
    this.#problem = problem
  }

  generation(): number | null {
    return this.#read(this.#generationPath, (bytes) => {
      const [, digits] = /^\s*(\d{1,15})\s*$/.exec(bytes.toString('latin1')) ?? []
      if (digits === undefined) throw new Error(`it does not hold ${generationLength} characters with a decimal number`)
      return Number(digits)
    })
  }

  uuid(): Uint8Array | null {
    return this.#read(this.#uuidPath, (bytes) => {
      if (bytes.length !== uuidLength) throw new Error(`it has ${bytes.length} bytes instead of ${uuidLength}`)
      return Uint8Array.from(bytes)
    })
  }

  keep(generation: number, uuid: Uint8Array | undefined): void {
    this.#write(this.#generationPath, `${String(generation).padStart(generationLength - 1)}\n`)
    if (uuid) this.#write(this.#uuidPath, uuid)
  }

  #read<T>(path: string, parse: (bytes: Buffer) => T): T | null {
    try {
      const bytes = readOwnFile(path)
      return bytes === null ? null : parse(bytes)
    } catch (error) {
      this.#problem(path, `${messageOf(error)}; it counts as lost and is written anew`)
      return null
    }
  }

  /** Only what differs; the owner and the mode stay those that the daemon gave the file. */
  #write(path: string, content: string | Uint8Array): void {
    try {
      if (Buffer.from(content).equals(readOwnFile(path) ?? Buffer.alloc(0))) return
    } catch {
      // It was told when it was read.
    }
    try {
      const { mode, uid, gid } = statSync(path, { throwIfNoEntry: false }) ?? { mode: 0o644, uid: -1, gid: -1 }
      replaceFileSync(path, content, { durable: true, mode: mode & 0o777, owner: { uid, gid } })
    } catch (error) {
      const risk = 'the peer may take a heartbeat daemon that is started on this host later for a replay'
      this.#problem(path, `cannot be written: ${messageOf(error)}; ${risk}`)
    }
  }
}
