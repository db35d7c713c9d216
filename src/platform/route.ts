import { execFile } from 'node:child_process'
import { splitZone } from './ip.ts'

/** Reads the device out of one answer of `ip -o route get`: `10.0.0.1 via 10.1.1.1 dev eth0 src 10.1.1.2 …`. */
export function deviceInRoute(answer: string): string | undefined {
  return /\bdev (\S+)/.exec(answer)?.[1]
}

/**
 * The device through which this host would reach an address now; undefined when there is no route or `ip` is missing.
 * It runs a program: ask at start, not while a takeover waits.
 */
export function deviceTowards(address: string): Promise<string | undefined> {
  const { host, zone } = splitZone(address)
  if (zone !== undefined) return Promise.resolve(zone)
  return new Promise((resolve) => {
    execFile('ip', ['-o', 'route', 'get', host], { timeout: 2000 }, (error, answer) => {
      resolve(error ? undefined : deviceInRoute(answer))
    })
  })
}
