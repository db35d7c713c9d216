import type { GroupOptions } from '../cluster/options.ts'
import type { Issue } from '../roles/error.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'

/** How far a host's clock may run fast or slow: 1 % is far more than any working clock does. */
const CLOCK_RATE_ERROR = 0.01

/** Lateness of timers that is reckoned with. */
const MARGIN_MS = 150

/**
 * How long both nodes can serve when one is cut off from peer and ping targets at once: it notices after `deadpingMs` and
 * then needs its stop, while the peer takes over after the dead time. 0 where the times rule an overlap out.
 *
 * h + T·(1+ρ) + S + m − D·(1−ρ), with h keepalive, T deadping, ρ clock error, S the stop limits of the slowest group, m the
 * margin, D the dead time.
 */
export function overlapMs(times: LivenessTimes, deadpingMs: number, groups: readonly GroupOptions[]): number {
  const stops = groups.map(({ resources }) => resources.reduce((sum, resource) => sum + resource.times.stopMs, 0))
  const isolatedMs = times.keepaliveMs + deadpingMs * (1 + CLOCK_RATE_ERROR) + Math.max(0, ...stops) + MARGIN_MS
  return Math.max(0, Math.round(isolatedMs - times.deadtimeMs * (1 - CLOCK_RATE_ERROR)))
}

/** The overlap as a warning at `where`, if there is one. */
export function overlapIssues(
  where: string,
  times: LivenessTimes,
  deadpingMs: number,
  groups: readonly GroupOptions[],
): readonly Issue[] {
  const ms = overlapMs(times, deadpingMs, groups)
  if (ms === 0) return []
  const message =
    `deadping (${deadpingMs} ms) lets both nodes serve for up to ${ms} ms when one is cut off from its peer and every ping ` +
    `target: the peer takes over after deadtime (${times.deadtimeMs} ms), the isolated node has stopped only later ` +
    '(without an upper limit where onIsolated is continue); a shorter deadping or a longer deadtime closes the gap'
  return [{ where, message, severity: 'warning' }]
}
