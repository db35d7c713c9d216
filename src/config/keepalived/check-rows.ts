import type { BalancerCheck, BalancerUrl } from '../../options/balancer-options.ts'
import type { VrrpUser } from '../../options/vrrp-options.ts'
import { isDeviceName } from '../../platform/interfaces.ts'
import { quoted } from '../problems.ts'
import { addressWord } from './addresses.ts'
import { type CommandDraft, commandOf, type ScriptRules, settleCommand, userOfLine, withUser } from './commands.ts'
import type { FileDraft } from './drafts.ts'
import {
  block,
  type Context,
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

/** Times that a service hands down to its servers, and a server to its checks. */
export interface Timing {
  timeoutMs?: number
  retries?: number
  retryDelayMs?: number
  warmupMs?: number
  delayLoopMs?: number
  alpha?: boolean
}

/** A check, while it is read. */
export interface CheckDraft extends Timing {
  readonly type: BalancerCheck['type']
  readonly where: string
  readonly rules: ScriptRules
  readonly defaults: { readonly retries: number; readonly retryDelayMs: number | undefined }
  address?: string
  port?: number
  bindAddress?: string
  bindPort?: number
  bindInterface?: string
  virtualHost?: string
  readonly urls: UrlDraft[]
  protocol: '1.0' | '1.0C' | '1.1'
  sni: boolean
  fastRecovery: boolean
  hello?: string
  queryType: string
  queryName: string
  command?: CommandDraft | undefined
  user?: VrrpUser | undefined
  isBroken: boolean
  dynamicWeight: boolean
}

/** A URL, while it is read. */
interface UrlDraft {
  readonly where: string
  path?: string
  digest?: string
  readonly status: [number, number][]
  virtualHost?: string
}

const timer = (
  name: string,
  field: 'timeoutMs' | 'retryDelayMs' | 'warmupMs' | 'delayLoopMs',
  least: number,
  reason: string,
) =>
  honoured<Timing>(
    name,
    'SECONDS',
    (draft, statement, { report }) => {
      const value = numberAt(statement, 1, { least, most: 4_294_967, unit: 1000 }, report)
      if (value !== undefined) draft[field] = value
    },
    reason,
  )

/** Times of a service, a server or a check. */
export function timingRows<Draft extends Timing>(alphaForm: '' | '[on|off]'): Row<Draft>[] {
  const rows: Row<Timing>[] = [
    timer('connect_timeout', 'timeoutMs', 0.001, 'Limit of a check (default 5).'),
    honoured(
      'retry',
      'N',
      (draft, statement, { report }) => {
        const value = numberAt(
          statement,
          1,
          { least: 0, most: 4_294_967_295, otherwise: 'leaves the line out' },
          report,
        )
        if (value !== undefined) draft.retries = value
      },
      'Tries after a failure (default 1; DNS_CHECK 3, MISC_CHECK 0).',
    ),
    timer('delay_before_retry', 'retryDelayMs', 0, 'Before each of them (default 1; HTTP 3, DNS as delay_loop).'),
    timer('warmup', 'warmupMs', 0, 'The first check comes at a random time up to this (default delay_loop).'),
    timer('delay_loop', 'delayLoopMs', 0.001, 'Interval of the checks (default 60).'),
    honoured(
      'alpha',
      alphaForm,
      (draft, statement, { report }) => {
        const on = switchAt(statement, report)
        if (on !== undefined) draft.alpha = on
      },
      'Servers are down until a check has succeeded.',
    ),
  ]
  return rows as unknown as Row<Draft>[]
}

const connection: Table<CheckDraft> = [
  honoured(
    'connect_ip',
    'ADDRESS',
    (draft, { words: [, word = ''], where }, { report }) => {
      const found = addressWord(word)
      if (found === undefined) report.breaks(where, `connect_ip: ${quoted(word)} is not an address`)
      else draft.address = found.address
    },
    'Another address than that of the server.',
  ),
  ...(['connect_port', 'bind_port'] as const).map((name) =>
    honoured<CheckDraft>(
      name,
      'PORT',
      (draft, statement, { report }) => {
        const value = numberAt(statement, 1, { least: 1, most: 65_535 }, report)
        if (value !== undefined) draft[name === 'bind_port' ? 'bindPort' : 'port'] = value
      },
      name === 'bind_port' ? 'Source port of the check.' : 'Another port than that of the server.',
    ),
  ),
  honoured(
    'bindto',
    'ADDRESS',
    (draft, { words: [, word = ''], where }, { report }) => {
      const found = addressWord(word)
      if (found === undefined) report.breaks(where, `bindto: ${quoted(word)} is not an address`)
      else draft.bindAddress = found.address
    },
    'Source address of the check.',
  ),
  honoured(
    'bind_if',
    'INTERFACE',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (isDeviceName(word)) draft.bindInterface = word
      else report.breaks(where, `bind_if: ${quoted(word)} is not a valid interface name`)
    },
    'Interface of the check; for link-local addresses.',
  ),
  refused('fwmark', 'N', 'packets of a check are not marked; leave it out'),
]

