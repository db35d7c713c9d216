import { styleText } from 'node:util'

/** What a text says about the state of things; colour only repeats what the words say. */
export type Tone = 'good' | 'bad' | 'caution' | 'quiet' | 'title'

/** A text with a tone. */
export interface Toned {
  readonly text: string
  readonly tone?: Tone | undefined
}

/** How text is laid out. */
export interface Layout {
  /** Columns that a line may take. */
  readonly width: number
  readonly colour: boolean
}

const styles = {
  good: 'green',
  bad: ['bold', 'red'],
  caution: 'yellow',
  quiet: 'dim',
  title: 'bold',
} as const satisfies Record<Tone, Parameters<typeof styleText>[0]>

/** The text in its colour. It must be printable: what is done with it afterwards leaves escape sequences alone. */
export function painted({ text, tone }: Toned, { colour }: Pick<Layout, 'colour'>): string {
  if (!colour || tone === undefined || text === '') return text
  // Whether there is colour is decided already: a stream is not asked again.
  return styleText(styles[tone] as Parameters<typeof styleText>[0], text, { validateStream: false })
}

/** Whether a stream is to be coloured: a terminal that can, unless NO_COLOR says no or FORCE_COLOR yes. */
export function wantsColour(
  stream: { readonly isTTY?: boolean; hasColors?(): boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (env['NO_COLOR']) return false
  const force = env['FORCE_COLOR']
  if (force !== undefined) return force !== '0' && force !== 'false'
  return stream.isTTY === true && (stream.hasColors?.() ?? false)
}

const gap = 2

/** The text in lines of at most so many columns, between words where that can be; all but the first begin with `indent`. */
export function wrapped(text: string, width: number, indent = '  '): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const end = space > indent.length ? space : width
    lines.push(rest.slice(0, end).trimEnd())
    rest = indent + rest.slice(end).trimStart()
  }
  return [...lines, rest]
}

const cut = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text)

/** Widths of the columns: as wide as what is in them, or narrower, so that a line fits. The last one is broken, the others are cut. */
function widthsOf(rows: readonly (readonly Toned[])[], width: number): number[] {
  const head = rows[0] ?? []
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.text.length ?? 0)))
  const last = widths.length - 1
  const others = [...widths.keys()].slice(0, last)
  const titleOf = (column: number) => Math.max(8, head[column]?.text.length ?? 0)
  /** What gives way first, and how far: what can be broken, then what has a title that can still be read. */
  const stages: readonly (readonly [columns: readonly number[], least: (column: number) => number])[] = [
    [[last], () => Math.floor(width * 0.35)],
    [others, titleOf],
    [[last], () => 12],
    [others, () => 4],
  ]
  let excess = widths.reduce((sum, each) => sum + each, gap * last) - width
  for (const [columns, least] of stages)
    for (; excess > 0; excess--) {
      const able = columns.filter((column) => (widths[column] as number) > least(column))
      if (able.length === 0) break
      const widest = able.reduce((one, other) => ((widths[other] as number) > (widths[one] as number) ? other : one))
      widths[widest] = (widths[widest] as number) - 1
    }
  return widths
}

/** A table in lines that fit. */
export function table(head: readonly string[], rows: readonly (readonly Toned[])[], layout: Layout): string[] {
  const all = [head.map((text): Toned => ({ text, tone: 'quiet' })), ...rows]
  const widths = widthsOf(all, layout.width)
  const last = widths.length - 1
  return all.flatMap((row) => {
    const ends = wrapped(row[last]?.text ?? '', widths[last] as number, '')
    return ends.map((end, line) => {
      const cells = widths.map((width, column) => {
        const { text, tone } = row[column] as Toned
        const shown = column === last ? end : line === 0 ? cut(text, width) : ''
        return `${painted({ text: shown, tone }, layout)}${column === last ? '' : ' '.repeat(width - shown.length)}`
      })
      return cells.join(' '.repeat(gap)).trimEnd()
    })
  })
}
