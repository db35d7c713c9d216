/** What an OCF resource agent says of itself (Open Cluster Framework, Resource Agent API 1.0 and 1.1, "Metadata"). */
export interface OcfMetadata {
  readonly parameters: ReadonlyMap<string, { readonly required: boolean }>
  /** Time the agent advises for each action, in milliseconds. */
  readonly timeouts: ReadonlyMap<string, number>
  readonly actions: ReadonlySet<string>
}

/** `20s`, `20`, `1min`, `500ms` as agents write them; a bare number means seconds. */
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, sec: 1000, '': 1000, m: 60_000, min: 60_000 }

function timeMs(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,7})\s*([a-z]*)\s*$/i.exec(text ?? '')
  const unit = match ? unitMs[(match[2] as string).toLowerCase()] : undefined
  return match && unit !== undefined ? Number(match[1]) * unit : undefined
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** The text without what stands between the two marks. */
function without(text: string, begin: string, end: string): string {
  const [first = '', ...parts] = text.split(begin)
  return first + parts.map((part) => part.split(end).slice(1).join(end)).join('')
}

/** Attributes of one tag. */
function attributes(tag: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', double, single] of tag.matchAll(/([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    const raw = double ?? single ?? ''
    found.set(
      name,
      raw.replace(/&(lt|gt|amp|quot|apos);/g, (_all, entity: string) => entities[entity] as string),
    )
  }
  return found
}

/**
 * Reads the answer to `meta-data`; null when it describes no agent. Only the tags of parameters and actions are looked at:
 * what stands between them is prose for people.
 */
export function ocfMetadata(xml: string): OcfMetadata | null {
  const text = without(without(xml, '<!--', '-->'), '<![CDATA[', ']]>')
  if (!/<resource-agent[\s>]/.test(text) || !text.includes('</resource-agent>')) return null
  const parameters = new Map<string, { required: boolean }>()
  const timeouts = new Map<string, number>()
  const actions = new Set<string>()
  for (const [tag, kind] of text.matchAll(/<(parameter|action)\s[^<>]*>/g)) {
    const given = attributes(tag)
    const name = given.get('name')
    if (name === undefined) continue
    if (kind === 'parameter') parameters.set(name, { required: /^(?:1|true|yes)$/i.test(given.get('required') ?? '') })
    else {
      actions.add(name)
      const ms = timeMs(given.get('timeout'))
      // Several monitors, by role and depth: the longest counts.
      if (ms !== undefined) timeouts.set(name, Math.max(ms, timeouts.get(name) ?? 0))
    }
  }
  return { parameters, timeouts, actions }
}