const every: Table<CheckDraft> = [
  ...timingRows<CheckDraft>('[on|off]'),
  noted(
    'log_all_failures',
    '[on|off]',
    'every state change of a server is reported; each failed check is a debug message',
  ),
]

const urlTable: Table<UrlDraft> = [
  honoured(
    'path',
    'PATH',
    (draft, { words: [, path = ''] }) => {
      draft.path = path
    },
    'What is asked for.',
  ),
  honoured(
    'digest',
    'MD5',
    (draft, { words: [, digits = ''], where }, { report }) => {
      if (/^[0-9a-fA-F]{32}$/.test(digits)) draft.digest = digits.toLowerCase()
      else report.breaks(where, 'digest: must be 32 hexadecimal digits; keepalived would not compare anything')
    },
    'MD5 of the body.',
  ),
  honoured(
    'status_code',
    'CODE|RANGE …',
    (draft, { words: [, ...ranges], where }, { report }) => {
      for (const range of ranges) {
        const [, first, last = first] = /^(\d{3})(?:-(\d{3}))?$/.exec(range) ?? []
        const [from, to] = [Number(first), Number(last)]
        if (from >= 100 && to <= 599 && from <= to) draft.status.push([from, to])
        else
          report.breaks(
            where,
            `status_code: ${quoted(range)} is neither a status code from 100 to 599 nor a range of such codes`,
          )
      }
    },
    'Accepted codes (default 200-299).',
  ),
  honoured(
    'virtualhost',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.virtualHost = name
    },
    'Host header.',
  ),
  ...(
    [
      ['regex', 'PATTERN'],
      ['regex_no_match', ''],
      ['regex_options', 'OPTION …'],
      ['regex_stack', 'START MAX'],
      ['regex_min_offset', 'N'],
      ['regex_max_offset', 'N'],
    ] as const
  ).map(([name, form]) =>
    refused<UrlDraft>(name, form, 'patterns of PCRE are not known here; compare a digest, or use MISC_CHECK'),
  ),
]

const http: Table<CheckDraft> = [
  block(
    'url',
    '{ path … }',
    (draft, statement, context) => {
      const url: UrlDraft = { where: statement.where, status: [] }
      readBlock(
        urlTable,
        url,
        statement,
        statement.block ?? [],
        context,
        http.map(({ name }) => name),
      )
      draft.urls.push(url)
    },
    'Several are asked one after the other, one each interval.',
  ),
  {
    ...honoured<CheckDraft>(
      'nb_get_retry',
      'N',
      (draft, statement, { report }) => {
        report.note(statement.where, 'nb_get_retry is the old name of retry')
        const value = numberAt(
          statement,
          1,
          { least: 0, most: 4_294_967_295, otherwise: 'leaves the line out' },
          report,
        )
        if (value !== undefined) draft.retries = value
      },
      'Old name of `retry`.',
    ),
  },
  honoured(
    'virtualhost',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.virtualHost = name
    },
    'Host header of its URLs.',
  ),
  honoured(
    'http_protocol',
    '1.0|1.0C|1.1',
    (draft, { words: [, word = ''], where }, { report }) => {
      const version = word.toUpperCase()
      if (version === '1.0' || version === '1.1' || version === '1.0C') draft.protocol = version
      else report.breaks(where, `http_protocol: ${quoted(word)} is none of 1.0, 1.0C, 1.1`)
    },
    'Default 1.0.',
  ),
  honoured(
    'enable_sni',
    '',
    (draft) => {
      draft.sni = true
    },
    'The name of the host is sent with TLS.',
  ),
  honoured(
    'fast_recovery',
    '[on|off]',
    (draft, statement, { report }) => {
      draft.fastRecovery = switchAt(statement, report) ?? draft.fastRecovery
    },
    'After a failure all URLs are asked at once.',
  ),
  refused('sni_name', 'NAME', 'the name comes from virtualhost; leave it out'),
  noted('tls_compliant', '', 'a close without notice is accepted'),
]

