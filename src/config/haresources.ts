import type { GroupOptions } from '../options/options.ts'
import type { Issue } from '../roles/error.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import { areTooMany, attempt, hasErrors, inOrder, quoted, suggestion } from './problems.ts'
import { type FindScript, groupNameOf, type ResourceWord, resourceOf, splitWord } from './resource-words.ts'

/** What a `haresources` says, with every problem found in it. */
export interface Haresources {
  readonly groups: readonly GroupOptions[]
  /** What each resource word became, in the order of the file. */
  readonly words: readonly ResourceWord[]
  readonly issues: readonly Issue[]
}

type Complain = (line: number, message: string, severity?: Issue['severity']) => void

interface Word {
  readonly line: number
  readonly text: string
}

/**
 * Reads a `haresources` as Heartbeat's ResourceManager does: `node resource resource …` per line is one group, `#` begins a
 * comment, a backslash at the very end of a line joins the next one to it. Never throws for what the text says.
 * @param text content of the file.
 * @param file name shown in the issues.
 * @param nodes members as `ha.cf` names them; empty when they could not be read, then they are not checked.
 * @param find looks up scripts.
 */
export function parseHaresources(text: string, file: string, nodes: readonly string[], find: FindScript): Haresources {
  const issues: Issue[] = []
  const words: ResourceWord[] = []
  const drafts: Draft[] = []
  const complain: Complain = (line, message, severity = 'error') =>
    issues.push({ where: `${file}:${line}`, message, severity })
  /** Where each resource was first seen, and in which group it is. */
  const owners = new Map<string, { readonly line: number; group: Draft }>()
  const names = new Map<string, number>()
  const notices = new Map<string, number>()

  for (const [node, ...rest] of logicalLines(text, complain)) {
    if (areTooMany(issues, `${file}:${node!.line}`)) break
    const preferred = node!.text.toLowerCase()
    if (nodes.length > 0 && !nodes.includes(preferred)) {
      const hint = suggestion(preferred, nodes)
      complain(node!.line, `${quoted(node!.text)} begins the line but is not a node of ha.cf; ${hint}`)
    }
    if (rest.length === 0) {
      complain(node!.line, `no resource follows ${quoted(node!.text)}; write 'NODE RESOURCE …'`, 'warning')
      continue
    }
    const [{ text: key, line: firstLine }] = rest as [Word, ...Word[]]
    const own: Draft = { name: groupNameOf(key), line: firstLine, preferred, keys: [key], resources: [] }
    let joined: { readonly group: Draft; readonly word: Word; readonly before: number } | undefined
    const announced = new Set<string>()
    for (const word of rest) {
      const { line, text: spelled } = word
      if (areTooMany(issues, `${file}:${line}`)) break
      const where = `${file}:${line}`
      const made = attempt(issues, where, () => resourceOf(spelled, find))
      if (!made) continue
      issues.push(...made.remarks.map((remark) => ({ ...remark, where })))
      if (announcesTwice(spelled, made.plugin, announced))
        complain(
          line,
          `${quoted(spelled)} says running while the address before it is announced; put it before`,
          'warning',
        )
      const plugin = onlyTells(spelled, made.plugin) ? numbered(made.plugin, notices) : made.plugin
      words.push({ where, word: spelled, became: made.became, resource: plugin.name, call: made.call })
      const owner = owners.get(plugin.name)
      if (!owner) owners.set(plugin.name, { line, group: own })
      else if (owner.group === own) {
        complain(
          line,
          `${quoted(spelled)} stands in this group already; it counts once, where it stands first`,
          'warning',
        )
        continue
      } else if (owner.group.preferred === preferred) {
        // A third line finds both in one group already.
        joined ??= { group: owner.group, word, before: owner.line }
        if (joined.group !== owner.group)
          complain(line, inTwoGroups(word, owner.line, 'three groups would have to be one'))
      } else {
        complain(line, inTwoGroups(word, owner.line, `one prefers ${owner.group.preferred}, one ${preferred}`))
      }
      own.resources.push(plugin)
    }
    if (joined) {
      join(joined.group, own, joined, owners, complain)
      continue
    }
    const before = names.get(own.name)
    if (before === undefined) names.set(own.name, own.line)
    else
      complain(own.line, `the first resource names its group and must be unique; line ${before} has '${own.name}' too`)
    drafts.push(own)
  }
  if (drafts.length === 0 && !hasErrors(issues)) {
    issues.push({ where: file, message: "no group is declared; write 'NODE RESOURCE …'", severity: 'error' })
  }
  const groups = drafts.map(({ name, preferred, keys: [key, ...others], resources }) => ({
    name,
    preferred,
    key: others.length > 0 ? [key, ...others] : key,
    resources,
  }))
  return { groups, words, issues: inOrder(issues) }
}

