import { hostname } from 'node:os'
import { mixIssues } from '../authenticators/keyring.ts'
import {
  deadpingIssues,
  defaultDeadpingMs,
  defaultRenewMs,
  guardIssues,
  isCutOff,
  type LeaseTimes,
  leaseIssues,
  livenessIssues,
} from '../core/timing.ts'
import { deadtime } from '../liveness/deadtime.ts'
import { durationMs } from '../roles/duration.ts'
import type { HotStandbyError, Issue } from '../roles/error.ts'
import { type OptionTable, optionIssues, shownValue, unknownOption } from '../roles/option-table.ts'
import { oneLineWarning } from '../transports/one-line.ts'
import { budgetIssue, lineBudget, sizeIssue } from './line-budget.ts'
import type { ClusterOptions, GroupOptions, HeartbeatOptions, LeaseOptions, RespawnOptions } from './options.ts'

/** Takes one problem; `where` is the option's path. */
export type Report = (where: string, message: string, severity?: Issue['severity']) => void

/** Every name, so that a misspelt option is told instead of being ignored; what each may be is asked below. */
const knownOptions: OptionTable<ClusterOptions> = {
  name: 'any',
  nodes: 'any',
  node: 'any',
  transports: 'any',
  authenticator: 'any',
  liveness: 'any',
  lease: 'any',
  guard: 'any',
  requireGuarantee: 'any',
  arbiters: 'any',
  groups: 'any',
  autoFailback: 'any',
  onIsolated: 'any',
  deadping: 'any',
  restarts: 'any',
  restartWindow: 'any',
  holdDown: 'any',
  stateDirectory: 'any',
  heartbeat: 'any',
  respawn: 'any',
  recorder: 'any',
  logger: 'any',
  onFatal: 'any',
}

/** What makes a plug-in of each kind. */
const makers = {
  transport: 'udpUnicast(), udpBroadcast(), udpMulticast(), serial() or memoryNetwork().transport()',
  authenticator: 'sealed(), sha256(), sha1(), md5(), crc() or keyring()',
  liveness: 'deadtime() or phiAccrual()',
  arbiter: 'icmpPing() or pingGroup()',
  guard: 'nftGuard()',
  store: 'etcd() or a factory of your own (docs/leases.md)',
  resource: 'vip(), nginx(), script(), app() and their like',
} as const

const logLevels = ['debug', 'info', 'warn', 'error'] as const

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Names travel as words and are keys of plain objects: `constructor` would be found in every one of them. */
function isName(value: unknown, characters: RegExp): value is string {
  return typeof value === 'string' && characters.test(value) && !(value in {})
}

/** Reports everything that is wrong with the shape of the options; true when they can be worked with. */
export function checkOptions(options: unknown, issue: Report): options is ClusterOptions {
  let well = true
  const report: Report = (where, message, severity = 'error') => {
    if (severity === 'error') well = false
    issue(where, message, severity)
  }
  if (!isObject(options)) {
    report('options', `must be an object of options, got ${shownValue(options)}`)
    return false
  }
  checkNames(options, knownOptions, '', report)
  if (!isName(options['name'], /^[A-Za-z0-9._-]{1,64}$/))
    report('name', `${shownValue(options['name'])} is not a valid name: 1 to 64 letters, digits, '.', '_' or '-'`)
  const nodes = checkNodes(options['nodes'], report)
  checkNode(options['node'], nodes, report)
  checkTransports(options['transports'], nodes, report)
  checkAuthenticator(options['authenticator'], report)
  checkLiveness(options['liveness'], report)
  checkLease(options['lease'], report)
  if (options['guard'] !== undefined) isPlugin(options['guard'], 'guard', 'guard', report)
  checkArbiters(options['arbiters'], report)
  checkGroups(options['groups'], nodes, report)
  checkRespawn(options['respawn'], report)
  checkPlainOptions(options, report)
  checkHeartbeat(options['heartbeat'], report)
  checkRecorder(options, report)
  const deadpingMs = readDuration(options['deadping'], 'deadping', report)
  // How the times agree with all else, and what the lines must carry, is known only of options that are otherwise right.
  if (well) checkDeadping(options as unknown as ClusterOptions, deadpingMs, report)
  if (well) checkBeats(options as unknown as ClusterOptions, report)
  if (well) checkGuarantee(options as unknown as ClusterOptions, report)
  if (well) checkLeaseTimes(options as unknown as ClusterOptions, report)
  if (well) checkGuard(options as unknown as ClusterOptions, report)
  return well
}

