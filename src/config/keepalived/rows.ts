import type { IpFamily } from '../../options/vrrp-options.ts'
import { quoted, suggestion } from '../problems.ts'
import type { KeepalivedHost } from './host.ts'
import type { Report } from './report.ts'
import type { Statement } from './statements.ts'

/** What becomes of a keyword: it acts, something else stands in for it, it is read and has no effect, or it stops the start. */
export type Fate = 'honoured' | 'mapped' | 'noted' | 'refused'

/** What the rows work on. */
export interface Context {
  readonly report: Report
  readonly host: KeepalivedHost
}

/** One keyword of one block. `docs/keepalived-conf.md` shows these rows; a test compares the two. */
export interface Row<Draft> {
  readonly name: string
  /** What follows the name. */
  readonly form: string
  readonly fate: Fate
  /** What it does here, or why it is noted or refused. */
  readonly reason: string
  /** How many words may follow: more have no effect. */
  readonly words: readonly [least: number, most: number]
  /** Whether a block in braces follows. */
  readonly block: boolean
  /** What counts when the keyword stands there again. */
  readonly again: 'last' | 'first' | 'each'
  apply(draft: Draft, statement: Statement, context: Context): void
}

/** The keywords of a block. */
export type Table<Draft> = readonly Row<Draft>[]

type Apply<Draft> = Row<Draft>['apply']

/** A keyword with one value, the last of which counts. */
export function honoured<Draft>(name: string, form: string, apply: Apply<Draft>, reason: string): Row<Draft> {
  const [least, most] = wordsOfForm(form)
  return { name, form, fate: 'honoured', reason, words: [least, most], block: false, again: 'last', apply }
}

/** A keyword with a block. */
export function block<Draft>(name: string, form: string, apply: Apply<Draft>, reason: string): Row<Draft> {
  return { ...honoured(name, form, apply, reason), block: true, again: 'each' }
}

/** A keyword whose purpose is met by other means; said once. */
export function mapped<Draft>(row: Row<Draft>): Row<Draft> {
  const apply: Apply<Draft> = (draft, statement, context) => {
    context.report.note(statement.where, `${row.name}: ${row.reason}`)
    row.apply(draft, statement, context)
  }
  return { ...row, fate: 'mapped', apply }
}

/** A keyword that is read and has no effect. */
export function noted<Draft>(name: string, form: string, reason: string): Row<Draft> {
  const apply: Apply<Draft> = (_draft, { where }, { report }) => report.note(where, `${name} is ignored: ${reason}`)
  return { ...honoured(name, form, apply, reason), fate: 'noted', again: 'each', block: form.endsWith('}') }
}

/** A keyword of other versions, whose line keepalived 2.2.7 does not understand either. */
export function outdated<Draft>(name: string, form: string, instead: string): Row<Draft> {
  const reason = `keepalived 2.2.7 does not know it, and ignores the line as well; ${instead}`
  const apply: Apply<Draft> = (_draft, { where }, { report }) => report.warning(where, `${name} is ignored: ${reason}`)
  return { ...noted<Draft>(name, form, reason), apply }
}

/** A keyword that stops the start. */
export function refused<Draft>(name: string, form: string, reason: string): Row<Draft> {
  const apply: Apply<Draft> = (_draft, { where }, { report }) => report.breaks(where, `${name} is refused: ${reason}`)
  return { ...honoured(name, form, apply, reason), fate: 'refused', again: 'each', block: form.endsWith('}') }
}

/** `A [B]` takes one or two words; `…` any number; a block none. */
function wordsOfForm(form: string): [number, number] {
  const plain = form.replace(/\{.*\}$/, '')
  const count = (text: string) => text.split(/[\s[\]]+/).filter((word) => word !== '' && word !== '…').length
  const least = count(plain.replaceAll(/\[[^\]]*\]/g, ' '))
  return [least, plain.includes('…') ? Number.POSITIVE_INFINITY : count(plain)]
}

/** Reads the statements of one block by its table. */
export function readBlock<Draft>(
  table: Table<Draft>,
  draft: Draft,
  head: Statement | undefined,
  statements: readonly Statement[],
  context: Context,
  outer: readonly string[] = [],
): void {
  const { report } = context
  const seen = new Map<string, string>()
  const known = new Map(table.map((row) => [row.name, row]))
  for (const statement of statements) {
    if (report.isFull) return
    const [name = '', ...values] = statement.words
    const { where } = statement
    const row = known.get(name)
    if (row === undefined) {
      unknown(name, statement, head, [...known.keys()], outer, report)
      continue
    }
    if (!fits(row, statement, values.length, report)) continue
    const before = seen.get(name)
    if (before !== undefined && row.again !== 'each')
      report.warning(where, `${name} is already set in ${before}; as in keepalived, the ${row.again} one counts`)
    seen.set(name, where)
    if (before === undefined || row.again !== 'first') row.apply(draft, statement, context)
  }
}

