import { cutClassic, decodeClassic } from './classic.ts'
import { text } from './message.ts'
import { cutNetstring, decodeNetstring } from './netstring.ts'

const framings = [
  { cut: cutNetstring, decode: decodeNetstring },
  { cut: cutClassic, decode: decodeClassic },
] as const

/** Who a frame that did not verify says it is from: a hint for people, never to be believed. Never throws. */
export function claimedSender(bytes: Uint8Array): string | undefined {
  for (const { cut, decode } of framings) {
    const parts = cut(bytes)
    if (!parts) continue
    try {
      const src = text(decode(parts.signed), 'src')
      return src?.replaceAll(/[^!-~]/g, '?').slice(0, 64)
    } catch {
      return undefined
    }
  }
  return undefined
}
