/**
 * The command line as a table. The parser, the help, the completion of the shells, the man page and `docs/command.md` are made of
 * it, so they cannot say different things.
 */

/** What a value or an operand is completed with. */
export type Completes = 'directory' | 'file' | readonly string[]

/** The names of the options. */
export type OptionName =
  | 'dir'
  | 'config'
  | 'node'
  | 'state'
  | 'control'
  | 'on-fatal'
  | 'status-port'
  | 'json'
  | 'all'
  | 'check'
  | 'name'
  | 'members'
  | 'second'
  | 'ping'
  | 'serve'
  | 'ts'
  | 'svg'
  | 'html'

/** The names of the commands. */
export type CommandName =
  | 'init'
  | 'convert'
  | 'run'
  | 'check'
  | 'status'
  | 'watch'
  | 'metrics'
  | 'standby'
  | 'takeover'
  | 'maintenance'
  | 'events'
  | 'why'
  | 'history'
  | 'record'
  | 'replay'
  | 'timeline'
  | 'cleanup'
  | 'keygen'
  | 'completion'
  | 'help'

/** An option. */
export interface OptionRow {
  /** Name of its value; none: it is a switch. */
  readonly value?: string
  readonly completes?: Completes
  readonly text: string
}

/** An operand at its place. */
export interface OperandRow {
  readonly name: string
  readonly optional?: true
  /** As many as are given, the last row only. */
  readonly many?: true
  /** The words that it can be; it is refused when it is another one. */
  readonly words?: readonly string[]
  readonly completes?: Completes
}

/** One command. */
export interface CommandRow {
  /** What it does, for a line of the overview. */
  readonly summary: string
  readonly operands?: readonly OperandRow[]
  readonly options: readonly OptionName[]
  /** What a person must know beside the summary, in paragraphs. */
  readonly details?: readonly string[]
}

/** Every option of every command. */
export const options: Readonly<Record<OptionName, OptionRow>> = {
  dir: {
    value: 'DIR',
    completes: 'directory',
    text: 'directory with ha.cf, authkeys and haresources, or with hot-standby.ini; default /etc/ha.d',
  },
  config: {
    value: 'FILE',
    completes: 'file',
    text: "keepalived's own file, keepalived.conf, instead of the directory; --node is then what its @NAME lines are compared with",
  },
  node: { value: 'NAME', text: 'which member this host is; default its host name' },
  state: {
    value: 'DIR',
    completes: 'directory',
    text: 'where the member keeps its state; default from the names of cluster and node',
  },
  control: {
    value: 'SOCKET',
    completes: 'file',
    text: 'the control socket; default from the names of cluster and node',
  },
  'on-fatal': {
    value: 'ACTION',
    completes: ['exit', 'none', 'reboot'],
    text:
      'what to do when a resource can neither be stopped nor cut off: exit (default), none, reboot (the host, at once), or the ' +
      'full path of a program; goes before onFatal of the ini',
  },
  'status-port': {
    value: 'PORT',
    text: 'serves a page with the state of the pair, metrics and health checks on this port of 127.0.0.1, read-only',
  },
  json: { text: 'machine-readable, one JSON object a line' },
  check: {
    text: 'one line for monitoring; exit code 0: well, 1: warning (no standby, a link is down), 2: critical (no node serves), 3: unknown',
  },
  name: { value: 'WORD', text: 'what the pair is called' },
  members: {
    value: 'ADDRESSES',
    text: 'both members with their addresses: one=192.0.2.1,two=192.0.2.2; :PORT may follow',
  },
  second: { value: 'ADDRESSES', completes: ['none'], text: 'the same over a second, independent link, or none' },
  ping: { value: 'ADDRESS', completes: ['none'], text: 'what answers a ping as long as the network is well, or none' },
  serve: {
    value: 'WORDS',
    text: 'resources in the order of start: "192.0.2.10/24 nginx"; with --ts a port of your own HTTP server',
  },
  ts: { text: 'writes a program in TypeScript, and no ini' },
  svg: { text: 'a picture in SVG' },
  html: { text: 'a page with the picture and the list of what happened' },
  all: { text: 'every event and every decision, also those that only say how' },
}

const scopes = ['all', 'local', 'foreign']
const groups: OperandRow = { name: 'GROUP', optional: true, many: true, completes: scopes }
const asks = ['dir', 'node', 'control'] as const
const scopeText =
  'Groups are named by all (the default), local (those that prefer the member that is asked), foreign (the others), or by their ' +
  'names. A group that is itself called all is meant by naming it twice.'

