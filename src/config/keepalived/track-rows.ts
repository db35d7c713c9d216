import type { VrrpTrack } from '../../options/vrrp-options.ts'
import { quoted } from '../problems.ts'
import { commandOf, userOfLine, withUser } from './commands.ts'
import type { FileDraft, FileTrackDraft, ProcessDraft, ScriptDraft, TracksDraft } from './drafts.ts'
import { block, type Context, entriesOf, honoured, numberAt, type Row, switchAt, type Table } from './rows.ts'
import type { Statement } from './statements.ts'

/** What a name that is tracked stands for: its weight where the entry says none. */
interface Tracked {
  readonly weight: number
  readonly reverse: boolean
}

/** An entry `NAME [weight N [reverse]]`; undefined: it is left out or refused, which has been told. */
function trackEntry(
  statement: Statement,
  list: readonly VrrpTrack[],
  tracked: Tracked,
  most: number,
  { report }: Context,
): VrrpTrack | undefined {
  const { words, where } = statement
  const [name = '', option, value, direction, more] = words
  const refuse = (why: string) => {
    report.error(where, `${quoted(words.join(' '))}: ${why}; keepalived would not track it at all`)
    return undefined
  }
  if (list.some((one) => one.name === name)) {
    report.warning(where, `${quoted(name)} is tracked already; as in keepalived the first entry counts`)
    return undefined
  }
  if (option !== undefined && option !== 'weight')
    return refuse(`${quoted(option)} is not an option; write one name per line, followed by 'weight N'`)
  if (option === 'weight' && value === undefined) return refuse('weight needs its number')
  let { weight, reverse } = tracked
  if (value !== undefined) {
    const rule = { least: -254, most: 254, otherwise: `takes ${weight}` }
    const given = numberAt({ ...statement, words: ['weight', value] }, 1, rule, report)
    if (given !== undefined && Math.abs(given) > most)
      report.warning(where, `weight ${given} is read as ${Math.sign(given) * most}, as keepalived does`)
    weight = given === undefined ? weight : Math.sign(given) * Math.min(Math.abs(given), most)
  }
  if (direction === 'reverse') reverse = true
  else if (direction === 'noreverse') reverse = false
  else if (direction !== undefined) return refuse(`${quoted(direction)} is neither reverse nor noreverse`)
  if (more !== undefined) report.warning(where, `${quoted(more)} and what follows has no effect, as in keepalived`)
  return { name, weight: Object.is(weight, -0) ? 0 : weight, reverse, where }
}

function trackInterfaces({ tracks }: Tracking, statement: Statement, context: Context): void {
  for (const entry of entriesOf(statement, context.report)) {
    const [name = ''] = entry.words
    if (context.host.hasInterface(name) === false) {
      context.report.warning(
        entry.where,
        `interface ${quoted(name)} does not exist; as in keepalived it is not tracked`,
      )
      continue
    }
    const track = trackEntry(entry, tracks.interfaces, { weight: 0, reverse: false }, 253, context)
    if (track) tracks.interfaces.push(track)
  }
}

function trackScripts({ tracks, file }: Tracking, statement: Statement, context: Context): void {
  for (const entry of entriesOf(statement, context.report)) {
    const [name = ''] = entry.words
    const script = file.scripts.find((one) => one.name === name)
    const later = file.laterScripts.get(name)
    if (script === undefined) {
      const why = later === undefined ? 'is not defined' : `is defined in ${later}, after its use: move it up`
      context.report.error(entry.where, `script ${quoted(name)} ${why}; keepalived would run without this check`)
      continue
    }
    const track = trackEntry(entry, tracks.scripts, script, 253, context)
    if (track) tracks.scripts.push(track)
  }
}

function trackNamed(kind: 'files' | 'processes', what: string) {
  return ({ tracks, file }: Tracking, statement: Statement, context: Context): void => {
    for (const entry of entriesOf(statement, context.report)) {
      const [name = ''] = entry.words
      const tracked = file[kind].find((one) => one.name === name)
      if (tracked === undefined) {
        const message = `${what} ${quoted(name)} is not defined above; keepalived would run without this check`
        context.report.error(entry.where, message)
        continue
      }
      const track = trackEntry(entry, tracks[kind], tracked, 254, context)
      if (track) tracks[kind].push(track)
    }
  }
}

/** Whatever can track: an instance or a group. */
interface Tracking {
  readonly tracks: TracksDraft
  readonly file: FileDraft
}

