import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { deadpingIssues } from '../core/timing.ts'
import type { ClusterOptions } from '../options/options.ts'
import { readPlainFile } from '../platform/durable-file.ts'
import { scriptOutlook } from '../platform/script-file.ts'
import { checkTrusted } from '../platform/trust.ts'
import type { AuthenticatorPlugin } from '../roles/authenticator.ts'
import { configurationError, HotStandbyError, type Issue, messageOf } from '../roles/error.ts'
import { shownValue } from '../roles/option-table.ts'
import { oneLineWarning } from '../transports/one-line.ts'
import { readAuthkeys } from './authkeys.ts'
import { type HaCf, parseHaCf } from './ha-cf.ts'
import type { LoggingOptions } from './ha-cf-draft.ts'
import { parseHaresources } from './haresources.ts'
import { parseIni } from './ini.ts'
import { hasErrors, quoted } from './problems.ts'
import type { FindScript, ResourceWord } from './resource-words.ts'

/** Options of {@link readHaDir}. */
export interface ReadHaDirOptions {
  /** Which of the two nodes this host is. @defaultValue as the files say, else the host name when the cluster starts */
  readonly node?: string | undefined
  /** Heartbeat's own directory of resource scripts. @defaultValue `'/etc/ha.d/resource.d'` */
  readonly resourceDirectory?: string | undefined
  /** Directory of a heartbeat daemon's own state, shared with it: `hb_generation`, `hb_uuid`. @defaultValue `'/var/lib/heartbeat'` */
  readonly heartbeatDirectory?: string | undefined
  /** Directory of init scripts. @defaultValue `'/etc/init.d'` */
  readonly initDirectory?: string | undefined
}

/** Everything that a directory says, whether or not it is right. */
export interface HaDir {
  readonly dir: string
  /** Which of the two sources the directory holds; undefined when it holds neither or both. */
  readonly source: 'ha.cf' | 'ini' | undefined
  /** Undefined where an issue is an error. */
  readonly options: ClusterOptions | undefined
  readonly logging: LoggingOptions
  /** What `hot-standby run` does at a fatal failure, where the files say so. */
  readonly onFatal?: string | undefined
  /** What each resource word became. */
  readonly words: readonly ResourceWord[]
  /** What `ha.cf` says, where it could be read. */
  readonly haCf?: HaCf | undefined
  /** Where each transport of the options stands, as `file:line`. */
  readonly whereTransports: readonly string[]
  /** What only a running host can tell, one sentence each. */
  readonly hostChecks: readonly string[]
  /** Every problem, error or not. */
  readonly issues: readonly Issue[]
}

const heartbeatFiles = ['ha.cf', 'authkeys', 'haresources'] as const
const iniFile = 'hot-standby.ini'

/**
 * Reads a configuration directory: either Heartbeat's three files (`ha.cf`, `authkeys`, `haresources`), unchanged, or one
 * `hot-standby.ini`.
 * @param dir - directory, `/etc/ha.d` say
 * @throws {HotStandbyError} `HS_CONFIG` that lists every problem found, each with file and line
 *
 * @example
 * ```ts
 * import { Cluster, readHaDir } from 'hot-standby'
 *
 * const cluster = new Cluster(readHaDir('/etc/ha.d'))
 * ```
 */
export function readHaDir(dir: string, options: ReadHaDirOptions = {}): ClusterOptions {
  if (typeof dir !== 'string')
    throw new HotStandbyError('HS_CONFIG', `readHaDir: the directory must be a text, got ${shownValue(dir)}`)
  const found = inspectHaDir(dir, options)
  if (found.options === undefined) throw configurationError(found.issues)
  return found.options
}

