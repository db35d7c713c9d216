import { join } from 'node:path'
import { inspectKeepalivedConf } from '../config/keepalived/read.ts'
import { inspectHaDir, type ReadHaDirOptions } from '../config/read-ha-dir.ts'
import { Cluster, type Issue, isHotStandbyError } from '../index.ts'
import { printable } from '../roles/printable.ts'
import type { Arguments } from './arguments.ts'
import { issueLine, print } from './output.ts'
import { optionsOf } from './run.ts'

/**
 * `hot-standby check`: says everything that can be known about the files without running anything. Answers the exit code.
 * What a resource word becomes depends on the scripts that are installed; `scripts` names other directories of them.
 */
export function check(args: Arguments, scripts: Omit<ReadHaDirOptions, 'node'> = {}): number {
  if (args.config !== undefined) return checkKeepalivedConf(args.config, args.node)
  const found = inspectHaDir(args.dir, { ...scripts, node: args.node })
  const issues: Issue[] = [...found.issues]
  const file = join(args.dir, found.source === 'ini' ? 'hot-standby.ini' : 'ha.cf')
  let promises: readonly string[] = []
  if (found.options) {
    const told = judge(() => optionsOf(args, found))
    promises = told.promises
    for (const issue of told.issues) {
      // The readers know the line; what they have said is not said again without one.
      if (issues.some(({ message }) => message.endsWith(issue.message))) continue
      const nobody = issue.where === 'node' && args.node === undefined
      if (nobody) issues.push({ where: file, severity: 'note', message: `${issue.message} with --node NAME` })
      else issues.push(placed(issue, file, found.whereTransports))
    }
  }
  if (found.source === 'ha.cf')
    issues.push({
      where: file,
      severity: 'note',
      message:
        'a heartbeat daemon restarts its host when a resource will not stop; hot-standby run falls silent and ends, unless ' +
        'it is given --on-fatal reboot',
    })
  for (const issue of issues) print(`${issueLine(issue)}\n`)
  for (const { where, word, became } of found.words) print(`${printable(`${where}: ${word} -> ${became}`)}\n`)
  for (const sentence of promises) print(`${printable(sentence)}\n`)
  for (const sentence of found.hostChecks) print(`not checked here: ${printable(sentence)}\n`)
  return conclude(args.dir, issues)
}

/** The same for a keepalived.conf: every issue, and what each block became. */
function checkKeepalivedConf(file: string, configId: string | undefined): number {
  const { issues, blocks } = inspectKeepalivedConf(file, { configId })
  for (const issue of issues) print(`${issueLine(issue)}\n`)
  for (const { where, word, became } of blocks) print(`${printable(`${where}: ${word} -> ${became}`)}\n`)
  return conclude(file, issues)
}

function conclude(what: string, issues: readonly Issue[]): number {
  const errors = issues.filter(({ severity }) => severity === 'error').length
  print(`${what}: ${errors === 0 ? 'no errors' : `${errors} error${errors === 1 ? '' : 's'}`}\n`)
  return errors === 0 ? 0 : 1
}

/** An issue of an option at the line of the file that gave it, where that is known. */
function placed(issue: Issue, file: string, whereTransports: readonly string[]): Issue {
  const transport = whereTransports[Number(/^transports\[(\d+)\]/.exec(issue.where)?.[1])]
  if (transport !== undefined) return { ...issue, where: transport }
  return { ...issue, where: file, message: `${issue.where}: ${issue.message}` }
}

/** What the cluster itself has to say of the options. */
function judge(options: () => ConstructorParameters<typeof Cluster>[0]): Told {
  try {
    const { warnings: issues, promises } = new Cluster(options())
    return { issues, promises }
  } catch (error) {
    if (!isHotStandbyError(error)) throw error
    return { issues: error.issues, promises: [] }
  }
}

interface Told {
  readonly issues: readonly Issue[]
  readonly promises: readonly string[]
}
