import { isMulticast } from '../../platform/ip.ts'
import { quoted } from '../problems.ts'
import { addressWord } from './addresses.ts'
import { commandOf } from './commands.ts'
import type { FifoDraft, FileDraft, GlobalsDraft } from './drafts.ts'
import { setTimes } from './instance-rows.ts'
import { honoured, mapped, noted, numberAt, outdated, type Row, refused, switchAt, type Table } from './rows.ts'

type GlobalRow = Row<FileDraft>
/** The switches among them. */
type Flag =
  | 'lowerPriorityNoAdvert'
  | 'higherPrioritySendAdvert'
  | 'checkUnicastSource'
  | 'skipCheckAdvertAddresses'
  | 'notifiesPriority'
  | 'logUnknownVrids'

const switchRow = (name: string, field: Flag, reason: string): GlobalRow =>
  honoured(
    name,
    '[on|off]',
    ({ globals }, statement, { report }) => {
      globals[field] = switchAt(statement, report) ?? globals[field]
    },
    reason,
  )

/** A keyword that switches on whatever stands after it. */
const onRow = (name: string, field: Flag, reason: string): GlobalRow =>
  honoured(
    name,
    '',
    ({ globals }) => {
      globals[field] = true
    },
    reason,
  )

const delayRow = (name: string, field: 'delayMs' | 'refreshMs' | 'lowerPriorityDelayMs', reason: string): GlobalRow =>
  honoured(
    name,
    'SECONDS',
    ({ globals }, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 0, most: 4294, otherwise: 'leaves the line out' }, report)
      if (value !== undefined) globals.garp[field] = value * 1000
    },
    reason,
  )

const timesRow = (name: string, field: 'repeat' | 'refreshRepeat', reason: string): GlobalRow =>
  honoured(name, 'N', ({ globals }, statement, { report }) => setTimes(globals.garp, field, statement, report), reason)

const intervalRow = (name: string, field: 'arpIntervalMs' | 'neighbourIntervalMs', reason: string): GlobalRow =>
  honoured(
    name,
    'SECONDS',
    ({ globals }, statement, { report }) => {
      const rule = { least: 0.000001, most: 4294.967295, unit: 1000, otherwise: 'makes no pause' }
      globals[field] = numberAt(statement, 1, rule, report) ?? globals[field]
    },
    reason,
  )

const groupRow = (family: 4 | 6): GlobalRow =>
  honoured(
    `vrrp_mcast_group${family}`,
    'GROUP',
    ({ globals }, { words: [keyword, word = ''], where }, { report }) => {
      const found = addressWord(word)
      if (found?.family !== family || !isMulticast(word))
        report.breaks(where, `${keyword}: ${quoted(word)} is not a multicast address of IPv${family}`)
      else globals[`group${family}`] = found.address
    },
    family === 4 ? 'Default 224.0.0.18.' : 'Default ff02::12.',
  )

const fifoRows = (prefix: string, name: keyof GlobalsDraft['fifos'], what: string): GlobalRow[] => [
  {
    ...honoured<FileDraft>(
      `${prefix}notify_fifo`,
      'PATH [USER] [GROUP]',
      ({ globals }, { words: [keyword, path = '', user, group], where }, { report, host }) => {
        const fifo: FifoDraft = globals.fifos[name]
        const known = user === undefined ? undefined : host.user(user, group)
        if (user !== undefined && known === undefined)
          report.warning(
            where,
            `${keyword}: ${quoted(user)} or its group does not exist; as in keepalived nothing is written`,
          )
        else Object.assign(fifo, { path, user: known })
      },
      `A named pipe that ${what} are written to, a line each.`,
    ),
    again: 'first',
  },
  {
    ...honoured<FileDraft>(
      `${prefix}notify_fifo_script`,
      'COMMAND [USER] [GROUP]',
      ({ globals, rules }, statement, context) => {
        globals.fifos[name].script = commandOf(statement, 'hook', rules, context)
      },
      'Started with the path of the pipe as its last argument.',
    ),
    words: [1, Number.POSITIVE_INFINITY],
    again: 'first',
  },
]

