import { existsSync, realpathSync, type Stats, statSync } from 'node:fs'
import { HotStandbyError } from '../roles/error.ts'

function found(path: string, what: string): { readonly path: string; readonly stat: Stats } {
  try {
    const real = realpathSync(path)
    return { path: real, stat: statSync(real) }
  } catch {
    throw new HotStandbyError('HS_HOST', `${what} ${path} does not exist on this host`)
  }
}

/** A block device without its symbolic links, and its number as mountinfo shows it. Throws `HS_HOST` when it is none. */
export function blockDevice(path: string): { readonly path: string; readonly number: string } {
  const { path: real, stat } = found(path, 'device')
  if (!stat.isBlockDevice()) throw new HotStandbyError('HS_HOST', `${path} is no block device`)
  // Linux' dev_t of 32 bits, as stat(2) gives it (makedev(3)).
  const [major, minor] = [(stat.rdev >>> 8) & 0xfff, (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00)]
  return { path: real, number: `${major}:${minor}` }
}

/** Is a block device of this number still there? */
export function blockDeviceExists(number: string): boolean {
  return existsSync(`/sys/dev/block/${number}`)
}

/** A directory without its symbolic links, as mountinfo shows it. Throws `HS_HOST` when there is none. */
export function mountPoint(path: string): string {
  const { path: real, stat } = found(path, 'directory')
  if (!stat.isDirectory()) throw new HotStandbyError('HS_HOST', `${path} is no directory`)
  return real
}
