import type { ResourceTimes } from '../roles/resource-agent.ts'

/** What an OCF resource agent says of itself (Open Cluster Framework, Resource Agent API 1.0 and 1.1, "Metadata"). */
export interface OcfMetadata {
  readonly parameters: ReadonlyMap<string, { readonly required: boolean }>
  /** As they are written; the same name may come several times, by depth and role. */
  readonly actions: readonly OcfAction[]
}

interface OcfAction {
  readonly name: string
  readonly timeout: string | undefined
  readonly interval: string | undefined
  readonly depth: number
  /** For what has been promoted only. */
  readonly promoted: boolean
}

/** `20s`, `20`, `1min`, `500ms` as agents write them; a bare number means seconds. */
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, sec: 1000, '': 1000, m: 60_000, min: 60_000 }

function timeMs(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,7})\s*([a-z]*)\s*$/i.exec((text ?? '').slice(0, 64))
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
  // A name begins where none stands before it: otherwise a long word without '=' would be tried at each of its letters.
  for (const [, name = '', double, single] of tag.matchAll(
    /(?<![\w:-])([\w:-]{1,64})\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)')/g,
  )) {
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
  const actions: OcfAction[] = []
  for (const [tag, kind] of text.matchAll(/<(parameter|action)\s[^<>]*>/g)) {
    const given = attributes(tag)
    const name = given.get('name')
    if (name === undefined) continue
    if (kind === 'parameter') parameters.set(name, { required: /^(?:1|true|yes)$/i.test(given.get('required') ?? '') })
    else
      actions.push({
        name,
        timeout: given.get('timeout'),
        interval: given.get('interval'),
        depth: Number(given.get('depth') ?? 0) || 0,
        promoted: /^(?:master|promoted)$/i.test(given.get('role') ?? ''),
      })
  }
  return { parameters, actions }
}

/** Which attribute of which action says it. */
const advisedBy = [
  ['startMs', 'start', 'timeout'],
  ['stopMs', 'stop', 'timeout'],
  ['statusMs', 'monitor', 'timeout'],
  ['intervalMs', 'monitor', 'interval'],
] as const satisfies readonly (readonly [keyof ResourceTimes, string, 'timeout' | 'interval'])[]

/** What is believed; Debian's agents advise 5 s to 1800 s as limits, 3 s to 300 s as intervals. */
const bounds = { leastMs: 1000, mostMs: 3_600_000 }

/**
 * The times that an agent advises, and what it says that is no sensible time. Of several monitors those of the depth that is
 * asked for count, or else those of depth 0, without those of the promoted; among them the longest time.
 */
export function ocfAdvice(
  { actions }: OcfMetadata,
  checkLevel: number,
): { readonly times: Partial<ResourceTimes>; readonly refused: readonly string[] } {
  const times: Partial<Record<keyof ResourceTimes, number>> = {}
  const refused: string[] = []
  const depth = actions.some((action) => action.name === 'monitor' && action.depth === checkLevel) ? checkLevel : 0
  for (const [time, action, attribute] of advisedBy)
    for (const given of actions) {
      const text = given[attribute]
      const counts = given.name === action && !given.promoted && (action !== 'monitor' || given.depth === depth)
      // An interval of 0 is Pacemaker's for: not repeated.
      if (!counts || text === undefined || (attribute === 'interval' && /^0+m?s?$/.test(text))) continue
      const ms = timeMs(text)
      if (ms === undefined || ms < bounds.leastMs || ms > bounds.mostMs)
        refused.push(`'${text.slice(0, 40)}' as ${attribute} of ${action}, no time from 1 s to 1 h`)
      else times[time] = Math.max(ms, times[time] ?? 0)
    }
  return { times, refused }
}
