import { printable } from '../roles/printable.ts'

/** Levels of a log line, as the methods of `Logger` are called. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** As Heartbeat writes them, so that filters made for its log go on working. */
const words: Record<LogLevel, string> = { debug: 'debug', info: 'info', warn: 'WARN', error: 'ERROR' }

/** Message and fields as one line: `WARN: link is down link=eth1`. Control characters are shown as escapes: a line stays one line. */
export function logText(level: LogLevel, fields: object, message: string): string {
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`)
  return printable([`${words[level]}: ${message}`, ...pairs].join(' '), 16_384)
}

/** A line of a log file, in the form of Heartbeat's `ha-log`: `heartbeat[812]: 2026/11/22_15:04:05 info: …`. */
export function logLine(level: LogLevel, fields: object, message: string, when: Date, pid: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = [when.getFullYear(), two(when.getMonth() + 1), two(when.getDate())].join('/')
  const time = [two(when.getHours()), two(when.getMinutes()), two(when.getSeconds())].join(':')
  return `heartbeat[${pid}]: ${date}_${time} ${logText(level, fields, message)}\n`
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
