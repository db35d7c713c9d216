import * as fs from 'node:fs'
import { constants } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { dirname } from 'node:path'
import { placeOfOwn } from './trust.ts'

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
  try {
    return readPlainFile(path, { noFollow: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/**
 * Content of a regular file. What somebody may have put in its place cannot stop this process: a pipe is not waited for, a device
 * is not read, and no more than `limitBytes` are held.
 */
export function readPlainFile(
  path: string,
  { limitBytes = maxBytes, noFollow = false }: { limitBytes?: number; noFollow?: boolean } = {},
): Buffer {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (noFollow ? constants.O_NOFOLLOW : 0)
  const descriptor = fs.openSync(path, flags)
  try {
    const stat = fs.fstatSync(descriptor)
    if (!stat.isFile()) throw new Error('it is not a regular file')
    if (stat.size > limitBytes) throw new Error(`it has ${stat.size} bytes, more than ${limitBytes}`)
    return fs.readFileSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

const write = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOFOLLOW

/**
 * Writes a new file, or to a device such as `/dev/null`. A file that holds something already is an error, and stays as it is. A
 * pipe that nobody reads is an error, too, and is not waited for.
 */
export async function writePlain(path: string, text: string, mode: number): Promise<void> {
  await withPlain(path, write, mode, async (file, sizeBytes) => {
    if (sizeBytes > 0) throw new Error('it exists already and is left as it is; name another file')
    await file.writeFile(text)
  })
}

async function withPlain(
  path: string,
  flags: number,
  mode: number,
  use: (file: fsp.FileHandle, sizeBytes: number) => Promise<void>,
): Promise<void> {
  const file = await fsp.open(placeOfOwn(path), flags, mode)
  try {
    const stat = await file.stat()
    if (!stat.isFile() && !stat.isCharacterDevice()) throw new Error('it is neither a regular file nor a device')
    await use(file, stat.isFile() ? stat.size : 0)
  } finally {
    await file.close()
  }
}