/** The blocks `track_…`, which instances and groups share. */
export function trackRows<Draft extends Tracking>(): Row<Draft>[] {
  return [
    block(
      'track_interface',
      '{ INTERFACE [weight N [reverse]] … }',
      trackInterfaces,
      'Weight 0, the default: FAULT while one is down. Else the weight is added while it is up, or subtracted while it is down.',
    ),
    block(
      'track_script',
      '{ SCRIPT [weight N [reverse|noreverse]] … }',
      trackScripts,
      'As above; the weight is that of the script unless given here. A script that is not defined above is an error: keepalived ' +
        'would run without the check.',
    ),
    block(
      'track_file',
      '{ FILE [weight N [reverse|noreverse]] … }',
      trackNamed('files', 'track_file'),
      'The number in the file times the weight is added; with weight 0 a number other than 0 means FAULT.',
    ),
    block(
      'track_process',
      '{ PROCESS [weight N [reverse|noreverse]] … }',
      trackNamed('processes', 'vrrp_track_process'),
      'As `track_script`.',
    ),
  ]
}

/** `weight N [reverse]` of a script, a file or a process. */
function weightRow<Draft extends Tracked & { weight: number; reverse: boolean }>(most: number, by: number): Row<Draft> {
  return honoured(
    'weight',
    'N [reverse]',
    (draft, statement, { report }) => {
      const otherwise = `takes ${by}`
      draft.weight = numberAt(statement, 1, { least: -most, most, otherwise }, report) ?? by
      const [, , direction] = statement.words
      if (direction === 'reverse') draft.reverse = true
      else if (direction !== undefined)
        report.warning(
          statement.where,
          `weight: ${quoted(direction)} is not reverse; as in keepalived it has no effect`,
        )
    },
    `From −${most} to ${most} (default ${by}); an entry of \`track_…\` may say another.`,
  )
}

const seconds = 1000
const longest = 4294

/** A number of whole seconds that keepalived raises to 1. */
function secondsOf(statement: Statement, { report }: Context): number | undefined {
  const value = numberAt(statement, 1, { least: 0, most: longest, otherwise: 'keeps the default' }, report)
  if (value !== 0) return value === undefined ? undefined : value * seconds
  report.warning(statement.where, `${statement.words[0]} 0 is read as 1, as keepalived does`)
  return seconds
}

/** `vrrp_script`. */
export const scriptTable: Table<ScriptDraft> = [
  honoured(
    'script',
    'COMMAND […]',
    (draft, statement, context) => {
      draft.command = commandOf(statement, 'check', draft.rules, context)
      draft.isBroken ||= draft.command === undefined
    },
    'In quotes with its arguments; split at blanks, inner quotes kept together, no shell. A program without a slash is looked for ' +
      'in PATH. Missing, not executable, or not to be trusted as root: an error, because keepalived would run without the check.',
  ),
  honoured(
    'interval',
    'SECONDS',
    (draft, statement, context) => {
      draft.intervalMs = secondsOf(statement, context) ?? draft.intervalMs
    },
    'Whole seconds between two runs (default 1).',
  ),
  honoured(
    'timeout',
    'SECONDS',
    (draft, statement, context) => {
      const timeoutMs = secondsOf(statement, context)
      if (timeoutMs !== undefined) draft.timeoutMs = timeoutMs
    },
    'After this time it is killed and counts as failed (default: the interval).',
  ),
  weightRow(253, 0),
  ...(['rise', 'fall'] as const).map((name) =>
    honoured<ScriptDraft>(
      name,
      'N',
      (draft, statement, { report }) => {
        const rule = { least: 1, most: 2_147_483_647, otherwise: 'takes 1' }
        draft[name] = numberAt(statement, 1, rule, report) ?? 1
      },
      `${name === 'rise' ? 'Successes' : 'Failures'} in a row that count (default 1).`,
    ),
  ),
  honoured(
    'user',
    'NAME [GROUP]',
    (draft, statement, context) => {
      draft.user = userOfLine(statement, context)
      draft.isBroken ||= draft.user === undefined
    },
    'The user that it runs as. A user that does not exist is an error.',
  ),
  honoured(
    'init_fail',
    '',
    (draft) => {
      draft.initFail = true
    },
    'Counts as failed until it has succeeded.',
  ),
]

