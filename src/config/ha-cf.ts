import { deadpingIssues } from '../core/timing.ts'
import { deadtime } from '../liveness/deadtime.ts'
import type { RespawnOptions } from '../options/options.ts'
import type { ArbiterPlugin } from '../roles/arbiter.ts'
import type { Issue } from '../roles/error.ts'
import type { LivenessPlugin, LivenessTimes } from '../roles/liveness-detector.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { directives } from './ha-cf-directives.ts'
import type { AutoFailback, HaCfDraft, Located, LoggingOptions, WrittenOptions } from './ha-cf-draft.ts'
import { areTooMany, attempt, inOrder, quoted, suggestion } from './problems.ts'

/** UDP port where `udpport` is missing: IANA's `ha-cluster`, as /etc/services has it. */
const DEFAULT_PORT = 694

/** Speed where `baud` is missing (`DEFAULTBAUD`). */
const DEFAULT_BAUD = 19_200

/** What an `ha.cf` says, with every problem found in it. Where `issues` holds an error the rest is what could be understood. */
export interface HaCf {
  readonly name: string
  /** Lower-cased names in the order of the file. */
  readonly nodes: readonly string[]
  readonly times: LivenessTimes
  /** Undefined where the times are wrong. */
  readonly liveness: LivenessPlugin | undefined
  readonly deadpingMs: number
  /** Where deadping comes from: its line, else that of deadtime, else the file. */
  readonly whereDeadping: string
  readonly transports: readonly TransportPlugin[]
  readonly arbiters: readonly ArbiterPlugin[]
  /** What each transport, and each ping target, was made with. */
  readonly written: { readonly transports: readonly WrittenOptions[]; readonly arbiters: readonly WrittenOptions[] }
  readonly autoFailback: AutoFailback
  readonly generationFrom: 'file' | 'time'
  readonly uuidFrom: 'file' | 'nodename'
  readonly respawn: readonly RespawnOptions[]
  /** What `env` adds to the environment of programs and scripts. */
  readonly env: Readonly<Record<string, string>>
  readonly logging: LoggingOptions
  /** Where the first link stands, as `file:line`. */
  readonly whereLink: string
  /** Where each transport stands, as `file:line`. */
  readonly whereTransports: readonly string[]
  /** What only the host itself can tell, each with its line. */
  readonly hostChecks: readonly string[]
  readonly issues: readonly Issue[]
}

/**
 * Reads an `ha.cf` as heartbeat 3.0.6 does: one directive per line, `#` begins a comment anywhere, blanks and commas separate
 * values, and the order of lines matters for `udpport`. Never throws for what the text says: see {@link HaCf.issues}.
 * @param text content of the file.
 * @param file name shown in the issues.
 */
