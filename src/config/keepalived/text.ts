/** The longest line that keepalived reads as one (`MAXBUF` less the final NUL). */
export const lineMax = 1023

/** Blanks of keepalived's words. */
export const blanks = ' \t\f\n\r\v'

const isBlank = (letter: string | undefined): boolean => letter !== undefined && blanks.includes(letter)

/** A line without comment and outer blanks. */
export interface Bare {
  readonly text: string
  /** It ended with a backslash, which is not part of `text`. */
  readonly continues: boolean
  /** A double quote has no partner. */
  readonly unbalanced: boolean
}

/**
 * Takes away what `#` or `!` begins outside double quotes, and outer blanks; `\#` and `\!` become plain letters (`decomment` of
 * `lib/parser.c`).
 */
export function decomment(line: string): Bare {
  let text = ''
  let quoted = false
  let continues = false
  let skipping = false
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] as string
    if (letter === '\\') {
      const next = line[at + 1]
      if (next === undefined) {
        continues = true
        break
      }
      at++
      if (!skipping) text += !quoted && (next === '#' || next === '!') ? next : letter + next
      continue
    }
    if (letter === '"' && !skipping) quoted = !quoted
    if (!quoted && (letter === '#' || letter === '!')) skipping = true
    if (!skipping) text += letter
  }
  return { text: text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, ''), continues, unbalanced: quoted }
}

/**
 * Words of a line: blanks separate, double quotes hold together (`alloc_strvec_r`, which knows no escapes). A quote without a partner
 * ends the words.
 */
export function wordsOf(text: string): { readonly words: string[]; readonly isCut: boolean } {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (isBlank(text[at])) at++
    if (at >= text.length) return { words, isCut: false }
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1)
      if (end < 0) return { words, isCut: true }
      words.push(text.slice(at + 1, end))
      at = end + 1
    } else {
      const start = at
      while (at < text.length && !isBlank(text[at]) && text[at] !== '"') at++
      words.push(text.slice(start, at))
    }
  }
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** What follows a backslash, and how many letters it takes. */
function escaped(rest: string): readonly [letter: string, length: number] {
  const [hex] = /^x[0-9a-fA-F]+/.exec(rest) ?? []
  if (hex !== undefined) return [String.fromCharCode(Number.parseInt(hex.slice(-2), 16)), hex.length]
  const [control] = /^c./s.exec(rest) ?? []
  if (control !== undefined) return [String.fromCharCode(control.charCodeAt(1) & 0x1f), 2]
  const [octal] = /^[0-7]{1,3}/.exec(rest) ?? []
  if (octal !== undefined) return [String.fromCharCode(Number.parseInt(octal, 8) & 0xff), octal.length]
  const letter = rest[0] as string
  return [escapes[letter] ?? letter, 1]
}

/**
 * Words of a command: both kinds of quotes hold together, also in the middle of a word, and a backslash takes the next letter as it
 * is (`alloc_strvec_quoted_escaped`); undefined where a quote has no partner or nothing follows a backslash.
 */
export function commandWords(text: string): string[] | undefined {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (isBlank(text[at])) at++
    if (at >= text.length) return words
    const parts: string[] = []
    let quote = ''
    for (; at < text.length && (quote !== '' || !isBlank(text[at])); at++) {
      const letter = text[at] as string
      if (letter === '\\') {
        if (at + 1 >= text.length) return undefined
        const [plain, length] = escaped(text.slice(at + 1, at + 12))
        parts.push(plain)
        at += length
      } else if (quote !== '' ? letter === quote : letter === '"' || letter === "'") {
        quote = quote === '' ? letter : ''
      } else parts.push(letter)
    }
    if (quote !== '') return undefined
    words.push(parts.join(''))
  }
}

/**
 * Cuts a line at the braces outside double quotes, as `read_line` does: each brace is a piece of its own. What stands in `${…}` is no
 * brace here; the caller has complained about it.
 */
export function cutAtBraces(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  let quoted = false
  const push = (end: number) => {
    const piece = text.slice(start, end).trim()
    if (piece !== '') pieces.push(piece)
  }
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === '"') quoted = !quoted
    if (quoted || (letter !== '{' && letter !== '}')) continue
    push(at)
    pieces.push(letter)
    start = at + 1
  }
  push(text.length)
  return pieces
}
