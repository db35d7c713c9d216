import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkFatalAction } from '../config/fatal-action.ts'
import { suggestion } from '../config/problems.ts'
import { messageOf } from '../roles/error.ts'
import { type CommandName, commandNames, commands, type OptionName, options, optionTerm, synopsis } from './table.ts'

/** A command line, understood. Paths are absolute. */
export interface Arguments {
  readonly command: CommandName
  readonly dir: string
  /** Whether `dir` was said, and is not the default. */
  readonly dirGiven: boolean
  /** A keepalived.conf instead of `dir`. */
  readonly config: string | undefined
  readonly node: string | undefined
  readonly state: string | undefined
  readonly control: string | undefined
  readonly onFatal: string | undefined
  readonly statusPort: number | undefined
  readonly json: boolean
  readonly all: boolean
  readonly check: boolean
  readonly ts: boolean
  /** What `init` needs not ask. */
  readonly answers: Partial<Record<'name' | 'members' | 'second' | 'ping' | 'serve', string>>
  readonly svg: boolean
  readonly html: boolean
  readonly operands: readonly string[]
}

/** A command line that cannot be understood; the message says what is wrong and what would be right. */
export class UsageError extends Error {
  /** The command that it is about, where it is known. */
  readonly command: CommandName | undefined

  constructor(message: string, command?: CommandName) {
    super(message)
    this.command = command
  }
}

/** A command line that asks for words only. */
export type AskedText = { readonly text: 'version' } | { readonly text: 'help'; readonly of: CommandName | undefined }

/**
 * Understands a command line.
 * @throws {UsageError} that says what is wrong.
 */
export function readArguments(argv: readonly string[]): Arguments | AskedText {
  const { given, words } = split(argv)
  const [first, ...operands] = words
  if (given.has('version')) return { text: 'version' }
  if (first === 'help' || (first === undefined && given.has('help'))) {
    if (operands.length > 1) throw new UsageError(`help takes one command; found '${operands.join(' ')}'`, 'help')
    return { text: 'help', of: operands[0] === undefined ? undefined : commandNamed(operands[0]) }
  }
  if (first === undefined) throw new UsageError(`no command given; there are: ${commandNames.join(', ')}`)
  const command = commandNamed(first)
  if (given.has('help')) return { text: 'help', of: command }
  checkOptions(command, given)
  checkOperands(command, operands)
  const text = (name: OptionName): string | undefined => given.get(name)?.value
  const path = (name: OptionName): string | undefined => {
    const value = text(name)
    return value === undefined ? undefined : resolve(value)
  }
  if (given.has('dir') && given.has('config'))
    throw new UsageError(`${command} takes --dir or --config, not both`, command)
  return {
    command,
    dir: path('dir') ?? '/etc/ha.d',
    dirGiven: given.has('dir'),
    config: path('config'),
    node: text('node'),
    state: path('state'),
    control: path('control'),
    onFatal: fatalAction(text('on-fatal')),
    statusPort: portOf(text('status-port')),
    json: given.has('json'),
    all: given.has('all'),
    check: given.has('check'),
    ts: given.has('ts'),
    answers: Object.fromEntries(
      (['name', 'members', 'second', 'ping', 'serve'] as const).flatMap((name) => {
        const answer = text(name)
        return answer === undefined ? [] : [[name, answer]]
      }),
    ),
    svg: given.has('svg'),
    html: given.has('html'),
    operands,
  }
}

function commandNamed(word: string): CommandName {
  const name = commandNames.find((known) => known === word)
  if (name !== undefined) return name
  throw new UsageError(
    `'${word}' is no command; ${suggestion(word, commandNames) || `there are: ${commandNames.join(', ')}`}`,
  )
}

/** An option as it stands in the command line. */
interface Given {
  readonly raw: string
  readonly value: string | undefined
  /** Whether the value came with `=`. */
  readonly inline: boolean
}

/** Cuts a command line into options and words. What is wrong with the options is found when the command is known. */
function split(argv: readonly string[]): { readonly given: ReadonlyMap<string, Given>; readonly words: string[] } {
  const types = Object.keys(options).map((name) => {
    const type = options[name as OptionName].value === undefined ? 'boolean' : 'string'
    return [name, { type }] as const
  })
  const known = Object.fromEntries([
    ...types,
    ['help', { type: 'boolean', short: 'h' }] as const,
    ['version', { type: 'boolean' }] as const,
  ])
  const { tokens } = parseArgs({ args: [...argv], options: known, allowPositionals: true, strict: false, tokens: true })
  const given = new Map<string, Given>()
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    else if (token.kind === 'option')
      given.set(token.name, { raw: token.rawName, value: token.value, inline: token.inlineValue ?? false })
  }
  return { given, words }
}

function checkOptions(command: CommandName, given: ReadonlyMap<string, Given>): void {
  const taken = commands[command].options
  const takes = taken.length === 0 ? 'no options' : taken.map(optionTerm).join(', ')
  for (const [name, { raw, value, inline }] of given) {
    const option = taken.find((one) => one === name)
    if (option === undefined) {
      const meant = Object.hasOwn(options, name) ? '' : suggestion(name, taken).match(/^did you mean '(.*)'\?$/)?.[1]
      throw new UsageError(
        `${command} takes no ${raw}; ${meant ? `did you mean --${meant}?` : `it takes ${takes}`}`,
        command,
      )
    }
    const wanted = options[option].value
    if (wanted === undefined && value !== undefined)
      throw new UsageError(`${raw} takes no value; found '${value}'`, command)
    if (wanted !== undefined && (value === undefined || value === '' || (!inline && value.startsWith('-')))) {
      const found = value === undefined ? '' : `; found '${value}'`
      throw new UsageError(`${raw} needs its value: ${optionTerm(option)}${found}`, command)
    }
  }
}

function checkOperands(command: CommandName, found: readonly string[]): void {
  const rows = commands[command].operands ?? []
  const refuse = (what: string): never => {
    const [, ...takes] = synopsis(command).filter((word) => !word.startsWith('[--'))
    const right = takes.length === 0 ? '' : `; right is: hot-standby ${command} ${takes.join(' ')}`
    throw new UsageError(`${command} ${what}${right}`, command)
  }
  for (const [at, { name, optional, words }] of rows.entries()) {
    const word = found[at]
    if (word === undefined) {
      if (!optional) refuse(`needs ${name}`)
    } else if (words && !words.includes(word)) refuse(`takes ${name}; found '${word}'`)
  }
  if (rows.at(-1)?.many) return
  const more = found.slice(rows.length)
  if (more.length > 0) refuse(`takes ${rows.length === 0 ? 'no operand' : 'no more'}; found '${more.join(' ')}'`)
}

function fatalAction(action: string | undefined): string | undefined {
  try {
    return action === undefined ? undefined : checkFatalAction(action)
  } catch (error) {
    throw new UsageError(`--on-fatal: ${messageOf(error)}`, 'run')
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new UsageError(`--status-port: '${text}' is no port; a number from 0 (one that is free) to 65535`, 'run')
}
