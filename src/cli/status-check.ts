import type { Snapshot } from '../index.ts'
import { printable, printableFields } from '../roles/printable.ts'
import { lengthOf } from './status.ts'

/** What a monitoring plugin ends with: OK, WARNING, CRITICAL, UNKNOWN. */
export type CheckCode = 0 | 1 | 2 | 3

const words = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const

/** What is wrong, by how bad it is; every rule that finds something is told, and the worst decides. */
const rules: readonly (readonly [code: 1 | 2, find: (snapshot: Snapshot) => readonly string[]])[] = [
  [2, ({ life, node }) => (['stopped', 'failed'].includes(life) ? [`${node} is ${life}`] : [])],
  [2, ({ isolated, node }) => (isolated ? [`${node} is isolated`] : [])],
  [2, ({ groups }) => groups.filter(({ servedBy }) => servedBy === null).map(({ name }) => `nobody serves ${name}`)],
  [2, (snapshot) => bothServe(snapshot).map((name) => `both members serve ${name}`)],
  [2, ({ groups }) => groups.filter(({ state }) => state === 'stuck').map(({ name }) => `${name} would not stop here`)],
  [1, ({ groups }) => groups.filter(({ state }) => state === 'failed').map(({ name }) => `${name} cannot run here`)],
  [1, ({ life, node }) => (['new', 'starting', 'stopping'].includes(life) ? [`${node} is ${life}`] : [])],
  [1, ({ peer }) => (hears(peer) ? [] : [`peer ${peer.name} is ${peer.liveness}`])],
  [
    1,
    ({ links, peer }) => (hears(peer) ? links.filter(({ up }) => !up).map(({ link }) => `link ${link} is down`) : []),
  ],
  [
    1,
    ({ targets }) =>
      targets.filter(({ reachable }) => reachable === false).map(({ target }) => `no answer of ${target}`),
  ],
  [1, ({ groups }) => groups.filter(({ maintenance }) => maintenance).map(({ name }) => `${name} is in maintenance`)],
]

const hears = ({ liveness }: Snapshot['peer']): boolean => liveness === 'alive' || liveness === 'late'

const bothServe = ({ groups, peer }: Snapshot): readonly string[] =>
  groups
    .filter(({ name, state }) => state === 'active' && hears(peer) && peer.groups[name]?.state === 'active')
    .map(({ name }) => name)

/** A snapshot as the one line of a monitoring plugin, with its exit code. */
export function statusCheck(found: Snapshot): { readonly code: CheckCode; readonly line: string } {
  const snapshot = printableFields(found)
  const { cluster, node, groups, links, peer } = snapshot
  const wrong = rules.flatMap(([code, find]) => find(snapshot).map((text) => ({ code, text })))
  const code = Math.max(0, ...wrong.map((each) => each.code)) as CheckCode
  const served = groups.map(({ name, servedBy }) => `${name} served by ${servedBy}`)
  const well = [...served, `peer ${peer.name} ${peer.liveness}, heard ${lengthOf(peer.silentMs)} ago`]
  const figures = [
    `groups_here=${groups.filter(({ servedBy }) => servedBy === node).length}`,
    `links_up=${links.filter(({ up }) => up === true).length};;;0;${links.length}`,
    ...(peer.heardEver ? [`peer_silence=${peer.silentMs / 1000}s;;${peer.deadtimeMs / 1000}`] : []),
  ]
  const said = wrong.toSorted((one, other) => other.code - one.code).map(({ text }) => text)
  // A bar begins the figures.
  const text = (said.length > 0 ? said : well).join('; ').replaceAll('|', '/')
  return { code, line: `HOT-STANDBY ${words[code]} - ${cluster}: ${text} | ${figures.join(' ')}` }
}

/** The same where no snapshot can be had: nobody runs, or nothing is known. */
export function checkFailure(error: unknown): { readonly code: CheckCode; readonly line: string } {
  const { cause, message } = error as Error
  const absent = ['ENOENT', 'ECONNREFUSED'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '')
  const code = absent ? 2 : 3
  return { code, line: printable(`HOT-STANDBY ${words[code]} - ${message.replaceAll('|', '/')}`) }
}
