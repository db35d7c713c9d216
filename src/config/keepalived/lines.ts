import { dirname, resolve } from 'node:path'
import { messageOf } from '../../roles/error.ts'
import { quoted } from '../problems.ts'
import type { KeepalivedHost } from './host.ts'
import type { Report } from './report.ts'
import { type Bare, decomment, lineMax } from './text.ts'

/** A line as keepalived's parser gets it: variables replaced, conditions decided, files included. */
export interface Line {
  readonly text: string
  /** `file:line` where the text stands; inside a definition of several lines that of the definition. */
  readonly where: string
}

/** More than that is no configuration, but a mistake or an attack. */
const limits = { files: 500, depth: 16, bytes: 8_388_608, lines: 200_000, letters: 16_777_216, replacements: 200 }

/** A line and where it stands. */
interface Source {
  readonly text: string
  readonly where: string
}

/** Ends the reading: a limit was passed, and it has been told. */
class Enough extends Error {}

/** Names of the parameters that keepalived defines itself. */
const predefined = ['_PWD', '_INSTANCE', '_RANDOM', '_HASH', '_BANG']

/** What `check` demands of an include. */
const includeForms: Readonly<Record<string, readonly string[]>> = {
  include: [],
  includer: ['readable'],
  includem: ['readable', 'match'],
  includew: ['readable', 'match', 'wildcard_match'],
  includeb: ['readable', 'brace_match'],
  includea: ['readable', 'match', 'wildcard_match', 'brace_match'],
}

/**
 * Reads a configuration with everything it includes, in the order and with the replacements of keepalived 2.2.7 (`read_line` of
 * `lib/parser.c`). Problems go to `report`; nothing is thrown for what a file says.
 */
export function readLines(file: string, host: KeepalivedHost, report: Report): readonly Line[] {
  const reader = new LineReader(host, report)
  try {
    reader.read(file)
  } catch (error) {
    if (!(error instanceof Enough)) throw error
    report.isMisbuilt = true
  }
  return reader.lines
}

class LineReader {
  readonly lines: Line[] = []
  readonly #host: KeepalivedHost
  readonly #report: Report
  readonly #definitions = new Map<string, readonly Source[]>()
  readonly #open: string[] = []
  #files = 0
  #bytes = 0
  #letters = 0
  #steps = 0

  constructor(host: KeepalivedHost, report: Report) {
    this.#host = host
    this.#report = report
  }

  read(path: string): void {
    let content: string
    try {
      content = this.#host.read(path)
    } catch (error) {
      this.#report.error(path, `cannot be read: ${messageOf(error)}`)
      return
    }
    this.#files += 1
    this.#bytes += content.length
    if (this.#files > limits.files) this.#stop(path, `more than ${limits.files} files`)
    if (this.#bytes > limits.bytes) this.#stop(path, `more than ${limits.bytes} bytes in all`)
    this.#open.push(path)
    this.#readText(content, path)
    this.#open.pop()
  }

  #stop(where: string, what: string): never {
    this.#report.error(where, `${what}: the rest is not read`)
    throw new Enough()
  }

  #readText(content: string, path: string): void {
    const all = content.split('\n')
    for (let at = 0; at < all.length; at++) {
      const where = `${path}:${at + 1}`
      const bare = this.#bare(all[at] as string, where)
      const [, name, value = ''] = /^\$([A-Za-z_]\w*)=(.*)$/s.exec(bare.text) ?? []
      if (name !== undefined && bare.continues) {
        at = this.#define(name, value, all, at, path)
      } else {
        const text = bare.continues ? `${bare.text} \\` : bare.text
        if (text !== '') this.#feed({ text, where })
      }
    }
  }

