import { HotStandbyError, type Issue } from './error.ts'

/** What a value must be before anything else is asked of it. */
export type OptionKind = 'text' | 'number' | 'boolean' | 'function' | 'texts' | 'map' | 'list' | 'any'

const kinds: Readonly<Record<OptionKind, readonly [wanted: string, isRight: (value: unknown) => boolean]>> = {
  text: ['a text', (value) => typeof value === 'string'],
  number: ['a number', (value) => typeof value === 'number'],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  function: ['a function', (value) => typeof value === 'function'],
  texts: ['a list of texts', (value) => Array.isArray(value) && value.every((each) => typeof each === 'string')],
  /** Names of the user's own with values. */
  map: ['an object', (value) => isPlain(value)],
  list: ['a list', (value) => Array.isArray(value)],
  /** Whoever takes the option says what is wrong with it. */
  any: ['anything', () => true],
}

/** Every option of a factory: one that is missing here does not compile. */
export type OptionTable<Options> = { readonly [Name in keyof Options]-?: OptionKind }

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What people call an option that has another name here. */
const synonyms: Readonly<Record<string, string>> = {
  interface: 'device',
  iface: 'device',
  dev: 'device',
  nic: 'device',
  arguments: 'args',
  environment: 'env',
  keepalivetime: 'keepalive',
  timeout: 'startTimeout',
  interval: 'statusInterval',
}

const bare = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, '')

/** Insertions, removals and exchanges of letters between two words. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const exchanged = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(exchanged, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}

/** The name that was probably meant, if there is one. */
export function meantName(found: string, known: readonly string[]): string | undefined {
  const word = bare(found)
  const same = known.find((name) => bare(name) === word)
  if (same !== undefined) return same
  const synonym = Object.hasOwn(synonyms, word) ? synonyms[word] : undefined
  if (synonym !== undefined && known.includes(synonym)) return synonym
  if (word.length > 40) return undefined
  const near = known
    .map((name) => ({ name, far: distance(word, bare(name)) }))
    .filter(({ name, far }) => far <= Math.min(2, Math.floor(name.length / 3)))
  return near.sort((a, b) => a.far - b.far)[0]?.name
}

/** What is wrong with a name that is none of the known ones. */
export function unknownOption(found: string, known: readonly string[]): string {
  const meant = meantName(found, known)
  const right = meant === undefined ? `known options: ${known.join(', ')}` : `did you mean '${meant}'?`
  return `unknown option '${found}'; ${right}`
}

/** A value as it is shown in a message. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (value === undefined || value === null) return String(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `${typeof value} ${String(value)}`
}

/** Everything that is wrong with names and kinds of options. `where` stands before each name. */
export function optionIssues<Options>(where: string, options: unknown, table: OptionTable<Options>): Issue[] {
  const error = (at: string, message: string): Issue => ({ where: at, message, severity: 'error' })
  if (!isPlain(options)) return [error(where, `the options must be an object, got ${shownValue(options)}`)]
  const known = Object.keys(table)
  return Object.entries(options).flatMap(([name, value]) => {
    if (!Object.hasOwn(table, name)) return [error(where, unknownOption(name, known))]
    const [wanted, isRight] = kinds[table[name as keyof Options]]
    if (value === undefined || isRight(value)) return []
    return [error(`${where}.${name}`, `must be ${wanted}, got ${shownValue(value)}`)]
  })
}

/**
 * The first thing that a factory does with its options: names that it does not know are told, and not ignored.
 * @throws {HotStandbyError} `HS_CONFIG` that lists every unknown name and every value of a wrong kind.
 */
export function checkOptionNames<Options>(where: string, options: Options, table: OptionTable<Options>): void {
  const issues = optionIssues(where, options, table)
  if (issues.length === 0) return
  const lines = issues.map((issue) => `${issue.where}: ${issue.message}`)
  throw new HotStandbyError('HS_CONFIG', lines.join('\n  '), { issues })
}
