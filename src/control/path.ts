import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Where a node's control socket stands unless told otherwise: `/run/hot-standby/CLUSTER-NODE.sock` for root, else the same
 * under `$XDG_RUNTIME_DIR` or a directory of the user's own. Two nodes on one file system do not meet.
 */
export function defaultControlPath(cluster: string, node: string): string {
  const name = `${cluster}-${node}.sock`.replace(/[^A-Za-z0-9._-]/g, '_')
  const { uid, username } = userInfo()
  if (uid === 0) return join('/run/hot-standby', name)
  const { XDG_RUNTIME_DIR: own } = process.env
  if (own !== undefined && existsSync(own)) return join(own, 'hot-standby', name)
  return join(tmpdir(), `hot-standby-${username}`, name)
}

/** What the kernel has room for, less the final zero: `sun_path` of Linux. */
export const pathMaxBytes = 107

/** Makes the socket's directory, for this user alone, where it is missing. */
export function makeControlDirectory(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
}
