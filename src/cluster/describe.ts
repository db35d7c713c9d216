import type { EventPayloads } from '../core/events.ts'
import { printable } from '../roles/printable.ts'
import type { ClusterEvents, NamedEvent } from './events.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'
type Describe<Name extends keyof ClusterEvents> = readonly [Level, (event: ClusterEvents[Name][0]) => string]

const ms = (value: number): string => (value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`)

const reasons: Readonly<Record<EventPayloads['group:starting']['reason'], string>> = {
  preferred: 'nobody owns it and it belongs here',
  unowned: 'nobody owns it',
  'peer-dead': 'the peer is dead',
  'peer-left': 'the peer has left',
  'peer-never-came': 'the peer never came',
  'peer-failed': 'it cannot run at the peer',
  command: 'asked for',
  failback: 'it goes home',
  connectivity: 'this side reaches more ping targets',
  'resource-failed': 'a resource failed',
  contested: 'both were active',
  isolated: 'isolated',
  stalled: 'this process did not run for too long',
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
  const own = stallCreditMs > 0 ? `, and ${ms(stallCreditMs)} of our own stalls credited` : ''
  return peerStallMs === undefined ? own : `${own}; its process lately stood still for ${ms(peerStallMs)}`
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
      `${peer} is late: ${ms(silentMs)} of ${ms(deadtimeMs)}${fault(stalls)}`,
  ],
  'peer:dead': [
    'error',
    ({ peer, silentMs, ...stalls }) => `${peer} is dead: nothing heard for ${ms(silentMs)}${fault(stalls)}`,
  ],
  'peer:mistake': [
    'warn',
    ({ peer, durationMs, ...stalls }) => `${peer} lives, and was called dead for ${ms(durationMs)}${fault(stalls)}`,
  ],
  'node:twice': [
    'error',
    ({ node }) =>
      `two hosts answer as ${node} on this network, with the same keys: stop one of them, or give one pair other keys and another port`,
  ],
  'peer:left': ['info', ({ peer }) => `${peer} has left`],
  'peer:stall': ['warn', ({ peer, stallMs }) => `${peer} says that its process stood still for ${ms(stallMs)}`],
  'config:differs': [
    'error',
    ({ peer, fields, ours, theirs }) =>
      `${peer} is configured differently in ${fields.join(', ') || 'groups, preferred nodes or times'} (there ${theirs}, here ${ours}): no automatic failback`,
  ],
  'config:agrees': ['info', ({ peer }) => `${peer} is configured alike again`],
  'key:waiting': [
    'warn',
    ({ peer, keyId, using }) => `key ${keyId} is not used yet: ${peer} does not accept it; using key ${using}`,
  ],
  'key:active': ['info', ({ peer, keyId }) => `${peer} accepts key ${keyId}: it is used from now on`],
  'key:differs': ['warn', ({ peer, keyId }) => `${peer} signs with key ${keyId}; this node with another`],
  'link:up': ['info', ({ link }) => `link ${link} is up`],
  'link:down': ['warn', ({ link, silentMs }) => `link ${link} is down: nothing heard for ${ms(silentMs)}`],
  'link:slow': [
    'warn',
    ({ link, ageMs, limitMs, deadtimeMs }) =>
      `link ${link} is slow: what comes on it was sent ${ms(ageMs)} ago or earlier (limit ${ms(limitMs)}, dead time ${ms(deadtimeMs)})`,
  ],
  'link:moved': [
    'info',
    ({ link, path, before }) =>
      `the devices or addresses of this host changed: link ${link} now goes ${path} (before: ${before})`,
  ],
  'link:silent': ['warn', ({ link, cause }) => `nothing was heard on link ${link} since the start: ${cause}`],
  'group:starting': ['info', ({ group, reason }) => `taking ${group}: ${reasons[reason]}`],
  'group:acquired': ['info', ({ group, epoch, tookMs }) => `${group} is served here (epoch ${epoch}, ${ms(tookMs)})`],
  'group:stopping': ['info', ({ group, reason }) => `giving ${group} up: ${reasons[reason]}`],
  'group:released': ['info', ({ group, tookMs }) => `${group} is no longer served here (${ms(tookMs)})`],
  'group:failed': [
    'error',
    ({ group, reason, retryInMs }) => `${group} cannot run here: ${reason}; looked at again in ${ms(retryInMs)}`,
  ],
  'group:stuck': ['error', ({ group, resource, reason }) => `${group}: ${resource} would not stop: ${reason}`],
  'group:probation': [
    'warn',
    ({ group, stallMs }) => `${group} is cut off until the peer has said who owns it (stood still for ${ms(stallMs)})`,
  ],
  'group:announced': ['debug', ({ group }) => `the addresses of ${group} were announced`],
  'group:damped': [
    'warn',
    ({ group, takings, holdDownMs }) =>
      `${group} was taken ${takings} times within ten minutes: it stays where it is for ${Math.round(holdDownMs / 1000)} s, unless it must move`,
  ],
  contested: ['error', ({ group, winner, rule }) => `both nodes were active for ${group}; ${winner} goes on: ${rule}`],
  'resource:failed': [
    'error',
    ({ resource, reason, action }) =>
      `${resource} ${action === 'look' ? 'cannot be looked at' : 'failed'}: ${reason}; ${{ look: 'it may well run, asking again', restart: 'restarting it here', move: 'the peer is to take its group', retry: 'trying again', none: 'in maintenance, nothing is touched' }[action]}`,
  ],
  'resource:restarted': ['info', ({ resource, tookMs }) => `${resource} runs again (${ms(tookMs)})`],
  'move:asked': ['info', ({ groups, to, by }) => `${by} asked to move ${groups.join(', ')} to ${to}`],
  'move:offered': ['info', ({ groups, to, reason }) => `offered ${groups.join(', ')} to ${to}: ${reasons[reason]}`],
  'move:done': ['info', ({ groups, to, tookMs }) => `${groups.join(', ')} moved to ${to} (${ms(tookMs)})`],
  'move:failed': ['warn', ({ groups, to, why }) => `${groups.join(', ')} did not move to ${to}: ${why}`],
  maintenance: [
    'warn',
    ({ groups, on, by }) =>
      on
        ? `${groups.join(', ')} in maintenance (${by}): watched, and nothing is touched`
        : `maintenance of ${groups.join(', ')} is over (${by})`,
  ],
  'ping:up': ['info', ({ target }) => `ping target ${target} answers`],
  'ping:down': ['warn', ({ target, silentMs }) => `ping target ${target} is silent for ${ms(silentMs)}`],
  connectivity: [
    'warn',
    ({ ours, theirs, giveUpInMs }) =>
      giveUpInMs === null
        ? `ping targets: ${ours} here, ${theirs} there; nothing is given up`
        : `ping targets: ${ours} here, ${theirs} there; giving up in ${ms(giveUpInMs)} unless that changes`,
  ],
  isolated: [
    'error',
    ({ policy }) => `isolated: neither the peer nor any ping target is heard (onIsolated: ${policy})`,
  ],
  connected: ['info', ({ by }) => `no longer isolated: the ${by} is heard`],
  'local:stall': [
    'warn',
    ({ stallMs, suspended }) => `${suspended ? 'this host slept' : 'this process stood still'} for ${ms(stallMs)}`,
  ],
  'local:clock-step': [
    'warn',
    ({ stepMs }) => `the wall clock went ${stepMs > 0 ? 'forward' : 'back'} by ${ms(Math.abs(stepMs))} at once`,
  ],
  'frame:dropped': [
    'warn',
    ({ link, reason, from, count, detail }) =>
      `${count} frame${count === 1 ? '' : 's'} on ${link} dropped: ${reason} (last from ${from})${detail === null ? '' : `: ${detail}`}`,
  ],
  'message:dropped': ['warn', ({ reason, src, count }) => `${count} message(s) of '${src}' dropped: ${reason}`],
  'messages:lost': ['warn', ({ peer, from, to }) => `messages ${from} to ${to} of ${peer} are lost for good`],
  'peer:unproven': [
    'warn',
    ({ peer, forMs }) =>
      `${peer} beats and has not shown for ${ms(forMs)} that it hears this node: every group stays as it is`,
  ],
  'peer:newer': [
    'warn',
    ({ peer, version, ours }) =>
      `${peer} speaks version ${version} of the pair's fields and this node ${ours}: they use what both know; upgrade this node too`,
  ],
  'claim:unreadable': [
    'warn',
    ({ peer, field, group, text }) =>
      field === 'hsgrp'
        ? `${peer} claims ${group} in a way that this version cannot read ('${text}'): nobody takes it, and nobody gives it up for that`
        : `${peer} says something of the maintenance of ${group} that this version cannot read ('${text}'): it is ignored`,
  ],
  'peer:state-lost': [
    'warn',
    ({ peer, generation, known }) =>
      `${peer} has lost its state, or could not write it: its run counts ${generation}, and an earlier one counted ${known}`,
  ],
  'state:failed': ['error', ({ reason }) => `the state could not be written: ${reason}`],
  problem: ['error', ({ where, code, message }) => `${where}: ${message} (${code})`],
  fatal: [
    'error',
    ({ group, reason }) => `${group} can neither be stopped nor cut off: ${reason}; this node is silent now`,
  ],
  stopped: ['info', () => 'stopped'],
  message: ['debug', ({ payload }) => `a message of ${payload.byteLength} bytes`],
}

/** One line for people about an event. */
export function describe(event: NamedEvent): string {
  return printable((lines[event.name][1] as (payload: object) => string)(event.payload))
}

/** How loud an event is in a log. */
export function levelOf(event: NamedEvent): Level {
  return lines[event.name][0]
}
