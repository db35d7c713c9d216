import { HotStandbyError } from './error.ts'

/** A length of time with its unit, as in `'500ms'`, `'2s'`, `'1.5s'`, `'10m'`, `'1h'`. A bare number is refused: it means seconds to readers of ha.cf and milliseconds to readers of Node. */
export type Duration = `${number}ms` | `${number}s` | `${number}m` | `${number}h`

/**
 * Longest time that is accepted, 24 days: the timers of Node hold 2^31 - 1 ms (24.8 days) and take more for 1 ms. What is left is
 * for the margins that are added to a time.
 */
export const longestMs = 2_073_600_000

/** Longest time that a timer of Node holds. */
export const longestTimerMs = 2_147_483_647

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/**
 * Milliseconds of a {@link Duration}, rounded to whole ones.
 * @throws {HotStandbyError} `HS_CONFIG` for more than 24 days, and otherwise naming `where`, what was found and both readings of a bare number.
 */
export function durationMs(value: Duration | string, where: string): number {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value) : null
  if (match) {
    const ms = Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
    if (ms <= longestMs) return ms
    throw refused(where, `'${value.slice(0, 40)}' is too long; at most 24 days (576h) are possible`)
  }
  const given: unknown = value
  const plain = typeof given === 'string' || typeof given === 'number' ? String(given) : ''
  const found = typeof given === 'string' ? `'${given}'` : plain === '' ? typeof given : `number ${plain}`
  const number = /^\d+(\.\d+)?$/.test(plain) ? plain : null
  const right = number
    ? `write '${number}s' or '${number}ms'`
    : `write a number and a unit, as '500ms', '2s', '10m' or '1h'`
  throw refused(where, `${found} is not a length of time; ${right}`)
}

function refused(where: string, message: string): HotStandbyError {
  return new HotStandbyError('HS_CONFIG', `${where}: ${message}`, { issues: [{ where, message, severity: 'error' }] })
}
