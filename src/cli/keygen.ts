import { isHotStandbyError, sealed } from '../index.ts'
import { randomBytes } from '../platform/random.ts'
import { writeSecretFile } from '../platform/secret-file.ts'
import type { Arguments } from './arguments.ts'
import { print } from './output.ts'

/** `hot-standby keygen [FILE]`: a new key, into a file that nobody else may read, or to standard output. Answers the exit code. */
export function keygen({ operands }: Arguments): number {
  const [file] = operands
  const key = `${newKey()}\n`
  if (file === undefined) print(key)
  else {
    writeSecretFile(file, key)
    print(`${file}: a new key; copy the file to the other node, and let nobody else read it\n`)
  }
  return 0
}

/** A random key. The few that `sealed` would take for a phrase are thrown away. */
export function newKey(): string {
  for (;;) {
    const key = Buffer.from(randomBytes(32)).toString('base64')
    try {
      sealed({ key })
      return key
    } catch (error) {
      if (!isHotStandbyError(error)) throw error
    }
  }
}
