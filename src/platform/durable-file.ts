import * as fs from 'node:fs'
import { constants } from 'node:fs'
import { dirname } from 'node:path'

const create = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const maxBytes = 1_048_576

/** How a file is replaced. */
export interface ReplaceOptions {
  /** Also after a power cut the old content or the new one is there, which costs two fsyncs. */
  readonly durable: boolean
  /** @defaultValue 0600 */
  readonly mode?: number
  /** -1 is this process's own. @defaultValue this process's own */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * Replaces a file so that the old content or the new one is there, never a part: temporary file, rename. The caller sees to it
 * that nobody else writes the same file.
 */
export function replaceFileSync(
  path: string,
  content: string | Uint8Array,
  { durable, mode = 0o600, owner }: ReplaceOptions,
): void {
  const temporary = `${path}.new`
  fs.rmSync(temporary, { force: true })
  const descriptor = fs.openSync(temporary, create, 0o600)
  try {
    fs.writeFileSync(descriptor, content)
    if (owner) fs.fchownSync(descriptor, owner.uid, owner.gid)
    if (mode !== 0o600) fs.fchmodSync(descriptor, mode)
    if (durable) fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
  fs.renameSync(temporary, path)
  if (!durable) return
  const directory = fs.openSync(dirname(path), constants.O_RDONLY)
  try {
    fs.fsyncSync(directory)
  } finally {
    fs.closeSync(directory)
  }
}

/** Content of a regular file of at most 1 MiB; null when it does not exist. Symbolic links are refused (`ELOOP`). */
export function readOwnFile(path: string): Buffer | null {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const stat = fs.fstatSync(descriptor)
    if (!stat.isFile()) throw new Error('it is not a regular file')
    if (stat.size > maxBytes) throw new Error(`it has ${stat.size} bytes, more than ${maxBytes}`)
    return fs.readFileSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
