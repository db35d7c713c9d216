const prime = 0x01000193

function addText(hash: number, text: string): number {
  let next = Math.imul(hash ^ text.length, prime)
  for (let index = 0; index < text.length; index++) next = Math.imul(next ^ text.charCodeAt(index), prime)
  return next
}

/** FNV-1a over bytes. It finds mistakes, it is no signature. */
export function digestOfBytes(hash: number, bytes: Uint8Array): number {
  let next = Math.imul(hash ^ bytes.length ^ 0x811c9dc5, prime)
  for (const byte of bytes) next = Math.imul(next ^ byte, prime)
  return next
}

/**
 * FNV-1a over plain data. What is undefined counts as absent, as it does for a reader. Of bytes only the length counts: a
 * replay does not have their content.
 */
export function digestOf(hash: number, value: unknown): number {
  if (typeof value === 'string') return addText(hash ^ 0x5a, value)
  if (typeof value !== 'object' || value === null) return addText(hash, String(value))
  if (value instanceof Uint8Array) return addText(hash ^ 0xb7, String(value.length))
  let next = Math.imul(hash ^ 0x7b, prime)
  if (Array.isArray(value)) {
    for (const entry of value) next = digestOf(next, entry)
    return Math.imul(next ^ value.length, prime)
  }
  for (const name in value) {
    const entry = (value as Readonly<Record<string, unknown>>)[name]
    if (entry !== undefined) next = digestOf(addText(next, name), entry)
  }
  return Math.imul(next ^ 0x7d, prime)
}

/** A digest as it is written. */
export function digestText(hash: number): string {
  return (hash >>> 0).toString(36)
}
