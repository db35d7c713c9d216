import { randomBytes } from 'node:crypto'

/** A random number as lower-case hex digits. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
