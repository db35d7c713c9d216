import type { RespawnOptions } from '../options/options.ts'
import type { ArbiterPlugin } from '../roles/arbiter.ts'
import type { Issue } from '../roles/error.ts'
import type { TransportPlugin } from '../roles/transport.ts'

/** Heartbeat's `auto_failback`. */
export type AutoFailback = boolean | 'legacy'

/** Where the log goes, as the configuration has it. */
export interface LoggingOptions {
  /** File for messages (`logfile`). */
  readonly file?: string | undefined
  /** File for messages and debug output (`debugfile`). */
  readonly debugFile?: string | undefined
  /** Syslog facility (`logfacility`); undefined: no syslog. */
  readonly facility?: string | undefined
  /** Debug level, 0 (off) to 255. */
  readonly debug: number
}

/** A value that a file of ours can hold. */
export type WrittenValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>>

/** Options as they were given to a factory; plain data. */
export type WrittenOptions = Readonly<Record<string, WrittenValue | undefined>>

/** One medium and the line that asked for it. */
export interface Located<T> {
  readonly line: number
  readonly value: T
  /** The options that it was made with, of a medium and of a ping target. */
  readonly options?: WrittenOptions | undefined
}

/** What the directives read so far have set. Rows of the directive table write into it; `ha-cf.ts` makes the options of it. */
export interface HaCfDraft {
  cluster: string
  nodes: Located<string>[]
  keepaliveMs?: number
  deadtimeMs?: number
  warntimeMs?: number
  initdeadMs?: number
  deadpingMs?: number
  /** Port for the `bcast` and `ucast` lines that follow. */
  port: number
  /** Speed of the `serial` lines that follow. */
  baud: number
  media: Located<TransportPlugin>[]
  /** Line of each medium, by what makes it the same as another. */
  mediaLines: Map<string, number>
  arbiters: Located<ArbiterPlugin>[]
  autoFailback?: AutoFailback
  /** `hbgenmethod` and `uuidfrom`. */
  generationFrom?: 'file' | 'time'
  uuidFrom?: 'file' | 'nodename'
  respawn: Located<RespawnOptions>[]
  /** Of the programs and scripts that are run: `HA_NAME`. */
  env: Record<string, string>
  /** Line of `respawn …/ipfail`. */
  ipfailLine?: number
  logFile?: string
  debugFile?: string
  facility?: string
  debug: number
  /** Line being read. */
  line: number
  /** Adds something worth knowing that is no error, at the line being read. */
  remark(severity: Exclude<Issue['severity'], 'error'>, message: string): void
}