const scriptRows = (name: 'startup' | 'shutdown', reason: string): GlobalRow[] => [
  {
    ...honoured<FileDraft>(
      `${name}_script`,
      'COMMAND [USER] [GROUP]',
      ({ globals, rules }, statement, context) => {
        globals[name] = commandOf(statement, 'hook', rules, context)
      },
      reason,
    ),
    words: [1, Number.POSITIVE_INFINITY],
    again: 'first',
  },
  honoured(
    `${name}_script_timeout`,
    'SECONDS',
    ({ globals }, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 1, most: 1000, otherwise: 'uses 10 s' }, report)
      globals[`${name}TimeoutMs`] = (value ?? 10) * 1000
    },
    'After this time it is killed (default 10).',
  ),
]

const acting: Table<FileDraft> = [
  honoured(
    'router_id',
    'NAME',
    ({ globals }, { words: [, name = ''] }) => {
      globals.routerId = name
    },
    'The name of the node in messages (default the host name); it has no meaning on the wire.',
  ),
  honoured(
    'vrrp_version',
    '2|3',
    ({ globals }, statement, { report }) => {
      const version = numberAt(statement, 1, { least: 2, most: 3, otherwise: 'leaves the line out' }, report)
      if (version === 2 || version === 3) globals.version = version
    },
    'Of IPv4 instances that say none (default 2).',
  ),
  groupRow(4),
  groupRow(6),
  delayRow('vrrp_garp_master_delay', 'delayMs', 'Defaults of the instances below; see there.'),
  timesRow('vrrp_garp_master_repeat', 'repeat', 'The same.'),
  delayRow('vrrp_garp_master_refresh', 'refreshMs', 'The same.'),
  timesRow('vrrp_garp_master_refresh_repeat', 'refreshRepeat', 'The same.'),
  delayRow('vrrp_garp_lower_prio_delay', 'lowerPriorityDelayMs', 'The same.'),
  honoured(
    'vrrp_garp_lower_prio_repeat',
    'N',
    ({ globals }, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 0, most: 1000, otherwise: 'leaves the line out' }, report)
      if (value !== undefined) globals.garp.lowerPriorityRepeat = value
    },
    'The same.',
  ),
  intervalRow(
    'vrrp_garp_interval',
    'arpIntervalMs',
    'Pause between two frames on an interface. 0 is out of range in keepalived, and means none.',
  ),
  intervalRow('vrrp_gna_interval', 'neighbourIntervalMs', 'The same for IPv6.'),
  honoured(
    'vrrp_min_garp',
    '[on|off]',
    ({ globals: { garp } }, statement, { report }) => {
      if (switchAt(statement, report) !== true) return
      if (garp.repeat === 5) garp.repeat = 1
      if (garp.delayMs === 5000) garp.delayMs = 0
      if (garp.refreshRepeat === 1) garp.refreshRepeat = 0
    },
    'One frame, no second burst; what is set already stays.',
  ),
  honoured(
    'vrrp_down_timer_adverts',
    '1–100',
    ({ globals }, statement, { report }) => {
      const rule = { least: 1, most: 100, otherwise: 'leaves the line out' }
      globals.downTimerAdverts = numberAt(statement, 1, rule, report) ?? globals.downTimerAdverts
    },
    'Default of `down_timer_adverts`.',
  ),
  switchRow('vrrp_lower_prio_no_advert', 'lowerPriorityNoAdvert', 'Default of `lower_prio_no_advert`.'),
  switchRow('vrrp_higher_prio_send_advert', 'higherPrioritySendAdvert', 'Default of `higher_prio_send_advert`.'),
  onRow('vrrp_check_unicast_src', 'checkUnicastSource', 'Default of `check_unicast_src`.'),
  onRow('vrrp_skip_check_adv_addr', 'skipCheckAdvertAddresses', 'Default of `skip_check_adv_addr`.'),
  switchRow('vrrp_notify_priority_changes', 'notifiesPriority', 'Default of `notify_priority_changes`.'),
  onRow('log_unknown_vrids', 'logUnknownVrids', 'Adverts with a router ID that no instance has are reported.'),
  honoured(
    'vrrp_startup_delay',
    'SECONDS',
    ({ globals }, statement, { report }) => {
      const rule = { least: 0.001, most: 4294, unit: 1000, otherwise: 'makes no pause' }
      globals.startupDelayMs = numberAt(statement, 1, rule, report) ?? 0
    },
    'Instances wait this long after the start.',
  ),
  honoured(
    'dynamic_interfaces',
    '[allow_if_changes]',
    ({ globals }) => {
      globals.dynamicInterfaces = true
    },
    'A missing interface means FAULT until it appears; it is not an error.',
  ),
  honoured(
    'default_interface',
    'INTERFACE',
    ({ globals }, { words: [, name = ''] }) => {
      globals.defaultInterface = name
    },
    'Only static addresses use it, and instances without an interface, which are refused.',
  ),
  honoured(
    'vmac_prefix',
    'TEXT',
    ({ globals }, { words: [, prefix = ''] }) => {
      globals.vmacPrefix = prefix
    },
    'Name prefix of the macvlans of `use_vmac` (default `vrrp`).',
  ),
  honoured(
    'script_user',
    'NAME [GROUP]',
    ({ rules }, { words: [, name = '', group], where }, { report, host }) => {
      rules.userIsKnown = true
      rules.user = host.user(name, group)
      if (rules.user === undefined)
        report.error(
          where,
          `script_user: ${quoted(name)} or its group does not exist; keepalived would run no script at all`,
        )
    },
    'The user for scripts that name none (default: `keepalived_script` where it exists, else root).',
  ),
  honoured(
    'enable_script_security',
    '',
    ({ rules }) => {
      rules.secure = true
    },
    'Commands that others could change are not run as root.',
  ),
  ...fifoRows('vrrp_', 'vrrp', 'events of instances and groups'),
  ...fifoRows('', 'all', 'all events'),
  ...fifoRows('lvs_', 'balancer', 'events of servers'),
  ...scriptRows('startup', 'Run before anything else.'),
  ...scriptRows('shutdown', 'Run after everything has stopped.'),
]

