import type { ClusterEvents, NamedEvent } from '../core/cluster-events.ts'
import type { Reason } from '../core/events.ts'
import { printable } from '../roles/printable.ts'

/** How loud an event is: the method of a logger that is given it. */
export type EventLevel = 'debug' | 'info' | 'warn' | 'error'
type Describe<Name extends keyof ClusterEvents> = readonly [EventLevel, (event: ClusterEvents[Name][0]) => string]

const ms = (value: number): string => (value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`)

const reasons: Readonly<Record<Reason, string>> = {
  preferred: 'no node owns it, and this node is the preferred one',
  unowned: 'no node owns it',
  'peer-dead': 'the peer is dead',
  'peer-left': 'the peer has left',
  'peer-never-came': 'the peer never came',
  'peer-failed': 'it cannot run on the peer',
  command: 'an operator asked for it',
  failback: 'failback to the preferred node',
  connectivity: 'the node that takes it reaches more ping targets',
  'resource-failed': 'a resource failed',
  contested: 'both nodes were active',
  isolated: 'this node is isolated',
  stalled: 'this process was paused for too long',
  'lease-lost': 'its lease was lost',
  stop: 'this node is stopping',
  reload: 'no longer configured',
}

/** Whose stall it may have been. */
function fault({
  stallCreditMs = 0,
  peerStallMs,
}: {
  stallCreditMs?: number | undefined
  peerStallMs?: number | undefined
}): string {
  const own = stallCreditMs > 0 ? `, not counting ${ms(stallCreditMs)} in which this process was paused` : ''
  return peerStallMs === undefined ? own : `${own}; it reported a pause of ${ms(peerStallMs)} of its own process`
}

/** One line for people about every event, and how loud it is. */
const lines: { readonly [Name in keyof ClusterEvents]: Describe<Name> } = {
  phase: ['debug', ({ phase, from, on }) => `${from} -> ${phase} (${on})`],
  'peer:alive': [
    'info',
    ({ peer, how, kind }) =>
      `${peer} is alive (${{ first: 'heard for the first time', restarted: 'it was restarted', returned: 'heard again' }[how]}; ${kind})`,
  ],
  'peer:late': [
    'warn',
    ({ peer, silentMs, deadtimeMs, ...stalls }) =>
      `${peer} is late: nothing heard for ${ms(silentMs)} (dead after ${ms(deadtimeMs)})${fault(stalls)}`,
  ],
  'peer:dead': [
    'error',
    ({ peer, silentMs, ...stalls }) => `${peer} is dead: nothing heard for ${ms(silentMs)}${fault(stalls)}`,
  ],
  'peer:mistake': [
    'warn',
    ({ peer, durationMs, ...stalls }) =>
      `${peer} is alive; it was wrongly considered dead for ${ms(durationMs)}${fault(stalls)}`,
  ],
  'node:twice': [
    'error',
    ({ node }) =>
      `two hosts on this network use the name ${node} and the same keys: stop one of them, or give one pair different keys and a different port`,
  ],
  'peer:left': ['info', ({ peer }) => `${peer} has left`],
  'peer:stall': ['warn', ({ peer, stallMs }) => `${peer} reports that its process was paused for ${ms(stallMs)}`],
  'config:differs': [
    'error',
    ({ peer, fields, ours, theirs }) =>
      `the configuration of ${peer} differs in ${fields.join(', ') || 'groups, preferred nodes or times'} (there ${theirs}, here ${ours}): automatic failback is suspended`,
  ],
  'config:agrees': ['info', ({ peer }) => `the configuration of ${peer} matches again`],
  'key:waiting': [
    'warn',
    ({ peer, keyId, using }) =>
      `key ${keyId} is not in use yet, because ${peer} does not accept it; using key ${using}`,
  ],
  'key:active': ['info', ({ peer, keyId }) => `${peer} accepts key ${keyId}; it is in use from now on`],
  'key:differs': ['warn', ({ peer, keyId }) => `${peer} signs with key ${keyId}, and this node with a different one`],
  'link:up': ['info', ({ link }) => `link ${link} is up`],
  'link:down': ['warn', ({ link, silentMs }) => `link ${link} is down: nothing heard for ${ms(silentMs)}`],
  'link:slow': [
    'warn',
    ({ link, ageMs, limitMs, deadtimeMs }) =>
      `link ${link} is slow: what arrives on it was sent at least ${ms(ageMs)} ago (limit ${ms(limitMs)}, dead time ${ms(deadtimeMs)})`,
  ],
  'link:moved': [
    'info',
    ({ link, path, before }) =>
      `the devices or addresses of this host changed: link ${link} now goes ${path} (before: ${before})`,
  ],
  'link:silent': ['warn', ({ link, cause }) => `nothing has been heard on link ${link} since the start: ${cause}`],
  'group:candidate': ['info', ({ group, reason }) => `${group}: waiting for its lease (${reasons[reason]})`],
  'lease:lost': [
    'error',
    ({ group, epoch, why }) =>
      why === 'expired'
        ? `${group}: its lease could not be renewed in time; it stops before the lease ends (epoch ${epoch})`
        : `${group}: another owner holds its lease; it stops at once (epoch ${epoch})`,
  ],
  'lease:unreadable': [
    'error',
    ({ group }) =>
      `${group}: what the lease store holds under its name is no lease record of this version; nobody can own the group until it is removed`,
  ],
  'store:down': ['warn', ({ store, reason }) => `the lease store ${store} does not answer: ${reason}`],
  'store:up': ['info', ({ store }) => `the lease store ${store} answers again`],
  'guard:down': [
    'error',
    ({ reason }) =>
      `the kernel guard cannot be changed, so the guarded addresses stop answering when it ends: ${reason}`,
  ],
  'guard:up': ['info', () => 'the kernel guard works again'],
  'group:starting': ['info', ({ group, reason }) => `taking ${group}: ${reasons[reason]}`],
  'group:acquired': ['info', ({ group, epoch, tookMs }) => `${group} is served here (epoch ${epoch}, ${ms(tookMs)})`],
  'group:stopping': ['info', ({ group, reason }) => `giving up ${group}: ${reasons[reason]}`],
  'group:released': ['info', ({ group, tookMs }) => `${group} is no longer served here (${ms(tookMs)})`],
  'group:failed': [
    'error',
    ({ group, reason, retryInMs }) => `${group} cannot run on this node: ${reason}; retrying in ${ms(retryInMs)}`,
  ],
  'group:stuck': ['error', ({ group, resource, reason }) => `${group}: ${resource} did not stop: ${reason}`],
  'group:probation': [
    'warn',
    ({ group, stallMs }) =>
      `${group} is cut off until the peer says who owns it: this process was paused for ${ms(stallMs)}`,
  ],
  'group:announced': ['debug', ({ group }) => `announced the addresses of ${group}`],
  'group:damped': [
    'warn',
    ({ group, takings, holdDownMs }) =>
      `${group} was taken ${takings} times within ten minutes: it stays where it is for ${Math.round(holdDownMs / 1000)} s, unless it must move`,
  ],
  contested: ['error', ({ group, winner, rule }) => `both nodes were serving ${group}; ${winner} keeps it: ${rule}`],
  'resource:failed': [
    'error',
    ({ resource, reason, action }) =>
      `${resource} ${action === 'look' ? 'cannot be checked' : 'failed'}: ${reason}; ${{ look: 'it may still be running, checking again', restart: 'restarting it', move: 'offering its group to the peer', retry: 'retrying', none: 'in maintenance, taking no action' }[action]}`,
  ],
  'resource:restarted': ['info', ({ resource, tookMs }) => `${resource} is running again (${ms(tookMs)})`],
  'move:asked': ['info', ({ groups, to, by }) => `${by} asked to move ${groups.join(', ')} to ${to}`],
  'move:offered': ['info', ({ groups, to, reason }) => `offered ${groups.join(', ')} to ${to}: ${reasons[reason]}`],
  'move:done': ['info', ({ groups, to, tookMs }) => `${groups.join(', ')} moved to ${to} (${ms(tookMs)})`],
  'move:failed': ['warn', ({ groups, to, why }) => `${groups.join(', ')} did not move to ${to}: ${why}`],
  maintenance: [
    'warn',
    ({ groups, on, by }) =>
      on
        ? `${groups.join(', ')} in maintenance (${by}): watched only; nothing is started, stopped or moved`
        : `maintenance of ${groups.join(', ')} is over (${by})`,
  ],
  'ping:up': ['info', ({ target }) => `ping target ${target} answers`],
  'ping:down': ['warn', ({ target, silentMs }) => `ping target ${target} has not answered for ${ms(silentMs)}`],
  connectivity: [
    'warn',
    ({ ours, theirs, giveUpInMs }) =>
      giveUpInMs === null
        ? `reachable ping targets: ${ours} here, ${theirs} on the peer; keeping all groups`
        : `reachable ping targets: ${ours} here, ${theirs} on the peer; giving up all groups in ${ms(giveUpInMs)} unless that changes`,
  ],
  isolated: ['error', ({ policy }) => `isolated: neither the peer nor any ping target answers (onIsolated: ${policy})`],
  connected: ['info', ({ by }) => `no longer isolated: the ${by === 'target' ? 'ping target' : by} answers`],
  'local:stall': [
    'warn',
    ({ stallMs, suspended }) =>
      `${suspended ? 'this host was suspended' : 'this process was paused'} for ${ms(stallMs)}`,
  ],
  'local:clock-step': [
    'warn',
    ({ stepMs }) => `the wall clock jumped ${stepMs > 0 ? 'forward' : 'back'} by ${ms(Math.abs(stepMs))}`,
  ],
  'frame:dropped': [
    'warn',
    ({ link, reason, from, count, detail }) =>
      `dropped ${count} frame${count === 1 ? '' : 's'} on ${link}: ${reason} (last from ${from})${detail === null ? '' : `: ${detail}`}`,
  ],
  'message:dropped': [
    'warn',
    ({ reason, src, count }) => `dropped ${count} message${count === 1 ? '' : 's'} from '${src}': ${reason}`,
  ],
  'messages:lost': ['warn', ({ peer, from, to }) => `messages ${from} to ${to} from ${peer} are lost`],
  'peer:unproven': [
    'warn',
    ({ peer, forMs }) =>
      `${peer} beats, but has not shown for ${ms(forMs)} that it hears this node; every group stays where it is`,
  ],
  'peer:newer': [
    'warn',
    ({ peer, version, ours }) =>
      `${peer} speaks version ${version} and this node version ${ours}: both use what both know; upgrade this node too`,
  ],
  'claim:unreadable': [
    'warn',
    ({ peer, field, group, text }) =>
      field === 'hsgrp'
        ? `${peer} reports a state of ${group} that this version does not understand ('${text}'): no node takes it over, and none gives it up because of it`
        : `${peer} reports a maintenance state of ${group} that this version does not understand ('${text}'): ignored`,
  ],
  'peer:state-lost': [
    'warn',
    ({ peer, generation, known }) =>
      `${peer} lost its state or could not write it: its run has number ${generation}, an earlier one had ${known}`,
  ],
  'state:failed': ['error', ({ reason }) => `cannot write the state: ${reason}`],
  problem: ['error', ({ where, code, message }) => `${where}: ${message} (${code})`],
  fatal: [
    'error',
    ({ group, reason }) => `${group} can neither be stopped nor cut off: ${reason}; this node has fallen silent`,
  ],
  stopped: ['info', () => 'stopped'],
  message: ['debug', ({ payload }) => `a message of ${payload.byteLength} bytes`],
}

/** Name of every event. */
export const eventNames = Object.keys(lines) as readonly (keyof ClusterEvents)[]

/** Every reason why a group moves. */
export const reasonNames = Object.keys(reasons) as readonly Reason[]

/** One line for people about an event. */
export function describe(event: NamedEvent): string {
  return printable((lines[event.name][1] as (payload: object) => string)(event.payload))
}

/** How loud an event is in a log. */
export function levelOf(event: Pick<NamedEvent, 'name'>): EventLevel {
  return lines[event.name][0]
}
