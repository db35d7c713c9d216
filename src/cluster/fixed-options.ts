import { HotStandbyError } from '../roles/error.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import type { Resolved } from './resolve.ts'

/** What of the options cannot change while the member runs, in words. */
function fixed(resolved: Resolved): Readonly<Record<string, string>> {
  return {
    name: resolved.name,
    nodes: resolved.nodes.join(' '),
    node: resolved.node,
    transports: resolved.transports.map((transport) => linkText(transport, resolved)).join(', '),
    arbiters: resolved.arbiters.map(({ target, addresses }) => `${target} (${addresses.join(' ')})`).join(', '),
    // Its times are taken over; another judge would have to learn the line anew, while it answers for the peer's life.
    'liveness.type': resolved.liveness.type,
    'liveness options': JSON.stringify([resolved.liveness.settings ?? {}, resolved.liveness.patience ?? 1]),
    respawn: resolved.respawn
      .map(({ user, command, args, env }) => JSON.stringify([user, command, ...args, env]))
      .join(', '),
    stateDirectory: resolved.stateDirectory,
    recorder: JSON.stringify(resolved.recorder ?? {}),
    authenticator: resolved.authenticator.keys.some(({ protects }) => protects === 'sealing') ? 'sealed' : 'signed',
  }
}

/** Throws `HS_CONFIG` where a reload would change what needs a restart. */
export function refuseFixed(before: Resolved, next: Resolved): void {
  const was = fixed(before)
  for (const [where, value] of Object.entries(fixed(next)))
    if (value !== was[where])
      throw new HotStandbyError('HS_CONFIG', `${where}: '${was[where]}' became '${value}'; that needs a restart`)
}

/** What of a link cannot change while it is open, in words. */
function linkText(transport: TransportPlugin, { node, peer }: Resolved): string {
  const { type, link, device } = transport
  const where = [device, transport.remoteAddress?.(node, peer)].filter((part) => part !== undefined)
  return [type, link, ...where].join(' ')
}
