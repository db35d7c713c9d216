import type { HaCfDraft } from './ha-cf-draft.ts'
import { baud, broadcast, multicast, ping, pingGroupOf, serialLines, udpport, unicast } from './ha-cf-media.ts'
import {
  autoFailback,
  between,
  bool,
  facility,
  fullPath,
  integer,
  nodeNames,
  one,
  oneOf,
  type Parser,
  positiveTimeMs,
} from './ha-cf-values.ts'
import { badValue, quoted } from './problems.ts'

/** What becomes of a directive: it acts, it stops the start, or it is read, checked and left without effect. */
export type Fate = 'honoured' | 'refused' | 'ignored'

/** One row of the table of directives. */
export interface Directive {
  readonly name: string
  /** What follows the name. */
  readonly form: string
  readonly fate: Fate
  /** What it does here, or why it is refused or ignored. */
  readonly reason: string
  /** True where it may stand in several lines. Otherwise the last line counts, as in the daemon, and the earlier ones get a warning. */
  readonly repeatable: boolean
  /** True where commas belong to the values: only blanks separate. */
  readonly blanksOnly?: true
  /** Puts the values into the draft (or only checks them); throws `HS_CONFIG` for a bad one. */
  apply(draft: HaCfDraft, words: readonly string[]): void
}

type Apply = Directive['apply']

function honoured(name: string, form: string, apply: Apply, reason: string): Directive {
  return { name, form, fate: 'honoured', reason, repeatable: false, apply }
}

function several(name: string, form: string, apply: Apply, reason: string): Directive {
  return { ...honoured(name, form, apply, reason), repeatable: true }
}

/** `parse` still checks the value: the daemon would not start with a bad one, and a typing error wants to be known. */
function ignored(name: string, form: string, parse: Parser<unknown>, reason: string): Directive {
  const apply: Apply = (draft, words) => {
    parse(words)
    draft.remark('note', `${name} is ignored: ${reason}`)
  }
  return { name, form, fate: 'ignored', reason, repeatable: true, apply }
}

/** Refused unless the words switch it off. */
function refused(name: string, form: string, reason: string, off?: (words: readonly string[]) => boolean): Directive {
  const apply: Apply = (_draft, words) => {
    if (!off?.(words)) throw badValue(`${name} is refused: ${reason}`)
  }
  return { name, form, fate: 'refused', reason, repeatable: true, apply }
}

const isOff = (words: readonly string[]): boolean => words.length === 1 && /^(false|off|no|n|0)$/i.test(words[0]!)

const respawn: Apply = (draft, words) => {
  const [user, command, ...args] = between(2, 256)(words)
  fullPath([command!])
  if (/\/ipfail$/.test(command!)) {
    draft.ipfailLine = draft.line
    return draft.remark(
      'note',
      'ipfail is built in: nodes compare how many ping targets each of them reaches; the program is not run',
    )
  }
  if (/\/heartbeat\/[^/]+$/.test(command!)) {
    draft.remark('warning', `${command} comes with heartbeat and wants its API socket, which does not exist here`)
  }
  draft.respawn.push({ line: draft.line, value: { user: user!, command: command!, args } })
}

const niceFailback: Apply = (draft, words) => {
  draft.autoFailback = bool(words) ? false : 'legacy'
  draft.remark('warning', `nice_failback is obsolete and read as 'auto_failback ${bool(words) ? 'off' : 'legacy'}'`)
}

const apiauth: Parser<unknown> = (words) => {
  const rest = between(2, 3)(words).slice(1)
  if (!rest.every((word) => /^(uid|gid)=\S+$/.test(word))) {
    throw badValue(`must be followed by 'uid=LIST' or 'gid=LIST', got ${rest.map(quoted).join(' ')}`)
  }
}

const environment: Apply = (draft, words) => {
  if (words.length === 0) throw badValue('the variable is missing')
  for (const word of words) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(word) ?? []
    if (name === undefined) throw badValue(`must be 'NAME=VALUE', got ${quoted(word)}`)
    draft.env[`HA_${name}`] = value!
  }
}

const noCrm = 'only Pacemaker uses it, which is refused here'
const noCompression =
  'nothing here is large enough to need it; a compressed message of a daemon is dropped and reported once'
const noApphbd =
  'no apphbd watches over this process; systemd does with WatchdogSec=, which `hot-standby run` feeds; write off or leave it out'

/**
 * Every directive of heartbeat 3.0.6 (`config.c` and its media plug-ins; ha.cf(5)). `docs/ha-cf.md` shows this table; a test
 * compares the two.
 */