/** As {@link readHaDir}, but never throws: for `check`, which shows the warnings and notes too. */
export function inspectHaDir(dir: string, options: ReadHaDirOptions = {}): HaDir {
  const nothing: Omit<HaDir, 'issues'> = {
    dir,
    source: undefined,
    options: undefined,
    logging: { debug: 0 },
    words: [],
    whereTransports: [],
    hostChecks: [],
  }
  const fail = (message: string): HaDir => ({ ...nothing, issues: [{ where: dir, message, severity: 'error' }] })
  const present = heartbeatFiles.filter((name) => existsSync(join(dir, name)))
  const hasIni = existsSync(join(dir, iniFile))
  if (hasIni && present.length > 0) {
    return fail(`holds ${iniFile} and ${present.join(', ')}; only one source may be there, move the other away`)
  }
  if (!hasIni && present.length === 0) {
    const state = existsSync(dir) ? 'holds no configuration' : 'does not exist'
    return fail(`${state}; it must hold ha.cf, authkeys and haresources, or ${iniFile}`)
  }
  const find = scriptFinder(dir, options)
  const found = hasIni ? inspectIni(dir, find) : inspectHeartbeat(dir, find, options.heartbeatDirectory)
  return withNode({ ...nothing, ...found }, options.node)
}

type Found = Omit<HaDir, 'dir'>

function inspectHeartbeat(dir: string, find: FindScript, heartbeatDirectory = '/var/lib/heartbeat'): Found {
  const issues: Issue[] = []
  const path = (name: (typeof heartbeatFiles)[number]): string => join(dir, name)
  const haCfText = readText(path('ha.cf'), issues)
  const haCf = haCfText === undefined ? undefined : parseHaCf(haCfText, path('ha.cf'))
  issues.push(...(haCf?.issues ?? []))
  // Its absence is told like that of the other two.
  const keys = existsSync(path('authkeys')) ? readAuthkeys(path('authkeys')) : undefined
  issues.push(...(keys?.issues ?? [missing(path('authkeys'))]))
  const text = readText(path('haresources'), issues)
  const findScript: FindScript = (name, all) => {
    const found = find(name, all)
    return found && { ...found, env: haCf?.env }
  }
  const resources =
    text === undefined ? undefined : parseHaresources(text, path('haresources'), haCf?.nodes ?? [], findScript)
  issues.push(...(resources?.issues ?? []))
  const groups = resources?.groups ?? []
  if (haCf && haCf.arbiters.length > 0 && !hasErrors(issues)) {
    const { times, deadpingMs, arbiters, whereDeadping: where } = haCf
    const targets = arbiters.map(() => ({ deadpingMs }))
    for (const { message, severity } of deadpingIssues({ times, targets, groups }))
      issues.push({ where, message, severity })
  }
  if (haCf) issues.push(...oneLinkIssues(haCf.whereLink, haCf.transports))
  return {
    source: 'ha.cf',
    options:
      haCf && keys?.plugin && !hasErrors(issues) ? optionsOf(haCf, keys.plugin, groups, heartbeatDirectory) : undefined,
    logging: haCf?.logging ?? { debug: 0 },
    words: resources?.words ?? [],
    haCf,
    whereTransports: haCf?.whereTransports ?? [],
    hostChecks: [
      ...(haCf?.hostChecks ?? []),
      ...(haCf ? isolationChecks(haCf.whereLink, haCf) : []),
      ...groupChecks(groups),
    ],
    issues,
  }
}

function optionsOf(
  haCf: HaCf,
  authenticator: AuthenticatorPlugin,
  groups: ClusterOptions['groups'],
  directory: string,
): ClusterOptions {
  return {
    name: haCf.name,
    nodes: [haCf.nodes[0]!, haCf.nodes[1]!],
    transports: haCf.transports,
    authenticator,
    liveness: haCf.liveness,
    arbiters: haCf.arbiters,
    groups,
    autoFailback: haCf.autoFailback,
    deadping: `${haCf.deadpingMs}ms`,
    heartbeat: { directory, generationFrom: haCf.generationFrom, uuidFrom: haCf.uuidFrom },
    respawn: haCf.respawn,
  }
}

