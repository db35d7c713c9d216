import { linkSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { readOwnFile } from './durable-file.ts'
import { asIdentity, identityOf, type ProcessIdentity, stillLives } from './process.ts'

/**
 * Locks a directory for this process and returns the function that gives it back.
 *
 * The lock is the file `lock-N` with the highest N. A lock whose holder has died is not removed and made again (two takers
 * could then remove each other's), it is followed by `lock-(N+1)`: linking a finished file into place is atomic, so exactly
 * one taker gets the next number. The holder is known by pid, start time and boot, so a reused pid locks nothing.
 * @throws {HotStandbyError} `HS_STATE_DIRECTORY` naming the living holder's pid, or why the directory cannot be used.
 */
export function lockDirectory(directory: string): () => void {
  const self = identityOf(process.pid)
  const draft = join(directory, `draft-${process.pid}`)
  try {
    rmSync(draft, { force: true })
    writeFileSync(draft, JSON.stringify(self), { mode: 0o600, flag: 'wx' })
    const number = take(directory, draft)
    const mine = join(directory, `lock-${number}`)
    for (const older of numbers(directory)) {
      if (older < number) rmSync(join(directory, `lock-${older}`), { force: true })
    }
    return () => rmSync(mine, { force: true })
  } catch (error) {
    if (error instanceof HotStandbyError) throw error
    throw new HotStandbyError('HS_STATE_DIRECTORY', `state directory ${directory}: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    rmSync(draft, { force: true })
  }
}

function take(directory: string, draft: string): number {
  for (;;) {
    const newest = Math.max(0, ...numbers(directory))
    const holder = newest === 0 ? null : holderOf(join(directory, `lock-${newest}`))
    if (holder && stillLives(holder)) {
      const who = holder.pid === process.pid ? 'this process itself' : `process ${holder.pid}`
      throw new HotStandbyError(
        'HS_STATE_DIRECTORY',
        `state directory ${directory} is in use by ${who}; each running node needs its own`,
      )
    }
    const number = newest + 1
    const path = join(directory, `lock-${number}`)
    try {
      linkSync(draft, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    // Somebody who looked earlier than us may already be further on.
    if (Math.max(...numbers(directory)) === number) return number
    rmSync(path, { force: true })
  }
}

function numbers(directory: string): number[] {
  const found = readdirSync(directory).map((name) => /^lock-(\d{1,15})$/.exec(name)?.[1])
  return found.flatMap((digits) => (digits === undefined ? [] : [Number(digits)]))
}

/** Null for a lock that vanished meanwhile or was damaged: a lock is linked into place complete, so a damaged one is old. */
function holderOf(path: string): ProcessIdentity | null {
  try {
    return asIdentity(JSON.parse(readOwnFile(path)?.toString('utf8') ?? 'null'))
  } catch {
    return null
  }
}