function checkBeats(options: ClusterOptions, report: Report): void {
  const { nodes, groups, authenticator, liveness = deadtime(), transports } = options
  const facts = { nodes, groups, authenticator, times: liveness.times }
  const size = sizeIssue(facts)
  if (size) report('groups', size.message, size.severity)
  for (const [index, { bitsPerSecond }] of transports.entries()) {
    if (bitsPerSecond === undefined) continue
    const issue = budgetIssue(lineBudget(facts, bitsPerSecond))
    if (issue) report(`transports[${index}]`, issue.message, issue.severity)
  }
}

function checkNames(value: object, known: object, prefix: string, report: Report): void {
  for (const key of Object.keys(value))
    if (!Object.hasOwn(known, key)) report(`${prefix}${key}`, unknownOption(key, Object.keys(known)))
}

/** Reports a value that is no plug-in of a kind. */
function isPlugin(value: unknown, kind: keyof typeof makers, where: string, report: Report): boolean {
  if (isObject(value) && value['kind'] === kind) return true
  const found =
    typeof value === 'function'
      ? 'found a function: call it'
      : `found ${shownValue(isObject(value) ? value['kind'] : value)}`
  report(
    where,
    `${kind === 'authenticator' || kind === 'arbiter' ? 'an' : 'a'} ${kind} is made by ${makers[kind]}; ${found}`,
  )
  return false
}

/** Answers the names where they are two good ones. */
function checkNodes(nodes: unknown, report: Report): readonly string[] | undefined {
  if (!Array.isArray(nodes) || nodes.length !== 2) {
    const found = Array.isArray(nodes) ? `${nodes.length} given` : `found ${shownValue(nodes)}`
    report('nodes', `a pair has exactly two nodes; ${found}`)
    return undefined
  }
  const bad = nodes.map((name) => !isName(name, /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/))
  for (const [index, name] of nodes.entries())
    if (bad[index])
      report(
        `nodes[${index}]`,
        `${shownValue(name)} is not a valid node name: letters, digits, '.', '_' and '-', at most 64`,
      )
  if (bad.includes(true)) return undefined
  if (nodes[0].toLowerCase() === nodes[1].toLowerCase())
    report('nodes', `both are named '${nodes[0]}'; they need different names`)
  return nodes
}

function checkNode(node: unknown, nodes: readonly string[] | undefined, report: Report): void {
  if (node !== undefined && typeof node !== 'string')
    return report('node', `${shownValue(node)} is not a valid node name`)
  const wanted = (node ?? hostname()).toLowerCase()
  if (!nodes || nodes.some((name) => name.toLowerCase() === wanted)) return
  const names = nodes.join(', ')
  report(
    'node',
    node === undefined
      ? `the host name '${hostname()}' is not one of the nodes (${names}); say which one this host is`
      : `'${node}' is not one of the nodes (${names})`,
  )
}

function checkTransports(transports: unknown, nodes: readonly string[] | undefined, report: Report): void {
  if (!Array.isArray(transports) || transports.length === 0)
    return report('transports', `found ${shownValue(transports)}; a pair needs a list of at least one link, better two`)
  for (const [index, transport] of transports.entries()) {
    const where = `transports[${index}]`
    if (!isPlugin(transport, 'transport', where, report)) continue
    for (const { path, message } of nodes ? (transport.validate?.(nodes) ?? []) : [])
      report(`${where}.${path}`, message)
    const twin = transports.findIndex((other) => other?.link === transport.link)
    if (twin < index) report(`${where}.link`, `'${transport.link}' is already the name of transports[${twin}]`)
  }
  const oneLine = oneLineWarning(transports.map((transport) => ({ device: transport?.device })))
  if (oneLine !== undefined) report('transports', oneLine, 'warning')
}

function checkAuthenticator(authenticator: unknown, report: Report): void {
  if (authenticator === undefined) return report('authenticator', 'missing; use for example sealed({ keyFile })')
  if (!isPlugin(authenticator, 'authenticator', 'authenticator', report)) return
  for (const { where, message } of mixIssues((authenticator as ClusterOptions['authenticator']).keys))
    report(where, message)
}

