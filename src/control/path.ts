import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { checkTrusted } from '../platform/trust.ts'
import { HotStandbyError } from '../roles/error.ts'

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

/**
 * Makes the socket's directory, for this user alone, where it is missing.
 * @throws {HotStandbyError} `HS_CONTROL` when somebody else could put a socket of his own into it.
 */
export function makeControlDirectory(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  checkTrusted('control socket in', dirname(path), { code: 'HS_CONTROL' })
}

/**
 * Refuses a socket that somebody else may have put there: it and each directory on the way must belong to root or to this user.
 * @throws {HotStandbyError} `HS_CONTROL`.
 */
export function checkControlSocket(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  const self = process.geteuid?.() ?? stat?.uid
  if (stat && stat.uid !== 0 && stat.uid !== self) {
    const right = `only root and user ${stat.uid} may believe it: run this as that user`
    throw new HotStandbyError('HS_CONTROL', `control socket ${path}: it belongs to user ${stat.uid}; ${right}`)
  }
  checkTrusted('control socket in', dirname(path), { code: 'HS_CONTROL' })
}
