import type { IpFamily, VrrpPeer } from '../../options/vrrp-options.ts'
import { isDeviceName } from '../../platform/interfaces.ts'
import { isMulticast } from '../../platform/ip.ts'
import { quoted } from '../problems.ts'
import { addressEntry, addressWord, otherFamily, routeEntry } from './addresses.ts'
import { authenticationTable, hmacTable } from './authentication-rows.ts'
import type { GarpDraft, InstanceDraft } from './drafts.ts'
import { hookRows, instanceHookRows } from './hook-rows.ts'
import {
  block,
  type Context,
  entriesOf,
  familyName,
  honoured,
  noted,
  numberAt,
  type Row,
  readBlock,
  refused,
  switchAt,
  type Table,
} from './rows.ts'
import type { Statement } from './statements.ts'
import { priorityChangesRow, trackRows } from './track-rows.ts'

type InstanceRow = Row<InstanceDraft>

/** Remembers where a keyword stands, for what is found out when the block is complete. */
function placed(row: InstanceRow): InstanceRow {
  const apply: InstanceRow['apply'] = (draft, statement, context) => {
    draft.at.set(row.name, statement.where)
    row.apply(draft, statement, context)
  }
  return { ...row, apply }
}

/** The first address of an instance says which family it is of. Answers whether `family` is that one. */
function isFamily(draft: InstanceDraft, family: IpFamily): boolean {
  draft.family ??= family
  return draft.family === family
}

function interfaceName({ words: [keyword, name = ''], where }: Statement, context: Context) {
  if (!isDeviceName(name)) {
    context.report.breaks(where, `${keyword}: ${quoted(name)} is not a valid interface name`)
    return undefined
  }
  if (name === 'lo') {
    context.report.breaks(where, 'the loopback interface cannot carry VRRP')
    return undefined
  }
  if (context.host.hasInterface(name) === false)
    context.report.error(where, `${keyword}: ${quoted(name)} does not exist; keepalived also refuses to run`)
  return name
}

function source(draft: InstanceDraft, { words: [keyword, word = ''], where }: Statement, { report }: Context): void {
  const found = addressWord(word)
  if (found === undefined) report.breaks(where, `${keyword}: ${quoted(word)} is not an address`)
  else if (!isFamily(draft, found.family))
    report.breaks(where, `${keyword} ${otherFamily(word, found.family, draft.family as IpFamily)}`)
  else draft.source = found.address
}

function peerEntry(draft: InstanceDraft, { words, where }: Statement, { report }: Context): VrrpPeer | undefined {
  const [word = '', ...options] = words
  const found = addressWord(word)
  if (found === undefined) {
    report.breaks(where, `unicast_peer: ${quoted(word)} is not an address; keepalived leaves it out`)
    return undefined
  }
  if (!isFamily(draft, found.family)) {
    report.breaks(where, `unicast_peer: ${otherFamily(word, found.family, draft.family as IpFamily)}`)
    return undefined
  }
  const limits: { minTtl?: number; maxTtl?: number } = {}
  for (let at = 0; at < options.length; at += 2) {
    const name = { min_ttl: 'minTtl', max_ttl: 'maxTtl' }[options[at] ?? ''] as 'minTtl' | 'maxTtl' | undefined
    const value = options[at + 1] ?? ''
    if (name === undefined || !/^\d{1,3}$/.test(value) || Number(value) > 255) {
      report.breaks(
        where,
        `${quoted(words.join(' '))}: after the address only min_ttl and max_ttl with 0 to 255 may follow`,
      )
      return undefined
    }
    limits[name] = Number(value)
    draft.checkSource = true
  }
  return { address: found.address, ...limits }
}

const peers: InstanceRow['apply'] = (draft, statement, context) => {
  draft.isUnicast = true
  const { report } = context
  for (const entry of entriesOf(statement, report)) {
    const peer = peerEntry(draft, entry, context)
    if (peer === undefined) continue
    if (peer.address === draft.source) {
      report.warning(
        entry.where,
        `unicast_peer: ${peer.address} is the source address of this node itself; it is left out`,
      )
      continue
    }
    if (draft.peers.length === 1)
      report.warning(
        entry.where,
        'unicast_peer: a third node; its adverts are heard and answered, but a planned move knows one peer only',
      )
    draft.peers.push(peer)
  }
}

