import { parseArgs } from 'node:util'
import { checkFatalAction } from '../config/fatal-action.ts'
import { messageOf } from '../roles/error.ts'

/** A command line, understood. */
export interface Arguments {
  readonly command: string
  readonly dir: string
  readonly node: string | undefined
  readonly state: string | undefined
  readonly control: string | undefined
  readonly onFatal: string | undefined
  readonly statusPort: number | undefined
  readonly json: boolean
  readonly all: boolean
  readonly check: boolean
  readonly svg: boolean
  readonly html: boolean
  readonly operands: readonly string[]
}

/** A command line that cannot be understood; the message says what is wrong and what would be right. */
export class UsageError extends Error {}

const flags = {
  dir: { type: 'string' },
  node: { type: 'string' },
  state: { type: 'string' },
  control: { type: 'string' },
  'on-fatal': { type: 'string' },
  'status-port': { type: 'string' },
  json: { type: 'boolean' },
  all: { type: 'boolean' },
  check: { type: 'boolean' },
  svg: { type: 'boolean' },
  html: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

type Flag = Exclude<keyof typeof flags, 'help' | 'version'>

/** Which flags and how many operands each command takes. */
const commands: Readonly<Record<string, { readonly flags: readonly Flag[]; readonly operands: boolean }>> = {
  run: { flags: ['dir', 'node', 'state', 'control', 'on-fatal', 'status-port', 'json'], operands: false },
  check: { flags: ['dir', 'node'], operands: false },
  status: { flags: ['dir', 'node', 'control', 'json', 'check'], operands: false },
  watch: { flags: ['dir', 'node', 'control'], operands: false },
  metrics: { flags: ['dir', 'node', 'control'], operands: false },
  standby: { flags: ['dir', 'node', 'control'], operands: true },
  takeover: { flags: ['dir', 'node', 'control'], operands: true },
  record: { flags: ['dir', 'node', 'control'], operands: true },
  replay: { flags: ['json', 'all'], operands: true },
  timeline: { flags: ['svg', 'html', 'all'], operands: true },
  why: { flags: ['dir', 'node', 'control', 'json'], operands: true },
  maintenance: { flags: ['dir', 'node', 'control'], operands: true },
  history: { flags: ['dir', 'node', 'control', 'json'], operands: true },
  events: { flags: ['dir', 'node', 'control', 'json'], operands: false },
  cleanup: { flags: ['dir', 'node', 'state'], operands: false },
  keygen: { flags: [], operands: true },
}

/**
 * Understands a command line.
 * @throws {UsageError} that says what is wrong.
 */
export function readArguments(argv: readonly string[]): Arguments | 'help' | 'version' {
  const { values, positionals } = parse(argv)
  if (values.help || positionals[0] === 'help') return 'help'
  if (values.version) return 'version'
  const [command, ...operands] = positionals
  const names = Object.keys(commands).join(', ')
  if (command === undefined) throw new UsageError(`no command given; there are: ${names}`)
  const known = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (!known) throw new UsageError(`'${command}' is no command; there are: ${names}`)
  for (const name of Object.keys(values))
    if (!(known.flags as readonly string[]).includes(name)) throw new UsageError(`${command} takes no --${name}`)
  if (operands.length > 0 && !known.operands)
    throw new UsageError(`${command} takes no operand; found '${operands.join(' ')}'`)
  return {
    command,
    dir: values.dir ?? '/etc/ha.d',
    node: values.node,
    state: values.state,
    control: values.control,
    onFatal: fatalAction(values['on-fatal']),
    statusPort: portOf(values['status-port']),
    json: values.json ?? false,
    all: values.all ?? false,
    check: values.check ?? false,
    svg: values.svg ?? false,
    html: values.html ?? false,
    operands,
  }
}

function fatalAction(action: string | undefined): string | undefined {
  try {
    return action === undefined ? undefined : checkFatalAction(action)
  } catch (error) {
    throw new UsageError(`--on-fatal: ${messageOf(error)}`)
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new UsageError(`--status-port: '${text}' is no port; a number from 0 (one that is free) to 65535`)
}

function parse(
  argv: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof flags; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
