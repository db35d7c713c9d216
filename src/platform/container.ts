import { readlinkSync } from 'node:fs'

/** Inode of the first pid namespace of a running kernel (`PROC_PID_INIT_INO`). */
const hostPids = 'pid:[4026531836]'

/** True where the processes of this host are not all to be seen: in most containers. False where nobody can tell. */
export function inPidNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') !== hostPids
  } catch {
    return false
  }
}

/**
 * What a container takes away from the guardian, for the log; undefined where it takes nothing. The kernel kills every process
 * of a pid namespace when its first process ends, the guardian too.
 */
export function guardianCaution(): string | undefined {
  if (!inPidNamespace()) return undefined
  return (
    'this process runs in a container (a pid namespace of its own): when the container is killed, so is the guardian that ' +
    'removes the floating addresses. If the container uses the network of its host, the addresses then stay on the host ' +
    'until this node starts again, or hot-standby cleanup runs'
  )
}
