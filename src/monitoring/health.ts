import type { IncomingMessage, ServerResponse } from 'node:http'
import { HotStandbyError } from '../roles/error.ts'
import { meantName, shownValue } from '../roles/option-table.ts'
import type { SnapshotSource } from './metrics.ts'

/** What a health check answers. */
export interface Health {
  /** 200: this node serves the group; 503: it does not; 404: there is no such group. */
  readonly status: 200 | 503 | 404
  /** Plain data that says what is. */
  readonly body: Readonly<Record<string, string | number | boolean | null>>
}

/** How a member stands to a group, for a load balancer. */
export function healthOf(cluster: SnapshotSource, group: string): Health {
  const { node, life, groups, peer, isolated, cluster: name } = cluster.snapshot()
  const found = groups.find((each) => each.name === group)
  if (!found) return { status: 404, body: { cluster: name, node, group, error: noGroup(group, groups) } }
  const { state, epoch, servedBy, maintenance } = found
  // A member that could not stop something has fallen silent: whatever it still says of its groups, it serves none.
  const serves = state === 'active' && (life === 'running' || life === 'stopping')
  return {
    status: serves ? 200 : 503,
    body: {
      cluster: name,
      node,
      group,
      serves,
      state,
      epoch,
      servedBy,
      maintenance,
      life,
      peer: peer.liveness,
      isolated,
    },
  }
}

function noGroup(group: string, groups: readonly { readonly name: string }[]): string {
  const names = groups.map(({ name }) => name)
  const meant = meantName(group, names)
  return `there is no group '${group}'; ${meant === undefined ? `there are: ${names.join(', ')}` : `did you mean '${meant}'?`}`
}

/** Answers a request with JSON that nobody may keep. */
export function answerJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}

/**
 * A route for the health check of a load balancer, as a listener of `node:http` or a handler of Express: 200 while this node serves
 * the group, 503 while it does not, with a body that says what is. It answers from memory and opens nothing.
 *
 * The balancer sends clients to the node that answers 200, so it needs no floating address. It learns of a move at its next check:
 * check often, and let one failed check be enough.
 * @param group - name of the group
 * @throws {HotStandbyError} `HS_CONFIG` when there is no group of that name.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { type Cluster, healthHandler } from 'hot-standby'
 *
 * declare const cluster: Cluster
 * createServer(healthHandler(cluster, 'web')).listen(8008)
 * ```
 */
export function healthHandler(
  cluster: SnapshotSource,
  group: string,
): (request: IncomingMessage, response: ServerResponse) => void {
  if (typeof group !== 'string') {
    const message = `healthHandler: the group must be a name, got ${shownValue(group)}`
    throw new HotStandbyError('HS_CONFIG', message)
  }
  const { groups } = cluster.snapshot()
  if (!groups.some(({ name }) => name === group))
    throw new HotStandbyError('HS_CONFIG', `healthHandler: ${noGroup(group, groups)}`)
  return (request, response) => {
    const { status, body } = healthOf(cluster, group)
    answerJson(request, response, status, body)
  }
}
