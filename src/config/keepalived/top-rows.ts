import { isDeviceName } from '../../platform/interfaces.ts'
import { quoted } from '../problems.ts'
import { serverGroup, virtualServer } from './balancer-rows.ts'
import {
  type FileDraft,
  type GarpGroupDraft,
  type GroupDraft,
  type InstanceDraft,
  noHooks,
  noTracks,
  type ScriptDraft,
} from './drafts.ts'
import { globalTable } from './global-rows.ts'
import { hookRows } from './hook-rows.ts'
import { instanceTable } from './instance-rows.ts'
import {
  block,
  type Context,
  entriesOf,
  honoured,
  mapped,
  noted,
  numberAt,
  type Row,
  readBlock,
  refused,
  type Table,
  wordsInside,
} from './rows.ts'
import type { Statement } from './statements.ts'
import { endScript, fileTable, priorityChangesRow, processTable, scriptTable, trackRows } from './track-rows.ts'

/** `vrrp_sync_group`. */
export const groupTable: Table<GroupDraft> = [
  block(
    'group',
    '{ INSTANCE … }',
    (draft, statement, { report }) => {
      draft.members.push(...wordsInside(statement, report))
    },
    'Its instances. One that does not exist, or is in another group, is left out with a warning, as in keepalived.',
  ),
  ...trackRows<GroupDraft>(),
  ...hookRows<GroupDraft>(),
  priorityChangesRow(),
  ...(['global_tracking', 'sync_group_tracking_weight'] as const).map((name) =>
    honoured<GroupDraft>(
      name,
      '',
      (draft) => {
        draft.memberWeights = true
      },
      'The instances’ own weights count as well. Without it only the group’s weights count, as in keepalived.',
    ),
  ),
  refused('track_bfd', '{ … }', 'BFD is not supported'),
  noted('smtp_alert', '[on|off]', 'no mail is sent; use events, hooks or the FIFO'),
]

/** `garp_group`. */
export const garpGroupTable: Table<GarpGroupDraft> = [
  ...(['garp_interval', 'gna_interval'] as const).map((name) =>
    honoured<GarpGroupDraft>(
      name,
      'SECONDS',
      (draft, statement, { report }) => {
        const rule = { least: 0, most: 2147, unit: 1000, otherwise: 'makes no pause' }
        const value = numberAt(statement, 1, rule, report)
        if (value !== undefined) draft[name === 'garp_interval' ? 'arpIntervalMs' : 'neighbourIntervalMs'] = value
      },
      name === 'garp_interval' ? 'Pause between two frames of ARP.' : 'The same for IPv6.',
    ),
  ),
  honoured(
    'interface',
    'INTERFACE',
    (draft, { words: [, name = ''] }) => {
      draft.interfaces.push(name)
    },
    'The interface it is about.',
  ),
  block(
    'interfaces',
    '{ INTERFACE … }',
    (draft, statement, { report }) => {
      draft.interfaces.push(...wordsInside(statement, report).map(({ word }) => word))
    },
    'Several of them; each makes its own pauses.',
  ),
]

type FileRow = Row<FileDraft>

/** A block with a name, which must be the only word. */
const namedBlock = (
  keyword: string,
  read: (file: FileDraft, name: string, statement: Statement, context: Context) => void,
  reason: string,
): FileRow =>
  block(
    keyword,
    'NAME { … }',
    (file, statement, context) => {
      const { words, where } = statement
      if (words.length > 2) {
        context.report.breaks(where, `${keyword} takes one name; keepalived would skip the block`)
        return
      }
      read(file, words[1] as string, statement, context)
    },
    reason,
  )

function isTaken(
  list: readonly { readonly name: string; readonly where: string }[],
  name: string,
  statement: Statement,
  context: Context,
) {
  const before = list.find((one) => one.name === name)
  if (before === undefined) return false
  context.report.breaks(
    statement.where,
    `${statement.words[0]} ${quoted(name)} is there already (${before.where}); keepalived would skip the block`,
  )
  return true
}

