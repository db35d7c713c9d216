const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const values = new Map([...alphabet].map((letter, value) => [letter, value]))

/** Ordinary base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const triple = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text +=
      alphabet[triple >> 18]! + alphabet[(triple >> 12) & 63]! + alphabet[(triple >> 6) & 63]! + alphabet[triple & 63]!
  }
  const missing = (3 - (bytes.length % 3)) % 3
  return missing === 0 ? text : text.slice(0, -missing) + '='.repeat(missing)
}

/** The bytes of ordinary base64; `undefined` unless it is exactly what {@link toBase64} writes (`atob` is more lenient). */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let bits = 0
  let at = 0
  for (let index = 0; index < text.length - padding; index++) {
    const value = values.get(text[index]!)
    if (value === undefined) return undefined
    bits = ((bits << 6) | value) & 0xffffff
    if (index % 4 > 0) bytes[at++] = bits >> ((3 - (index % 4)) * 2)
  }
  const rest = padding === 0 ? 0 : bits & (padding === 1 ? 0x03 : 0x0f)
  return rest === 0 ? bytes : undefined
}
