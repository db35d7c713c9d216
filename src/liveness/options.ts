import { type Duration, durationMs } from '../roles/duration.ts'
import { messageOf } from '../roles/error.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'

/** A problem of an option, in the order in which they are found. */
export type LivenessIssue = LivenessPlugin['issues'][number]

/** A relation between options that does not hold: whether it is broken, which option, how bad, and what is wrong. */
export type BrokenRule = readonly [broken: boolean, path: string, severity: 'error' | 'warning', message: string]

/** Milliseconds of an option; NaN, and an issue, when it cannot be read. Comparisons with NaN are false: nothing is complained about twice. */
export function readDuration(
  value: Duration | undefined,
  path: string,
  fallbackMs: number,
  issues: LivenessIssue[],
): number {
  if (value === undefined) return fallbackMs
  try {
    return durationMs(value, path)
  } catch (error) {
    issues.push({ path, message: messageOf(error).replace(`${path}: `, ''), severity: 'error' })
    return Number.NaN
  }
}

/** Adds the rules that are broken to the issues. */
export function judgeRules(rules: readonly BrokenRule[], issues: LivenessIssue[]): void {
  for (const [broken, path, severity, message] of rules) if (broken) issues.push({ path, message, severity })
}
