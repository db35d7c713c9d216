import type { BalancedService, BalancerMethod, BalancerScheduler } from '../../options/balancer-options.ts'
import { quoted } from '../problems.ts'
import { addressWord, plainAddress } from './addresses.ts'
import { settleServer } from './balancer-complete.ts'
import type { MemberDraft, ServerDraft } from './balancer-drafts.ts'
import { checkRows, timingRows } from './check-rows.ts'
import { type CommandDraft, commandOf } from './commands.ts'
import type { FileDraft } from './drafts.ts'
import {
  block,
  type Context,
  entriesOf,
  honoured,
  noted,
  numberAt,
  outdated,
  type Row,
  readBlock,
  refused,
  switchAt,
  type Table,
} from './rows.ts'
import type { Statement } from './statements.ts'

/** `ADDRESS [PORT]`; undefined: it is none, which has been told. */
function endpoint({ words, where }: Statement, at: number, { report }: Context) {
  const found = addressWord(words[at] ?? '')
  const portWord = words[at + 1] ?? '0'
  const port = /^\d{1,5}$/.test(portWord) ? Number(portWord) : Number.NaN
  if (found === undefined) report.breaks(where, `${words[0]}: ${quoted(words[at] ?? '')} is not an address`)
  else if (!(port <= 65_535)) report.breaks(where, `${words[0]}: ${quoted(portWord)} is not a port`)
  else return { family: found.family, address: found.address, port }
  return undefined
}

const rangeMax = 1024

/** `ADDRESS`, `ADDRESS-LAST`, `ADDRESS-ADDRESS` or `NETWORK/PREFIX` of IPv4, written out; undefined: it is none of them. */
function addressesOf(word: string): readonly string[] | undefined {
  const numberOf = (text: string) => text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const textOf = (value: number) => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
  const single = addressWord(word)
  if (single !== undefined) return [single.address]
  const [first = '', last = ''] = word.split('-')
  const network = plainAddress(word)
  let [from, to] = [0, -1]
  if (network?.family === 4 && network.prefix !== undefined) {
    const size = 2 ** (32 - network.prefix)
    from = numberOf(network.address)
    if (from % size !== 0) return undefined
    to = from + size - 1
  } else if (addressWord(first)?.family === 4) {
    from = numberOf(first)
    const isOctet = /^\d{1,3}$/.test(last) && Number(last) <= 255
    if (isOctet) to = from - (from % 256) + Number(last)
    else if (addressWord(last)?.family === 4) to = numberOf(last)
  }
  if (to < from || to - from >= rangeMax) return undefined
  return Array.from({ length: to - from + 1 }, (_, at) => textOf(from + at))
}

/** Reads a `virtual_server_group`. */
export function serverGroup(file: FileDraft, statement: Statement, context: Context): void {
  const [, name = ''] = statement.words
  const services: BalancedService[] = []
  for (const { words, where } of entriesOf(statement, context.report)) {
    const [word = '', port = '0'] = words
    const found = addressesOf(word)
    if (word === 'fwmark')
      context.report.breaks(where, 'fwmark is refused: firewall marks are not balanced; write addresses with a port')
    else if (found === undefined || !/^\d{1,5}$/.test(port) || Number(port) > 65_535)
      context.report.breaks(
        where,
        `${quoted(words.join(' '))} is not an address, a range of at most ${rangeMax} IPv4 addresses, or a port`,
      )
    else
      for (const address of found) services.push({ family: address.includes(':') ? 6 : 4, address, port: Number(port) })
  }
  if (services.length === 0) context.report.error(statement.where, `virtual_server_group ${name} has no entries`)
  file.serverGroups.set(name, services)
}