function inspectIni(dir: string, find: FindScript): Found {
  const issues: Issue[] = []
  const path = join(dir, iniFile)
  const text = readText(path, issues)
  if (text === undefined)
    return {
      source: 'ini',
      options: undefined,
      logging: { debug: 0 },
      words: [],
      whereTransports: [],
      hostChecks: [],
      issues,
    }
  const mode = statSync(path).mode & 0o7777
  const openMode = mode & 0o077 ? mode.toString(8).padStart(4, '0') : undefined
  const ini = parseIni(text, path, { find, openMode })
  const { transports = [], groups = [] } = ini.options ?? {}
  const devices = transports.flatMap(({ link, device, type }) => {
    if (type === 'serial')
      return `${path}: whether this host has the device of the serial line ${link}, and nobody else uses it`
    return device === undefined ? [] : `${path}: whether this host has the device ${device} of link ${link}`
  })
  return {
    source: 'ini',
    options: ini.options,
    onFatal: ini.onFatal,
    logging: ini.logging,
    words: ini.words,
    whereTransports: ini.whereTransports,
    hostChecks: [
      ...devices,
      ...(ini.options ? isolationChecks(ini.whereLink, ini.options) : []),
      ...groupChecks(groups),
    ],
    issues: [...ini.issues, ...oneLinkIssues(ini.whereLink, transports)],
  }
}

function oneLinkIssues(where: string, transports: ClusterOptions['transports']): readonly Issue[] {
  const message = oneLineWarning(transports)
  return message === undefined ? [] : [{ where, message, severity: 'warning' }]
}

/** The node that was asked for, checked against the members. */
function withNode(found: HaDir, node: string | undefined): HaDir {
  if (node === undefined || found.options === undefined) return found
  const name = node.toLowerCase()
  if (found.options.nodes.includes(name)) return { ...found, options: { ...found.options, node: name } }
  const message = `${quoted(node)} was given but is neither ${found.options.nodes.join(' nor ')}`
  return { ...found, options: undefined, issues: [...found.issues, { where: found.dir, message, severity: 'error' }] }
}

function missing(path: string): Issue {
  return { where: path, message: 'is missing; Heartbeat needs ha.cf, authkeys and haresources', severity: 'error' }
}

function readText(path: string, issues: Issue[]): string | undefined {
  try {
    checkTrusted('configuration', path, { code: 'HS_CONFIG' })
    return readPlainFile(path).toString('utf8')
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const message = messageOf(error).replace(`configuration ${path}: `, '')
    issues.push(absent ? missing(path) : { where: path, message, severity: 'error' })
    return undefined
  }
}

/** Looks in DIR/resource.d, Heartbeat's resource.d and (where no built-in agent has the name) the init scripts. */
function scriptFinder(dir: string, options: ReadHaDirOptions): FindScript {
  const { resourceDirectory = '/etc/ha.d/resource.d', initDirectory = '/etc/init.d' } = options
  const places = [
    { directory: join(dir, 'resource.d'), always: true },
    { directory: resourceDirectory, always: true },
    { directory: initDirectory, always: false },
  ].map((place) => ({ ...place, directory: resolve(place.directory) }))
  return (name, all) => {
    const found = places
      .filter(({ always }) => all || always)
      .map(({ directory }) => join(directory, name))
      .filter((path) => isFile(path))
      .map((path) => ({ path, executable: mayExecute(path) }))
    const taken = found.find(({ executable }) => executable)
    return taken ? { ...taken, outlook: scriptOutlook(taken.path) } : found[0]
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function mayExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The default of onIsolated follows the routes of the running host. */
function isolationChecks(
  where: string,
  {
    transports,
    arbiters = [],
    onIsolated,
  }: Partial<Pick<ClusterOptions, 'arbiters' | 'onIsolated'>> & Pick<ClusterOptions, 'transports'>,
): string[] {
  if (transports.length !== 1 || arbiters.length === 0 || onIsolated !== undefined) return []
  return [
    `${where}: whether every ping target is reached through this only link; if so, a node cut off from everything goes on ` +
      "serving (onIsolated is 'continue': one dead switch would otherwise stop both), and a second link elsewhere mends that",
  ]
}

function groupChecks(groups: ClusterOptions['groups']): string[] {
  return groups.flatMap(({ name, resources }) =>
    resources.map((resource) => `group ${name}: whether ${resource.name} can start on this host`),
  )
}
