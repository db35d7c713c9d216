import { uptime } from 'node:os'

/** CLOCK_BOOTTIME in milliseconds, in steps of 10: goes on while the host sleeps. */
export function bootTimeMs(): number {
  return uptime() * 1000
}

/** Unix time in milliseconds: for names and log lines, never for a decision about life and death. */
export function wallClockMs(): number {
  return Date.now()
}

/** The wall clock as ISO 8601, for people. */
export function isoNow(): string {
  return new Date().toISOString()
}