/** The services that the head of a `virtual_server` names; undefined: none that can be, which has been told. */
function servicesOf(statement: Statement, file: FileDraft, context: Context): readonly BalancedService[] | undefined {
  const { words, where } = statement
  const [, kind = '', name = ''] = words
  if (kind === 'fwmark') {
    context.report.breaks(
      where,
      'virtual_server fwmark is refused: firewall marks are not balanced; write address and port',
    )
    return undefined
  }
  if (kind !== 'group') {
    const one = endpoint(statement, 1, context)
    return one && [one]
  }
  const services = file.serverGroups.get(name)
  if (services === undefined) context.report.breaks(where, `virtual_server_group ${quoted(name)} is not defined above`)
  return services
}

const schedulers: readonly BalancerScheduler[] = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sh',
  'dh',
  'mh',
  'lblc',
  'lblcr',
  'sed',
  'nq',
  'twos',
]
const countsConnections: readonly string[] = ['lc', 'wlc', 'lblc', 'lblcr', 'sed', 'nq', 'twos']

const scheduler = (name: string): Row<ServerDraft> =>
  honoured(
    name,
    'NAME',
    (draft, { words: [, word = ''], where }, { report }) => {
      const known = schedulers.find((one) => one === word)
      if (known === undefined) {
        const why =
          word === 'fo' || word === 'ovf'
            ? 'is refused: one server after the other is not balancing here'
            : 'is not a scheduler'
        report.breaks(where, `${name} ${quoted(word)} ${why}; one of ${schedulers.join(', ')}`)
        return
      }
      draft.scheduler = known
      if (countsConnections.includes(word))
        report.warning(
          where,
          `${name} ${word}: nftables cannot count connections; turns by weight (wrr) stand in for it`,
        )
    },
    'rr, wrr: turns, by weight. sh, dh, mh: a hash of the client. lc, wlc, lblc, lblcr, sed, nq, twos: turns by weight stand in, ' +
      'because nftables cannot count connections. fo, ovf: refused. Default wlc.',
  )

function methodOf({ words: [keyword, word = ''], where }: Statement, { report }: Context): BalancerMethod | undefined {
  if (word === 'NAT' || word === 'DR') return word
  if (word === 'TUN') report.breaks(where, `${keyword} TUN is refused: packets are not tunnelled; write NAT`)
  else
    report.breaks(
      where,
      `${keyword}: ${quoted(word)} is none of NAT, DR; keepalived would take NAT without a word about it`,
    )
  return undefined
}

const methodReason =
  'NAT: the servers answer through this node. DR: with sh, dh and mh only, because direct return is stateless here. TUN and any other ' +
  'word are refused.'

const method = (name: string): Row<ServerDraft> =>
  honoured(
    name,
    'NAT|DR',
    (draft, statement, context) => {
      const found = methodOf(statement, context)
      draft.methodWhere = statement.where
      if (found) draft.method = found
    },
    methodReason,
  )

function hook<Draft extends { up?: CommandDraft | undefined; down?: CommandDraft | undefined }>(
  keyword: string,
  field: 'up' | 'down',
  fileOf: (draft: Draft) => FileDraft,
  reason: string,
): Row<Draft> {
  const apply: Row<Draft>['apply'] = (draft, statement, context) => {
    draft[field] = commandOf(statement, 'hook', fileOf(draft).rules, context)
  }
  return {
    ...honoured<Draft>(keyword, 'COMMAND [USER] [GROUP]', apply, reason),
    words: [1, Number.POSITIVE_INFINITY],
    again: 'first',
  }
}

