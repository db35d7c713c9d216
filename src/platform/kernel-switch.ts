import { readFileSync, writeFileSync } from 'node:fs'
import { messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'

/** Writes 1 to each switch that is off and returns what puts them back. A missing one (IPv6 off, the device gone) is left out. */
export function switchOn(paths: readonly string[]): () => void {
  const raised: string[] = []
  const restore = (): void => {
    for (const path of raised) lower(path)
  }
  for (const path of paths) {
    try {
      if (readFileSync(path, 'utf8').trim() !== '0') continue
    } catch {
      continue
    }
    try {
      writeFileSync(path, '1')
    } catch (error) {
      restore()
      throw error
    }
    raised.push(path)
  }
  return restore
}

function lower(path: string): void {
  try {
    writeFileSync(path, '0')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/**
 * Runs work that deletes IPv4 addresses of these devices without taking others along. The kernel takes the first address of a
 * network for its primary one and deletes the others with it, unless it is told to promote the next one: an address of the host's
 * own may have come after ours. Two at once share the switch; the last one puts it back.
 */
export function createPromotion(logger: Logger): <T>(devices: readonly string[], work: () => Promise<T>) => Promise<T> {
  const raised = new Map<string, { users: number; readonly restore: () => void }>()

  function raise(device: string): void {
    const known = raised.get(device)
    if (known) known.users += 1
    else raised.set(device, { users: 1, restore: switchFor(device) })
  }

  function release(device: string): void {
    const known = raised.get(device)
    if (!known || --known.users > 0) return
    raised.delete(device)
    known.restore()
  }

  function switchFor(device: string): () => void {
    try {
      return switchOn([`/proc/sys/net/ipv4/conf/${device}/promote_secondaries`])
    } catch (error) {
      logger.warn(
        { device, error: messageOf(error) },
        'promote_secondaries cannot be set: other addresses of the network may be deleted with the floating one',
      )
      return () => {}
    }
  }

  return async (devices, work) => {
    for (const device of devices) raise(device)
    try {
      return await work()
    } finally {
      for (const device of devices) release(device)
    }
  }
}
