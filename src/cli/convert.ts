import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { inspectHaDir, type ReadHaDirOptions } from '../config/read-ha-dir.ts'
import { iniOf } from '../config/write-ini.ts'
import { programOf } from '../config/write-ts.ts'
import { pairOfHeartbeat } from '../config/written.ts'
import { configurationError, HotStandbyError } from '../index.ts'
import { writeSecretFile } from '../platform/secret-file.ts'
import type { Arguments } from './arguments.ts'
import { print } from './output.ts'

/** Where the two forms of a configuration are written to. */
export const outputNames = { ini: 'hot-standby.ini', ts: 'pair.mts' } as const

/** A place for new files: a directory in which none of them is. */
export function newPlace(dir: string, names: readonly string[]): void {
  for (const path of names.map((name) => join(dir, name)))
    if (existsSync(path))
      throw new HotStandbyError('HS_CONFIG', `${path}: it exists already and is left as it is; name another directory`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
}

/** `hot-standby convert DIR`: Heartbeat's three files as one ini, or as a program. Answers the exit code. */
export function convert(args: Arguments, scripts: Omit<ReadHaDirOptions, 'node'> = {}): number {
  const found = inspectHaDir(args.dir, scripts)
  if (!found.options) throw configurationError(found.issues)
  if (found.source !== 'ha.cf')
    throw new HotStandbyError(
      'HS_CONFIG',
      `${args.dir}: holds hot-standby.ini already; convert reads Heartbeat's three files`,
    )
  const out = resolve(args.operands[0] as string)
  const file = join(args.dir, 'ha.cf')
  const keyPath = (id: number): string => join(out, `key.${id}`)
  const { pair, keyFiles } = pairOfHeartbeat(found, readFileSync(file, 'utf8'), file, keyPath)
  const name = args.ts ? outputNames.ts : outputNames.ini
  newPlace(out, [name, ...keyFiles.map(({ path }) => path.slice(out.length + 1))])
  for (const { path, key } of keyFiles) writeSecretFile(path, key)
  writeSecretFile(join(out, name), args.ts ? programOf(pair) : iniOf(pair))
  print(`${join(out, name)}: written, with ${pair.notes.length} comments on what has no counterpart or must be known\n`)
  return 0
}