function checkLiveness(liveness: unknown, report: Report): void {
  if (liveness === undefined || !isPlugin(liveness, 'liveness', 'liveness', report)) return
  const { issues, times } = liveness as NonNullable<ClusterOptions['liveness']>
  for (const { path, message, severity } of issues) report(`liveness.${path}`, message, severity)
  // A detector of the application's own may judge its times otherwise: those of the pair hold for every one.
  for (const { path, message, severity } of livenessIssues(times))
    if (!issues.some((issue) => issue.path === path && issue.message === message))
      report(`liveness.${path}`, message, severity)
}

const knownOfLease: OptionTable<LeaseOptions> = { store: 'any', ttl: 'any', renew: 'any' }

function checkLease(lease: unknown, report: Report): void {
  if (lease === undefined) return
  if (!isObject(lease)) return report('lease', `must be an object of options, got ${shownValue(lease)}`)
  checkNames(lease, knownOfLease, 'lease.', report)
  isPlugin(lease['store'], 'store', 'lease.store', report)
  for (const name of ['ttl', 'renew'] as const) readDuration(lease[name], `lease.${name}`, report)
}

/** What the options alone can tell; whether the store can keep what it confirms is known when it is opened. */
function checkGuarantee(options: ClusterOptions, report: Report): void {
  const { requireGuarantee } = options
  if (requireGuarantee === undefined) return
  const missing = Object.hasOwn(needs, requireGuarantee) ? needs[requireGuarantee](options) : undefined
  if (!Object.hasOwn(needs, requireGuarantee))
    report('requireGuarantee', `${shownValue(requireGuarantee)} is none of 'G1', 'G2' and 'G3'`)
  else if (missing !== undefined) report('requireGuarantee', `class ${requireGuarantee} needs ${missing}`)
}

/** What is missing for each class. */
const needs: Readonly<Record<'G1' | 'G2' | 'G3', (options: ClusterOptions) => string | undefined>> = {
  G1: ({ lease, arbiters = [] }: ClusterOptions) =>
    lease === undefined && arbiters.length === 0
      ? 'a third opinion: add a ping target (`arbiters`) or a `lease`'
      : undefined,
  G2: ({ lease }: ClusterOptions) =>
    lease === undefined ? "a lease: add `lease: { store }` (docs/leases.md), or require 'G1'" : undefined,
  G3: (options: ClusterOptions) => needs.G2(options) ?? missingGuard(options),
}

function missingGuard({ guard, groups }: ClusterOptions): string | undefined {
  if (guard === undefined) return "a guard: add `guard: nftGuard()` (docs/guards.md), or require 'G2'"
  const uncut = groups.find(({ resources }) => !isCutOff(resources))
  return (
    uncut &&
    `groups of which nothing runs on when their addresses are cut off; '${uncut.name}' is none: give it an address, and write \`exclusive: 'address'\` at what may run on both nodes`
  )
}

/** A beat and its echo must fit before the guard ends, and it must have something to guard. */
function checkGuard({ guard, liveness = deadtime(), groups }: ClusterOptions, report: Report): void {
  if (guard === undefined) return
  for (const { path, message, severity } of guardIssues(liveness.times)) report(`liveness.${path}`, message, severity)
  if (groups.every(({ resources }) => resources.every(({ addresses = [] }) => addresses.length === 0)))
    report('guard', 'no group has an address, so there is nothing to guard', 'warning')
}

/** Three renewals must fit before the holder has to stop; and what both nodes serve for a moment has two owners. */
function checkLeaseTimes({ lease, groups }: ClusterOptions, report: Report): void {
  if (lease === undefined) return
  for (const { path, message, severity } of leaseIssues(leaseTimes(lease, groups), groups))
    report(path, message, severity)
  for (const [index, { handover }] of groups.entries())
    if (handover === 'make-before-break')
      report(`groups[${index}].handover`, `'make-before-break' needs two owners for a moment; a lease allows one`)
}

/** The times of a lease with the defaults filled in. */
export function leaseTimes({ ttl = '3s', renew }: LeaseOptions, groups: ClusterOptions['groups']): LeaseTimes {
  const ttlMs = durationMs(ttl, 'lease.ttl')
  return { ttlMs, renewMs: renew === undefined ? defaultRenewMs(ttlMs, groups) : durationMs(renew, 'lease.renew') }
}