export function parseHaCf(text: string, file: string): HaCf {
  const issues: Issue[] = []
  /** Line of each directive's last mention. */
  const lines = new Map<string, number>()
  const draft: HaCfDraft = {
    cluster: 'linux-ha',
    nodes: [],
    port: DEFAULT_PORT,
    baud: DEFAULT_BAUD,
    media: [],
    mediaLines: new Map(),
    arbiters: [],
    respawn: [],
    env: {},
    debug: 0,
    line: 0,
    remark: (severity, message) => issues.push({ where: `${file}:${draft.line}`, message, severity }),
  }
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    draft.line = index + 1
    if (areTooMany(issues, `${file}:${draft.line}`)) break
    readLine(raw.replace(/#.*/, '').trim(), draft, lines, `${file}:${draft.line}`, issues)
  }

  const whereOf = (...names: string[]): string => {
    const name = names.find((candidate) => lines.has(candidate))
    return name ? `${file}:${lines.get(name)}` : file
  }
  const times = timesOf(draft)
  const deadpingMs = draft.deadpingMs ?? times.deadtimeMs
  const nodes = membersOf(draft.nodes, file, issues)
  checkMedia(draft, nodes, file, issues)
  const liveness = livenessOf(times, file, lines, whereOf, issues)
  // Whether both nodes may serve for a while depends on the groups too, which are not known here.
  for (const { path, message, severity } of deadpingIssues({
    times,
    deadpingMs: draft.deadpingMs,
    targets: [],
    groups: [],
  }))
    issues.push({ where: whereOf(path), message: `${path}: ${message}`, severity })
  const tried = lines.has('auto_failback') || lines.has('nice_failback')
  if (tried ? draft.autoFailback === 'legacy' : draft.autoFailback === undefined) {
    issues.push({
      where: whereOf('auto_failback', 'nice_failback'),
      message:
        `auto_failback is ${draft.autoFailback ?? 'missing, which Heartbeat takes for legacy'}: between two nodes of ours it is ` +
        `read as on (groups return to their preferred node by themselves); write 'auto_failback on' or 'auto_failback off'`,
      severity: 'warning',
    })
  }
  if (draft.arbiters.length > 0 && draft.ipfailLine === undefined) {
    issues.push({
      where: `${file}:${draft.arbiters[0]!.line}`,
      message:
        'ping targets count here although no ipfail is respawned: Heartbeat would watch them and do nothing, a node of ours ' +
        'that reaches fewer of them than its peer gives its groups up',
      severity: 'note',
    })
  }
  return {
    name: draft.cluster,
    nodes,
    times,
    liveness,
    deadpingMs,
    whereDeadping: whereOf('deadping', 'deadtime'),
    transports: draft.media.map(({ value }) => value),
    whereLink: `${file}:${draft.media[0]?.line ?? 1}`,
    whereTransports: draft.media.map(({ line }) => `${file}:${line}`),
    arbiters: draft.arbiters.map(({ value }) => value),
    written: {
      transports: draft.media.map(({ options = {} }) => options),
      arbiters: draft.arbiters.map(({ options = {} }) => options),
    },
    autoFailback: draft.autoFailback ?? 'legacy',
    generationFrom: draft.generationFrom ?? 'file',
    uuidFrom: draft.uuidFrom ?? 'file',
    respawn: draft.respawn.map(({ value }) => ({ ...value, env: { ...draft.env } })),
    env: draft.env,
    logging: loggingOf(draft),
    hostChecks: hostChecksOf(draft, file),
    issues: inOrder(issues),
  }
}

function readLine(line: string, draft: HaCfDraft, lines: Map<string, number>, where: string, issues: Issue[]): void {
  if (line === '') return
  const [, name, rest] = /^(\S+)[\s,]*(.*)$/.exec(line)!
  const row = directives.find((directive) => directive.name === name)
  if (!row) {
    const hint = suggestion(
      name!,
      directives.map((directive) => directive.name),
    )
    issues.push({ where, message: `unknown directive ${quoted(name!)}${hint && `; ${hint}`}`, severity: 'error' })
    return
  }
  const words = rest!.split(row.blanksOnly ? /\s+/ : /[\s,]+/).filter((word) => word !== '')
  const before = lines.get(row.name)
  if (before !== undefined && !row.repeatable) {
    const message = `${row.name} is already in line ${before}; as in Heartbeat the last one counts`
    issues.push({ where, message, severity: 'warning' })
  }
  lines.set(row.name, draft.line)
  const found: Issue[] = []
  // The daemon takes what follows the name value by value: none says nothing, and of several the last one counts.
  const single = !/[ …]/.test(row.form)
  if (words.length === 0 && /^\S+(?: …)?$/.test(row.form)) {
    const message = `${row.name} has no value and says nothing, as in Heartbeat; right is '${row.name} ${row.form}'`
    issues.push({ where, message, severity: 'warning' })
    return
  }
  if (single && words.length > 1) {
    const message = `${row.name} has ${words.length} values (${words.map(quoted).join(' ')}); as in Heartbeat the last one counts`
    issues.push({ where, message, severity: 'warning' })
  }
  for (const values of single ? words.map((word) => [word]) : [words])
    attempt(found, where, () => row.apply(draft, values))
  for (const issue of found) {
    const right = row.fate === 'refused' ? '' : `; right is '${row.name} ${row.form}'`
    const head = issue.message.startsWith(`${row.name} `) ? '' : `${row.name}: `
    issues.push({ ...issue, message: `${head}${issue.message}${right}` })
  }
}

/** Defaults as the daemon has them (`config.c`). */
function timesOf(draft: HaCfDraft): LivenessTimes {
  const deadtimeMs = draft.deadtimeMs ?? 30_000
  const initdeadMs = deadtimeMs > 10_000 ? deadtimeMs : deadtimeMs < 6_000 ? 12_000 : 2 * deadtimeMs
  return {
    keepaliveMs: draft.keepaliveMs ?? 1_000,
    warntimeMs: draft.warntimeMs ?? Math.round(deadtimeMs / 2),
    deadtimeMs,
    initdeadMs: draft.initdeadMs ?? initdeadMs,
  }
}

function livenessOf(
  times: LivenessTimes,
  file: string,
  lines: ReadonlyMap<string, number>,
  whereOf: (...names: string[]) => string,
  issues: Issue[],
): LivenessPlugin | undefined {
  const plugin = attempt(issues, file, () =>
    deadtime({
      keepalive: `${times.keepaliveMs}ms`,
      warntime: `${times.warntimeMs}ms`,
      deadtime: `${times.deadtimeMs}ms`,
      initdead: `${times.initdeadMs}ms`,
    }),
  )
  for (const { path, message, severity } of plugin?.issues ?? []) {
    // A default that was derived from a wrong deadtime is no second fault.
    if (path === 'warntime' && !lines.has(path)) continue
    issues.push({ where: whereOf(path, 'deadtime', 'keepalive'), message: `${path}: ${message}`, severity })
  }
  return plugin
}

function membersOf(named: readonly Located<string>[], file: string, issues: Issue[]): string[] {
  const nodes: string[] = []
  for (const { line, value } of named) {
    if (nodes.includes(value)) {
      issues.push({ where: `${file}:${line}`, message: `node ${value} is named already`, severity: 'warning' })
    } else {
      nodes.push(value)
      if (nodes.length === 3) {
        const message =
          `node ${value} is one too many (${nodes.slice(0, 2).join(' and ')} are there): a pair has exactly two nodes, ` +
          'more would need a quorum; leave the others out'
        issues.push({ where: `${file}:${line}`, message, severity: 'error' })
      }
    }
  }
  if (nodes.length < 2) {
    const found = nodes.length === 0 ? 'no node is named' : `only node ${nodes[0]} is named`
    const message = `${found}; a pair has two: one 'node NAME' line for each`
    issues.push({ where: named[0] ? `${file}:${named[0].line}` : file, message, severity: 'error' })
  }
  return nodes
}

/** An error of a line that was to be a medium. */
const isOfMedium = ({ severity, message }: Issue): boolean =>
  severity === 'error' && /^(bcast|udp|ucast|mcast|serial)[: ]/.test(message)

function checkMedia({ media }: HaCfDraft, nodes: readonly string[], file: string, issues: Issue[]): void {
  for (const { line, value } of media) {
    for (const { message } of value.validate?.(nodes) ?? []) {
      issues.push({ where: `${file}:${line}`, message, severity: 'error' })
    }
  }
  // A medium whose line was wrong has its own error.
  if (media.length === 0 && !issues.some(isOfMedium)) {
    const message =
      "no link to the peer is named; write 'ucast DEVICE ADDRESS', 'bcast DEVICE', an mcast line or 'serial TTY'"
    issues.push({ where: file, message, severity: 'error' })
  }
}

/** Without any of the three log directives the daemon logs through ha_logd, whose own default is syslog as `daemon`. */
function loggingOf(draft: HaCfDraft): LoggingOptions {
  const silent = draft.logFile === undefined && draft.debugFile === undefined && draft.facility === undefined
  const facility = silent ? 'daemon' : draft.facility
  return {
    file: draft.logFile,
    debugFile: draft.debugFile,
    facility: facility === 'none' ? undefined : facility,
    debug: draft.debug,
  }
}

function hostChecksOf(draft: HaCfDraft, file: string): string[] {
  const devices = draft.media.flatMap(({ line, value }) => {
    if (value.type === 'serial')
      return `${file}:${line}: whether this host has the serial line ${value.link}, and nobody else uses it`
    return value.device === undefined ? [] : `${file}:${line}: whether this host has the device ${value.device}`
  })
  const users = draft.respawn.map(
    ({ line, value }) => `${file}:${line}: whether the user ${value.user} exists and may run ${value.command}`,
  )
  return [...new Set(devices), ...users]
}
