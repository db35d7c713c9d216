import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkTrusted } from './trust.ts'

const maxBytes = 65_536

/**
 * Reads a key from a file that nobody else may read: a regular file (no symbolic link) of root or of this user, without any
 * permission for group and others. One line end at the end is taken off. The file is checked by its descriptor, so what is
 * checked is what is read.
 * @throws {HotStandbyError} `HS_KEY` saying what was found and what would be right.
 */
export function readSecretFile(path: string): Uint8Array {
  // The owner and the mode of the file itself are checked below, on what was opened.
  checkTrusted('key file in', dirname(path), { code: 'HS_KEY' })
  let descriptor: number
  try {
    // O_NONBLOCK: a pipe put in the key's place must not hang the start.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw new HotStandbyError('HS_KEY', `key file ${path}: ${openFailure(error)}`, { cause: error })
  }
  try {
    return content(path, descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function openFailure(error: unknown): string {
  const reasons: Record<string, string> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist',
    ELOOP: 'is a symbolic link; name the file itself',
    EACCES: 'this user may not read it',
  }
  return reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error)
}

function content(path: string, descriptor: number): Uint8Array {
  const refuse = (message: string): never => {
    throw new HotStandbyError('HS_KEY', `key file ${path}: ${message}`)
  }
  const stat = fstatSync(descriptor)
  const self = process.getuid?.() ?? stat.uid
  const mode = stat.mode & 0o7777
  if (!stat.isFile()) refuse('is not a regular file')
  if (stat.uid !== 0 && stat.uid !== self)
    refuse(`belongs to user ${stat.uid}; it must belong to root or to user ${self}`)
  if (mode & 0o077) refuse(`has mode ${mode.toString(8).padStart(4, '0')}, others could read it; run chmod 600 ${path}`)
  if (stat.size > maxBytes) refuse(`has ${stat.size} bytes; a key has at most ${maxBytes}`)
  const bytes = Buffer.alloc(maxBytes)
  let length = readSync(descriptor, bytes, 0, maxBytes, 0)
  if (length > 0 && bytes[length - 1] === 0x0a) length--
  if (length > 0 && bytes[length - 1] === 0x0d) length--
  if (length === 0) refuse('is empty')
  return Uint8Array.from(bytes.subarray(0, length))
}

/**
 * Writes a secret into a file of its own that nobody else may read. A file that is there already is left alone: it may be the
 * key of a running pair.
 * @throws {HotStandbyError} `HS_KEY` saying why it cannot be.
 */
export function writeSecretFile(path: string, content: string | Uint8Array): void {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const why = exists ? 'exists already and is left as it is; name another file' : messageOf(error)
    throw new HotStandbyError('HS_KEY', `key file ${path}: ${why}`, { cause: error })
  }
  try {
    writeSync(descriptor, typeof content === 'string' ? Buffer.from(content) : content)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
