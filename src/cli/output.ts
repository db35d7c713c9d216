import { describe, type Issue, type NamedEvent, type Snapshot } from '../index.ts'
import { printable, printableFields, printableLines } from '../roles/printable.ts'

/** Bytes that may wait for a reader which has stopped reading; what comes then is left out. */
const unreadMaxBytes = 1_048_576

/** Text of one or more lines to the standard output. What came from outside into it must be printable already: it may hold line ends. */
export function print(text: string): void {
  if (process.stdout.writableLength < unreadMaxBytes) process.stdout.write(printableLines(text))
}

/** One line to the standard error. */
export function say(line: string): void {
  if (process.stderr.writableLength < unreadMaxBytes) process.stderr.write(`${printable(line, 16_384)}\n`)
}

/** `file:line: message`, with the severity in front of what does not stop the start. */
export function issueLine({ where, message, severity }: Issue): string {
  return printable(`${where}: ${severity === 'error' ? '' : `${severity}: `}${message}`)
}

/** One event for people: time, name, sentence. */
export function eventLine(event: NamedEvent): string {
  const time = event.time.slice(11, 23)
  const text = 'bytes' in event.payload ? `a message of ${String(event.payload.bytes)} bytes` : describe(event)
  return printable(`${time}  ${event.name.padEnd(18)} ${text}`)
}

/** A snapshot for people. */
export function statusText(found: Snapshot): string {
  const snapshot = printableFields(found)
  const { cluster, node, life, phase, peer, guarantee, isolated } = snapshot
  const heard = peer.liveness === 'unheard' ? '' : `, last heard ${peer.silentMs} ms ago`
  const lines = [
    `${cluster}: ${node} is ${life} (${phase}${isolated ? ', ISOLATED' : ''}), guarantee class ${guarantee}`,
    `peer ${peer.name}: ${peer.liveness}${heard}${peer.kind === 'unknown' ? '' : `, ${peer.kind}`}`,
    '',
    table(
      ['group', 'served by', 'here', 'at the peer', 'epoch', 'prefers', 'because'],
      snapshot.groups.map((group) => [
        group.name,
        group.servedBy ?? 'nobody known',
        group.maintenance ? `${group.state}, MAINTENANCE` : group.state,
        atThePeer(peer, group.name),
        String(group.epoch),
        group.preferred,
        group.reason,
      ]),
    ),
    '',
    table(
      ['link', 'state', 'loss', 'round trip', 'received', 'dropped', 'path'],
      snapshot.links.map(({ link, up, lossRatio, rttMs, traffic, dropped, path }) => [
        link,
        up === null ? 'silent' : up ? 'up' : 'DOWN',
        `${(lossRatio * 100).toFixed(1)} %`,
        rttMs === null ? '-' : `${rttMs.toFixed(1)} ms`,
        String(traffic.receivedFrames),
        Object.entries(dropped)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(', ') || '-',
        path,
      ]),
    ),
  ]
  if (snapshot.failures.length > 0)
    lines.push(
      '',
      table(
        ['failed last', 'when', 'next try', 'because'],
        snapshot.failures.map(({ group, resource, time, nextTry, reason }) => [
          resource === undefined ? group : `${group}: ${resource}`,
          time,
          nextTry ?? '-',
          reason,
        ]),
      ),
    )
  lines.push('', ...qualityLines(snapshot.quality))
  if (snapshot.targets.length > 0)
    lines.push(
      '',
      table(
        ['ping target', 'answers'],
        snapshot.targets.map(({ target, reachable }) => [target, reachable === null ? '?' : reachable ? 'yes' : 'NO']),
      ),
    )
  return `${lines.join('\n')}\n`
}

/** The peer's state of a group; what a dead or departed peer said is called its last word, with its age. */
function atThePeer({ groups, lastWordAgeMs }: Snapshot['peer'], group: string): string {
  const claim = groups[group]
  if (claim === undefined) return '-'
  const state = claim.state ?? claim.claim
  return lastWordAgeMs === null ? state : `last word '${state}', ${(lastWordAgeMs / 1000).toFixed(1)} s ago`
}

/** How well the peer is judged, in two lines. */
function qualityLines({ peer, stalls }: Snapshot['quality']): string[] {
  const { late, dead, mistakes, longestDetectionMs, accuracy, mistakesPerHour, mistakesPerHourIsBound } = peer
  const detected = longestDetectionMs === null ? '' : ` (found out within ${longestDetectionMs} ms)`
  const rate =
    mistakesPerHour === null
      ? ''
      : `, ${mistakesPerHourIsBound ? 'below ' : ''}${mistakesPerHour.toPrecision(2)} an hour`
  const right = accuracy === null ? '' : `, right for ${(accuracy * 100).toFixed(3)} % of the time`
  const own = stalls.count === 0 ? 'none' : `${stalls.count}, the longest ${stalls.longestMs} ms`
  return [
    `the peer was late ${late} and dead ${dead} times${detected}, ${mistakes} of them by mistake${rate}${right}`,
    `own stalls: ${own}`,
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd()
  return [head, ...rows].map(line).join('\n')
}
