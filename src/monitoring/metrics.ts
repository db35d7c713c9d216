import type { Snapshot } from '../cluster/snapshot.ts'
import { eventNames, reasonNames } from '../recorder/describe.ts'

/** Whoever has a snapshot: a {@link Cluster}, or what was asked over the control socket. */
export interface SnapshotSource {
  /** Everything the member knows. */
  snapshot(): Snapshot
}

/** Media type of what {@link prometheusText} returns. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [value: number | boolean, labels?: Labels | undefined, suffix?: string]
type Metric = readonly [
  name: string,
  type: 'gauge' | 'counter' | 'histogram',
  help: string,
  samples: (snapshot: Snapshot) => readonly Sample[],
]

const lives = ['new', 'starting', 'running', 'stopping', 'stopped', 'failed'] as const
const livenesses = ['unheard', 'alive', 'late', 'dead', 'left'] as const
const groupStates = [
  'unknown',
  'standby',
  'candidate',
  'starting',
  'active',
  'probation',
  'stopping',
  'failed',
  'stuck',
] as const
/** Upper ends of the classes of `quality.stalls.histogram`. */
const stallClassesS = ['0.1', '0.25', '0.5', '1', '2.5', '5', '+Inf'] as const

const seconds = (ms: number): number => ms / 1000

/** One series for each state that there is, so that a query finds those in which it is not. */
const stateSet = (states: readonly string[], state: string, labels: Labels = {}): Sample[] =>
  states.map((each) => [each === state, { ...labels, state: each }])

/** What is not known yet has no series. */
const known = (value: number | boolean | null, labels?: Labels): Sample[] => (value === null ? [] : [[value, labels]])

const perLink =
  (value: (link: Snapshot['links'][number]) => number | boolean | null) =>
  ({ links }: Snapshot): Sample[] =>
    links.flatMap((link) => known(value(link), { link: link.link }))

const perGroup =
  (value: (group: Snapshot['groups'][number]) => number | boolean | null) =>
  ({ groups }: Snapshot): Sample[] =>
    groups.flatMap((group) => known(value(group), { group: group.name }))

const byReason = (counts: Readonly<Partial<Record<string, number>>>, labels: Labels = {}): Sample[] =>
  Object.entries(counts).map(([reason, count]) => [count ?? 0, { ...labels, reason }])