/** Every command, in the order of the overview. */
export const commands: Readonly<Record<CommandName, CommandRow>> = {
  init: {
    summary: 'asks five questions and writes a configuration',
    operands: [{ name: 'DIR', completes: 'directory' }],
    options: ['name', 'members', 'second', 'ping', 'serve', 'ts'],
    details: [
      'Into DIR, which must hold none: hot-standby.ini, or with --ts pair.mts, and a key that only its owner can read. Nothing is ' +
        'written before it is checked. What an option says is not asked; without a terminal all must be said.',
    ],
  },
  convert: {
    summary: "writes Heartbeat's files as an ini or a program",
    operands: [{ name: 'DIR', completes: 'directory' }],
    options: ['dir', 'ts'],
    details: [
      'ha.cf, authkeys and haresources of --dir become DIR/hot-standby.ini, or with --ts DIR/pair.mts, and a file for each key. A ' +
        'comment tells of each line that has no counterpart.',
    ],
  },
  run: {
    summary: "runs this host's member in the foreground",
    options: ['dir', 'config', 'node', 'state', 'control', 'on-fatal', 'status-port', 'json'],
    details: [
      'SIGTERM and SIGINT hand over and end it; SIGHUP reads the files again.',
      'Events go to standard error, one line each; with --json to standard output, one object each.',
    ],
  },
  check: {
    summary: 'says what is wrong with the files',
    options: ['dir', 'config', 'node'],
    details: [
      'Reads the files without running anything, and says what each resource word or block became. Warnings and notes are no errors.',
    ],
  },
  status: {
    summary: 'what the running member knows',
    options: [...asks, 'json', 'check'],
  },
  watch: {
    summary: 'the status, redrawn as it changes',
    options: [...asks],
  },
  metrics: {
    summary: 'the status as metrics for Prometheus',
    options: [...asks],
    details: ["In Prometheus's text format, for the textfile collector of the node exporter for example."],
  },
  standby: {
    summary: 'gives groups to the peer',
    operands: [groups],
    options: [...asks, 'json'],
    details: ['It ends when the peer has confirmed that it serves them, and prints who serves now.', scopeText],
  },
  takeover: {
    summary: 'takes groups from the peer',
    operands: [groups],
    options: [...asks, 'json'],
    details: ['It ends when they are served here, and prints who serves now.', scopeText],
  },
  maintenance: {
    summary: 'watches groups and touches nothing',
    operands: [{ name: 'on|off', words: ['on', 'off'] }, groups],
    options: [...asks, 'json'],
    details: ['on: no start, no stop, no move, on both nodes. off: looks at them and mends.', scopeText],
  },
  events: {
    summary: 'prints every event until the member ends',
    options: [...asks, 'json'],
  },
  why: {
    summary: 'explains the last change of role',
    operands: [{ name: 'GROUP', optional: true }],
    options: [...asks, 'json'],
    details: ['Of GROUP or of any, however long it is ago, with a time line of what led to it.'],
  },
  history: {
    summary: 'who served what since when',
    operands: [{ name: 'GROUP', optional: true }],
    options: [...asks, 'json'],
    details: ['Why, and who asked for it; the last 200 changes, over restarts of the member too.'],
  },
  record: {
    summary: 'writes what the flight recorder still holds',
    operands: [{ name: 'FILE', optional: true, completes: 'file' }],
    options: [...asks],
    details: ['To FILE, which must not exist yet, or to standard output.'],
  },
  replay: {
    summary: 'runs a recording again',
    operands: [{ name: 'FILE', many: true, completes: 'file' }],
    options: ['all', 'json'],
    details: [
      'Of several files the oldest first. Verifies that the same comes out, and prints what happened with the reason of every decision.',
    ],
  },
  timeline: {
    summary: 'draws a recording',
    operands: [{ name: 'FILE', many: true, completes: 'file' }],
    options: ['svg', 'html', 'all'],
    details: [
      'Prints it to standard output: both nodes, beats, losses, decisions and the outage. It takes --svg or --html.',
    ],
  },
  cleanup: {
    summary: 'removes what a killed member has left here',
    options: ['dir', 'node', 'state'],
    details: [
      'As the next start would; it is meant for ExecStopPost= of the systemd unit. It refuses while a member runs.',
    ],
  },
  keygen: {
    summary: 'makes a key',
    operands: [{ name: 'FILE', optional: true, completes: 'file' }],
    options: [],
    details: [
      "For the method 'sealed'. Into FILE, which must not exist yet and only its owner can read, or to standard output.",
    ],
  },
  completion: {
    summary: 'prints the completion for a shell',
    operands: [{ name: 'bash|zsh|fish', words: ['bash', 'zsh', 'fish'] }],
    options: [],
    details: [
      'bash: eval "$(hot-standby completion bash)" in ~/.bashrc. zsh: hot-standby completion zsh >DIR/_hot-standby, where DIR is in ' +
        'fpath. fish: hot-standby completion fish >~/.config/fish/completions/hot-standby.fish.',
    ],
  },
  help: {
    summary: 'explains a command',
    operands: [{ name: 'COMMAND', optional: true }],
    options: [],
  },
}

/** What the exit code of every command means. */
export const exitCodes: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'well; check: no errors; standby, takeover: the other side has confirmed'],
  [1, 'failed; the reason is on standard error (check: on standard output)'],
  [
    2,
    'the command line is wrong and nothing was done; replay: the recording begins in the middle and could only be read',
  ],
]

/** What the program is. */
export const title = 'a high-availability pair of two hosts'

/** All of them, in the order of the overview. */
export const commandNames: readonly CommandName[] = Object.keys(commands) as CommandName[]

/** An option as it is written: `--dir DIR`. */
export function optionTerm(name: OptionName): string {
  const { value } = options[name]
  return value === undefined ? `--${name}` : `--${name} ${value}`
}

/** A command with everything that it takes, in words that may not be broken. */
export function synopsis(name: CommandName): readonly string[] {
  const { operands = [], options: taken } = commands[name]
  return [
    name,
    ...operands.map(({ name: operand, optional, many }) => {
      const word = many ? `${operand}...` : operand
      return optional ? `[${word}]` : word
    }),
    ...taken.map((option) => `[${optionTerm(option)}]`),
  ]
}