const smtp: Table<CheckDraft> = [
  honoured(
    'helo_name',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.hello = name
    },
    'Sent with HELO.',
  ),
  refused('host', '{ … }', 'one check has one target; write another SMTP_CHECK'),
]

const dns: Table<CheckDraft> = [
  honoured(
    'type',
    'A|NS|CNAME|SOA|MX|TXT|AAAA',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (['A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA'].includes(word)) draft.queryType = word
      else report.warning(where, `type: ${quoted(word)} is not known; keepalived asks for SOA, and so does this`)
    },
    'Default SOA.',
  ),
  honoured(
    'name',
    'NAME',
    (draft, { words: [, name = ''] }) => {
      draft.queryName = name
    },
    'Default the root.',
  ),
]

const misc: Table<CheckDraft> = [
  {
    ...honoured<CheckDraft>(
      'misc_path',
      'COMMAND',
      (draft, statement, context) => {
        draft.command = commandOf(statement, 'check', draft.rules, context)
        draft.isBroken ||= draft.command === undefined
      },
      'Exit code 0: up. No shell.',
    ),
    words: [1, Number.POSITIVE_INFINITY],
  },
  honoured(
    'misc_timeout',
    'SECONDS',
    (draft, statement, { report }) => {
      const value = numberAt(statement, 1, { least: 0, most: 4294, otherwise: 'leaves the line out' }, report)
      if (value !== undefined && value > 0) draft.timeoutMs = value * 1000
    },
    'After this time it is killed and counts as failed (default: the interval).',
  ),
  honoured(
    'misc_dynamic',
    '',
    (draft) => {
      draft.dynamicWeight = true
    },
    'Exit codes of 2 and more set the weight to the code less 2.',
  ),
  honoured(
    'user',
    'NAME [GROUP]',
    (draft, statement, context) => {
      draft.user = userOfLine(statement, context)
      draft.isBroken ||= draft.user === undefined
    },
    'The user that it runs as.',
  ),
]

/** The blocks of checks, for the page and the reader. */
export const checkTables: Readonly<Record<string, Table<CheckDraft>>> = {
  TCP_CHECK: [...connection, ...every, outdated('nb_get_retry', 'N', 'write retry')],
  'HTTP_GET, SSL_GET': [...connection, ...every, ...http],
  SMTP_CHECK: [...connection, ...every, ...smtp],
  DNS_CHECK: [...connection, ...every, ...dns],
  MISC_CHECK: [...every, ...misc],
}

/** Blocks inside the blocks of checks, for the page. */
export const urlRows: Table<UrlDraft> = urlTable

/** What has checks: a `real_server`. */
interface Checked {
  readonly checks: CheckDraft[]
  readonly server: { readonly file: FileDraft }
}

function check<Draft extends Checked>(
  name: string,
  type: CheckDraft['type'],
  tableName: string,
  defaults: CheckDraft['defaults'],
  reason: string,
): Row<Draft> {
  return block(
    name,
    '{ … }',
    (draft, statement, context) => {
      const made: CheckDraft = {
        type,
        where: statement.where,
        rules: draft.server.file.rules,
        defaults,
        urls: [],
        protocol: '1.0',
        sni: false,
        fastRecovery: false,
        queryType: 'SOA',
        queryName: '.',
        isBroken: false,
        dynamicWeight: false,
      }
      const table = checkTables[tableName] as Table<CheckDraft>
      readBlock(table, made, statement, statement.block ?? [], context)
      endCheck(made, statement, context)
      if (!made.isBroken) draft.checks.push(made)
    },
    reason,
  )
}

