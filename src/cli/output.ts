import { fstatSync } from 'node:fs'
import { describe, type EventLevel, type Issue, type NamedEvent, type WrittenEvent } from '../index.ts'
import { printable, printableLines } from '../roles/printable.ts'
import { type Layout, wantsColour } from './layout.ts'

/** Bytes that may wait for a reader which has stopped reading; what comes then is left out. */
const unreadMaxBytes = 1_048_576

/** Text of one or more lines to the standard output. What came from outside into it must be printable already: it may hold line ends. */
export function print(text: string): void {
  if (process.stdout.writableLength < unreadMaxBytes) process.stdout.write(printableLines(text))
}

/** Lines that are printable already, and may have colours. */
export function printPainted(lines: readonly string[]): void {
  if (process.stdout.writableLength < unreadMaxBytes) process.stdout.write(`${lines.join('\n')}\n`)
}

/** Columns of what is no terminal, or does not say how wide it is. */
const usualColumns = 80

/** How text is laid out on the standard output. */
export function outputLayout(): Layout {
  const { columns = usualColumns } = process.stdout
  return { width: columns, colour: wantsColour(process.stdout, process.env) }
}

/** Priorities of syslog, by how loud an event is. */
const priorities: Readonly<Record<EventLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 }

/** Whether the standard error goes to the journal as it was when this process began: `JOURNAL_STREAM` is DEVICE:INODE. */
export function isJournal(env: Readonly<Record<string, string | undefined>>, fd = 2): boolean {
  const stream = env['JOURNAL_STREAM']
  if (!stream) return false
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false // it is closed
  }
}

let toJournal: boolean | undefined

/** One line to the standard error; the journal is told how loud it is. */
export function say(line: string, level: EventLevel = 'info'): void {
  toJournal ??= isJournal(process.env)
  const priority = toJournal ? `<${priorities[level]}>` : ''
  if (process.stderr.writableLength < unreadMaxBytes) process.stderr.write(`${priority}${printable(line, 16_384)}\n`)
}

/** `file:line: message`, with the severity in front of what does not stop the start. */
export function issueLine({ where, message, severity }: Issue): string {
  return printable(`${where}: ${severity === 'error' ? '' : `${severity}: `}${message}`)
}

const isWritten = (event: NamedEvent | WrittenEvent): event is Extract<WrittenEvent, { readonly name: 'message' }> =>
  event.name === 'message' && 'bytes' in event.payload

/** One event for people: time, name, sentence. */
export function eventLine(event: NamedEvent | WrittenEvent): string {
  const time = event.time.slice(11, 23)
  const text = isWritten(event) ? `a message of ${event.payload.bytes} bytes` : describe(event)
  return printable(`${time}  ${event.name.padEnd(18)} ${text}`)
}
