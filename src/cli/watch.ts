import { type ControlClient, levelOf, type Snapshot, type WrittenEvent } from '../index.ts'
import { messageOf } from '../roles/error.ts'
import { printable } from '../roles/printable.ts'
import { type Arguments, UsageError } from './arguments.ts'
import { type Layout, painted, type Tone } from './layout.ts'
import { eventLine, outputLayout } from './output.ts'
import { statusLines } from './status.ts'

/** Everything is asked anew so often, and when an event comes. */
const periodMs = 1000
/** However many events come, it is not asked more often. */
const leastMs = 100
/** Newest events that are kept: more than a large terminal has lines. */
const eventsMax = 200
/** Lines that belong to events even where the state would need more. */
const eventLinesMin = 3

/** What is drawn. */
export interface Watched {
  /** Undefined: nothing was answered yet. */
  readonly snapshot: Snapshot | undefined
  /** Why nobody answers now. */
  readonly trouble: string | undefined
  /** The oldest first. */
  readonly events: readonly WrittenEvent[]
  /** The clock of this host, in ISO 8601. */
  readonly time: string
}

const eventTones: Readonly<Record<ReturnType<typeof levelOf>, Tone | undefined>> = {
  error: 'bad',
  warn: 'caution',
  info: undefined,
  debug: 'quiet',
}

const cut = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text)

/** The screen: exactly `rows` lines, none longer than `width`. */
export function watchScreen({ snapshot, trouble, events, time }: Watched, layout: Layout & { rows: number }): string[] {
  const { width, rows } = layout
  const state = snapshot ? statusLines(snapshot, layout) : []
  const clock = `${time.slice(11, 19)}Z  q ends it`
  const foot = trouble === undefined ? { text: clock, tone: 'quiet' as const } : { text: trouble, tone: 'bad' as const }
  const room = rows - 1
  const stateMax = Math.max(0, room - eventLinesMin - 1)
  const shown =
    state.length <= stateMax
      ? state
      : [
          ...state.slice(0, stateMax - 1),
          painted(
            { text: cut(`… ${state.length - stateMax + 1} more lines: hot-standby status`, width), tone: 'quiet' },
            layout,
          ),
        ]
  const eventRoom = Math.max(0, room - shown.length - 1)
  const newest = events.slice(-eventRoom || events.length).map((event) => {
    const text = cut(eventLine(event), width)
    return painted({ text, tone: eventTones[levelOf(event)] }, layout)
  })
  const lines = [...shown, '', ...newest].slice(0, room)
  const blank = Array.from({ length: room - lines.length }, () => '')
  return [...lines, ...blank, painted({ ...foot, text: cut(foot.text, width) }, layout)]
}

/** What terminals obey: another screen and back, the cursor, the first column of a line, the rest of it. */
const enter = '\x1b[?1049h\x1b[?25l'
const leave = '\x1b[?25h\x1b[?1049l'
const home = '\x1b[H'
const clearLine = '\x1b[K'

/** `hot-standby watch`: until q, Ctrl-C or a signal. A member that goes is waited for. Answers the exit code. */
export async function watch(_args: Arguments, connect: () => Promise<ControlClient>): Promise<number> {
  const { stdin, stdout } = process
  if (!stdout.isTTY) throw new UsageError('watch needs a terminal; `hot-standby events` prints lines')
  const events: WrittenEvent[] = []
  let snapshot: Snapshot | undefined
  let trouble: string | undefined
  let ended = false
  let wake: () => void = () => {}
  const draw = (): void => {
    const layout = { ...outputLayout(), rows: stdout.rows ?? 24 }
    const time = new Date().toISOString()
    const lines = watchScreen({ snapshot, trouble, events, time }, layout)
    stdout.write(home + lines.map((line) => `${line}${clearLine}`).join('\r\n'))
  }
  const end = (): void => {
    ended = true
    wake()
  }
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const follow = async (): Promise<void> => {
    const [client, timelineWriter] = [await connect(), await connect()]
    const told = timelineWriter.events((event) => {
      events.push(event)
      if (events.length > eventsMax) events.shift()
      wake()
    })
    told.catch(() => {})
    try {
      while (!ended) {
        snapshot = await client.status()
        trouble = undefined
        draw()
        await Promise.all([pause(periodMs), ended ? undefined : atLeast(leastMs)])
      }
    } finally {
      client.close()
      timelineWriter.close()
    }
  }
  const onKey = (key: Buffer): void => {
    if (['q', 'Q', '\x03', '\x04'].includes(key.toString())) end()
  }
  stdin.setRawMode?.(true)
  stdin.on('data', onKey)
  process.on('SIGINT', end).on('SIGTERM', end).on('SIGHUP', end)
  stdout.on('resize', draw)
  stdout.write(enter)
  try {
    while (!ended) {
      draw()
      await follow().catch((error: unknown) => {
        trouble = printable(messageOf(error))
      })
      if (ended) break
      draw()
      await pause(periodMs)
    }
  } finally {
    stdin.setRawMode?.(false)
    stdin.off('data', onKey).pause()
    stdout.off('resize', draw)
    stdout.write(leave)
  }
  return 0
}

const atLeast = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
