import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Texts of the files that a pattern names, in alphabetical order; `*` and `?` stand only in its last part. What cannot be
 * read is left out: the program whose configuration it is will say so itself.
 */
export function readIncluded(pattern: string): readonly string[] {
  return matching(pattern).flatMap((path) => {
    try {
      return [readFileSync(path, 'utf8')]
    } catch {
      return []
    }
  })
}

function matching(pattern: string): readonly string[] {
  const last = basename(pattern)
  if (!/[*?]/.test(last)) return [pattern]
  const parts = last.split(/([*?])/).map((part) => {
    if (part === '*') return '.*'
    return part === '?' ? '.' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&')
  })
  const rule = new RegExp(`^${parts.join('')}$`)
  try {
    const names = readdirSync(dirname(pattern)).filter((name) => !name.startsWith('.') && rule.test(name))
    return names.sort().map((name) => join(dirname(pattern), name))
  } catch {
    return []
  }
}