function checkArbiters(arbiters: unknown, report: Report): void {
  if (arbiters === undefined) return
  if (!Array.isArray(arbiters)) return report('arbiters', `${shownValue(arbiters)} is not a list`)
  const targets = new Set<string>()
  for (const [index, arbiter] of arbiters.entries()) {
    if (!isPlugin(arbiter, 'arbiter', `arbiters[${index}]`, report)) continue
    if (targets.has(arbiter.target)) report(`arbiters[${index}]`, `'${arbiter.target}' is given twice`)
    targets.add(arbiter.target)
  }
}

const knownOfGroup: OptionTable<GroupOptions> = {
  name: 'any',
  preferred: 'any',
  key: 'any',
  resources: 'any',
  handover: 'any',
  restarts: 'any',
  restartWindow: 'any',
  holdDown: 'any',
}
const knownOfRespawn: OptionTable<RespawnOptions> = { user: 'any', command: 'any', args: 'any', env: 'map' }
const handovers: readonly unknown[] = [undefined, 'break-before-make', 'make-before-break']

function checkGroups(groups: unknown, nodes: readonly string[] | undefined, report: Report): void {
  if (!Array.isArray(groups) || groups.length === 0)
    return report('groups', `found ${shownValue(groups)}; a pair serves a list of at least one group`)
  const names = new Set<unknown>()
  const resources = new Set<string>()
  for (const [index, group] of groups.entries()) {
    const where = `groups[${index}]`
    if (!isObject(group)) {
      report(where, `${shownValue(group)} is not a group; write { name, preferred, resources }`)
      continue
    }
    checkNames(group, knownOfGroup, `${where}.`, report)
    const { name, preferred, key, resources: own, handover } = group
    checkFailureOptions(group, `${where}.`, report)
    if (!handovers.includes(handover))
      report(`${where}.handover`, `${shownValue(handover)} is neither 'break-before-make' nor 'make-before-break'`)
    // The name travels as a word of the `hsgrp` field.
    if (!isName(name, /^[A-Za-z0-9._/-]{1,64}$/))
      report(`${where}.name`, `${shownValue(name)} is not a valid name: 1 to 64 letters, digits, '.', '_', '-' or '/'`)
    if (names.has(name)) report(`${where}.name`, `${shownValue(name)} is used twice`)
    names.add(name)
    if (nodes && !nodes.includes(preferred as string))
      report(`${where}.preferred`, `${shownValue(preferred)} is not one of the nodes (${nodes.join(', ')})`)
    const badKey = key === undefined ? [] : [key].flat().filter((each) => !isName(each, /^[!-~]{1,1024}$/))
    if (badKey.length > 0 || (Array.isArray(key) && key.length === 0))
      report(
        `${where}.key`,
        `${shownValue(badKey[0] ?? key)} is not a key: the first word of a line in haresources, without blanks`,
      )
    if (!Array.isArray(own) || own.length === 0) {
      report(`${where}.resources`, `found ${shownValue(own)}; a group is a list of at least one resource`)
      continue
    }
    for (const [position, resource] of own.entries()) {
      const place = `${where}.resources[${position}]`
      if (!isPlugin(resource, 'resource', place, report)) continue
      if (handover === 'make-before-break' && resource.overlaps !== true)
        report(
          `${where}.handover`,
          `'make-before-break' is for addresses (and checks) over services that run on both hosts; ${resource.name} must not run twice`,
        )
      if (resources.has(resource.name)) report(place, `'${resource.name}' is used twice; give one of them a name`)
      resources.add(resource.name)
    }
  }
}

/** What a cluster and each of its groups may say about failures. */
function checkFailureOptions(options: Record<string, unknown>, prefix: string, report: Report): void {
  const { restarts } = options
  for (const name of ['restartWindow', 'holdDown'] as const) readDuration(options[name], `${prefix}${name}`, report)
  if (restarts !== undefined && !(Number.isInteger(restarts) && (restarts as number) >= 0))
    report(`${prefix}restarts`, `must be an integer >= 0, got ${shownValue(restarts)}`)
}

function checkRespawn(respawn: unknown, report: Report): void {
  if (respawn === undefined) return
  if (!Array.isArray(respawn)) return report('respawn', `${shownValue(respawn)} is not a list`)
  for (const [index, program] of respawn.entries()) {
    const where = `respawn[${index}]`
    if (isObject(program))
      for (const issue of optionIssues(where, program, knownOfRespawn)) report(issue.where, issue.message)
    const { command, args, user } = isObject(program) ? program : {}
    if (typeof command !== 'string' || !command.startsWith('/'))
      report(`${where}.command`, `${shownValue(command)} is not an absolute path of a program`)
    if (!Array.isArray(args) || args.some((arg) => typeof arg !== 'string'))
      report(`${where}.args`, `found ${shownValue(args)}; it must be a list of strings, which may be empty`)
    if (user !== undefined && typeof user !== 'string')
      report(`${where}.user`, `${shownValue(user)} is not a user name`)
  }
}

