import { splitZone } from './ip.ts'
import { findProgram, runProgram } from './process.ts'

/** Reads the device out of one answer of `ip -o route get`: `10.0.0.1 via 10.1.1.1 dev eth0 src 10.1.1.2 …`. */
export function deviceInRoute(answer: string): string | undefined {
  return /\bdev (\S+)/.exec(answer)?.[1]
}

/**
 * The device through which this host would reach an address now; undefined when there is no route or `ip` is missing.
 * It runs a program: ask at start, not while a takeover waits.
 */
export async function deviceTowards(address: string): Promise<string | undefined> {
  const { host, zone } = splitZone(address)
  if (zone !== undefined) return zone
  const file = findProgram('ip')
  if (file === null) return undefined
  try {
    const { exitCode, stdout } = await runProgram({ file, args: ['-o', 'route', 'get', host], timeoutMs: 2000 })
    return exitCode === 0 ? deviceInRoute(stdout) : undefined
  } catch {
    return undefined
  }
}
