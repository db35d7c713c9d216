import type { TransportPlugin } from '../roles/transport.ts'

/** What is to be said of links that all break together, because they are one or on one device; undefined where they do not. */
export function oneLineWarning(transports: readonly Pick<TransportPlugin, 'device'>[]): string | undefined {
  const [first, ...more] = transports
  if (first === undefined) return undefined
  const { device } = first
  if (more.some((other) => device === undefined || other?.device !== device)) return undefined
  const all = more.length === 1 ? 'both links' : `all ${transports.length} links`
  const what = more.length === 0 ? 'only one link' : `${all} are on device ${device}`
  return `${what}: when it breaks, both nodes serve; add a second, independent one`
}
