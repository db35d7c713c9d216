import { type ChildProcess, spawn } from 'node:child_process'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { type LogLevel, logLine, logText } from './log-line.ts'
import { createPatientWriter } from './patient-writer.ts'
import { childOptions, findProgram } from './process.ts'

/** A logger that must be closed, so that its last lines arrive. */
export interface ClosableLogger extends Logger {
  close(): Promise<void>
}

/** Lines waiting for a slow disk or a slow `logger` are kept up to this size; what comes on top is dropped and counted. */
const maxWaitingBytes = 1_048_576
/** A `logger` that ended is started again at the next line, but not more often than this. */
const restartAfterMs = 10_000

type Write = (level: LogLevel, fields: object, message: string) => void

function methods(write: Write): Logger {
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  }
}

/**
 * Appends lines to a file (`logfile`, `debugfile` of ha.cf), mode 0640. The file is opened anew for every batch, so a log
 * that was rotated away costs nothing. A disk that is full, slow or hangs never stops the caller, whose lines are lost then; the
 * first failure is reported through `onProblem`, and again only after lines could be written in between.
 */
export function createFileLogger(
  path: string,
  { debug = false, onProblem = () => {} }: { debug?: boolean; onProblem?: (error: HotStandbyError) => void } = {},
): ClosableLogger {
  const writer = createPatientWriter()
  let waiting = ''
  let dropped = 0
  let failing = false
  let flushing: Promise<void> | null = null

  const flush = async (): Promise<void> => {
    while (waiting !== '') {
      const lines = waiting
      waiting = ''
      try {
        await writer.append(path, lines, 0o640)
        failing = false
      } catch (error) {
        if (!failing)
          onProblem(new HotStandbyError('HS_HOST', `log file ${path}: ${messageOf(error)}`, { cause: error }))
        failing = true
      }
    }
    flushing = null
  }
  const write: Write = (level, fields, message) => {
    if (level === 'debug' && !debug) return
    if (waiting.length > maxWaitingBytes) {
      dropped++
      return
    }
    if (dropped > 0) waiting += logLine('warn', { dropped }, 'log lines were dropped', new Date(), process.pid)
    dropped = 0
    waiting += logLine(level, fields, message, new Date(), process.pid)
    flushing ??= flush()
  }
  return {
    ...methods(write),
    async close() {
      await flushing
      await writer.close()
    },
  }
}

/** Numbers of syslog's facilities and severities (RFC 5424 §6.2.1), by the names of ha.cf's `logfacility`. */
const facilities: Readonly<Record<string, number>> = Object.fromEntries(
  [
    ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'].entries(),
    ...Array.from({ length: 8 }, (_, index): [number, string] => [16 + index, `local${index}`]),
  ].map(([number, name]) => [name, number]),
)
const severities: Record<LogLevel, number> = { debug: 7, info: 6, warn: 4, error: 3 }

/** Names that {@link createSyslogLogger} accepts. */
export const syslogFacilities: readonly string[] = Object.keys(facilities)

/** Settings of {@link createSyslogLogger}. */
export interface SyslogLoggerOptions {
  /** Word at the head of every line. Default `heartbeat`, as the daemon's, so that filters go on working. */
  readonly tag?: string | undefined
  /** Absolute path of util-linux's `logger`. Default: looked for in the usual places. */
  readonly program?: string | undefined
  /** Debug lines too. Default false. */
  readonly debug?: boolean | undefined
  /** Called once when lines cannot be delivered; logging goes on trying. */
  readonly onProblem?: ((error: HotStandbyError) => void) | undefined
}

/**
 * Logs to syslog through one long-running `logger` of util-linux (Node has no unix datagram sockets). A host without it, or
 * without a syslog, is reported once; the pair runs on.
 * @throws {HotStandbyError} `HS_CONFIG` for a facility that syslog does not know.
 */
export function createSyslogLogger(facility: string, options: SyslogLoggerOptions = {}): ClosableLogger {
  const number = facilities[facility]
  if (number === undefined) {
    const message = `'${facility}' is not a syslog facility; right is one of ${syslogFacilities.join(', ')}`
    const issues = [{ where: 'logfacility', message, severity: 'error' }] as const
    throw new HotStandbyError('HS_CONFIG', `logfacility: ${message}`, { issues })
  }
  const { tag = 'heartbeat', program = findProgram('logger'), debug = false, onProblem = () => {} } = options
  let child: ChildProcess | null = null
  let startedMs = Number.NEGATIVE_INFINITY
  let reported = false
  let closing = false

  const problem = (reason: string): void => {
    if (reported || closing) return
    reported = true
    onProblem(new HotStandbyError('HS_HOST', `syslog: ${reason}; lines for it are lost until it works`))
  }
  const start = (): void => {
    if (program === null) {
      problem("there is no program 'logger' (Debian: package bsdutils)")
      return
    }
    if (performance.now() - startedMs < restartAfterMs) return
    startedMs = performance.now()
    const args = ['-t', tag, '-p', `${facility}.info`, `--id=${process.pid}`, '--prio-prefix', '--socket-errors=on']
    let complaint = ''
    const started = spawn(program, args, { ...childOptions(), stdio: ['pipe', 'ignore', 'pipe'] })
    child = started
    started.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-500)
    })
    // The exit says what is wrong; a broken pipe on the way there adds nothing.
    started.stdin?.on('error', () => {})
    started.on('error', (error) => {
      child = null
      problem(`${program}: ${messageOf(error)}`)
    })
    started.once('close', (code) => {
      if (child === started) child = null
      problem(`${program} ended with ${code}: ${complaint.trim() || 'no reason given'}`)
    })
    unrefChild(started)
  }
  const write: Write = (level, fields, message) => {
    if (closing || (level === 'debug' && !debug)) return
    if (!child) start()
    const input = child?.stdin
    if (!input?.writable || input.writableLength > maxWaitingBytes) return
    input.write(`<${number * 8 + severities[level]}>${logText(level, fields, message)}\n`)
  }
  return {
    ...methods(write),
    async close() {
      closing = true
      const last = child
      if (!last) return
      last.ref()
      await new Promise<void>((resolve) => {
        const limit = setTimeout(() => last.kill('SIGKILL'), 2000)
        last.once('close', () => {
          clearTimeout(limit)
          resolve()
        })
        last.stdin?.end()
      })
    },
  }
}

/** A forgotten `close()` must not keep the host application alive. */
function unrefChild(child: ChildProcess): void {
  child.unref()
  for (const stream of [child.stdin, child.stderr]) (stream as { unref?(): void } | null)?.unref?.()
}

/** One logger that hands every line to each of the given ones. One that throws harms neither the caller nor the others. */
export function combineLoggers(...loggers: readonly Logger[]): Logger {
  return methods((level, fields, message) => {
    for (const logger of loggers) {
      try {
        logger[level](fields, message)
      } catch {
        // A log line is never worth an outage.
      }
    }
  })
}
