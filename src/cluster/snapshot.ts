import type { CoreSnapshot } from '../core/core.ts'
import type { NodePhase } from '../core/events.ts'
import { QualityCounters } from '../core/peer/detection-statistics.ts'
import type { Counters, EventCounts, GroupCounts } from '../engine/counters.ts'
import type { Engine } from '../engine/engine.ts'
import { type LinkTraffic, noTraffic } from '../engine/traffic.ts'
import type { Resolved } from '../options/resolve.ts'
import { isoNow } from '../platform/clocks.ts'
import { libraryVersion } from '../platform/version.ts'
import type { Failure } from '../recorder/failures.ts'

/** Everything a node knows at one moment. Plain frozen data; times in milliseconds. */
export interface Snapshot {
  /** Version of this shape, which `docs/snapshot.schema.json` describes: another one when a field goes or changes its meaning. */
  readonly schema: 1
  /** When it was taken, in ISO 8601, by the clock of this host. */
  readonly time: string
  /** Version of the library that runs the member. */
  readonly library: string
  /** Name of the pair. */
  readonly cluster: string
  /** Name of this node. */
  readonly node: string
  /** Where this member stands in its own life. */
  readonly life: 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'
  /** Where the conversation with the peer stands. */
  readonly phase: NodePhase
  /** What is guaranteed at most: G0 nothing, G1 an isolated node notices, G2 never two owners by a lease (docs/guarantees.md). */
  readonly guarantee: CoreSnapshot['guarantee']
  /** Neither the peer nor any ping target is heard. */
  readonly isolated: boolean
  /**
   * A longer dead time that a reload has announced and the peer has not confirmed: until then `inForceMs` and what goes with it is in
   * force (docs/reload.md). Null: nothing waits.
   */
  readonly pending: CoreSnapshot['pending']
  /** Heartbeat's generation of this run. */
  readonly generation: number
  /** The other node as it was last heard. */
  readonly peer: CoreSnapshot['peer'] & {
    readonly name: string
    /** Age of its last word while it is not alive: what `groups` holds is what it said then. Null while it is alive, or was never heard. */
    readonly lastWordAgeMs: number | null
  }
  /** Every path to the peer. */
  readonly links: readonly (CoreSnapshot['links'][number] & {
    /** Packets that were not believed, by reason (docs/errors.md). */
    readonly dropped: Readonly<Record<string, number>>
    /** Verified frames and bytes each way. */
    readonly traffic: LinkTraffic
    readonly type: string
    readonly path: string
  })[]
  /** How well the peer is judged, and how often this process did not run (docs/quality.md). */
  readonly quality: CoreSnapshot['quality']
  /** Ping targets. */
  readonly targets: CoreSnapshot['targets']
  /** Every group, with the peer's state beside our own. */
  readonly groups: readonly (CoreSnapshot['groups'][number] &
    GroupCounts & {
      /** The node that serves it now, as far as this one knows. */
      readonly servedBy: string | null
      /** Names of its resources, in the order of their start. */
      readonly resources: readonly string[]
    })[]
  /** What each agent shows of itself: the path taken, a pid. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The last failure of every resource and group that ever failed in this run, the newest last. */
  readonly failures: readonly Failure[]
  /** How often each event was told since this member was made; one that never was is absent. */
  readonly events: EventCounts
}

let version: string | undefined

/** @internal */
export function takeSnapshot(
  resolved: Resolved,
  life: Snapshot['life'],
  engine: Engine | undefined,
  failures: readonly Failure[],
  counters: Counters,
): Snapshot {
  version ??= libraryVersion()
  const { name: cluster, node, peer: peerName } = resolved
  const view = engine?.loop ? engine.core.view() : emptyView(resolved)
  const snapshot: Snapshot = {
    schema: 1,
    time: isoNow(),
    library: version,
    cluster,
    node,
    life,
    phase: view.phase,
    guarantee: view.guarantee,
    isolated: view.isolated,
    pending: view.pending,
    generation: engine?.generation ?? 0,
    peer: { name: peerName, ...view.peer, lastWordAgeMs: lastWordAgeMs(view.peer) },
    links: view.links.map((link) => {
      const open = engine?.links.find(({ plugin }) => plugin.link === link.link)
      const dropped = engine?.loop?.drops(link.link) ?? {}
      const traffic = engine?.loop?.traffic(link.link) ?? noTraffic
      return { ...link, dropped, traffic, type: open?.plugin.type ?? '', path: open?.transport.describe() ?? '' }
    }),
    quality: view.quality,
    targets: view.targets,
    groups: view.groups.map((group) => {
      const theirs = view.peer.groups[group.name]?.state
      const alive = view.peer.liveness === 'alive' || view.peer.liveness === 'late'
      const servedBy = group.state === 'active' ? node : alive && theirs === 'active' ? peerName : null
      const plugins = resolved.groups.find(({ name }) => name === group.name)?.resources ?? []
      const resources = plugins.map(({ name }) => name)
      return { ...group, ...counters.group(group.name), servedBy, resources }
    }),
    resources: Object.fromEntries(
      [...(engine?.agents ?? [])].map(([name, agent]) => [name, plain(() => agent.inspect?.() ?? {})]),
    ),
    failures: failures.map((failure) => ({ ...failure })),
    events: counters.events,
  }
  return freeze(snapshot)
}

function lastWordAgeMs({ liveness, heardEver, silentMs }: CoreSnapshot['peer']): number | null {
  return heardEver && liveness !== 'alive' && liveness !== 'late' ? silentMs : null
}

function emptyView(resolved: Resolved): CoreSnapshot {
  return {
    phase: 'listening',
    guarantee: resolved.lease || resolved.arbiters.length > 0 ? 'G1' : 'G0',
    isolated: false,
    pending: null,
    peer: {
      liveness: 'unheard',
      heardEver: false,
      kind: 'unknown',
      status: 'init',
      bootId: undefined,
      deadtimeMs: resolved.liveness.times.deadtimeMs,
      digest: undefined,
      proven: false,
      silentMs: 0,
      detector: {},
      groups: {},
    },
    links: [],
    targets: [],
    quality: new QualityCounters().view(0),
    groups: resolved.groups.map(({ name, preferred }) => ({
      name,
      preferred,
      state: 'unknown',
      epoch: 0,
      reason: 'unowned',
      sinceMs: 0,
      maintenance: false,
      lease: null,
    })),
  }
}

/** An agent's own words, copied; one that throws shows its error instead. */
function plain(read: () => Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    return structuredClone(read())
  } catch (error) {
    return { error: String(error) }
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
