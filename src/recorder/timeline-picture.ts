import { HotStandbyError } from '../roles/error.ts'
import { checkOptionNames, shownValue } from '../roles/option-table.ts'
import { type Mark, type NodeStory, nodeStory, type Span } from './node-story.ts'

/** How a recording is drawn. */
export interface TimelinePictureOptions {
  /** `html`: with a list of everything that happened beneath. @defaultValue `'svg'` */
  readonly format?: 'svg' | 'html' | undefined
  /** From the first input to the last, in place of the time around the last change of role. @defaultValue false */
  readonly everything?: boolean | undefined
}

const width = 1000
const left = 150
const right = 20
const laneHeight = 22
const barHeight = 16

/** Colours of states. A name stands in every bar that has room, so that nothing is said by colour alone. */
const colours: Readonly<Record<string, string>> = {
  active: '#2f8f4e',
  standby: '#c3c9d3',
  unknown: '#e3e6ea',
  free: '#c3c9d3',
  candidate: '#e0b23c',
  starting: '#e0b23c',
  stopping: '#e0b23c',
  probation: '#d9822b',
  holds: '#2f8f4e',
  failed: '#c33c3c',
  stuck: '#8f1f1f',
  unclear: '#9a6fb0',
  silent: '#f1e4e4',
  down: '#c33c3c',
  outage: '#c33c3c',
}
const markColours: Readonly<Record<Mark['kind'], string>> = {
  decision: '#1d56a6',
  error: '#c33c3c',
  warn: '#b37400',
  info: '#5a5f69',
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 23)
const lengthOf = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`)

/**
 * A picture of a recording: for each group what it was on both nodes and when nobody served it; for each link the packets that came
 * and when it was down; decisions and events. Recordings of both nodes may be given together: then each tells for itself. They
 * are drawn by the clocks of their hosts.
 * @param recording - a recording, or the texts of its files, of each node the oldest first
 * @returns an SVG image or an HTML page that needs nothing else
 * @throws {HotStandbyError} `HS_RECORDING` when it is no recording, `HS_CONFIG` for wrong options.
 */
export function timelinePicture(recording: string | readonly string[], options: TimelinePictureOptions = {}): string {
  checkOptionNames('timelinePicture', options, { format: 'text', everything: 'boolean' })
  const { format = 'svg', everything = false } = options
  if (format !== 'svg' && format !== 'html') {
    const message = `timelinePicture.format: must be 'svg' or 'html', got ${shownValue(format)}`
    throw new HotStandbyError('HS_CONFIG', message)
  }
  const stories = storiesOf([recording].flat())
  const fromMs = Math.min(...stories.map((story) => (everything ? story.fromMs : story.windowMs[0])))
  const toMs = Math.max(...stories.map((story) => (everything ? story.toMs : story.windowMs[1])), fromMs + 1)
  const svg = new Drawing(fromMs, toMs).draw(stories)
  return format === 'svg' ? svg : page(svg, stories, fromMs, toMs)
}

/** Texts of one node belong together. */
function storiesOf(parts: readonly string[]): NodeStory[] {
  const byNode = new Map<string, string[]>()
  for (const part of parts) {
    const node = nodeOf(part)
    byNode.set(node, [...(byNode.get(node) ?? []), part])
  }
  if (byNode.size > 2) {
    const names = [...byNode.keys()].join(', ')
    throw new HotStandbyError('HS_RECORDING', `a pair has two nodes; these recordings are of ${names}`)
  }
  return [...byNode.values()].map(nodeStory)
}

/** Whose recording it is; what is no recording is told by whoever reads it. */
function nodeOf(part: string): string {
  try {
    return (JSON.parse(part.slice(0, part.indexOf('\n'))) as { config: { self: string } }).config.self
  } catch {
    return ''
  }
}

class Drawing {
  readonly #fromMs: number
  readonly #toMs: number
  readonly #parts: string[] = []
  #y = 34

  constructor(fromMs: number, toMs: number) {
    this.#fromMs = fromMs
    this.#toMs = toMs
  }

  draw(stories: readonly NodeStory[]): string {
    const [first] = stories as [NodeStory]
    const names = [...new Set(stories.flatMap(({ groups }) => [...groups.keys()]))]
    for (const name of names) {
      this.#heading(`group ${name}`)
      const lanes = lanesOf(stories, name)
      for (const [label, spans] of lanes) this.#lane(label, spans)
      this.#lane(
        'nobody serves',
        outages(
          lanes.map(([, spans]) => spans),
          this.#fromMs,
          this.#toMs,
        ),
      )
    }
    for (const { node, peer, links, marks } of stories) {
      this.#heading(`what ${node} heard of ${peer}, and did`)
      for (const [link, { beatsMs, downs }] of links) this.#beats(link, beatsMs, downs)
      this.#marks(marks)
    }
    const title = `${first.node} and ${first.peer}, ${new Date(this.#fromMs).toISOString()} to ${clock(this.#toMs)} UTC`
    const height = this.#y + 30
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="10" y="20" font-size="14" font-weight="600" fill="#1c1d20">${escaped(title)}</text>
${this.#axis(height)}
${this.#parts.join('\n')}
</svg>
`
  }

  #x(ms: number): number {
    const share = (ms - this.#fromMs) / (this.#toMs - this.#fromMs)
    return Math.round((left + Math.min(1, Math.max(0, share)) * (width - left - right)) * 10) / 10
  }

  #isIn(ms: number): boolean {
    return ms >= this.#fromMs && ms <= this.#toMs
  }

  #heading(text: string): void {
    this.#y += 14
    this.#parts.push(`<text x="10" y="${this.#y + 8}" font-weight="600" fill="#1c1d20">${escaped(text)}</text>`)
    this.#y += 16
  }

  #label(text: string): void {
    this.#parts.push(`<text x="10" y="${this.#y + 12}" fill="#5a5f69">${escaped(text)}</text>`)
  }

  #lane(label: string, spans: readonly Span[]): void {
    this.#label(label)
    let labelledTo = 0
    for (const { fromMs, toMs, what } of spans) {
      const [x, end] = [this.#x(fromMs), this.#x(toMs)]
      if (toMs < this.#fromMs || fromMs > this.#toMs) continue
      const wide = Math.max(1, Math.round((end - x) * 10) / 10)
      const said = what === 'outage' ? lengthOf(toMs - fromMs) : what
      const title = `${what}, ${clock(fromMs)} to ${clock(toMs)} (${lengthOf(toMs - fromMs)})`
      this.#parts.push(
        `<rect x="${x}" y="${this.#y}" width="${wide}" height="${barHeight}" fill="${colours[what] ?? '#888'}"><title>${escaped(title)}</title></rect>`,
      )
      const dark = ['standby', 'unknown', 'free', 'candidate', 'starting', 'stopping', 'silent'].includes(what)
      if (wide > said.length * 6.5 + 8)
        this.#parts.push(
          `<text x="${x + 4}" y="${this.#y + 12}" fill="${dark ? '#1c1d20' : '#fff'}">${escaped(said)}</text>`,
        )
      // What is too short for its name is what the picture is looked at for: its length stands beside it.
      else if (what === 'outage' && x > labelledTo) {
        const at = x + wide + 4
        labelledTo = at + said.length * 6.5
        this.#parts.push(`<text x="${at}" y="${this.#y + 12}" fill="${colours[what]}">${said}</text>`)
      }
    }
    this.#y += laneHeight
  }

  /** A stroke for each packet; where they are too many for that, one for each place that has any. */
  #beats(link: string, beatsMs: readonly number[], downs: readonly Span[]): void {
    this.#label(`link ${link}`)
    for (const { fromMs, toMs } of downs.filter((down) => down.toMs >= this.#fromMs && down.fromMs <= this.#toMs)) {
      const x = this.#x(fromMs)
      this.#parts.push(
        `<rect x="${x}" y="${this.#y}" width="${Math.max(1, this.#x(toMs) - x)}" height="${barHeight}" fill="#f6d5d5"><title>down, ${clock(fromMs)} to ${clock(toMs)}</title></rect>`,
        `<text x="${x + 4}" y="${this.#y + 12}" fill="#8f1f1f">down</text>`,
      )
    }
    const places = new Set(beatsMs.filter((ms) => this.#isIn(ms)).map((ms) => Math.round(this.#x(ms))))
    const strokes = [...places].map((x) => `M${x} ${this.#y + 2}v${barHeight - 4}`).join('')
    this.#parts.push(`<path d="${strokes}" stroke="#3f5f8f" stroke-width="1"/>`)
    this.#y += laneHeight
  }

  #marks(marks: readonly Mark[]): void {
    this.#label('events, decisions')
    for (const { atMs, kind, text } of marks.filter((mark) => this.#isIn(mark.atMs))) {
      const x = this.#x(atMs)
      const shape =
        kind === 'decision'
          ? `<path d="M${x} ${this.#y + 2}l5 6l-5 6l-5 -6z" fill="${markColours[kind]}">`
          : `<circle cx="${x}" cy="${this.#y + 8}" r="3.5" fill="${markColours[kind]}">`
      const end = kind === 'decision' ? '</path>' : '</circle>'
      this.#parts.push(`${shape}<title>${escaped(`${clock(atMs)} ${text}`)}</title>${end}`)
    }
    this.#y += laneHeight
  }

  /** Lines at round times, about eight of them. */
  #axis(height: number): string {
    const steps = [
      1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000,
    ]
    const range = this.#toMs - this.#fromMs
    const stepMs = steps.find((step) => range / step <= 9) ?? Math.ceil(range / 9 / 3_600_000) * 3_600_000
    const lines: string[] = []
    for (let ms = Math.ceil(this.#fromMs / stepMs) * stepMs; ms <= this.#toMs; ms += stepMs) {
      const x = this.#x(ms)
      const label = stepMs < 1000 ? clock(ms) : clock(ms).slice(0, 8)
      lines.push(
        `<path d="M${x} 30V${height - 18}" stroke="#e3e6ea"/><text x="${x}" y="${height - 6}" text-anchor="${x > width - 40 ? 'end' : 'middle'}" fill="#5a5f69">${label}</text>`,
      )
    }
    return lines.join('\n')
  }
}

/** Who was what: each node by its own recording, a node without one by what its peer heard of it. */
function lanesOf(
  stories: readonly NodeStory[],
  group: string,
): readonly (readonly [label: string, spans: readonly Span[]])[] {
  return stories.flatMap((story): (readonly [string, readonly Span[]])[] => {
    const { here = [], atPeer = [] } = story.groups.get(group) ?? {}
    const own = [`on ${story.node}`, here] as const
    return stories.length > 1 ? [own] : [own, [`on ${story.peer}, as heard`, atPeer]]
  })
}

/** When it was active nowhere, between the first and the last time that it was. */
function outages(lanes: readonly (readonly Span[])[], fromMs: number, toMs: number): Span[] {
  const active = lanes
    .flat()
    .filter(({ what }) => what === 'active')
    .sort((one, other) => one.fromMs - other.fromMs)
  const found: Span[] = []
  let servedUntilMs = active[0]?.toMs
  for (const span of active) {
    if (servedUntilMs !== undefined && span.fromMs > servedUntilMs)
      found.push({ fromMs: servedUntilMs, toMs: span.fromMs, what: 'outage' })
    servedUntilMs = Math.max(servedUntilMs ?? 0, span.toMs)
  }
  return found.filter((outage) => outage.toMs >= fromMs && outage.fromMs <= toMs)
}

function page(svg: string, stories: readonly NodeStory[], fromMs: number, toMs: number): string {
  const rows = stories
    .flatMap(({ node, marks }) => marks.map((mark) => ({ node, ...mark })))
    .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    .sort((one, other) => one.atMs - other.atMs)
    .map(
      ({ node, atMs, kind, text }) =>
        `<tr class="${kind}"><td><time datetime="${new Date(atMs).toISOString()}">${clock(atMs)}</time></td><td>${escaped(node)}</td><td>${kind}</td><td>${escaped(text)}</td></tr>`,
    )
  const style = `body{font:15px/1.4 system-ui,sans-serif;margin:1rem;color:#1c1d20;background:#fff}svg{max-width:100%;height:auto}table{border-collapse:collapse;margin-top:1rem}td,th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}td:first-child{font-variant-numeric:tabular-nums}.decision td{color:#1d56a6}.error td{color:#a3151c}.warn td{color:#7a4f00}`
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(stories.map(({ node }) => node).join(' and '))}</title><style>${style}</style></head>
<body>
${svg}
<table><thead><tr><th>UTC</th><th>told by</th><th>kind</th><th>what</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>
</body>
</html>
`
}
