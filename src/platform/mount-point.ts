import { existsSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { HotStandbyError } from '../roles/error.ts'

function found(path: string, what: string): { readonly path: string; readonly stat: Stats } {
  try {
    const real = realpathSync(path)
    return { path: real, stat: statSync(real) }
  } catch {
    throw new HotStandbyError('HS_HOST', `${what} ${path} does not exist on this host`)
  }
}

/**
 * A block device without its symbolic links, and its number as mountinfo shows it; or the regular file that holds a file system,
 * which has no number. Throws `HS_HOST` when it is neither.
 */
export function blockDevice(path: string): { readonly path: string; readonly number: string | undefined } {
  const { path: real, stat } = found(path, 'device')
  if (stat.isFile()) return { path: real, number: undefined }
  if (stat.isDirectory())
    throw new HotStandbyError('HS_HOST', `${path} is a directory; to mount it elsewhere, give the mount option bind`)
  if (!stat.isBlockDevice()) throw new HotStandbyError('HS_HOST', `${path} is not a block device`)
  // Linux' dev_t of 32 bits, as stat(2) gives it (makedev(3)).
  const [major, minor] = [(stat.rdev >>> 8) & 0xfff, (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00)]
  return { path: real, number: `${major}:${minor}` }
}

/** What is mounted elsewhere by a bind mount, without its symbolic links. Throws `HS_HOST` when there is nothing. */
export function bound(path: string): string {
  return found(path, 'directory').path
}

/** The file behind a loop device (`/dev/loop0`); undefined for any other device. */
export function backingFile(device: string): string | undefined {
  const name = /^\/dev\/(loop\d+)$/.exec(device)?.[1]
  if (name === undefined) return undefined
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').replace(/\n$/, '')
  } catch {
    return undefined
  }
}

/** Is a block device of this number still there? */
export function blockDeviceExists(number: string): boolean {
  return existsSync(`/sys/dev/block/${number}`)
}

/** A directory without its symbolic links, as mountinfo shows it. Throws `HS_HOST` when there is none. */
export function mountPoint(path: string): string {
  const { path: real, stat } = found(path, 'directory')
  if (!stat.isDirectory()) throw new HotStandbyError('HS_HOST', `${path} is not a directory`)
  return real
}
