import type { Snapshot } from '../index.ts'
import { printableFields } from '../roles/printable.ts'
import { type Layout, painted, type Tone, type Toned, table, wrapped } from './layout.ts'

/** A length of time for people. */
export function lengthOf(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}

/** `2026-11-30 08:59:01Z`. */
const momentOf = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`

const groupTones: Readonly<Record<string, Tone>> = {
  active: 'good',
  failed: 'bad',
  stuck: 'bad',
  candidate: 'caution',
  starting: 'caution',
  stopping: 'caution',
  probation: 'caution',
}
const livenessTones: Readonly<Record<Snapshot['peer']['liveness'], Tone>> = {
  alive: 'good',
  late: 'caution',
  dead: 'bad',
  left: 'caution',
  unheard: 'caution',
}

/** A snapshot for people, in lines of at most `width` columns. What stands in it is printable, except for its colours. */
export function statusLines(found: Snapshot, layout: Layout): string[] {
  const snapshot = printableFields(found)
  const sections = [headOf, groupsOf, leasesOf, resourcesOf, linksOf, targetsOf, qualityOf].map((section) =>
    section(snapshot, layout),
  )
  return sections.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}

function headOf({ cluster, node, life, phase, peer, guarantee, isolated }: Snapshot, layout: Layout): string[] {
  const heard =
    peer.liveness === 'unheard'
      ? ', never heard'
      : `, last heard ${lengthOf(peer.silentMs)} ago (dead after ${lengthOf(peer.detector['deadAfterMs'] ?? peer.deadtimeMs)})`
  const kind = peer.kind === 'unknown' ? '' : `, ${peer.kind}`
  const lastWord =
    peer.lastWordAgeMs === null
      ? []
      : wrapped(
          `what ${peer.name} said of the groups is its last word, ${lengthOf(peer.lastWordAgeMs)} old`,
          layout.width,
        )
  return [
    ...wrapped(
      `${cluster}: ${node} is ${life} (${phase}${isolated ? ', ISOLATED' : ''}), guarantee class ${guarantee}`,
      layout.width,
    ).map((text) => painted({ text, tone: isolated ? 'bad' : 'title' }, layout)),
    ...wrapped(`peer ${peer.name}: ${peer.liveness}${heard}${kind}`, layout.width).map((text) =>
      painted({ text, tone: livenessTones[peer.liveness] }, layout),
    ),
    ...lastWord.map((text) => painted({ text, tone: 'caution' }, layout)),
  ]
}

function groupsOf({ groups, peer }: Snapshot, layout: Layout): string[] {
  const head = ['group', 'served by', 'here', 'at the peer', 'epoch', 'prefers', 'because']
  const rows = groups.map((group): Toned[] => [
    { text: group.name, tone: 'title' },
    group.servedBy === null ? { text: 'NOBODY', tone: 'bad' } : { text: group.servedBy },
    {
      text: group.maintenance ? `${group.state}, MAINTENANCE` : group.state,
      tone: group.maintenance ? 'caution' : groupTones[group.state],
    },
    atThePeer(peer, group.name),
    { text: String(group.epoch) },
    { text: group.preferred },
    { text: group.reason },
  ])
  return table(head, rows, layout)
}

/** Who holds the lease of each group, as the store said last, and until when this node may serve by its own. */
function leasesOf({ groups, node }: Snapshot, layout: Layout): string[] {
  const rows = groups.flatMap(({ name, lease }): Toned[][] => {
    // A member of an earlier version says nothing of leases.
    if (!lease) return []
    const { holder, epoch, endsInMs } = lease
    const who: Toned = holder === null ? { text: 'nobody', tone: 'caution' } : { text: holder }
    const ends = endsInMs === null ? '-' : `in ${lengthOf(endsInMs)} unless renewed`
    return [[{ text: name }, who, { text: holder === node ? String(epoch) : '-' }, { text: ends }]]
  })
  return rows.length === 0 ? [] : table(['lease', 'held by', 'epoch', 'ends here'], rows, layout)
}

/** The peer's state of a group now; `was` stands before what a peer said that is dead or has left. */
function atThePeer({ groups, lastWordAgeMs }: Snapshot['peer'], group: string): Toned {
  const claim = groups[group]
  if (claim === undefined) return { text: '-' }
  const state = claim.state ?? claim.claim
  return lastWordAgeMs === null ? { text: state, tone: groupTones[state] } : { text: `was ${state}`, tone: 'quiet' }
}

function resourcesOf({ groups, failures }: Snapshot, layout: Layout): string[] {
  const failureOf = (group: string, resource: string | undefined): Toned => {
    const failure = failures.find((each) => each.group === group && each.resource === resource)
    if (!failure) return { text: '-' }
    const again = failure.nextTry === null ? '' : `, next try ${momentOf(failure.nextTry)}`
    return { text: `${momentOf(failure.time)}: ${failure.reason}${again}`, tone: 'caution' }
  }
  const rows = groups.flatMap(({ name, resources }) => {
    const whole = failureOf(name, undefined)
    return [
      ...(whole.text === '-' ? [] : [[{ text: name }, { text: '(all)' }, whole]]),
      ...resources.map((resource): Toned[] => [{ text: name }, { text: resource }, failureOf(name, resource)]),
    ]
  })
  return rows.length === 0 ? [] : table(['group', 'resource', 'last failure'], rows, layout)
}

function linksOf({ links }: Snapshot, layout: Layout): string[] {
  const head = ['link', 'state', 'loss', 'rtt', 'received', 'path']
  const rows = links.map(({ link, up, lossRatio, rttMs, traffic, dropped, path }): Toned[] => {
    const counts = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`)
    return [
      { text: link },
      up === null
        ? { text: 'silent', tone: 'caution' }
        : up
          ? { text: 'up', tone: 'good' }
          : { text: 'DOWN', tone: 'bad' },
      { text: `${(lossRatio * 100).toFixed(1)} %`, tone: lossRatio > 0.05 ? 'caution' : undefined },
      { text: rttMs === null ? '-' : `${rttMs.toFixed(1)} ms` },
      { text: String(traffic.receivedFrames) },
      { text: counts.length === 0 ? path : `${path}; dropped: ${counts.join(', ')}` },
    ]
  })
  return table(head, rows, layout)
}