function fits<Draft>(row: Row<Draft>, { where, block: inner }: Statement, count: number, report: Report): boolean {
  const [least, most] = row.words
  if (count < least) report.breaks(where, `${row.name} needs ${row.form}; keepalived stops here`)
  else if (row.block && inner === undefined)
    report.breaks(where, `${row.name} needs a block: '{' is missing; keepalived would read what follows as its content`)
  else if (!row.block && inner !== undefined)
    report.breaks(where, `${row.name} does not take a block; keepalived would end the enclosing block at its '}'`)
  else {
    if (count > most)
      report.warning(
        where,
        `${row.name} takes ${most === 0 ? 'no value' : row.form}; as in keepalived more words have no effect`,
      )
    return true
  }
  return false
}

/** As in keepalived an unknown keyword loses its line; with a block it would lose the rest of the enclosing one. */
function unknown(
  name: string,
  { where, block: inner }: Statement,
  head: Statement | undefined,
  names: readonly string[],
  outer: readonly string[],
  report: Report,
): void {
  const hint = names.length === 0 ? '' : suggestion(name, names)
  const right = hint.startsWith('did you mean') ? `; ${hint}` : ''
  const place = head === undefined ? 'at the top of a file' : `in ${head.words.slice(0, 2).join(' ')}`
  if (inner === undefined) {
    const message = `${quoted(name)} is not a keyword ${place}; as in keepalived its line has no effect${right}`
    report.warning(where, message)
    return
  }
  if (head !== undefined && outer.includes(name)) {
    report.misbuilt(
      head.where,
      `the block of ${head.words[0]} is not closed: ${quoted(name)} (${where}) does not belong there`,
    )
    return
  }
  const loss =
    head === undefined ? '' : `, and with its block keepalived loses the rest of ${head.words.slice(0, 2).join(' ')}`
  report.breaks(where, `${quoted(name)} is not a keyword ${place}${loss}${right}`)
}

/** Everything about a number that a row wants to know. */
export interface NumberRule {
  readonly least: number
  readonly most: number
  /** A fraction is allowed; the result is `unit` times the number, rounded. */
  readonly unit?: number | undefined
  /** What keepalived does with a bad one, and so is done here: `uses 100`. Undefined: a bad one is an error. */
  readonly otherwise?: string | undefined
  /** Letters after the digits make it bad; otherwise they are lost with a warning, as `strtol` reads it. */
  readonly strict?: true | undefined
}

/** A number of a statement; undefined: it is none, which has been told. */
export function numberAt(
  { words, where }: Statement,
  at: number,
  { least, most, unit, otherwise, strict }: NumberRule,
  report: Report,
): number | undefined {
  const text = (words[at] ?? '').trim()
  const isNumber = unit === undefined ? /^[+-]?\d+$/.test(text) : /^\d*\.?\d*$/.test(text) && /\d/.test(text)
  const value = Number(text)
  if (isNumber && value >= least && value <= most) return unit === undefined ? value : Math.round(value * unit)
  const [digits] = /^\d+(?=\D)/.exec(text) ?? []
  if (!strict && unit === undefined && digits !== undefined && Number(digits) >= least && Number(digits) <= most) {
    report.warning(where, `${words[0]}: ${quoted(text)} is not a number; read as ${digits}, as keepalived does`)
    return Number(digits)
  }
  const what = isNumber ? `is not between ${least} and ${most}` : 'is not a number'
  const message = `${words[0]}: ${quoted(text)} ${what}`
  if (otherwise === undefined) report.error(where, message)
  else report.warning(where, `${message}; keepalived ${otherwise}, and so does this`)
  return undefined
}

/** A switch: present means on, unless it says otherwise. Undefined: it says neither, which has been told. */
export function switchAt({ words, where }: Statement, report: Report): boolean | undefined {
  const word = words[1]
  if (word === undefined || ['true', 'on', 'yes'].includes(word)) return true
  if (['false', 'off', 'no'].includes(word)) return false
  report.warning(where, `${words[0]}: ${quoted(word)} is neither on nor off; as in keepalived the line has no effect`)
  return undefined
}

/** The lines of a block of values. Blocks inside are errors. */
export function entriesOf(statement: Statement, report: Report): readonly Statement[] {
  return (statement.block ?? []).filter(({ block: inner, where, words }) => {
    if (inner !== undefined) report.breaks(where, `${quoted(words[0] ?? '')}: ${statement.words[0]} holds no blocks`)
    return inner === undefined
  })
}

/** All words of a block of values. */
export function wordsInside(statement: Statement, report: Report): readonly { word: string; where: string }[] {
  return entriesOf(statement, report).flatMap(({ words, where }) => words.map((word) => ({ word, where })))
}

/** How an IP version is called. */
export const familyName = (family: IpFamily): string => `IPv${family}`
