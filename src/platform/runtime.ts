import { HotStandbyError } from '../roles/error.ts'

/** Runtimes that answer to Node's names and do something else: which, and what was seen there. */
const others = {
  Deno: 'its datagram sockets send nothing, so that both nodes would serve',
  Bun: 'its datagram sockets lack what the links need',
} as const

/** Name of the runtime if it is known not to work. */
export function otherRuntime(
  versions: Readonly<Record<string, string | undefined>>,
  globals: object,
): keyof typeof others | undefined {
  const names = Object.keys(others) as (keyof typeof others)[]
  return names.find((name) => versions[name.toLowerCase()] !== undefined || name in globals)
}

/**
 * A pair needs Node itself.
 * @throws {HotStandbyError} `HS_HOST` under Deno and Bun.
 */
export function refuseOtherRuntimes(): void {
  const name = otherRuntime(process.versions, globalThis)
  if (name === undefined) return
  throw new HotStandbyError('HS_HOST', `hot-standby needs Node.js and does not run under ${name}: ${others[name]}`)
}