function addresses(excluded: boolean): InstanceRow['apply'] {
  return (draft, statement, context) => {
    for (const entry of entriesOf(statement, context.report)) {
      const address = addressEntry(entry, context)
      if (address === undefined) continue
      if (!excluded && !isFamily(draft, address.family)) {
        const why = otherFamily(address.address, address.family, draft.family as IpFamily)
        context.report.breaks(entry.where, `${why}; write it into virtual_ipaddress_excluded`)
      } else (excluded ? draft.excluded : draft.addresses).push(address)
    }
  }
}

const seconds = (name: string, field: 'delayMs' | 'refreshMs' | 'lowerPriorityDelayMs', reason: string): InstanceRow =>
  honoured(
    name,
    'SECONDS',
    ({ garp }, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 0, most: 4294, otherwise: 'leaves the line out' }, report)
      if (value !== undefined) garp[field] = value * 1000
    },
    reason,
  )

const times = (name: string, field: 'repeat' | 'refreshRepeat', reason: string): InstanceRow =>
  honoured(name, 'N', ({ garp }, statement, { report }) => setTimes(garp, field, statement, report), reason)

/** A number of frames, which keepalived raises to 1. */
export function setTimes(
  garp: GarpDraft,
  field: 'repeat' | 'refreshRepeat',
  statement: Statement,
  report: Context['report'],
): void {
  const value = numberAt(statement, 1, { least: 0, most: 1000, otherwise: 'leaves the line out' }, report)
  if (value === 0) report.warning(statement.where, `${statement.words[0]} 0 is read as 1, as keepalived does`)
  if (value !== undefined) garp[field] = Math.max(1, value)
}

const flag = (name: string, field: 'lowerPriorityNoAdvert' | 'higherPrioritySendAdvert', reason: string): InstanceRow =>
  honoured(
    name,
    '[on|off]',
    (draft, statement, { report }) => {
      const on = switchAt(statement, report)
      if (on !== undefined) draft[field] = on
    },
    reason,
  )

const basics: Table<InstanceDraft> = [
  honoured(
    'state',
    'MASTER|BACKUP',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (word === 'BACKUP' && draft.state === 'MASTER')
        report.warning(where, 'state: it is MASTER above; as in keepalived BACKUP is left out')
      else if (word === 'MASTER' || word === 'BACKUP') draft.state = word
      else {
        report.warning(where, `state: ${quoted(word)} is neither MASTER nor BACKUP; read as BACKUP, as keepalived does`)
        draft.state = 'BACKUP'
      }
    },
    'Only a preference: every instance first waits the whole master-down time. MASTER clears `nopreempt` and `preempt_delay`.',
  ),
  honoured(
    'interface',
    'INTERFACE',
    (draft, statement, context) => {
      const name = interfaceName(statement, context)
      if (name !== undefined) draft.interface = name
    },
    'Missing on the host: an error, as in keepalived, unless `dynamic_interfaces` is there.',
  ),
  honoured(
    'virtual_router_id',
    '1–255',
    (draft, statement, { report }) => {
      const vrid = numberAt(statement, 1, { least: 1, most: 255, strict: true }, report)
      if (vrid !== undefined) draft.vrid = vrid
    },
    'Missing, out of range, or there twice on an interface: an error, as in keepalived.',
  ),
  honoured(
    'priority',
    '1–255',
    (draft, statement, { report }) => {
      draft.priority =
        numberAt(statement, 1, { least: 1, most: 255, otherwise: 'uses 100', strict: true }, report) ?? 100
      if (draft.priority === 255)
        report.warning(
          statement.where,
          'priority 255 makes this node the owner of the addresses, which nothing that is tracked can move',
        )
    },
    'Default 100 with state BACKUP. Missing with state MASTER: refused, because keepalived takes 255 without a word, which makes ' +
      'the node the owner of the addresses.',
  ),
  honoured(
    'advert_int',
    'SECONDS',
    (draft, statement, { report }) => {
      const rule = { least: 0.01, most: 255, unit: 1000, otherwise: 'uses 1 s' }
      const advertMs = numberAt(statement, 1, rule, report)
      if (advertMs !== undefined) draft.advertMs = advertMs
    },
    'Default 1 s. v2: rounded to whole seconds. v3: 0.01 to 40.95 s.',
  ),
  honoured(
    'version',
    '2|3',
    (draft, statement, { report }) => {
      const version = numberAt(statement, 1, { least: 2, most: 3, otherwise: 'leaves the line out' }, report)
      if (version === 2 || version === 3) draft.version = version
    },
    'Default `vrrp_version`; IPv6 is always version 3.',
  ),
  block(
    'authentication',
    '{ auth_type … auth_pass … }',
    (draft, statement, context) =>
      readBlock(authenticationTable, draft, statement, statement.block ?? [], context, instanceKeywords()),
    'Version 2 only. With version 3 it protects nothing; keepalived ignores it and says so, and so does this.',
  ),
  block(
    'auth_hmac',
    '{ key … active_key … }',
    (draft, statement, context) => {
      draft.hmac = { where: statement.where, keys: [], antiReplay: 'time', mode: 'enforce', isBroken: false }
      readBlock(hmacTable, draft.hmac, statement, statement.block ?? [], context, instanceKeywords())
    },
    'Of keepalived 2.4: adverts are signed.',
  ),
  block(
    'virtual_ipaddress',
    '{ ADDRESS[/PREFIX] [brd …] [dev …] [scope …] [label …] [preferred_lft 0|forever] … }',
    addresses(false),
    'Held while MASTER and advertised in this order; the prefix is 32 or 128 unless given. Anything that is not an address is refused; ' +
      'keepalived leaves it out. `peer`, `home`, `-nodad`, `mngtmpaddr`, `noprefixroute`, `autojoin`, `no_track` and `use_vmac` ' +
      'are refused one by one.',
  ),
  block('virtual_ipaddress_excluded', '{ … }', addresses(true), 'The same, not advertised; either family.'),
  block(
    'virtual_routes',
    '{ [blackhole|unreachable|prohibit|throw] DESTINATION [via …] [dev …] [src …] [table …] [metric …] [scope …] [protocol …] [mtu …] [onlink] … }',
    (draft, statement, context) => {
      for (const entry of entriesOf(statement, context.report)) {
        const route = routeEntry(entry, context)
        if (route) draft.routes.push(route)
      }
    },
    'They follow the addresses. A word that is not in the form is refused.',
  ),
]

