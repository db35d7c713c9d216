import { readFileSync, writeFileSync } from 'node:fs'

/** Writes 1 to each switch that is off and returns what puts them back. A missing one (IPv6 off) is left out. */
export function switchOn(paths: readonly string[]): () => void {
  const raised: string[] = []
  const restore = (): void => {
    for (const path of raised) writeFileSync(path, '0')
  }
  for (const path of paths) {
    try {
      if (readFileSync(path, 'utf8').trim() !== '0') continue
    } catch {
      continue
    }
    try {
      writeFileSync(path, '1')
    } catch (error) {
      restore()
      throw error
    }
    raised.push(path)
  }
  return restore
}
