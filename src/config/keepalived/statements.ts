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

/** So many lines of one block are read; the largest pairs have some hundred. */
const linesMax = 5000

/** The blocks of a file. */
export interface Tree {
  readonly statements: readonly Statement[]
  /** The innermost block that is still open at the end. */
  readonly unclosed?: Statement | undefined
}

/** Builds the tree of blocks. Braces that do not match are errors: keepalived would go on with a part of the file. */
export function readStatements(lines: readonly Line[], report: Report): Tree {
  const top: Statement[] = []
  const open: { readonly head: Statement; readonly inner: Statement[] }[] = []
  let head: Statement | undefined
  for (const { text, where } of lines) {
    for (const piece of cutAtBraces(text)) {
      if (piece === '{') {
        if (head === undefined) {
          report.misbuilt(where, "'{' stands where a keyword is expected; is this an unfilled template?")
          return { statements: top }
        }
        if (open.length >= depthMax) {
          report.misbuilt(where, `blocks are nested more than ${depthMax} deep`)
          return { statements: top }
        }
        head.block = []
        open.push({ head, inner: head.block })
        head = undefined
      } else if (piece === '}') {
        if (open.pop() === undefined) {
          report.misbuilt(where, "one '}' too many: every block is closed already")
          return { statements: top }
        }
        head = undefined
      } else {
        const { words, isCut } = wordsOf(piece)
        if (words.length === 0) {
          report.breaks(where, `${quoted(piece)}: a double quote has no partner`)
          continue
        }
        if (isCut)
          report.warning(
            where,
            `keepalived complains about the quotes in ${quoted(piece)}; only a command may have escaped ones`,
          )
        head = { words, text: piece, where }
        const block = open.at(-1)?.inner ?? top
        block.push(head)
        if (block.length > linesMax) {
          report.misbuilt(where, `a block has more than ${linesMax} lines; the rest is not read`)
          return { statements: top }
        }
      }
    }
  }
  return { statements: top, unclosed: open.at(-1)?.head }
}