const memberOptions: Table<MemberDraft> = [
  honoured(
    'weight',
    'N',
    (draft, statement, { report }) => {
      const weight = numberAt(statement, 1, { least: 0, most: 65_535, otherwise: 'leaves the line out' }, report)
      if (weight !== undefined) draft.weight = weight
    },
    'Default 1; 0: no new connections.',
  ),
  honoured(
    'lvs_method',
    'NAT|DR',
    (draft, statement, context) => {
      const found = methodOf(statement, context)
      if (found) draft.method = found
    },
    'As in the block around it, which it overrides.',
  ),
  honoured(
    'inhibit_on_failure',
    '[on|off]',
    (draft, statement, { report }) => {
      const on = switchAt(statement, report)
      if (on !== undefined) draft.inhibit = on
    },
    'Weight 0 instead of removal, so that open connections live on.',
  ),
  hook<MemberDraft>('notify_up', 'up', ({ server }) => server.file, 'Run when the server is up again.'),
  hook<MemberDraft>('notify_down', 'down', ({ server }) => server.file, 'Run when it is down.'),
  honoured(
    'virtualhost',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.virtualHost = name
    },
    'Host header of its HTTP checks.',
  ),
  ...timingRows<MemberDraft>('[on|off]'),
  refused('uthreshold', 'N', 'connections are not counted; leave it out'),
  refused('lthreshold', 'N', 'connections are not counted; leave it out'),
  noted('smtp_alert', '[on|off]', 'no mail is sent; use events or hooks'),
  noted('snmp_name', 'TEXT', 'SNMP is not supported'),
]

/** `real_server`. */
export const memberTable: Table<MemberDraft> = [...memberOptions, ...checkRows<MemberDraft>()]

const serverOptions: Table<ServerDraft> = [
  scheduler('lb_algo'),
  scheduler('lvs_sched'),
  method('lb_kind'),
  method('lvs_method'),
  honoured(
    'protocol',
    'TCP|UDP',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (draft.isMark) report.warning(where, 'protocol: a service of a firewall mark has none; keepalived ignores it')
      const name = word.toLowerCase()
      if (name === 'tcp' || name === 'udp') draft.protocol = name
      else
        report.breaks(
          where,
          `protocol: ${quoted(word)} ${name === 'sctp' ? 'is refused: SCTP is not balanced' : 'is neither TCP nor UDP'}`,
        )
    },
    'Either case. SCTP is refused. Missing: UDP, as keepalived takes it with a message.',
  ),
  honoured(
    'persistence_timeout',
    '[SECONDS]',
    (draft, statement, { report }) => {
      const rule = { least: 1, most: 2_678_400, otherwise: 'makes no client stay', strict: true } as const
      const value = statement.words.length < 2 ? 360 : numberAt(statement, 1, rule, report)
      if (value !== undefined) draft.persistenceMs = value * 1000
    },
    'A client stays with its server for this long (default 360).',
  ),
  honoured(
    'persistence_granularity',
    'MASK|PREFIX',
    (draft, { words: [, word = ''], where }, { report }) => {
      const bits = /^\d+(\.\d+){3}$/.test(word)
        ? word.split('.').map((octet) => Number(octet).toString(2).padStart(8, '0'))
        : undefined
      const solid = bits === undefined ? undefined : /^(1*)0*$/.exec(bits.join(''))?.[1]?.length
      const prefix = solid ?? (/^\d{1,3}$/.test(word) && Number(word) <= 128 ? Number(word) : undefined)
      if (prefix === undefined || prefix === 0)
        report.breaks(where, `persistence_granularity: ${quoted(word)} is not a network mask`)
      else draft.persistencePrefix = prefix
    },
    'Clients of one network stay together.',
  ),
  ...(['quorum', 'hysteresis', 'weight'] as const).map((name) => {
    const least = name === 'hysteresis' ? 0 : 1
    return honoured<ServerDraft>(
      name,
      'N',
      (draft, statement, { report }) => {
        const rule = { least, most: 4_294_967_295, otherwise: `keeps ${draft[name]}` }
        draft[name] = numberAt(statement, 1, rule, report) ?? draft[name]
      },
      {
        quorum: 'Sum of weights that is needed (default 1); more than all servers together is lowered to that.',
        hysteresis: 'Up at quorum + this, down below quorum − this (default 0).',
        weight: 'Default of the servers.',
      }[name],
    )
  }),
  hook<ServerDraft>('quorum_up', 'up', ({ file }) => file, 'Run when the quorum is reached.'),
  hook<ServerDraft>('quorum_down', 'down', ({ file }) => file, 'Run when it is lost.'),
  honoured(
    'omega',
    '',
    (draft) => {
      draft.omega = true
    },
    'Down hooks run at the end as well.',
  ),
  honoured(
    'inhibit_on_failure',
    '',
    (draft) => {
      draft.inhibit = true
    },
    'Default of the servers.',
  ),
  honoured(
    'sorry_server',
    'ADDRESS [PORT]',
    (draft, statement, context) => {
      const found = endpoint(statement, 1, context)
      if (found) draft.sorry = { ...found, inhibit: false }
    },
    'Stands in for all servers when the quorum is lost.',
  ),
  honoured(
    'sorry_server_inhibit',
    '',
    (draft, { where }, { report }) => {
      if (draft.sorry) draft.sorry.inhibit = true
      else report.warning(where, 'sorry_server_inhibit has no effect before sorry_server, as in keepalived')
    },
    'Weight 0 instead of removal.',
  ),
  honoured(
    'virtualhost',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.virtualHost = name
    },
    'Host header of HTTP checks.',
  ),
  ...(['sh-port', 'mh-port'] as const).map((name) =>
    honoured<ServerDraft>(
      name,
      '',
      (draft) => {
        draft.hashesPort = true
      },
      'The hash takes the port of the client as well.',
    ),
  ),
  ...timingRows<ServerDraft>(''),
]

