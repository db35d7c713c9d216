import { openLoggers } from '../config/logging.ts'
import { type HaDir, inspectHaDir } from '../config/read-ha-dir.ts'
import { withoutPayload } from '../control/protocol.ts'
import { markRunning } from '../control/running.ts'
import {
  Cluster,
  type ClusterOptions,
  configurationError,
  HotStandbyError,
  isHotStandbyError,
  type Logger,
  levelOf,
  serveControl,
  statusServer,
} from '../index.ts'
import { guardianCaution } from '../platform/container.ts'
import { feedWatchdog, notifySystemd } from '../platform/notify.ts'
import { messageOf } from '../roles/error.ts'
import { printableJson } from '../roles/printable.ts'
import type { Arguments } from './arguments.ts'
import { releaseSignals } from './early-signals.ts'
import { runFatalAction } from './fatal.ts'
import { eventLine, issueLine, print, say } from './output.ts'

/** Options of the member that a command line means. */
export function optionsOf(args: Arguments, found: HaDir): ClusterOptions {
  if (!found.options) throw configurationError(found.issues)
  return {
    ...found.options,
    ...(args.node === undefined ? {} : { node: args.node }),
    ...(args.state === undefined ? {} : { stateDirectory: args.state }),
  }
}

/** `hot-standby run`: a member in the foreground until SIGTERM or SIGINT. Answers the exit code. */
export async function run(args: Arguments): Promise<number> {
  if (args.config !== undefined) throw notRunYet(args.config)
  const found = inspectHaDir(args.dir, { node: args.node })
  for (const issue of found.issues)
    if (issue.severity !== 'error') say(issueLine(issue), issue.severity === 'warning' ? 'warn' : 'info')
  const options = optionsOf(args, found)
  const logs = openLoggers(found.logging, [], (error) => say(error.message, 'error'))
  try {
    return await serve(args, options, logs.logger, args.onFatal ?? found.onFatal ?? 'exit')
  } finally {
    await logs.close()
  }
}

/** What is said where a keepalived.conf is to be run, until there is what runs it. */
function notRunYet(file: string): HotStandbyError {
  return new HotStandbyError(
    'HS_CONFIG',
    `${file}: this version reads a keepalived.conf and does not run it yet; hot-standby check --config ${file} says what it means`,
  )
}

async function serve(args: Arguments, options: ClusterOptions, logger: Logger, onFatal: string): Promise<number> {
  let ended: (code: number) => void = () => {}
  const end = new Promise<number>((resolve) => {
    ended = resolve
  })
  const fail = (error: Error) => {
    say(error.message, 'error')
    ended(1)
  }
  const fatal = (error: Error) => {
    say(error.message, 'error')
    void runFatalAction(onFatal, error.message, { say: (text) => say(text, 'error'), end: ended })
  }
  const cluster = new Cluster({ ...options, logger, onFatal: fatal })
  cluster.onAny((event) =>
    args.json ? print(`${printableJson(withoutPayload(event))}\n`) : say(eventLine(event), levelOf(event)),
  )
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return
    stopping = true
    say(`${signal}: stopping`)
    notifySystemd('STOPPING=1')
    cluster.stop().then(() => ended(0), fail)
  }
  const reload = () => reloadFiles(args, cluster, logger)
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload)
  releaseSignals()
  let unmark = () => {}
  let unwatch = () => {}
  try {
    await cluster.start()
    const control = await serveControl(cluster, { path: args.control })
    say(`${cluster.node} of ${cluster.name} runs; control socket ${control.path}`)
    const { statusPort } = args
    if (statusPort !== undefined) say(`status page ${(await statusServer(cluster, { port: statusPort })).url}`)
    const floats = options.groups.some(({ resources }) => resources.some(({ addresses = [] }) => addresses.length > 0))
    const caution = floats ? guardianCaution() : undefined
    if (caution !== undefined) say(`warning: ${caution}`, 'warn')
    unmark = marked(args.dir, cluster.node, control.path)
    notifySystemd('READY=1')
    unwatch = feedWatchdog(() => cluster.turn())
    const code = await end
    await control.close()
    return code
  } catch (error) {
    // `start()` was ended by the signal, in good order.
    if (stopping) return end
    await cluster.stop().catch(() => {})
    throw error
  } finally {
    unmark()
    unwatch()
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload)
  }
}

/** Lets the other commands find this member by its directory. Where that cannot be, they find it by its files or `--control`. */
function marked(dir: string, node: string, socket: string): () => void {
  try {
    return markRunning(dir, node, socket)
  } catch (error) {
    say(`commands find this member by --control ${socket} only: ${messageOf(error)}`, 'warn')
    return () => {}
  }
}

function reloadFiles(args: Arguments, cluster: Cluster, logger: Logger): void {
  const found = inspectHaDir(args.dir, { node: args.node })
  const done = async () => {
    await cluster.reload({ ...optionsOf(args, found), logger })
    say('SIGHUP: the files were read again')
  }
  done().catch((error: unknown) => {
    say('SIGHUP: nothing was changed', 'error')
    if (isHotStandbyError(error) && error.issues.length > 0)
      for (const issue of error.issues) say(issueLine(issue), 'error')
    else say(messageOf(error), 'error')
  })
}