/** Ends a `vrrp_script` block. */
export function endScript(draft: ScriptDraft, statement: Statement, context: Context): void {
  if (draft.command === undefined) {
    if (!draft.isBroken)
      context.report.error(draft.where, `vrrp_script ${draft.name} has no script; keepalived would drop the check`)
    return
  }
  if (draft.isBroken) return
  draft.command = withUser(draft.command, draft.user, statement, draft.rules, context)
  draft.isBroken = draft.command === undefined
}

/** `track_file` and its old name `vrrp_track_file`. */
export const fileTable: Table<FileTrackDraft> = [
  honoured(
    'file',
    'PATH',
    (draft, { words: [, path = ''], where }, { report }) => {
      if (draft.path !== undefined)
        report.warning(where, 'file stands there already; as in keepalived the first one counts')
      else draft.path = path
    },
    'Read whenever it changes; the number in it counts.',
  ),
  weightRow(254, 1),
  honoured(
    'init_file',
    '[VALUE] [overwrite]',
    (draft, statement, { report }) => {
      draft.initValue = 0
      for (const word of statement.words.slice(1)) {
        if (/^-?\d+$/.test(word)) draft.initValue = Number(word)
        else if (word === 'overwrite') draft.overwrite = true
        else report.warning(statement.where, `init_file: ${quoted(word)} has no effect, as in keepalived`)
      }
    },
    'Writes the value (default 0) at start if the file is missing, or in any case.',
  ),
]

function delayOf(statement: Statement, { report }: Context): number | undefined {
  const otherwise = 'leaves it out'
  return numberAt(statement, 1, { least: 0.000001, most: 3600, unit: seconds, otherwise }, report)
}

/** `vrrp_track_process`. */
export const processTable: Table<ProcessDraft> = [
  honoured(
    'process',
    'NAME [ARGUMENT …]',
    (draft, { words: [, name = '', ...parameters] }) => {
      draft.process = name
      if (parameters.length > 0) {
        draft.parameters = parameters
        draft.fullCommand = true
      }
    },
    'The name of `/proc/PID/comm`; with arguments or `full_command` the command line.',
  ),
  honoured(
    'param_match',
    '[initial|partial]',
    (draft, { words: [, how], where }, { report }) => {
      draft.fullCommand = true
      draft.parameters ??= []
      if (how === 'initial' || how === 'partial') draft.match = how
      else if (how !== undefined) report.warning(where, `param_match: ${quoted(how)} has no effect, as in keepalived`)
    },
    'Whether the arguments may go on; without a word none may.',
  ),
  weightRow(254, 0),
  honoured(
    'quorum',
    'N',
    (draft, statement, { report }) => {
      const rule = { least: 1, most: 65_535, otherwise: 'leaves it out' }
      draft.quorum = numberAt(statement, 1, rule, report) ?? draft.quorum
    },
    'At least this many processes (default 1).',
  ),
  honoured(
    'quorum_max',
    'N',
    (draft, statement, { report }) => {
      const rule = { least: 0, most: 65_535, otherwise: 'leaves it out' }
      const most = numberAt(statement, 1, rule, report)
      if (most === undefined) return
      draft.quorumMax = most
      if (most === 0) draft.quorum = 0
    },
    'At most this many processes; 0: none may run.',
  ),
  ...(
    [
      ['delay', ['forkDelayMs', 'terminateDelayMs'], 'Sets both of the following.'],
      ['fork_delay', ['forkDelayMs'], 'How long the quorum must be there before it counts.'],
      ['terminate_delay', ['terminateDelayMs'], 'How long it must be lost before that counts.'],
    ] as const
  ).map(([name, fields, reason]) =>
    honoured<ProcessDraft>(
      name,
      'SECONDS',
      (draft, statement, context) => {
        const delayMs = delayOf(statement, context)
        if (delayMs !== undefined) for (const field of fields) draft[field] = delayMs
      },
      reason,
    ),
  ),
  honoured(
    'full_command',
    '',
    (draft) => {
      draft.fullCommand = true
    },
    'Compares the command line of `/proc/PID/cmdline`.',
  ),
]

/** `notify_priority_changes` of instances and groups. */
export function priorityChangesRow<Draft extends { notifiesPriority?: boolean }>(): Row<Draft> {
  return honoured(
    'notify_priority_changes',
    '[on|off]',
    (draft, statement, { report }) => {
      draft.notifiesPriority = switchAt(statement, report) ?? draft.notifiesPriority ?? false
    },
    'Priority changes are written to the FIFO.',
  )
}
