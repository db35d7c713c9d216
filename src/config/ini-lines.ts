import { createRequire } from 'node:module'
import type ini from 'ini'
import type { Issue } from '../roles/error.ts'
import { areTooMany, quoted } from './problems.ts'

/** One key of a section, with every value given to it (`key[] = …` may stand in several lines). */
export interface IniEntry {
  /** Of the first value. */
  readonly line: number
  readonly values: string[]
  /** Line of each value. */
  readonly lines: number[]
  readonly isList: boolean
}

/** One section: `[kind]` or `[kind.name]`; the lines before the first header are the section with the empty kind. */
export interface IniSection {
  readonly kind: string
  /** Everything after the first dot of the header. */
  readonly name: string | undefined
  readonly line: number
  readonly entries: ReadonlyMap<string, IniEntry>
}

/** Loaded when a file is first read: the loader of CommonJS modules takes memory, which a member made in code shall not pay. */
let loaded: typeof ini | undefined
function library(): typeof ini {
  loaded ??= createRequire(import.meta.url)('ini') as typeof ini
  return loaded
}

/**
 * Reads the lines of an ini file, each by itself with the `ini` package, which knows quotes, escapes and comments but not
 * where anything stands.
 */
export function readIniLines(text: string, file: string, issues: Issue[]): readonly IniSection[] {
  let entries = new Map<string, IniEntry>()
  const sections: IniSection[] = [{ kind: '', name: undefined, line: 0, entries }]
  /** Line of each header. */
  const headers = new Map<string, number>()
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1
    if (areTooMany(issues, `${file}:${line}`)) break
    const where = `${file}:${line}`
    const complain = (message: string) => issues.push({ where, message, severity: 'error' })
    if (/^\s*([;#]|$)/.test(raw)) continue
    const header = /^\s*\[([^\]]*)\]\s*([;#].*)?$/.exec(raw)
    if (header) {
      const title = String(library().unsafe(header[1]!))
      const dot = title.indexOf('.')
      const kind = dot < 0 ? title : title.slice(0, dot)
      const name = dot < 0 ? undefined : title.slice(dot + 1).replaceAll('\\.', '.')
      const before = headers.get(JSON.stringify([kind, name]))
      if (before !== undefined) complain(`section [${title}] is already in line ${before}; put its keys there`)
      else headers.set(JSON.stringify([kind, name]), line)
      entries = new Map()
      sections.push({ kind, name, line, entries })
      continue
    }
    readEntry(raw, line, entries, complain)
  }
  return sections
}

function readEntry(
  raw: string,
  line: number,
  entries: Map<string, IniEntry>,
  complain: (message: string) => void,
): void {
  const [pair] = raw.includes('=') ? Object.entries(library().parse(raw) as Record<string, unknown>) : []
  if (!pair || pair[0] === '') {
    complain(`${quoted(raw.trim())} is neither 'key = value' nor '[section]'`)
    return
  }
  const [key, found] = pair
  const isList = Array.isArray(found)
  const value = String(isList ? found[0] : found)
  const before = entries.get(key)
  const problem = valueProblem(key, value, raw.slice(raw.indexOf('=') + 1).trim())
  if (problem) complain(problem)
  else if (before && !(isList && before.isList)) {
    const right = isList || before.isList ? `write '${key}[] = …' in each line` : 'leave one of them out'
    complain(`${key} is already in line ${before.line}; ${right}`)
  } else {
    entries.set(key, {
      line: before?.line ?? line,
      values: before ? push(before.values, value) : [value],
      lines: before ? push(before.lines, line) : [line],
      isList,
    })
  }
}

function valueProblem(key: string, value: string, text: string): string | undefined {
  // The ini package ends a value at an unescaped ; or #: behind a blank that is a comment, otherwise a value cut short.
  const uncommented = text.replace(/(^|\s)[;#].*$/, '')
  if (!/^["']/.test(text) && /(?<!\\)[;#]/.test(uncommented)) {
    return `the value of ${key} holds ';' or '#', which begins a comment; put the value in double quotes`
  }
  return value === '' ? `${key} has no value; write '${key} = VALUE' or leave the line out` : undefined
}

/** The same list, longer: a copy for each value would make long lists slow. */
function push<T>(list: T[], value: T): T[] {
  list.push(value)
  return list
}
