import { randomBytes as draw } from 'node:crypto'

/** Bytes from the kernel's generator, in memory of their own. */
export function randomBytes(count: number): Uint8Array {
  return Uint8Array.from(draw(count))
}

/** A random number as lower-case hex digits. */
export function randomHex(bytes: number): string {
  return draw(bytes).toString('hex')
}
