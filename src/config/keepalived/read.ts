import { hostname } from 'node:os'
import type { VrrpOptions } from '../../options/vrrp-options.ts'
import { configurationError, HotStandbyError, type Issue } from '../../roles/error.ts'
import { checkOptionNames, type OptionTable, shownValue } from '../../roles/option-table.ts'
import { hasErrors, quoted } from '../problems.ts'
import { type BecomeLine, whatBecame } from './became.ts'
import { completeFile } from './complete.ts'
import { emptyFile } from './drafts.ts'
import { type KeepalivedHost, realHost } from './host.ts'
import { readLines } from './lines.ts'
import { Report } from './report.ts'
import { readBlock } from './rows.ts'
import { readStatements } from './statements.ts'
import { topTable } from './top-rows.ts'

/** Options of {@link readKeepalivedConf}. */
export interface ReadKeepalivedConfOptions {
  /** What the file's `@name` lines are compared with, as `keepalived -i`. @defaultValue the host name up to its first dot */
  readonly configId?: string | undefined
}

const optionTable: OptionTable<ReadKeepalivedConfOptions> = { configId: 'text' }

/** Everything that a `keepalived.conf` says, whether or not it is right. */
export interface KeepalivedConf {
  /** Undefined where an issue is an error. */
  readonly options: VrrpOptions | undefined
  /** What each block became. */
  readonly blocks: readonly BecomeLine[]
  /** Every problem, error or not, in the order in which the files are read. */
  readonly issues: readonly Issue[]
}

/**
 * Reads a `keepalived.conf` with everything it includes, unchanged, and says what it means: checked, with the defaults of keepalived
 * 2.2.7. `docs/keepalived-conf.md` tells what becomes of each keyword.
 * @param file - the file, `/etc/keepalived/keepalived.conf` say
 * @throws {HotStandbyError} `HS_CONFIG` that lists every problem found, each with file and line
 *
 * @example
 * ```ts
 * import { readKeepalivedConf } from 'hot-standby'
 *
 * for (const { name, vrid, addresses } of readKeepalivedConf('/etc/keepalived/keepalived.conf').instances)
 *   console.log(name, vrid, addresses.map(({ address }) => address))
 * ```
 */
export function readKeepalivedConf(file: string, options: ReadKeepalivedConfOptions = {}): VrrpOptions {
  if (typeof file !== 'string' || file === '')
    throw new HotStandbyError('HS_CONFIG', `readKeepalivedConf: the file must be a path, got ${shownValue(file)}`)
  checkOptionNames('readKeepalivedConf', options, optionTable)
  const found = inspectKeepalivedConf(file, options)
  if (found.options === undefined) throw configurationError(found.issues)
  return found.options
}

/**
 * As {@link readKeepalivedConf}, but never throws for what the files say: for `check`, which shows warnings and notes too.
 * @param host - what the files are judged by besides their text
 */
export function inspectKeepalivedConf(
  file: string,
  { configId }: ReadKeepalivedConfOptions = {},
  host: KeepalivedHost = realHost(configId ?? hostname().replace(/\..*/s, ''), hostname()),
): KeepalivedConf {
  const report = new Report()
  const lines = readLines(file, host, report)
  const { statements, unclosed } = readStatements(lines, report)
  const draft = emptyFile(statements)
  // With `dynamic_interfaces` every interface may still come.
  const hasInterface = (name: string) => (draft.globals.dynamicInterfaces ? undefined : host.hasInterface(name))
  const context = { report, host: { ...host, hasInterface } }
  readBlock(topTable, draft, undefined, statements, context)
  if (unclosed)
    report.misbuilt(unclosed.where, `the block of ${quoted(unclosed.words.join(' '))} is not closed: '}' is missing`)
  const options = report.isMisbuilt ? undefined : completeFile(draft, context)
  if (draft.instances.length === 0 && draft.balancers.length === 0 && !hasErrors(report.issues))
    report.error(file, 'holds neither a vrrp_instance nor a virtual_server; is it a keepalived.conf?')
  const issues = byPlace(report.issues, [...new Set(lines.map(({ where }) => where))])
  if (options === undefined || hasErrors(issues)) return { options: undefined, blocks: [], issues }
  return { options, blocks: whatBecame(options), issues }
}

/** By file in the order of reading, then by line; what belongs to no line comes first. */
function byPlace(issues: readonly Issue[], places: readonly string[]): readonly Issue[] {
  const fileOf = (where: string) => where.replace(/:\d+$/, '')
  const lineOf = (where: string) => Number(/:(\d+)$/.exec(where)?.[1] ?? 0)
  const files = [...new Set(places.map(fileOf))]
  return [...issues].sort(
    (a, b) => files.indexOf(fileOf(a.where)) - files.indexOf(fileOf(b.where)) || lineOf(a.where) - lineOf(b.where),
  )
}
