/** One reading of this host's clocks. Monotonic time decides everything; the wall clock is only written down. */
export interface Instant {
  /** CLOCK_MONOTONIC in milliseconds: goes on while the process is stopped, stands still while the host sleeps. */
  readonly monoMs: number
  /** CLOCK_BOOTTIME in milliseconds, in steps of 10: goes on while the host sleeps. */
  readonly bootMs: number
  /** Unix time in milliseconds. For log lines and Heartbeat's `ts` field, never for a decision. */
  readonly wallMs: number
}