  #bare(raw: string, where: string): Bare {
    const line = raw.replace(/\r+$/, '')
    if (Buffer.byteLength(line) > lineMax) {
      this.#report.breaks(where, `is longer than ${lineMax} bytes; keepalived would read it as two lines`)
      return { text: '', continues: false, unbalanced: false }
    }
    const bare = decomment(line)
    if (bare.unbalanced) this.#report.breaks(where, 'a double quote has no partner in this line')
    return bare
  }

  /** A definition of several lines; answers the last of them. */
  #define(name: string, first: string, all: readonly string[], start: number, path: string): number {
    const value: Source[] = []
    const add = (text: string, at: number) => {
      if (text.trim() !== '') value.push({ text: text.trim(), where: `${path}:${at + 1}` })
    }
    add(first, start)
    let at = start + 1
    for (; at < all.length; at++) {
      const bare = this.#bare(all[at] as string, `${path}:${at + 1}`)
      add(bare.text, at)
      if (!bare.continues) break
    }
    this.#definitions.set(name, value)
    return at
  }

  /** One line, and those that a definition in it adds, through conditions, definitions, replacement and include. */
  #feed(source: Source): void {
    const waiting = [source]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.#steps += 1
      if (this.#steps > limits.lines) this.#stop(next.where, `more than ${limits.lines} lines with all replacements`)
      waiting.push(...this.#take(next).reverse())
    }
  }

  /** Takes one line, and answers those that come before the next one of the file. */
  #take({ text: written, where }: Source): Source[] {
    const rest: Source[] = []
    let text = written
    for (let round = 0; ; round++) {
      const meant = this.#conditional(text)
      if (meant === undefined) return []
      text = meant
      const [, name, value = ''] = /^\$([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? []
      if (name !== undefined) {
        this.#definitions.set(name, value === '' ? [] : [{ text: value, where }])
        return []
      }
      if (/^~(SEQ|LST)/.test(text)) {
        this.#report.breaks(
          where,
          `${text.slice(0, 4)} generates lines that are in no file, so a message could not say where one is; write the lines out`,
        )
        return []
      }
      const replaced = this.#replaced(text, where, rest)
      if (replaced === undefined) break
      text = decomment(replaced).text
      if (round >= limits.replacements || !(text.startsWith('@') || text.includes('$'))) break
    }
    this.#emit(text, where)
    return rest
  }

  /** The line without its condition; undefined where the condition does not hold. */
  #conditional(text: string): string | undefined {
    if (!text.startsWith('@')) return text
    const [, not, id, rest = ''] = /^@(\^?)([^ \t]*)[ \t]+(.*)$/s.exec(text) ?? []
    if (id === undefined) return undefined
    return (id === this.#host.configId) === (not === '') ? rest : undefined
  }

  /** The line with its definitions in place; what a definition of several lines adds comes first in `rest`. Undefined: as it was. */
  #replaced(text: string, where: string, rest: Source[]): string | undefined {
    let found = false
    let result = text
    let from = 0
    for (let count = 0; ; count++) {
      const at = result.indexOf('$', from)
      if (at < 0) break
      const [whole, braced, plain] =
        /^\$(?:\{([A-Za-z_]\w*)(?: [ \d]*)?\}|([A-Za-z_]\w*)(?![^ \t,)]))/.exec(result.slice(at, at + lineMax)) ?? []
      const value = whole === undefined ? undefined : this.#valueOf((braced ?? plain) as string, where)
      if (whole === undefined || value === undefined) {
        from = at + 1
        continue
      }
      if (value.length > 1 && at + whole.length < result.length) {
        from = at + 1
        continue
      }
      const [first, ...others] = value
      rest.unshift(...others)
      result = result.slice(0, at) + (first?.text ?? '') + result.slice(at + whole.length)
      found = true
      if (count > limits.replacements || result.length > lineMax)
        this.#stop(where, `is longer than ${lineMax} bytes with its definitions, or they name each other in a circle`)
      from = at
    }
    return found ? result : undefined
  }

  #valueOf(name: string, where: string): readonly Source[] | undefined {
    const own = this.#definitions.get(name)
    if (own !== undefined || !predefined.includes(name)) return own
    if (name === '_RANDOM') {
      this.#report.breaks(where, '_RANDOM means something else on every start; write a number')
      return [{ text: '0', where }]
    }
    const directory = dirname(resolve(this.#open.at(-1) ?? '.'))
    const text = { _PWD: directory, _INSTANCE: this.#host.configId, _HASH: '#', _BANG: '!' }[name] as string
    return [{ text, where }]
  }

  #emit(text: string, where: string): void {
    if (text === '') return
    const include = /^(include[rmwba]?)[ \t]+(.+)$/.exec(text)
    if (include) {
      this.#include(include[1] as string, include[2] as string, where)
      return
    }
    this.#letters += text.length
    if (this.#letters > limits.letters) this.#stop(where, `more than ${limits.letters} letters with all replacements`)
    this.lines.push({ text: this.#withoutUndefined(text, where), where })
  }

  /** Complains about names that are not defined; their braces would else be taken for a block. */
  #withoutUndefined(text: string, where: string): string {
    let quote = false
    const undefinedOnes: string[] = []
    const shown = text.replace(/"|\$\{[^{}"]*\}|\$[A-Za-z_]\w*(?![^ \t])/g, (found) => {
      if (found === '"') {
        quote = !quote
        return found
      }
      if (quote || !found.startsWith('${')) {
        undefinedOnes.push(found)
        return found
      }
      this.#report.breaks(
        where,
        `${found} is not defined, and keepalived reads its braces as a block, so that the rest of the enclosing block is lost; ` +
          'define it, or fill in the template',
      )
      return found.replace(/[{}]/g, '')
    })
    for (const name of undefinedOnes)
      this.#report.warning(where, `${quoted(name)} is not defined and stays as it is, as in keepalived`)
    return shown
  }

  #include(form: string, pattern: string, where: string): void {
    const demands = includeForms[form] as readonly string[]
    const from = this.#open.at(-1) as string
    if (this.#open.length >= limits.depth) this.#stop(where, `includes are nested more than ${limits.depth} deep`)
    const paths = this.#host.glob(pattern, dirname(resolve(from)))
    const isPattern = /[*?[{]/.test(pattern)
    if (paths.length === 0) {
      const must = demands.includes(isPattern ? 'wildcard_match' : 'match')
      const message = `no file is ${quoted(pattern)}`
      if (must || (demands.includes('readable') && !isPattern)) this.#report.error(where, message)
      else this.#report.warning(where, `${message}; keepalived goes on without it`)
    }
    for (const path of paths) {
      if (this.#open.some((one) => resolve(one) === resolve(path))) {
        this.#report.error(where, `${path} includes itself`)
        continue
      }
      const refusal = this.#host.whyNotIncluded(path)
      if (refusal === undefined) this.read(path)
      else if (demands.includes('readable')) this.#report.error(where, `${path} ${refusal}`)
      else this.#report.warning(where, `${path} ${refusal}; keepalived goes on without it`)
    }
  }
}
