import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, statfsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'

/** File systems that live in memory, by the number of `statfs(2)`: tmpfs and ramfs. */
const inMemory: readonly number[] = [0x01021994, 0x858458f6]

/**
 * A directory in memory that belongs to one state directory: it can be written when the disk is full, read-only or hangs, it
 * outlives this process, and a reboot empties it. Under `/run` for root, else under `$XDG_RUNTIME_DIR`; undefined where there
 * is none, or where it is not in memory.
 */
export function runtimeDirectory(stateDirectory: string): string | undefined {
  const base = process.getuid?.() === 0 ? '/run' : process.env['XDG_RUNTIME_DIR']
  if (base === undefined || !isAbsolute(base)) return undefined
  const name = `state-${createHash('sha256').update(stateDirectory).digest('hex').slice(0, 16)}`
  const path = join(base, 'hot-standby', name)
  try {
    if (!inMemory.includes(statfsSync(base).type)) return undefined
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(path)
    return uid === process.geteuid?.() && (mode & 0o170077) === 0o040000 ? path : undefined
  } catch {
    return undefined
  }
}
