import { stripVTControlCharacters, styleText } from 'node:util'
import { describe, type NamedEvent } from 'hot-standby'
import { nowMs } from '../lab/world/timeline.ts'
import type { Entry, Played, Theatre } from './play.ts'

type Style = Parameters<typeof styleText>[0]

/** Events that say nothing to somebody who watches for the first time. */
const QUIET: ReadonlySet<string> = new Set([
  'phase',
  'group:announced',
  'group:released',
  'group:stopping',
  'link:up',
  'link:down',
  'link:silent',
  'local:stall',
  'peer:stall',
  'peer:late',
  'move:offered',
])

const WHO: Readonly<Record<string, Style>> = { client: ['cyan'], lab: ['magenta'] }

/** The client knows a silence only afterwards: an entry is shown when nothing earlier can follow it. */
const SETTLE_MS = 200

/** The demo's output: a live time line under each step, a table at the end. Colours only on a terminal. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly #coloured: boolean
  readonly #waiting: Entry[] = []
  readonly #flusher: NodeJS.Timeout
  #startMs: number | undefined

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
    this.#coloured = out.isTTY && process.env['NO_COLOR'] === undefined
    this.#flusher = setInterval(() => this.#flush(nowMs() - SETTLE_MS), SETTLE_MS / 4)
  }

  title({ mode, about }: Pick<Theatre, 'mode' | 'about'>): void {
    this.line(
      this.#paint(['bold'], `hot-standby: a failover, ${mode === 'laboratory' ? 'in the laboratory' : 'on loopback'}`),
    )
    for (const sentence of about) this.line(`  ${sentence}`)
  }

  begin(number: number, step: string): void {
    this.line('')
    this.line(this.#paint(['bold'], `${number}  ${step}`))
  }

  /** Something for the time line. */
  entry(entry: Entry): void {
    this.#waiting.push(entry)
  }

  /** Shows in order what happened until then; seconds since the first line. */
  #flush(untilMs: number): void {
    this.#waiting.sort((a, b) => a.atMs - b.atMs)
    while (this.#waiting[0] && this.#waiting[0].atMs <= untilMs) this.#show(this.#waiting.shift() as Entry)
  }

  #show({ atMs, who, what }: Entry): void {
    const text = what.startsWith('{') ? sentenceOf(what) : what
    if (text === undefined) return
    this.#startMs ??= atMs
    const time = ((atMs - this.#startMs) / 1000).toFixed(3).padStart(10)
    this.line(`${this.#paint(['dim'], time)}  ${this.#paint(WHO[who] ?? ['yellow'], who.padEnd(8))}${text}`)
  }

  end(played: Played): void {
    this.#flush(nowMs())
    const { path, outageMs, why } = played
    const seen = `${path.join(' → ') || 'nobody'}, outage ${outageMs} ms`
    this.line(`${''.padStart(12)}${this.#verdict(played)}: ${seen}${why === undefined ? '' : `; ${why}`}`)
  }

  /** The closing table; what happens afterwards is no longer shown. */
  table(all: readonly Played[], tookMs: number): void {
    clearInterval(this.#flusher)
    const rows = all.map((played, index) => [
      `${index + 1}  ${played.step}`,
      played.path.join(' → ') || 'nobody',
      `${played.outageMs} ms`.padStart(9),
      this.#verdict(played),
    ])
    const head = ['   step', 'who served', '   outage', '']
    const width = (column: number): number =>
      Math.max(...[head, ...rows].map((cells) => stripVTControlCharacters(cells[column] ?? '').length))
    const widths = head.map((_, column) => width(column))
    const print = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - stripVTControlCharacters(cell).length))
        .join('   ')
        .trimEnd()
    this.line('')
    this.line(this.#paint(['dim'], print(head)))
    for (const row of rows) this.line(print(row))
    const held = all.filter(({ ok }) => ok).length
    this.line('')
    this.line(`${held} of ${all.length} steps held, ${(tookMs / 1000).toFixed(1)} s`)
  }

  line(text: string): void {
    this.#out.write(`${text}\n`)
  }

  #verdict({ ok }: Played): string {
    return ok ? this.#paint(['green'], 'held') : this.#paint(['red', 'bold'], 'DID NOT HOLD')
  }

  #paint(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text) : text
  }
}

const sentenceOf = (line: string): string | undefined => {
  const event = JSON.parse(line) as NamedEvent
  return QUIET.has(event.name) ? undefined : describe(event)
}
