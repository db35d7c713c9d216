/**
 * What a terminal or a journal would obey instead of showing it: control characters (C0, C1, so line ends and escape sequences
 * too), line and paragraph separators, marks that turn the direction of writing, characters without width, halves of pairs.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** Longest text that is shown. */
const shownMaxChars = 4096

/**
 * Text from outside (a packet, an agent, a file, a name) as it may leave for a terminal, a journal, a log or an event: one line, and
 * nothing in it that whoever shows it would obey. Such characters become `\x1b` or `\u202e`; text longer than `maxChars` is cut
 * and says so.
 */
export function printable(text: string, maxChars: number = shownMaxChars): string {
  const long = text.length > maxChars
  const shown = (long ? text.slice(0, maxChars) : text).replace(unprintable, escaped)
  return long ? `${shown} … (${text.length} characters in all)` : shown
}

/** As {@link printable}, for text of several lines that was made here: each line by itself, and none is cut. */
export function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join('\n')
}

/** JSON in one line that a terminal may show: the same value for whoever parses it. `replacer` is that of `JSON.stringify`. */
export function printableJson(
  value: unknown,
  replacer?: (this: unknown, key: string, value: unknown) => unknown,
): string {
  return JSON.stringify(value, replacer).replace(unprintable, (found) =>
    [...Array(found.length).keys()].map((at) => `\\u${hex(found.charCodeAt(at), 4)}`).join(''),
  )
}

/** An object with every text in it printable, down to lists and objects in it; bytes and functions stay as they are. */
export function printableFields<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T
  if (Array.isArray(value)) return value.map(printableFields) as T
  const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, printableFields(one)])) as T
}

function escaped(found: string): string {
  const code = found.codePointAt(0) as number
  if (code < 0x100) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\u{${hex(code, 1)}}`
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')
