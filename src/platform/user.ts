import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { HotStandbyError } from '../roles/error.ts'
import { findProgram, runProgram, type UserIds } from './process.ts'

/**
 * Numbers of a user, asked of `id`, so that users of a directory service are found too.
 * @throws {HotStandbyError} `HS_HOST` when there is no such user, or no `id`.
 */
export async function lookUpUser(name: string): Promise<UserIds> {
  const file = findProgram('id')
  if (!file) throw new HotStandbyError('HS_HOST', `user '${name}' cannot be looked up: there is no program 'id'`)
  const ask = async (flag: '-u' | '-g'): Promise<number> => {
    const { exitCode, stdout } = await runProgram({ file, args: [flag, '--', name], timeoutMs: 10_000 })
    if (exitCode === 0 && /^\d+\s*$/.test(stdout)) return Number(stdout)
    throw new HotStandbyError('HS_HOST', `there is no user '${name}' on this host`)
  }
  return { uid: await ask('-u'), gid: await ask('-g') }
}

/** A user with its numbers. */
export interface KnownUser extends UserIds {
  readonly name: string
}

/** A user of this host with its group, or with another one; undefined: there is none. Asks `getent`, so directory services count. */
export function userOf(name: string, group?: string | undefined): KnownUser | undefined {
  const row = databaseRow('passwd', name)
  const gid = group === undefined ? row?.[3] : databaseRow('group', group)?.[2]
  if (row === undefined || gid === undefined) return undefined
  return { name: row[0] as string, uid: Number(row[2]), gid: Number(gid) }
}

/** A row of one of the host's databases, `/etc/passwd` or `/etc/group` first. */
function databaseRow(database: 'passwd' | 'group', name: string): readonly string[] | undefined {
  if (!/^[\w.@\\+-]+$/.test(name)) return undefined
  const rowOf = (text: string) =>
    text
      .split('\n')
      .map((line) => line.split(':'))
      .find(([first]) => first === name)
  try {
    const row = rowOf(readFileSync(`/etc/${database}`, 'utf8'))
    if (row) return row
  } catch {
    // The directory service may know it.
  }
  const file = findProgram('getent')
  if (file === null) return undefined
  const { stdout } = spawnSync(file, [database, name], { encoding: 'utf8', timeout: 5_000 })
  return rowOf(stdout ?? '')
}
