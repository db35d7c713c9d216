import type { GroupOptions } from '../cluster/options.ts'
import type { Issue } from '../roles/error.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import { areTooMany, attempt, inOrder, quoted, suggestion } from './problems.ts'
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
  const groups: GroupOptions[] = []
  const resources = new Map<string, number>()
  const names = new Map<string, number>()
  const complain: Complain = (line, message, severity = 'error') =>
    issues.push({ where: `${file}:${line}`, message, severity })

  for (const [node, ...rest] of logicalLines(text, complain)) {
    if (areTooMany(issues, `${file}:${node!.line}`)) break
    const preferred = node!.text.toLowerCase()
    if (nodes.length > 0 && !nodes.includes(preferred)) {
      const hint = suggestion(preferred, nodes)
      complain(node!.line, `${quoted(node!.text)} begins the line but is no node of ha.cf; ${hint}`)
    }
    if (rest.length === 0) {
      complain(node!.line, `no resource follows ${quoted(node!.text)}; write 'NODE RESOURCE …'`)
      continue
    }
    const name = groupNameOf(rest[0]!.text)
    const before = names.get(name)
    if (before === undefined) names.set(name, rest[0]!.line)
    else
      complain(rest[0]!.line, `the first resource names its group and must be unique; line ${before} has '${name}' too`)
    const announced = new Set<string>()
    const members = rest.flatMap(({ line, text: word }): ResourcePlugin[] => {
      if (areTooMany(issues, `${file}:${line}`)) return []
      const made = attempt(issues, `${file}:${line}`, () => resourceOf(word, find))
      if (!made) return []
      const where = `${file}:${line}`
      words.push({ where, word, became: made.became })
      issues.push(...made.remarks.map((remark) => ({ ...remark, where })))
      const elsewhere = resources.get(made.plugin.name)
      if (elsewhere !== undefined && before === undefined) {
        complain(line, `${quoted(word)} stands in line ${elsewhere} already; a resource belongs to one group, once`)
      }
      resources.set(made.plugin.name, line)
      if (announcesTwice(word, made.plugin, announced))
        complain(
          line,
          `${quoted(word)} says running while the address before it is announced; put it before`,
          'warning',
        )
      return [made.plugin]
    })
    groups.push({ name, preferred, key: rest[0]!.text, resources: members })
  }
  if (groups.length === 0 && issues.length === 0) {
    issues.push({ where: file, message: "no group is declared; write 'NODE RESOURCE …'", severity: 'error' })
  }
  return { groups, words, issues: inOrder(issues) }
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
