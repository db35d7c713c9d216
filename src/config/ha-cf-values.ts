import { readFileSync } from 'node:fs'
import { canonicalAddress, ipFamily } from '../platform/ip.ts'
import { longestMs } from '../roles/duration.ts'
import type { AutoFailback } from './ha-cf-draft.ts'
import { badValue, quoted } from './problems.ts'

/** Turns the words after a directive into its value, or throws `HS_CONFIG` saying what was found and what would be right. */
export type Parser<T> = (words: readonly string[]) => T

/** Exactly one word. */
export const one: Parser<string> = (words) => {
  const [word] = words
  if (word === undefined) throw badValue('the value is missing')
  if (words.length > 1) throw badValue(`${words.length} values (${words.map(quoted).join(' ')}) where one belongs`)
  return word
}

/** At least `least` words, and at most `most`. */
export function between(least: number, most: number): Parser<readonly string[]> {
  return (words) => {
    if (words.length < least || words.length > most) {
      const found =
        words.length === 0
          ? 'nothing'
          : words
              .slice(0, most + 1)
              .map(quoted)
              .join(' ')
      const right = least === most ? String(least) : `${least} to ${most}`
      throw badValue(`must have ${right} values, got ${found}`)
    }
    return words
  }
}

const timeUnitMs: Readonly<Record<string, number>> = { '': 1000, ms: 1, msec: 1, us: 0.001, usec: 0.001 }

/**
 * A time as cluster-glue's `cl_get_msec` reads it: seconds, decimals allowed, or with the suffix `ms` or `us`; rounded to
 * milliseconds.
 */
export const timeMs: Parser<number> = (words) => {
  const word = one(words)
  const match = /^(\d+(?:\.\d*)?|\.\d+)([a-z]*)$/i.exec(word)
  const unit = match ? timeUnitMs[match[2]!.toLowerCase()] : undefined
  if (!match || unit === undefined) {
    throw badValue(`${quoted(word)} is not a time: write seconds ('2', '0.5') or a number with ms or us ('500ms')`)
  }
  const ms = Math.round(Number(match[1]) * unit)
  if (ms > longestMs)
    throw badValue(`${quoted(word)} is too long; at most ${longestMs / 1000} seconds (24 days) are possible`)
  return ms
}

/** A time that cannot be zero. */
export const positiveTimeMs: Parser<number> = (words) => {
  const ms = timeMs(words)
  if (ms === 0) throw badValue(`${quoted(words[0]!)} is 0 ms; the time must be longer`)
  return ms
}

/** A whole number within bounds. */
export function integer(least: number, most: number): Parser<number> {
  return (words) => {
    const word = one(words)
    const value = /^\d{1,15}$/.test(word) ? Number(word) : Number.NaN
    if (!(value >= least && value <= most)) {
      throw badValue(`${quoted(word)} is not a whole number from ${least} to ${most}`)
    }
    return value
  }
}

/** One of a few words. */
export function oneOf<Name extends string>(...names: readonly Name[]): Parser<Name> {
  return (words) => {
    const word = one(words)
    const found = names.find((name) => name === word)
    if (found === undefined) throw badValue(`must be one of ${names.join(', ')}, got ${quoted(word)}`)
    return found
  }
}

const truth: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['true', 'on', 'yes', 'y', '1'].map((word) => [word, true])),
  ...Object.fromEntries(['false', 'off', 'no', 'n', '0'].map((word) => [word, false])),
}

/** cluster-glue's words of truth, in any case: true on yes y 1, false off no n 0. */
export const bool: Parser<boolean> = (words) => {
  const word = one(words)
  const value = truth[word.toLowerCase()]
  if (value === undefined) throw badValue(`${quoted(word)} is neither on nor off (true, yes, y, 1; false, no, n, 0)`)
  return value
}

/** `on`, `off` or `legacy`. */
export const autoFailback: Parser<AutoFailback> = (words) => {
  if (words.length === 1 && words[0]!.toLowerCase() === 'legacy') return 'legacy'
  try {
    return bool(words)
  } catch {
    throw badValue(`must be on, off or legacy, got ${words.map(quoted).join(' ') || 'nothing'}`)
  }
}

/** An absolute path. */
export const fullPath: Parser<string> = (words) => {
  const word = one(words)
  if (!word.startsWith('/')) throw badValue(`${quoted(word)} is not a full path; it must begin with /`)
  return word
}

/** Network devices, at least one. */
export const devices: Parser<readonly string[]> = (words) => {
  if (words.length === 0) throw badValue('the device is missing')
  return words.map(device)
}

/** The name of one network device, as Linux limits it. */
export function device(word: string): string {
  if (!/^[^\s/:]{1,15}$/.test(word) || word === '.' || word === '..') {
    throw badValue(`${quoted(word)} is not a valid name for a network device (at most 15 characters, without / and :)`)
  }
  return word
}

/** This host's own table of names; no name server is asked. */
const hostsFile = '/etc/hosts'

/**
 * An address of one of the families, in the kernel's spelling. A name counts where `/etc/hosts` has it; a name server is never
 * asked: a dead one must not decide who serves.
 */
export function address(...families: readonly (4 | 6)[]): (word: string) => string {
  return (word) => {
    const isOne = (text: string): boolean => families.some((family) => family === ipFamily(text))
    if (isOne(word)) return canonicalAddress(word)
    const found = ipFamily(word) === 0 ? inHosts(word).find(isOne) : undefined
    if (found !== undefined) return canonicalAddress(found)
    throw badValue(
      `${quoted(word)} is no IPv${families.join(' or IPv')} address, and no name that ${hostsFile} has one for; ` +
        'name servers are not asked, because a dead one must not decide who serves',
    )
  }
}

/** Addresses that `/etc/hosts` has for a name. */
function inHosts(name: string): readonly string[] {
  let text = ''
  try {
    text = readFileSync(hostsFile, 'utf8')
  } catch {
    // Without the file no name is known.
  }
  return text.split('\n').flatMap((line) => {
    const [ip = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
    return names.some((known) => known.toLowerCase() === name.toLowerCase()) ? [ip] : []
  })
}

/** Names of nodes, at least one; lower-cased, because Heartbeat compares them so. */
export const nodeNames: Parser<readonly string[]> = (words) => {
  if (words.length === 0) throw badValue('the name of the node is missing')
  return words.map((word) => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(word)) {
      throw badValue(`${quoted(word)} is not a valid name for a node: letters, digits, '.', '_' and '-', at most 64`)
    }
    return word.toLowerCase()
  })
}

const facilities = 'auth authpriv cron daemon ftp kern lpr mail news syslog user uucp'.split(' ')

const facilityName: Parser<string> = oneOf(
  ...facilities,
  ...Array.from({ length: 8 }, (_, index) => `local${index}`),
  'security',
  'none',
)

/** A syslog facility; `none` means no syslog, `security` is the old name of `auth`. */
export const facility: Parser<string> = (words) => {
  const name = facilityName(words)
  return name === 'security' ? 'auth' : name
}