const noMail = 'no mail is sent; use events, hooks or the FIFO'
const otherProcess =
  'it configures a process of keepalived that does not exist here; set priority, memory and CPUs in the unit file'
const noSnmp = 'SNMP is not supported; use metrics or the status page'
const noIpvs = 'balancing is done by nftables, and the kernel keeps the times of connections (net.netfilter)'
const ownTables = 'the tables of nftables carry the names of this library'
const ownBuffers = "sockets keep the system's buffers"
const ownFiles = 'ask the running member for status, metrics and recordings'
const ownReload = 'a reload checks everything before it changes anything'

const without: readonly (readonly [names: string, form: string, reason: string])[] = [
  ['notification_email', '{ ADDRESS … }', noMail],
  ['notification_email_from smtp_helo_name smtp_connect_timeout', 'VALUE', noMail],
  ['smtp_alert smtp_alert_vrrp smtp_alert_checker', '[on|off]', noMail],
  ['no_email_faults no_checker_emails', '', noMail],
  ['process_names vrrp_no_swap checker_no_swap bfd_no_swap', '', otherProcess],
  ['process_name vrrp_process_name checker_process_name lvs_process_name bfd_process_name', 'NAME', otherProcess],
  ['vrrp_priority checker_priority bfd_priority', 'N', otherProcess],
  ['vrrp_rt_priority checker_rt_priority bfd_rt_priority', 'N', otherProcess],
  ['vrrp_rlimit_rttime vrrp_rlimit_rtime checker_rlimit_rttime checker_rlimit_rtime', 'MICROSECONDS', otherProcess],
  ['bfd_rlimit_rttime bfd_rlimit_rtime min_auto_priority_delay', 'MICROSECONDS', otherProcess],
  ['vrrp_cpu_affinity checker_cpu_affinity bfd_cpu_affinity', 'CPU …', otherProcess],
  ['max_auto_priority', '[N]', otherProcess],
  ['umask', 'BITS', 'files are made with the rights that they need'],
  ['lvs_timeouts', 'tcp N …', noIpvs],
  ['lvs_flush', '', 'tables of a former run are taken over or removed'],
  ['lvs_flush_on_stop lvs_flush_onstop', '[VS]', 'the tables are removed at the end'],
  ['lvs_sync_daemon', 'INTERFACE …', 'connection tables are not copied; a hash scheduler keeps connections without it'],
  ['vrrp_iptables', '[IN] [OUT]', ownTables],
  ['vrrp_ipsets', '[NAME] [NAME] [NAME] [NAME] [NAME]', ownTables],
  ['nftables nftables_ipvs', '[NAME]', ownTables],
  ['nftables_priority nftables_ipvs_priority nftables_ipvs_start_fwmark', 'N', ownTables],
  ['nftables_counters nftables_ifindex', '', ownTables],
  ['disable_local_igmp', '', 'the kernel reports its groups as it always does'],
  [
    'vrrp_garp_extra_if vrrp_vmac_garp_intvl',
    '[all] SECONDS',
    'addresses on other interfaces are announced with the others',
  ],
  ['vmac_addr_prefix', 'TEXT', 'addresses on other interfaces have no macvlan here'],
  ['snmp_socket', 'SOCKET', noSnmp],
  [
    'enable_traps enable_snmp_vrrp enable_snmp_keepalived enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3',
    '',
    noSnmp,
  ],
  ['enable_snmp_checker', '', noSnmp],
  ['snmp_vs_stats_update_interval snmp_rs_stats_update_interval', 'SECONDS', noSnmp],
  ['enable_dbus', '', 'D-Bus is not supported; use the control socket or the API'],
  ['dbus_service_name dbus_no_interface_name', '[NAME]', 'D-Bus is not supported; use the control socket or the API'],
  ['fifo_write_vrrp_states_on_reload', '', 'the FIFO carries changes only; ask status for the state'],
  ['vrrp_netlink_cmd_rcv_bufs vrrp_netlink_monitor_rcv_bufs process_monitor_rcv_bufs', 'BYTES', ownBuffers],
  ['lvs_netlink_cmd_rcv_bufs lvs_netlink_monitor_rcv_bufs', 'BYTES', ownBuffers],
  ['vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs_force', 'on|off', ownBuffers],
  [
    'process_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs_force',
    'on|off',
    ownBuffers,
  ],
  ['vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier', 'VALUE', ownBuffers],
  ['rs_init_notifies', '', 'the first check of a server is reported like any other change'],
  [
    'checker_log_all_failures',
    '[on|off]',
    'every state change of a server is reported; each failed check is a debug message',
  ],
  ['reload_check_config', '[FILE]', ownReload],
  ['reload_time_file', 'FILE', 'a reload is asked for with SIGHUP'],
  ['reload_file', '[FILE]', 'a reload is asked for with SIGHUP'],
  ['reload_repeat', '', 'a reload is asked for with SIGHUP'],
  ['random_seed', 'N', 'a random number in a configuration is refused'],
  ['include_check', '…', 'say includer, includem, includew, includeb or includea for a file that must be there'],
  ['config_save_dir tmp_config_directory', 'DIRECTORY', 'one process reads the files, once'],
  ['data_use_instance', '[on|off]', ownFiles],
  ['state_dump_file stats_dump_file json_dump_file iproute_usr_dir iproute_etc_dir', 'PATH', ownFiles],
  ['json_version', 'N', ownFiles],
  [
    'set_supplementary_groups use_symlink_paths',
    '[on|off]',
    'scripts get the groups of their user only, and their real path',
  ],
  ['vrrp_owner_ignore_adverts', '[on|off]', 'an owner answers adverts of others, as the RFCs want'],
]