/** A group while its lines are read. */
interface Draft {
  readonly name: string
  /** Of its first resource. */
  readonly line: number
  readonly preferred: string
  /** The first words of its lines. */
  keys: readonly [string, ...string[]]
  resources: ResourcePlugin[]
}

function inTwoGroups({ text: word }: Word, before: number, why: string): string {
  return (
    `${quoted(word)} is already in line ${before}, and ${why}: it would run twice; ` +
    'write everything that needs it in one line, or give each line a service of its own'
  )
}

/**
 * Two lines of one node that share a service become one group: a service moves with everything that needs it. Each line keeps its
 * order, and the service comes behind what stands before it in either line.
 */
function join(
  into: Draft,
  from: Draft,
  { word, before }: { readonly word: Word; readonly before: number },
  owners: Map<string, { readonly line: number; group: Draft }>,
  complain: Complain,
): void {
  const resources = merged(into.resources, from.resources)
  if (!resources) {
    complain(word.line, inTwoGroups(word, before, 'the order of the two lines differs'))
    return
  }
  into.resources = resources
  const [first, ...others] = into.keys
  into.keys = [first, ...new Set([...others, ...from.keys].filter((key) => key !== first))]
  for (const { name } of from.resources) {
    const owner = owners.get(name)
    if (owner) owner.group = into
  }
  complain(
    word.line,
    `${quoted(word.text)} is in line ${before} too: both lines are one group, '${into.name}', and move together; the service ` +
      'starts after everything that precedes it in either line',
    'warning',
  )
}

/** One list that keeps the order of both; undefined where what they share stands in another order. */
function merged(a: readonly ResourcePlugin[], b: readonly ResourcePlugin[]): ResourcePlugin[] | undefined {
  const places = new Map(a.map(({ name }, index) => [name, index]))
  const result: ResourcePlugin[] = []
  let waiting: ResourcePlugin[] = []
  let next = 0
  for (const plugin of b) {
    const place = places.get(plugin.name)
    if (place === undefined) waiting.push(plugin)
    else if (place < next) return undefined
    else {
      result.push(...a.slice(next, place), ...waiting, plugin)
      next = place + 1
      waiting = []
    }
  }
  return [...result, ...a.slice(next), ...waiting]
}

/** Heartbeat's scripts that only tell somebody, or wait: they may run anywhere, any number of times. */
function onlyTells(word: string, { type }: ResourcePlugin): boolean {
  return type === 'script' && /^(?:MailTo|WinPopup|AudibleAlarm|Delay)(?:::|$)/.test(word)
}

/** The resource under a name that no other has: `script:MailTo::root`, `script:MailTo::root:2`. */
function numbered(plugin: ResourcePlugin, seen: Map<string, number>): ResourcePlugin {
  const number = (seen.get(plugin.name) ?? 0) + 1
  seen.set(plugin.name, number)
  return number === 1 ? plugin : { ...plugin, name: `${plugin.name}:${number}` }
}

/** Whether it is Debian's SendArp behind its script of the same address: both look for the pid file of the same announcements. */
function announcesTwice(word: string, { type }: ResourcePlugin, announced: Set<string>): boolean {
  const { name, args } = splitWord(word)
  const address = args[0]?.split('/')[0] ?? ''
  if (type === 'script' && /^IPaddr2?$/.test(name)) announced.add(address)
  return name === 'SendArp' && announced.has(address)
}

/** Words of each logical line: comments gone, continued lines joined, each word with the line it begins in. */
function logicalLines(text: string, complain: Complain): Word[][] {
  const found: Word[][] = []
  let words: Word[] = []
  /** The last word goes on in the next line: the backslash followed it without a blank. */
  let glued = false
  let continuedIn = 0
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1
    // Its sed strips comments before it joins lines, and only those of the first.
    if (continuedIn > 0 && raw.includes('#'))
      complain(line, 'a daemon takes a comment in a continued line for resources; move it above the group', 'warning')
    const code = raw.replace(/#.*/, '').replace(/\\\s+$/, () => {
      complain(line, 'blanks or a comment follow the backslash; it must end the line')
      return '\\'
    })
    const continues = code.endsWith('\\')
    const body = continues ? code.slice(0, -1) : code
    const texts = body.split(/\s+/).filter((word) => word !== '')
    for (const [position, word] of texts.entries()) {
      const previous = words.at(-1)
      if (position === 0 && glued && previous && /^\S/.test(body)) {
        words[words.length - 1] = { line: previous.line, text: previous.text + word }
      } else {
        words.push({ line, text: word })
      }
    }
    glued = continues && /\S$/.test(body)
    continuedIn = continues ? line : 0
    if (continues) continue
    if (words.length > 0) found.push(words)
    words = []
  }
  if (continuedIn > 0) {
    complain(continuedIn, 'the last line ends with a backslash and nothing follows')
    if (words.length > 0) found.push(words)
  }
  return found
}
