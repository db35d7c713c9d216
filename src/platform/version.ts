import { readFileSync } from 'node:fs'

/** Version of this library; `unknown` where its package.json does not lie beside it (in a bundle, say). */
export function libraryVersion(): string {
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    const { name, version } = JSON.parse(text) as { name?: string; version?: string }
    return name === 'hot-standby' && version !== undefined ? version : 'unknown'
  } catch {
    return 'unknown'
  }
}