const strict =
  'it wants traffic to the addresses dropped by a firewall unless the priority is 255, no authentication, no unicast and no state ' +
  'MASTER; this version does not set that up. Leave it out: without it the other node understands the adverts all the same'

/** `global_defs`. */
export const globalTable: Table<FileDraft> = [
  ...acting,
  {
    ...refused<FileDraft>('vrrp_strict', '', strict),
    apply: ({ globals }, { where }, { report }) => {
      globals.strict = true
      report.breaks(where, `vrrp_strict is refused: ${strict}`)
    },
  },
  outdated('lvs_id', 'NAME', 'use router_id'),
  {
    ...noted<FileDraft>('smtp_server', 'HOST [PORT]', noMail),
    apply: (_file, { words: [, name = ''], where }, { report }) => {
      if (addressWord(name)) report.note(where, `smtp_server is ignored: ${noMail}`)
      else report.warning(where, `smtp_server is ignored, and ${quoted(name)} is not looked up: ${noMail}`)
    },
  },
  mapped(
    honoured<FileDraft>(
      'vrrp_delay_after_boot',
      'SECONDS',
      ({ globals }, statement, { report }) => {
        const rule = { least: 0.001, most: 4294, unit: 1000, otherwise: 'makes no pause' }
        globals.startupDelayMs = numberAt(statement, 1, rule, report) ?? 0
      },
      'Of keepalived 2.3; read as `vrrp_startup_delay`, so it applies to later starts too.',
    ),
  ),
  ...without.flatMap(([names, form, reason]) => names.split(' ').map((name) => noted<FileDraft>(name, form, reason))),
]
