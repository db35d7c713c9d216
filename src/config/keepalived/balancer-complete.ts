import type { BalancedService, BalancerMember, BalancerOptions } from '../../options/balancer-options.ts'
import type { ServerDraft } from './balancer-drafts.ts'
import { settleCheck } from './check-rows.ts'
import { type CommandDraft, settleCommand } from './commands.ts'
import type { Context } from './rows.ts'

/** Schedulers that direct return can do: a packet finds its server without a table of connections. */
const hashes: readonly string[] = ['sh', 'dh', 'mh']

/** What a `virtual_server` is with all defaults (`validate_check_config` of `check_data.c`). */
export function settleServer(draft: ServerDraft, context: Context): BalancerOptions | undefined {
  const { report } = context
  const { where, services, file } = draft
  const [service] = services
  if (service === undefined) return undefined
  if (draft.members.length === 0) {
    report.warning(where, `virtual_server ${draft.name} has no real_server; as in keepalived it is left out`)
    return undefined
  }
  if (draft.protocol === undefined) report.warning(where, 'protocol is missing; keepalived takes UDP, and so does this')
  if (draft.scheduler === undefined)
    report.warning(where, 'lb_algo is missing; keepalived takes wlc; turns by weight (wrr) stand in for it')
  const scheduled = draft.scheduler ?? 'wlc'
  const persistent = draft.persistenceMs ?? (draft.persistencePrefix === undefined ? undefined : 360_000)
  const anyPort = services.some(({ port }) => port === 0)
  if (anyPort && persistent === undefined)
    report.warning(where, 'without a port clients stay at their server for 360 s, as in keepalived')
  const timeoutMs = persistent ?? (anyPort ? 360_000 : undefined)
  const members = membersOf(draft, service, context)
  const [first] = members
  if (first === undefined) return undefined
  const direct = members.find((member) => member.method === 'DR')
  if (direct && !hashes.includes(scheduled))
    report.error(
      draft.methodWhere ?? direct.where,
      'lb_kind DR is refused with this lb_algo: direct return is stateless here, so it needs sh, dh or mh; or write NAT',
    )
  const { quorum, hysteresis } = quorumOf(draft, members, context)
  const settle = (command: CommandDraft | undefined) => command && settleCommand(command, file.rules.secure, context)
  return {
    name: draft.name,
    where,
    services,
    protocol: draft.protocol ?? 'udp',
    scheduler: scheduled,
    hashesPort: draft.hashesPort,
    method: draft.method ?? 'NAT',
    persistence:
      timeoutMs === undefined
        ? undefined
        : { timeoutMs, prefix: draft.persistencePrefix ?? (service.family === 4 ? 32 : 128) },
    delayLoopMs: draft.delayLoopMs ?? 60_000,
    quorum,
    hysteresis,
    quorumUp: settle(draft.up),
    quorumDown: settle(draft.down),
    alpha: draft.alpha ?? false,
    omega: draft.omega,
    sorry: sorryOf(draft, service, context),
    members,
  }
}

function sorryOf({ sorry, where }: ServerDraft, service: BalancedService, { report }: Context) {
  if (sorry === undefined) return undefined
  if (sorry.family !== service.family) {
    report.error(
      where,
      `sorry_server ${sorry.address} has another address family than the service; keepalived leaves it out`,
    )
    return undefined
  }
  return { address: sorry.address, port: sorry.port || service.port, inhibit: sorry.inhibit }
}

/** As keepalived lowers what could never be reached. */
function quorumOf(draft: ServerDraft, members: readonly BalancerMember[], { report }: Context) {
  let { quorum, hysteresis } = draft
  const sum = members.reduce((all, { weight }) => all + weight, 0)
  if (quorum > sum) {
    report.warning(
      draft.where,
      `quorum ${quorum} is more than all servers together; lowered to ${sum}, as keepalived does`,
    )
    quorum = sum
  }
  if (hysteresis >= quorum && hysteresis > 0) {
    report.warning(draft.where, `hysteresis ${hysteresis} is not less than the quorum; lowered, as keepalived does`)
    hysteresis = Math.max(0, quorum - 1)
  }
  return { quorum, hysteresis }
}

function membersOf(draft: ServerDraft, service: BalancedService, context: Context): readonly BalancerMember[] {
  const { report } = context
  const settle = (command: CommandDraft | undefined) =>
    command && settleCommand(command, draft.file.rules.secure, context)
  const seen = new Set<string>()
  return draft.members.flatMap((member): BalancerMember[] => {
    const { family, address, where } = member
    const port = member.port || service.port
    if (family !== service.family) {
      report.error(
        where,
        `real_server ${address} has another address family than the service; keepalived leaves it out`,
      )
      return []
    }
    if (seen.has(`${address} ${port}`)) {
      report.warning(where, `real_server ${address} ${port} is listed twice; as in keepalived, the first one counts`)
      return []
    }
    seen.add(`${address} ${port}`)
    const way = member.method ?? draft.method ?? 'NAT'
    if (way === 'DR' && port !== service.port)
      report.error(where, `real_server ${address}: with DR its port must be that of the service, ${service.port}`)
    return [
      {
        family,
        address,
        port,
        weight: member.weight ?? draft.weight,
        method: way,
        inhibitOnFailure: member.inhibit ?? draft.inhibit,
        checks: member.checks.flatMap((check) => settleCheck(check, { ...member, port }, draft, context) ?? []),
        up: settle(member.up),
        down: settle(member.down),
        where,
      },
    ]
  })
}
