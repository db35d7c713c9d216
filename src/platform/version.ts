import { readFileSync } from 'node:fs'

/** Put in by the build, so that a bundle of an application has it too. */
declare const HOT_STANDBY_VERSION: string | undefined

/** Version of this library. */
export function libraryVersion(): string {
  if (typeof HOT_STANDBY_VERSION === 'string') return HOT_STANDBY_VERSION
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