const travel: Table<InstanceDraft> = [
  {
    ...block(
      'unicast_peer',
      '{ ADDRESS [min_ttl N] [max_ttl N] … }',
      peers,
      'Adverts go to each of them. More than one means a third node, and causes a warning.',
    ),
  },
  honoured(
    'unicast_src_ip',
    'ADDRESS',
    (draft, statement, context) => {
      draft.isUnicast = true
      source(draft, statement, context)
    },
    'Source of the adverts.',
  ),
  honoured('mcast_src_ip', 'ADDRESS', source, 'The same.'),
  honoured(
    'mcast_dst_ip',
    'GROUP',
    (draft, { words: [, word = ''], where }, { report }) => {
      const found = addressWord(word)
      if (found === undefined || !isMulticast(word))
        report.breaks(where, `mcast_dst_ip: ${quoted(word)} is not a multicast address`)
      else if (found.family === 6 && !/^ff.2:/i.test(word))
        report.breaks(where, 'mcast_dst_ip: an IPv6 group must be link-local (ffX2:)')
      else if (!isFamily(draft, found.family))
        report.breaks(where, `mcast_dst_ip: ${otherFamily(word, found.family, draft.family as IpFamily)}`)
      else draft.multicastGroup = found.address
    },
    'Another group than 224.0.0.18 or ff02::12.',
  ),
  honoured(
    'track_src_ip',
    '',
    (draft) => {
      draft.trackSource = true
    },
    'FAULT while the source address is not there.',
  ),
  honoured(
    'unicast_ttl',
    '0–255',
    (draft, statement, { report }) => {
      const ttl = numberAt(
        statement,
        1,
        { least: 0, most: 255, otherwise: 'leaves the line out', strict: true },
        report,
      )
      if (ttl !== undefined) draft.ttl = ttl
    },
    'Default 255 for IPv4, 64 for IPv6.',
  ),
  honoured(
    'check_unicast_src',
    '',
    (draft) => {
      draft.isUnicast = true
      draft.checkSource = true
    },
    'Adverts of strangers are dropped.',
  ),
  honoured(
    'old_unicast_checksum',
    '[never]',
    (draft, { words: [, word], where }, { report }) => {
      draft.isUnicast = true
      if (word === undefined) draft.checksum = 'old'
      else if (word === 'never') draft.checksum = 'new'
      else report.warning(where, `old_unicast_checksum: ${quoted(word)} has no effect, as in keepalived`)
    },
    'The checksum of keepalived before 1.3.7; without it the form that the peer uses is found out.',
  ),
  honoured(
    'v3_checksum_as_v2',
    '[on|off]',
    (draft, statement, { report }) => {
      draft.checksumAsV2 = switchAt(statement, report) ?? draft.checksumAsV2
    },
    'Of keepalived 2.2.8: version 3 over IPv4 sums the message only (RFC 9568). Both forms are accepted on receipt in any case.',
  ),
  refused(
    'unicast_fault_no_peer',
    '',
    'without peers it asks for an instance that is always in FAULT; name the peers or leave the instance out',
  ),
  refused('vrf', 'INTERFACE', 'an instance needs its interface here; write interface'),
]

