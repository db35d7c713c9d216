import { configurationError } from '../roles/error.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import type { ClusterOptions, GroupOptions } from './options.ts'
import type { Resolved } from './resolve.ts'

/** When a changed option comes into force. */
export type ComesIntoForce =
  | 'at once'
  /** What makes this node more careful counts at once, what makes it less careful when the peer goes by the new dead time. */
  | 'when the peer knows'
  | 'at the next start'
  /** The reload is refused. */
  | 'after a restart'

/** What becomes of one option at a reload. */
export interface ReloadRule {
  readonly when: ComesIntoForce
  /** What an operator must know: the order of the two nodes, or why it needs a restart. */
  readonly says: string
  /** What of it cannot change while the member runs, in words. */
  readonly fixed?: (resolved: Resolved) => string
}

/** A rule for every option: one that is missing here does not compile. */
type Rules<Name extends string> = { readonly [Each in Name]: ReloadRule }

const pairRules: Rules<Exclude<keyof ClusterOptions, 'liveness' | 'groups'>> = {
  name: {
    when: 'after a restart',
    says: 'it names the state directory and the control socket',
    fixed: ({ name }) => name,
  },
  nodes: {
    when: 'after a restart',
    says: 'epochs, keys and claims belong to the two names',
    fixed: ({ nodes }) => nodes.join(' '),
  },
  node: { when: 'after a restart', says: 'a node is one of the two for its whole run', fixed: ({ node }) => node },
  transports: {
    when: 'after a restart',
    says: 'the peer judges this node by what comes over the links that are open; restart the standby first, then hand over',
    fixed: (resolved) => resolved.transports.map((transport) => linkText(transport, resolved)).join(', '),
  },
  authenticator: {
    when: 'at once',
    says: 'keys are exchanged in three reloads of both nodes: add the new one, make it the active one, remove the old one. A change between signatures and `sealed` needs a restart of both',
    fixed: ({ authenticator }) =>
      authenticator.keys.some(({ protects }) => protects === 'sealing') ? 'sealed' : 'signed',
  },
  arbiters: {
    when: 'after a restart',
    says: 'the nodes compare how many targets each of them reaches: while one asks more than the other, the other would give its groups up. Only the `deadping` of a target can change, as that of the pair',
    fixed: ({ arbiters }) => arbiters.map(arbiterText).join(', '),
  },
  lease: {
    when: 'after a restart',
    says: 'a group that is served is leased from its start to its stop. Stop both nodes, then start both: a node with leases and one without do not keep each other from serving',
    fixed: ({ lease }) =>
      lease
        ? `${lease.store.type} ${JSON.stringify(lease.store.settings ?? {})} ${lease.ttlMs} ${lease.renewMs}`
        : 'none',
  },
  guard: {
    when: 'after a restart',
    says: 'what is served is guarded from its start to its stop. Its addresses follow the groups at once',
    fixed: ({ guard }) => guard?.type ?? 'none',
  },
  requireGuarantee: {
    when: 'at once',
    says: 'a reload that does not reach the class is refused; of a store it is asked at the next start',
  },
  deadping: {
    when: 'when the peer knows',
    says: 'shorter: at once, also for a silence that goes on already. Longer together with a longer `deadtime`: when the peer goes by that',
  },
  autoFailback: { when: 'at once', says: 'nothing goes home by itself while the two nodes differ' },
  onIsolated: { when: 'at once', says: 'a node that is isolated already keeps what it has decided' },
  restarts: { when: 'at once', says: 'counts for the next failure' },
  restartWindow: { when: 'at once', says: 'counts for the next failure' },
  holdDown: { when: 'at once', says: 'a hold-down that has begun ends when it would have ended' },
  stateDirectory: {
    when: 'after a restart',
    says: 'its lock keeps a second member from running',
    fixed: ({ stateDirectory }) => stateDirectory,
  },
  heartbeat: { when: 'at the next start', says: 'generation and uuid are taken when a run begins' },
  respawn: {
    when: 'after a restart',
    says: 'the programs run as long as the member',
    fixed: ({ respawn }) =>
      respawn.map(({ user, command, args, env }) => JSON.stringify([user, command, ...args, env])).join(', '),
  },
  recorder: {
    when: 'after a restart',
    says: 'a recording is one from its beginning to its end',
    fixed: ({ recorder }) => JSON.stringify(recorder ?? {}),
  },
  logger: { when: 'at once', says: 'the next line goes there' },
  onFatal: { when: 'at once', says: 'the new one is called' },
}

