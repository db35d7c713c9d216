import type { Snapshot } from '../cluster/snapshot.ts'

/** What is to be made of a snapshot. */
export interface Verdict {
  /** `bad`: somebody must act now; `caution`: the pair serves, and is not as it should be. */
  readonly level: 'good' | 'caution' | 'bad'
  /** What is wrong, the worst first; where nothing is, who serves what. */
  readonly sentences: readonly string[]
}

type Find = (snapshot: Snapshot) => readonly string[]

/** What is wrong, by how bad it is; every rule that finds something is told, and the worst decides. */
const rules: readonly (readonly [level: 'caution' | 'bad', find: Find])[] = [
  ['bad', ({ life, node }) => (['stopped', 'failed'].includes(life) ? [`${node} is ${life}`] : [])],
  ['bad', ({ isolated, node }) => (isolated ? [`${node} is isolated`] : [])],
  [
    'bad',
    ({ groups }) => groups.filter(({ servedBy }) => servedBy === null).map(({ name }) => `nobody serves ${name}`),
  ],
  ['bad', (snapshot) => bothServe(snapshot).map((name) => `both members serve ${name}`)],
  [
    'bad',
    ({ groups, node }) =>
      groups.filter(({ state }) => state === 'stuck').map(({ name }) => `${name} does not stop on ${node}`),
  ],
  [
    'caution',
    ({ groups, node }) =>
      groups.filter(({ state }) => state === 'failed').map(({ name }) => `${name} cannot run on ${node}`),
  ],
  [
    'caution',
    ({ groups, peer }) =>
      groups
        .filter(({ name }) => saysNow(peer, name) === 'failed')
        .map(({ name }) => `${name} cannot run on ${peer.name}`),
  ],
  ['caution', ({ life, node }) => (['new', 'starting', 'stopping'].includes(life) ? [`${node} is ${life}`] : [])],
  ['caution', ({ peer }) => (hears(peer) ? [] : [absence[peer.liveness](peer.name)])],
  [
    'caution',
    ({ links, peer }) => (hears(peer) ? links.filter(({ up }) => !up).map(({ link }) => `link ${link} is down`) : []),
  ],
  [
    'caution',
    ({ targets }) =>
      targets.filter(({ reachable }) => reachable === false).map(({ target }) => `${target} does not answer`),
  ],
  [
    'caution',
    ({ groups }) => groups.filter(({ maintenance }) => maintenance).map(({ name }) => `${name} is in maintenance`),
  ],
]

const absence: Readonly<Record<Snapshot['peer']['liveness'], (peer: string) => string>> = {
  unheard: (peer) => `${peer} was not heard yet`,
  left: (peer) => `${peer} has left`,
  dead: (peer) => `${peer} is dead`,
  late: (peer) => `${peer} is late`,
  alive: (peer) => `${peer} is alive`,
}

const hears = ({ liveness }: Snapshot['peer']): boolean => liveness === 'alive' || liveness === 'late'

/** The peer's state of a group; undefined while it is not heard: what it said is no news. */
const saysNow = (peer: Snapshot['peer'], group: string): string | undefined =>
  hears(peer) ? (peer.groups[group]?.state ?? peer.groups[group]?.claim) : undefined

const bothServe = ({ groups, peer }: Snapshot): readonly string[] =>
  groups.filter(({ name, state }) => state === 'active' && saysNow(peer, name) === 'active').map(({ name }) => name)

/** Judges a snapshot by a table of rules: the same for a monitoring plugin and for the status page. */
export function verdictOf(snapshot: Snapshot): Verdict {
  const found = rules.flatMap(([level, find]) => find(snapshot).map((text) => ({ level, text })))
  const [bad, caution] = (['bad', 'caution'] as const).map((wanted) =>
    found.filter(({ level }) => level === wanted).map(({ text }) => text),
  ) as [string[], string[]]
  const { groups, peer } = snapshot
  const well = [...groups.map(({ name, servedBy }) => `${servedBy} serves ${name}`), `${peer.name} is ${peer.liveness}`]
  if (bad.length > 0) return { level: 'bad', sentences: [...bad, ...caution] }
  return caution.length > 0 ? { level: 'caution', sentences: caution } : { level: 'good', sentences: well }
}