function targetsOf({ targets }: Snapshot, layout: Layout): string[] {
  if (targets.length === 0) return []
  const rows = targets.map(({ target, reachable }): Toned[] => [
    { text: target },
    reachable === null
      ? { text: 'not known yet' }
      : reachable
        ? { text: 'yes', tone: 'good' }
        : { text: 'NO', tone: 'bad' },
  ])
  return table(['ping target', 'answers'], rows, layout)
}

/** How well the peer is judged, and how often this process stood still. */
function qualityOf({ quality: { peer, stalls } }: Snapshot, { width }: Layout): string[] {
  const { late, dead, mistakes, longestDetectionMs, accuracy, mistakesPerHour, mistakesPerHourIsBound } = peer
  const detected = longestDetectionMs === null ? '' : ` (found out within ${lengthOf(longestDetectionMs)})`
  const rate =
    mistakesPerHour === null
      ? ''
      : `, ${mistakesPerHourIsBound ? 'below ' : ''}${mistakesPerHour.toPrecision(2)} an hour`
  const right = accuracy === null ? '' : `, right for ${(accuracy * 100).toFixed(3)} % of the time`
  const own = stalls.count === 0 ? 'none' : `${stalls.count}, the longest ${lengthOf(stalls.longestMs)}`
  return [
    `the peer was late ${late} and dead ${dead} times${detected}, ${mistakes} of them by mistake${rate}${right}`,
    `own stalls: ${own}`,
  ].flatMap((line) => wrapped(line, width))
}