const macAddress = /^(?:[0-9a-f]{1,2}:){4,5}(?:[0-9a-f]{1,2})?$/i

const behaviour: Table<InstanceDraft> = [
  honoured(
    'nopreempt',
    '',
    (draft) => {
      draft.preempt = false
    },
    'A higher priority waits until the master fails. Cleared with state MASTER, as in keepalived.',
  ),
  honoured(
    'preempt',
    '',
    (draft) => {
      draft.preempt = true
    },
    'The default.',
  ),
  honoured(
    'preempt_delay',
    'SECONDS',
    (draft, statement, { report }) => {
      const rule = { least: 0, most: 1000, unit: 1000, otherwise: 'uses 0' }
      draft.preemptDelayMs = numberAt(statement, 1, rule, report) ?? 0
    },
    'Waits this much longer before it preempts. Cleared with state MASTER, as in keepalived.',
  ),
  honoured(
    'down_timer_adverts',
    '1–100',
    (draft, statement, { report }) => {
      const rule = { least: 1, most: 100, otherwise: 'leaves the line out' }
      draft.downTimerAdverts = numberAt(statement, 1, rule, report) ?? draft.downTimerAdverts
    },
    'Adverts missed until the master is down (default 3).',
  ),
  honoured(
    'dont_track_primary',
    '',
    (draft) => {
      draft.trackPrimary = false
    },
    'A failure of the instance’s own interface does not mean FAULT.',
  ),
  honoured(
    'skip_check_adv_addr',
    '[on|off]',
    (draft, statement, { report }) => {
      // keepalived sets it whatever the word says, as long as it is a word of a switch.
      draft.skipCheckAdvertAddresses = switchAt(statement, report) === undefined ? draft.skipCheckAdvertAddresses : true
    },
    'The address list is not compared again when it comes from the same sender. As in keepalived 2.2.7 `off` sets it, too.',
  ),
  flag(
    'lower_prio_no_advert',
    'lowerPriorityNoAdvert',
    'A master that hears a lower priority stays silent, as the RFCs want.',
  ),
  flag(
    'higher_prio_send_advert',
    'higherPrioritySendAdvert',
    'A master that hears a higher priority sends an advert before it steps down.',
  ),
  seconds('garp_master_delay', 'delayMs', 'From becoming master to the second burst (default 5); 0: none.'),
  times('garp_master_repeat', 'repeat', 'Frames per address and burst (default 5).'),
  seconds('garp_master_refresh', 'refreshMs', 'Interval of bursts while master (default 0: none).'),
  times('garp_master_refresh_repeat', 'refreshRepeat', 'Frames in each of those bursts (default 1).'),
  seconds('garp_lower_prio_delay', 'lowerPriorityDelayMs', 'As `garp_master_delay`, after a lower priority was heard.'),
  honoured(
    'garp_lower_prio_repeat',
    'N',
    ({ garp }, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 0, most: 1000, otherwise: 'leaves the line out' }, report)
      if (value !== undefined) garp.lowerPriorityRepeat = value
    },
    'As `garp_master_repeat`, after a lower priority was heard.',
  ),
  priorityChangesRow(),
  honoured('accept', '', () => {}, 'The default: traffic to the addresses is taken.'),
  refused(
    'no_accept',
    '',
    'traffic to the addresses would have to be dropped by a firewall, which this version does not set up; leave it out',
  ),
  {
    ...refused<InstanceDraft>(
      'strict_mode',
      '[on|off]',
      'it wants traffic to the addresses dropped unless the priority is 255, which this version does not set up; leave it out',
    ),
    apply: (_draft, statement, { report }) => {
      if (switchAt(statement, report) !== false)
        report.breaks(
          statement.where,
          'strict_mode is refused: it wants traffic to the addresses dropped unless the priority is 255, which this version does not ' +
            'set up; leave it out',
        )
    },
  },
  honoured(
    'use_vmac',
    '[INTERFACE] [MAC]',
    (draft, { words: [, ...values], where }, { report }) => {
      draft.vmac = {}
      for (const value of values.slice(0, 2)) {
        if (value.includes(':') && !macAddress.test(value))
          report.breaks(where, `use_vmac: ${quoted(value)} is not a MAC address`)
        else if (value.includes(':')) draft.vmac.mac = value.toLowerCase()
        else if (isDeviceName(value)) draft.vmac.name = value
        else report.breaks(where, `use_vmac: ${quoted(value)} is not a valid interface name`)
      }
    },
    'The addresses live on a macvlan with the virtual router’s MAC address.'.replace('’', "'"),
  ),
  honoured(
    'vmac_xmit_base',
    '',
    (draft) => {
      draft.vmacTransmitsFromBase = true
    },
    'Adverts leave from the interface below.',
  ),
  refused(
    'use_vmac_addr',
    '',
    'addresses on other interfaces have no macvlan here; leave it out, or give them an instance of their own',
  ),
  refused(
    'use_ipvlan',
    '[INTERFACE] [ADDRESS] [bridge|private|vepa]',
    'ipvlan is not supported; use use_vmac or neither',
  ),
]