export const directives: readonly Directive[] = [
  several(
    'node',
    'NAME …',
    (draft, words) => {
      for (const value of nodeNames(words)) draft.nodes.push({ line: draft.line, value })
    },
    'The two members; lower-cased. More or fewer than two are refused: the pair knows no quorum among many.',
  ),
  honoured(
    'cluster',
    'NAME',
    (draft, words) => {
      draft.cluster = nodeNames([one(words)])[0]!
    },
    "Names the pair (default `linux-ha`): part of the state directory's and the control socket's path.",
  ),
  honoured(
    'keepalive',
    'TIME',
    (draft, words) => {
      draft.keepaliveMs = positiveTimeMs(words)
    },
    'Interval of the beats (default 1 s).',
  ),
  honoured(
    'deadtime',
    'TIME',
    (draft, words) => {
      draft.deadtimeMs = positiveTimeMs(words)
    },
    'Silence after which a node is dead (default 30 s); more than 2 × keepalive.',
  ),
  honoured(
    'warntime',
    'TIME',
    (draft, words) => {
      draft.warntimeMs = positiveTimeMs(words)
    },
    'Silence after which a node is late (default deadtime / 2).',
  ),
  honoured(
    'initdead',
    'TIME',
    (draft, words) => {
      draft.initdeadMs = positiveTimeMs(words)
    },
    'Wait for a peer not heard since our start; at least deadtime (default: deadtime above 10 s, 12 s below 6 s, else 2 × deadtime).',
  ),
  honoured(
    'deadping',
    'TIME',
    (draft, words) => {
      draft.deadpingMs = positiveTimeMs(words)
    },
    'Silence after which a ping target counts as unreachable (default deadtime, as Heartbeat has it); more than 2 × keepalive.',
  ),
  honoured('udpport', 'PORT', udpport, 'Port of the `bcast` and `ucast` lines after it (default 694).'),
  several('bcast', 'DEVICE …', broadcast, 'A broadcast link on each device.'),
  several('udp', 'DEVICE …', broadcast, 'Old name of `bcast`.'),
  several(
    'ucast',
    'DEVICE ADDRESS',
    unicast(4),
    "A link to the peer's address; a line that names this host's own address is left out.",
  ),
  several('ucast6', 'DEVICE ADDRESS', unicast(6), 'The same for IPv6.'),
  several(
    'mcast',
    'DEVICE GROUP PORT TTL LOOP',
    multicast(4),
    'A multicast link; `udpport` does not apply. TTL 1–4, as 3.0.6 has it, LOOP 0 or 1.',
  ),
  several('mcast6', 'DEVICE GROUP PORT TTL LOOP', multicast(6), 'The same for IPv6.'),
  several(
    'serial',
    'TTY …',
    serialLines,
    'A null-modem line on each device, locked as UUCP does; see [transports/serial.md](transports/serial.md).',
  ),
  honoured(
    'baud',
    'RATE',
    baud,
    'Speed of the serial lines (default 19200): 9600, 19200, 38400, 57600, 115200, 230400 or 460800; stands before `serial`.',
  ),
  several(
    'ping',
    'ADDRESS …',
    ping(4),
    'Ping targets; they count as with `ipfail`, whether or not `respawn …/ipfail` is there.',
  ),
  several('ping6', 'ADDRESS …', ping(6), 'The same for IPv6.'),
  several(
    'ping_group',
    'NAME ADDRESS …',
    pingGroupOf,
    'One ping target that is reachable while any of its addresses answers.',
  ),
  refused('hbaping', 'CARD', 'Fibre Channel cards cannot be pinged from here, and 3.0.6 cannot either; use ping'),
  honoured(
    'auto_failback',
    'on|off|legacy',
    (draft, words) => {
      draft.autoFailback = autoFailback(words)
    },
    'Whether groups return to their preferred node by themselves. Missing means `legacy`: spoken with a daemon, read as `on` between two of ours, with a warning.',
  ),
  honoured(
    'nice_failback',
    'on|off',
    niceFailback,
    'Obsolete: `on` is read as `auto_failback off`, `off` as `legacy`, with a warning.',
  ),
  {
    ...several(
      'respawn',
      'USER /PATH [ARGUMENT …]',
      respawn,
      'A program kept alive beside the pair; `…/ipfail` is our own ping rule and is not run.',
    ),
    blanksOnly: true,
  },
  honoured(
    'logfile',
    'FILE',
    (draft, words) => {
      draft.logFile = fullPath(words)
    },
    'Messages are appended to this file.',
  ),
  honoured(
    'debugfile',
    'FILE',
    (draft, words) => {
      draft.debugFile = fullPath(words)
    },
    'Messages and debug output are appended to this file.',
  ),
  honoured(
    'logfacility',
    'FACILITY',
    (draft, words) => {
      draft.facility = facility(words)
    },
    'Messages go to syslog under this facility; `none` switches that off.',
  ),
  honoured(
    'debug',
    '0–255',
    (draft, words) => {
      const isNumber = /^\d+$/.test(words[0]!)
      if (!isNumber)
        draft.remark('warning', `debug: ${quoted(words[0]!)} is not a number; it is read as 0, as in Heartbeat`)
      draft.debug = isNumber ? integer(0, 255)(words) : 0
    },
    'Debug level; 0 writes no debug output.',
  ),
  ignored(
    'use_logd',
    'on|off',
    bool,
    'no ha_logd is used; logfile, debugfile and logfacility act directly, and without any of them messages go to syslog as daemon, as ha_logd would do',
  ),
  ignored('conn_logd_time', 'TIME', positiveTimeMs, 'no ha_logd is used'),
  ignored(
    'log_badpack',
    'on|off',
    bool,
    'packets that do not verify are always counted and reported, at a limited rate',
  ),
  ignored('syslogmsgfmt', 'on|off', bool, 'lines in log files have one form'),
  refused(
    'stonith',
    'TYPE FILE',
    "this version cannot cut a peer's power, and to take over without it would break what the line promises; leave it out only if that is acceptable",
  ),
  refused(
    'stonith_host',
    'HOST TYPE PARAMETER …',
    "this version cannot cut a peer's power, and to take over without it would break what the line promises; leave it out only if that is acceptable",
  ),
  refused(
    'watchdog',
    'DEVICE',
    'this version feeds no watchdog device, and a frozen host would not be reset as the line promises; use WatchdogSec= of systemd, which `hot-standby run` feeds, and RuntimeWatchdogSec= for the host',
  ),
  refused(
    'failfast',
    'USER /PATH [ARGUMENT …]',
    'this version never reboots the host because a program died; use respawn if restarting it is enough',
  ),
  refused('use_apphbd', 'off', noApphbd, isOff),
  refused(
    'crm',
    'off',
    'Pacemaker is another cluster manager and does not read haresources; write off or leave it out',
    isOff,
  ),
  refused(
    'pacemaker',
    'off',
    'Pacemaker is another cluster manager and does not read haresources; write off or leave it out',
    isOff,
  ),
  refused(
    'autojoin',
    'none',
    'nodes that are not listed can never join a pair; write none, as heartbeat demands with haresources',
    (words) => words.length === 1 && words[0]!.toLowerCase() === 'none',
  ),
  ignored('crm_daemon_dir', 'DIRECTORY', fullPath, noCrm),
  ...['crmd_spawns_pengine', 'record_config_changes', 'record_pengine_inputs', 'enable_config_writes'].map((name) =>
    ignored(name, 'on|off', bool, noCrm),
  ),
  ignored('quorum_server', 'HOST', one, "only heartbeat's ccm asks it, which takes no part in haresources mode"),
  {
    ...ignored(
      'apiauth',
      'CLIENT [uid=LIST] [gid=LIST]',
      apiauth,
      'there is no client socket of heartbeat; the control socket belongs to its owner alone',
    ),
    blanksOnly: true,
  },
  several('env', 'NAME=VALUE …', environment, 'Respawned programs and resource scripts get `HA_NAME=VALUE`.'),
  ignored(
    'realtime',
    'on|off',
    bool,
    'a Node process has no realtime priority; the unit file can give it one (CPUSchedulingPolicy=)',
  ),
  ignored(
    'rtprio',
    'PRIORITY',
    integer(1, 99),
    'a Node process has no realtime priority; the unit file can give it one (CPUSchedulingPriority=)',
  ),
  ignored('memreserve', 'KILOBYTES', integer(1, 1_000_000_000), 'Node manages its own memory'),
  ignored('coredumps', 'on|off', bool, 'core dumps are a matter of the unit file (LimitCORE=)'),
  ignored('coreroot', 'DIRECTORY', fullPath, 'core dumps are a matter of the unit file and the kernel'),
  ignored(
    'msgfmt',
    'classic|netstring',
    oneOf('classic', 'netstring'),
    'a daemon sends netstring over UDP whatever this says, and so do we; both forms are understood',
  ),
  ignored('compression', 'zlib|bz2', oneOf('zlib', 'bz2'), noCompression),
  ignored('compression_threshold', 'KILOBYTES', integer(1, 1_000_000), noCompression),
  ignored('traditional_compression', 'on|off', bool, noCompression),
  ignored(
    'max_rexmit_delay',
    'MILLISECONDS',
    integer(1, 1_000_000),
    "a gap is always asked for within 250 ms, the daemon's default",
  ),
  honoured(
    'hbgenmethod',
    'file|time',
    (draft, words) => {
      draft.generationFrom = oneOf('file', 'time')(words)
    },
    "How a start's generation is made: one more than the last (`file`), or the time (`time`), here never less than one more. It is shared with a daemon on this host through `hb_generation`.",
  ),
  honoured(
    'uuidfrom',
    'file|nodename',
    (draft, words) => {
      draft.uuidFrom = oneOf('file', 'nodename')(words)
    },
    "The node's uuid: kept and shared with a daemon on this host through `hb_uuid`, or made of the node's name as the daemon does with glibc.",
  ),
  ignored('hopfudge', 'NUMBER', integer(0, 255), 'only rings of serial lines count hops'),
  ignored('normalpoll', 'on|off', bool, 'sockets are read when something arrives, never polled'),
]
