import { userInfo } from 'node:os'
import { inspectHaDir } from '../config/read-ha-dir.ts'
import { defaultControlSockets, runningControlPath } from '../control/running.ts'
import {
  Cluster,
  type ControlClient,
  connectControl,
  defaultControlPath,
  HotStandbyError,
  isHotStandbyError,
  prometheusText,
} from '../index.ts'
import { libraryVersion } from '../platform/version.ts'
import { printable, printableJson } from '../roles/printable.ts'
import { type Arguments, readArguments, UsageError } from './arguments.ts'
import { check } from './check.ts'
import { completion } from './completion.ts'
import { convert } from './convert.ts'
import { helpOf, overview } from './help.ts'
import { init } from './init.ts'
import { keygen } from './keygen.ts'
import { movedLine, movedOf } from './moved.ts'
import { eventLine, issueLine, outputLayout, print, printPainted, say } from './output.ts'
import { history, record, replayFile, timeline, why } from './recording.ts'
import { optionsOf, run } from './run.ts'
import { statusLines } from './status.ts'
import { checkFailure, statusCheck } from './status-check.ts'
import type { CommandName } from './table.ts'
import { watch } from './watch.ts'

/** Asks the running member over its control socket. */
async function ask<T>(args: Arguments, question: (client: ControlClient) => Promise<T>): Promise<T> {
  const client = await connectControl(args.control ?? controlPath(args))
  try {
    return await question(client)
  } finally {
    client.close()
  }
}

/**
 * The socket of the member that runs by the directory; its files are asked only where none does: they may have an error now, or
 * another name.
 */
function controlPath(args: Arguments): string {
  const running = runningControlPath(args.dir, args.node)
  if (running !== undefined) return running
  const found = inspectHaDir(args.dir, { node: args.node })
  if (!found.options) {
    const only = args.dirGiven ? undefined : onlySocket(args.node)
    if (only !== undefined) return only
    const sockets = defaultControlSockets()
    const files = found.source === undefined ? 'it holds no configuration' : 'its files have errors'
    const message = `no member was started by 'run --dir ${args.dir}', and ${files}, so no socket is known`
    const which = sockets.length === 0 ? '' : `; --control names one: ${sockets.join(', ')}`
    throw new HotStandbyError('HS_CONTROL', `${message}${which}`)
  }
  const cluster = new Cluster(optionsOf(args, found))
  return defaultControlPath(cluster.name, cluster.node)
}

/** The only socket at a default path, of the member that `--node` names where that is said: an application serves it, say. */
function onlySocket(node: string | undefined): string | undefined {
  const sockets = defaultControlSockets().filter((path) => node === undefined || path.endsWith(`-${node}.sock`))
  return sockets.length === 1 ? sockets[0] : undefined
}

const scopeOf = (operands: readonly string[]): string | readonly string[] => {
  const [first = 'all', ...more] = operands
  return more.length === 0 && ['all', 'local', 'foreign'].includes(first) ? first : [first, ...more]
}

/** Who asks for a move: the user, also behind sudo. */
function whoAsks(): string {
  const { username } = userInfo()
  const { SUDO_USER: behind } = process.env
  return behind === undefined || behind === username ? username : `${behind} (as ${username})`
}

/** `status --check`: the line of a monitoring plugin, with its exit code, also where nobody answers. */
async function checkStatus(args: Arguments): Promise<number> {
  const { code, line } = await ask(args, async (client) => statusCheck(await client.status())).catch(checkFailure)
  print(`${line}\n`)
  return code
}

/** Does what changes who serves, and prints who serves then. */
async function move(args: Arguments, act: (client: ControlClient) => Promise<void>): Promise<number> {
  const { before, after } = await ask(args, async (client) => {
    const before = await client.status()
    await act(client)
    return { before, after: await client.status() }
  })
  if (args.json) print(`${printableJson(movedOf(args.command, before, after))}\n`)
  else print(`${printable(movedLine(args.command, before, after))}\n`)
  return 0
}

const commands: Readonly<Record<Exclude<CommandName, 'help'>, (args: Arguments) => Promise<number> | number>> = {
  init,
  convert: (args) => convert(args),
  run,
  check: (args) => check(args),
  async status(args) {
    if (args.check) return checkStatus(args)
    const snapshot = await ask(args, (client) => client.status())
    if (args.json) print(`${printableJson(snapshot)}\n`)
    else printPainted(statusLines(snapshot, outputLayout()))
    return 0
  },
  watch: (args) => watch(args, () => connectControl(args.control ?? controlPath(args))),
  async metrics(args) {
    const snapshot = await ask(args, (client) => client.status())
    print(prometheusText({ snapshot: () => snapshot }))
    return 0
  },
  standby: (args) => move(args, (client) => client.standby(scopeOf(args.operands), whoAsks())),
  takeover: (args) => move(args, (client) => client.takeover(scopeOf(args.operands), whoAsks())),
  maintenance(args) {
    const [word, ...groups] = args.operands
    return move(args, (client) => client.maintenance(word === 'on', scopeOf(groups)))
  },
  record: (args) => record(args, () => ask(args, (client) => client.recording())),
  replay: replayFile,
  timeline,
  why: (args) => why(args, (group) => ask(args, (client) => client.explain(group))),
  history: (args) => history(args, () => ask(args, (client) => client.history())),
  async events(args) {
    await ask(args, (client) => {
      process.stdout.once('error', () => client.close())
      return client.events((event) => print(`${args.json ? printableJson(event) : eventLine(event)}\n`))
    })
    return 0
  },
  async cleanup(args) {
    await Cluster.cleanUp(optionsOf(args, inspectHaDir(args.dir, { node: args.node })))
    return 0
  },
  keygen,
  completion(args) {
    print(completion(args.operands[0] as string))
    return 0
  },
}

/** Understands a command line, does it, and ends the process. */
export function main(argv: readonly string[]): void {
  act(argv).then(exit, (error: unknown) => {
    if (error instanceof UsageError) {
      say(`hot-standby: ${error.message}`, 'error')
      say(`Try: hot-standby ${error.command === undefined ? '--help' : `help ${error.command}`}`)
      // To a monitoring that asks with a wrong command line, 2 would be an alarm.
      return exit(argv.includes('--check') ? 3 : 2)
    }
    if (isHotStandbyError(error) && error.issues.length > 0)
      for (const issue of error.issues) say(issueLine(issue), 'error')
    else say(`hot-standby: ${error instanceof Error ? error.message : String(error)}`, 'error')
    exit(1)
  })
}

async function act(argv: readonly string[]): Promise<number> {
  const args = readArguments(argv)
  if ('text' in args) {
    if (args.text === 'version') print(`${libraryVersion()}\n`)
    else print(args.of === undefined ? overview() : helpOf(args.of))
    return 0
  }
  return commands[args.command as keyof typeof commands](args)
}

/** Everything written is on its way out before the process ends, whatever still runs in it. */
function exit(code: number): void {
  process.exitCode = code
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
}

// Whoever reads our output may go at any time (`hot-standby events | head -1`); that must not end a running member.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