const others: Table<InstanceDraft> = [
  refused(
    'virtual_rules',
    '{ … }',
    'routing rules do not follow the addresses in this version; set them up for good, or in a hook',
  ),
  refused('track_bfd', '{ … }', 'BFD is not supported; use a shorter advert_int or a track_script'),
  refused('no_virtual_ipaddress', '', 'an instance without an address holds nothing; leave it out'),
  {
    ...noted<InstanceDraft>('native_ipv6', '', 'the addresses say which family an instance is of'),
    apply: (draft, { where }, { report }) => {
      if (draft.family === 4)
        report.breaks(where, `native_ipv6: the instance is ${familyName(4)}; keepalived refuses the line, too`)
      else report.note(where, 'native_ipv6 is ignored: the addresses say which family an instance is of')
    },
  },
  noted('smtp_alert', '[on|off]', 'no mail is sent; use events, hooks or the FIFO'),
  noted(
    'lvs_sync_daemon_interface',
    'INTERFACE',
    'connection tables are not copied; a hash scheduler keeps connections without it',
  ),
  noted('promote_secondaries', '', 'addresses are removed one by one, and what the kernel takes with them is put back'),
  noted('debug', 'LEVEL', 'keepalived does nothing with it either'),
  noted('kernel_rx_buf_size', 'BYTES', "the socket keeps the system's buffer"),
  noted('linkbeat_use_polling', '', 'the kernel reports link changes'),
  noted(
    'garp_extra_if',
    '[all] SECONDS',
    'addresses on other interfaces are announced with the others; use garp_master_refresh',
  ),
  noted(
    'vmac_garp_intvl',
    '[all] SECONDS',
    'addresses on other interfaces are announced with the others; use garp_master_refresh',
  ),
  noted('timer_expired_backup', '[on|off]', 'a node that was paused never resumes as master here'),
  noted('thread_timer_expired', '…', 'a node that was paused never resumes as master here'),
  noted('owner_ignore_adverts', '[on|off]', 'an owner answers adverts of others, as the RFCs want'),
]

/** `vrrp_instance`. */
export const instanceTable: Table<InstanceDraft> = [
  ...basics,
  ...travel,
  ...behaviour,
  ...trackRows<InstanceDraft>(),
  ...hookRows<InstanceDraft>(),
  ...instanceHookRows<InstanceDraft>(),
  ...others,
].map(placed)

const instanceKeywords = (): readonly string[] => instanceTable.map(({ name }) => name)