function instance(file: FileDraft, name: string, statement: Statement, context: Context): void {
  if (isTaken(file.instances, name, statement, context)) return
  const { globals } = file
  const draft: InstanceDraft = {
    name,
    where: statement.where,
    at: new Map(),
    file,
    downTimerAdverts: globals.downTimerAdverts,
    trackSource: false,
    peers: [],
    checkSource: globals.checkUnicastSource,
    isUnicast: false,
    checksum: 'detect',
    checksumAsV2: false,
    addresses: [],
    excluded: [],
    routes: [],
    preempt: true,
    preemptDelayMs: 0,
    trackPrimary: true,
    tracks: noTracks(),
    hooks: noHooks(),
    garp: { ...globals.garp, lowerPriorityDelayMs: undefined, lowerPriorityRepeat: undefined },
    skipCheckAdvertAddresses: globals.skipCheckAdvertAddresses,
    vmacTransmitsFromBase: false,
  }
  file.instances.push(draft)
  const outer = topTable.map((row) => row.name)
  readBlock(instanceTable, draft, statement, statement.block ?? [], context, outer)
}

function group(file: FileDraft, name: string, statement: Statement, context: Context): void {
  if (isTaken(file.groups, name, statement, context)) return
  const { where } = statement
  const draft: GroupDraft = {
    name,
    where,
    file,
    members: [],
    tracks: noTracks(),
    hooks: noHooks(),
    memberWeights: false,
  }
  file.groups.push(draft)
  const outer = topTable.map((row) => row.name)
  readBlock(groupTable, draft, statement, statement.block ?? [], context, outer)
}

function script(file: FileDraft, name: string, statement: Statement, context: Context): void {
  if (isTaken(file.scripts, name, statement, context)) return
  const draft: ScriptDraft = {
    name,
    where: statement.where,
    rules: file.rules,
    isBroken: false,
    intervalMs: 1000,
    rise: 1,
    fall: 1,
    weight: 0,
    reverse: false,
    initFail: false,
  }
  readBlock(scriptTable, draft, statement, statement.block ?? [], context)
  endScript(draft, statement, context)
  file.scripts.push(draft)
}

function trackFile(file: FileDraft, name: string, statement: Statement, context: Context): void {
  if (isTaken(file.files, name, statement, context)) return
  const draft = { name, where: statement.where, overwrite: false, weight: 1, reverse: false }
  readBlock(fileTable, draft, statement, statement.block ?? [], context)
  file.files.push(draft)
  if (!('path' in draft))
    context.report.error(statement.where, `track_file ${name} has no file; keepalived would run without this check`)
}

function process(file: FileDraft, name: string, statement: Statement, context: Context): void {
  if (isTaken(file.processes, name, statement, context)) return
  const draft = {
    name,
    where: statement.where,
    match: 'exact' as const,
    fullCommand: false,
    quorum: 1,
    forkDelayMs: 0,
    terminateDelayMs: 0,
    weight: 0,
    reverse: false,
  }
  readBlock(processTable, draft, statement, statement.block ?? [], context)
  file.processes.push(draft)
  if (!('process' in draft))
    context.report.error(
      statement.where,
      `vrrp_track_process ${name} has no process; keepalived would run without this check`,
    )
}