/** `virtual_server`. */
export const serverTable: Table<ServerDraft> = [
  ...serverOptions,
  block(
    'real_server',
    'ADDRESS [PORT] { … }',
    (draft, statement, context) => {
      const found = endpoint(statement, 1, context)
      if (!found) return
      const member: MemberDraft = { ...found, where: statement.where, server: draft, checks: [] }
      draft.members.push(member)
      const outer = serverTable.map(({ name }) => name)
      readBlock(memberTable, member, statement, statement.block ?? [], context, outer)
    },
    'A server. Without a port that of the service. It is in place before its first check, except with `alpha`.',
  ),
  ...['sh-fallback', 'mh-fallback'].map((name) =>
    noted<ServerDraft>(name, '', 'the hash covers the servers that are up'),
  ),
  ...['flag-1', 'flag-2', 'flag-3'].map((name) => refused<ServerDraft>(name, '', 'say sh-port or mh-port by name')),
  noted('ops', '', 'connections of UDP are tracked by the kernel; a hash or turns by packet need no flag'),
  noted('hashed', '', 'it is a flag of IPVS without effect'),
  outdated('nat_mask', 'MASK', 'leave it out'),
  noted('ha_suspend', '', 'checks run whether or not the address is here, so that its state is known when it comes'),
  noted('smtp_alert', '[on|off]', 'no mail is sent; use events or hooks'),
  noted('snmp_name', 'TEXT', 'SNMP is not supported'),
  noted('ip_family', 'inet|inet6', 'the address determines it'),
  noted('sorry_server_lvs_method', 'METHOD', 'the same as for the service'),
  refused('persistence_engine', 'NAME', 'SIP messages are not inspected; leave it out'),
]

/** Reads a `virtual_server`; what it becomes is known when the file has been read. */
export function virtualServer(file: FileDraft, statement: Statement, context: Context): void {
  const services = servicesOf(statement, file, context)
  const draft: ServerDraft = {
    name: statement.words.slice(1).join(' '),
    where: statement.where,
    file,
    services: services ?? [],
    isMark: statement.words[1] === 'fwmark',
    hashesPort: false,
    quorum: 1,
    hysteresis: 0,
    weight: 1,
    omega: false,
    inhibit: false,
    members: [],
  }
  readBlock(serverTable, draft, statement, statement.block ?? [], context)
  if (services) file.balancers.push(() => settleServer(draft, context))
}