type TimeOption<Name> = Name extends `${infer Option}Ms` ? Option : never

const livenessRules: Rules<TimeOption<keyof LivenessTimes> | 'type' | 'settings'> = {
  keepalive: {
    when: 'when the peer knows',
    says: 'shorter: at once, ping targets are asked as often. Longer: when the peer goes by the new `deadtime`, ping targets are asked as often as before until the next start. Reload both nodes one right after the other: until then nothing is taken by agreement',
  },
  warntime: { when: 'at once', says: 'judges the peer here; nobody else goes by it' },
  deadtime: {
    when: 'when the peer knows',
    says: 'the peer judges this node by it, so it is announced at once. Until the peer has confirmed it this node goes by the shorter of the two for all that it allows itself, and the snapshot shows it as `pending`. The order of the nodes does not matter',
  },
  initdead: {
    when: 'at the next start',
    says: 'a node that waits for its peer goes on waiting as long as it began with; for a shorter one this node is careful at once',
  },
  type: {
    when: 'after a restart',
    says: 'another detector would have to learn the line anew while it answers for the life of the peer',
    fixed: ({ liveness }) => liveness.type,
  },
  settings: {
    when: 'after a restart',
    says: '`healthMultiplier`, `threshold` and all else that a detector is made of: it would have to learn the line anew',
    fixed: ({ liveness }) => JSON.stringify([liveness.settings ?? {}, liveness.patience ?? 1]),
  },
}

const groupRules: Rules<keyof GroupOptions> = {
  name: {
    when: 'at once',
    says: 'a new name is a new group, taken as at a start; a group that is gone is stopped. Reload both nodes: the one that knows a group serves it',
  },
  preferred: { when: 'at once', says: 'nothing goes home by itself while the two nodes differ' },
  key: { when: 'at once', says: 'from the next word with a daemon on' },
  resources: {
    when: 'at once',
    says: 'new ones start, gone ones stop, changed ones start anew: see [groups](groups.md). Limits count from the next operation on; longer stop limits together with a longer `deadtime` when the peer goes by that',
  },
  handover: { when: 'at once', says: 'from the next move on; reload both nodes first' },
  restarts: { when: 'at once', says: 'counts for the next failure' },
  restartWindow: { when: 'at once', says: 'counts for the next failure' },
  holdDown: { when: 'at once', says: 'a hold-down that has begun ends when it would have ended' },
}

const prefixed = (prefix: string, rules: Readonly<Record<string, ReloadRule>>) =>
  Object.entries(rules).map(([name, rule]) => ({ option: `${prefix}${name}`, ...rule }))

/** What becomes of each option at a reload. */
export const reloadRules: readonly (ReloadRule & { readonly option: string })[] = [
  ...prefixed('', pairRules),
  ...prefixed('liveness.', livenessRules),
  ...prefixed('groups[].', groupRules),
]

/** Throws `HS_CONFIG` where a reload would change what needs a restart, with everything that does. */
export function refuseRestarts(before: Resolved, next: Resolved): void {
  const changed = reloadRules.flatMap(({ option, fixed, when, says }) => {
    const [was, becomes] = [fixed?.(before), fixed?.(next)]
    if (was === becomes) return []
    const why = when === 'after a restart' ? ` (${says})` : ''
    return [
      {
        where: option,
        message: `'${was}' became '${becomes}'; that needs a restart${why}`,
        severity: 'error' as const,
      },
    ]
  })
  if (changed.length > 0) throw configurationError(changed)
}

/** What of a link cannot change while it is open, in words. */
function linkText(transport: TransportPlugin, { node, peer }: Resolved): string {
  const { type, link, device, settings } = transport
  const where = [device, transport.remoteAddress?.(node, peer)].filter((part) => part !== undefined)
  return [type, link, ...where, ...(settings === undefined ? [] : [JSON.stringify(settings)])].join(' ')
}

function arbiterText({ type, target, addresses, settings }: Resolved['arbiters'][number]): string {
  return `${type} ${target} (${[...addresses, ...(settings === undefined ? [] : [JSON.stringify(settings)])].join(' ')})`
}