function delays(file: FileDraft, statement: Statement, context: Context): void {
  for (const entry of entriesOf(statement, context.report)) {
    const [name = '', down, up] = entry.words
    if (!isDeviceName(name)) context.report.breaks(entry.where, `${quoted(name)} is not a valid interface name`)
    else if (context.host.hasInterface(name) === false)
      context.report.error(entry.where, `interface ${quoted(name)} does not exist; keepalived also refuses to run`)
    else if (down === undefined)
      context.report.warning(entry.where, `${name} has no delay; as in keepalived the line has no effect`)
    else {
      const rule = { least: 0, most: 255, unit: 1000, otherwise: 'leaves the line out' }
      const downMs = numberAt({ ...entry, words: [name, down] }, 1, rule, context.report)
      const upMs = up === undefined ? 0 : numberAt({ ...entry, words: [name, up] }, 1, rule, context.report)
      if (downMs !== undefined && upMs !== undefined) file.interfaceDelays.push({ interface: name, downMs, upMs })
    }
  }
}

const onHost = 'they belong to the network configuration of the host; a host that lost them would not be noticed here'

/** The top of a file. */
export const topTable: Table<FileDraft> = [
  block(
    'global_defs',
    '{ … }',
    (file, statement, context) => {
      const outer = topTable.map((row) => row.name)
      readBlock(globalTable, file, statement, statement.block ?? [], context, outer)
    },
    'Defaults of everything below.',
  ),
  namedBlock(
    'vrrp_instance',
    instance,
    'A virtual router. The same name twice is an error: keepalived skips the second.',
  ),
  namedBlock('vrrp_sync_group', group, 'Instances that change state together.'),
  namedBlock('vrrp_script', script, 'A command that is run again and again.'),
  namedBlock('track_file', trackFile, 'A file with a number.'),
  namedBlock('vrrp_track_file', trackFile, 'Old name of `track_file`.'),
  mapped(
    namedBlock(
      'vrrp_track_process',
      process,
      'processes are counted by looking into /proc; the events of the kernel, which keepalived needs, are often refused in containers',
    ),
  ),
  block(
    'interface_up_down_delays',
    '{ INTERFACE DOWN [UP] … }',
    delays,
    'How long an interface must be down or up before that counts; without UP 0, as keepalived 2.2.7 does.',
  ),
  block(
    'garp_group',
    '{ … }',
    (file, statement, context) => {
      const draft: GarpGroupDraft = { where: statement.where, interfaces: [] }
      readBlock(garpGroupTable, draft, statement, statement.block ?? [], context)
      file.garpGroups.push(draft)
    },
    'Announcement intervals of some interfaces.',
  ),
  namedBlock(
    'virtual_server_group',
    readServerGroup,
    'Addresses, ranges and networks with a port. `fwmark` is refused.',
  ),
  block(
    'virtual_server',
    'ADDRESS|group [PORT|NAME] { … }',
    virtualServer,
    'A service that is balanced. `fwmark` is refused.',
  ),
  noted('SSL', '{ … }', 'SSL_GET verifies no certificate and sends none, as keepalived does without this block'),
  refused('static_ipaddress', '{ … }', onHost),
  refused('static_routes', '{ … }', onHost),
  refused('static_rules', '{ … }', onHost),
  noted('track_group', 'NAME { … }', 'there are no static addresses to be tracked'),
  refused('bfd_instance', 'NAME { … }', 'BFD is not supported; use a shorter advert_int or a track_script'),
  refused(
    'net_namespace',
    'NAME',
    'start the program in the namespace instead (NetworkNamespacePath= in the unit file)',
  ),
  refused(
    'net_namespace_ipvs',
    '[NAME]',
    'start the program in the namespace instead (NetworkNamespacePath= in the unit file)',
  ),
  noted('namespace_with_ipsets', '', 'no ipsets are used'),
  noted('instance', 'NAME', 'state directory and control socket have other names'),
  noted('use_pid_dir', '', 'no pid file is written; systemd or the control socket knows the process'),
  noted('linkbeat_use_polling', '', 'the kernel reports link changes'),
  noted('linkbeat_interfaces', '{ … }', 'the kernel reports link changes'),
  noted('child_wait_time', 'SECONDS', 'there is one process'),
]

function readServerGroup(file: FileDraft, _name: string, statement: Statement, context: Context): void {
  serverGroup(file, statement, context)
}
