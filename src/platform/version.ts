import { readFileSync } from 'node:fs'

/** Seen from this module: as a source, as the build's entry in a directory, and as a part that entries share. */
const places = ['../../package.json', '../package.json']

/** Version of this library; `unknown` where its package.json does not lie beside it (in a bundle, say). */
export function libraryVersion(): string {
  for (const place of places) {
    const version = versionIn(new URL(place, import.meta.url))
    if (version !== undefined) return version
  }
  return 'unknown'
}

function versionIn(file: URL): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string }
    return name === 'hot-standby' ? version : undefined
  } catch {
    return undefined
  }
}
