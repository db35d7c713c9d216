import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { readPlainFile } from './durable-file.ts'

/** Configurations of other programs that are longer are not read. */
const limitBytes = 4_194_304

/**
 * Texts of the files that a pattern names, in alphabetical order; `*` and `?` stand only in its last part. What cannot be
 * read is left out: the program whose configuration it is will say so itself.
 */
export function readIncluded(pattern: string): readonly string[] {
  return matching(pattern).flatMap((path) => {
    try {
      return [readPlainFile(path, { limitBytes }).toString('utf8')]
    } catch {
      return []
    }
  })
}

function matching(pattern: string): readonly string[] {
  const last = basename(pattern)
  if (!/[*?]/.test(last)) return [pattern]
  try {
    const names = readdirSync(dirname(pattern)).filter((name) => !name.startsWith('.') && matches(name, last))
    return names.sort().map((name) => join(dirname(pattern), name))
  } catch {
    return []
  }
}

/** Whether a name fits a pattern of `*` and `?`. Only the last `*` is ever tried again, so many of them cost no more. */
function matches(name: string, pattern: string): boolean {
  let [at, rule, star, retry] = [0, 0, -1, 0]
  while (at < name.length) {
    if (pattern[rule] === '*') [star, retry] = [rule++, at]
    else if (rule < pattern.length && (pattern[rule] === '?' || pattern[rule] === name[at]))
      [at, rule] = [at + 1, rule + 1]
    else if (star >= 0) [at, rule] = [++retry, star + 1]
    else return false
  }
  return /^\**$/.test(pattern.slice(rule))
}