const knownOfHeartbeat: OptionTable<HeartbeatOptions> = { directory: 'text', generationFrom: 'any', uuidFrom: 'any' }
const heartbeatWords = { generationFrom: ['file', 'time'], uuidFrom: ['file', 'nodename'] } as const

function checkHeartbeat(heartbeat: unknown, report: Report): void {
  if (heartbeat === undefined) return
  for (const issue of optionIssues('heartbeat', heartbeat, knownOfHeartbeat)) report(issue.where, issue.message)
  if (!isObject(heartbeat)) return
  if (heartbeat['directory'] === undefined) report('heartbeat.directory', 'it is required: the directory of the daemon')
  for (const [name, words] of Object.entries(heartbeatWords)) {
    const value = heartbeat[name]
    if (value !== undefined && !(words as readonly unknown[]).includes(value))
      report(`heartbeat.${name}`, `${shownValue(value)} is neither '${words.join("' nor '")}'`)
  }
}

/** Options of the recorder, each with the least that makes sense. */
const recorderNumbers = { memoryBytes: 65_536, keepChanges: 0, maxBytes: 65_536, keep: 0 } as const

function checkRecorder({ recorder }: Record<string, unknown>, report: Report): void {
  if (recorder === undefined) return
  if (!isObject(recorder)) return report('recorder', `must be an object of options, got ${shownValue(recorder)}`)
  checkNames(recorder, { ...recorderNumbers, file: true }, 'recorder.', report)
  for (const [name, least] of Object.entries(recorderNumbers)) {
    const value = recorder[name]
    const fits = Number.isSafeInteger(value) && (value as number) >= least
    const off = name === 'memoryBytes' && value === 0
    if (value !== undefined && !fits && !off)
      report(`recorder.${name}`, `must be an integer >= ${least}, got ${shownValue(value)}`)
  }
  const { file } = recorder
  if (file !== undefined && !(typeof file === 'string' && file.startsWith('/')))
    report('recorder.file', `${shownValue(file)} is not an absolute path`)
}

function checkPlainOptions(options: Record<string, unknown>, report: Report): void {
  const { autoFailback, onIsolated, stateDirectory, logger, onFatal } = options
  checkFailureOptions(options, '', report)
  if (autoFailback !== undefined && typeof autoFailback !== 'boolean' && autoFailback !== 'legacy')
    report('autoFailback', `${shownValue(autoFailback)} is neither true nor false nor 'legacy'`)
  if (onIsolated !== undefined && onIsolated !== 'stop' && onIsolated !== 'continue')
    report('onIsolated', `${shownValue(onIsolated)} is neither 'stop' nor 'continue'`)
  if (stateDirectory !== undefined && !(typeof stateDirectory === 'string' && stateDirectory.startsWith('/')))
    report('stateDirectory', `${shownValue(stateDirectory)} is not an absolute path`)
  const lacking = logLevels.filter((level) => typeof (logger as Record<string, unknown> | null)?.[level] !== 'function')
  if (logger !== undefined && lacking.length > 0)
    report('logger', `lacks ${lacking.join(', ')}; a logger has ${logLevels.join(', ')}, as pino() and console have`)
  if (onFatal !== undefined && typeof onFatal !== 'function')
    report('onFatal', `${shownValue(onFatal)} is not a function`)
}

function checkDeadping(options: ClusterOptions, deadpingMs: number | undefined, report: Report): void {
  const { liveness = deadtime(), arbiters = [], groups } = options
  const { times } = liveness
  const commonMs = deadpingMs ?? defaultDeadpingMs(times, groups)
  const targets = arbiters.map((arbiter) => ({ deadpingMs: arbiter.deadpingMs ?? commonMs }))
  for (const { path, message, severity } of deadpingIssues({ times, deadpingMs, targets, groups }))
    report(path, message, severity)
}

function readDuration(value: unknown, where: string, report: Report): number | undefined {
  try {
    return value === undefined ? undefined : durationMs(value as string, where)
  } catch (error) {
    for (const { message } of (error as HotStandbyError).issues) report(where, message)
    return undefined
  }
}
