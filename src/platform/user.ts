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