function endCheck(made: CheckDraft, statement: Statement, context: Context): void {
  if (made.isBroken) return
  if (made.type === 'command') {
    if (made.command === undefined)
      context.report.error(made.where, 'MISC_CHECK needs misc_path; keepalived would drop the check')
    else made.command = withUser(made.command, made.user, statement, made.rules, context)
    made.isBroken = made.command === undefined
  }
  const needsUrl = made.type === 'http' || made.type === 'https'
  for (const url of made.urls)
    if (url.path === undefined) context.report.error(url.where, 'url needs its path; keepalived would leave it out')
  if (needsUrl && made.urls.length === 0) {
    context.report.error(made.where, `${statement.words[0]} needs a url; keepalived would drop the check`)
    made.isBroken = true
  }
}

const plain = { retries: 1, retryDelayMs: 1000 }
const slow = { retries: 1, retryDelayMs: 3000 }

/** The checks of a server. */
export function checkRows<Draft extends Checked>(): Row<Draft>[] {
  const dropped = 'dropping it would count the server as healthy for ever'
  return [
    check('TCP_CHECK', 'tcp', 'TCP_CHECK', plain, 'A connection is made.'),
    check('HTTP_GET', 'http', 'HTTP_GET, SSL_GET', slow, 'Pages are asked for: status and MD5 of the body.'),
    check(
      'SSL_GET',
      'https',
      'HTTP_GET, SSL_GET',
      slow,
      'The same over TLS; the certificate is not verified, as in keepalived.',
    ),
    check('MISC_CHECK', 'command', 'MISC_CHECK', { retries: 0, retryDelayMs: 1000 }, 'A command is run.'),
    check('DNS_CHECK', 'dns', 'DNS_CHECK', { retries: 3, retryDelayMs: undefined }, 'A name is asked for.'),
    check('SMTP_CHECK', 'smtp', 'SMTP_CHECK', plain, 'The greeting and the answer to HELO count.'),
    refused('PING_CHECK', '{ … }', `${dropped}, and no ping is sent from here; use TCP_CHECK or MISC_CHECK`),
    refused('UDP_CHECK', '{ … }', `${dropped}; use MISC_CHECK`),
    refused('FILE_CHECK', '{ … }', `${dropped}; use MISC_CHECK`),
    refused('BFD_CHECK', '{ … }', `${dropped}; BFD is not supported`),
  ]
}

/** The member and the service that a check takes its defaults from. */
type Above = Timing & { readonly address?: string; readonly port?: number; readonly virtualHost?: string }

/** A check with everything that it inherits; undefined: its command cannot run, which has been told. */
export function settleCheck(
  draft: CheckDraft,
  member: Above,
  server: Above,
  context: Context,
): BalancerCheck | undefined {
  const first = <Name extends keyof Timing>(name: Name) => draft[name] ?? member[name] ?? server[name]
  const intervalMs = first('delayLoopMs') ?? 60_000
  const base = {
    intervalMs,
    timeoutMs: draft.type === 'command' ? (draft.timeoutMs ?? intervalMs) : (first('timeoutMs') ?? 5000),
    retries: first('retries') ?? draft.defaults.retries,
    retryDelayMs: first('retryDelayMs') ?? draft.defaults.retryDelayMs ?? intervalMs,
    warmupMs: first('warmupMs') ?? intervalMs,
    alpha: first('alpha') ?? false,
    where: draft.where,
  }
  if (draft.type === 'command') {
    const command = draft.command && settleCommand(draft.command, draft.rules.secure, context)
    return command && { ...base, type: 'command', command, dynamicWeight: draft.dynamicWeight }
  }
  const { bindAddress, bindPort, bindInterface } = draft
  const target = {
    address: draft.address ?? member.address ?? '',
    port: draft.port ?? member.port ?? 0,
    bindAddress,
    bindPort,
    bindInterface,
  }
  if (draft.type === 'tcp') return { ...base, type: 'tcp', ...target }
  if (draft.type === 'smtp') return { ...base, type: 'smtp', hello: draft.hello, ...target }
  if (draft.type === 'dns')
    return { ...base, type: 'dns', queryType: draft.queryType, queryName: draft.queryName, ...target }
  const host = draft.virtualHost ?? member.virtualHost ?? server.virtualHost
  const urls = draft.urls.flatMap(({ path, digest, status, virtualHost }): BalancerUrl[] =>
    path === undefined
      ? []
      : [{ path, digest, status: status.length > 0 ? status : [[200, 299]], virtualHost: virtualHost ?? host }],
  )
  const { protocol, sni, fastRecovery } = draft
  return { ...base, type: draft.type, urls, protocol, sni, fastRecovery, ...target }
}
