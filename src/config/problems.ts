import { HotStandbyError, type Issue, isHotStandbyError } from '../roles/error.ts'

/** A value that cannot be used; the reader that catches it adds `file:line`. */
export function badValue(message: string): HotStandbyError {
  return new HotStandbyError('HS_CONFIG', message)
}

/**
 * Runs `make`; what it complains about (`HS_CONFIG`, as plug-in factories throw it) becomes issues, so that one reading
 * reports every problem of a file. Any other error is a fault of this library and passes through.
 * @param where `file:line`, or how to find it for the option path that the complaint names.
 */
export function attempt<T>(issues: Issue[], where: string | ((path: string) => string), make: () => T): T | undefined {
  const place = typeof where === 'string' ? () => where : where
  try {
    return make()
  } catch (error) {
    if (!isHotStandbyError(error)) throw error
    const { issues: found, message: whole } = error as HotStandbyError
    if (found.length === 0) issues.push({ where: place(''), message: whole, severity: 'error' })
    for (const { where: path, message } of found) {
      const head = typeof where === 'string' || path === '' || message.startsWith(path) ? '' : `${path}: `
      issues.push({ where: place(path), message: head + message, severity: 'error' })
    }
    return undefined
  }
}

/** So many problems of one file are told; who has more is helped by the first ones, and reading on would only take time. */
const problemsMax = 100

/** True when a file has so many problems that the rest of it is not read; says so once, at `where`. */
export function areTooMany(issues: Issue[], where: string): boolean {
  if (issues.length < problemsMax) return false
  const message = `${problemsMax} problems so far; the rest of the file was not read`
  if (!issues.some((issue) => issue.message === message)) issues.push({ where, message, severity: 'error' })
  return true
}

/** True when `issues` holds an error, so that nothing may start. */
export function hasErrors(issues: readonly Issue[]): boolean {
  return issues.some((issue) => issue.severity === 'error')
}

/** The issues of one file by line; what belongs to no line comes last. */
export function inOrder(issues: readonly Issue[]): readonly Issue[] {
  const lineOf = ({ where }: Issue): number => Number(/:(\d+)$/.exec(where)?.[1] ?? Number.MAX_SAFE_INTEGER)
  return [...issues].sort((a, b) => lineOf(a) - lineOf(b))
}

/** Number of single-letter changes between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

/** `did you mean 'x'?` for the valid name nearest to `word`, or the whole list where it is short, or nothing. */
export function suggestion(word: string, names: readonly string[]): string {
  const clipped = word.toLowerCase().slice(0, 64)
  let best: { name: string; steps: number } | undefined
  for (const name of names) {
    const steps = distance(clipped, name.toLowerCase())
    if (!best || steps < best.steps) best = { name, steps }
  }
  if (
    best &&
    best.steps < clipped.length &&
    best.steps <= Math.max(clipped.length < 4 ? 1 : 2, Math.floor(clipped.length / 3))
  )
    return `did you mean '${best.name}'?`
  return names.length <= 12 ? `valid are ${names.join(', ')}` : ''
}

/** A found word as shown in a message: quoted, and cut where it is very long. */
export function quoted(word: string): string {
  return `'${word.length > 80 ? `${word.slice(0, 77)}…` : word}'`
}