/** Every metric, in the order in which they are printed. `docs/monitoring.md` has the same rows. */
const metrics: readonly Metric[] = [
  ['build_info', 'gauge', 'Version of the library; always 1.', ({ library }) => [[1, { version: library }]]],
  [
    'member_state',
    'gauge',
    'Where this member stands in its own life: 1 for the state that it is in.',
    ({ life }) => stateSet(lives, life),
  ],
  ['isolated', 'gauge', '1 while neither the peer nor any ping target is heard.', ({ isolated }) => [[isolated]]],
  [
    'guarantee_info',
    'gauge',
    'Guarantee class of the configuration; always 1.',
    ({ guarantee }) => [[1, { class: guarantee }]],
  ],
  [
    'peer_up',
    'gauge',
    '1 while the peer is heard, late or not.',
    ({ peer }) => [[peer.liveness === 'alive' || peer.liveness === 'late', { peer: peer.name }]],
  ],
  [
    'peer_state',
    'gauge',
    'What this node makes of the peer: 1 for the state that it is in.',
    ({ peer }) => stateSet(livenesses, peer.liveness, { peer: peer.name }),
  ],
  [
    'peer_silence_seconds',
    'gauge',
    'How long nothing was heard of the peer; absent before it was heard for the first time.',
    ({ peer }) => known(peer.heardEver ? seconds(peer.silentMs) : null),
  ],
  [
    'peer_deadtime_seconds',
    'gauge',
    'Silence of the peer after which it is called dead, as it announces it.',
    ({ peer }) => [[seconds(peer.deadtimeMs)]],
  ],
  ['peer_late_total', 'counter', 'How often the peer was late.', ({ quality }) => [[quality.peer.late]]],
  ['peer_deaths_total', 'counter', 'How often the peer was called dead.', ({ quality }) => [[quality.peer.dead]]],
  [
    'peer_death_mistakes_total',
    'counter',
    'How often the peer was called dead and lived.',
    ({ quality }) => [[quality.peer.mistakes]],
  ],
  [
    'peer_death_mistake_seconds_total',
    'counter',
    'For how long the peer was called dead and lived, together.',
    ({ quality }) => [[seconds(quality.peer.mistakeMs)]],
  ],
  [
    'peer_stalls_total',
    'counter',
    'How often the process of the peer stood still, as it says itself.',
    ({ quality }) => [[quality.peer.stalls]],
  ],
  [
    'messages_lost_total',
    'counter',
    'Messages of the peer that were lost for good.',
    ({ quality }) => [[quality.peer.lost]],
  ],
  [
    'messages_dropped_total',
    'counter',
    'Messages that verified and were not used, by reason.',
    ({ quality }) => byReason(quality.peer.dropped),
  ],
  ['link_up', 'gauge', '1 while the peer is heard on the link.', perLink(({ up }) => up ?? false)],
  [
    'link_loss_ratio',
    'gauge',
    "Share of the peer's packets that did not come this way.",
    perLink(({ lossRatio }) => lossRatio),
  ],
  [
    'link_round_trip_seconds',
    'gauge',
    'Round trip, smoothed; absent before it was measured.',
    perLink(({ rttMs }) => (rttMs === null ? null : seconds(rttMs))),
  ],
  ['link_downs_total', 'counter', 'How often the link was called down.', perLink(({ quality }) => quality.down)],
  ['link_received_frames_total', 'counter', 'Frames that verified.', perLink(({ traffic }) => traffic.receivedFrames)],
  [
    'link_received_bytes_total',
    'counter',
    'Bytes of frames that verified.',
    perLink(({ traffic }) => traffic.receivedBytes),
  ],
  ['link_sent_frames_total', 'counter', 'Frames that were sent.', perLink(({ traffic }) => traffic.sentFrames)],
  ['link_sent_bytes_total', 'counter', 'Bytes of frames that were sent.', perLink(({ traffic }) => traffic.sentBytes)],
  [
    'link_dropped_frames_total',
    'counter',
    'Packets that were not believed, by reason.',
    ({ links }) => links.flatMap(({ link, dropped }) => byReason(dropped, { link })),
  ],
  [
    'ping_target_reachable',
    'gauge',
    '1 while the ping target answers; absent before that is known.',
    ({ targets }) => targets.flatMap(({ target, reachable }) => known(reachable, { target })),
  ],
  [
    'stall_seconds',
    'histogram',
    'Times in which this process did not run.',
    ({ quality }) => histogram(quality.stalls),
  ],
  ['group_active', 'gauge', '1 while this node serves the group.', perGroup(({ state }) => state === 'active')],
  [
    'group_state',
    'gauge',
    'State of the group on this node: 1 for the state that it is in.',
    ({ groups }) => groups.flatMap(({ name, state }) => stateSet(groupStates, state, { group: name })),
  ],
  [
    'group_epoch',
    'gauge',
    'Epoch of the group on this node: it grows with every move.',
    perGroup(({ epoch }) => epoch),
  ],
  [
    'group_maintenance',
    'gauge',
    '1 while the group is in maintenance: watched, and not touched.',
    perGroup(({ maintenance }) => maintenance),
  ],
  [
    'group_acquisitions_total',
    'counter',
    'How often this node came to serve the group, by reason.',
    ({ groups }) =>
      groups.flatMap(({ name, takings }) =>
        // From zero on, so that the first one is an increase.
        byReason(Object.fromEntries(reasonNames.map((reason) => [reason, takings[reason] ?? 0])), { group: name }),
      ),
  ],
  [
    'group_last_acquisition_seconds',
    'gauge',
    'How long it took to start the group here the last time; absent before the first.',
    perGroup(({ lastTakingMs }) => (lastTakingMs === null ? null : seconds(lastTakingMs))),
  ],
  [
    'resource_failures_total',
    'counter',
    'How often a check of the resource failed; absent before the first.',
    ({ groups }) =>
      groups.flatMap(({ name, resourceFailures }) =>
        Object.entries(resourceFailures).map(([resource, count]): Sample => [count, { group: name, resource }]),
      ),
  ],
  [
    'events_total',
    'counter',
    'How often each event was told (docs/events.md).',
    ({ events }) => eventNames.map((event) => [events[event] ?? 0, { event }]),
  ],
]

/** Prometheus counts all that are at most so long; we those of each class. */
function histogram({ histogram: classes, count, totalMs }: Snapshot['quality']['stalls']): Sample[] {
  let sum = 0
  const buckets = stallClassesS.map((le, index): Sample => {
    sum += classes[index] ?? 0
    return [sum, { le }, '_bucket']
  })
  return [...buckets, [seconds(totalMs), {}, '_sum'], [count, {}, '_count']]
}

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/**
 * What a member knows as metrics, in Prometheus's text format: names begin with `hot_standby_`, times are in seconds, and every
 * series has the labels `cluster` and `node`. A pure function of one snapshot. `docs/monitoring.md` lists them, and has rules for
 * alerts and a dashboard.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { type Cluster, prometheusContentType, prometheusText } from 'hot-standby'
 *
 * declare const cluster: Cluster
 * createServer((_request, response) => {
 *   response.setHeader('content-type', prometheusContentType).end(prometheusText(cluster))
 * }).listen(9464, '127.0.0.1')
 * ```
 */
export function prometheusText(cluster: SnapshotSource): string {
  const snapshot = cluster.snapshot()
  const common = { cluster: snapshot.cluster, node: snapshot.node }
  const lines = metrics.flatMap(([short, type, help, samplesOf]) => {
    const name = `hot_standby_${short}`
    const samples = samplesOf(snapshot).map(([value, labels = {}, suffix = '']) => {
      const words = Object.entries({ ...common, ...labels }).map(([label, text]) => `${label}="${escaped(text)}"`)
      return `${name}${suffix}{${words.join(',')}} ${Number(value)}`
    })
    return samples.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples]
  })
  return `${lines.join('\n')}\n`
}
