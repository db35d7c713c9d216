import { quoted } from '../problems.ts'
import type { Line } from './lines.ts'
import type { Report } from './report.ts'
import { cutAtBraces, wordsOf } from './text.ts'

/** A keyword with its words, and the block that may follow. */
export interface Statement {
  /** Never empty. */
  readonly words: readonly string[]
  /** The line as it stands, from the keyword on. */
  readonly text: string
  readonly where: string
  block?: Statement[]
}

const depthMax = 32

/** Builds the tree of blocks. Braces that do not match are errors: keepalived would go on with a part of the file. */
export function readStatements(lines: readonly Line[], report: Report): readonly Statement[] {
  const top: Statement[] = []
  const open: { readonly head: Statement; readonly inner: Statement[] }[] = []
  let head: Statement | undefined
  for (const { text, where } of lines) {
    for (const piece of cutAtBraces(text)) {
      if (piece === '{') {
        if (head === undefined) {
          report.breaks(where, "'{' stands where a keyword is expected; is this an unfilled template?")
          return top
        }
        if (open.length >= depthMax) {
          report.breaks(where, `blocks are nested more than ${depthMax} deep`)
          return top
        }
        head.block = []
        open.push({ head, inner: head.block })
        head = undefined
      } else if (piece === '}') {
        if (open.pop() === undefined) {
          report.breaks(where, "one '}' too many: every block is closed already")
          return top
        }
        head = undefined
      } else {
        const words = wordsOf(piece)
        if (words === undefined || words.length === 0) {
          report.breaks(where, `${quoted(piece)}: a double quote has no partner`)
          continue
        }
        head = { words, text: piece, where }
        ;(open.at(-1)?.inner ?? top).push(head)
      }
    }
  }
  for (const { head } of open)
    report.error(head.where, `the block of ${quoted(head.words.join(' '))} is not closed: '}' is missing`)
  return top
}
